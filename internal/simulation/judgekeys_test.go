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
	switch {
	case errors.Is(err, closure.ErrIdempotencyKeyUsed) && c.crossed(o, booked):
		return
	case err == nil && c.creation(booking.Appointment.ID).practice:
		return // as in toldOf
	}
	if err != nil || booking.Appointment.ID != booked.ID || !booking.Appointment.StartAt.Equal(booked.StartAt) {
		o.patient.log = append(o.patient.log, fmt.Sprintf("%v at the end, %q at %s: %v, want %s",
			clock(time.Now()), o.key, clock(o.slot.start), err, booked.ID))
		c.violated(untrue, o.patient)
	}
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
