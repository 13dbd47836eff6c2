package simulation

import (
	"errors"
	"time"

	"github.com/closurehealth/closure-go"
)

// quietTime is longer than commits can be late and reads can lag together. If a patient
// changes something again sooner, an own late request or an old read may get in the way: these
// are limits in docs/reliability.md.
const quietTime = 3 * time.Minute

// change follows a booking. The patient moves it, cancels it and books again, or books another
// one: on the other schedule at the same time, or on the same schedule at another time.
func (p *patient) change(booked *closure.Appointment) {
	current := *booked
	for range 1 + p.dice.below(3) {
		time.Sleep(quietTime + p.dice.between(0, 10*time.Second))
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
			time.Sleep(quietTime)
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

// fulfilSlot tries once to book this slot.
func (p *patient) fulfilSlot(s slot) *closure.Appointment {
	o := &order{patient: p, slot: s}
	p.giveKey(o)
	p.orders = append(p.orders, o)
	r, _ := p.process.book(o, p.dice)
	if r.ending == endsUnknown {
		r = p.resolve(o, r.attempt)
	}
	if r.ending != endsConfirmed {
		return nil
	}
	return &r.booking.Appointment
}

// move reschedules. After an unknown outcome it calls again, which is safe.
func (p *patient) move(a *closure.Appointment) (known bool) {
	return p.moveTo(a, p.otherStart(a.StartAt))
}

func (p *patient) moveTo(a *closure.Appointment, start time.Time) (known bool) {
	to := closure.AppointmentRescheduleParams{StartAt: start}
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

func (p *patient) cancel(a closure.Appointment, tries int) (known bool) {
	return p.changed(a, slot{}, tries, func(process *process, c *call) error {
		ctx, cancel := c.context(process, p.dice)
		defer cancel()
		p.clinic.cancelling(a.ID, time.Now().AddDate(1, 0, 0))
		_, err := process.client.CancelBooking(ctx, a.ID)
		p.clinic.cancelling(a.ID, time.Now())
		return err
	})
}

// changed repeats a change until it is confirmed, denied, or unknown too often. It reports
// whether it was confirmed.
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
