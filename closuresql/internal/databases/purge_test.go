package databases

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuresql"
)

func count(t testing.TB, db *sql.DB, from string) (n int) {
	t.Helper()
	noError(t, db.QueryRowContext(context.Background(), "SELECT count(*) FROM "+from).Scan(&n))
	return n
}

func TestPurge(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		for name, opts := range map[string][]closuresql.Option{
			"in_clear": nil,
			"sealed":   {newKeyset(t, key(), key())},
		} {
			t.Run(name, func(t *testing.T) {
				d := d
				d.table += "_" + name
				purge(t, d, append(opts, closuresql.WithTable("closure_journal_"+name)))
			})
		}
	})
}

func purge(t *testing.T, d database, opts []closuresql.Option) {
	t.Helper()
	j := d.open(t, opts...)
	now := time.Now()
	written := now.Add(-48 * time.Hour)
	at := func(start time.Time, key string) closure.BookingAttempt {
		a := attempt(key)
		a.StartAt, a.AttemptedAt = start, written
		return a
	}
	past, coming, pending := at(now.Add(-time.Hour), "past"), at(now.Add(time.Hour), "coming"), at(now.Add(-time.Hour), "")
	id := books(t, j, past)
	books(t, j, coming)
	begins(t, j, pending)
	many(620, func(i int) { // two pages
		if i%2 == 0 {
			books(t, j, at(now.Add(-time.Minute), ""))
		} else {
			books(t, j, at(now.Add(time.Minute), ""))
		}
	})
	removed, err := j.Purge(context.Background(), now)
	noError(t, err)
	if removed != 311 {
		t.Errorf("Purge removed %d entries, want 311", removed)
	}
	if find(t, j, past) != nil || find(t, j, coming) == nil || find(t, j, pending) == nil {
		t.Error("Purge took the wrong entries")
	}
	if there, err := j.FindAppointment(context.Background(), id); there != nil || err != nil {
		t.Errorf("the appointment of a purged entry is known still: %v", err)
	}
	begins(t, j, at(now.Add(2*time.Hour), "past"))
	if removed, err := j.Purge(context.Background(), now); removed != 0 || err != nil {
		t.Errorf("a second Purge removed %d: %v", removed, err)
	}
	wantWhole(t, d)
}

// A read can lag behind a cancellation that was just now.
func TestPurgeRemembersWhatWasJustReleased(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		j, db := d.open(t), d.connect(t)
		young, old := anAppointment(), anAppointment()
		noError(t, j.Release(context.Background(), old))
		yesterday := time.Now().Add(-25 * time.Hour).UnixMicro()
		execute(t, db, "UPDATE "+d.table+"_appointments SET released = "+sqlNumber(yesterday))
		noError(t, j.Release(context.Background(), young))
		_, err := j.Purge(context.Background(), time.Now().Add(time.Hour))
		noError(t, err)
		for id, want := range map[closure.AppointmentID]bool{young: true, old: false} {
			there, err := j.FindAppointment(context.Background(), id)
			noError(t, err)
			if got := there != nil && there.State == closure.JournalReleased; got != want {
				t.Errorf("remembered: %t, want %t", got, want)
			}
		}
	})
}

// Pending holds nothing while it yields: with one connection in all, what is
// yielded can be settled at once.
func TestPendingHoldsNothing(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		d.open(t)
		db := d.connect(t)
		db.SetMaxOpenConns(1)
		j, err := closuresql.Open(context.Background(), d.dialect, db, d.options...)
		noError(t, err)
		const entries = 620 // two pages
		want := map[string]bool{}
		same := time.Now()
		attempts := make([]closure.BookingAttempt, entries)
		for i := range attempts {
			attempts[i] = attempt("")
			attempts[i].AttemptedAt = same // the page's end is inside of one moment
			want[attempts[i].ID] = true
		}
		more := d.open(t)
		many(entries, func(i int) { begins(t, more, attempts[i]) })
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		seen := 0
		for entry, err := range j.Pending(ctx) {
			noError(t, err)
			if !want[entry.Attempt.ID] {
				t.Fatal("an entry comes twice, or is another's")
			}
			delete(want, entry.Attempt.ID)
			seen++
			entry.State = closure.JournalNotBooked
			if seen%20 == 0 {
				noError(t, j.Finish(ctx, entry))
			}
		}
		if seen != entries {
			t.Errorf("%d entries, want %d", seen, entries)
		}
		if pending, err := allPending(j); len(pending) != entries*19/20 || err != nil {
			t.Errorf("%d are pending: %v", len(pending), err)
		}
	})
}
