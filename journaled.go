package closure

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"
)

// How a booking goes through the journal: what it holds is settled before
// anything is sent, and what is sent it holds.

// maxBegins bounds how often a booking begins anew after an entry was in its way.
const maxBegins = 5

// bookkeeping bounds what is recorded after the API's answer, also when the
// caller's context has ended by then.
const bookkeeping = 5 * time.Second

// find is the journal's entry for what is to be booked, or one of its key.
func (c *core) find(ctx context.Context, attempt BookingAttempt) (*JournalEntry, error) {
	entry, err := c.journal.Find(ctx, attempt)
	return c.checked(ctx, "find", attempt, entry, err)
}

func (c *core) begin(ctx context.Context, attempt BookingAttempt) (*JournalEntry, error) {
	entry, err := c.journal.Begin(ctx, attempt)
	if entry, err = c.checked(ctx, "begin", attempt, entry, err); err != nil {
		// It may have recorded the attempt all the same, and nothing was sent.
		_ = c.finish(ctx, JournalEntry{Attempt: attempt, State: JournalNotBooked})
	}
	return entry, err
}

// checked refuses an answer of the journal that the protocol has no meaning for.
func (c *core) checked(ctx context.Context, op string, attempt BookingAttempt, entry *JournalEntry, err error) (*JournalEntry, error) {
	switch err = cmp.Or(err, ctx.Err()); {
	case err != nil:
		return nil, &JournalError{Op: op, Err: err}
	case entry == nil:
		return nil, nil
	case entry.State != JournalPending && entry.State != JournalBooked,
		entry.State == JournalBooked && entry.Appointment == "", entry.Attempt.ID == "":
		return nil, &JournalError{Op: op, Err: errBadEntry}
	case !entry.Attempt.sameWish(attempt) && !entry.Attempt.sameSlot(attempt),
		entry.Attempt.Mode != "" && entry.Attempt.Mode != c.mode:
		return nil, &JournalError{Op: op, Err: errForeignEntry}
	}
	found := *entry
	return &found, nil
}

func (a BookingAttempt) sameWish(b BookingAttempt) bool {
	return a.IdempotencyKey != "" && a.IdempotencyKey == b.IdempotencyKey
}

func (a BookingAttempt) sameSlot(b BookingAttempt) bool {
	return a.PatientID == b.PatientID && a.ScheduleID == b.ScheduleID && a.StartAt.Equal(b.StartAt)
}

// findAppointment is what the journal knows of an appointment that a read shows.
func (c *core) findAppointment(ctx context.Context, id AppointmentID) (*JournalEntry, error) {
	if c.journal == nil {
		return nil, nil
	}
	entry, err := c.journal.FindAppointment(ctx, id)
	switch err = cmp.Or(err, ctx.Err()); {
	case err != nil:
		return nil, &JournalError{Op: "find", Err: err}
	case entry == nil:
		return nil, nil
	case entry.Appointment != id, entry.State != JournalBooked && entry.State != JournalReleased:
		return nil, &JournalError{Op: "find", Err: errBadEntry}
	}
	return entry, nil
}

// errMovedAway is an appointment that a read shows where the journal says that it
// was moved from: the read may lag behind the move, or somebody moved it back.
var errMovedAway = errors.New("closure: the API shows an appointment that, by the journal, was moved to another start")

// isThere reports whether an appointment that a read shows is there: the read may
// lag behind its cancellation or its move.
func (b *slotBooking) isThere(ctx context.Context, shown Appointment) (bool, error) {
	entry, err := b.client.core.findAppointment(ctx, shown.ID)
	switch {
	case err != nil:
		return false, err
	case entry == nil:
		return true, nil
	case entry.State == JournalReleased:
		return false, nil
	case entry.Attempt.sameSlot(b.attempt):
		return true, nil
	case b.attempt.AppointmentID == shown.ID && entry.Attempt.AttemptedAt.After(b.attempt.AttemptedAt),
		b.attempt.AppointmentID != shown.ID && b.mayLag(*entry):
		return false, errMovedAway
	default:
		return true, nil
	}
}

// finish records an ending that is certain. That it fails changes nothing of
// that: the entry stays, and is settled later.
func (c *core) finish(ctx context.Context, entry JournalEntry) error {
	if c.journal == nil || entry.Attempt.ID == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookkeeping)
	defer cancel()
	err := c.journal.Finish(ctx, entry)
	noteJournal(ctx, "finish", err)
	if err != nil {
		return &JournalError{Op: "finish", Err: err}
	}
	return nil
}

// finishAs records what came of an attempt, if that is known.
func (c *core) finishAs(ctx context.Context, attempt BookingAttempt, booking *Booking, err error) {
	entry := JournalEntry{Attempt: attempt, State: JournalNotBooked}
	if booking != nil {
		entry.State, entry.Appointment = JournalBooked, booking.Appointment.ID
	} else if outcome := OutcomeOf(err); outcome != OutcomeNotSent && outcome != OutcomeRejected {
		return
	}
	_ = c.finish(ctx, entry)
}

// free removes an entry that holds nothing, so that a booking can begin. It does
// not if the journal knows more of it by now.
func (c *core) free(ctx context.Context, entry JournalEntry) error {
	entry.State = JournalNotBooked
	return c.finish(ctx, entry)
}

// lostAfter is the age from which a pending entry that no look shows is taken for
// lost; 0: never. A process that lives may send until twice its timeout.
func (c *core) lostAfter(cfg callConfig) time.Duration {
	if cfg.assumeLostAfter == 0 {
		return 0
	}
	return max(cfg.assumeLostAfter, c.sendsUntil(cfg))
}

// sendsUntil is the age until which a process that lives may send what it began.
func (c *core) sendsUntil(cfg callConfig) time.Duration {
	return 2 * max(cfg.timeout, c.defaults.timeout)
}

// longestLag is for how long a read may show what was before a move, unless the
// caller has said what counts as lost.
const longestLag = 24 * time.Hour

// mayLag reports whether a read that contradicts the entry may be older than the move
// that made it.
func (b *slotBooking) mayLag(entry JournalEntry) bool {
	return entry.Attempt.AppointmentID != "" && !entry.Attempt.lost(cmp.Or(b.lostAfter, longestLag))
}

func (a BookingAttempt) lost(after time.Duration) bool {
	return after > 0 && !a.AttemptedAt.IsZero() && wallClockSince(a.AttemptedAt) > after
}

// wallClockSince also counts the time for which the machine slept.
func wallClockSince(t time.Time) time.Duration { return time.Now().Round(0).Sub(t.Round(0)) }

// bookByJournal settles what the journal holds already, and books if that is
// nothing.
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
	case b.attempt.ID != "": // the journal was asked last, right before the request
	case booking != nil && b.attempt.IdempotencyKey != "":
		return b.adopt(ctx, booking)
	case errors.Is(err, ErrSlotUnavailable):
		return b.notTaken(ctx, err)
	}
	return booking, err
}

// inTurnByJournal books after another call for the same. What the journal says is newer
// than what that one found; where it can't be asked, that is as good.
func (b *slotBooking) inTurnByJournal(ctx context.Context, earlier *Booking, unknown *OutcomeUnknownError) (*Booking, error) {
	if earlier != nil || unknown != nil {
		b.place.pass() // the others can look, too
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

// isFailure reports whether the error says nothing of the booking itself.
func isFailure(err error) bool {
	var (
		journal   *JournalError
		transport *TransportError
		api       *APIError
	)
	return errors.As(err, &journal) || errors.As(err, &transport) || errors.As(err, &api)
}

// notTaken ends a booking of a slot that isn't open, unless another process took
// it for the same patient meanwhile: the journal shows that before the API does.
func (b *slotBooking) notTaken(ctx context.Context, taken error) (*Booking, error) {
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

// instead ends the resolution of an attempt that was not booked: another one for
// the same may have been made since.
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
	case err != nil:
		return nil, &OutcomeUnknownError{Attempt: entry.Attempt, Err: err}
	}
	return booking, nil
}

// adopt gives the key to an appointment that was there and that nobody's entry
// holds: one key, one appointment.
func (b *slotBooking) adopt(ctx context.Context, booking *Booking) (*Booking, error) {
	b.attempt.ID = rand.Text()
	entry, err := b.client.core.begin(ctx, b.attempt)
	switch {
	case err != nil:
		return nil, err
	case entry == nil:
		b.client.core.finishAs(ctx, b.attempt, booking, nil)
		return booking, nil
	case entry.State == JournalBooked && entry.Attempt.sameSlot(b.attempt) && !b.anothersWish(*entry):
		booking, _, err := b.known(ctx, *entry, booking)
		return booking, err
	}
	held, free, err := b.held(ctx, *entry)
	if free {
		err = ErrSlotUnavailable // of this moment: what was in the way is gone, and a call again finds out
	}
	return held, err
}

// begun begins the attempt: a booking, if somebody else made it, or an error, or
// neither, and it may be sent.
func (b *slotBooking) begun(ctx context.Context) (*Booking, error) {
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

// sendBegun sends what the journal holds, and records what came of it.
func (b *slotBooking) sendBegun(ctx context.Context) (*Booking, error) {
	booking, err := b.begun(ctx)
	if booking != nil || err != nil {
		return booking, err
	}
	b.window.begunAt = b.attempt.AttemptedAt
	booking, err = b.sendNow(ctx)
	b.client.core.finishAs(ctx, b.attempt, booking, err)
	return booking, err
}

// A sendWindow is for how long after the journal recorded an attempt its request
// may leave. The zero value is without bounds.
type sendWindow struct {
	begunAt time.Time
	timeout time.Duration // of one attempt
}

// late reports whether nothing may be sent any more: this process may have been
// frozen, and another one may have taken the attempt for lost.
func (w sendWindow) late() bool {
	return !w.begunAt.IsZero() && wallClockSince(w.begunAt) > w.timeout
}

// resend is for as long as a request may be sent again.
func (w sendWindow) resend(ctx context.Context) (context.Context, context.CancelFunc) {
	return w.until(ctx, w.timeout)
}

// bound ends a request that waits, for the rate limit or to be tried again, before
// others may take it for lost.
func (w sendWindow) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return w.until(ctx, 2*w.timeout)
}

func (w sendWindow) until(ctx context.Context, age time.Duration) (context.Context, context.CancelFunc) {
	if w.begunAt.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, w.begunAt.Add(age))
}

// held settles an entry that the journal holds: it is the booking, or an error
// says what it is, or it is free now.
func (b *slotBooking) held(ctx context.Context, entry JournalEntry) (booking *Booking, free bool, err error) {
	if err := b.wrongKey(entry); err != nil {
		return nil, false, err
	}
	if entry.State == JournalBooked {
		return b.heldBooked(ctx, entry)
	}
	if b.anothersWish(entry) {
		return nil, false, ErrSlotUnavailable
	}
	return b.heldPending(ctx, entry)
}

// wrongKey refuses a key that the caller used for something else.
func (b *slotBooking) wrongKey(entry JournalEntry) error {
	if !entry.Attempt.sameWish(b.attempt) {
		return nil
	}
	moved := entry.Attempt.AppointmentID != "" // where it was booked is not known any more
	if entry.Attempt.PatientID == b.attempt.PatientID && (b.first || moved || entry.Attempt.sameSlot(b.attempt)) {
		return nil
	}
	return errKeyUsed()
}

func errKeyUsed() error {
	return &InputError{Op: opAppointmentsCreate.name(), Field: "IdempotencyKey", Reason: "was used for another booking"}
}

// anothersWish reports whether a walk must pass over what the entry holds.
func (b *slotBooking) anothersWish(entry JournalEntry) bool {
	return b.isWalkWithKey() && !entry.Attempt.sameWish(b.attempt)
}

func (b *slotBooking) isWalkWithKey() bool { return b.first && b.attempt.IdempotencyKey != "" }

// heldBooked looks at the appointment of a booked entry. That the API can't show
// it is no evidence against what it confirmed.
func (b *slotBooking) heldBooked(ctx context.Context, entry JournalEntry) (booking *Booking, free bool, err error) {
	known, err := b.client.core.findAppointment(ctx, entry.Appointment)
	if err != nil {
		return nil, false, err
	}
	if slices.Contains(b.cancelled, entry.Appointment) ||
		known != nil && known.State == JournalReleased { // it was recorded as booked later than as cancelled
		err = b.client.core.release(ctx, entry.Appointment)
		return nil, err == nil, err
	}
	shown, err := b.showBooked(ctx, entry)
	if err != nil {
		return nil, false, err
	}
	moved := !entry.isAt(*shown)
	switch {
	case shown.Status.gone():
		err = b.client.core.release(ctx, entry.Appointment)
		return nil, err == nil, err
	case !shown.Status.stands():
		return nil, false, &OutcomeUnknownError{Attempt: entry.Attempt, Err: errDoubtful}
	case moved && b.mayLag(entry) && b.anothersWish(entry):
		return nil, false, ErrSlotUnavailable
	case moved && b.mayLag(entry):
		return nil, false, &OutcomeUnknownError{Attempt: entry.Attempt, Err: errNotShown}
	case moved && !entry.Attempt.sameWish(b.attempt):
		err = b.follow(ctx, entry, *shown)
		return nil, err == nil, err
	case b.anothersWish(entry):
		return nil, false, ErrSlotUnavailable
	default:
		return b.known(ctx, entry, &Booking{Appointment: *shown, Recovered: true})
	}
}

// showBooked reads the appointment of a booked entry. A read that lags behind a move
// shows the place before it, so it looks for the place after it for up to 10 s.
func (b *slotBooking) showBooked(ctx context.Context, entry JournalEntry) (*Appointment, error) {
	shown, err := b.getBooked(ctx, entry)
	if err != nil || entry.isAt(*shown) || !b.mayLag(entry) || b.anothersWish(entry) {
		return shown, err
	}
	keepLooking(ctx, func(ctx context.Context) bool {
		later, failed := b.getBooked(ctx, entry)
		if failed == nil {
			shown = later
		}
		return entry.isAt(*shown)
	})
	return shown, nil
}

func (b *slotBooking) getBooked(ctx context.Context, entry JournalEntry) (*Appointment, error) {
	shown, err := b.client.Appointments.Get(ctx, entry.Appointment, b.readOpts...)
	switch {
	case noSuchCall(err):
		return entry.appointment(), nil
	case err != nil:
		return nil, err
	case shown.ID != entry.Appointment || shown.PatientID != entry.Attempt.PatientID:
		return nil, &JournalError{Op: "find", Err: errForeignEntry}
	}
	return shown, nil
}

// isAt reports whether the appointment is gone, or where the entry says.
func (e JournalEntry) isAt(shown Appointment) bool {
	return shown.Status.gone() ||
		shown.ScheduleID == e.Attempt.ScheduleID && shown.StartAt.Equal(e.Attempt.StartAt)
}

// known ends a booking in one that the journal holds, under this key too from now
// on: one key, one appointment.
func (b *slotBooking) known(ctx context.Context, entry JournalEntry, booking *Booking) (*Booking, bool, error) {
	if b.attempt.IdempotencyKey == "" || entry.Attempt.sameWish(b.attempt) {
		return booking, false, nil
	}
	entry.Attempt.IdempotencyKey = b.attempt.IdempotencyKey
	if err := b.client.core.finish(ctx, entry); err != nil {
		return nil, false, err
	}
	// Another process may have given the key to another appointment in between.
	now, err := b.client.core.find(ctx, b.attempt)
	switch {
	case err != nil:
		return nil, false, err
	case now == nil || !now.Attempt.sameWish(b.attempt):
		return nil, false, &JournalError{Op: "finish", Err: errUnsteady}
	case now.Attempt.ID != entry.Attempt.ID:
		return nil, false, errKeyUsed()
	}
	return booking, false, nil
}

// follow records that somebody else moved the appointment of a booked entry: its
// key must not get lost.
func (b *slotBooking) follow(ctx context.Context, entry JournalEntry, shown Appointment) error {
	core := b.client.core
	attempt := entry.Attempt
	attempt.ID, attempt.IdempotencyKey, attempt.AppointmentID = rand.Text(), "", shown.ID
	attempt.ScheduleID, attempt.StartAt, attempt.AttemptedAt = shown.ScheduleID, shown.StartAt, time.Now()
	there, err := core.begin(ctx, attempt)
	switch {
	case err != nil:
		return err
	case there == nil:
	case there.State == JournalPending && there.Attempt.AppointmentID == shown.ID:
		attempt = there.Attempt // the move that nobody knew the end of
	case there.State == JournalBooked:
		return b.leftBy(ctx, *there)
	default:
		return &JournalError{Op: "begin", Err: errUnsteady}
	}
	return core.finish(ctx, JournalEntry{Attempt: attempt, State: JournalBooked, Appointment: shown.ID})
}

// leftBy frees a start that the journal holds for an appointment that was cancelled
// there.
func (b *slotBooking) leftBy(ctx context.Context, entry JournalEntry) error {
	shown, err := b.getBooked(ctx, entry)
	switch {
	case err != nil:
		return err
	case shown.Status.gone():
		return b.client.core.release(ctx, entry.Appointment)
	default:
		return &JournalError{Op: "begin", Err: errUnsteady}
	}
}

// appointment is what the entry knows of its appointment.
func (e JournalEntry) appointment() *Appointment {
	return &Appointment{
		ID:         e.Appointment,
		ScheduleID: e.Attempt.ScheduleID,
		PatientID:  e.Attempt.PatientID,
		Status:     AppointmentScheduled,
		StartAt:    e.Attempt.StartAt,
		Duration:   e.Attempt.Duration,
	}
}

// heldPending looks at the API and at the journal until one of them says what came
// of an attempt that somebody else makes or made, or the time is up.
func (b *slotBooking) heldPending(ctx context.Context, entry JournalEntry) (booking *Booking, free bool, err error) {
	var now *JournalEntry // what the journal holds; nil: nothing any more
	other := &slotBooking{client: b.client, attempt: entry.Attempt, readOpts: b.readOpts, cancelled: b.cancelled}
	booking, err = other.readBackUntil(ctx, errUnderWay, func(ctx context.Context, seen sighting) bool {
		lost := seen.appointment == nil && seen.err == nil && entry.Attempt.lost(b.lostAfter)
		if lost {
			_ = b.client.core.free(ctx, entry)
		}
		var failed error
		now, failed = b.client.core.find(ctx, b.attempt)
		free = failed == nil && (now == nil || now.Attempt.ID != entry.Attempt.ID)
		return free || now != nil && now.State == JournalBooked
	})
	switch {
	case booking != nil:
		entry.State, entry.Appointment = JournalBooked, booking.Appointment.ID
		b.client.core.finishAs(ctx, entry.Attempt, booking, nil)
		return b.known(ctx, entry, booking)
	case free:
		return nil, true, nil // what is there now, if anything, shows when the booking begins
	case now != nil && now.State == JournalBooked:
		return b.heldBooked(ctx, *now)
	default:
		return nil, false, err
	}
}

// release frees what a cancelled appointment held.
func (c *core) release(ctx context.Context, id AppointmentID) error {
	if c.journal == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookkeeping)
	defer cancel()
	if err := c.journal.Release(ctx, id); err != nil {
		noteJournal(ctx, "release", err)
		return &JournalError{Op: "release", Err: err}
	}
	return nil
}
