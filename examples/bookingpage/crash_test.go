package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A process died after a click, before or while it worked: the next one ends what
// it left.
func TestWhatACrashLeaves(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.abandonedAfter = time.Second
	p := s.newPerson(t)
	p.signIn("")
	for _, test := range []struct {
		state  state
		booked bool // before
		last   string
		texts  []string
	}{
		{booking, false, isNotBooked, []string{"You have no appointment", "Try again"}},
		{moving, true, isBooked, []string{"Tuesday, November 3"}},
		{cancelling, true, "Your appointment is cancelled", nil},
	} {
		path := p.choose(monday)
		if test.booked {
			mustSee(t, p.post(path+"/book"), isBooked)
		}
		v, err := s.store.find(t.Context(), s.sessionOf(p), strings.TrimPrefix(path, "/visit/"))
		was := v.State
		v.State, v.MoveTo, v.MoveFor = test.state, tuesday, 30
		if saved, err2 := s.store.save(t.Context(), v, was); err != nil || err2 != nil || !saved {
			t.Fatal(err, err2, saved)
		}
		mustSee(t, p.get(path), isChecking)
		mustSee(t, p.until(path, 10*time.Second), test.last, test.texts...)
	}
	if got := standing(s.double); len(got) != 1 || !got[0].Equal(tuesday) {
		t.Errorf("%v stand", got)
	}
}

// sessionOf is who the person is to the page.
func (s *site) sessionOf(p *person) string {
	request := httptest.NewRequest(http.MethodGet, s.url, nil)
	for _, cookie := range p.http.Jar.Cookies(request.URL) {
		request.AddCookie(cookie)
	}
	return s.session(request).ID
}

// What the clinic cancels is shown as cancelled.
func TestCancelledByTheClinic(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.newPerson(t)
	p.signIn("")
	path := p.choose(monday)
	p.post(path + "/book")
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
			body := `{"schedule_id":"` + string(closuretest.GuideScheduleID) + `","patient_id":"` + string(closuretest.GuidePatientID) +
				`","start_at":"` + monday.Format("2006-01-02T15:04:05.000Z") + `"}`
			request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL+"/appointments", bytes.NewReader([]byte(body)))
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
