package closure_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

const (
	moves   = "appointments.reschedule"
	cancels = "appointments.cancel"
	gets    = "appointments.get"
)

// movedTo is where the tests move the guide's appointment: a start of its own,
// which no other slot overlaps.
var movedTo = guide.start.Add(3 * time.Hour)

// A changeCall is one of the two changes of an appointment at the guide's slot.
type changeCall struct {
	op   string
	call changeFunc
	done func(closure.Appointment) bool
}

type changeFunc func(
	ctx context.Context, d *desk, id closure.AppointmentID, opts ...closure.CallOption,
) (*closure.Appointment, error)

var (
	moving     = changeCall{moves, move, isMoved}
	cancelling = changeCall{cancels, cancel, isCancelled}
)

func move(
	ctx context.Context, d *desk, id closure.AppointmentID, opts ...closure.CallOption,
) (*closure.Appointment, error) {
	params := closure.AppointmentRescheduleParams{StartAt: movedTo}
	return d.client.RescheduleBooking(ctx, id, params, opts...)
}

func isMoved(a closure.Appointment) bool {
	return a.StartAt.Equal(movedTo) && a.Status == closure.AppointmentRescheduled
}

func cancel(
	ctx context.Context, d *desk, id closure.AppointmentID, opts ...closure.CallOption,
) (*closure.Appointment, error) {
	return d.client.CancelBooking(ctx, id, opts...)
}

func isCancelled(a closure.Appointment) bool { return a.Status == closure.AppointmentCancelled }

// openSlots offers the slot to move to.
func (d *desk) openSlots() { d.AddSlots(guide.schedule, closure.Slot{StartAt: movedTo, Duration: 30}) }

func (d *desk) change(
	ctx context.Context, t *testing.T, c changeCall, id closure.AppointmentID, opts ...closure.CallOption,
) (*closure.Appointment, error) {
	t.Helper()
	begin := time.Now()
	changed, err := c.call(ctx, d, id, opts...)
	d.took = time.Since(begin)
	if (changed == nil) == (err == nil) {
		t.Errorf("appointment %v and error %v: want exactly one", changed, err)
	}
	checkEnding(t, err)
	return changed, err
}

// A changeScenario is a change of the guide's appointment: what happens to its request, and what
// must come of it.
type changeScenario struct {
	name   string
	faults []closuretest.Fault
	opts   []closure.CallOption
	want   changeResult
}

// A changeResult is what a change must come to. The methods return a changed copy.
type changeResult struct {
	outcome closure.Outcome
	is      []error
	sent    int
	done    bool
	took    time.Duration
	reads   int // of the appointment, in the bubble; negative: not counted
}

var (
	changed         = changeResult{outcome: closure.OutcomeApplied, sent: 1, done: true}
	changedReadBack = changed.reading(1)
)

func changeUnknown(is ...error) changeResult {
	return changeResult{outcome: closure.OutcomeUnknown, is: is, sent: 1, took: 10 * time.Second, reads: 8}
}

func changeRejected(is error) changeResult {
	return changeResult{outcome: closure.OutcomeRejected, is: []error{is}, sent: 1, reads: 1}
}

func (r changeResult) reading(times int) changeResult        { r.reads = times; return r }
func (r changeResult) after(took time.Duration) changeResult { r.took = took; return r }
func (r changeResult) requests(n int) changeResult           { r.sent = n; return r }
func (r changeResult) butDone() changeResult                 { r.done = true; return r }

func TestChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []changeCall{moving, cancelling} {
		status := func(status int) []closuretest.Fault { return faults(closuretest.Status(c.op, status)) }
		then := func(status int) []closuretest.Fault { return faults(closuretest.StatusAfter(c.op, status)) }
		runChanges(t, c, []changeScenario{
			{name: "confirmed", want: changed},
			{name: "lost before", faults: faults(closuretest.DropBefore(c.op)), want: changeUnknown()},
			{name: "lost after", faults: faults(closuretest.DropAfter(c.op)), want: changedReadBack},
			{name: "done, then 502", faults: then(502), want: changedReadBack},
			{name: "done, then 408", faults: then(408), want: changedReadBack},
			{name: "done, then 302", faults: then(302), want: changedReadBack},
			{name: "truncated", faults: faults(closuretest.Truncate(c.op)), want: changedReadBack},
			{name: "malformed", faults: faults(closuretest.Malformed(c.op)), want: changedReadBack},
			{
				name:   "late answer",
				faults: faults(closuretest.Delay(c.op, time.Minute)),
				opts:   []closure.CallOption{closure.WithTimeout(500 * time.Millisecond)},
				want:   changedReadBack.after(500 * time.Millisecond),
			},
			{
				name:   "carried out late",
				faults: faults(closuretest.CommitLate(c.op, 100*time.Millisecond)),
				want:   changed.reading(2).after(250 * time.Millisecond),
			},
			{name: "500", faults: status(500), want: changeUnknown(closure.ErrServer)},
			{name: "429 once", faults: status(429), want: changed.requests(2).reading(-1)},
			{name: "401", faults: status(401), want: changeRejected(closure.ErrUnauthorized)},
			{name: "403", faults: status(403), want: changeRejected(closure.ErrForbidden)},
			{name: "400", faults: status(400), want: changeRejected(closure.ErrInvalidRequest)},
			{name: "404", faults: status(404), want: changeRejected(closure.ErrNotFound)},
			{name: "409", faults: status(409), want: changeRejected(closure.ErrConflict)},
			{name: "done, then 409", faults: then(409), want: changedReadBack},
			{name: "done, then 400", faults: then(400), want: changedReadBack},

			// An API without the call to read back with.
			{
				name:   "lost after, 404 on the read",
				faults: faults(closuretest.DropAfter(c.op), always(closuretest.Status(gets, 404))),
				want:   changeUnknown().butDone().after(0).reading(1),
			},
			{
				name:   "lost after, 405 on the read",
				faults: faults(closuretest.DropAfter(c.op), always(closuretest.Status(gets, 405))),
				want:   changeUnknown().butDone().after(0).reading(1),
			},
			{
				name:   "lost after, 400 on the read",
				faults: faults(closuretest.DropAfter(c.op), always(closuretest.Status(gets, 400))),
				want:   changeUnknown().butDone(),
			},
			{
				name:   "409, 500 on the read",
				faults: faults(closuretest.Status(c.op, 409), always(closuretest.Status(gets, 500))),
				want:   changeUnknown(closure.ErrConflict).reading(-1),
			},
		})
	}
}

func runChanges(t *testing.T, c changeCall, scenarios []changeScenario) {
	for _, s := range scenarios {
		atDesks(t, c.op+" "+s.name, func(t *testing.T, d *desk) { s.run(t, d, c) })
	}
}

func (s changeScenario) run(t *testing.T, d *desk, c changeCall) {
	d.openSlots()
	a := d.takenBy(guide.patient)
	d.Inject(s.faults...)
	changed, err := d.change(d.patienceFor(t, s.want.outcome.String()), t, c, a.ID, s.opts...)
	if got := closure.OutcomeOf(err); got != s.want.outcome {
		t.Errorf("%v, want %v: %v", got, s.want.outcome, err)
	}
	isErrors(t, err, s.want.is...)
	isNoErrors(t, err, closure.ErrSlotUnavailable)
	if s.want.reads >= 0 {
		d.tookInBubble(t, s.want.took)
	}
	if got := d.count(gets); !d.loopback && s.want.reads >= 0 && got != s.want.reads {
		t.Errorf("the appointment was read %d times, want %d", got, s.want.reads)
	}
	if got := d.count(c.op); got != s.want.sent {
		t.Errorf("sent %d times", got)
	}
	now := d.Appointments()
	if len(now) != 1 || c.done(now[0]) != s.want.done {
		t.Errorf("the ledger holds %s", show(now))
	}
	if changed != nil {
		equal(t, "appointment", *changed, now[0])
	}
}

// An unknown outcome says which appointment it is about, and holds no attempt:
// ResolveBooking, which can't tell a cancelled appointment from a lost one, must
// not be asked. The same call again settles it.
func TestChangesUnknown(t *testing.T) {
	t.Parallel()
	for _, c := range []changeCall{moving, cancelling} {
		atDesks(t, c.op, func(t *testing.T, d *desk) {
			d.openSlots()
			a := d.takenBy(guide.patient)
			d.Inject(closuretest.Status(c.op, 429, "Retry-After", "0"), closuretest.DropBefore(c.op))
			_, err := d.change(d.patience(t), t, c, a.ID)
			var unknown *closure.OutcomeUnknownError
			if !errors.As(err, &unknown) {
				t.Fatal(err)
			}
			equal(t, "appointment", unknown.AppointmentID, a.ID)
			equal(t, "attempt", unknown.Attempt, closure.BookingAttempt{})
			if !strings.Contains(err.Error(), "make the same call again") {
				t.Error(err)
			}
			_, err = d.client.ResolveBooking(t.Context(), unknown.Attempt, closure.AssumeLostAfter(1))
			isErrors(t, err, closure.ErrInvalidInput)

			changed, err := d.change(t.Context(), t, c, a.ID)
			noError(t, err)
			if !c.done(*changed) {
				t.Errorf("not changed: %s", show(changed))
			}
		})
	}
}

// A context that ends once the change may have left leaves it unknown.
func TestChangesContextEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []changeCall{moving, cancelling} {
		atDesks(t, c.op, func(t *testing.T, d *desk) {
			d.openSlots()
			a := d.takenBy(guide.patient)
			d.Inject(closuretest.Delay(c.op, time.Minute))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
				d.inTheMiddle(func() bool { return c.done(d.Appointments()[0]) }, cancel)
				return next.RoundTrip(req)
			}
			_, err := d.change(ctx, t, c, a.ID)
			isErrors(t, err, closure.ErrOutcomeUnknown, context.Canceled)
			d.tookInBubble(t, 10*time.Millisecond)

			_, err = d.change(ctx, t, c, a.ID)
			isErrors(t, err, context.Canceled)
			if got := closure.OutcomeOf(err); got != closure.OutcomeNotSent {
				t.Errorf("%v, want not sent: %v", got, err)
			}
		})
	}
}

// What a server says of another appointment settles nothing.
func TestChangesOtherAppointment(t *testing.T) {
	t.Parallel()
	isRead := func(req *http.Request) bool { return req.Method == http.MethodGet }
	isWrite := func(req *http.Request) bool { return req.Method != http.MethodGet }
	for _, c := range []changeCall{moving, cancelling} {
		wrong := closure.Appointment{
			ID: "appt_other", ScheduleID: guide.schedule, PatientID: "pt_other",
			StartAt: movedTo, Duration: 30, Status: closure.AppointmentRescheduled,
		}
		if c.op == cancels {
			wrong.Status = closure.AppointmentCancelled
		}
		for name, test := range map[string]struct {
			wrong  func(*http.Request) bool // which answers show it
			faults []closuretest.Fault
			want   closure.Outcome
		}{
			"confirmed":       {isWrite, nil, closure.OutcomeApplied},
			"read back":       {isRead, faults(closuretest.DropBefore(c.op)), closure.OutcomeUnknown},
			"after rejection": {isRead, faults(closuretest.Status(c.op, 409)), closure.OutcomeUnknown},
		} {
			atDesks(t, c.op+" "+name, func(t *testing.T, d *desk) {
				d.openSlots()
				a := d.takenBy(guide.patient)
				d.Inject(test.faults...)
				d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
					resp, err := next.RoundTrip(req)
					if err == nil && test.wrong(req) {
						return replace(resp, wrong), nil
					}
					return resp, err
				}
				changed, err := d.change(d.patienceFor(t, test.want.String()), t, c, a.ID)
				if got := closure.OutcomeOf(err); got != test.want {
					t.Errorf("%v, want %v: %v", got, test.want, err)
				}
				if changed != nil && changed.ID != a.ID {
					t.Errorf("changed %v", changed)
				}
			})
		}
	}
}

// A 2xx that doesn't show the requested change is not a success.
func TestAnswersThatDoNotShowTheChange(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		call   changeCall
		change func(*closure.Appointment)
	}{
		"not moved":           {moving, func(a *closure.Appointment) { a.StartAt = guide.start }},
		"moved and cancelled": {moving, func(a *closure.Appointment) { a.Status = closure.AppointmentCancelled }},
		"not cancelled":       {cancelling, func(a *closure.Appointment) { a.Status = closure.AppointmentScheduled }},
	} {
		atDesks(t, name, func(t *testing.T, d *desk) {
			d.openSlots()
			a := d.takenBy(guide.patient)
			d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
				wrong := a
				wrong.StartAt = movedTo
				test.change(&wrong)
				if req.Method == http.MethodGet {
					return next.RoundTrip(req)
				}
				_, _ = next.RoundTrip(req.Clone(context.WithoutCancel(req.Context())))
				return newResponse(200, show(wrong)), nil
			}
			changed, err := d.change(t.Context(), t, test.call, a.ID)
			noError(t, err) // it is done, and the read shows it
			if !test.call.done(*changed) {
				t.Errorf("changed to %s", show(changed))
			}
			if d.count(gets) != 1 {
				t.Error("it was not read back")
			}
		})
	}
}

func TestRescheduleBooking(t *testing.T) {
	t.Parallel()
	taken := func(d *desk) {
		d.openSlots()
		d.AddAppointment(closure.Appointment{ScheduleID: guide.schedule, PatientID: d.somebodyElse(), StartAt: movedTo})
	}
	gone := closure.ErrSlotUnavailable
	moveAnswered := func(status int) []closuretest.Fault { return faults(closuretest.Status(moves, status)) }
	for _, test := range []struct {
		name   string
		have   func(*desk)
		faults []closuretest.Fault
		is     []error
		isNot  []error
	}{
		{name: "slot taken", have: taken, is: []error{gone, closure.ErrConflict}},
		{name: "slot not offered", have: func(*desk) {}, is: []error{gone, closure.ErrConflict}},
		{name: "slot taken, 400", have: taken, faults: moveAnswered(400), is: []error{gone, closure.ErrInvalidRequest}},
		{
			name: "slot taken, slots not known", have: taken,
			faults: faults(always(closuretest.Status("availabilities.list", 500))),
			is:     []error{closure.ErrConflict}, isNot: []error{gone},
		},
		{
			name: "slot open", have: (*desk).openSlots, faults: moveAnswered(409),
			is: []error{closure.ErrConflict}, isNot: []error{gone},
		},
		{name: "403, slot taken", have: taken, faults: moveAnswered(403), is: []error{gone, closure.ErrForbidden}},
	} {
		atDesks(t, test.name, func(t *testing.T, d *desk) {
			a := d.takenBy(guide.patient)
			test.have(d)
			d.Inject(test.faults...)
			_, err := d.change(t.Context(), t, moving, a.ID)
			isErrors(t, err, test.is...)
			isNoErrors(t, err, test.isNot...)
			if got := closure.OutcomeOf(err); got != closure.OutcomeRejected {
				t.Errorf("outcome %v", got)
			}
			if got := d.Appointments()[0]; got != a {
				t.Errorf("changed to %s", show(got))
			}
		})
	}
	atDesks(t, "twice", func(t *testing.T, d *desk) {
		d.openSlots()
		a := d.takenBy(guide.patient)
		for range 2 {
			_, err := d.change(t.Context(), t, moving, a.ID)
			noError(t, err)
		}
	})
	// What closes the slot may be the appointment that is to be moved.
	for later, gone := range map[time.Duration]bool{
		-30 * time.Minute: true,
		-29 * time.Minute: false,
		29 * time.Minute:  false,
		30 * time.Minute:  true,
	} {
		atDesks(t, "by "+later.String(), func(t *testing.T, d *desk) {
			a := d.takenBy(guide.patient)
			d.Inject(closuretest.Status(moves, 400))
			params := closure.AppointmentRescheduleParams{StartAt: a.StartAt.Add(later)}
			_, err := d.client.RescheduleBooking(t.Context(), a.ID, params)
			isErrors(t, err, closure.ErrInvalidRequest)
			if got := errors.Is(err, closure.ErrSlotUnavailable); got != gone {
				t.Errorf("gone %t, want %t: %v", got, gone, err)
			}
		})
	}
	atDesks(t, "a longer one, from before to after", func(t *testing.T, d *desk) {
		a := d.takenBy(guide.patient)
		d.Inject(closuretest.Status(moves, 400))
		params := closure.AppointmentRescheduleParams{StartAt: a.StartAt.Add(-time.Hour), Duration: 61}
		_, err := d.client.RescheduleBooking(t.Context(), a.ID, params)
		isErrors(t, err, closure.ErrInvalidRequest)
		isNoErrors(t, err, closure.ErrSlotUnavailable)
	})
	// A cancelled appointment can't be moved, wherever to.
	for slot, have := range map[string]func(*desk){"open": (*desk).openSlots, "taken": taken} {
		atDesks(t, "cancelled, slot "+slot, func(t *testing.T, d *desk) {
			a := d.takenBy(guide.patient)
			have(d)
			_, err := d.change(t.Context(), t, cancelling, a.ID)
			noError(t, err)
			_, err = d.change(t.Context(), t, moving, a.ID)
			isErrors(t, err, closure.ErrConflict)
			isNoErrors(t, err, closure.ErrSlotUnavailable)
		})
	}
	atDesks(t, "duration", func(t *testing.T, d *desk) {
		d.AddSlots(guide.schedule, closure.Slot{StartAt: movedTo, Duration: 45})
		a := d.takenBy(guide.patient)
		d.Inject(closuretest.DropAfter(moves))
		params := closure.AppointmentRescheduleParams{StartAt: movedTo, Duration: 45}
		moved, err := d.client.RescheduleBooking(t.Context(), a.ID, params)
		noError(t, err)
		if moved.Duration != 45 || moved.ID != a.ID {
			t.Errorf("moved to %s", show(moved))
		}
	})
	// An appointment that is at the new start, but not of the new duration, was not
	// changed.
	atDesks(t, "duration alone", func(t *testing.T, d *desk) {
		d.AddSlots(guide.schedule, closure.Slot{StartAt: guide.start, Duration: 60})
		a := d.takenBy(guide.patient)
		d.Inject(closuretest.DropBefore(moves))
		params := closure.AppointmentRescheduleParams{StartAt: guide.start, Duration: 60}
		_, err := d.client.RescheduleBooking(d.patience(t), a.ID, params)
		isErrors(t, err, closure.ErrOutcomeUnknown)
	})
}

func TestCancelBooking(t *testing.T) {
	t.Parallel()
	atDesks(t, "twice", func(t *testing.T, d *desk) {
		a := d.takenBy(guide.patient)
		for range 2 {
			cancelled, err := d.change(t.Context(), t, cancelling, a.ID)
			noError(t, err)
			if cancelled.Status != closure.AppointmentCancelled || cancelled.ID != a.ID {
				t.Errorf("cancelled %s", show(cancelled))
			}
		}
	})
	// An API that refuses to cancel what is cancelled.
	for _, status := range []int{400, 404, 409} {
		atDesks(t, "refused the second time", func(t *testing.T, d *desk) {
			a := d.takenBy(guide.patient)
			_, err := d.change(t.Context(), t, cancelling, a.ID)
			noError(t, err)
			d.Inject(closuretest.Status(cancels, status))
			_, err = d.change(t.Context(), t, cancelling, a.ID)
			noError(t, err)
		})
	}
	atDesks(t, "no such appointment", func(t *testing.T, d *desk) {
		_, err := d.change(t.Context(), t, cancelling, "appt_none")
		isErrors(t, err, closure.ErrNotFound)
		if got := closure.OutcomeOf(err); got != closure.OutcomeRejected {
			t.Errorf("outcome %v", got)
		}
	})
	// What was cancelled does not count as booked.
	atDesks(t, "booked again", func(t *testing.T, d *desk) {
		first, err := d.bookSlot(t.Context(), t, slot())
		noError(t, err)
		_, err = d.change(t.Context(), t, cancelling, first.Appointment.ID)
		noError(t, err)
		second, err := d.bookSlot(t.Context(), t, slot())
		if got := ending(second, err); got != "booked" || second.Appointment.ID == first.Appointment.ID {
			t.Errorf("%s: %v", got, err)
		}
		d.sent(t, 2, 2)
	})
	// Nor does what was moved away.
	atDesks(t, "moved, then booked again", func(t *testing.T, d *desk) {
		d.openSlots()
		first, err := d.bookSlot(t.Context(), t, slot())
		noError(t, err)
		_, err = d.change(t.Context(), t, moving, first.Appointment.ID)
		noError(t, err)
		second, err := d.bookSlot(t.Context(), t, slot())
		endsIn(t, "booked", second, err)
		params := slot()
		params.StartAt = movedTo
		again, err := d.bookSlot(t.Context(), t, params)
		if got := ending(again, err); got != "recovered" || again.Appointment.ID != first.Appointment.ID {
			t.Errorf("%s: %v", got, err)
		}
		d.sent(t, 2, 2)
	})
}

// The caller's options hold, and the answer to the change is what is captured.
func TestChangesOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []changeCall{moving, cancelling} {
		atDesks(t, c.op, func(t *testing.T, d *desk) {
			d.openSlots()
			a := d.takenBy(guide.patient)
			d.Inject(closuretest.StatusAfter(c.op, 502))
			var captured closure.Response
			opts := append(make([]closure.CallOption, 0, 8), closure.CaptureResponse(&captured))
			_, err := d.change(t.Context(), t, c, a.ID, opts...)
			noError(t, err)
			if captured.StatusCode != 502 || opts[:2][1] != nil {
				t.Errorf("captured %v", captured)
			}
		})
	}
}

func TestChangesInput(t *testing.T) {
	t.Parallel()
	start := closure.AppointmentRescheduleParams{StartAt: guide.start}
	negative := closure.AppointmentRescheduleParams{StartAt: guide.start, Duration: -1}
	rescheduleBooking := func(id closure.AppointmentID, params closure.AppointmentRescheduleParams) callFunc {
		return func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.RescheduleBooking(ctx, id, params, opts...)
		}
	}
	testBadInputs(t, []badInput{
		{"no id", rescheduleBooking("", start), "RescheduleBooking", "ID"},
		{"id of another kind", rescheduleBooking("pt_x", start), "RescheduleBooking", "ID"},
		{"no start", rescheduleBooking("appt_1", closure.AppointmentRescheduleParams{}), "RescheduleBooking", "StartAt"},
		{"negative duration", rescheduleBooking("appt_1", negative), "RescheduleBooking", "Duration"},
		{"cancel: no id", func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.CancelBooking(ctx, "", opts...)
		}, "CancelBooking", "ID"},
		{"cancel: no context", func(_ context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			var none context.Context
			return c.CancelBooking(none, "appt_1", opts...)
		}, "CancelBooking", "ctx"},
	})
}
