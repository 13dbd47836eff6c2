package closure

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"time"
)

// How a booking settles an entry that the journal holds. An entry lives like this:
//
//	(none) ── Begin ──> pending ── Finish, booked ──> booked ── Release ──> (none, remembered)
//	   ^                   |                             |
//	   '── not booked, <───'                             '── moved: the entry of the new start
//	       or lost                                           has its place and its keys
//
// What a booking does with the entry of its key or of its slot:
//
//	the key was used for another booking       refuse: ErrIdempotencyKeyUsed
//	it is pending                              ask the API and the journal until one knows
//	  the API shows its appointment            record and return the booking
//	  it shows an older one of another entry   unknown, until this one is lost
//	  the journal shows that it ended          begin; if it is booked by now, see below
//	  it is lost: see [AssumeLostAfter]        remove the entry, and begin
//	  it may be one that was moved since       unknown
//	  nobody knows in time                     unknown, with the entry's attempt
//	it is booked, and its appointment ...
//	  stands where the entry says              record the key, and return the booking
//	  was cancelled                            release the entry, and begin
//	  was moved by somebody else               with the entry's key: return the booking;
//	                                           else record where it is, and begin
//	  is shown at another start by a read      unknown
//	  that may lag
//	  isn't shown yet, or there is no call     as if it stood where the entry says
//	  that would show it
//	  was moved, and nothing shows where to    unknown
//	  isn't shown after a day or the age of    unknown
//	  AssumeLostAfter, or its status is
//	  unknown to this version
//
// If the entry has another key, BookFirstAvailable with a key passes over the slot where it would
// ask about a pending entry, return a booking, or wait for a read that may lag.

// held settles an entry that the journal holds. It returns the booking, or an error, or it
// reports that the entry is gone and the slot is free.
func (b *slotBooking) held(ctx context.Context, entry JournalEntry) (booking *Booking, free bool, err error) {
	if err := b.wrongKey(entry); err != nil {
		return nil, false, err
	}
	if entry.State == JournalBooked {
		return b.heldBooked(ctx, entry)
	}
	if b.hasAnotherKey(entry) {
		return nil, false, ErrSlotUnavailable
	}
	return b.heldPending(ctx, entry)
}

// wrongKey refuses a key that the caller used for another booking.
func (b *slotBooking) wrongKey(entry JournalEntry) error {
	if !entry.Attempt.sameKey(b.attempt) {
		return nil
	}
	moved := entry.Attempt.AppointmentID != "" // then its first start is not known any more
	if entry.Attempt.PatientID == b.attempt.PatientID && (b.first || moved || entry.Attempt.sameSlot(b.attempt)) {
		return nil
	}
	return b.keyUsed()
}

func (b *slotBooking) keyUsed() error {
	return &InputError{
		Op:     b.method().name(),
		Field:  "IdempotencyKey",
		Reason: "was used for another booking",
		Err:    ErrIdempotencyKeyUsed,
	}
}

// hasAnotherKey reports whether BookFirstAvailable must pass over the entry, because its key
// is not the caller's.
func (b *slotBooking) hasAnotherKey(entry JournalEntry) bool {
	return b.isFirstWithKey() && !entry.Attempt.sameKey(b.attempt)
}

func (b *slotBooking) isFirstWithKey() bool { return b.first && b.attempt.IdempotencyKey != "" }

// heldBooked reads the appointment of a booked entry. If the API doesn't show it, it is
// booked all the same, because the API confirmed it.
func (b *slotBooking) heldBooked(ctx context.Context, entry JournalEntry) (booking *Booking, free bool, err error) {
	known, err := b.client.core.findAppointment(ctx, entry.Appointment)
	if err != nil {
		return nil, false, err
	}
	// The cancellation was recorded before the booking, or only the caller knows of it.
	released := known != nil && known.releasedLately(b.lostAfter, time.Now())
	if released || b.cancelled.has(entry.Appointment) {
		err = b.client.core.release(ctx, entry.Appointment)
		return nil, err == nil, err
	}
	if known != nil {
		entry.ReleasedAt = known.ReleasedAt
	}
	shown, begun, err := b.showBooked(ctx, entry)
	if err != nil {
		return nil, false, err
	}
	moved := !entry.isAt(*shown)
	switch {
	case shown.Status.IsCancelled():
		err = b.client.core.release(ctx, entry.Appointment)
		return nil, err == nil, err
	case !shown.Status.stands():
		return nil, false, &OutcomeUnknownError{Attempt: entry.Attempt, Err: errDoubtful}
	case moved && entry.mayLag(b.lostAfter, begun) && b.hasAnotherKey(entry):
		return nil, false, ErrSlotUnavailable
	case moved && entry.mayLag(b.lostAfter, begun):
		return nil, false, &OutcomeUnknownError{Attempt: entry.Attempt, Err: errNotShown}
	case moved && !entry.Attempt.sameKey(b.attempt) && entry.Attempt.ID != b.attempt.ID:
		err = b.follow(ctx, entry, *shown, maxBegins)
		return nil, err == nil, err
	case b.hasAnotherKey(entry):
		return nil, false, ErrSlotUnavailable
	default:
		return b.known(ctx, entry, &Booking{Appointment: *shown, Recovered: true})
	}
}

// showBooked reads the appointment of a booked entry. A read may lag behind a move, so it
// reads for up to 10 s, until the appointment shows where the entry says. begun is when the read
// began that shows it.
func (b *slotBooking) showBooked(ctx context.Context, entry JournalEntry) (shown *Appointment, begun time.Time, err error) {
	begun = time.Now()
	shown, err = b.getBooked(ctx, entry)
	if err != nil || entry.isAt(*shown) || !entry.mayLag(b.lostAfter, begun) || b.hasAnotherKey(entry) {
		return shown, begun, err
	}
	keepLooking(ctx, func(ctx context.Context) bool {
		now := time.Now()
		later, failed := b.getBooked(ctx, entry)
		if failed == nil {
			shown, begun = later, now
		}
		return entry.isAt(*shown)
	})
	return shown, begun, nil
}

func (b *slotBooking) getBooked(ctx context.Context, entry JournalEntry) (*Appointment, error) {
	begun := time.Now()
	shown, err := b.client.Appointments.Get(ctx, entry.Appointment, b.readOpts...)
	switch {
	case noSuchCall(err) && entry.Attempt.mayLag(b.lostAfter, begun):
		return entry.appointment(), nil // the read lags behind, or the API has no such call
	case noSuchCall(err):
		return b.listBooked(ctx, entry, errVanished)
	case err != nil:
		return nil, err
	case cmp.Or(shown.PatientID, entry.Attempt.PatientID) != entry.Attempt.PatientID:
		return nil, &JournalError{Op: "find", Err: errForeignEntry}
	case shown.leavesOutWhereTo(): // the list may say it
		return b.listBooked(ctx, entry, errIncomplete)
	}
	here := entry.Attempt.completed(*shown) // without where or when it is, it would count as moved
	return &here, nil
}

// leavesOutWhereTo reports whether the appointment was moved, and doesn't show where to.
func (a *Appointment) leavesOutWhereTo() bool {
	return a.Status == AppointmentRescheduled && (a.StartAt.IsZero() || a.ScheduleID == "")
}

// listBooked looks in the list for the appointment of a booked entry that can't be got, although
// the entry is older than reads lag, or that doesn't show where it was moved. why is the cause of an
// unknown outcome. If there is no such record and no list, nobody can say more than the journal.
func (b *slotBooking) listBooked(ctx context.Context, entry JournalEntry, why error) (*Appointment, error) {
	appointments, err := b.client.Appointments.List(ctx, AppointmentListParams{PatientID: entry.Attempt.PatientID}, b.readOpts...)
	switch {
	case noSuchCall(err) && entry.ReleasedAt.IsZero() && errors.Is(why, errVanished):
		return entry.appointment(), nil
	case noSuchCall(err): // it was moved, or cancelled, at least once
		return nil, &OutcomeUnknownError{Attempt: entry.Attempt, Err: why}
	case err != nil:
		return nil, err
	}
	for _, shown := range appointments {
		if shown.ID != entry.Appointment {
			continue
		}
		if shown.leavesOutWhereTo() {
			return nil, &OutcomeUnknownError{Attempt: entry.Attempt, Err: errIncomplete}
		}
		here := entry.Attempt.completed(shown)
		return &here, nil
	}
	return nil, &OutcomeUnknownError{Attempt: entry.Attempt, Err: why}
}

var errVanished = errors.New("closure: the API does not show the appointment that the journal holds; " +
	"if it was cancelled, give KnownCancelled its id, which the journal's Find returns")

// isAt reports whether the appointment is where the entry says, or is gone.
func (e JournalEntry) isAt(shown Appointment) bool {
	return shown.Status.IsCancelled() ||
		shown.ScheduleID == e.Attempt.ScheduleID && shown.StartAt.Equal(e.Attempt.StartAt)
}

// known returns a booking that the journal holds, and records the caller's key for it.
func (b *slotBooking) known(ctx context.Context, entry JournalEntry, booking *Booking) (*Booking, bool, error) {
	if b.attempt.IdempotencyKey == "" || entry.Attempt.sameKey(b.attempt) {
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
	case now == nil || !now.Attempt.sameKey(b.attempt):
		return nil, false, &JournalError{Op: "finish", Err: errUnsteady}
	case now.Attempt.ID != entry.Attempt.ID:
		return nil, false, b.keyUsed()
	}
	return booking, false, nil
}

// follow records where somebody else moved the appointment of a booked entry, so that its
// key isn't lost. If another appointment was there, which has left, it follows that one first, and
// so on, for up to most appointments.
func (b *slotBooking) follow(ctx context.Context, entry JournalEntry, shown Appointment, most int) error {
	core := b.client.core
	attempt := entry.Attempt
	attempt.ID, attempt.IdempotencyKey, attempt.AppointmentID = rand.Text(), "", shown.ID
	attempt.ScheduleID, attempt.StartAt, attempt.AttemptedAt = shown.ScheduleID, storable(shown.StartAt), time.Now()
	there, err := core.begin(ctx, attempt)
	switch {
	case err != nil:
		return err
	case there == nil:
	case there.State == JournalPending && there.Attempt.AppointmentID == shown.ID:
		attempt = there.Attempt // the move whose ending was unknown
	case there.State == JournalBooked:
		return b.leftBy(ctx, *there, most-1)
	default:
		return &JournalError{Op: "begin", Err: errUnsteady}
	}
	return core.finishBooked(ctx, attempt, shown.ID)
}

// leftBy frees the start of a booked entry if the entry's appointment was cancelled or has moved.
func (b *slotBooking) leftBy(ctx context.Context, entry JournalEntry, most int) error {
	begun := time.Now()
	shown, err := b.getBooked(ctx, entry)
	switch {
	case err != nil:
		return err
	case shown.Status.IsCancelled():
		return b.client.core.release(ctx, entry.Appointment)
	case most > 0 && shown.Status.stands() && !entry.isAt(*shown) && !entry.mayLag(b.lostAfter, begun):
		return b.follow(ctx, entry, *shown, most)
	default:
		return &JournalError{Op: "begin", Err: errUnsteady}
	}
}

// appointment returns the appointment as the entry knows it.
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

// heldPending asks the API and the journal what came of somebody else's attempt, until one
// of them knows or the time is up.
func (b *slotBooking) heldPending(ctx context.Context, entry JournalEntry) (booking *Booking, free bool, err error) {
	var now *JournalEntry // what the journal holds; nil: nothing any more
	var moved error
	other := &slotBooking{
		client: b.client, attempt: entry.Attempt, readOpts: b.readOpts, lostAfter: b.lostAfter, cancelled: b.cancelled,
		mayHaveMade: true,
	}
	booking, err = other.readBackUntil(ctx, errUnderWay, func(ctx context.Context, seen sighting) bool {
		if seen.appointment == nil && seen.err == nil && entry.Attempt.lost(b.lostAfter, seen.begun) {
			if moved = other.maybeMoved(ctx, seen.listed); moved == nil {
				_ = b.client.core.free(ctx, entry)
			}
		}
		var failed error
		now, failed = b.client.core.find(ctx, b.attempt)
		free = failed == nil && (now == nil || now.Attempt.ID != entry.Attempt.ID)
		return free || now != nil && now.State == JournalBooked || errors.Is(moved, errMaybeMoved)
	})
	switch {
	case booking != nil:
		if booking, err = other.recorded(ctx, booking); err != nil {
			return nil, false, err
		}
		entry.State, entry.Appointment = JournalBooked, booking.Appointment.ID
		return b.known(ctx, entry, booking)
	case free:
		return nil, true, nil // if there is another entry now, Begin returns it
	case now != nil && now.State == JournalBooked:
		return b.heldBooked(ctx, *now)
	case errors.Is(moved, errMaybeMoved):
		return nil, false, other.unknown(moved)
	default:
		return nil, false, err
	}
}
