package closuretest

import (
	"slices"
	"time"

	"github.com/closurehealth/closure-go"
)

// A ledger holds all appointments, each with its history, so that a lagging read can show an
// earlier state.
type ledger struct {
	byID       map[closure.AppointmentID]*entry
	entries    []*entry // in order of commit
	bySchedule map[closure.ScheduleID][]*entry
}

// An entry is one appointment: its states, oldest first, never none.
type entry struct{ states []state }

type state struct {
	since       time.Duration
	appointment closure.Appointment
}

func newLedger() ledger {
	return ledger{
		byID:       map[closure.AppointmentID]*entry{},
		bySchedule: map[closure.ScheduleID][]*entry{},
	}
}

// put enters an appointment. It replaces one with the same id.
func (l *ledger) put(a closure.Appointment, at time.Duration) {
	e := l.byID[a.ID]
	if e == nil {
		e = &entry{}
		l.byID[a.ID] = e
		l.entries = append(l.entries, e)
	}
	e.states = []state{{at, a}}
	if of := l.bySchedule[a.ScheduleID]; !slices.Contains(of, e) {
		l.bySchedule[a.ScheduleID] = append(of, e)
	}
}

func (l *ledger) has(id closure.AppointmentID) bool { return l.byID[id] != nil }

// current is the appointment as it really is.
func (e *entry) current() closure.Appointment { return e.states[len(e.states)-1].appointment }

// asOf is the appointment as it was at the given time.
func (e *entry) asOf(seen time.Duration) (a closure.Appointment, found bool) {
	for _, s := range slices.Backward(e.states) {
		if s.since <= seen {
			return s.appointment, true
		}
	}
	return a, false
}

func (e *entry) change(a closure.Appointment, at time.Duration) {
	e.states = append(e.states, state{at, a})
}

// taken returns the times that a schedule's appointments take, as seen at the
// given time. Cancelled ones take none, and one can be left out.
func (l *ledger) taken(id closure.ScheduleID, seen time.Duration, except *entry) []offer {
	var taken []offer
	for _, e := range l.bySchedule[id] {
		a, found := e.asOf(seen)
		if found && e != except && a.ScheduleID == id && a.Status != closure.AppointmentCancelled {
			taken = append(taken, newOffer(a.StartAt, a.Duration))
		}
	}
	return taken
}
