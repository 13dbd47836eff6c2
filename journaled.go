package closure

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"time"
)

// How a booking uses the journal. What the journal holds is settled before anything is
// sent, and nothing is sent that it doesn't hold.

// maxBegins bounds how often a booking begins again after another entry was in its way.
const maxBegins = 5

// bookkeeping bounds the time for recording an ending. The caller's context may have ended
// by then, so it doesn't count.
const bookkeeping = 5 * time.Second

// find returns the journal's entry for the attempt's key, or else for its patient, schedule
// and start.
func (c *core) find(ctx context.Context, attempt BookingAttempt) (*JournalEntry, error) {
	entry, err := c.journal.Find(ctx, attempt)
	return c.checked(ctx, "find", attempt, entry, err)
}

func (c *core) begin(ctx context.Context, attempt BookingAttempt) (*JournalEntry, error) {
	entry, err := c.journal.Begin(ctx, attempt)
	entry, err = c.checked(ctx, "begin", attempt, entry, err)
	switch {
	case err != nil:
		// The journal may have recorded the attempt all the same, and nothing is sent now.
		_ = c.finish(ctx, JournalEntry{Attempt: attempt, State: JournalNotBooked})
	case entry != nil && entry.State == JournalPending && entry.Attempt.ID == attempt.ID:
		// It is this attempt's own: the journal's database was asked again when an answer was lost.
		return nil, nil
	}
	return entry, err
}

// checked refuses an entry that the journal must not return.
func (c *core) checked(ctx context.Context, op string, attempt BookingAttempt, entry *JournalEntry, err error) (*JournalEntry, error) {
	switch err = cmp.Or(err, ctx.Err()); {
	case err != nil:
		return nil, journalFailed(ctx, op, err)
	case entry == nil:
		return nil, nil
	case entry.State != JournalPending && entry.State != JournalBooked,
		entry.State == JournalBooked && entry.Appointment == "", entry.Attempt.ID == "":
		return nil, &JournalError{Op: op, Err: errBadEntry}
	case !entry.Attempt.sameKey(attempt) && !entry.Attempt.sameSlot(attempt),
		entry.Attempt.Mode != "" && entry.Attempt.Mode != c.mode:
		return nil, &JournalError{Op: op, Err: errForeignEntry}
	}
	found := *entry
	return &found, nil
}

func (a BookingAttempt) sameKey(b BookingAttempt) bool {
	return a.IdempotencyKey != "" && a.IdempotencyKey == b.IdempotencyKey
}

func (a BookingAttempt) sameSlot(b BookingAttempt) bool {
	return a.PatientID == b.PatientID && a.ScheduleID == b.ScheduleID && a.StartAt.Equal(b.StartAt)
}

// findAppointment returns what the journal knows of an appointment.
func (c *core) findAppointment(ctx context.Context, id AppointmentID) (*JournalEntry, error) {
	if c.journal == nil {
		return nil, nil
	}
	entry, err := c.journal.FindAppointment(ctx, id)
	switch err = cmp.Or(err, ctx.Err()); {
	case err != nil:
		return nil, journalFailed(ctx, "find appointment", err)
	case entry == nil:
		return nil, nil
	case entry.Appointment != id, entry.State != JournalBooked && entry.State != JournalReleased:
		return nil, &JournalError{Op: "find appointment", Err: errBadEntry}
	}
	return entry, nil
}

// errMovedAway is the error of an appointment that a read shows at another start than the
// journal. The read may lag behind a move, or the practice moved it.
var errMovedAway = errors.New("closure: the API shows an appointment that, by the journal, is at another start")

// errBrought says that another attempt made the appointment, and that somebody else moved it to where
// this one may have made its own.
var errBrought = errors.New("closure: the API shows another attempt's appointment")

// isThere reports whether an appointment is where a read that began at that time shows it. The
// read may lag behind the appointment's cancellation or its move. With errBrought it is there, too.
func (b *slotBooking) isThere(ctx context.Context, shown Appointment, begun time.Time) (bool, error) {
	entry, err := b.client.core.findAppointment(ctx, shown.ID)
	switch {
	case err != nil:
		return false, err
	case entry == nil:
		return true, nil
	case entry.releasedLately(b.lostAfter, begun):
		return false, nil
	case entry.Attempt.sameSlot(b.attempt):
		return true, nil
	case entry.State == JournalBooked && b.hasAnotherKey(*entry):
		return false, errMovedAway
	case entry.mayLag(b.lostAfter, begun) &&
		(b.attempt.AppointmentID != shown.ID || entry.Attempt.AttemptedAt.After(b.attempt.AttemptedAt)):
		return false, errMovedAway
	case b.attempt.isAfter(shown):
		return true, errBrought
	default:
		return true, nil
	}
}

// isAfter reports whether the appointment was made before the attempt. One that doesn't say when it
// was made doesn't count.
func (a BookingAttempt) isAfter(shown Appointment) bool {
	return a.AppointmentID == "" && !shown.CreatedAt.IsZero() && a.AttemptedAt.Sub(shown.CreatedAt) > clocksDiffer
}

// finish records an ending that is certain. If it fails, the ending stays as certain: the
// entry stays pending, and is settled later.
func (c *core) finish(ctx context.Context, entry JournalEntry) error {
	if c.journal == nil || entry.Attempt.ID == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookkeeping)
	defer cancel()
	err := c.journal.Finish(ctx, entry)
	noteJournal(ctx, "finish", err)
	if err != nil {
		return journalFailed(ctx, "finish", err)
	}
	return nil
}

// finishBooked records that the appointment is what the attempt booked, or is taken for it.
func (c *core) finishBooked(ctx context.Context, attempt BookingAttempt, id AppointmentID) error {
	return c.finish(ctx, JournalEntry{Attempt: attempt, State: JournalBooked, Appointment: id})
}

// finishAs records what came of an attempt, if that is certain.
func (c *core) finishAs(ctx context.Context, attempt BookingAttempt, booking *Booking, err error) {
	entry := JournalEntry{Attempt: attempt, State: JournalNotBooked}
	if booking != nil {
		entry.State, entry.Appointment = JournalBooked, booking.Appointment.ID
	} else if outcome := OutcomeOf(err); outcome != OutcomeNotSent && outcome != OutcomeRejected {
		return
	}
	_ = c.finish(ctx, entry)
}

// free removes the entry of a lost attempt, so that a booking can begin. If the journal
// knows of a booking by now, Finish changes nothing.
func (c *core) free(ctx context.Context, entry JournalEntry) error {
	entry.State = JournalNotBooked
	return c.finish(ctx, entry)
}

// lostAfter returns the age from which a pending entry counts as lost, if the API doesn't
// show its appointment; 0: it never does. Until twice its timeout, a process may send.
func (c *core) lostAfter(cfg callConfig) time.Duration {
	if cfg.assumeLostAfter == 0 {
		return 0
	}
	return max(cfg.assumeLostAfter, c.sendsUntil(cfg))
}

// sendsUntil returns the age up to which the process that began an attempt may send it.
func (c *core) sendsUntil(cfg callConfig) time.Duration {
	return 2 * max(cfg.timeout, c.defaults.timeout)
}

// longestLag is how long a read may lag behind a move, unless the caller has said from what
// age an attempt counts as lost.
const longestLag = 24 * time.Hour

// mayLag reports whether the entry comes from a move that a read that began at that time may
// lag behind.
func (e JournalEntry) mayLag(lostAfter time.Duration, begun time.Time) bool {
	return e.Attempt.AppointmentID != "" && e.Attempt.mayLag(lostAfter, begun)
}

// releasedLately reports whether a read that began at that time may lag behind the appointment's
// cancellation. If a later one shows the appointment, it was reinstated.
func (e JournalEntry) releasedLately(lostAfter time.Duration, begun time.Time) bool {
	if e.ReleasedAt.IsZero() {
		return e.State == JournalReleased
	}
	return wallClockBetween(e.ReleasedAt, begun) <= cmp.Or(lostAfter, longestLag)
}

// mayLag reports whether a read that began at that time may lag behind the attempt.
func (a BookingAttempt) mayLag(lostAfter time.Duration, begun time.Time) bool {
	return !a.lost(cmp.Or(lostAfter, longestLag), begun)
}

// lost reports whether the attempt is so old that a read that began at that time would show
// its appointment. When the read ended doesn't count: what it shows may be as old as its beginning.
func (a BookingAttempt) lost(after time.Duration, begun time.Time) bool {
	return after > 0 && !a.AttemptedAt.IsZero() && wallClockBetween(a.AttemptedAt, begun) > after
}

// wallClockBetween also counts the time during which the machine slept.
func wallClockBetween(from, to time.Time) time.Duration { return to.Round(0).Sub(from.Round(0)) }

// bookByJournal settles what the journal holds for the booking. If it holds nothing, it
// books.
func (b *slotBooking) bookByJournal(ctx context.Context) (*Booking, error) {
	entry, err := b.client.core.find(ctx, b.attempt)
	if err != nil {
		return nil, err
	}
	if entry != nil {
		if booking, free, err := b.held(ctx, *entry); !free {
			return booking, err
		}
	}
	booking, err := b.book(ctx)
	switch {
	case b.attempt.ID != "": // the attempt was begun: the journal was asked right before the request
	case booking != nil && b.attempt.IdempotencyKey != "":
		return b.adopt(ctx, booking)
	case errors.Is(err, ErrSlotUnavailable):
		return b.notOpen(ctx, err)
	}
	return booking, err
}

// inTurnByJournal books when it is this call's turn. The journal knows more than the call
// before, so it is asked first. Only if it can't be asked, that call's result is returned.
func (b *slotBooking) inTurnByJournal(ctx context.Context, earlier *Booking, unknown *OutcomeUnknownError) (*Booking, error) {
	if earlier != nil || unknown != nil {
		b.place.pass() // the other calls may look meanwhile
	}
	booking, err := b.bookByJournal(ctx)
	switch {
	case !isFailure(err) || OutcomeOf(err) != OutcomeNotSent:
		return booking, err
	case unknown != nil:
		return nil, &OutcomeUnknownError{Attempt: unknown.Attempt, Err: err}
	case earlier != nil:
		earlier.Recovered = true
		return earlier, nil
	default:
		return nil, err
	}
}

// isFailure reports whether the error comes from the journal, the connection or the API,
// so that it says nothing about the booking itself.
func isFailure(err error) bool {
	var (
		journal   *JournalError
		transport *TransportError
		api       *APIError
	)
	return errors.As(err, &journal) || errors.As(err, &transport) || errors.As(err, &api)
}

// notOpen ends a booking of a slot that isn't open. Another process may have booked it for
// the same patient meanwhile. The journal shows that before the API does.
func (b *slotBooking) notOpen(ctx context.Context, taken error) (*Booking, error) {
	entry, err := b.client.core.find(ctx, b.attempt)
	switch {
	case err != nil:
		return nil, err
	case entry == nil:
		return nil, taken
	}
	if booking, free, err := b.held(ctx, *entry); !free {
		return booking, err
	}
	return nil, taken
}

// instead ends the resolution of an attempt that was not booked. Another attempt for the
// same patient, schedule and start, or key, may have been made since.
func (b *slotBooking) instead(ctx context.Context) (*Booking, error) {
	if b.client.core.journal == nil || b.attempt.AppointmentID != "" {
		return nil, ErrNotBooked
	}
	entry, err := b.client.core.find(ctx, b.attempt)
	switch {
	case err != nil:
		return nil, b.unknown(err)
	case entry == nil, entry.State == JournalPending && entry.Attempt.ID == b.attempt.ID:
		return nil, ErrNotBooked
	case entry.State == JournalPending:
		return nil, &OutcomeUnknownError{Attempt: entry.Attempt, Err: errUnderWay}
	}
	booking, free, err := b.heldBooked(ctx, *entry)
	switch {
	case free:
		return nil, ErrNotBooked
	case err != nil && !errors.Is(err, ErrOutcomeUnknown):
		return nil, &OutcomeUnknownError{Attempt: entry.Attempt, Err: err}
	}
	return booking, err
}

// adopt records the caller's key for an appointment that was there before, and for which
// the journal had no entry. If the journal can't, the call fails: if the practice moved the appointment
// later, nothing else would say whose it is.
func (b *slotBooking) adopt(ctx context.Context, booking *Booking) (*Booking, error) {
	for range maxBegins {
		known, err := b.client.core.findAppointment(ctx, booking.Appointment.ID)
		if err != nil {
			return nil, err
		}
		b.attempt.ID = rand.Text()
		attempt := b.attempt
		if known != nil && known.State == JournalBooked && !known.Attempt.sameSlot(attempt) {
			if known.mayLag(b.lostAfter, b.attempt.AttemptedAt) {
				return nil, b.unknown(errMovedAway) // the read that shows it here is older than its move
			}
			attempt.AppointmentID = booking.Appointment.ID // somebody else moved it here, and its keys come along
		}
		entry, err := b.client.core.begin(ctx, attempt)
		switch {
		case err != nil:
			return nil, err
		case entry == nil:
			if err := b.client.core.finishBooked(ctx, attempt, booking.Appointment.ID); err != nil {
				return nil, err
			}
			return booking, nil
		case entry.State == JournalBooked && entry.Appointment == booking.Appointment.ID && !b.hasAnotherKey(*entry):
			booking, _, err := b.known(ctx, *entry, booking)
			return booking, err
		}
		if held, free, err := b.held(ctx, *entry); !free {
			return held, err
		}
		// What was in the way has gone, and the appointment may have gone with it.
		if booking, err = b.notOffered(ctx); err != nil {
			return nil, err
		}
	}
	return nil, &JournalError{Op: "begin", Err: errUnsteady}
}

// beginAttempt begins the attempt. If it returns neither a booking, which somebody else made, nor
// an error, the attempt may be sent.
func (b *slotBooking) beginAttempt(ctx context.Context) (*Booking, error) {
	for range maxBegins {
		b.attempt.ID, b.attempt.AttemptedAt = rand.Text(), time.Now()
		entry, err := b.client.core.begin(ctx, b.attempt)
		if err != nil || entry == nil {
			return nil, err
		}
		if booking, free, err := b.held(ctx, *entry); !free {
			return booking, err
		}
	}
	return nil, &JournalError{Op: "begin", Err: errUnsteady}
}

// sendBegun begins the attempt, sends it, and records what came of it.
func (b *slotBooking) sendBegun(ctx context.Context) (*Booking, error) {
	booking, err := b.beginAttempt(ctx)
	if booking != nil || err != nil {
		return booking, err
	}
	b.window.begunAt = b.attempt.AttemptedAt
	booking, err = b.sendNow(ctx)
	if booking != nil {
		return b.recorded(ctx, booking)
	}
	b.client.core.finishAs(ctx, b.attempt, nil, err)
	return nil, err
}

// recorded records what was found for the attempt. If the journal can't, and another attempt made it,
// the call fails: if the practice moved it on, nothing else would say whose it is.
func (b *slotBooking) recorded(ctx context.Context, booking *Booking) (*Booking, error) {
	if err := b.client.core.finishBooked(ctx, b.attempt, booking.Appointment.ID); err != nil && b.brought {
		return nil, err
	}
	return booking, nil
}

// A sendWindow bounds the time in which the request of an attempt may leave, from when the
// journal recorded the attempt. The zero value sets no bounds.
type sendWindow struct {
	begunAt time.Time
	timeout time.Duration // of one attempt
}

// late reports whether it is too late to send. This process may have been frozen, and
// another process may have given the attempt up as lost.
func (w sendWindow) late() bool {
	return !w.begunAt.IsZero() && wallClockBetween(w.begunAt, time.Now()) > w.timeout
}

// resend returns a context that ends when the request may not be sent again any more.
func (w sendWindow) resend(ctx context.Context) (context.Context, context.CancelFunc) {
	return w.until(ctx, w.timeout)
}

// bound returns a context that ends before other processes may give the attempt up as lost:
// the request may wait for the rate limit or for a retry.
func (w sendWindow) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return w.until(ctx, 2*w.timeout)
}

func (w sendWindow) until(ctx context.Context, age time.Duration) (context.Context, context.CancelFunc) {
	if w.begunAt.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, w.begunAt.Add(age))
}

// release frees the entries of a cancelled appointment.
func (c *core) release(ctx context.Context, id AppointmentID) error {
	if c.journal == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookkeeping)
	defer cancel()
	if err := c.journal.Release(ctx, id); err != nil {
		noteJournal(ctx, "release", err)
		return journalFailed(ctx, "release", err)
	}
	return nil
}
