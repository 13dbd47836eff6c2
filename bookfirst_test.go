package closure_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// Three schedules with slots at 9, 10 and 11, of 20 minutes each.
var (
	clinicIDs = []closure.ScheduleID{"sch_nine", "sch_ten", "sch_eleven"}
	clinicDay = utc(2022, time.May, 23, 0, 0)
)

func clinicSlot(hour int) time.Time { return clinicDay.Add(time.Duration(hour) * time.Hour) }

// openClinic adds the schedules, each changed by change.
func (d *desk) openClinic(change func(*closure.Schedule)) {
	for i, id := range clinicIDs {
		schedule := closure.Schedule{
			ID:               id,
			SchedulingMethod: closure.SchedulingDirectAPI,
			Insurances:       []closure.Ref[closure.InsuranceID, closure.Insurance]{{ID: guide.insurance}},
		}
		if change != nil {
			change(&schedule)
		}
		d.AddSchedule(schedule)
		d.AddSlots(id, closure.Slot{StartAt: clinicSlot(9 + i), Duration: 20})
	}
}

func firstParams() closure.BookFirstParams {
	return closure.BookFirstParams{
		PatientID: guide.patient,
		Search: closure.SlotSearch{
			Schedules: append([]closure.ScheduleID{clinicIDs[0]}, clinicIDs...), // one twice
			From:      clinicDay,
			To:        clinicDay.AddDate(0, 0, 21),
		},
	}
}

func (d *desk) bookFirst(
	ctx context.Context, t *testing.T, params closure.BookFirstParams, opts ...closure.CallOption,
) (*closure.Booking, error) {
	t.Helper()
	begin := time.Now()
	booking, err := d.client.BookFirstAvailable(ctx, params, opts...)
	d.took = time.Since(begin)
	if !errors.Is(err, closure.ErrNoSlot) || closure.OutcomeOf(err) != closure.OutcomeNotSent {
		checkBooking(t, booking, err)
	}
	if booking != nil && !slices.Contains(d.Appointments(), booking.Appointment) {
		t.Errorf("not in the ledger: %s", show(booking.Appointment))
	}
	return booking, err
}

// A firstScenario is a call of BookFirstAvailable at the clinic, and what must come of it.
type firstScenario struct {
	name   string
	have   func(*desk)
	change func(*closure.Schedule)
	params func(*closure.BookFirstParams)
	want   firstResult
}

// A firstResult is what the call must come to. The methods return a changed copy.
type firstResult struct {
	ending string
	hour   int // of the booking
	is     []error
	isNot  []error
	posts  int
	took   time.Duration
}

func bookedAt(hour int) firstResult    { return firstResult{ending: "booked", hour: hour, posts: 1} }
func recoveredAt(hour int) firstResult { return firstResult{ending: "recovered", hour: hour, posts: 1} }
func noneSent(is ...error) firstResult { return firstResult{ending: "not sent", is: is} }

func firstUnknown() firstResult {
	return firstResult{ending: "unknown", posts: 1, took: 10 * time.Second}
}

func firstRejected(is error) firstResult {
	return firstResult{ending: "rejected", is: []error{is}, posts: 1}
}

func (r firstResult) as(is ...error) firstResult           { r.is = is; return r }
func (r firstResult) after(took time.Duration) firstResult { r.took = took; return r }
func (r firstResult) requests(n int) firstResult           { r.posts = n; return r }
func (r firstResult) not(isNot ...error) firstResult       { r.isNot = isNot; return r }

// firstTaken books the first slots for somebody else, after the slots were read and before the
// first booking is sent.
func firstTaken(n int) func(*desk) {
	return func(d *desk) {
		d.atFirst(http.MethodPost, func() {
			other := d.somebodyElse()
			for k := range n {
				d.bookClinic(k, other)
			}
		})
	}
}

// bookClinic puts an appointment on the slot of the clinic's schedule number k.
func (d *desk) bookClinic(k int, patient closure.PatientID) {
	d.AddAppointment(closure.Appointment{
		ScheduleID: clinicIDs[k], PatientID: patient, StartAt: clinicSlot(9 + k), Duration: 20,
	})
}

func injected(faults ...closuretest.Fault) func(*desk) {
	return func(d *desk) { d.Inject(faults...) }
}

// Which slot BookFirstAvailable books.
func TestBookFirstAvailable(t *testing.T) {
	t.Parallel()
	noList := always(closuretest.Status(lists, 404))
	runFirst(t, []firstScenario{
		{name: "first", want: bookedAt(9)},
		{
			name:   "filtered",
			params: func(p *closure.BookFirstParams) { p.Search.NotBefore = &closure.ClockTime{Hour: 10} },
			want:   bookedAt(10),
		},
		{name: "one taken", have: firstTaken(1), want: bookedAt(10).requests(2)},
		{name: "two taken", have: firstTaken(2), want: bookedAt(11).requests(3)},
		{name: "all taken", have: firstTaken(3), want: noneSent(closure.ErrNoSlot).requests(3)},
		{name: "ours already", have: func(d *desk) {
			d.bookClinic(0, guide.patient)
			d.showTaken()
		}, want: recoveredAt(9).requests(0)},
		{name: "no list", have: injected(noList), want: bookedAt(9)},
		{name: "no list, one taken", have: func(d *desk) {
			firstTaken(1)(d)
			d.Inject(noList)
		}, want: bookedAt(10).requests(2)},
		{name: "one fails", have: func(d *desk) { d.failSchedule(clinicIDs[0]) }, want: bookedAt(10)},
	})
}

// Only a definite "taken" goes on to the next.
func TestBookFirstAvailableEnds(t *testing.T) {
	t.Parallel()
	answered := func(status int) func(*desk) { return injected(closuretest.Status(create, status)) }
	runFirst(t, []firstScenario{
		{name: "unknown", have: injected(closuretest.DropBefore(create)), want: firstUnknown()},
		{name: "unknown, slot gone", have: func(d *desk) {
			firstTaken(1)(d)
			d.Inject(closuretest.DropBefore(create))
		}, want: firstUnknown()},
		{name: "found by reading back", have: injected(closuretest.DropAfter(create)), want: recoveredAt(9)},
		{name: "409, slot open", have: answered(409), want: firstRejected(closure.ErrConflict)},
		{name: "400", have: answered(400), want: firstRejected(closure.ErrInvalidRequest)},
		{name: "403", have: answered(403), want: firstRejected(closure.ErrForbidden)},
		{name: "list fails", have: injected(always(closuretest.Status(lists, 500))), want: noneSent(closure.ErrServer)},
		{name: "one taken, and then the list fails", have: func(d *desk) {
			d.atFirst(http.MethodPost, func() {
				d.bookClinic(0, guide.patient)
				d.Inject(always(closuretest.Status(lists, 500)))
			})
		}, want: firstUnknown().after(0).as(closure.ErrConflict).not(closure.ErrSlotUnavailable)},
	})
}

// A schedule that isn't bookable, or doesn't accept the insurance, is left out.
func TestBookFirstAvailableLeavesOut(t *testing.T) {
	t.Parallel()
	only := func(k int, change func(*closure.Schedule)) func(*closure.Schedule) {
		return func(s *closure.Schedule) {
			if s.ID == clinicIDs[k] {
				change(s)
			}
		}
	}
	openSlotsOnly := func(s *closure.Schedule) { s.SchedulingMethod = closure.SchedulingOpenSlotsOnly }
	acceptsOther := func(s *closure.Schedule) { s.Insurances[0].ID = "ins_other" }
	saysNothing := func(s *closure.Schedule) { s.Insurances = nil }
	noMethod := func(s *closure.Schedule) { s.SchedulingMethod = "" }
	checking := func(check closure.InsuranceCheck) func(*closure.BookFirstParams) {
		return func(p *closure.BookFirstParams) { p.InsuranceCheck = check }
	}
	runFirst(t, []firstScenario{
		{name: "one not bookable", change: only(0, openSlotsOnly), want: bookedAt(10)},
		{name: "one does not accept", change: only(0, acceptsOther), want: bookedAt(10)},
		{name: "one does not say", change: only(0, saysNothing), want: bookedAt(10)},
		{
			name: "one does not say, unknown allowed", change: only(0, saysNothing),
			params: checking(closure.AllowUnknown), want: bookedAt(9),
		},
		{name: "none bookable", change: noMethod, want: noneSent(closure.ErrNoSlot, closure.ErrNotBookable)},
		{
			name: "none accepts", change: acceptsOther,
			want: noneSent(closure.ErrNoSlot, closure.ErrInsuranceNotAccepted),
		},
		{name: "none says", change: saysNothing, want: noneSent(closure.ErrNoSlot, closure.ErrInsuranceUnknown)},
		{
			name: "each for another reason",
			change: func(s *closure.Schedule) {
				only(0, openSlotsOnly)(s)
				only(1, acceptsOther)(s)
				only(2, saysNothing)(s)
			},
			want: noneSent(closure.ErrNoSlot,
				closure.ErrNotBookable, closure.ErrInsuranceNotAccepted, closure.ErrInsuranceUnknown),
		},
		{
			name: "none accepts, self-pay", change: acceptsOther,
			params: checking(closure.SkipInsuranceCheck), want: bookedAt(9),
		},
		{
			name: "other insurance", change: only(2, acceptsOther),
			params: func(p *closure.BookFirstParams) { p.InsuranceID = "ins_other" }, want: bookedAt(11),
		},
		{
			name: "the search's insurance", change: only(2, acceptsOther),
			params: func(p *closure.BookFirstParams) { p.Search.InsuranceID = "ins_other" }, want: bookedAt(11),
		},
		{
			name: "the search's insurance, self-pay", change: only(1, acceptsOther),
			params: func(p *closure.BookFirstParams) {
				p.Search.InsuranceID, p.InsuranceCheck = "ins_other", closure.SkipInsuranceCheck
			},
			want: bookedAt(10),
		},
		{
			name: "some left out, others without slots", change: only(0, noMethod),
			params: onSundays, want: noneSent(closure.ErrNoSlot).not(closure.ErrNotBookable),
		},
	})
}

// onSundays looks at days without slots.
func onSundays(p *closure.BookFirstParams) { p.Search.Weekdays = []time.Weekday{time.Sunday} }

// No slot is no slot only if every schedule was looked at.
func TestBookFirstAvailableNoSlot(t *testing.T) {
	t.Parallel()
	runFirst(t, []firstScenario{
		{
			name: "nothing offered", params: onSundays,
			want: noneSent(closure.ErrNoSlot).not(closure.ErrNotBookable, closure.ErrInsuranceNotAccepted),
		},
		{
			name: "all fail", have: injected(always(closuretest.Status("availabilities.list", 500))),
			want: noneSent(closure.ErrServer).not(closure.ErrNoSlot),
		},
		{
			name: "patient fails", have: injected(always(closuretest.Status("patients.get", 500))),
			want: noneSent(closure.ErrServer),
		},
		{
			name: "patient unknown", params: func(p *closure.BookFirstParams) { p.PatientID = "pt_nobody" },
			want: noneSent(closure.ErrNotFound).not(closure.ErrNoSlot),
		},
	})
}

func runFirst(t *testing.T, scenarios []firstScenario) {
	for _, s := range scenarios {
		atDesks(t, s.name, s.run)
	}
}

func (s firstScenario) run(t *testing.T, d *desk) {
	d.openClinic(s.change)
	if s.have != nil {
		s.have(d)
	}
	params := firstParams()
	if s.params != nil {
		s.params(&params)
	}
	booking, err := d.bookFirst(d.patienceFor(t, s.want.ending), t, params)
	endsIn(t, s.want.ending, booking, err)
	isErrors(t, err, s.want.is...)
	isNoErrors(t, err, s.want.isNot...)
	d.tookInBubble(t, s.want.took)
	if booking != nil && !booking.Appointment.StartAt.Equal(clinicSlot(s.want.hour)) {
		t.Errorf("booked at %s, want %d o'clock", booking.Appointment.StartAt, s.want.hour)
	}
	if got := d.count(create); got != s.want.posts {
		t.Errorf("%d requests to book arrived, want %d", got, s.want.posts)
	}
	d.readOnce(t)
}

// readOnce checks that no schedule and no patient was read twice.
func (d *desk) readOnce(t *testing.T) {
	t.Helper()
	read := make(map[string]int)
	for _, r := range d.Requests() {
		if r.Op == "schedules.get" || r.Op == "patients.get" {
			read[r.Path]++
		}
	}
	for path, n := range read {
		if n != 1 && !d.faulty("schedules.get") && !d.faulty("patients.get") {
			t.Errorf("%s was read %d times", path, n)
		}
	}
}

func (d *desk) faulty(op string) bool {
	return slices.ContainsFunc(d.Injected(), func(i closuretest.Injection) bool {
		return strings.HasPrefix(i.Fault.String(), op)
	})
}

// atFirst does something before the first request of a method is carried out.
func (d *desk) atFirst(method string, do func()) {
	done := false
	d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
		if req.Method == method && !done {
			done = true
			do()
		}
		return next.RoundTrip(req)
	}
}

// showTaken shows the first slot of the first schedule as open though it isn't.
func (d *desk) showTaken() {
	d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil && strings.HasSuffix(req.URL.Path, string(clinicIDs[0])+"/slots") {
			return replace(resp, []closure.Slot{{StartAt: clinicSlot(9), Duration: 20}}), nil
		}
		return resp, err
	}
}

// failSchedule fails whatever is asked of one schedule.
func (d *desk) failSchedule(id closure.ScheduleID) {
	d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
		if strings.HasSuffix(req.URL.Path, string(id)+"/slots") {
			return nil, errors.New("no connection")
		}
		return next.RoundTrip(req)
	}
}

// What the booking hands back was read on the way.
func TestBookFirstAvailableReads(t *testing.T) {
	t.Parallel()
	atDesks(t, "reads", func(t *testing.T, d *desk) {
		d.openClinic(nil)
		booking, err := d.bookFirst(t.Context(), t, firstParams())
		noError(t, err)
		if booking.Schedule == nil || booking.Schedule.ID != clinicIDs[0] ||
			booking.Patient == nil || booking.Patient.ID != guide.patient || booking.Appointment.Duration != 20 {
			t.Errorf("schedule %v, patient %v, %d minutes", booking.Schedule, booking.Patient, booking.Appointment.Duration)
		}
		// One window of the three, the patient, three schedules, one look, one booking.
		equal(t, "requests", d.ops(), map[string]int{
			"patients.get": 1, "schedules.get": 3, "availabilities.list": 3, lists: 1, create: 1,
		})
	})
	atDesks(t, "self-pay", func(t *testing.T, d *desk) {
		d.openClinic(nil)
		params := firstParams()
		params.InsuranceCheck = closure.SkipInsuranceCheck
		booking, err := d.bookFirst(t.Context(), t, params)
		noError(t, err)
		if booking.Patient != nil || d.count("patients.get") != 0 {
			t.Error("the patient was read")
		}
	})
	atDesks(t, "no insurance on file", func(t *testing.T, d *desk) {
		d.openClinic(nil)
		d.AddPatient(closure.Patient{ID: guide.patient})
		_, err := d.bookFirst(t.Context(), t, firstParams())
		isErrors(t, err, closure.ErrInsuranceUnknown)
		equal(t, "requests", d.ops(), map[string]int{"patients.get": 1})
		params := firstParams()
		params.InsuranceCheck = closure.AllowUnknown
		_, err = d.bookFirst(t.Context(), t, params)
		noError(t, err)
	})
}

// ops is how many requests of each operation arrived.
func (d *desk) ops() map[string]int {
	ops := make(map[string]int)
	for _, r := range d.Requests() {
		ops[r.Op]++
	}
	return ops
}

// Nothing of the caller's changes, and what is captured is the answer to the
// last request to book.
func TestBookFirstAvailableOptions(t *testing.T) {
	t.Parallel()
	atDesks(t, "options", func(t *testing.T, d *desk) {
		d.openClinic(nil)
		d.Inject(closuretest.DropAfter(create))
		params := firstParams()
		before := show(params.Search.Schedules)
		var captured closure.Response
		opts := append(make([]closure.CallOption, 0, 8), closure.CaptureResponse(&captured))
		_, err := d.bookFirst(t.Context(), t, params, opts...)
		noError(t, err)
		if captured.StatusCode != 0 || captured.Attempts != 1 {
			t.Errorf("captured %v, want that there was no answer", captured)
		}
		if show(params.Search.Schedules) != before || opts[:2][1] != nil {
			t.Error("the caller's params or options were changed")
		}
	})
}

// The end of the context between two slots is not "no slot".
func TestBookFirstAvailableContextEnds(t *testing.T) {
	t.Parallel()
	atDesks(t, "between", func(t *testing.T, d *desk) {
		d.openClinic(nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if strings.HasSuffix(req.URL.Path, "/slots") && strings.Contains(req.URL.Path, string(clinicIDs[2])) {
				cancel()
			}
			return resp, err
		}
		booking, err := d.bookFirst(ctx, t, firstParams())
		endsIn(t, "not sent", booking, err)
		isErrors(t, err, context.Canceled)
		isNoErrors(t, err, closure.ErrNoSlot)
		d.sent(t, 0, 0)
	})
}

func TestBookFirstAvailableInput(t *testing.T) {
	t.Parallel()
	var bad []badInput
	for _, test := range []struct {
		field  string
		change func(*closure.BookFirstParams)
	}{
		{"PatientID", func(p *closure.BookFirstParams) { p.PatientID = "" }},
		{"InsuranceID", func(p *closure.BookFirstParams) { p.InsuranceID = "x" }},
		{"InsuranceID", func(p *closure.BookFirstParams) { p.InsuranceID, p.Search.InsuranceID = "ins_a", "ins_b" }},
		{"InsuranceCheck", func(p *closure.BookFirstParams) { p.InsuranceCheck = 7 }},
		{"Search.Schedules", func(p *closure.BookFirstParams) { p.Search.Schedules = nil }},
		{"Search.To", func(p *closure.BookFirstParams) { p.Search.To = time.Time{} }},
		{"Search.From", func(p *closure.BookFirstParams) { p.Search.From = p.Search.From.AddDate(-3000, 0, 0) }},
		{"Search.Schedules[0]", func(p *closure.BookFirstParams) { p.Search.Schedules = []closure.ScheduleID{"pt_x"} }},
	} {
		params := firstParams()
		test.change(&params)
		book := func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.BookFirstAvailable(ctx, params, opts...)
		}
		bad = append(bad, badInput{test.field, book, "BookFirstAvailable", test.field})
	}
	testBadInputs(t, bad)
}
