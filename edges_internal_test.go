package closure

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// What these functions decide at the edge of what they accept, one fact a line.
func TestEdges(t *testing.T) {
	t.Parallel()
	closed, open := false, true
	inYear := func(year int) bool {
		return checkYear(opAppointmentsCreate, "StartAt", time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)) == nil
	}
	long := strings.Repeat("a", 64)
	for fact, holds := range map[string]bool{
		"the year 0 can be sent":        inYear(0),
		"the year before can't":         !inYear(-1),
		"the year 9999 can be sent":     inYear(9999),
		"the year after can't":          !inYear(10000),
		"255 bytes are a path segment":  segmentProblem(strings.Repeat("a", 255)) == "",
		"256 aren't":                    segmentProblem(strings.Repeat("a", 256)) != "",
		"255 bytes are an id":           idProblem(PatientID("pt_"+strings.Repeat("a", 252))) == "",
		"256 aren't one":                idProblem(PatientID("pt_"+strings.Repeat("a", 253))) != "",
		"64 characters of an id show":   printableID(PatientID("pt_"+long)) == "pt_"+long,
		"65 don't":                      printableID(PatientID("pt_"+long+"a")) == unprintable,
		"nor does a name in its place":  printableID(PatientID("Trisha")) == unprintable,
		"nor a prefix alone":            printableID(PatientID("pt_")) == unprintable,
		"a code of 64 characters shows": printableCode(strings.Repeat("patients_", 6)+"booking_at") != unprintable,
		"one of 65 doesn't":             printableCode(strings.Repeat("patients_", 6)+"booking_end") == unprintable,
		"nor two words with a blank":    printableCode("accept accepted") == unprintable,
		"nor an empty word":             printableCode("patient__id") == unprintable,
		"a version of two digits":       isRouteWord("v1") && isRouteWord("v12"),
		"three may be an id":            !isRouteWord("v123"),
		"port 1":                        validPort("1") && validPort("65535"),
		"no port 0":                     !validPort("0"),
		"no port after the last":        !validPort("65536"),
		"a tilde in a header":           headerSafe("a~b"),
		"no DEL in a header":            !headerSafe("a\x7fb"),
		"a closed slot is gone":         sighting{slotOpen: &closed}.gone(),
		"also without a list":           sighting{slotOpen: &closed, err: errNoList}.gone(),
		"not if the list failed":        !sighting{slotOpen: &closed, err: errors.New("failed")}.gone(),
		"not for who has it":            !sighting{slotOpen: &closed, appointment: new(Appointment)}.gone(),
		"not if it is open":             !sighting{slotOpen: &open}.gone(),
		"not if that isn't known":       !sighting{}.gone(),
	} {
		if !holds {
			t.Errorf("not so: %s", fact)
		}
	}
}

func TestKindsOfCharacters(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"09": digit, "az": lower, "AZ": upper, "/:@[`{": 0} {
		for _, r := range text {
			if got := kindOf(r); got != want {
				t.Errorf("%q is of kind %d, want %d", r, got, want)
			}
		}
	}
}

// Two runs of digits, and a change of kind at every third place.
func TestRandomEnough(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"11aaa22": true, "11aaaa22": false, "1a": false, "1a2": true, "aBcD": false} {
		if got := random(text); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

// An appointment is not the one that was attempted if a single field says otherwise.
func TestAppointmentsThatDoNotMatch(t *testing.T) {
	t.Parallel()
	start := time.Date(2022, 5, 20, 17, 0, 0, 0, time.UTC)
	attempt := BookingAttempt{AppointmentID: "appt_1", PatientID: "pt_1", ScheduleID: "sch_1", StartAt: start}
	params := AppointmentCreateParams{PatientID: "pt_1", ScheduleID: "sch_1", StartAt: start}
	same := Appointment{ID: "appt_1", PatientID: "pt_1", ScheduleID: "sch_1", StartAt: start}
	if !attempt.matches(same) || !params.madeInto(&same) || !params.madeInto(new(Appointment)) {
		t.Error("the one that was attempted doesn't match")
	}
	for field, change := range map[string]func(*Appointment){
		"ID":         func(a *Appointment) { a.ID = "appt_2" },
		"PatientID":  func(a *Appointment) { a.PatientID = "pt_2" },
		"ScheduleID": func(a *Appointment) { a.ScheduleID = "sch_2" },
		"StartAt":    func(a *Appointment) { a.StartAt = start.Add(time.Minute) },
	} {
		other := same
		change(&other)
		if attempt.matches(other) {
			t.Errorf("another %s matches the attempt", field)
		}
		if params.madeInto(&other) != (field == "ID") {
			t.Errorf("another %s passes for what was asked for", field)
		}
	}
	same.ID = ""
	if attempt.AppointmentID = ""; attempt.matches(same) {
		t.Error("one without an id matches")
	}
}

func TestDefaultPolicy(t *testing.T) {
	t.Parallel()
	want := RetryPolicy{MaxAttempts: 3, MinWait: 100 * time.Millisecond, MaxWait: 10 * time.Second, MaxRetryAfter: time.Minute, Budget: 100}
	if got := (RetryPolicy{}).withDefaults(); got != want {
		t.Errorf("%+v", got)
	}
	if cfg, err := newClientConfig(nil); err != nil || cfg.call.timeout != 30*time.Second {
		t.Errorf("%v, %v", cfg.call.timeout, err)
	}
}

// The times that a booking reckons with.
func TestBookingTimes(t *testing.T) {
	t.Parallel()
	for name, times := range map[string][2]time.Duration{
		"lookFor":     {lookFor, 10 * time.Second},
		"oneLookFor":  {oneLookFor, 3 * time.Second},
		"minLookWait": {minLookWait, 250 * time.Millisecond},
		"maxLookWait": {maxLookWait, 2 * time.Second},
		"bookkeeping": {bookkeeping, 5 * time.Second},
		"longestLag":  {longestLag, 24 * time.Hour},
	} {
		if times[0] != times[1] {
			t.Errorf("%s is %v", name, times[0])
		}
	}
}

func TestSameSlot(t *testing.T) {
	t.Parallel()
	start := time.Date(2022, 5, 20, 17, 0, 0, 0, time.UTC)
	one := BookingAttempt{PatientID: "pt_1", ScheduleID: "sch_1", StartAt: start}
	if !one.sameSlot(one) {
		t.Error("not the same as itself")
	}
	for field, other := range map[string]BookingAttempt{
		"PatientID":  {PatientID: "pt_2", ScheduleID: "sch_1", StartAt: start},
		"ScheduleID": {PatientID: "pt_1", ScheduleID: "sch_2", StartAt: start},
		"StartAt":    {PatientID: "pt_1", ScheduleID: "sch_1", StartAt: start.Add(1)},
	} {
		if one.sameSlot(other) {
			t.Errorf("the same, with another %s", field)
		}
	}
}

func TestFailuresOfTheWay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{&JournalError{}, true}, {&TransportError{}, true}, {&APIError{}, true},
		{ErrSlotUnavailable, false}, {&InputError{}, false}, {nil, false},
	} {
		if got := isFailure(tt.err); got != tt.want {
			t.Errorf("%T: %t", tt.err, got)
		}
	}
}
