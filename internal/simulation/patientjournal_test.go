package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/closurehealth/closure-go"
)

// What patients do if their processes share a journal.

// canWalk reports whether some of the orders are for any slot. Without a journal, a process
// that crashes in BookFirstAvailable can't store what it was about to book.
func (c cell) canWalk() bool {
	switch c.behaviour {
	case single, changing:
		return true
	case rerun, clicks, machines, reusing, rebooking, sharing:
		return c.journal
	default:
		return false
	}
}

// giveKey gives a key to the orders that need one, and to half of the others.
func (p *patient) giveKey(o *order) {
	if p.clinic.journal == nil {
		return
	}
	if o.first || p.clinic.cell.behaviour == reusing || p.dice.chance(0.5) {
		o.key = fmt.Sprintf("order %d of patient %d", len(p.orders), p.number)
	}
}

// note logs what the patient does.
func (p *patient) note(text string) {
	p.clinic.mu.Lock()
	defer p.clinic.mu.Unlock()
	p.log = append(p.log, text)
}

// reuse calls again with the same key, from other processes.
func (p *patient) reuse(o *order) {
	if !p.renames(o) {
		return
	}
	for range 1 + p.dice.below(3) {
		time.Sleep(p.dice.between(0, 90*time.Second))
		p.process.end()
		p.process = newProcess(p.network)
		o.first = false
		switch p.dice.below(3) {
		case 0:
			o.first = true
		case 1:
			o.slot = pick(p.dice, p.clinic.slots)
		}
		if r, _ := p.process.book(o, p.dice); r.ending == endsUnknown {
			p.resolve(o, r.attempt)
		}
	}
}

// renames books again with another key, in half of the cases, for an appointment that is
// booked. From then on, that key belongs to the appointment too. It reports false if the call
// didn't confirm that.
func (p *patient) renames(o *order) bool {
	if !o.booked || p.dice.chance(0.5) {
		return true
	}
	o.first, o.key = false, o.key+", renamed"
	r, _ := p.process.book(o, p.dice)
	return r.ending == endsConfirmed
}

// rebook cancels and books the same slot again, before reads that lag show the cancellation.
func (p *patient) rebook(current closure.Appointment) {
	for range 1 + p.dice.below(2) {
		time.Sleep(p.dice.between(0, 10*time.Second))
		tries := maxTries
		if p.dice.chance(0.3) {
			tries = 1 // and then gives up
		}
		if !p.cancel(current, tries) {
			return
		}
		time.Sleep(p.dice.between(0, 5*time.Second))
		next := p.fulfilSlot(slot{current.ScheduleID, current.StartAt})
		if next == nil {
			return
		}
		current = *next
	}
}

// leastFreeze to mostFreeze is how long a process is frozen. After assumeLostAfter, other
// processes may assume that its request was never sent.
const (
	leastFreeze = assumeLostAfter + time.Minute
	mostFreeze  = assumeLostAfter + 15*time.Minute
	patience    = 2 * time.Minute
)

// bookOrFreeze books in a process that is frozen between the journal and the request, and goes
// on when nobody waits for it anymore.
func (p *patient) bookOrFreeze(o *order) (result, bool) {
	type told struct {
		result  result
		crashed bool
	}
	frozen, d := p.process, newDice(p.dice.next())
	frozen.journal.freeze = d.between(leastFreeze, mostFreeze)
	done := make(chan told, 1)
	p.clinic.frozen.Go(func() {
		r, crashed := frozen.book(o, d)
		done <- told{r, crashed}
	})
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case t := <-done:
		return t.result, t.crashed
	case <-timer.C:
		frozen.abandoned.Store(true)
		return result{}, true
	}
}

// isKnown reports whether the patient knows the outcome.
func (e ending) isKnown() bool {
	switch e {
	case endsUnknown, endsNotSent:
		return false
	default:
		return true
	}
}

// resolveOnce resolves an attempt once or, if there is a journal, may book again instead.
func (p *patient) resolveOnce(o *order, attempt *closure.BookingAttempt) (result, bool) {
	if p.clinic.journal == nil {
		return p.process.resolve(o, *attempt)
	}
	switch {
	case p.clinic.cell.severalProcesses() && p.dice.chance(0.4):
		return p.process.book(o, p.dice)
	case p.dice.chance(0.2):
		p.process.resolvePending(p.network, p.assumesLost)
		fallthrough
	default:
		return p.process.resolve(o, *attempt)
	}
}

// resolvePending resolves everything that is pending in the journal, for all patients.
func (p *process) resolvePending(w *network, assumesLost bool) {
	clinic := w.clinic
	by := &call{pending: true, number: w.count(hash("resolve pending")) << 32}
	ctx, cancel := context.WithTimeout(context.WithValue(p.ctx, callKey{}, by), 5*time.Minute)
	defer cancel()
	var opts []closure.CallOption
	if assumesLost {
		opts = append(opts, closure.AssumeLostAfter(assumeLostAfter))
	}
	began := time.Now()
	for resolution, err := range p.client.ResolvePending(ctx, opts...) {
		if p.crashed() || err != nil {
			return
		}
		i := slices.IndexFunc(clinic.patients, func(p *patient) bool { return p.id == resolution.Attempt.PatientID })
		about := &call{order: &order{patient: clinic.patients[i]}, pending: true, moves: resolution.Attempt.AppointmentID}
		clinic.tellResolved(about, newResolution(resolution.Booking, resolution.Err, resolution.Attempt), began)
		began = time.Now()
	}
}

// resolveJournal resolves pending entries again and again until there are none, as a clinic's
// program would.
func (c *clinic) resolveJournal() {
	const rounds = 40
	for n := range rounds {
		if !c.pending() {
			return
		}
		p := newProcess(newNetwork(c, len(c.patients)+n))
		p.resolvePending(p.transport.network, true)
		p.end()
		time.Sleep(time.Minute)
	}
}

func (c *clinic) pending() bool {
	return slices.ContainsFunc(c.journal.Entries(), func(e closure.JournalEntry) bool {
		return e.State == closure.JournalPending
	})
}

// pendingOf are the patient's entries that are pending.
func (c *clinic) pendingOf(patient closure.PatientID) []closure.JournalEntry {
	return slices.DeleteFunc(c.journal.Entries(), func(e closure.JournalEntry) bool {
		return e.State != closure.JournalPending || e.Attempt.PatientID != patient
	})
}

// judgeJournal compares the journal with the ledger at the end: nothing is pending, and every
// appointment that isn't cancelled is booked in the journal. The lock is held.
func (c *clinic) judgeJournal(final []closure.Appointment) {
	entries := c.journal.Entries()
	for _, p := range c.patients {
		for _, e := range c.pendingOf(p.id) {
			if !c.cell.noList && !c.movedFrom(e) {
				c.violated(untrue, p)
			}
		}
		for _, a := range final {
			known := slices.ContainsFunc(entries, func(e closure.JournalEntry) bool {
				if e.State == closure.JournalPending {
					return c.cell.noList && attempted(e).same(a) || c.creation(a.ID).slot == attempted(e)
				}
				return e.State == closure.JournalBooked && e.Appointment == a.ID
			})
			if a.PatientID == p.id && a.Status != closure.AppointmentCancelled && !known && !c.isPractices(a) {
				c.violated(untrue, p)
			}
		}
	}
}
