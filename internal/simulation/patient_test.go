package simulation

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/closurehealth/closure-go"
)

// A patient lives one life in a clinic, by the rules that the SDK's
// documentation gives its users.
type patient struct {
	clinic *clinic
	id     closure.PatientID
	number int
	dice   *dice
	wire   *wire
	bets   bool // settles with AssumeLostAfter

	process *process
	wishes  []*wish
	calls   uint64
	log     []string
}

func newPatient(c *clinic, n int) *patient {
	p := &patient{clinic: c, id: patientID(n), number: n, dice: newDice(c.seed, hash("patient"), uint64(n))}
	p.wire = newWire(c, n)
	p.bets = p.dice.chance(0.5)
	return p
}

// live is all that the patient does.
func (p *patient) live() {
	p.process = newProcess(p.wire)
	defer func() { p.process.end() }()
	time.Sleep(p.dice.between(0, 4*time.Second)) // not all at once, but in a crowd
	if p.dice.chance(0.1) {
		time.Sleep(p.dice.between(0, 4*time.Minute)) // or after it
	}
	booked := p.fulfil(p.newWish())
	if booked == nil && p.clinic.cell.behaviour != reusing {
		return
	}
	switch p.clinic.cell.behaviour {
	case changing:
		p.change(booked)
	case rebooking:
		p.rebook(*booked)
	case reusing:
		p.reuse(p.wishes[0])
	}
}

func (p *patient) newWish() *wish {
	w := &wish{patient: p, slot: pick(p.dice, p.clinic.slots)}
	// What a crashed BookFirstAvailable was about to book, nobody can store.
	w.first = p.clinic.cell.canWalk() && p.dice.chance(0.35) || p.clinic.cell.behaviour == walking
	p.giveKey(w)
	p.wishes = append(p.wishes, w)
	return w
}

const maxTries = 4

// fulfil tries until the patient has an appointment, or has to give up.
func (p *patient) fulfil(w *wish) *closure.Appointment {
	for range maxTries {
		r := p.try(w)
		if r.ending == endsUnknown {
			r = p.settle(w, r.attempt)
		}
		switch r.ending {
		case endsConfirmed:
			w.slot, w.booked = r.slot, true
			return &r.booking.Appointment
		case endsUnknown, endsNoSlot:
			return nil // whoever books another now may have two
		case endsTaken:
			w.slot = pick(p.dice, p.clinic.slots)
		}
		time.Sleep(p.dice.between(time.Second, 5*time.Second))
	}
	return nil
}

// try makes what the behaviour makes of one booking.
func (p *patient) try(w *wish) result {
	switch p.clinic.cell.behaviour {
	case walking:
		if p.dice.chance(0.5) {
			return p.tryAndCrash(w)
		}
		return p.tryOnMachines(w, 0, time.Minute)
	case apart:
		return p.tryOnMachines(w, 60*time.Millisecond, time.Minute)
	case rerun, forgetful:
		return p.tryAndCrash(w)
	case clicks:
		return p.tryAtOnce(w, []*process{p.process, p.process, p.process}[:2+p.dice.below(2)], 1, leastCall)
	case machines:
		return p.tryOnMachines(w, 1, leastCall)
	default:
		r, _ := p.process.book(w, p.dice)
		return r
	}
}

// tryAndCrash is a booking that, most of the time, its process does not
// survive. What it stored before is all that the next one knows.
func (p *patient) tryAndCrash(w *wish) result {
	stored := store(closure.BookingAttempt{
		ScheduleID:  w.slot.schedule,
		PatientID:   p.id,
		StartAt:     w.slot.start,
		Duration:    slotMinutes,
		AttemptedAt: time.Now(),
	})
	var r result
	var crashed bool
	switch {
	case p.clinic.journal != nil && p.dice.chance(0.25):
		r, crashed = p.bookOrFreeze(w)
	case p.dice.chance(0.8):
		p.process.crashAfter(p.crashTime())
		fallthrough
	default:
		r, crashed = p.process.book(w, p.dice)
	}
	for crashed {
		p.restart()
		switch {
		case p.clinic.cell.behaviour != rerun:
			p.note("crashed, books again")
		case p.clinic.journal == nil:
			p.note("crashed, resolves")
			return p.settle(w, fetch(stored))
		default:
			p.note("crashed, resolves what the journal holds, books again")
			p.process.resolvePending(p.wire, p.bets)
		}
		r, crashed = p.process.book(w, p.dice)
	}
	return r
}

// store and fetch are the disk between two processes.
func store(attempt closure.BookingAttempt) []byte {
	stored, err := json.Marshal(attempt)
	if err != nil {
		panic(err)
	}
	return stored
}

func fetch(stored []byte) *closure.BookingAttempt {
	attempt := new(closure.BookingAttempt)
	if err := json.Unmarshal(stored, attempt); err != nil {
		panic(err)
	}
	return attempt
}

// crashTime lies most often around the moment the request to book leaves.
func (p *patient) crashTime() time.Duration {
	if p.dice.chance(0.75) {
		return p.dice.between(0, 250*time.Millisecond)
	}
	return p.dice.between(0, 12*time.Second)
}

// restart is the machine coming up again: no sooner than what was in flight has
// arrived.
func (p *patient) restart() {
	p.process.end()
	time.Sleep(p.dice.between(time.Second, 40*time.Second))
	p.process = newProcess(p.wire)
}

// tryOnMachines is tryAtOnce with a process of its own for the second click.
func (p *patient) tryOnMachines(w *wish, least, most time.Duration) result {
	other := newProcess(p.wire)
	defer other.end()
	return p.tryAtOnce(w, []*process{p.process, other}, least, most)
}

// tryAtOnce is a patient with a nervous finger. Clicks within leastCall come when
// the first call can't be over yet.
func (p *patient) tryAtOnce(w *wish, on []*process, least, most time.Duration) result {
	results := make([]result, len(on))
	var group sync.WaitGroup
	for i, process := range on {
		after := time.Duration(0)
		if i > 0 {
			after = p.dice.between(least, most)
		}
		d := newDice(p.dice.next())
		group.Go(func() {
			time.Sleep(after)
			r, crashed := process.book(w, d)
			if crashed { // late, of the booking before: nobody is told anything
				r.ending = endsNotSent
			}
			results[i] = r
		})
	}
	group.Wait()
	if p.process.crashed() {
		p.restart()
	}
	return combine(results)
}

// leastCall is less than any call takes.
const leastCall = 2 * leastLatency

// combine is what several answers come to for the patient: a booking if one
// says so; else unknown if one does.
func combine(results []result) result {
	best := results[0]
	for _, r := range results[1:] {
		if rank(r) > rank(best) {
			best = r
		}
	}
	return best
}

func rank(r result) int {
	switch r.ending {
	case endsConfirmed:
		return 2
	case endsUnknown:
		return 1
	default:
		return 0
	}
}

// settle looks again and again for what became of an attempt.
func (p *patient) settle(w *wish, attempt *closure.BookingAttempt) result {
	open := result{ending: endsUnknown, attempt: attempt}
	if attempt == nil {
		p.clinic.count(unknownAfter) // there is nothing to go by
		return open
	}
	for _, pause := range []time.Duration{0, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 5 * time.Minute} {
		time.Sleep(pause + p.dice.between(0, 5*time.Second))
		r, crashed := p.settleOnce(w, attempt)
		if crashed { // a second time
			p.restart()
			continue
		}
		if r.ending.settles() {
			p.clinic.count(settledColumn(r.ending))
			return r
		}
	}
	p.clinic.count(unknownAfter)
	return open
}

func settledColumn(e ending) column {
	if e == endsConfirmed {
		return resolved
	}
	return lost
}
