package closure_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// If the patient has the appointment already, that is the booking, and nothing is sent.
// An appointment that differs doesn't count.
func TestBookSlotFindsTheEarlierAppointment(t *testing.T) {
	t.Parallel()
	other := closuretest.GuideSlot().StartAt.Add(2 * time.Hour)
	for _, test := range []struct {
		name   string
		change func(d *desk, a *closure.Appointment) // a is at the guide's slot
		want   string
	}{
		{"scheduled", func(*desk, *closure.Appointment) {}, "recovered"},
		{"moved here", func(_ *desk, a *closure.Appointment) { a.Status = closure.AppointmentRescheduled }, "recovered"},
		{"booked anew after cancelling", func(d *desk, a *closure.Appointment) {
			cancelled := *a
			cancelled.Status = closure.AppointmentCancelled
			d.AddAppointment(cancelled)
		}, "recovered"},
		{"cancelled", func(_ *desk, a *closure.Appointment) { a.Status = closure.AppointmentCancelled }, "booked"},
		{"moved away", func(_ *desk, a *closure.Appointment) {
			a.Status, a.StartAt = closure.AppointmentRescheduled, other
		}, "booked"},
		{"other start", func(_ *desk, a *closure.Appointment) { a.StartAt = other }, "booked"},
		{"somebody else's", func(d *desk, a *closure.Appointment) { a.PatientID = d.somebodyElse() }, "booked"},
		{"other schedule", func(_ *desk, a *closure.Appointment) { a.ScheduleID = "sch_other" }, "booked"},
	} {
		// Here the API accepts every slot twice: only the SDK can prevent it. And
		// its list, being inferred, may ignore what it is asked for.
		for _, filters := range []bool{true, false} {
			atDesks(t, fmt.Sprintf("%s, list filters %t", test.name, filters), func(t *testing.T, d *desk) {
				a := closure.Appointment{ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: guide.start}
				test.change(d, &a)
				d.AddAppointment(a)
				if !filters {
					d.tamper = withoutQuery
				}
				had := len(d.Appointments())
				booking, err := d.bookSlot(t.Context(), t, slot())
				endsIn(t, test.want, booking, err)
				if test.want == "recovered" {
					d.sent(t, 0, had)
				} else {
					d.sent(t, 1, had+1)
				}
				if booking != nil && (booking.Schedule == nil || booking.Patient == nil) {
					t.Error("schedule or patient are missing")
				}
			}, closuretest.AllowDuplicates())
		}
	}
}

// A program crashed while it booked, and is run again.
func TestBookSlotAgainAfterACrash(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]closuretest.Option{
		"slots once":  nil,
		"slots twice": {closuretest.AllowDuplicates()},
	} {
		atDesks(t, name, func(t *testing.T, d *desk) {
			d.Inject(closuretest.DropAfter(create))
			ctx, crash := context.WithCancel(t.Context())
			d.tamper = afterPosts(crash)
			first, err := d.bookSlot(ctx, t, slot())
			isErrors(t, err, closure.ErrOutcomeUnknown)
			for range 2 {
				d.client = newClient(t, d.next, closure.WithBaseURL(d.baseURL())) // another process
				again, err := d.bookSlot(t.Context(), t, slot())
				if got := ending(again, err); got != "recovered" {
					t.Errorf("%v, then %s: %v", first, got, err)
				}
			}
			d.sent(t, 1, 1)
		}, opts...)
	}
}

// A read that fails before the request ends the booking, with nothing sent.
func TestBookSlotReadFails(t *testing.T) {
	t.Parallel()
	params := anyLength()
	for _, op := range []string{lists, "schedules.get", "patients.get", "availabilities.list"} {
		for what, test := range map[string]struct {
			fault closuretest.Fault
			is    error
		}{
			"500":       {closuretest.Status(op, 500), closure.ErrServer},
			"400":       {closuretest.Status(op, 400), closure.ErrInvalidRequest},
			"401":       {closuretest.Status(op, 401), closure.ErrUnauthorized},
			"lost":      {closuretest.DropBefore(op), nil},
			"truncated": {closuretest.Truncate(op), nil},
			"malformed": {closuretest.Malformed(op), closure.ErrMalformedResponse},
			"404":       {closuretest.Status(op, 404), closure.ErrNotFound},
		} {
			if op == lists && what == "404" {
				continue // no list: see TestBookSlotWithoutTheList
			}
			atDesks(t, op+" "+what, func(t *testing.T, d *desk) {
				d.Inject(always(test.fault))
				booking, err := d.bookSlot(t.Context(), t, params)
				endsIn(t, "not sent", booking, err)
				if test.is != nil {
					isErrors(t, err, test.is)
				}
				d.sent(t, 0, 0)
			})
		}
	}
}

// What is booked already is said, also if other reads fail.
func TestBookSlotRecoveredDespiteFailures(t *testing.T) {
	t.Parallel()
	atDesks(t, "recovered", func(t *testing.T, d *desk) {
		d.takenBy(guide.patient)
		for _, op := range []string{"schedules.get", "patients.get", "availabilities.list"} {
			d.Inject(always(closuretest.Status(op, 500)))
		}
		params := anyLength()
		booking, err := d.bookSlot(t.Context(), t, params)
		if got := ending(booking, err); got != "recovered" {
			t.Fatalf("%s, want recovered: %v", got, err)
		}
		if booking.Schedule != nil || booking.Patient != nil {
			t.Error("a schedule or patient that could not be read")
		}
	})
}

// Which insurance is checked, and what it comes to.
func TestBookSlotInsurance(t *testing.T) {
	t.Parallel()
	const other = closure.InsuranceID("ins_other")
	own := guide.insurance
	listing := func(ids ...closure.InsuranceID) []closure.InsuranceID { return ids }
	for _, test := range []struct {
		name    string
		listed  []closure.InsuranceID // by the schedule
		method  closure.SchedulingMethod
		own     closure.InsuranceID // the patient's
		given   closure.InsuranceID
		check   closure.InsuranceCheck
		want    error
		patient bool // is read
	}{
		{name: "accepted", listed: listing(other, own), own: own, patient: true},
		{name: "not accepted", listed: listing(other), own: own, want: closure.ErrInsuranceNotAccepted, patient: true},
		{
			name: "not accepted, unknown allowed", listed: listing(other), own: own,
			check: closure.AllowUnknown, want: closure.ErrInsuranceNotAccepted, patient: true,
		},
		{name: "nothing listed", own: own, want: closure.ErrInsuranceUnknown, patient: true},
		{name: "nothing listed, unknown allowed", own: own, check: closure.AllowUnknown, patient: true},
		{name: "none on file", listed: listing(other), want: closure.ErrInsuranceUnknown, patient: true},
		{name: "none on file, unknown allowed", listed: listing(other), check: closure.AllowUnknown, patient: true},
		{name: "given, accepted", listed: listing(other), own: own, given: other},
		{
			name: "given, not accepted", listed: listing(own), own: own,
			given: other, want: closure.ErrInsuranceNotAccepted,
		},
		{name: "given, nothing listed", given: other, want: closure.ErrInsuranceUnknown},
		{name: "self-pay", listed: listing(other), own: own, check: closure.SkipInsuranceCheck},
		{name: "self-pay, given", listed: listing(own), given: other, check: closure.SkipInsuranceCheck},
		{
			name: "open slots only", listed: listing(other), own: own,
			method: closure.SchedulingOpenSlotsOnly, want: closure.ErrNotBookable, patient: true,
		},
		{
			name: "no method", own: own,
			method: "none", check: closure.SkipInsuranceCheck, want: closure.ErrNotBookable,
		},
	} {
		atDesks(t, test.name, func(t *testing.T, d *desk) {
			schedule := closure.Schedule{ID: guide.schedule, SchedulingMethod: closure.SchedulingDirectAPI}
			if test.method != "" {
				schedule.SchedulingMethod = test.method
			}
			for _, id := range test.listed {
				schedule.Insurances = append(schedule.Insurances, closure.InsuranceRef{ID: id})
			}
			d.AddSchedule(schedule)
			d.AddPatient(closure.Patient{ID: guide.patient, Insurance: closure.PatientInsurance{ID: test.own}})
			params := slot()
			params.InsuranceID, params.InsuranceCheck = test.given, test.check
			booking, err := d.bookSlot(t.Context(), t, params)
			if (d.count("patients.get") == 1) != test.patient ||
				booking != nil && (booking.Patient != nil) != test.patient {
				t.Errorf("the patient was read %d times", d.count("patients.get"))
			}
			if test.want == nil {
				noError(t, err)
				d.sent(t, 1, 1)
				return
			}
			isErrors(t, err, test.want)
			if got := closure.OutcomeOf(err); got != closure.OutcomeNotSent {
				t.Errorf("outcome %v", got)
			}
			d.sent(t, 0, 0)
			if refusal := (*closure.InsuranceError)(nil); errors.As(err, &refusal) {
				equal(t, "accepted", append(listing(), refusal.Accepted...), append(listing(), test.listed...))
				if want := cmp.Or(test.given, test.own); refusal.InsuranceID != want {
					t.Error("another insurance was checked")
				}
			}
		})
	}
}

// Without a duration, the open slot's own is booked.
func TestBookSlotDuration(t *testing.T) {
	t.Parallel()
	at := guide.start.Add(3 * time.Hour)
	params := closure.BookSlotParams{ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: at}
	atDesks(t, "the slot's", func(t *testing.T, d *desk) {
		d.AddSlots(guide.schedule, closure.Slot{StartAt: at, Duration: 45})
		booking, err := d.bookSlot(t.Context(), t, params)
		noError(t, err)
		if booking.Appointment.Duration != 45 || booking.Recovered {
			t.Errorf("booked %d minutes, recovered %t", booking.Appointment.Duration, booking.Recovered)
		}
		d.sent(t, 1, 1)
	})
	for name, faults := range map[string][]closuretest.Fault{
		"not offered":          nil,
		"not offered, no list": {always(closuretest.Status(lists, 404))},
	} {
		atDesks(t, name, func(t *testing.T, d *desk) {
			d.Inject(faults...)
			_, err := d.bookSlot(t.Context(), t, params)
			isErrors(t, err, closure.ErrSlotUnavailable)
			if got := closure.OutcomeOf(err); got != closure.OutcomeNotSent {
				t.Errorf("outcome %v", got)
			}
			d.sent(t, 0, 0)
		})
	}
}

// The reads run concurrently, so that a booking made meanwhile shows in one of them only.
func TestBookSlotMadeBetweenTheReads(t *testing.T) {
	t.Parallel()
	// listThenSlots lets the list be read first, then the slot be taken, and then
	// the slots be read.
	listThenSlots := func(d *desk, take func()) {
		listed := make(chan struct{})
		var once, taken sync.Once
		d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
			if strings.HasSuffix(req.URL.Path, "/slots") {
				<-listed
				taken.Do(take)
			}
			resp, err := next.RoundTrip(req)
			if strings.HasSuffix(req.URL.Path, "/appointments") && req.Method == http.MethodGet {
				once.Do(func() { close(listed) })
			}
			return resp, err
		}
	}
	params := anyLength()
	atDesks(t, "slot gone, ours", func(t *testing.T, d *desk) {
		listThenSlots(d, func() { d.takenBy(guide.patient) })
		booking, err := d.bookSlot(t.Context(), t, params)
		endsIn(t, "recovered", booking, err)
		d.sent(t, 0, 1)
	})
	atDesks(t, "slot gone, somebody else's", func(t *testing.T, d *desk) {
		listThenSlots(d, func() { d.takenBy(d.somebodyElse()) })
		_, err := d.bookSlot(t.Context(), t, params)
		isErrors(t, err, closure.ErrSlotUnavailable)
		d.sent(t, 0, 1)
	})
	atDesks(t, "slot gone, and then the list fails", func(t *testing.T, d *desk) {
		listThenSlots(d, func() {
			d.takenBy(guide.patient)
			d.Inject(always(closuretest.Status(lists, 500)))
		})
		_, err := d.bookSlot(t.Context(), t, params)
		isErrors(t, err, closure.ErrServer)
		isNoErrors(t, err, closure.ErrSlotUnavailable)
		d.sent(t, 0, 1)
	})
	// The same after a rejection.
	atDesks(t, "rejected, ours", func(t *testing.T, d *desk) {
		d.Inject(closuretest.Status(create, 409))
		d.tamper = afterPosts(func() { listThenSlots(d, func() { d.takenBy(guide.patient) }) })
		booking, err := d.bookSlot(t.Context(), t, slot())
		endsIn(t, "recovered", booking, err)
		d.sent(t, 1, 1)
	})
}

// A booking costs two round trips of waiting, whatever it has to read.
func TestBookSlotTakesTwoRoundTrips(t *testing.T) {
	t.Parallel()
	const roundTrip = 80 * time.Millisecond
	for name, test := range map[string]struct {
		change func(*closure.BookSlotParams)
		reads  int
	}{
		"all":             {func(p *closure.BookSlotParams) { p.Duration = 0 }, 4},
		"duration given":  {func(*closure.BookSlotParams) {}, 3},
		"insurance given": {func(p *closure.BookSlotParams) { p.InsuranceID = guide.insurance }, 2},
		"self-pay":        {func(p *closure.BookSlotParams) { p.InsuranceCheck = closure.SkipInsuranceCheck }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, d *desk) {
				d.Inject(always(closuretest.Delay(closuretest.AnyOperation, roundTrip)))
				params := slot()
				test.change(&params)
				_, err := d.bookSlot(t.Context(), t, params)
				noError(t, err)
				d.tookInBubble(t, 2*roundTrip)
				if got := len(d.Requests()) - 1; got != test.reads {
					t.Errorf("%d reads, want %d", got, test.reads)
				}
			})
		})
	}
}
