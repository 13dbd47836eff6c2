package closuretest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

func TestJournalInMemory(t *testing.T) {
	t.Parallel()
	journal := closuretest.NewJournal()
	closuretest.TestJournal(t, func() closure.Journal { return journal })
}

// A journal that breaks one promise fails the test that is of it.
func TestTestJournalFindsBrokenJournals(t *testing.T) {
	t.Parallel()
	for _, broken := range []struct {
		fact string
		make func(closure.Journal) closure.Journal
	}{
		{"a slot is begun once", func(j closure.Journal) closure.Journal { return forgetful{j} }},
		{"what is begun is there", func(j closure.Journal) closure.Journal { return lossy{j} }},
		{"a key is begun once", func(j closure.Journal) closure.Journal { return keyless{j} }},
		{"another attempt's ending", func(j closure.Journal) closure.Journal { return anyAttempt{j} }},
		{"an appointment that moved", func(j closure.Journal) closure.Journal { return releasesOnly{j} }},
		{"leaves a booked one", func(j closure.Journal) closure.Journal { return careless{j} }},
		{"one that was released", func(j closure.Journal) closure.Journal { return timeless{j} }},
		{"release removes", func(j closure.Journal) closure.Journal { return keepsAll{j} }},
		{"pending entries come", func(j closure.Journal) closure.Journal { return newestFirst{j} }},
	} {
		journal, t2 := broken.make(closuretest.NewJournal()), &recorder{TB: t}
		closuretest.TestJournal(t2, func() closure.Journal { return journal })
		if !strings.Contains(strings.Join(t2.errors, "\n"), broken.fact) {
			t.Errorf("%T: no error says %q: %q", journal, broken.fact, t2.errors)
		}
	}
}

// timeless doesn't remember when an appointment was released.
type timeless struct{ closure.Journal }

func (j timeless) FindAppointment(ctx context.Context, id closure.AppointmentID) (*closure.JournalEntry, error) {
	entry, err := j.Journal.FindAppointment(ctx, id)
	if entry != nil {
		entry.ReleasedAt = time.Time{}
	}
	return entry, err
}

// The likeliest mistake of a caller has one error, not one for each promise.
func TestTestJournalWantsOneJournal(t *testing.T) {
	t.Parallel()
	t2 := &recorder{TB: t}
	closuretest.TestJournal(t2, func() closure.Journal { return closuretest.NewJournal() })
	if len(t2.errors) != 1 || !strings.Contains(t2.errors[0], "open returns one and the same journal each time") {
		t.Errorf("%q", t2.errors)
	}
}

// A fault of a method that there isn't would never strike, and its test would pass for the
// wrong reason. So every call fails, and does nothing.
func TestJournalFaultThatCanNeverStrike(t *testing.T) {
	t.Parallel()
	ctx, attempt := t.Context(), closure.BookingAttempt{ID: "attempt_1"}
	for _, fault := range []closuretest.JournalFault{
		closuretest.JournalFailsBefore("Begin"), closuretest.JournalFailsAfter("Begin"), closuretest.JournalWaits("Begin", 1), {},
	} {
		j := closuretest.NewJournal()
		j.Inject(closuretest.JournalFailsBefore(closuretest.JournalFind), fault)
		_, begin := j.Begin(ctx, attempt)
		_, find := j.Find(ctx, attempt)
		_, findAppointment := j.FindAppointment(ctx, "appt_1")
		calls := []error{begin, find, findAppointment, j.Finish(ctx, closure.JournalEntry{}), j.Release(ctx, "appt_1")}
		for _, err := range j.Pending(ctx) {
			calls = append(calls, err)
		}
		for i, err := range calls {
			if err == nil || errors.Is(err, closuretest.ErrJournal) || !strings.Contains(err.Error(), "a journal has no method") {
				t.Errorf("call %d: %v", i, err)
			}
		}
		if len(calls) != 6 || len(j.Entries()) > 0 {
			t.Errorf("%d calls failed, the journal holds %v", len(calls), j.Entries())
		}
	}
}

// Each method has a name, and the fault of that name strikes it.
func TestJournalFaultsStrikeTheirMethods(t *testing.T) {
	t.Parallel()
	calls := map[closuretest.JournalMethod]func(context.Context, *closuretest.Journal) error{
		closuretest.JournalBegin: func(ctx context.Context, j *closuretest.Journal) error {
			_, err := j.Begin(ctx, closure.BookingAttempt{ID: "attempt_1"})
			return err
		},
		closuretest.JournalFind: func(ctx context.Context, j *closuretest.Journal) error {
			_, err := j.Find(ctx, closure.BookingAttempt{ID: "attempt_1"})
			return err
		},
		closuretest.JournalFindAppointment: func(ctx context.Context, j *closuretest.Journal) error {
			_, err := j.FindAppointment(ctx, "appt_1")
			return err
		},
		closuretest.JournalFinish: func(ctx context.Context, j *closuretest.Journal) error {
			return j.Finish(ctx, closure.JournalEntry{})
		},
		closuretest.JournalPending: func(ctx context.Context, j *closuretest.Journal) (last error) {
			for _, err := range j.Pending(ctx) {
				last = err
			}
			return last
		},
		closuretest.JournalRelease: func(ctx context.Context, j *closuretest.Journal) error {
			return j.Release(ctx, "appt_1")
		},
	}
	for method := range calls {
		j := closuretest.NewJournal()
		j.Inject(closuretest.JournalFailsBefore(method))
		for other, call := range calls {
			if err := call(t.Context(), j); errors.Is(err, closuretest.ErrJournal) != (other == method) {
				t.Errorf("a fault of %q, a call of %q: %v", method, other, err)
			}
		}
	}
}

// A wait of any length ends in the answer.
func TestJournalWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, wait := range []time.Duration{-time.Second, 0, time.Hour} {
			j, begin := closuretest.NewJournal(), time.Now()
			j.Inject(closuretest.JournalWaits(closuretest.JournalBegin, wait))
			there, err := j.Begin(t.Context(), closure.BookingAttempt{ID: "attempt_1"})
			if there != nil || err != nil || time.Since(begin) != max(wait, 0) || len(j.Entries()) != 1 {
				t.Errorf("%s: %v, %v after %s", wait, there, err, time.Since(begin))
			}
		}
	})
}

type recorder struct {
	testing.TB
	mu     sync.Mutex
	errors []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

type (
	forgetful    struct{ closure.Journal }
	lossy        struct{ closure.Journal }
	keyless      struct{ closure.Journal }
	anyAttempt   struct{ closure.Journal }
	releasesOnly struct{ closure.Journal }
	careless     struct{ closure.Journal }
	keepsAll     struct{ closure.Journal }
	newestFirst  struct{ closure.Journal }
)

func (forgetful) Begin(context.Context, closure.BookingAttempt) (*closure.JournalEntry, error) {
	return nil, nil
}

// It loses the duration.
func (j lossy) Begin(ctx context.Context, a closure.BookingAttempt) (*closure.JournalEntry, error) {
	a.Duration = 0
	return j.Journal.Begin(ctx, a)
}

func (j keyless) Begin(ctx context.Context, a closure.BookingAttempt) (*closure.JournalEntry, error) {
	a.IdempotencyKey = ""
	return j.Journal.Begin(ctx, a)
}

func (j anyAttempt) Finish(ctx context.Context, e closure.JournalEntry) error {
	if there, err := j.Find(ctx, e.Attempt); err == nil && there != nil {
		e.Attempt = there.Attempt
	}
	return j.Journal.Finish(ctx, e)
}

// It releases the appointment before it books it elsewhere, and so loses the key.
func (j releasesOnly) Finish(ctx context.Context, e closure.JournalEntry) error {
	if e.State == closure.JournalBooked {
		_ = j.Release(ctx, e.Appointment)
	}
	return j.Journal.Finish(ctx, e)
}

// It removes whatever is there.
func (j careless) Finish(ctx context.Context, e closure.JournalEntry) error {
	if there, err := j.Find(ctx, e.Attempt); e.State == closure.JournalNotBooked && err == nil && there != nil {
		e.Appointment = there.Appointment
	}
	return j.Journal.Finish(ctx, e)
}

func (keepsAll) Release(context.Context, closure.AppointmentID) error { return nil }

func (j newestFirst) Pending(ctx context.Context) iter.Seq2[closure.JournalEntry, error] {
	return func(yield func(closure.JournalEntry, error) bool) {
		var all []closure.JournalEntry
		for e := range j.Journal.Pending(ctx) {
			all = append([]closure.JournalEntry{e}, all...)
		}
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}
