package closure

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go/internal/transport"
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
		"a word that begins with v":     isRouteWord("visits"),
		"a number may be an id":         !isRouteWord("12"),
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

// What a search asks for at the most, and the seconds of a time of day.
func TestSearchAtItsEdges(t *testing.T) {
	t.Parallel()
	from := time.Date(2022, 5, 20, 10, 0, 0, 0, time.UTC)
	search := SlotSearch{
		Schedules: []ScheduleID{"sch_1", "sch_2", "sch_3"}, From: from, To: from.Add(90 * time.Minute),
		Window: time.Hour, Zone: time.UTC, NotAfter: &ClockTime{Hour: 10},
	}
	if got := search.requests(); got != 6 {
		t.Errorf("%v requests, want two for each of three schedules", got)
	}
	for most, refused := range map[int]bool{5: true, 6: false} {
		search.MaxRequests = most
		if err := search.check(methodSearch, ""); (err != nil) != refused {
			t.Errorf("MaxRequests %d: %v", most, err)
		}
	}
	for late, wanted := range map[time.Duration]bool{-time.Second: true, 0: true, time.Second: false, 30 * time.Second: false} {
		if got := search.wantsTimeOfDay(from.Add(late)); got != wanted {
			t.Errorf("%v after NotAfter: %t", late, got)
		}
	}
}

func TestMinutesInHalfAString(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`"`, `""`, `3"`, `33"`, `"33`} {
		var m Minutes
		if m.UnmarshalJSON([]byte(text)) == nil {
			t.Errorf("%s is read as %d", text, m)
		}
	}
}

// An observer of attempts is told of which booking they are, and one of bookings is, too.
func TestWhoWantsToKnowOfBookings(t *testing.T) {
	t.Parallel()
	attempts := []func(context.Context, Event){func(context.Context, Event) {}}
	bookings := []func(context.Context, BookingEvent){func(context.Context, BookingEvent) {}}
	for _, tt := range []struct {
		watcher *watcher
		want    bool
	}{{&watcher{}, false}, {&watcher{observers: attempts}, true}, {&watcher{bookingObservers: bookings}, true}} {
		if got := tt.watcher.bookings(); got != tt.want {
			t.Errorf("%d and %d observers: %t", len(tt.watcher.observers), len(tt.watcher.bookingObservers), got)
		}
	}
}

func TestOutcomeOfAnAttemptWithAnAnswer(t *testing.T) {
	t.Parallel()
	write := &endpoint{method: http.MethodPost}
	for status, want := range map[int]Outcome{299: OutcomeApplied, 300: OutcomeUnknown, 400: OutcomeRejected, 500: OutcomeUnknown} {
		if got := attemptOutcome(write, transport.Attempt{Answer: transport.Answer{StatusCode: status}}); got != want {
			t.Errorf("%d: %v", status, got)
		}
	}
}

// No answer and a failure are logged as warnings, unless nobody wants them any more.
func TestLevelsOfAttempts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		event Event
		level string
	}{
		{Event{StatusCode: 200}, "INFO"}, {Event{StatusCode: 399}, "INFO"}, {Event{StatusCode: 400}, "WARN"},
		{Event{StatusCode: 503}, "WARN"}, {Event{}, "WARN"}, {Event{Abandoned: true}, "INFO"},
	} {
		var written strings.Builder
		w := watcher{logger: slog.New(slog.NewTextHandler(&written, nil))}
		w.log(t.Context(), tt.event)
		if !strings.Contains(written.String(), "level="+tt.level) {
			t.Errorf("status %d, abandoned %t: %s", tt.event.StatusCode, tt.event.Abandoned, written.String())
		}
	}
}

// What was recorded in the end did not fail, and another method's success is no news of it.
func TestJournalFailureThatIsMadeGood(t *testing.T) {
	t.Parallel()
	b := new(watchedBooking)
	ctx := context.WithValue(t.Context(), watchedBookingKey{}, b)
	for _, step := range []struct {
		method string
		err    error
		want   string
	}{
		{"finish", nil, ""}, {"finish", errBadEntry, "finish"}, {"release", nil, "finish"}, {"finish", nil, ""},
	} {
		if noteJournal(ctx, step.method, step.err); b.journalFailed != step.want {
			t.Errorf("after %s, %v: %q failed", step.method, step.err, b.journalFailed)
		}
	}
}

// A type of the caller's names the id beside its own fields.
func TestRefToATypeOfTheCallers(t *testing.T) {
	t.Parallel()
	type mine struct {
		Name string `json:"name"`
	}
	var ref Ref[InsuranceID, mine]
	if err := json.Unmarshal([]byte(`{"id":"ins_1","name":"x"}`), &ref); err != nil || ref.ID != "ins_1" || ref.Object.Name != "x" {
		t.Errorf("%v, %v", ref, err)
	}
	if json.Unmarshal([]byte(`{"id":7,"name":"x"}`), &ref) == nil {
		t.Error("a number is an id")
	}
}

// Clocks differ by 5 minutes. An appointment that doesn't say when it was made may be any attempt's.
func TestAttemptIsAfterAnAppointment(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, test := range []struct {
		attempt BookingAttempt
		created time.Time
		want    bool
	}{
		{BookingAttempt{AttemptedAt: now}, now.Add(-clocksDiffer - 1), true},
		{BookingAttempt{AttemptedAt: now}, now.Add(-clocksDiffer), false},
		{BookingAttempt{AttemptedAt: now}, time.Time{}, false},
		{BookingAttempt{}, now, false},
		{BookingAttempt{AttemptedAt: now, AppointmentID: "appt_1"}, now.Add(-time.Hour), false},
	} {
		if got := test.attempt.isAfter(Appointment{CreatedAt: test.created}); got != test.want {
			t.Errorf("%+v: %t", test.created, got)
		}
	}
}
