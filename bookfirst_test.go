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

func (d *desk) bookFirst(ctx context.Context, t *testing.T, params closure.BookFirstParams, opts ...closure.CallOption) (*closure.Booking, error) {
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

// Which slot BookFirstAvailable books, and what ends it.
func TestBookFirstAvailable(t *testing.T) {
	t.Parallel()
	takenAt := func(i int) func(*desk) {
		return func(d *desk) {
			// After the slots were read, and before the first booking is sent.
			d.atFirst(http.MethodPost, func() {
				other := d.somebodyElse()
				for k := range i {
					d.AddAppointment(closure.Appointment{ScheduleID: clinicIDs[k], PatientID: other, StartAt: clinicSlot(9 + k), Duration: 20})
				}
			})
		}
	}
	fault := func(faults ...closuretest.Fault) func(*desk) {
		return func(d *desk) { d.Inject(faults...) }
	}
	for _, test := range []struct {
		name   string
		have   func(*desk)
		change func(*closure.Schedule)
		params func(*closure.BookFirstParams)
		want   string
		hour   int // of the booking
		is     []error
		isNot  []error
		posts  int
		took   time.Duration
	}{
		{name: "first", want: "booked", hour: 9, posts: 1},
		{name: "filtered", params: func(p *closure.BookFirstParams) { p.Search.NotBefore = &closure.ClockTime{Hour: 10} }, want: "booked", hour: 10, posts: 1},
		{name: "one taken", have: takenAt(1), want: "booked", hour: 10, posts: 2},
		{name: "two taken", have: takenAt(2), want: "booked", hour: 11, posts: 3},
		{name: "all taken", have: takenAt(3), want: "not sent", is: []error{closure.ErrNoSlot}, posts: 3},
		{name: "ours already", have: func(d *desk) {
			d.AddAppointment(closure.Appointment{ScheduleID: clinicIDs[0], PatientID: guide.patient, StartAt: clinicSlot(9), Duration: 20})
			d.showTaken()
		}, want: "recovered", hour: 9},

		// Only a definite "taken" goes on to the next.
		{name: "unknown", have: fault(closuretest.DropBefore(create)), want: "unknown", posts: 1, took: 10 * time.Second},
		{name: "unknown, slot gone", have: func(d *desk) {
			takenAt(1)(d)
			d.Inject(closuretest.DropBefore(create))
		}, want: "unknown", posts: 1, took: 10 * time.Second},
		{name: "found by reading back", have: fault(closuretest.DropAfter(create)), want: "recovered", hour: 9, posts: 1},
		{name: "409, slot open", have: fault(closuretest.Status(create, 409)), want: "rejected", is: []error{closure.ErrConflict}, posts: 1},
		{name: "400", have: fault(closuretest.Status(create, 400)), want: "rejected", is: []error{closure.ErrInvalidRequest}, posts: 1},
		{name: "403", have: fault(closuretest.Status(create, 403)), want: "rejected", is: []error{closure.ErrForbidden}, posts: 1},
		{name: "list fails", have: fault(always(closuretest.Status(lists, 500))), want: "not sent", is: []error{closure.ErrServer}},
		{name: "one taken, and then the list fails", have: func(d *desk) {
			d.atFirst(http.MethodPost, func() {
				d.AddAppointment(closure.Appointment{ScheduleID: clinicIDs[0], PatientID: guide.patient, StartAt: clinicSlot(9), Duration: 20})
				d.Inject(always(closuretest.Status(lists, 500)))
			})
		}, want: "unknown", is: []error{closure.ErrConflict}, isNot: []error{closure.ErrSlotUnavailable}, posts: 1},
		{name: "no list", have: fault(always(closuretest.Status(lists, 404))), want: "booked", hour: 9, posts: 1},
		{name: "no list, one taken", have: func(d *desk) {
			takenAt(1)(d)
			d.Inject(always(closuretest.Status(lists, 404)))
		}, want: "booked", hour: 10, posts: 2},

		// What is left out.
		{name: "one not bookable", change: func(s *closure.Schedule) {
			if s.ID == clinicIDs[0] {
				s.SchedulingMethod = closure.SchedulingOpenSlotsOnly
			}
		}, want: "booked", hour: 10, posts: 1},
		{name: "one does not accept", change: func(s *closure.Schedule) {
			if s.ID == clinicIDs[0] {
				s.Insurances[0].ID = "ins_other"
			}
		}, want: "booked", hour: 10, posts: 1},
		{name: "one does not say", change: func(s *closure.Schedule) {
			if s.ID == clinicIDs[0] {
				s.Insurances = nil
			}
		}, want: "booked", hour: 10, posts: 1},
		{name: "one does not say, unknown allowed", change: func(s *closure.Schedule) {
			if s.ID == clinicIDs[0] {
				s.Insurances = nil
			}
		}, params: func(p *closure.BookFirstParams) { p.InsuranceCheck = closure.AllowUnknown }, want: "booked", hour: 9, posts: 1},
		{name: "none bookable", change: func(s *closure.Schedule) { s.SchedulingMethod = "" },
			want: "not sent", is: []error{closure.ErrNoSlot, closure.ErrNotBookable}},
		{name: "none accepts", change: func(s *closure.Schedule) { s.Insurances[0].ID = "ins_other" },
			want: "not sent", is: []error{closure.ErrNoSlot, closure.ErrInsuranceNotAccepted}},
		{name: "none says", change: func(s *closure.Schedule) { s.Insurances = nil },
			want: "not sent", is: []error{closure.ErrNoSlot, closure.ErrInsuranceUnknown}},
		{name: "each for another reason", change: func(s *closure.Schedule) {
			switch s.ID {
			case clinicIDs[0]:
				s.SchedulingMethod = closure.SchedulingOpenSlotsOnly
			case clinicIDs[1]:
				s.Insurances[0].ID = "ins_other"
			default:
				s.Insurances = nil
			}
		}, want: "not sent", is: []error{closure.ErrNoSlot, closure.ErrNotBookable, closure.ErrInsuranceNotAccepted, closure.ErrInsuranceUnknown}},
		{name: "none accepts, self-pay", change: func(s *closure.Schedule) { s.Insurances[0].ID = "ins_other" },
			params: func(p *closure.BookFirstParams) { p.InsuranceCheck = closure.SkipInsuranceCheck }, want: "booked", hour: 9, posts: 1},
		{name: "other insurance", change: func(s *closure.Schedule) {
			if s.ID == clinicIDs[2] {
				s.Insurances[0].ID = "ins_other"
			}
		}, params: func(p *closure.BookFirstParams) { p.InsuranceID = "ins_other" }, want: "booked", hour: 11, posts: 1},
		{name: "the search's insurance", change: func(s *closure.Schedule) {
			if s.ID == clinicIDs[2] {
				s.Insurances[0].ID = "ins_other"
			}
		}, params: func(p *closure.BookFirstParams) { p.Search.InsuranceID = "ins_other" }, want: "booked", hour: 11, posts: 1},
		{name: "the search's insurance, self-pay", change: func(s *closure.Schedule) {
			if s.ID == clinicIDs[1] {
				s.Insurances[0].ID = "ins_other"
			}
		}, params: func(p *closure.BookFirstParams) {
			p.Search.InsuranceID, p.InsuranceCheck = "ins_other", closure.SkipInsuranceCheck
		}, want: "booked", hour: 10, posts: 1},

		// No slot is no slot only if every schedule was looked at.
		{name: "nothing offered", params: func(p *closure.BookFirstParams) { p.Search.Weekdays = []time.Weekday{time.Sunday} }, want: "not sent",
			is: []error{closure.ErrNoSlot}, isNot: []error{closure.ErrNotBookable, closure.ErrInsuranceNotAccepted}},
		{name: "some left out, others without slots", params: func(p *closure.BookFirstParams) { p.Search.Weekdays = []time.Weekday{time.Sunday} }, change: func(s *closure.Schedule) {
			if s.ID == clinicIDs[0] {
				s.SchedulingMethod = ""
			}
		}, want: "not sent", is: []error{closure.ErrNoSlot}, isNot: []error{closure.ErrNotBookable}},
		{name: "all fail", have: fault(always(closuretest.Status("availabilities.list", 500))), want: "not sent", is: []error{closure.ErrServer}, isNot: []error{closure.ErrNoSlot}},
		{name: "one fails", have: func(d *desk) { d.failSchedule(clinicIDs[0]) }, want: "booked", hour: 10, posts: 1},
		{name: "patient fails", have: fault(always(closuretest.Status("patients.get", 500))), want: "not sent", is: []error{closure.ErrServer}},
		{name: "patient unknown", params: func(p *closure.BookFirstParams) { p.PatientID = "pt_nobody" }, want: "not sent", is: []error{closure.ErrNotFound}, isNot: []error{closure.ErrNoSlot}},
	} {
		atDesks(t, test.name, func(t *testing.T, d *desk) {
			d.openClinic(test.change)
			if test.have != nil {
				test.have(d)
			}
			params := firstParams()
			if test.params != nil {
				test.params(&params)
			}
			ctx := t.Context()
			if test.want == "unknown" {
				ctx = d.patience(t)
			}
			booking, err := d.bookFirst(ctx, t, params)
			endsIn(t, test.want, booking, err)
			isErrors(t, err, test.is...)
			isNoErrors(t, err, test.isNot...)
			d.tookInBubble(t, test.took)
			if booking != nil && !booking.Appointment.StartAt.Equal(clinicSlot(test.hour)) {
				t.Errorf("booked at %s, want %d o'clock", booking.Appointment.StartAt, test.hour)
			}
			if got := d.count(create); got != test.posts {
				t.Errorf("%d requests to book arrived, want %d", got, test.posts)
			}
			d.readOnce(t)
		})
	}
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
	return slices.ContainsFunc(d.Injected(), func(i closuretest.Injection) bool { return strings.HasPrefix(i.Fault.String(), op) })
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
		if booking.Schedule == nil || booking.Schedule.ID != clinicIDs[0] || booking.Patient == nil || booking.Patient.ID != guide.patient || booking.Appointment.Duration != 20 {
			t.Errorf("schedule %v, patient %v, %d minutes", booking.Schedule, booking.Patient, booking.Appointment.Duration)
		}
		// One window of the three, the patient, three schedules, one look, one booking.
		equal(t, "requests", d.ops(), map[string]int{"patients.get": 1, "schedules.get": 3, "availabilities.list": 3, lists: 1, create: 1})
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
		field, op string
		change    func(*closure.BookFirstParams)
	}{
		{"PatientID", create, func(p *closure.BookFirstParams) { p.PatientID = "" }},
		{"InsuranceID", create, func(p *closure.BookFirstParams) { p.InsuranceID = "x" }},
		{"InsuranceID", create, func(p *closure.BookFirstParams) { p.InsuranceID, p.Search.InsuranceID = "ins_a", "ins_b" }},
		{"InsuranceCheck", create, func(p *closure.BookFirstParams) { p.InsuranceCheck = 7 }},
		{"Schedules", "availabilities.list", func(p *closure.BookFirstParams) { p.Search.Schedules = nil }},
		{"To", "availabilities.list", func(p *closure.BookFirstParams) { p.Search.To = time.Time{} }},
	} {
		params := firstParams()
		test.change(&params)
		bad = append(bad, badInput{test.field, func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.BookFirstAvailable(ctx, params, opts...)
		}, test.op, test.field})
	}
	testBadInputs(t, bad)
}
