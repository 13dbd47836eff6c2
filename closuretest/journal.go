package closuretest

import (
	"context"
	"errors"
	"iter"
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
	mu      sync.Mutex // never held while waiting
	entries []closure.JournalEntry
	faults  []JournalFault
}

var _ closure.Journal = (*Journal)(nil)

// NewJournal returns an empty journal.
func NewJournal() *Journal { return &Journal{} }

// A JournalFault is one way in which a [Journal] fails, once, at one of its
// methods: "begin", "find", "finish", "pending" or "release".
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
	i := -1
	if attempt.IdempotencyKey != "" {
		i = slices.IndexFunc(j.entries, func(e closure.JournalEntry) bool {
			return e.Attempt.IdempotencyKey == attempt.IdempotencyKey
		})
	}
	if i < 0 {
		i = slices.IndexFunc(j.entries, func(e closure.JournalEntry) bool {
			return e.Attempt.PatientID == attempt.PatientID && e.Attempt.ScheduleID == attempt.ScheduleID &&
				e.Attempt.StartAt.Equal(attempt.StartAt)
		})
	}
	if i < 0 {
		return nil
	}
	found := j.entries[i]
	return &found
}

// Finish records how the entry's attempt ended.
func (j *Journal) Finish(ctx context.Context, entry closure.JournalEntry) error {
	return j.do(ctx, "finish", func() {
		switch i := j.withID(entry.Attempt.ID); {
		case i < 0:
		case entry.State == closure.JournalNotBooked:
			if j.entries[i].Appointment == entry.Appointment {
				j.entries = slices.Delete(j.entries, i, i+1)
			}
		case entry.State == closure.JournalBooked && j.entries[i].State == closure.JournalPending:
			j.book(i, entry.Appointment)
		}
	})
}

func (j *Journal) withID(id string) int {
	return slices.IndexFunc(j.entries, func(e closure.JournalEntry) bool { return e.Attempt.ID == id })
}

// book makes the entry at i booked, and lets it take the place of others of the
// appointment, with their key.
func (j *Journal) book(i int, id closure.AppointmentID) {
	booked := &j.entries[i]
	for _, e := range j.entries {
		if e.Appointment == id && booked.Attempt.IdempotencyKey == "" {
			booked.Attempt.IdempotencyKey = e.Attempt.IdempotencyKey
		}
	}
	booked.State, booked.Appointment = closure.JournalBooked, id
	attempt := booked.Attempt.ID
	j.entries = slices.DeleteFunc(j.entries, func(e closure.JournalEntry) bool {
		return e.Appointment == id && e.Attempt.ID != attempt
	})
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

// Release removes the entries of the appointment.
func (j *Journal) Release(ctx context.Context, id closure.AppointmentID) error {
	return j.do(ctx, "release", func() {
		j.entries = slices.DeleteFunc(j.entries, func(e closure.JournalEntry) bool {
			if e.State == closure.JournalPending {
				return e.Attempt.AppointmentID == id
			}
			return e.Appointment == id
		})
	})
}
