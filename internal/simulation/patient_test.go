package simulation

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/closurehealth/closure-go"
)

// A patient books in a clinic, and follows the rules that the SDK's documentation gives.
type patient struct {
	clinic      *clinic
	id          closure.PatientID
	number      int
	dice        *dice
	network     *network
	assumesLost bool // resolves with AssumeLostAfter

	process *process
	orders  []*order
	calls   uint64
	log     []string
}

func newPatient(c *clinic, n int) *patient {
	p := &patient{clinic: c, id: patientID(n), number: n, dice: newDice(c.seed, hash("patient"), uint64(n))}
	p.network = newNetwork(c, n)
	p.assumesLost = p.dice.chance(0.5)
	return p
}

// live is everything that the patient does.
func (p *patient) live() {
	p.process = newProcess(p.network)
	defer func() { p.process.end() }()
	time.Sleep(p.dice.between(0, 4*time.Second)) // patients come at different times, but close together
	if p.dice.chance(0.1) {
		time.Sleep(p.dice.between(0, 4*time.Minute)) // or much later
	}
	booked := p.fulfil(p.newOrder())
	if booked == nil && p.clinic.cell.behaviour != reusing {
		return
	}
	switch p.clinic.cell.behaviour {
	case changing:
		p.change(booked)
	case rebooking:
		p.rebook(*booked)
	case reusing:
		p.reuse(p.orders[0])
	case sharing:
		p.shareWithThePractice()
	}
}

func (p *patient) newOrder() *order {
	o := &order{patient: p, slot: pick(p.dice, p.clinic.slots)}
	// A process that crashes in BookFirstAvailable can't store what it was about to book.
	o.first = p.clinic.cell.canWalk() && p.dice.chance(0.35) || p.clinic.cell.behaviour == walking
	p.giveKey(o)
	p.orders = append(p.orders, o)
	return o
}

const maxTries = 4

// fulfil tries until the patient has an appointment, or has to give up.
func (p *patient) fulfil(o *order) *closure.Appointment {
	for range maxTries {
		r := p.try(o)
		if r.ending == endsUnknown {
			r = p.resolve(o, r.attempt)
		}
		switch r.ending {
		case endsConfirmed:
			o.slot, o.booked = r.slot, true
			return &r.booking.Appointment
		case endsUnknown, endsNoSlot:
			return nil // a patient who books another slot now may have two
		case endsTaken:
			o.slot = pick(p.dice, p.clinic.slots)
		}
		time.Sleep(p.dice.between(time.Second, 5*time.Second))
	}
	return nil
}

// try makes one booking in the way of the cell's behaviour.
func (p *patient) try(o *order) result {
	switch p.clinic.cell.behaviour {
	case walking:
		if p.dice.chance(0.5) {
			return p.tryAndCrash(o)
		}
		return p.tryOnMachines(o, 0, time.Minute)
	case apart:
		return p.tryOnMachines(o, 60*time.Millisecond, time.Minute)
	case rerun, forgetful:
		return p.tryAndCrash(o)
	case clicks:
		return p.tryAtOnce(o, []*process{p.process, p.process, p.process}[:2+p.dice.below(2)], 1, leastCall)
	case machines:
		return p.tryOnMachines(o, 1, leastCall)
	default:
		r, _ := p.process.book(o, p.dice)
		return r
	}
}

// tryAndCrash books in a process that usually crashes. The next process knows only what it had
// stored.
func (p *patient) tryAndCrash(o *order) result {
	stored := store(closure.BookingAttempt{
		ScheduleID:  o.slot.schedule,
		PatientID:   p.id,
		StartAt:     o.slot.start,
		Duration:    slotMinutes,
		AttemptedAt: time.Now(),
	})
	var r result
	var crashed bool
	switch {
	case p.clinic.journal != nil && p.dice.chance(0.25):
		r, crashed = p.bookOrFreeze(o)
	case p.dice.chance(0.8):
		p.process.crashAfter(p.crashTime())
		fallthrough
	default:
		r, crashed = p.process.book(o, p.dice)
	}
	for crashed {
		p.restart()
		switch {
		case p.clinic.cell.behaviour != rerun:
			p.note("crashed, books again")
		case p.clinic.journal == nil:
			p.note("crashed, resolves")
			return p.resolve(o, fetch(stored))
		default:
			p.note("crashed, resolves what the journal holds, books again")
			p.process.resolvePending(p.network, p.assumesLost)
		}
		r, crashed = p.process.book(o, p.dice)
	}
	return r
}

// store and fetch are a disk that two processes share.
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

// crashTime is usually close to the moment at which the request to book is sent.
func (p *patient) crashTime() time.Duration {
	if p.dice.chance(0.75) {
		return p.dice.between(0, 250*time.Millisecond)
	}
	return p.dice.between(0, 12*time.Second)
}

// restart starts the next process. By then, requests in flight have arrived.
func (p *patient) restart() {
	p.process.end()
	time.Sleep(p.dice.between(time.Second, 40*time.Second))
	p.process = newProcess(p.network)
}

// tryOnMachines is tryAtOnce with a second process for the second click.
func (p *patient) tryOnMachines(o *order, least, most time.Duration) result {
	other := newProcess(p.network)
	defer other.end()
	return p.tryAtOnce(o, []*process{p.process, other}, least, most)
}

// tryAtOnce is a patient who clicks more than once. A click within leastCall comes while the
// first call is still running.
func (p *patient) tryAtOnce(o *order, on []*process, least, most time.Duration) result {
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
			r, crashed := process.book(o, d)
			if crashed { // the crash was meant for the previous booking and came late: nobody is told anything
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

// leastCall is shorter than any call.
const leastCall = 2 * leastLatency

// combine is what several results mean for the patient: booked if one says so, else unknown if
// one does.
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

// resolve resolves an attempt, again and again until the outcome is known.
func (p *patient) resolve(o *order, attempt *closure.BookingAttempt) result {
	open := result{ending: endsUnknown, attempt: attempt}
	if attempt == nil {
		p.clinic.count(unknownAfter) // there is no attempt to resolve
		return open
	}
	for _, pause := range []time.Duration{0, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute,
		5 * time.Minute, 5 * time.Minute} {
		time.Sleep(pause + p.dice.between(0, 5*time.Second))
		r, crashed := p.resolveOnce(o, attempt)
		if crashed { // the process crashed again
			p.restart()
			continue
		}
		if r.ending.isKnown() {
			p.clinic.count(resolvedColumn(r.ending))
			return r
		}
	}
	p.clinic.count(unknownAfter)
	return open
}

func resolvedColumn(e ending) column {
	if e == endsConfirmed {
		return resolved
	}
	return lost
}
