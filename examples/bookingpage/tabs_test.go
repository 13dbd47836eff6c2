package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// Two forms for the same opening, also on two devices, end in one appointment. It
// has one page: the other form's page goes there, and so it can't tell of a time
// that is over.
func TestTwoFormsOneAppointment(t *testing.T) {
	t.Parallel()
	for _, devices := range []int{1, 2} {
		s := newSite(t)
		p := s.newPerson(t)
		p.signIn("")
		p2 := p
		if devices == 2 {
			p2 = s.newPerson(t)
			p2.signIn("")
		}
		first, second := p.choose(monday), p2.choose(monday)
		mustSee(t, p.post(first+"/book"), isBooked)
		v := p2.post(second + "/book")
		mustSee(t, v, isBooked)
		if v.path != first || len(standing(s.double)) != 1 {
			t.Errorf("the second form ends at %s, want %s, with %d appointments", v.path, first, len(standing(s.double)))
		}
		p.post(first+"/move", "opening", openingValue(closure.Slot{StartAt: tuesday, Duration: 30}))
		mustSee(t, p2.get(second), isBooked, "Tuesday, November 3")
		one, other := calendarOf(t, p.get(first+"/appointment.ics")), calendarOf(t, p2.get(second+"/appointment.ics"))
		check(t, other, "UID", one["UID"], "DTSTART", "20261103T150000Z", "SEQUENCE", "1")
		if n := strings.Count(p2.get("/").body, `href="/visit/`); n != 1 {
			t.Errorf("%d appointments are listed", n)
		}
		mustSee(t, p2.post(second+"/cancel"), isBooked, "Tuesday, November 3") // an old form: they look first
		mustSee(t, p2.post(first+"/cancel"), "Your appointment is cancelled")
		mustSee(t, p2.get(second), "Your appointment is cancelled")
		second = p2.choose(monday)
		if v := p2.post(second + "/book"); v.path != second || v.title() != isBooked {
			t.Errorf("a new booking is %q at %s", v.title(), v.path)
		}
		stranger := s.newPerson(t)
		stranger.signIn("")
		mustSee(t, stranger.get(first), "There is no such page")
	}
}

// A form whose body comes slowly changes nothing that was changed meanwhile.
func TestSlowForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, path := s.newBooker(t)
	at, _ := url.Parse(s.url)
	connection, err := net.Dial("tcp", at.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	body := url.Values{"shown-to": {s.sessionOf(p).Mark()},
		"opening": {openingValue(closure.Slot{StartAt: monday2, Duration: 30})}}.Encode()
	fmt.Fprintf(connection, "POST %s/move HTTP/1.1\r\nHost: %s\r\nCookie: %s=%s\r\nConnection: close\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
		path, at.Host, s.cookieName(), p.http.Jar.Cookies(at)[0].Value, len(body), body[:10])
	mustSee(t, p.post(path+"/move", "opening", openingValue(closure.Slot{StartAt: tuesday, Duration: 30})), isBooked,
		"Tuesday, November 3")
	_, _ = io.WriteString(connection, body[10:])
	_, _ = io.ReadAll(connection)
	mustSee(t, p.get(path), isBooked, "10:30 AM")
	check(t, calendarOf(t, p.get(path+"/appointment.ics")), "SEQUENCE", "2", "DTSTART", "20261102T153000Z")
}

// Of two who read a visit, one changes it.
func TestOneChangesAVisit(t *testing.T) {
	t.Parallel()
	s := newQuietSite(t)
	p, path := s.newBooker(t)
	late, err := s.store.find(t.Context(), s.sessionOf(p).ID, strings.TrimPrefix(path, "/visit/"))
	if err != nil {
		t.Fatal(err)
	}
	p.post(path+"/move", "opening", openingValue(closure.Slot{StartAt: tuesday, Duration: 30}))
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, nil)
	recorder := &cookieRecorder{header: http.Header{}}
	if err := s.begin(recorder, request, late, cancelling, booked); err != nil {
		t.Fatal(err)
	}
	mustSee(t, p.get(path), isBooked, "Tuesday, November 3")
	if len(standing(s.double)) != 1 {
		t.Error("it is cancelled on the word of an old page")
	}
}

// A form that is left open when somebody else signs in at the browser does nothing
// in their name.
func TestFormOfAnotherPerson(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.double.AddPatient(closure.Patient{FirstName: "Ada", LastName: "Other", DOB: closure.NewDate(1990, 1, 2)})
	p := s.newPerson(t)
	p.signIn("")
	week := p.get(schedule)
	check := p.get(p.choose(monday))
	mustSee(t, check, "Is this right?", "Trisha Pandit")
	p.post("/who", "name", "Ada Other", "born", "1990-01-02", "plan", string(planSelf))
	opening := openingValue(closure.Slot{StartAt: monday, Duration: 30})
	const startAgain = "Please start again"
	mustSee(t, p.post("/choose", "schedule", string(closuretest.GuideScheduleID), "opening", opening,
		"shown-to", shownTo(week)), startAgain)
	mustSee(t, p.post(check.path+"/book", "shown-to", shownTo(check)), startAgain)
	mustSee(t, p.post("/choose", "schedule", string(closuretest.GuideScheduleID), "opening", opening, "shown-to", ""),
		startAgain)
	if n := len(standing(s.double)); n != 0 {
		t.Errorf("%d appointments", n)
	}
	v := p.post("/choose", "schedule", string(closuretest.GuideScheduleID), "opening", opening,
		"shown-to", shownTo(p.get(schedule)))
	mustSee(t, v, "Is this right?", "Ada Other")
	v = p.post(v.path+"/book", "shown-to", shownTo(v))
	mustSee(t, v, isBooked, "Ada Other")
	for _, path := range []string{"/move", "/cancel"} {
		if page := p.get(v.path + path); shownTo(page) != s.sessionOf(p).Mark() {
			t.Errorf("the form of %s has no mark", path)
		}
	}
}

var shownToField = regexp.MustCompile(`name="shown-to" value="([^"]+)"`)

// shownTo is the mark in the page's form.
func shownTo(v view) string {
	if found := shownToField.FindStringSubmatch(v.body); found != nil {
		return found[1]
	}
	return ""
}
