package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
)

// ResolveBooking settles an attempt whose outcome was unknown, also in another
// process. It looks once and never books: an appointment that is there is a
// Booking, Recovered, without Schedule and Patient; else the outcome is still
// unknown, an [*OutcomeUnknownError], or, with [AssumeLostAfter], [ErrNotBooked].
// It is safe to call again, and should be, later: a booking can appear late. What
// it finds out is recorded in the client's journal, if there is one; what that holds
// in the place of a lost attempt, booked since for the same slot or the same
// IdempotencyKey, is the Booking, wherever that is. An attempt of the other mode, live or test, is refused: this key can't see it.
//
// GET /appointments and GET /schedules/{id}/slots (source: inferred).
func (c *Client) ResolveBooking(ctx context.Context, attempt BookingAttempt, opts ...CallOption) (booking *Booking, err error) {
	ctx, watched := c.use().watchBooking(ctx, "ResolveBooking")
	defer func() { watched.endBooking(booking, err) }()
	cfg, err := c.use().prepare(ctx, opAppointmentsList.name(), opts)
	if err = cmp.Or(err, attempt.check(c.Mode(), cfg)); err != nil {
		return nil, err
	}
	lostAfter := cfg.assumeLostAfter
	if c.core.journal != nil {
		lostAfter = c.core.lostAfter(cfg)
	}
	lost := attempt.lost(lostAfter) // by when the look begins
	b := &slotBooking{
		client: c, attempt: attempt, readOpts: withoutCapture(opts), lostAfter: lostAfter, cancelled: cfg.cancelled,
	}
	seen := b.look(ctx)
	switch {
	case seen.appointment != nil:
		booking = b.confirmed(seen.appointment, true)
		c.core.finishAs(ctx, attempt, booking, nil)
		return booking, nil
	case seen.err == nil && lost:
		c.core.finishAs(ctx, attempt, nil, ErrNotBooked)
		return b.instead(ctx)
	default:
		return nil, &OutcomeUnknownError{Attempt: attempt, SlotOpen: seen.slotOpen, Err: cmp.Or(seen.err, errNotShown)}
	}
}

var errNotShown = errors.New("closure: the API does not show the appointment")

func (a BookingAttempt) check(mode Mode, cfg callConfig) error {
	op := opAppointmentsList
	if a == (BookingAttempt{}) {
		return &InputError{Op: op.name(), Field: "Attempt", Reason: "is empty: after a change of an appointment, make the same call again"}
	}
	if err := cmp.Or(
		checkID(op, "ScheduleID", a.ScheduleID),
		checkID(op, "PatientID", a.PatientID),
		checkStart(op, a.StartAt),
	); err != nil {
		return err
	}
	if a.Mode != "" && a.Mode != mode {
		return &InputError{Op: op.name(), Field: "Mode", Reason: "is not that of the client's key"}
	}
	if cfg.assumeLostAfter > 0 && a.AttemptedAt.IsZero() {
		return &InputError{Op: op.name(), Field: "AttemptedAt", Reason: "is zero, so that its age is not known"}
	}
	return nil
}

// A Resolution is what became of one attempt that the journal held as pending. It
// prints the schedule's id and nothing else.
type Resolution struct {
	Attempt BookingAttempt
	Booking *Booking // set if it was booked or, if it was a move, moved
	Err     error    // [ErrNotBooked], an [*OutcomeUnknownError], or another error of [Client.ResolveBooking]
}

func (r Resolution) redacted() string {
	return "closure.Resolution{Attempt: " + showing(r.Attempt, "ScheduleID", r.Attempt.ScheduleID) + "}"
}

// Format prints the schedule's id and nothing else, under every verb.
func (r Resolution) Format(f fmt.State, _ rune) { printAs(f, r.redacted()) }

// LogValue shows the schedule's id and nothing else.
func (r Resolution) LogValue() slog.Value { return slog.StringValue(r.redacted()) }

// ResolvePending settles what the client's journal holds as pending. It looks once for
// each attempt, as [Client.ResolveBooking] does, and never books. Run it when a program
// starts, and from time to time. What it settles is recorded in the journal; the rest
// stays pending. With [AssumeLostAfter] an attempt that no look shows is recorded as not
// booked; an age below twice the client's timeout counts as that. Attempts of the other
// mode, live or test, are left out.
//
// The error of one attempt is in its Resolution. If the journal fails, or an option is
// wrong, the last element of the sequence has that error; the journal's is a
// [*JournalError]. It is safe to run again, and by several processes at once.
//
// GET /appointments and GET /schedules/{id}/slots (source: inferred).
func (c *Client) ResolvePending(ctx context.Context, opts ...CallOption) iter.Seq2[Resolution, error] {
	return func(yield func(Resolution, error) bool) {
		pending, err := c.pending(ctx, opts)
		for _, entry := range pending {
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

// pending reads the whole list first: a journal need not accept writes while its list is
// being read.
func (c *Client) pending(ctx context.Context, opts []CallOption) (entries []JournalEntry, err error) {
	if _, err := c.use().prepare(ctx, opAppointmentsList.name(), opts); err != nil {
		return nil, err
	}
	if c.core.journal == nil {
		return nil, &InputError{Op: "ResolvePending", Field: "client", Reason: "has no journal"}
	}
	for entry, err := range c.core.journal.Pending(ctx) {
		switch {
		case err != nil:
			return entries, &JournalError{Op: "pending", Err: err}
		case entry.State != JournalPending || entry.Attempt.ID == "":
			return entries, &JournalError{Op: "pending", Err: errBadEntry}
		case entry.Attempt.Mode == "" || entry.Attempt.Mode == c.core.mode:
			entries = append(entries, entry)
		}
	}
	return entries, nil
}
