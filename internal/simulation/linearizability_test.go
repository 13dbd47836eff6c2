package simulation

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/closurehealth/closure-go"
)

// The model is one schedule with a few slots, each free or a patient's. What concurrent
// callers were told when they booked, cancelled and moved, with faults, must be explained by
// some order of their calls.

const bookableSlots = 4

// A book is the schedule's state: who has which slot. 0 means nobody.
type book [bookableSlots]int

type verb int

const (
	books verb = iota
	cancels
	movesTo
	looks
)

// An input is what was asked for, and by whom.
type input struct {
	verb     verb
	patient  int // from 1
	from, to int // slots
}

// An output is what the caller was told.
type output struct {
	ending ending
	open   [bookableSlots]bool // what the open slots showed
}

// scheduleModel lets a call of unknown outcome have happened or not.
var scheduleModel = porcupine.NondeterministicModel{
	Init: func() []any { return []any{book{}} },
	Step: func(state, in, out any) []any { return step(state.(book), in.(input), out.(output)) },
	DescribeOperation: func(in, out any) string {
		return fmt.Sprintf("%+v → %+v", in, out)
	},
}

func step(s book, in input, out output) []any {
	switch in.verb {
	case looks:
		for n, open := range out.open {
			if open != (s[n] == 0) {
				return nil
			}
		}
		return []any{s}
	case cancels:
		return stepCancel(s, in, out)
	default:
		return stepTake(s, in, out)
	}
}

// stepTake is a booking, or a move that gives up another slot.
func stepTake(s book, in input, out output) []any {
	owner := s[in.to]
	after := s
	if in.verb == movesTo && after[in.from] == in.patient {
		after[in.from] = 0
	}
	after[in.to] = in.patient
	possible := owner == 0 && (in.verb == books || s[in.from] == in.patient)
	switch out.ending {
	case endsConfirmed:
		if owner == in.patient {
			return []any{s} // an earlier request had already done it
		}
		if possible {
			return []any{after}
		}
		return nil
	case endsTaken:
		if owner == 0 || owner == in.patient {
			return nil
		}
		return []any{s}
	case endsUnknown:
		if possible {
			return []any{s, after}
		}
	}
	return []any{s}
}

func stepCancel(s book, in input, out output) []any {
	after := s
	if after[in.from] == in.patient {
		after[in.from] = 0
	}
	switch out.ending {
	case endsConfirmed:
		return []any{after}
	case endsUnknown:
		return []any{s, after}
	default:
		return []any{s}
	}
}

// never is when a call of unknown outcome returns.
const never = math.MaxInt64

// A history is what some actors were told.
type history struct {
	clinic *clinic

	mu  sync.Mutex
	ops []porcupine.Operation
}

// An actor makes calls, one after the other. After an unknown outcome it goes on as another
// patient, because its request may still be on its way.
type actor struct {
	history *history
	number  int
	dice    *dice
	lives   int
	patient int
	process *process
}

const (
	bookers      = 5
	opsOfABooker = 7
	looksOfWatch = 8
	livesEach    = opsOfABooker + 1
	inHistories  = "linearizability" // part of the name of the random numbers
)

// makeHistory runs some actors that book and one that reads the open slots.
func makeHistory(t *testing.T, c cell, seed uint64) (h *history) {
	synctest.Test(t, func(*testing.T) {
		h = &history{clinic: newClinic(c, seed)}
		for n := range (bookers+1)*livesEach + 1 {
			h.clinic.server.AddPatient(closure.Patient{ID: patientID(n)})
		}
		var group sync.WaitGroup
		for n := range bookers {
			a := &actor{history: h, number: n, dice: newDice(seed, hash(inHistories), uint64(n))}
			group.Go(a.live)
		}
		watch := &actor{history: h, number: bookers, dice: newDice(seed, hash(inHistories), bookers)}
		group.Go(watch.watch)
		group.Wait()
		time.Sleep(5 * time.Minute)
	})
	return h
}

func (a *actor) become() {
	if a.process != nil {
		a.process.end()
	}
	a.lives++
	a.patient = a.number*livesEach + a.lives
	a.process = newProcess(newNetwork(a.history.clinic, a.number*1000+a.patient))
}

func (a *actor) live() {
	a.become()
	defer func() { a.process.end() }()
	has := -1 // the slot it has
	for range opsOfABooker {
		time.Sleep(a.dice.between(time.Millisecond, 300*time.Millisecond))
		to := a.dice.below(bookableSlots)
		in := input{books, a.patient, has, to}
		switch {
		case has >= 0 && a.dice.chance(0.5):
			in = input{cancels, a.patient, has, -1}
		case has >= 0:
			in = input{movesTo, a.patient, has, (has + 1 + a.dice.below(bookableSlots-1)) % bookableSlots}
		}
		switch ending := a.do(in); {
		case ending == endsUnknown:
			a.become()
			has = -1
		case ending == endsConfirmed:
			has = in.to
		}
	}
}

// do makes one call and records it.
func (a *actor) do(in input) ending {
	began := time.Now()
	ending := a.call(in)
	ended := time.Now().UnixNano()
	if ending == endsUnknown {
		ended = never
	}
	a.history.add(porcupine.Operation{
		ClientId: a.number, Input: in, Output: output{ending: ending}, Call: began.UnixNano(), Return: ended,
	})
	return ending
}

func (h *history) add(op porcupine.Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if op.Return == never {
		op.ClientId = 100 + len(h.ops) // porcupine's client number of a call that never returns can't be used again
	}
	h.ops = append(h.ops, op)
}

// bookable are slots that don't overlap.
func bookable(n int) slot { return slot{scheduleID(0), slotStart(2 * n)} }

func (a *actor) call(in input) ending {
	switch in.verb {
	case books:
		return a.book(in.to)
	case cancels:
		return a.change(in.from, func(id closure.AppointmentID) error {
			_, err := a.process.client.CancelBooking(a.process.ctx, id)
			return err
		})
	default:
		return a.change(in.from, func(id closure.AppointmentID) error {
			_, err := a.process.client.RescheduleBooking(a.process.ctx, id,
				closure.AppointmentRescheduleParams{StartAt: bookable(in.to).start})
			return err
		})
	}
}

func (a *actor) book(n int) ending {
	s := bookable(n)
	params := closure.BookSlotParams{
		ScheduleID: s.schedule, PatientID: patientID(a.patient), StartAt: s.start, InsuranceCheck: closure.SkipInsuranceCheck,
	}
	if a.dice.chance(0.5) {
		params.Duration = slotMinutes
	}
	_, err := a.process.client.BookSlot(a.process.ctx, params)
	unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err)
	if !ok {
		return endingOf(err)
	}
	for range 3 {
		time.Sleep(a.dice.between(time.Second, 15*time.Second))
		if _, err = a.process.client.ResolveBooking(a.process.ctx, unknown.Attempt); err == nil {
			return endsConfirmed
		}
	}
	return endsUnknown
}

// change changes the appointment that the patient has on a slot.
func (a *actor) change(from int, do func(closure.AppointmentID) error) ending {
	all := a.history.clinic.server.Appointments()
	i := slices.IndexFunc(all, func(x closure.Appointment) bool {
		return x.PatientID == patientID(a.patient) && bookable(from).same(x) && x.Status != closure.AppointmentCancelled
	})
	if i < 0 {
		return endsNotSent // the model doesn't allow that
	}
	return endingOf(do(all[i].ID))
}

// watch reads the open slots.
func (a *actor) watch() {
	a.become()
	defer func() { a.process.end() }()
	for range looksOfWatch {
		time.Sleep(a.dice.between(time.Millisecond, 2*time.Second))
		began := time.Now()
		slots, err := a.process.client.Availabilities.List(a.process.ctx, scheduleID(0), closure.AvailabilityListParams{})
		if err != nil {
			continue
		}
		var out output
		for n := range out.open {
			out.open[n] = slices.ContainsFunc(slots, func(s closure.Slot) bool { return s.StartAt.Equal(bookable(n).start) })
		}
		a.history.add(porcupine.Operation{
			ClientId: a.number, Input: input{verb: looks}, Output: out, Call: began.UnixNano(), Return: time.Now().UnixNano(),
		})
	}
}

func (h *history) check() porcupine.CheckResult {
	model := scheduleModel.ToModel()
	return porcupine.CheckOperationsTimeout(model, h.ops, time.Minute)
}

// histories makes and checks n histories, one after the other.
func histories(t *testing.T, c cell, n int) (results map[porcupine.CheckResult]int, ops, unknown int) {
	results = map[porcupine.CheckResult]int{}
	shown := progress(t, "histories", n)
	for i := range n {
		h := makeHistory(t, c, newDice(c.seed(runSeed), hash(inHistories), uint64(i)).next())
		result := h.check()
		results[result]++
		ops += len(h.ops)
		for _, op := range h.ops {
			if op.Return == never {
				unknown++
			}
		}
		if !c.duplicates && result != porcupine.Ok {
			t.Errorf("history %d, seed %#x: %s\n%v", i, h.clinic.seed, result, h.ops)
		}
		shown.Step()
	}
	return results, ops, unknown
}

// What concurrent callers were told is linearizable: one schedule could have done it.
func TestLinearizable(t *testing.T) {
	n := size(15, 3, 3000)
	text := "| commits | histories | calls | of them unknown for ever | linearizable | not | not decided in a minute |\n" +
		"| --- | --- | --- | --- | --- | --- | --- |\n"
	for _, late := range []time.Duration{0, 20 * time.Second} {
		results, ops, unknown := histories(t, cell{late: late}, n)
		text += fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %d |\n", lag(late, "on time", "late"), n, ops, unknown,
			results[porcupine.Ok], results[porcupine.Illegal], results[porcupine.Unknown])
	}
	publish(t, "linearizability", text)
}

// TestNotLinearizable is the control: histories on a server that accepts duplicates, and
// histories with one forged answer, are found not to be linearizable.
func TestNotLinearizable(t *testing.T) {
	n := size(10, 3, 300)
	results, _, _ := histories(t, cell{duplicates: true}, n)
	forged, lies := 0, 0
	for i := range n {
		c := cell{}
		h := makeHistory(t, c, newDice(c.seed(runSeed), hash("forged"), uint64(i)).next())
		if h.forge() {
			forged++
			if h.check() == porcupine.Illegal {
				lies++
			}
		}
	}
	if results[porcupine.Illegal] == 0 {
		t.Error("duplicates were not seen in any history")
	}
	if lies == 0 {
		t.Errorf("none of %d lies was seen", forged)
	}
	publish(t, "linearizability-controls", fmt.Sprintf("| control | histories | flagged |\n| --- | --- | --- |\n"+
		"| the server accepts duplicates | %d | %d |\n| one \"slot unavailable\" turned into a confirmation | %d | %d |\n",
		n, results[porcupine.Illegal], forged, lies))
}

// forge turns one rejection into a confirmation.
func (h *history) forge() bool {
	for i, op := range h.ops {
		in, out := op.Input.(input), op.Output.(output)
		if in.verb == books && out.ending == endsTaken {
			h.ops[i].Output = output{ending: endsConfirmed}
			return true
		}
	}
	return false
}
