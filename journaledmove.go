package closure

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"
)

// move moves an appointment with a journal. The journal records the new start before the
// request, so that a booking there waits. When the move is certain, the entry of the new
// start replaces that of the old start.
func (c *change) move(ctx context.Context) (*Booking, error) {
	begun := time.Now()
	current, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	known, err := c.client.core.findAppointment(ctx, c.id)
	if known != nil {
		*current = known.Attempt.completed(*current)
		current.PatientID = cmp.Or(current.PatientID, known.Attempt.PatientID)
	}
	if err == nil && (current.ScheduleID == "" || current.PatientID == "" || current.StartAt.IsZero()) {
		err = c.unknown(errIncomplete) // the journal couldn't say what was moved
	}
	if err == nil {
		err = c.confirmBooked(ctx, known, *current)
	}
	if err == nil && known == nil {
		err = c.bindPending(ctx, *current)
	}
	if err != nil {
		return nil, err
	}
	for range maxBegins {
		attempt := c.attempt(*current)
		entry, err := c.client.core.begin(ctx, attempt)
		switch {
		case err != nil:
			return nil, err
		case entry == nil:
			return c.sendBegun(ctx, attempt)
		case entry.State == JournalBooked && entry.Appointment == c.id:
			c.there = c.start.Equal(current.StartAt) || entry.mayLag(c.lostAfter, begun)
			if c.there || !current.Status.stands() {
				return c.sendNow(ctx)
			}
			// Somebody else moved it away. The way back is a move like any other.
			err := c.booking(attempt).follow(ctx, *entry, *current, maxBegins)
			switch {
			case errors.Is(err, errUnsteady):
				return c.sendNow(ctx) // another booking is, or may be, where the journal would record it
			case err != nil:
				return nil, err
			}
			continue
		}
		if moved, free, err := c.moveTo(ctx, attempt, *entry, *current); !free {
			return moved, err
		}
	}
	return nil, &JournalError{Op: "begin", Err: errUnsteady}
}

// moveTo moves the appointment to where the journal holds another entry. free is true if it no
// longer does.
func (c *change) moveTo(ctx context.Context, attempt BookingAttempt, entry JournalEntry, current Appointment) (
	moved *Booking, free bool, err error,
) {
	switch {
	case entry.State == JournalPending && entry.Attempt.AppointmentID == c.id:
		return c.heldPending(ctx, entry)
	case entry.State == JournalPending:
		if bound, err := c.bind(ctx, entry.Attempt, current, c.lostAfter); bound || err != nil {
			return nil, err == nil, err
		}
		if c.start.Equal(current.StartAt) { // somebody else moved it there
			moved, err = c.sendNow(ctx)
			return moved, false, err
		}
	}
	booking, free, err := c.booking(attempt).held(ctx, entry)
	switch {
	case booking != nil && booking.Appointment.ID == c.id:
		moved, err = c.sendNow(ctx)
		return moved, false, err
	case booking != nil, OutcomeOf(err) == OutcomeUnknown:
		return nil, false, ErrSlotUnavailable // another appointment is there, or may be
	default:
		return nil, free, err
	}
}

// confirmBooked records that the appointment is booked where the read shows it, if the
// journal holds that as pending. Without this, a read that shows the old start after the
// move couldn't be recognized as late. known is what the journal knows of the appointment.
func (c *change) confirmBooked(ctx context.Context, known *JournalEntry, current Appointment) error {
	if known != nil && known.releasedLately(longestLag, time.Now()) {
		return nil
	}
	if known != nil && known.State == JournalReleased {
		known = nil // it was reinstated
	}
	here := c.attempt(current)
	here.StartAt = current.StartAt
	entry, err := c.client.core.find(ctx, here)
	if err != nil || entry == nil || entry.State != JournalPending {
		return err
	}
	if known != nil && (entry.Attempt.AppointmentID != c.id || known.Attempt.AttemptedAt.After(entry.Attempt.AttemptedAt)) {
		return nil // the journal knows where the appointment is, and the read lags
	}
	attempt := entry.Attempt
	switch {
	case attempt.AppointmentID == c.id: // a move of this one
	case attempt.AppointmentID != "":
		return nil // another one is to be moved there
	case c.cancels() && !attempt.lost(c.sendsUntil, time.Now()):
		return nil // its request may be under way, and its entry must not be released
	default:
		another, err := c.another(ctx, attempt, attempt.made)
		switch {
		case err != nil && !noSuchCall(err):
			return err
		case another:
			return &JournalError{Op: "find", Err: errTwoAppointments}
		}
	}
	return c.client.core.finishBooked(ctx, attempt, c.id)
}

// another reports whether the API shows another appointment that fits the attempt, and that the
// journal doesn't know: it would be another attempt's, or cancelled.
func (c *change) another(ctx context.Context, attempt BookingAttempt, fits func(Appointment) bool) (bool, error) {
	appointments, err := c.client.listFor(ctx, attempt, c.readOpts)
	for _, shown := range appointments {
		if shown.ID == c.id || !fits(shown) {
			continue
		}
		if known, err := c.client.core.findAppointment(ctx, shown.ID); err != nil || known == nil {
			return true, err
		}
	}
	return false, err
}

// bindPending binds an appointment that somebody else moved to the booking that made it: the patient's
// only one that is pending since then. In moveTo the start says that, too. Here only the time does: the
// appointment must have been made right after the attempt, and so long ago that a read would show any
// other one that the attempt made.
func (c *change) bindPending(ctx context.Context, current Appointment) error {
	if current.Status != AppointmentRescheduled {
		return nil
	}
	pending, err := c.client.core.pending(ctx)
	if err != nil {
		return err
	}
	pending = slices.DeleteFunc(pending, func(e JournalEntry) bool {
		return e.Attempt.AppointmentID != "" || e.Attempt.PatientID != current.PatientID || e.Attempt.isAfter(current)
	})
	if len(pending) != 1 || pending[0].Attempt.mayLag(c.lostAfter, time.Now()) {
		return nil
	}
	_, err = c.bind(ctx, pending[0].Attempt, current, c.sendsUntil)
	return err
}

// bind records that a pending attempt made the appointment, which the practice has moved, so that its
// key isn't lost when the appointment is moved once more. bound is false if it may be another one, or
// was not made within that time.
func (c *change) bind(ctx context.Context, attempt BookingAttempt, current Appointment, within time.Duration) (bound bool, err error) {
	if attempt.AppointmentID != "" || !attempt.lost(c.sendsUntil, time.Now()) || !attempt.mayBe(current, within) {
		return false, nil
	}
	known, err := c.client.core.findAppointment(ctx, c.id)
	if err != nil || known != nil {
		return false, err
	}
	another, err := c.another(ctx, attempt, func(shown Appointment) bool {
		return attempt.made(shown) || attempt.mayBe(shown, c.lostAfter)
	})
	switch {
	case another, noSuchCall(err):
		return false, nil
	case err != nil:
		return false, err
	}
	return true, c.client.core.finishBooked(ctx, attempt, c.id)
}

var errTwoAppointments = errors.New("closure: the API shows two appointments that an attempt may have made: " +
	"settle it with ResolvePending, or cancel one of them")

// recordBooked calls confirmBooked before a cancellation, so that the booking's key is free
// afterwards. If it fails or hangs, the appointment is cancelled all the same.
func (c *change) recordBooked(ctx context.Context) {
	if c.client.core.journal == nil {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, oneLookFor, errAbandoned)
	defer cancel()
	known, err := c.client.core.findAppointment(ctx, c.id)
	if err != nil || known != nil && (known.State == JournalBooked || known.releasedLately(longestLag, time.Now())) {
		return
	}
	if current, err := c.read(ctx); err == nil && current.Status.stands() {
		_ = c.confirmBooked(ctx, nil, *current)
	}
}

func (c *change) attempt(current Appointment) BookingAttempt {
	return BookingAttempt{
		ID:            rand.Text(),
		ScheduleID:    current.ScheduleID,
		PatientID:     current.PatientID,
		StartAt:       storable(c.start),
		Duration:      cmp.Or(c.duration, current.Duration),
		AttemptedAt:   time.Now(),
		Mode:          c.client.core.mode,
		AppointmentID: c.id,
	}
}

// booking is a booking of the attempt's start: what the journal holds there stands in the way of both.
func (c *change) booking(attempt BookingAttempt) *slotBooking {
	return &slotBooking{client: c.client, attempt: attempt, readOpts: c.readOpts, lostAfter: c.lostAfter}
}

// sendBegun sends the attempt that the journal holds, and records what came of it.
func (c *change) sendBegun(ctx context.Context, attempt BookingAttempt) (*Booking, error) {
	c.window.begunAt = attempt.AttemptedAt
	moved, err := c.sendNow(ctx)
	switch {
	case err == nil || c.earlier.ID == "":
		c.client.core.finishAs(ctx, attempt, moved, err)
	case OutcomeOf(err) == OutcomeRejected: // it says nothing about the earlier request
		c.client.core.finishAs(ctx, attempt, nil, err)
		_, _ = c.client.core.begin(ctx, c.earlier) // which is no younger for that
		return nil, c.unknown(err)
	}
	return moved, err
}

// heldPending waits for up to 10 s for the ending of the same move by another call. If that
// call can't send any more, this one makes the move again, as an attempt of its own. That
// is safe, because the request says where the appointment is to be: to send it twice moves
// it once.
func (c *change) heldPending(ctx context.Context, entry JournalEntry) (moved *Booking, free bool, err error) {
	core := c.client.core
	if entry.Attempt.lost(c.sendsUntil, time.Now()) {
		if !entry.Attempt.lost(c.lostAfter, time.Now()) {
			c.earlier = entry.Attempt
		}
		err = core.free(ctx, entry)
		return nil, err == nil, err
	}
	keepLooking(ctx, func(ctx context.Context) bool {
		if current, err := c.read(ctx); err == nil && c.shows(*current) {
			moved = c.confirmed(current, true)
			return true
		}
		now, failed := core.find(ctx, entry.Attempt)
		free = failed == nil && (now == nil || now.Attempt.ID != entry.Attempt.ID || now.State != JournalPending)
		return free
	})
	switch {
	case moved != nil:
		core.finishAs(ctx, entry.Attempt, moved, nil)
		return moved, false, nil
	case free:
		return nil, true, nil
	default:
		return nil, false, c.unknown(errUnderWay)
	}
}
