package simulation

import (
	"errors"
	"time"

	"github.com/closurehealth/closure-go"
)

// settleTime is longer than commits can be late and reads can lag together. A
// patient who changes something again sooner may meet a late request of his own,
// or a read from before: the limits in docs/reliability.md.
const settleTime = 3 * time.Minute

// change is what follows a booking: it is moved, or cancelled and booked again,
// or another one is booked too: at the same time on the other schedule, or on the
// same schedule at another time.
func (p *patient) change(booked *closure.Appointment) {
	current := *booked
	for range 1 + p.dice.below(3) {
		time.Sleep(settleTime + p.dice.between(0, 10*time.Second))
		switch p.dice.below(4) {
		case 0:
			if !p.move(&current) {
				return
			}
		case 1:
			again := slot{current.ScheduleID, current.StartAt}
			if !p.cancel(current, maxTries) {
				return
			}
			time.Sleep(settleTime)
			next := p.fulfilSlot(again)
			if next == nil {
				return
			}
			current = *next
		case 2:
			p.fulfilSlot(otherSchedule(current))
			return
		default:
			p.fulfilSlot(slot{current.ScheduleID, p.otherStart(current.StartAt)})
			return
		}
	}
}

func otherSchedule(a closure.Appointment) slot {
	for n := range schedules {
		if id := scheduleID(n); id != a.ScheduleID {
			return slot{id, a.StartAt}
		}
	}
	return slot{}
}

// fulfilSlot books this one slot, in one try.
func (p *patient) fulfilSlot(s slot) *closure.Appointment {
	w := &wish{patient: p, slot: s}
	p.giveKey(w)
	p.wishes = append(p.wishes, w)
	r, _ := p.process.book(w, p.dice)
	if r.ending == endsUnknown {
		r = p.settle(w, r.attempt)
	}
	if r.ending != endsConfirmed {
		return nil
	}
	return &r.booking.Appointment
}

// move reschedules, calling again after an unknown outcome, as is safe.
func (p *patient) move(a *closure.Appointment) (settled bool) {
	to := closure.AppointmentRescheduleParams{StartAt: p.otherStart(a.StartAt)}
	return p.changed(*a, slot{a.ScheduleID, to.StartAt}, maxTries, func(process *process, c *call) error {
		ctx, cancel := c.context(process, p.dice)
		defer cancel()
		moved, err := process.client.RescheduleBooking(ctx, a.ID, to)
		if err == nil {
			*a = *moved
		}
		return err
	})
}

func (p *patient) otherStart(than time.Time) time.Time {
	for {
		if s := pick(p.dice, p.clinic.slots); !s.start.Equal(than) {
			return s.start
		}
	}
}

func (p *patient) cancel(a closure.Appointment, tries int) (settled bool) {
	return p.changed(a, slot{}, tries, func(process *process, c *call) error {
		ctx, cancel := c.context(process, p.dice)
		defer cancel()
		_, err := process.client.CancelBooking(ctx, a.ID)
		return err
	})
}

// changed makes a change until it is confirmed, denied or has been unknown too
// often. It reports whether it was confirmed.
func (p *patient) changed(a closure.Appointment, to slot, tries int, do func(*process, *call) error) bool {
	for range tries {
		c := p.newCall(nil)
		err := do(p.process, c)
		p.clinic.tellChange(p, c, a, to, err)
		if err == nil {
			return true
		}
		if errors.Is(err, closure.ErrSlotUnavailable) {
			return false
		}
		time.Sleep(p.dice.between(time.Second, 40*time.Second))
	}
	return false
}
