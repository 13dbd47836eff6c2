package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/closurehealth/closure-go"
)

// What keys were told, and what the journal must hold, where the practice acts, too.

// toldOf notes which appointment a key was told. If it was told another one before, which stands,
// the two calls can't both be right, unless the practice booked one of the two while the other was
// being booked: a limit. The lock is held.
func (c *clinic) toldOf(o *order, id closure.AppointmentID) {
	before, found := entry(c.server, o.told)
	if found && before.ID != id && before.Status != closure.AppointmentCancelled &&
		!c.creation(id).practice && !c.creation(before.ID).practice {
		c.violated(deniedOwned, o.patient)
	}
	o.told = id
}

// judgeKeys makes the calls of all orders with keys once more, when everything is over and
// nothing fails: whose appointment stands is told so.
func (c *clinic) judgeKeys() {
	time.Sleep(aDay)
	client := c.server.Client(closure.WithJournal(c.journal))
	for _, p := range c.patients {
		for _, o := range p.orders {
			if a, found := entry(c.server, o.told); o.key != "" && found && a.Status != closure.AppointmentCancelled {
				c.judgeKey(client, o, a)
			}
		}
	}
}

func (c *clinic) judgeKey(client *closure.Client, o *order, booked closure.Appointment) {
	first := o.slot
	if c.cell.behaviour == reusing { // then the order's slot is one that its key was refused for
		first = slot{booked.ScheduleID, booked.StartAt}
	}
	var booking *closure.Booking
	var err error
	if o.first {
		booking, err = client.BookFirstAvailable(context.Background(), o.firstParams())
	} else {
		booking, err = client.BookSlot(context.Background(), closure.BookSlotParams{
			ScheduleID: first.schedule, PatientID: o.patient.id, StartAt: first.start, IdempotencyKey: o.key,
		})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && booking.Appointment.ID == booked.ID && booking.Appointment.StartAt.Equal(booked.StartAt) {
		return
	}
	switch {
	case closure.OutcomeOf(err) == closure.OutcomeUnknown && c.isMovedFrom(booked):
	case errors.Is(err, closure.ErrIdempotencyKeyUsed) && c.crossed(o, booked):
	case err == nil && c.creation(booking.Appointment.ID).practice: // as in toldOf
	case c.isAnothers(o, booked):
	default:
		o.patient.log = append(o.patient.log, fmt.Sprintf("%v at the end, %q at %s: %v, want %s",
			clock(time.Now()), o.key, clock(o.slot.start), err, booked.ID))
		c.violated(untrue, o.patient)
	}
}

// isAnothers reports whether the journal need not know the appointment by the key that was told it:
// the practice booked it, or moved it to where a call found it that didn't make it. Which key an
// appointment has is recorded when a call ends, and the journal may fail then.
func (c *clinic) isAnothers(o *order, booked closure.Appointment) bool {
	made := c.creation(booked.ID)
	entry, held := c.entryOf(booked.ID)
	switch {
	case made.practice:
		return !held
	case !c.isMovedByPractice(booked.ID):
		return false
	default:
		found := held && entry.Attempt.AppointmentID == "" && attempted(entry) != made.slot
		return found || made.call.order != o
	}
}

// entryOf is the journal's entry of an appointment that is booked.
func (c *clinic) entryOf(id closure.AppointmentID) (e closure.JournalEntry, held bool) {
	for _, e := range c.journal.Entries() {
		if e.Appointment == id {
			return e, true
		}
	}
	return e, false
}

func (c *clinic) isMovedByPractice(id closure.AppointmentID) bool {
	return slices.ContainsFunc(c.writes, func(w write) bool { return w.practice && w.moves() && w.id == id })
}

// crossed reports whether the practice moved the order's appointment to the start of another order of
// the patient, which may have been pending: the key is refused for its first start then.
func (c *clinic) crossed(o *order, booked closure.Appointment) bool {
	return slices.ContainsFunc(c.writes, func(w write) bool {
		return w.practice && w.id == booked.ID && slices.ContainsFunc(o.patient.orders, func(other *order) bool {
			return other != o && other.slot == w.slot
		})
	})
}

// attempted is where the entry's attempt was to book.
func attempted(e closure.JournalEntry) slot { return slot{e.Attempt.ScheduleID, e.Attempt.StartAt} }

// movedFrom reports whether the practice moved an appointment that, by when it was made, may be what a
// pending attempt made: it stays unknown then, in spite of AssumeLostAfter. The lock is held.
func (c *clinic) movedFrom(pending closure.JournalEntry) bool {
	return slices.ContainsFunc(c.writes, func(w write) bool {
		if !w.practice || !w.moves() || w.patient != pending.Attempt.PatientID {
			return false
		}
		after := c.creation(w.id).committed.Sub(pending.Attempt.AttemptedAt)
		return after > -doubtful && after < doubtful+assumeLostAfter
	})
}

// isMovedFrom reports whether the appointment was made where such an attempt was to book.
func (c *clinic) isMovedFrom(booked closure.Appointment) bool {
	return slices.ContainsFunc(c.pendingOf(booked.PatientID), func(e closure.JournalEntry) bool {
		return c.creation(booked.ID).slot == attempted(e) && c.movedFrom(e)
	})
}

// creation is the write that made the appointment. The lock is held.
func (c *clinic) creation(id closure.AppointmentID) (made write) {
	for _, w := range c.writes {
		if w.create && w.id == id {
			made = w
		}
	}
	return made
}

// isPractices reports whether the journal need not hold the appointment: the practice booked it, or
// had brought another one that it booked to its start, which was taken for it. The lock is held.
func (c *clinic) isPractices(a closure.Appointment) bool {
	made := c.creation(a.ID)
	return made.practice || slices.ContainsFunc(c.writes, func(w write) bool {
		return w.practice && w.patient == a.PatientID && w.slot == made.slot && c.creation(w.id).practice
	})
}
