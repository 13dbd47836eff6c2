package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/closurehealth/closure-go"
)

// A claim is what the SDK told somebody. It is compared with the ledger when everything late
// has been carried out.
type claim struct {
	call    *call
	patient *patient
	result  result
	began   time.Time
	since   time.Time // what it was told was true at this time or later
	at      time.Time
	owned   bool // the patient had the slot by then
}

func (c *clinic) count(col column) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tally.add(col, 1)
}

// tell records how a call that books ended.
func (c *clinic) tell(call *call, r result, began time.Time) {
	c.count(r.ending.column())
	if r.booking != nil && r.booking.Recovered {
		c.count(recovered)
	}
	c.tellResolved(call, r, began)
}

// tellResolved does the same for a call that only looks, which isn't counted as an attempt.
func (c *clinic) tellResolved(call *call, r result, began time.Time) {
	p := call.order.patient
	told := claim{call: call, patient: p, result: r, began: began, since: began, at: time.Now()}
	switch {
	case call.moves != "":
		a, found := entry(c.server, call.moves)
		told.owned = found && a.Status != closure.AppointmentCancelled && r.slot.same(a)
	case r.slot != (slot{}):
		told.owned = c.owns(p.id, r.slot)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if call.consulted.After(began) {
		told.since = call.consulted
	}
	told.owned = told.owned || r.slot == (slot{}) && c.has(call.order)
	c.told = append(c.told, told)
	p.log = append(p.log, fmt.Sprintf("%v→%v %s %s: %d, owned %t",
		clock(began), clock(told.at), r.slot.schedule, clock(r.slot.start), r.ending, told.owned))
	if r.ending == endsConfirmed && (!told.owned || !c.isIn(r.booking.Appointment)) &&
		!c.changing(r.booking.Appointment.ID, began) {
		c.violated(absent, p)
	}
	if r.ending == endsConfirmed && call.order.key != "" {
		c.toldOf(call.order, r.booking.Appointment.ID)
	}
	if r.ending == endsUnknown && r.attempt == nil {
		c.violated(noToken, p)
	}
}

// has reports whether an order for any slot has an appointment. The lock is held.
func (c *clinic) has(o *order) bool {
	return o.key != "" && slices.ContainsFunc(c.writes, func(made write) bool {
		if !made.create || made.call == nil || made.call.order != o {
			return false
		}
		a, found := entry(c.server, made.id)
		return found && a.Status != closure.AppointmentCancelled
	})
}

// cancelling notes up to when a call cancels the appointment.
func (c *clinic) cancelling(id closure.AppointmentID, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancelled[id] = until
}

// changing reports whether the appointment was changed while a call looked, or a call was
// cancelling it, or whether the patient was told that the outcome of its cancellation is unknown.
// If reads lag, nobody can know more. The lock is held.
func (c *clinic) changing(id closure.AppointmentID, began time.Time) bool {
	return c.open[id] || !c.cancelled[id].Before(began) || slices.ContainsFunc(c.writes, func(w write) bool {
		return !w.create && w.id == id && !w.shown(c.cell.stale).Before(began)
	})
}

func clock(t time.Time) string { return t.Format("02 15:04:05.000000000") }

// isIn reports whether the ledger has exactly this appointment.
func (c *clinic) isIn(a closure.Appointment) bool {
	real, found := entry(c.server, a.ID)
	return found && real.PatientID == a.PatientID && real.ScheduleID == a.ScheduleID &&
		real.StartAt.Equal(a.StartAt) && real.Status != closure.AppointmentCancelled
}

// tellChange records how a change ended. to is where the appointment should be; no slot means
// that it should be cancelled.
func (c *clinic) tellChange(p *patient, call *call, a closure.Appointment, to slot, err error) {
	c.count(moves)
	real, found := entry(c.server, a.ID)
	made := found && real.Status == closure.AppointmentCancelled
	if to != (slot{}) {
		made = found && real.Status != closure.AppointmentCancelled && to.same(real)
	}
	ending := endingOf(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	p.log = append(p.log, fmt.Sprintf("→%v change %s to %s: %d, made %t",
		clock(time.Now()), a.ID, clock(to.start), ending, made))
	// A call of which nothing was sent doesn't settle what an earlier one left open.
	c.open[a.ID] = to == (slot{}) && (ending == endsUnknown || ending == endsNotSent && c.open[a.ID])
	switch ending {
	case endsConfirmed:
		if !made {
			c.violated(changeAbsent, p)
		}
	case endsUnknown:
		c.tally.add(movesUnknown, 1)
	case endsTaken:
		if made {
			c.violated(takenOwned, p)
		}
		fallthrough
	default:
		c.told = append(c.told, claim{call: call, patient: p, result: result{ending: ending}, at: time.Now()})
	}
}

// violated records a violation, and the seed that repeats it. The lock is held.
func (c *clinic) violated(zero column, p *patient) {
	c.tally.violated(zero, fmt.Sprintf("%s: cell %q, seed %#x, patient %d", zero, c.cell, c.seed, p.number))
}

// judge compares all claims with what was carried out.
func (c *clinic) judge() {
	final := c.server.Appointments() // this also carries out late writes that are due
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.writes {
		if w.call == nil {
			continue
		}
		w.call.made++
	}
	c.judgeOrders()
	for i := range c.told {
		c.judgeClaim(&c.told[i])
	}
	if c.journal != nil {
		c.judgeJournal(final)
	}
	c.judgeTrace(final)
}

func (c *clinic) judgeOrders() {
	for i, second := range c.writes {
		if !second.create || second.call == nil {
			continue
		}
		for _, first := range c.writes[:i] {
			if first.create && first.call != nil && first.call.order == second.call.order && c.standsBeside(first, second) {
				c.violated(doubles, second.call.order.patient)
				break
			}
		}
	}
}

// standsBeside reports whether the first appointment of an order stood when the second was made.
// Without a key, an order is one for a slot: it is a new one once its appointment was moved away,
// until reads show that it is back.
func (c *clinic) standsBeside(first, second write) bool {
	now := c.lastly(first, second.committed)
	if second.call.order.key != "" {
		return !now.cancelled
	}
	return now.shows(first.slot, second.call.began)
}

func (c *clinic) judgeClaim(told *claim) {
	switch told.result.ending {
	case endsConfirmed, endsUnknown:
		return
	case endsTaken, endsLost:
		if told.call.order != nil && c.denies(told) {
			c.violated(zeroOf(told.result.ending), told.patient)
			return
		}
	default:
		if told.call.order != nil && told.call.made == 0 && c.denies(told) {
			c.judgeOthers(told)
		}
	}
	if told.call.made > 0 {
		if told.call.order == nil {
			c.violated(changeDenied, told.patient)
			return
		}
		c.violated(deniedByCall, told.patient)
	}
}

// judgeOthers judges the ending of a call if another call of the patient had booked. "Not
// sent" is about the call's own request. If several processes book for one order, it says
// nothing about the others, and tells the patient to call again.
func (c *clinic) judgeOthers(told *claim) {
	if told.call.several() && told.result.ending == endsNotSent {
		c.tally.add(otherBooked, 1)
		return
	}
	c.violated(deniedOwned, told.patient)
}

// zeroOf is the zero that is violated if the patient had the slot after all.
func zeroOf(e ending) column {
	if e == endsTaken {
		return takenOwned
	}
	return deniedByCall
}

// denies reports whether the patient had the slot, or gets it by a request that had already
// been sent. Of concurrent calls in several processes, only those requests count that were
// sent when the call last read what the processes share.
func (c *clinic) denies(told *claim) bool {
	if !told.owned && !c.comes(told) {
		return false
	}
	return !told.call.several() || slices.ContainsFunc(c.writes, func(w write) bool {
		if told.result.slot == (slot{}) {
			return w.create && w.call != nil && w.call.order == told.call.order && w.sent.Before(told.since)
		}
		about := w.patient == told.patient.id && w.slot == told.result.slot
		return (w.create || w.practice) && about && w.sent.Before(told.since) &&
			c.lastly(w, told.at).shows(w.slot, told.began)
	})
}

// lastly is the last write to the appointment of w that was carried out by then. The lock is held.
func (c *clinic) lastly(w write, then time.Time) write {
	for _, later := range c.writes {
		if later.id == w.id && later.committed.After(w.committed) && !later.committed.After(then) {
			w = later
		}
	}
	return w
}

// comes reports whether a request that was sent before then got the patient the slot later.
func (c *clinic) comes(told *claim) bool {
	for _, w := range c.writes {
		if w.create && w.patient == told.patient.id && w.slot == told.result.slot && w.sent.Before(told.at) &&
			w.committed.After(told.at) {
			return true
		}
	}
	return false
}

// judgeTrace checks the harness itself: the ledger holds what the networks saw carried out,
// and nothing else.
func (c *clinic) judgeTrace(final []closure.Appointment) {
	created := 0
	for _, w := range c.writes {
		if w.create {
			created++
		}
	}
	if created != len(final) {
		panic(fmt.Sprintf("simulation: the wires saw %d bookings, the ledger holds %d (cell %q, seed %#x)",
			created, len(final), c.cell, c.seed))
	}
}
