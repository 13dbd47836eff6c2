package outside

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	closure "github.com/closurehealth/closure-go"
)

type record struct {
	closure.JournalEntry
	n    int
	keys []string
}

// memory is a Journal in memory. hook sees a method's nth call, and may take its place.
type memory struct {
	mu       sync.Mutex
	recs     map[string]*record
	released map[closure.AppointmentID]time.Time
	n        int
	hook     func(method string, n int, act func()) (err error, handled bool)
	calls    map[string]int
}

func newJournal() *memory {
	return &memory{recs: map[string]*record{}, released: map[closure.AppointmentID]time.Time{}, calls: map[string]int{}}
}

func (j *memory) do(ctx context.Context, m string, act func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.mu.Lock()
	j.calls[m]++
	n := j.calls[m]
	h := j.hook
	j.mu.Unlock()
	locked := func() { j.mu.Lock(); defer j.mu.Unlock(); act() }
	if h != nil {
		if err, ok := h(m, n, locked); ok {
			return err
		}
	}
	locked()
	return nil
}

func (j *memory) byKey(k string) *record {
	if k == "" {
		return nil
	}
	for _, r := range j.recs {
		if slices.Contains(r.keys, k) {
			return r
		}
	}
	return nil
}

func (j *memory) find(a closure.BookingAttempt) *closure.JournalEntry {
	if r := j.byKey(a.IdempotencyKey); r != nil {
		e := r.JournalEntry
		e.Attempt.IdempotencyKey = a.IdempotencyKey
		return &e
	}
	for _, r := range j.recs {
		if r.Attempt.PatientID == a.PatientID && r.Attempt.ScheduleID == a.ScheduleID && r.Attempt.StartAt.Equal(a.StartAt) {
			e := r.JournalEntry
			return &e
		}
	}
	return nil
}

func (j *memory) Begin(ctx context.Context, a closure.BookingAttempt) (e *closure.JournalEntry, err error) {
	err = j.do(ctx, "begin", func() {
		if e = j.find(a); e != nil {
			return
		}
		j.n++
		r := &record{closure.JournalEntry{Attempt: a}, j.n, nil}
		if a.IdempotencyKey != "" {
			r.keys = []string{a.IdempotencyKey}
		}
		j.recs[a.ID] = r
	})
	return
}

func (j *memory) Find(ctx context.Context, a closure.BookingAttempt) (e *closure.JournalEntry, err error) {
	err = j.do(ctx, "find", func() { e = j.find(a) })
	return
}

func (j *memory) FindAppointment(ctx context.Context, id closure.AppointmentID) (e *closure.JournalEntry, err error) {
	err = j.do(ctx, "findappt", func() {
		at, ok := j.released[id]
		if ok {
			e = &closure.JournalEntry{State: closure.JournalReleased, Appointment: id, ReleasedAt: at}
		}
		for _, r := range j.recs {
			if r.State == closure.JournalBooked && r.Appointment == id {
				x := r.JournalEntry
				x.ReleasedAt = at
				e = &x
			}
		}
	})
	return
}

func (j *memory) Finish(ctx context.Context, in closure.JournalEntry) error {
	return j.do(ctx, "finish", func() {
		r := j.recs[in.Attempt.ID]
		switch {
		case r == nil:
		case in.State == closure.JournalNotBooked:
			if r.Appointment == in.Appointment {
				delete(j.recs, in.Attempt.ID)
			}
		case in.State == closure.JournalBooked:
			if r.State == closure.JournalPending {
				r.State, r.Appointment = closure.JournalBooked, in.Appointment
				for id, o := range j.recs {
					if o != r && o.State == closure.JournalBooked && o.Appointment == in.Appointment {
						delete(j.recs, id)
						r.keys = append(r.keys, o.keys...)
					}
				}
			}
			if k := in.Attempt.IdempotencyKey; r.Appointment == in.Appointment && k != "" && j.byKey(k) == nil {
				r.keys = append(r.keys, k)
			}
		}
	})
}

func (j *memory) Pending(ctx context.Context) iter.Seq2[closure.JournalEntry, error] {
	return func(yield func(closure.JournalEntry, error) bool) {
		var out []*record
		if err := j.do(ctx, "pending", func() {
			for _, r := range j.recs {
				if r.State == closure.JournalPending {
					c := *r
					out = append(out, &c)
				}
			}
		}); err != nil {
			yield(closure.JournalEntry{}, err)
			return
		}
		sort.Slice(out, func(i, k int) bool { return out[i].n < out[k].n })
		for _, r := range out {
			if !yield(r.JournalEntry, nil) {
				return
			}
		}
	}
}

func (j *memory) Release(ctx context.Context, id closure.AppointmentID) error {
	return j.do(ctx, "release", func() {
		j.released[id] = time.Now()
		for k, r := range j.recs {
			if r.State == closure.JournalBooked && r.Appointment == id ||
				r.State == closure.JournalPending && r.Attempt.AppointmentID == id {
				delete(j.recs, k)
			}
		}
	})
}

func (j *memory) dump() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []*record
	for _, r := range j.recs {
		out = append(out, r)
	}
	sort.Slice(out, func(i, k int) bool { return out[i].n < out[k].n })
	var b strings.Builder
	for _, r := range out {
		st := map[closure.JournalState]string{0: "pending", 1: "booked"}[r.State]
		fmt.Fprintf(&b, "{%s %s appt=%s keys=%q move=%s} ",
			r.Attempt.StartAt.UTC().Format("15:04"), st, r.Appointment, r.keys, r.Attempt.AppointmentID)
	}
	return b.String()
}
