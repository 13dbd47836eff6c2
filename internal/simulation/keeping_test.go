package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/closurehealth/closure-go"
)

// What patients do whose processes share a journal.

// canWalk reports whether some of the wishes are for any slot. Without a journal
// nobody can store what a crashed BookFirstAvailable was about to book.
func (c cell) canWalk() bool {
	switch c.behaviour {
	case single, changing:
		return true
	case rerun, clicks, machines, reusing, rebooking:
		return c.journal
	default:
		return false
	}
}

// giveKey gives a key to those wishes that need one, and to one in two others.
func (p *patient) giveKey(w *wish) {
	if p.clinic.journal == nil {
		return
	}
	if w.first || p.clinic.cell.behaviour == reusing || p.dice.chance(0.5) {
		w.key = fmt.Sprintf("order %d of patient %d", len(p.wishes), p.number)
	}
}

// note logs what the patient does.
func (p *patient) note(text string) {
	p.clinic.mu.Lock()
	defer p.clinic.mu.Unlock()
	p.log = append(p.log, text)
}

// reuse calls again with the same key, from other processes.
func (p *patient) reuse(w *wish) {
	if !p.renames(w) {
		return
	}
	for range 1 + p.dice.below(3) {
		time.Sleep(p.dice.between(0, 90*time.Second))
		p.process.end()
		p.process = newProcess(p.wire)
		w.first = false
		switch p.dice.below(3) {
		case 0:
			w.first = true
		case 1:
			w.slot = pick(p.dice, p.clinic.slots)
		}
		if r, _ := p.process.book(w, p.dice); r.ending == endsUnknown {
			p.settle(w, r.attempt)
		}
	}
}

// renames calls with another key for what is booked, in one of two cases: that key is
// the appointment's from then on. It is false if the call did not end in that.
func (p *patient) renames(w *wish) bool {
	if !w.booked || p.dice.chance(0.5) {
		return true
	}
	w.first, w.key = false, w.key+", renamed"
	r, _ := p.process.book(w, p.dice)
	return r.ending == endsConfirmed
}

// rebook cancels and books the same again, before reads that lag show it.
func (p *patient) rebook(current closure.Appointment) {
	for range 1 + p.dice.below(2) {
		time.Sleep(p.dice.between(0, 10*time.Second))
		tries := maxTries
		if p.dice.chance(0.3) {
			tries = 1 // and then leaves it as it is
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

// leastFreeze to mostFreeze is how long a process stands still: others may take
// what it was about to send for lost after assumeLostAfter.
const (
	leastFreeze = assumeLostAfter + time.Minute
	mostFreeze  = assumeLostAfter + 15*time.Minute
	patience    = 2 * time.Minute
)

// bookOrFreeze is a booking whose process stands still between the journal and
// the request, and goes on when nobody waits for it any more.
func (p *patient) bookOrFreeze(w *wish) (result, bool) {
	type told struct {
		result  result
		crashed bool
	}
	frozen, d := p.process, newDice(p.dice.next())
	frozen.connection.freeze = d.between(leastFreeze, mostFreeze)
	done := make(chan told, 1)
	p.clinic.frozen.Go(func() {
		r, crashed := frozen.book(w, d)
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

// settles reports whether the patient knows now.
func (e ending) settles() bool {
	switch e {
	case endsUnknown, endsNotSent:
		return false
	default:
		return true
	}
}

// settleOnce looks once for what became of an attempt, or, where a journal knows
// of it, books again.
func (p *patient) settleOnce(w *wish, attempt *closure.BookingAttempt) (result, bool) {
	if p.clinic.journal == nil {
		return p.process.resolve(w, *attempt)
	}
	switch {
	case p.clinic.cell.severalProcesses() && p.dice.chance(0.4):
		return p.process.book(w, p.dice)
	case p.dice.chance(0.2):
		p.process.resolvePending(p.wire, p.bets)
		fallthrough
	default:
		return p.process.resolve(w, *attempt)
	}
}

// resolvePending settles what the journal holds, whoever's it is.
func (p *process) resolvePending(w *wire, bets bool) {
	clinic := w.clinic
	by := &call{pending: true, number: w.count(hash("resolve pending")) << 32}
	ctx, cancel := context.WithTimeout(context.WithValue(p.ctx, callKey{}, by), 5*time.Minute)
	defer cancel()
	var opts []closure.CallOption
	if bets {
		opts = append(opts, closure.AssumeLostAfter(assumeLostAfter))
	}
	began := time.Now()
	for resolution, err := range p.client.ResolvePending(ctx, opts...) {
		if p.crashed() || err != nil {
			return
		}
		i := slices.IndexFunc(clinic.patients, func(p *patient) bool { return p.id == resolution.Attempt.PatientID })
		about := &call{wish: &wish{patient: clinic.patients[i]}, pending: true}
		asked := slot{resolution.Attempt.ScheduleID, resolution.Attempt.StartAt}
		clinic.tellResolved(about, newResult(resolution.Booking, resolution.Err, asked), began)
		began = time.Now()
	}
}

// settleJournal is what a clinic's program does from time to time, until nothing
// is pending.
func (c *clinic) settleJournal() {
	const rounds = 40
	for n := range rounds {
		if !c.pending() {
			return
		}
		p := newProcess(newWire(c, len(c.patients)+n))
		p.resolvePending(p.socket.wire, true)
		p.end()
		time.Sleep(time.Minute)
	}
}

func (c *clinic) pending() bool {
	return slices.ContainsFunc(c.journal.Entries(), func(e closure.JournalEntry) bool { return e.State == closure.JournalPending })
}

// judgeJournal holds what the journal ends with against the ledger: nothing is
// pending, and what stands is booked there. The lock is held.
func (c *clinic) judgeJournal(final []closure.Appointment) {
	entries := c.journal.Entries()
	for _, p := range c.patients {
		for _, e := range entries {
			if e.Attempt.PatientID == p.id && e.State == closure.JournalPending && !c.cell.noList {
				c.violated(untrue, p)
			}
		}
		for _, a := range final {
			known := slices.ContainsFunc(entries, func(e closure.JournalEntry) bool {
				if c.cell.noList && e.State == closure.JournalPending {
					return slot{e.Attempt.ScheduleID, e.Attempt.StartAt}.same(a)
				}
				return e.State == closure.JournalBooked && e.Appointment == a.ID
			})
			if a.PatientID == p.id && a.Status != closure.AppointmentCancelled && !known {
				c.violated(untrue, p)
			}
		}
	}
}
