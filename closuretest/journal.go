package closuretest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
// that a test gives up. The zero Journal is empty and ready. It is safe for concurrent use.
type Journal struct {
	mu       sync.Mutex                // never held while waiting
	records  map[string]*journalRecord // by their attempt's ID; nil: before the first call
	slots    map[journalSlot]*journalRecord
	keys     map[string]*journalRecord
	booked   map[closure.AppointmentID]*journalRecord
	released map[closure.AppointmentID]time.Time
	begun    int
	faults   []JournalFault
	misuse   error // not nil: every call fails with it
}

// A journalRecord is an entry, and what names it.
type journalRecord struct {
	closure.JournalEntry
	number int // in the order of Begin
	keys   []string
}

type journalSlot struct {
	patient  closure.PatientID
	schedule closure.ScheduleID
	start    int64
}

func slotOf(a closure.BookingAttempt) journalSlot {
	return journalSlot{a.PatientID, a.ScheduleID, a.StartAt.UnixNano()}
}

var _ closure.Journal = (*Journal)(nil)

// NewJournal returns an empty journal.
func NewJournal() *Journal { return new(Journal) }

func (j *Journal) makeMaps() {
	j.records = make(map[string]*journalRecord)
	j.slots = make(map[journalSlot]*journalRecord)
	j.keys = make(map[string]*journalRecord)
	j.booked = make(map[closure.AppointmentID]*journalRecord)
	j.released = make(map[closure.AppointmentID]time.Time)
}

// A JournalMethod names a method of a [Journal], for its faults.
type JournalMethod string

// The methods of a [Journal] that can fail.
const (
	JournalBegin           JournalMethod = "begin"
	JournalFind            JournalMethod = "find"
	JournalFindAppointment JournalMethod = "find appointment"
	JournalFinish          JournalMethod = "finish"
	JournalPending         JournalMethod = "pending"
	JournalRelease         JournalMethod = "release"
)

func (m JournalMethod) known() bool {
	switch m {
	case JournalBegin, JournalFind, JournalFindAppointment, JournalFinish, JournalPending, JournalRelease:
		return true
	default:
		return false
	}
}

// A JournalFault is one way in which a [Journal] fails, once, at one of its methods.
type JournalFault struct {
	method JournalMethod
	after  bool // it strikes when the method has done what it was asked for
	waits  bool // it holds the answer back, instead of failing
	wait   time.Duration
}

// JournalFailsBefore fails a method before it did anything.
func JournalFailsBefore(method JournalMethod) JournalFault { return JournalFault{method: method} }

// JournalFailsAfter fails a method after it did what it was asked for.
func JournalFailsAfter(method JournalMethod) JournalFault {
	return JournalFault{method: method, after: true}
}

// JournalWaits holds the answer of a method back for d, by the time package, or
// until the context ends, which is the answer then. What was asked for is done.
func JournalWaits(method JournalMethod, d time.Duration) JournalFault {
	return JournalFault{method: method, after: true, waits: true, wait: d}
}

// Inject adds faults. Each strikes the next call of its method. If a fault can never strike,
// because no method has its name, every call from then on does nothing and fails with an
// error that says so, and is not [ErrJournal].
func (j *Journal) Inject(faults ...JournalFault) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, f := range faults {
		if !f.method.known() && j.misuse == nil {
			j.misuse = fmt.Errorf("closuretest: Inject: a journal has no method %q", f.method)
		}
	}
	j.faults = append(j.faults, faults...)
}

// Entries returns what the journal holds, oldest first.
func (j *Journal) Entries() []closure.JournalEntry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.sorted(func(closure.JournalEntry) bool { return true })
}

func (j *Journal) sorted(wanted func(closure.JournalEntry) bool) (entries []closure.JournalEntry) {
	byAge := func(a, b *journalRecord) int { return cmp.Compare(a.number, b.number) }
	for _, r := range slices.SortedFunc(maps.Values(j.records), byAge) {
		if wanted(r.JournalEntry) {
			entries = append(entries, r.JournalEntry)
		}
	}
	return entries
}

// do does what a method is for, with the fault that strikes it.
func (j *Journal) do(ctx context.Context, method JournalMethod, act func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.mu.Lock()
	if err := j.misuse; err != nil {
		j.mu.Unlock()
		return err
	}
	if j.records == nil {
		j.makeMaps()
	}
	fault, struck := j.fault(method)
	if !struck || fault.after {
		act()
	}
	j.mu.Unlock()
	switch {
	case !struck:
		return nil
	case !fault.waits:
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

func (j *Journal) fault(method JournalMethod) (fault JournalFault, struck bool) {
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
	err = j.do(ctx, JournalBegin, func() {
		if there = j.find(attempt); there != nil {
			return
		}
		j.begun++
		r := &journalRecord{JournalEntry: closure.JournalEntry{Attempt: attempt}, number: j.begun}
		j.records[attempt.ID], j.slots[slotOf(attempt)] = r, r
		j.giveKey(r, attempt.IdempotencyKey)
	})
	return there, err
}

// Find returns the entry of the attempt's key, or else of its slot.
func (j *Journal) Find(ctx context.Context, attempt closure.BookingAttempt) (there *closure.JournalEntry, err error) {
	err = j.do(ctx, JournalFind, func() { there = j.find(attempt) })
	return there, err
}

func (j *Journal) find(attempt closure.BookingAttempt) *closure.JournalEntry {
	if r := j.keys[attempt.IdempotencyKey]; r != nil {
		found := r.JournalEntry
		found.Attempt.IdempotencyKey = attempt.IdempotencyKey
		return &found
	}
	if r := j.slots[slotOf(attempt)]; r != nil {
		found := r.JournalEntry
		return &found
	}
	return nil
}

// giveKey gives the record a key, unless another one has it.
func (j *Journal) giveKey(r *journalRecord, key string) {
	if key != "" && j.keys[key] == nil {
		j.keys[key] = r
		r.keys = append(r.keys, key)
	}
}

func (j *Journal) remove(r *journalRecord) {
	delete(j.records, r.Attempt.ID)
	delete(j.slots, slotOf(r.Attempt))
	for _, key := range r.keys {
		delete(j.keys, key)
	}
	if j.booked[r.Appointment] == r {
		delete(j.booked, r.Appointment)
	}
}

// FindAppointment returns what the journal knows of the appointment.
func (j *Journal) FindAppointment(
	ctx context.Context, id closure.AppointmentID,
) (there *closure.JournalEntry, err error) {
	err = j.do(ctx, JournalFindAppointment, func() {
		r := j.booked[id]
		at, released := j.released[id]
		switch {
		case r != nil:
			found := r.JournalEntry
			found.ReleasedAt = at
			there = &found
		case released:
			there = &closure.JournalEntry{State: closure.JournalReleased, Appointment: id, ReleasedAt: at}
		}
	})
	return there, err
}

// Finish records how the entry's attempt ended.
func (j *Journal) Finish(ctx context.Context, entry closure.JournalEntry) error {
	return j.do(ctx, JournalFinish, func() {
		r := j.records[entry.Attempt.ID]
		switch {
		case r == nil:
		case entry.State == closure.JournalNotBooked && r.Appointment == entry.Appointment:
			j.remove(r)
		case entry.State == closure.JournalBooked:
			j.book(r, entry)
		}
	})
}

// book makes a pending record booked, in the place of another one of the
// appointment and with its keys, and gives it the entry's key.
func (j *Journal) book(r *journalRecord, entry closure.JournalEntry) {
	if r.State == closure.JournalPending {
		var keys []string
		if before := j.booked[entry.Appointment]; before != nil {
			keys = before.keys
			j.remove(before)
		}
		r.State, r.Appointment = closure.JournalBooked, entry.Appointment
		j.booked[entry.Appointment] = r
		for _, key := range keys {
			j.giveKey(r, key)
		}
	}
	if r.Appointment == entry.Appointment {
		j.giveKey(r, entry.Attempt.IdempotencyKey)
	}
}

// Pending yields the pending entries that there were when it was called.
func (j *Journal) Pending(ctx context.Context) iter.Seq2[closure.JournalEntry, error] {
	return func(yield func(closure.JournalEntry, error) bool) {
		var pending []closure.JournalEntry
		err := j.do(ctx, JournalPending, func() {
			pending = j.sorted(func(e closure.JournalEntry) bool { return e.State == closure.JournalPending })
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
	return j.do(ctx, JournalRelease, func() {
		j.released[id] = time.Now()
		for _, r := range j.records {
			if r.State == closure.JournalBooked && r.Appointment == id ||
				r.State == closure.JournalPending && r.Attempt.AppointmentID == id {
				j.remove(r)
			}
		}
	})
}
