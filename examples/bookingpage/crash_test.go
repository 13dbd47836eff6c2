package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A process died after a click, before the journal had it: the next one finds that
// nothing was sent. Of a cancellation it finds what the clinic shows.
func TestWhatACrashLeaves(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.abandonedAfter, s.lostAfter = 3*time.Second, 3*time.Second
	p := s.newPerson(t)
	p.signIn("")
	p.post(p.choose(tuesday) + "/book") // another visit holds the slot that the one below wanted to move to
	for _, test := range []struct {
		state  state
		booked bool // before
		last   string
		texts  []string
	}{
		{booking, false, isNotBooked, []string{"You have no appointment", "Try again"}},
		{moving, true, isBooked, []string{"Nothing was changed", "Monday, November 2"}},
		{cancelling, true, isBooked, []string{"Nothing was changed", "Monday, November 2"}},
	} {
		path := p.choose(monday)
		if test.booked {
			mustSee(t, p.post(path+"/book"), isBooked)
		}
		s.leaveOpen(t, p, path, test.state)
		mustSee(t, p.get(path), isChecking)
		mustSee(t, p.until(path, 20*time.Second), test.last, test.texts...)
		p.post(path + "/cancel")
	}
}

// A process died when the clinic had done what it was asked, or did it later.
func TestWhatACrashLeavesDone(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{0, 4 * time.Second} {
		t.Run(late.String(), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.abandonedAfter = 3 * time.Second
			p, path := s.newBooker(t)
			v := s.leaveOpen(t, p, path, moving)
			attempt := closure.NewBookingAttempt(v.params())
			attempt.StartAt, attempt.IdempotencyKey, attempt.AppointmentID = tuesday, "", v.Appointment
			if there, err := s.journal.Begin(t.Context(), attempt); there != nil || err != nil {
				t.Fatal(there, err)
			}
			other := s.double.Client() // the process that died
			time.AfterFunc(late, func() {
				_, _ = other.Appointments.Reschedule(context.Background(), v.Appointment,
					closure.AppointmentRescheduleParams{StartAt: tuesday})
			})
			mustSee(t, p.until(path, 20*time.Second), isBooked, "Tuesday, November 3")
			s.leaveOpen(t, p, path, cancelling)
			time.AfterFunc(late, func() { _, _ = other.Appointments.Cancel(context.Background(), v.Appointment) })
			mustSee(t, p.until(path, 20*time.Second), "Your appointment is cancelled")
		})
	}
}

// An opening may not say how long it is. Then a visit that moves there is as long as before.
func TestMoveToAnOpeningWithoutADuration(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, path := s.newBooker(t)
	v := s.leaveOpen(t, p, path, moving)
	v.MoveFor = 0
	s.end(t.Context(), v, nil)
	check(t, calendarOf(t, p.get(path+"/appointment.ics")), "DTSTART", "20261103T150000Z", "DTEND", "20261103T153000Z")
}

// leaveOpen makes the visit as a process leaves it that dies in that state.
func (s *site) leaveOpen(t *testing.T, p *person, path string, in state) visit {
	t.Helper()
	v, err := s.store.find(t.Context(), s.sessionOf(p).ID, strings.TrimPrefix(path, "/visit/"))
	v.State, v.MoveTo, v.MoveFor = in, tuesday, 30
	if saved, err2 := s.store.save(t.Context(), &v); err != nil || err2 != nil || !saved {
		t.Fatal(err, err2, saved)
	}
	return v
}

// sessionOf is who the person is to the page.
func (s *site) sessionOf(p *person) session {
	request := httptest.NewRequest(http.MethodGet, s.url, nil)
	for _, cookie := range p.http.Jar.Cookies(request.URL) {
		request.AddCookie(cookie)
	}
	return s.session(request)
}

// What the clinic cancels is shown as cancelled.
func TestCancelledByTheClinic(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, path := s.newBooker(t)
	if _, err := s.double.Client().CancelBooking(t.Context(), s.double.Appointments()[0].ID); err != nil {
		t.Fatal(err)
	}
	mustSee(t, p.get(path), "Your appointment is cancelled")
	check(t, calendarOf(t, p.get(path+"/appointment.ics")), "STATUS", "CANCELLED", "SEQUENCE", "1")
}

// The faults of the panel do what their buttons say.
func TestClinicFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault  string
		status int // of a request to book; 0: no answer
		mine   int // appointments
		others int
	}{
		{"none", 200, 1, 0}, {"answer lost", 0, 1, 0}, {"request lost", 0, 0, 0}, {"commit late", 0, 0, 0},
		{"slot taken", 409, 0, 1}, {"API down", 503, 0, 0}, {"page killed", 0, 1, 0},
	} {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			c := &clinic{double: newDouble(t)}
			web := httptest.NewServer(c)
			t.Cleanup(web.Close)
			state, err := askClinic(t.Context(), http.MethodPost, web.URL+clinicPath, test.fault)
			if err != nil || len(state.Faults) != min(1, len(test.fault)-len("none")) {
				t.Errorf("%v, %v", state, err)
			}
			body := `{"schedule_id":"` + string(closuretest.GuideScheduleID) + `","patient_id":"` +
				string(closuretest.GuidePatientID) +
				`","start_at":"` + monday.Format("2006-01-02T15:04:05.000Z") + `"}`
			request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL+"/appointments",
				bytes.NewReader([]byte(body)))
			request.SetBasicAuth(closure.QuickstartKey, "")
			request.Header.Set("Content-Type", "application/json")
			status := 0
			if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
				status = response.StatusCode
				_ = response.Body.Close()
			}
			mine, others := 0, 0
			for _, a := range c.double.Appointments() {
				if a.PatientID == closuretest.GuidePatientID {
					mine++
				} else {
					others++
				}
			}
			if status != test.status || mine != test.mine || others != test.others {
				t.Errorf("%d, %d mine, %d others'", status, mine, others)
			}
		})
	}
	if _, err := askClinic(t.Context(), http.MethodGet, "", ""); err == nil {
		t.Error("no clinic answers")
	}
}

// While the API is down, and when this process ends, what nobody knows stays open:
// that a look or a second try failed says nothing of the first.
func TestNothingIsSaidWhileNobodyKnows(t *testing.T) {
	t.Parallel()
	for _, outage := range []struct {
		name  string
		begin func(*site)
		ctx   func(context.Context) context.Context
	}{
		{"503", inject(closuretest.Status("*", 503).Times(0)), same},
		{"404 of a gateway", inject(closuretest.Status("*", 404).Times(0)), same},
		{"403", inject(closuretest.Status("*", 403).Times(0)), same},
		{"no connection", inject(closuretest.DropBefore("*").Times(0)), same},
		{"this process ends", func(*site) {}, func(ctx context.Context) context.Context {
			ended, cancel := context.WithCancel(ctx)
			cancel()
			return ended
		}},
	} {
		t.Run(outage.name, func(t *testing.T) {
			t.Parallel()
			s := newQuietSite(t, closure.WithMaxAttempts(1), closure.WithTimeout(2*time.Second))
			s.lostAfter = 4 * time.Second
			p := s.newPerson(t)
			p.signIn("")
			visits := map[state]visit{}
			for i, from := range []state{booking, moving, cancelling} {
				path := p.choose([]time.Time{monday, monday2, sunday2}[i])
				if from != booking {
					mustSee(t, p.post(path+"/book"), isBooked)
				}
				v := s.leaveOpen(t, p, path, from)
				attempt := closure.NewBookingAttempt(v.params())
				if from == moving {
					attempt.StartAt, attempt.IdempotencyKey, attempt.AppointmentID = v.MoveTo, "", v.Appointment
				}
				if from != cancelling {
					if there, err := s.journal.Begin(t.Context(), attempt); there != nil || err != nil {
						t.Fatal(there, err)
					}
				}
				visits[from] = v
			}
			outage.begin(s)
			time.Sleep(5 * time.Second)
			s.settle(outage.ctx(t.Context()))
			for from, v := range visits {
				now, err := s.store.find(t.Context(), v.Session, v.Key)
				if err != nil || now.State != from {
					t.Errorf("%s became %q because of %q, %v", from, now.State, now.Reason, err)
				}
			}
		})
	}
}

func same(ctx context.Context) context.Context { return ctx }
