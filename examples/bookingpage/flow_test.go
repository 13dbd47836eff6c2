package main

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

const (
	isBooked    = "You have an appointment"
	isNotBooked = "This was not booked"
	isChecking  = "We are checking"
)

func TestBookMoveCancel(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.newPerson(t)
	mustSee(t, p.signIn(""), "Whom do you want to see?", "Deepika Sanon", "Hindi", "Midtown, New York",
		"Takes your insurance")
	week := p.get(schedule)
	mustSee(t, week, "Openings of Deepika Sanon", "Clocks go back 1 hour at 2:00 AM", "1:30 AM EDT", "1:30 AM EST",
		"10:00 AM<")
	path := p.choose(sunday2)
	mustSee(t, p.get(path), "Is this right?", "Nothing is booked yet", "Sunday, November 1, 2026 at 1:30 AM EST",
		"30 minutes")
	mustSee(t, p.post(path+"/book"), isBooked, "1:30 AM EST", "Deepika Sanon", "Midtown")
	first := calendarOf(t, p.get(path+"/appointment.ics"))
	check(t, first, "METHOD", "PUBLISH", "SUMMARY", "Appointment", "DTSTART", "20261101T063000Z",
		"DTEND", "20261101T070000Z", "SEQUENCE", "0", "STATUS", "CONFIRMED", "LOCATION", "")
	check(t, calendarOf(t, p.get(path+"/appointment.ics?details")), "SUMMARY", "New patient visit: Deepika Sanon")

	mustSee(t, p.get(path+"/move"), "Move your appointment", "1:30 AM EST", "10:00 AM")
	to := openingValue(closure.Slot{StartAt: monday, Duration: 30})
	mustSee(t, p.post(path+"/choose-move", "opening", to), "Move your appointment?",
		"Monday, November 2, 2026 at 10:00 AM EST")
	mustSee(t, p.post(path+"/move", "opening", to), isBooked, "Monday, November 2")
	if got := s.byKey(t, path); got == "" || got != s.double.Appointments()[0].ID {
		t.Errorf("the journal has %q under the visit's key", got)
	}
	check(t, calendarOf(t, p.get(path+"/appointment.ics")), "SEQUENCE", "1", "DTSTART", "20261102T150000Z",
		"UID", first["UID"])

	mustSee(t, p.get(path+"/cancel"), "Cancel your appointment?")
	if n := len(standing(s.double)); n != 1 {
		t.Errorf("%d appointments before it is cancelled", n)
	}
	mustSee(t, p.post(path+"/cancel"), "Your appointment is cancelled")
	check(t, calendarOf(t, p.get(path+"/appointment.ics")), "METHOD", "CANCEL", "STATUS", "CANCELLED", "SEQUENCE", "2",
		"UID", first["UID"])
	if n := len(standing(s.double)); n != 0 || len(s.double.Appointments()) != 1 {
		t.Errorf("%d appointments stand, of %d", n, len(s.double.Appointments()))
	}
	mustSee(t, p.post(path+"/book"), "Your appointment is cancelled") // an old tab
	mustSee(t, p.post(path+"/cancel"), "Your appointment is cancelled")
}

// byKey is the appointment that the journal has under the visit's key.
func (s *site) byKey(t *testing.T, path string) closure.AppointmentID {
	t.Helper()
	entry, err := s.journal.Find(t.Context(), closure.BookingAttempt{IdempotencyKey: strings.TrimPrefix(path, "/visit/")})
	if err != nil || entry == nil {
		t.Fatal(entry, err)
	}
	return entry.Appointment
}

// calendarOf reads a calendar with one event, as RFC 5545 has it.
func calendarOf(t *testing.T, v view) map[string]string {
	t.Helper()
	if v.header.Get("Content-Type") != "text/calendar; charset=utf-8" || !strings.HasSuffix(v.body, "\r\n") {
		t.Fatalf("%v %q", v.header, v.body)
	}
	fields := map[string]string{}
	for line := range strings.SplitSeq(strings.ReplaceAll(v.body, "\r\n ", ""), "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = value
	}
	return fields
}

func check(t *testing.T, fields map[string]string, want ...string) {
	t.Helper()
	for i := 0; i < len(want); i += 2 {
		if fields[want[i]] != want[i+1] {
			t.Errorf("%s is %q, want %q", want[i], fields[want[i]], want[i+1])
		}
	}
}

// Two tabs, twenty impatient clicks, the back button, a reload: one appointment.
func TestOneVisitIsOneAppointment(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.double.Inject(closuretest.Delay("appointments.create", 300*time.Millisecond))
	p := s.newPerson(t)
	p.signIn("")
	path := p.choose(monday)
	var clicks sync.WaitGroup
	for range 20 {
		clicks.Go(func() { p.post(path + "/book") })
	}
	clicks.Wait()
	mustSee(t, p.until(path, 5*time.Second), isBooked)
	mustSee(t, p.post(path+"/book"), isBooked)
	creates := 0
	for _, r := range s.double.Requests() {
		if r.Op == "appointments.create" {
			creates++
		}
	}
	if len(s.double.Appointments()) != 1 || creates != 1 {
		t.Errorf("%d appointments, %d requests for one", len(s.double.Appointments()), creates)
	}
}

func TestEndings(t *testing.T) {
	t.Parallel()
	const create = "appointments.create"
	for _, test := range []struct {
		name  string
		fault func(*site)
		first string   // the page after the click; empty: the last one
		last  string   // the page that it ends in
		texts []string // on it
		made  int      // appointments
	}{
		{"nothing fails", func(*site) {}, "", isBooked, nil, 1},
		{"answer lost", inject(closuretest.DropAfter(create)), "", isBooked, nil, 1},
		{"gateway's 502 after it is booked", inject(closuretest.StatusAfter(create, 502)), "", isBooked, nil, 1},
		{"booked late", inject(closuretest.CommitLate(create, 4*time.Second)), isChecking, isBooked, nil, 1},
		{"request lost", inject(closuretest.DropBefore(create)), isChecking, isNotBooked,
			[]string{"You have no appointment", "Try again"}, 0},
		{"refused", inject(closuretest.Status(create, 403)), "", isNotBooked,
			[]string{"You have no appointment", "Try again"}, 0},
		{"API down", inject(closuretest.Status("*", 503).Times(0)), "", isNotBooked, []string{"Try again"}, 0},
		{"not online any more", func(s *site) {
			s.double.AddSchedule(closure.Schedule{
				ID: closuretest.GuideScheduleID, SchedulingMethod: closure.SchedulingOpenSlotsOnly,
			})
		}, "", isNotBooked, []string{"can’t be booked online"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			// Lost is what nothing shows for longer than a booking reads back, 10 s.
			s := newSite(t, closure.WithTimeout(3*time.Second))
			s.lostAfter = 11 * time.Second
			p := s.newPerson(t)
			p.signIn("")
			path := p.choose(monday)
			test.fault(s)
			if v := p.post(path + "/book"); test.first != "" {
				mustSee(t, v, test.first, "you may close it", `http-equiv="refresh"`)
			}
			mustSee(t, p.until(path, 20*time.Second), test.last, test.texts...)
			if n := len(standing(s.double)); n != test.made {
				t.Errorf("%d appointments, want %d", n, test.made)
			}
			if slices.Contains(test.texts, "Try again") {
				s.double.ClearFaults()
				mustSee(t, p.until(p.post(path+"/book").path, 20*time.Second), isBooked)
			}
		})
	}
}

func inject(f closuretest.Fault) func(*site) { return func(s *site) { s.double.Inject(f) } }

// takeAway gives the openings to somebody else.
func (s *site) takeAway(starts ...time.Time) {
	for _, start := range starts {
		s.double.AddAppointment(closure.Appointment{
			ScheduleID: closuretest.GuideScheduleID, PatientID: "pt_faster", StartAt: start,
		})
	}
}

func TestTakenOffersTheNearest(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.newPerson(t)
	p.signIn("")
	path := p.choose(monday)
	s.takeAway(monday)
	v := p.post(path + "/book")
	mustSee(t, v, isNotBooked, "Somebody else has this opening", "Monday, November 2, 2026 at 10:30 AM EST")
	var want []string
	for _, start := range []time.Time{monday2, tuesday, sunday2} {
		want = append(want, openingValue(closure.Slot{StartAt: start, Duration: 30}))
	}
	if got := v.openings(); !slices.Equal(got, want) {
		t.Errorf("offered are %v, want %v", got, want)
	}
	path = p.chooseOn(string(closuretest.GuideScheduleID), want[0])
	mustSee(t, p.post(path+"/book"), isBooked, "10:30 AM EST")
	s.takeAway(sunday1, sunday2, tuesday)
	path = p.choose(sunday1)
	mustSee(t, p.post(path+"/book"), isNotBooked, "no others in the two weeks")
}

func TestInsuranceRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.newPerson(t)
	mustSee(t, p.signIn(string(otherPlan)), "Whom do you want to see?", "Doesn’t take your insurance",
		"Takes your insurance")
	path := p.choose(monday)
	mustSee(t, p.get(path), "Is this right?", "Sample Mutual HMO")
	mustSee(t, p.post(path+"/book"), isNotBooked, "doesn’t take your insurance", "/openings/"+string(otherID),
		"I pay myself")
	if n := len(standing(s.double)); n != 0 {
		t.Errorf("%d appointments", n)
	}
	mustSee(t, p.post(path+"/book", "pay", "self"), isBooked)
}

// What fails when an appointment is moved leaves it as it was.
func TestMoveAndCancelFail(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, path := s.newBooker(t)
	s.takeAway(tuesday)
	v := p.post(path+"/move", "opening", openingValue(closure.Slot{StartAt: tuesday, Duration: 30}))
	mustSee(t, v, isBooked, "was not moved", "Monday, November 2, 2026 at 10:00 AM EST")
	if others := v.openings(); len(others) != 3 {
		t.Errorf("offered are %v", others)
	}
	s.double.Inject(closuretest.Status("appointments.cancel", 403))
	mustSee(t, p.post(path+"/cancel"), isBooked, "Nothing was changed")
	s.double.Inject(closuretest.DropAfter("appointments.cancel"))
	mustSee(t, p.until(p.post(path+"/cancel").path, 5*time.Second), "Your appointment is cancelled")
	if got := standing(s.double); len(got) != 1 || !got[0].Equal(tuesday) {
		t.Errorf("%v, want only somebody else's", got)
	}
}

// A page that can't be shown says so, and that nothing was changed.
func TestPagesWithoutTheAPI(t *testing.T) {
	t.Parallel()
	s := newSite(t, closure.WithMaxAttempts(1))
	p, path := s.newBooker(t)
	s.double.Inject(closuretest.Status("*", 503).Times(0))
	for _, path := range []string{"/", "/practitioners", schedule} {
		v := p.get(path)
		mustSee(t, v, "This does not work at the moment", "changed nothing")
		if v.status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", path, v.status)
		}
	}
	mustSee(t, p.get(path), isBooked, "Monday, November 2, 2026")
	s.double.ClearFaults()
	if v := p.get("/openings/sch_nobody"); v.status != http.StatusNotFound {
		t.Errorf("%d", v.status)
	}
}

// What somebody typed wrong they are told, and the page shows it first.
func TestUnknownPerson(t *testing.T) {
	t.Parallel()
	p := newSite(t).newPerson(t)
	for _, form := range [][]string{
		{"name", "Trisha Pandit", "born", "1994-12-23"}, {"name", "", "born", patientDOB},
		{"name", "Trisha Pandit", "born", "x"},
	} {
		v := p.post("/who", form...)
		mustSee(t, v, "Book an appointment", `role="alert"`)
		if v.status != http.StatusUnprocessableEntity {
			t.Errorf("%d", v.status)
		}
	}
}
