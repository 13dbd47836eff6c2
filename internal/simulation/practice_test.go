package simulation

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/closurehealth/closure-go"
)

// The practice moves, cancels and books by itself, past the SDK and its journal.

// shareWithThePractice is what a patient does while the practice changes the patient's
// appointments: calls again with the same order, books, moves and cancels.
func (p *patient) shareWithThePractice() {
	for range 2 + p.dice.below(6) {
		time.Sleep(p.pauseForThePractice())
		for p.dice.chance(0.6) {
			p.practiceActs(p.dice)
			time.Sleep(p.dice.between(0, pick(p.dice, []time.Duration{10 * time.Second, 2 * time.Minute})))
		}
		p.callAmidThePractice()
	}
}

// pauseForThePractice is longer than commits can be late and reads can lag, because a late change
// overwrites what the practice does. Sometimes it is as long as it takes until the SDK no longer
// takes reads that contradict the journal for ones that lag.
func (p *patient) pauseForThePractice() time.Duration {
	longest := pick(p.dice, []time.Duration{0, assumeLostAfter, aDay})
	return quietTime + longest + p.dice.between(0, time.Minute)
}

func (p *patient) callAmidThePractice() {
	mine := p.standing()
	switch at := p.dice.below(10); {
	case at == 0:
		p.process.resolvePending(p.network, p.assumesLost)
	case at == 1:
		p.callAgain(p.newOrder())
	case at <= 3 && len(mine) > 0:
		booked := pick(p.dice, mine)
		p.moveOn(&booked)
	case at == 4 && len(mine) > 0:
		p.cancel(pick(p.dice, mine), maxTries)
	default:
		p.callAgain(pick(p.dice, p.orders))
	}
}

// callAgain makes the call of an order once more, often in another process.
func (p *patient) callAgain(o *order) {
	var r result
	defer p.meanwhile()()
	switch {
	case p.dice.chance(0.3):
		r = p.tryAndCrash(o)
	case p.dice.chance(0.5):
		p.process.end()
		p.process = newProcess(p.network)
		fallthrough
	default:
		r, _ = p.process.book(o, p.dice)
	}
	if r.ending == endsUnknown {
		p.resolve(o, r.attempt)
	}
}

// meanwhile has the practice act once, in some of the cases, and soon. It returns what waits for
// that.
func (p *patient) meanwhile() (wait func()) {
	var group sync.WaitGroup
	if d := newDice(p.dice.next()); d.chance(0.4) {
		group.Go(func() {
			time.Sleep(d.between(0, pick(d, []time.Duration{100 * time.Millisecond, 10 * time.Second})))
			p.practiceActs(d)
		})
	}
	return group.Wait
}

// moveOn moves an appointment to where it has not been for a day: a read that lags would show it
// there.
func (p *patient) moveOn(a *closure.Appointment) {
	to := slot{a.ScheduleID, p.otherStart(a.StartAt)}
	if wanted := pick(p.dice, p.orders).slot; wanted.schedule == to.schedule && p.dice.chance(0.7) {
		to = wanted
	}
	if !p.clinic.wasLately(a.ID, to) {
		p.moveTo(a, to.start)
	}
}

// wasLately reports whether the appointment is there, or left less than aDay ago.
func (c *clinic) wasLately(id closure.AppointmentID, there slot) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	var last write
	for _, w := range c.writes {
		if w.id != id {
			continue
		}
		if last.slot == there && time.Since(w.committed) < aDay {
			return true
		}
		last = w
	}
	return last.slot == there
}

// pendingAt reports whether an attempt of the patient is pending there.
func (p *patient) pendingAt(s slot) bool {
	return slices.ContainsFunc(p.clinic.pendingOf(p.id), func(e closure.JournalEntry) bool { return attempted(e) == s })
}

// standing returns the patient's appointments.
func (p *patient) standing() []closure.Appointment {
	return slices.DeleteFunc(p.clinic.server.Appointments(), func(a closure.Appointment) bool {
		return a.PatientID != p.id || a.Status == closure.AppointmentCancelled
	})
}

// practiceActs moves or cancels one of the patient's appointments, or books one by phone. It puts
// none where an attempt is pending, or where another one is: what comes of that is in
// docs/production.md.
func (p *patient) practiceActs(d *dice) {
	mine := p.standing()
	to := pick(d, p.clinic.slots)
	if d.chance(0.5) {
		to = pick(d, p.orders).slot
	}
	if p.pendingAt(to) || slices.ContainsFunc(mine, to.same) {
		return
	}
	switch at := d.below(6); {
	case len(mine) == 0 || at == 0:
		p.clinic.phoned(p, to)
	case at == 1:
		p.clinic.practiceCancels(p, pick(d, mine).ID)
	default:
		if booked := pick(d, mine); time.Since(booked.CreatedAt) > doubtful {
			p.clinic.practiceMoves(p, booked.ID, to.start)
		}
	}
}

// aDay is longer than the SDK takes a read that contradicts the journal for one that lags.
const aDay = 26 * time.Hour

// doubtful is longer than an appointment that was moved may be what another attempt made.
const doubtful = 10 * time.Minute

func (c *clinic) phoned(p *patient, s slot) {
	if !c.cell.duplicates && slices.ContainsFunc(c.server.Appointments(), func(a closure.Appointment) bool {
		return s.same(a) && a.Status != closure.AppointmentCancelled
	}) {
		return
	}
	made := c.server.AddAppointment(closure.Appointment{
		ScheduleID: s.schedule, PatientID: p.id, StartAt: s.start, Duration: slotMinutes, Status: closure.AppointmentScheduled,
	})
	c.practiceDid(p, "phones", made, true)
}

func (c *clinic) practiceMoves(p *patient, id closure.AppointmentID, start time.Time) {
	moved, err := c.server.Client().Appointments.Reschedule(context.Background(), id, closure.AppointmentRescheduleParams{StartAt: start})
	if err == nil {
		c.practiceDid(p, "moves", *moved, false)
	}
}

func (c *clinic) practiceCancels(p *patient, id closure.AppointmentID) {
	cancelled, err := c.server.Client().Appointments.Cancel(context.Background(), id)
	if err == nil {
		c.practiceDid(p, "cancels", *cancelled, false)
	}
}

// practiceDid notes what the practice did. To the calls it is a write that was sent when the
// first reads show it.
func (c *clinic) practiceDid(p *patient, what string, a closure.Appointment, create bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	p.log = append(p.log, fmt.Sprintf("%v practice %s %s: %s %s", clock(now), what, a.ID, a.ScheduleID, clock(a.StartAt)))
	c.writes = append(c.writes, write{
		practice: true, create: create, cancelled: a.Status == closure.AppointmentCancelled,
		slot: slot{a.ScheduleID, a.StartAt}, patient: p.id, id: a.ID,
		sent: now.Add(c.cell.stale), committed: now,
	})
}
