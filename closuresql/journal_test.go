package closuresql_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuresql"
)

// A program that ignored Open's error has a nil journal: it gets an error, not a panic.
func TestAJournalThatNobodyOpened(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, j := range map[string]*closuresql.Journal{"nil": nil, "zero": {}} {
		for method, call := range methods(ctx, j) {
			if err := call(); err == nil || !strings.Contains(err.Error(), "make it with Open") {
				t.Errorf("%s, %s: %v", name, method, err)
			}
		}
	}
}

// methods are calls of all methods of the journal.
func methods(ctx context.Context, j *closuresql.Journal) map[string]func() error {
	return map[string]func() error{
		"Begin":           func() error { _, err := j.Begin(ctx, closure.BookingAttempt{ID: "a"}); return err },
		"Find":            func() error { _, err := j.Find(ctx, closure.BookingAttempt{}); return err },
		"FindAppointment": func() error { _, err := j.FindAppointment(ctx, "appt_1"); return err },
		"Finish": func() error {
			return j.Finish(ctx, closure.JournalEntry{State: closure.JournalBooked, Appointment: "appt_1"})
		},
		"Release": func() error { return j.Release(ctx, "appt_1") },
		"Purge":   func() error { _, err := j.Purge(ctx, time.Now()); return err },
		"Pending": func() (err error) {
			for _, err = range j.Pending(ctx) {
			}
			return err
		},
	}
}

func TestNilArguments(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	if err := closuresql.Migrate(ctx, closuresql.SQLite, nil, nil); err == nil || !strings.Contains(err.Error(), "db is nil") {
		t.Errorf("Migrate: %v", err)
	}
	_, err := closuresql.Open(ctx, closuresql.SQLite, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "db is nil") {
		t.Errorf("Open: %v", err)
	}
}

// A nil context would panic within database/sql, with its lock held: db.Close would hang.
func TestNilContext(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(&codeless{})
	journal, err := closuresql.Open(t.Context(), closuresql.SQLite, db)
	if err != nil {
		t.Fatal(err)
	}
	var none context.Context
	calls := methods(none, journal)
	calls["Open"] = func() error { _, err := closuresql.Open(none, closuresql.SQLite, db); return err }
	calls["Migrate"] = func() error { return closuresql.Migrate(none, closuresql.SQLite, db) }
	for name, call := range calls {
		if err := call(); err == nil || err.Error() != "closuresql: "+name+": ctx is nil" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestZeroEntryError(t *testing.T) {
	t.Parallel()
	const want = "closuresql: an entry can't be read"
	var err closuresql.EntryError
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprint(&err), err.LogValue().String()} {
		if text != want {
			t.Errorf("it prints %q", text)
		}
	}
}
