package closuretest

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/closurehealth/closure-go"
)

// ErrJournal is what a [Journal] fails with where a test wants it to.
var ErrJournal = errors.New("closuretest: the journal failed")

// A Journal is a [closure.Journal] in memory, for tests: several clients that
// share one are several processes that share a database, and it survives a client
// that a test gives up. It is safe for concurrent use.
type Journal struct {
	mu       sync.Mutex // never held while waiting
	entries  []closure.JournalEntry
	keys     map[string]string // the ID of the attempt that has the idempotency key
	released map[closure.AppointmentID]bool
	faults   []JournalFault
}

var _ closure.Journal = (*Journal)(nil)

// NewJournal returns an empty journal.
func NewJournal() *Journal {
	return &Journal{keys: make(map[string]string), released: make(map[closure.AppointmentID]bool)}
}

// A JournalFault is one way in which a [Journal] fails, once, at one of its
// methods: "begin", "find", "find appointment", "finish", "pending" or "release".
type JournalFault struct {
	method string
	after  bool
	wait   time.Duration
}

// JournalFailsBefore fails a method before it did anything.
func JournalFailsBefore(method string) JournalFault { return JournalFault{method: method} }

// JournalFailsAfter fails a method after it did what it was asked for.
func JournalFailsAfter(method string) JournalFault { return JournalFault{method: method, after: true} }

// JournalWaits holds the answer of a method back for d, by the time package, or
// until the context ends, which is the answer then. What was asked for is done.
func JournalWaits(method string, d time.Duration) JournalFault {
	return JournalFault{method: method, after: true, wait: d}
}

// Inject adds faults. Each strikes the next call of its method.
func (j *Journal) Inject(faults ...JournalFault) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults = append(j.faults, faults...)
}

// Entries returns what the journal holds, oldest first.
func (j *Journal) Entries() []closure.JournalEntry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}

// do does what a method is for, with the fault that strikes it.
func (j *Journal) do(ctx context.Context, method string, act func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.mu.Lock()
	fault, struck := j.fault(method)
	if !struck || fault.after {
		act()
	}
	j.mu.Unlock()
	switch {
	case !struck:
		return nil
	case fault.wait == 0:
		return ErrJournal
	}
	timer := time.NewTimer(fault.wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (j *Journal) fault(method string) (fault JournalFault, struck bool) {
	i := slices.IndexFunc(j.faults, func(f JournalFault) bool { return f.method == method })
	if i < 0 {
		return fault, false
	}
	fault = j.faults[i]
	j.faults = slices.Delete(j.faults, i, i+1)
	return fault, true
}

// Begin records the attempt, or returns the entry that is in its way.
func (j *Journal) Begin(ctx context.Context, attempt closure.BookingAttempt) (there *closure.JournalEntry, err error) {
	err = j.do(ctx, "begin", func() {
		if there = j.find(attempt); there == nil {
			j.entries = append(j.entries, closure.JournalEntry{Attempt: attempt})
			j.giveKey(attempt)
		}
	})
	return there, err
}

// Find returns the entry of the attempt's key, or else of its slot.
func (j *Journal) Find(ctx context.Context, attempt closure.BookingAttempt) (there *closure.JournalEntry, err error) {
	err = j.do(ctx, "find", func() { there = j.find(attempt) })
	return there, err
}

func (j *Journal) find(attempt closure.BookingAttempt) *closure.JournalEntry {
	if i := j.withID(j.keys[attempt.IdempotencyKey]); i >= 0 {
		found := j.entries[i]
		found.Attempt.IdempotencyKey = attempt.IdempotencyKey
		return &found
	}
	i := slices.IndexFunc(j.entries, func(e closure.JournalEntry) bool {
		return e.Attempt.PatientID == attempt.PatientID && e.Attempt.ScheduleID == attempt.ScheduleID &&
			e.Attempt.StartAt.Equal(attempt.StartAt)
	})
	if i < 0 {
		return nil
	}
	found := j.entries[i]
	return &found
}

// giveKey gives the attempt's key to its entry, unless another one has it.
func (j *Journal) giveKey(attempt closure.BookingAttempt) {
	if key := attempt.IdempotencyKey; key != "" && j.keys[key] == "" {
		j.keys[key] = attempt.ID
	}
}

// remove removes the entries that gone is true of, with their keys.
func (j *Journal) remove(gone func(closure.JournalEntry) bool) {
	j.entries = slices.DeleteFunc(j.entries, gone)
	maps.DeleteFunc(j.keys, func(_, id string) bool { return j.withID(id) < 0 })
}

// FindAppointment returns what the journal knows of the appointment.
func (j *Journal) FindAppointment(
	ctx context.Context, id closure.AppointmentID,
) (there *closure.JournalEntry, err error) {
	err = j.do(ctx, "find appointment", func() {
		i := slices.IndexFunc(j.entries, func(e closure.JournalEntry) bool { return e.Appointment == id })
		switch {
		case j.released[id]:
			there = &closure.JournalEntry{State: closure.JournalReleased, Appointment: id}
		case i >= 0:
			found := j.entries[i]
			there = &found
		}
	})
	return there, err
}

// Finish records how the entry's attempt ended.
func (j *Journal) Finish(ctx context.Context, entry closure.JournalEntry) error {
	return j.do(ctx, "finish", func() {
		i := j.withID(entry.Attempt.ID)
		if i < 0 {
			return
		}
		if entry.State == closure.JournalNotBooked && j.entries[i].Appointment == entry.Appointment {
			j.remove(func(e closure.JournalEntry) bool { return e.Attempt.ID == entry.Attempt.ID })
		}
		if entry.State != closure.JournalBooked {
			return
		}
		if j.entries[i].State == closure.JournalPending {
			j.book(i, entry.Appointment)
		}
		if i = j.withID(entry.Attempt.ID); j.entries[i].Appointment == entry.Appointment {
			j.giveKey(entry.Attempt)
		}
	})
}

func (j *Journal) withID(id string) int {
	return slices.IndexFunc(j.entries, func(e closure.JournalEntry) bool { return e.Attempt.ID == id })
}

// book makes the entry at i booked, and lets it take the place of others of the
// appointment, with their keys.
func (j *Journal) book(i int, id closure.AppointmentID) {
	attempt := j.entries[i].Attempt.ID
	for key, holder := range j.keys {
		if j.entries[j.withID(holder)].Appointment == id {
			j.keys[key] = attempt
		}
	}
	j.entries[i].State, j.entries[i].Appointment = closure.JournalBooked, id
	j.remove(func(e closure.JournalEntry) bool { return e.Appointment == id && e.Attempt.ID != attempt })
}

// Pending yields the pending entries that there were when it was called.
func (j *Journal) Pending(ctx context.Context) iter.Seq2[closure.JournalEntry, error] {
	return func(yield func(closure.JournalEntry, error) bool) {
		var pending []closure.JournalEntry
		err := j.do(ctx, "pending", func() {
			for _, e := range j.entries {
				if e.State == closure.JournalPending {
					pending = append(pending, e)
				}
			}
		})
		if err != nil {
			yield(closure.JournalEntry{}, err)
			return
		}
		for _, e := range pending {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Release removes the entries of the appointment, and remembers that.
func (j *Journal) Release(ctx context.Context, id closure.AppointmentID) error {
	return j.do(ctx, "release", func() {
		j.released[id] = true
		j.remove(func(e closure.JournalEntry) bool {
			if e.State == closure.JournalPending {
				return e.Attempt.AppointmentID == id
			}
			return e.Appointment == id
		})
	})
}
