package closure_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// An error of a change has no attempt to resolve.
func TestResolveBookingRefusesAnEmptyAttempt(t *testing.T) {
	t.Parallel()
	_, err := serveAlways(t, 200, "[]").client(t).ResolveBooking(t.Context(), closure.BookingAttempt{})
	refused(t, "no attempt", err, "ResolveBooking", "Attempt")
}

func TestResolveBooking(t *testing.T) {
	t.Parallel()
	lost := []closure.CallOption{closure.AssumeLostAfter(time.Minute)}
	noSlots := always(closuretest.Status("availabilities.list", 500))
	ours := func(d *desk) { d.takenBy(guide.patient) }
	theirs := func(d *desk) { d.takenBy(d.somebodyElse()) }
	cancelled := func(d *desk) {
		d.AddAppointment(closure.Appointment{
			ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: guide.start,
			Status: closure.AppointmentCancelled,
		})
	}
	for _, test := range []struct {
		name   string
		age    time.Duration
		opts   []closure.CallOption
		faults []closuretest.Fault
		have   func(d *desk)
		want   string
		is     error
		open   string
	}{
		{name: "booked", have: ours, want: "recovered"},
		{name: "booked, assumed lost", age: time.Hour, opts: lost, have: ours, want: "recovered"},
		{name: "booked, slots fail", faults: faults(noSlots), have: ours, want: "recovered"},
		{name: "not shown", age: time.Hour, want: "unknown", open: "open"},
		{name: "not shown, slots fail", faults: faults(noSlots), want: "unknown", open: "not known"},
		{name: "somebody else's", have: theirs, want: "unknown", open: "gone"},
		{name: "cancelled", have: cancelled, want: "unknown", open: "open"},
		{name: "young", age: 59 * time.Second, opts: lost, want: "unknown", open: "open"},
		{name: "old", age: 61 * time.Second, opts: lost, want: "rejected", is: closure.ErrNotBooked},
		{name: "old, slot gone", age: time.Hour, opts: lost, have: theirs, want: "rejected", is: closure.ErrNotBooked},
		{name: "from the future", age: -time.Hour, opts: lost, want: "unknown", open: "open"},
		{
			name: "old, list fails", age: time.Hour, opts: lost,
			faults: faults(always(closuretest.Status(lists, 500))),
			want:   "unknown", is: closure.ErrServer, open: "open",
		},
		{
			name: "old, no list", age: time.Hour, opts: lost,
			faults: faults(always(closuretest.Status(lists, 404))),
			want:   "unknown", is: closure.ErrNotFound, open: "open",
		},
		{
			name: "old, list malformed", age: time.Hour, opts: lost,
			faults: faults(always(closuretest.Malformed(lists))),
			want:   "unknown", is: closure.ErrMalformedResponse, open: "open",
		},
	} {
		atDesks(t, test.name, func(t *testing.T, d *desk) {
			if test.have != nil {
				test.have(d)
			}
			d.Inject(test.faults...)
			stored, err := json.Marshal(attemptAt(test.age))
			noError(t, err)
			var attempt closure.BookingAttempt
			noError(t, json.Unmarshal(stored, &attempt))
			booking, err := d.client.ResolveBooking(t.Context(), attempt, test.opts...)
			checkBooking(t, booking, err)
			endsIn(t, test.want, booking, err)
			if test.is != nil {
				isErrors(t, err, test.is)
			}
			if unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err); ok {
				equal(t, "attempt", unknown.Attempt, attempt)
				unknown.Attempt.AttemptedAt = time.Now()
				checkUnknown(t, err, test.open)
			}
			if booking != nil && (booking.Schedule != nil || booking.Patient != nil) {
				t.Error("something was read that it did not have to")
			}
			if d.count(create) != 0 {
				t.Error("it booked")
			}
		})
	}
	atDesks(t, "context ended", func(t *testing.T, d *desk) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := d.client.ResolveBooking(ctx, attemptAt(time.Hour), lost...)
		isErrors(t, err, closure.ErrOutcomeUnknown, context.Canceled)
	})
}

// What a booking leaves open is settled later, in another process.
func TestResolveBookingLater(t *testing.T) {
	t.Parallel()
	t.Run("carried out late", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(t *testing.T, d *desk) {
			d.Inject(closuretest.CommitLate(create, time.Minute))
			_, err := d.bookSlot(t.Context(), t, slot())
			var unknown *closure.OutcomeUnknownError
			if !errors.As(err, &unknown) {
				t.Fatal(err)
			}
			d.tookInBubble(t, 10*time.Second)
			_, err = d.client.ResolveBooking(t.Context(), unknown.Attempt)
			isErrors(t, err, closure.ErrOutcomeUnknown)
			time.Sleep(time.Minute)
			lost := closure.AssumeLostAfter(time.Second)
			booking, err := d.client.ResolveBooking(t.Context(), unknown.Attempt, lost)
			endsIn(t, "recovered", booking, err)
			d.sent(t, 1, 1)
		})
	})
	// The first click waits to send again. The second one doesn't wait for it: while the first may
	// send, nothing is lost.
	for name, patience := range map[string]time.Duration{"with a deadline": 2 * time.Minute, "without one": 0} {
		t.Run("by a call that didn't wait for the one that sends, "+name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, d *desk) {
				d.Inject(closuretest.Status(create, 429, "Retry-After", "40"))
				first, cancel := t.Context(), context.CancelFunc(func() {})
				if patience > 0 {
					first, cancel = context.WithTimeout(first, patience)
				}
				defer cancel()
				var group sync.WaitGroup
				group.Go(func() {
					booking, err := d.client.BookSlot(first, slot())
					endsIn(t, "booked", booking, err)
				})
				time.Sleep(time.Second)
				second, cancelSecond := context.WithTimeout(t.Context(), time.Second)
				defer cancelSecond()
				_, err := d.client.BookSlot(second, slot())
				attempt := isUnknown(t, err)
				if deadline, ok := first.Deadline(); ok && !attempt.AttemptedAt.Equal(deadline) {
					t.Errorf("attempted at %s, want the first call's deadline", attempt.AttemptedAt)
				}
				time.Sleep(30 * time.Second)
				_, err = d.client.ResolveBooking(t.Context(), attempt, closure.AssumeLostAfter(10*time.Second))
				isErrors(t, err, closure.ErrOutcomeUnknown)
				group.Wait()
				d.sent(t, 2, 1)
			})
		})
	}
}

func TestResolveBookingInput(t *testing.T) {
	t.Parallel()
	var bad []badInput
	for field, change := range map[string]func(*closure.BookingAttempt){
		"ScheduleID":  func(a *closure.BookingAttempt) { a.ScheduleID = "pt_x" },
		"PatientID":   func(a *closure.BookingAttempt) { a.PatientID = "" },
		"StartAt":     func(a *closure.BookingAttempt) { a.StartAt = time.Time{} },
		"AttemptedAt": func(a *closure.BookingAttempt) { a.AttemptedAt = time.Time{} },
	} {
		attempt := attemptAt(time.Hour)
		change(&attempt)
		resolve := func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.ResolveBooking(ctx, attempt, append(opts, closure.AssumeLostAfter(time.Minute))...)
		}
		bad = append(bad, badInput{field, resolve, "ResolveBooking", field})
	}
	testBadInputs(t, bad)
	atDesks(t, "the time does not matter without AssumeLostAfter", func(t *testing.T, d *desk) {
		d.takenBy(guide.patient)
		_, err := d.client.ResolveBooking(t.Context(), closure.BookingAttempt{
			ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: guide.start,
		})
		noError(t, err)
	})
}
