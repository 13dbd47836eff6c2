package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"
)

// ResolveBooking settles an attempt whose outcome was unknown, in any process. It looks
// once, and never books. If the API shows the appointment, that is the Booking: Recovered
// is set, and Schedule and Patient are nil. If not, the outcome is still unknown, and the
// error is an [*OutcomeUnknownError]. Call it again later, because an appointment can
// appear late. With [AssumeLostAfter], an attempt that is old enough ends in
// [ErrNotBooked]. Its age counts from when no call can send it any more. If another call was
// making it, that is the deadline of that call's context, or a day later if it has none. As long as
// the API shows an appointment of the patient on that schedule that was moved, or whose status this
// version doesn't know, and that was made between 5 minutes before AttemptedAt and 5 minutes after
// the attempt would count as lost, it isn't lost: it may be that one. If the journal holds it, or
// [KnownCancelled] names it, it is another one.
//
// If the client has a journal, the result is recorded in it. If it holds the appointment that the API
// shows for another attempt, and that was made before this one, somebody moved it there: that is the
// Booking once this attempt's own would show, after AssumeLostAfter or a day. If the attempt is lost,
// and the journal holds another booking for the same slot or the same IdempotencyKey, that one is the
// Booking, wherever it is now: while a read may lag behind its move, that is read for up to 10 s. An
// attempt of the other mode, live or test, is refused, because this key can't see it.
//
// GET /appointments and GET /schedules/{id}/slots; with a journal also GET /appointments/{id}
// (source: inferred).
func (c *Client) ResolveBooking(ctx context.Context, attempt BookingAttempt, opts ...CallOption) (booking *Booking, err error) {
	ctx, watched := c.use().watchBooking(ctx, methodResolveBooking)
	defer func() { watched.end(booking, err) }()
	cfg, err := c.use().prepare(ctx, methodResolveBooking.name(), opts)
	if err = cmp.Or(err, attempt.check(c.Mode(), cfg)); err != nil {
		return nil, err
	}
	lostAfter := cfg.assumeLostAfter
	if c.core.journal != nil {
		lostAfter = c.core.lostAfter(cfg)
	}
	b := &slotBooking{
		client: c, attempt: attempt, readOpts: withoutCapture(opts), lostAfter: lostAfter, cancelled: cfg.cancelled,
		mayHaveMade: true,
	}
	seen := b.look(ctx)
	switch {
	case seen.appointment != nil:
		if booking, err = b.recorded(ctx, b.confirmed(seen.appointment, true)); err != nil {
			return nil, b.unknown(err)
		}
		return booking, nil
	case seen.err == nil && attempt.lost(lostAfter, seen.begun):
		if seen.err = b.maybeMoved(ctx, seen.listed); seen.err == nil {
			c.core.finishAs(ctx, attempt, nil, ErrNotBooked)
			return b.instead(ctx)
		}
	}
	return nil, &OutcomeUnknownError{Attempt: attempt, SlotOpen: seen.slotOpen, Err: cmp.Or(seen.err, errNotShown)}
}

// errMaybeMoved is the error of an attempt that is old enough to count as lost.
var errMaybeMoved = errors.New("closure: the API does not show the appointment where it was attempted, " +
	"but one that may be it and was moved, or has a status that this version does not know; " +
	"if it is another one, give KnownCancelled its id")

// maybeMoved returns an error if what was attempted may be one of these appointments, which somebody
// moved since. One that the journal holds is another attempt's.
func (b *slotBooking) maybeMoved(ctx context.Context, appointments []Appointment) error {
	if b.attempt.AppointmentID != "" {
		return nil // it is known which appointment was to be moved
	}
	for _, shown := range appointments {
		if !b.attempt.mayBe(shown, b.lostAfter) || b.cancelled.has(shown.ID) {
			continue
		}
		if entry, err := b.client.core.findAppointment(ctx, shown.ID); err != nil || entry == nil {
			return cmp.Or(err, errMaybeMoved)
		}
	}
	return nil
}

// clocksDiffer is how far the API's clock and ours may be apart.
const clocksDiffer = 5 * time.Minute

// mayBe reports whether the appointment may have been moved since it was made, and was made when the
// attempt was. One that doesn't say when it was made doesn't count: it would for ever.
func (a BookingAttempt) mayBe(moved Appointment, lostAfter time.Duration) bool {
	after := moved.CreatedAt.Sub(a.AttemptedAt)
	return moved.Status != AppointmentScheduled && !moved.Status.IsCancelled() &&
		cmp.Or(moved.ScheduleID, a.ScheduleID) == a.ScheduleID &&
		after >= -clocksDiffer && after-clocksDiffer <= lostAfter
}

var errNotShown = errors.New("closure: the API does not show the appointment")

func (a BookingAttempt) check(mode Mode, cfg callConfig) error {
	const by = methodResolveBooking
	if a == (BookingAttempt{}) {
		return &InputError{Op: by.name(), Field: "Attempt", Reason: "is empty: to settle a change of an appointment, make the same call again"}
	}
	if err := cmp.Or(
		checkID(by, "ScheduleID", a.ScheduleID),
		checkID(by, "PatientID", a.PatientID),
		checkStart(by, a.StartAt),
	); err != nil {
		return err
	}
	if a.Mode != "" && a.Mode != mode {
		return &InputError{Op: by.name(), Field: "Mode", Reason: "is not that of the client's key"}
	}
	if cfg.assumeLostAfter > 0 && a.AttemptedAt.IsZero() {
		return &InputError{Op: by.name(), Field: "AttemptedAt", Reason: "is zero, so that its age is not known"}
	}
	return nil
}

// A Resolution says what became of one attempt that was pending in the journal. It prints
// the schedule's id and the [Ending], and nothing else: log it as a whole, because slog
// can't print a nil Booking.
type Resolution struct {
	Attempt BookingAttempt
	Booking *Booking // nil unless the attempt was booked or, if it is a move, moved
	Err     error    // what [Client.ResolveBooking] returned
}

func (r Resolution) redacted() string {
	attempt := showing(r.Attempt, "ScheduleID", r.Attempt.ScheduleID)
	return "closure.Resolution{Attempt: " + attempt + ", Ending: " + r.ending().String() + "}"
}

func (r Resolution) ending() Ending {
	switch {
	case r.Booking != nil:
		return EndingRecovered
	case errors.Is(r.Err, ErrNotBooked):
		return EndingRejected
	default:
		return EndingUnknown
	}
}

// Format prints the schedule's id and the ending, and nothing else, under every verb.
func (r Resolution) Format(f fmt.State, _ rune) { printAs(f, r.redacted()) }

// LogValue shows the schedule's id and the ending, and nothing else.
func (r Resolution) LogValue() slog.Value { return slog.StringValue(r.redacted()) }

// ResolvePending settles the attempts that are pending in the client's journal. It looks
// once for each, as [Client.ResolveBooking] does, and never books. Run it when a program
// starts, and from time to time. What it finds out is recorded in the journal; the rest
// stays pending. With [AssumeLostAfter], an attempt of that age that the API doesn't show
// is recorded as not booked. The age is never less than twice the timeout of the client or of
// this call, whichever is longer. Attempts of the other mode, live or test, are left out. What
// came of an attempt is told once: it isn't pending any more.
//
// The error of one attempt is in its Resolution. The last element of the sequence has an error of
// its own if the whole ended early: a [*JournalError] if the journal failed, a [*TransportError] if
// the context ended (the rest stays pending), an [InputError] if an option is wrong or the client
// has no journal. It is safe to run again, and in several processes at once.
//
// GET /appointments, GET /schedules/{id}/slots and GET /appointments/{id} (source: inferred).
func (c *Client) ResolvePending(ctx context.Context, opts ...CallOption) iter.Seq2[Resolution, error] {
	return func(yield func(Resolution, error) bool) {
		pending, err := c.pendingFor(ctx, opts)
		for _, entry := range pending {
			if err := c.core.ended(ctx, opAppointmentsList); err != nil {
				yield(Resolution{}, err)
				return
			}
			booking, err := c.ResolveBooking(ctx, entry.Attempt, opts...)
			if !yield(Resolution{Attempt: entry.Attempt, Booking: booking, Err: err}, nil) {
				return
			}
		}
		if err != nil {
			yield(Resolution{}, err)
		}
	}
}

func (c *Client) pendingFor(ctx context.Context, opts []CallOption) ([]JournalEntry, error) {
	if _, err := c.use().prepare(ctx, methodResolvePending.name(), opts); err != nil {
		return nil, err
	}
	if c.core.journal == nil {
		return nil, &InputError{Op: methodResolvePending.name(), Field: "Client", Reason: "has no journal"}
	}
	return c.core.pending(ctx)
}

// pending reads the whole list before anything is settled, because a journal need not
// accept writes while its list is being read.
func (c *core) pending(ctx context.Context) (entries []JournalEntry, err error) {
	for entry, err := range c.journal.Pending(ctx) {
		switch {
		case err != nil:
			return entries, journalFailed(ctx, "pending", err)
		case entry.State != JournalPending || entry.Attempt.ID == "":
			return entries, &JournalError{Op: "pending", Err: errBadEntry}
		case entry.Attempt.Mode == "" || entry.Attempt.Mode == c.mode:
			entries = append(entries, entry)
		}
	}
	return entries, nil
}
