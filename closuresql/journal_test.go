package closuresql_test

import (
	"context"
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
		for method, call := range map[string]func() error{
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
		} {
			if err := call(); err == nil || !strings.Contains(err.Error(), "make it with Open") {
				t.Errorf("%s, %s: %v", name, method, err)
			}
		}
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
