package databases

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuresql"
)

func newKeyset(t testing.TB, hash []byte, seals ...[]byte) closuresql.Option {
	t.Helper()
	k, err := closuresql.NewKeyset(hash, seals...)
	noError(t, err)
	return closuresql.WithKeyset(k)
}

// dump is all that the journal's tables hold, as bytes.
func dump(t testing.TB, d database) []byte {
	t.Helper()
	var all bytes.Buffer
	db := d.connect(t)
	for _, ending := range []string{"", "_keys", "_appointments", "_meta"} {
		rows, err := db.QueryContext(context.Background(), "SELECT * FROM "+d.table+ending)
		noError(t, err)
		columns, err := rows.Columns()
		noError(t, err)
		for rows.Next() {
			values := make([]sql.RawBytes, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			noError(t, rows.Scan(into...))
			for i, value := range values {
				fmt.Fprintf(&all, "%s%s: %s\n", columns[i], ending, value)
			}
		}
		noError(t, errors.Join(rows.Err(), rows.Close()))
	}
	return all.Bytes()
}

func TestWhatIsInClear(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		fill := func(opts ...closuresql.Option) (secrets []string) {
			j := d.open(t, opts...)
			booked, pending, move := attempt("order of Trisha"), attempt(""), attempt("")
			move.AppointmentID = anAppointment()
			id := books(t, j, booked)
			begins(t, j, pending)
			begins(t, j, move)
			noError(t, j.Release(context.Background(), anAppointment()))
			secrets = []string{booked.IdempotencyKey, "Trisha", string(id), string(move.AppointmentID)}
			for _, a := range []closure.BookingAttempt{booked, pending, move} {
				secrets = append(secrets, string(a.PatientID), string(a.ScheduleID), a.StartAt.Format("2006-01-02T15:04"))
			}
			return secrets
		}
		for _, secret := range fill(newKeyset(t, key(), key())) {
			if bytes.Contains(dump(t, d), []byte(secret)) {
				t.Errorf("with a keyset, a table shows %q in clear", secret)
			}
		}
		d.table = strings.Replace(d.table, "closure_journal", "in_clear", 1)
		shown := 0
		for _, secret := range fill(closuresql.WithTable("in_clear")) {
			if bytes.Contains(dump(t, d), []byte(secret)) {
				shown++
			}
		}
		if shown == 0 {
			t.Error("without a keyset, the dump shows nothing either: it looks at the wrong place")
		}
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		hash, first, second := key(), key(), key()
		before := d.open(t, newKeyset(t, hash, first))
		old, young := attempt("old"), attempt("young")
		books(t, before, old)
		after := d.open(t, newKeyset(t, hash, second, first))
		if entry := find(t, after, old); entry == nil || !entry.Attempt.StartAt.Equal(old.StartAt) {
			t.Error("an entry of the old key is not found with the new one in front")
		}
		books(t, after, young)
		_, err := before.Find(context.Background(), young)
		wantEntryError(t, err, closuresql.ErrWrongKey, young)
		withoutOld := d.open(t, newKeyset(t, hash, second))
		find(t, withoutOld, young)
		_, err = withoutOld.Find(context.Background(), old)
		wantEntryError(t, err, closuresql.ErrWrongKey, old)
		// What can't be read is in the way all the same: nothing is sent.
		there, err := withoutOld.Begin(context.Background(), old)
		if there != nil {
			t.Error("Begin returned an entry that it can't read")
		}
		wantEntryError(t, err, closuresql.ErrWrongKey, old)
	})
}

// wantEntryError wants one about the attempt that says nothing of it.
func wantEntryError(t testing.TB, err, cause error, a closure.BookingAttempt) {
	t.Helper()
	entryError, ok := errors.AsType[*closuresql.EntryError](err)
	if !ok || !errors.Is(err, cause) || entryError.AttemptID != a.ID {
		t.Errorf("error: %v, want %v of the entry", err, cause)
		return
	}
	for _, format := range []string{"%v", "%+v", "%#v"} {
		for _, of := range []any{err, *entryError} {
			text := fmt.Sprintf(format, of)
			for _, secret := range []string{a.ID, a.IdempotencyKey, string(a.PatientID), string(a.ScheduleID)} {
				if secret != "" && strings.Contains(text, secret) {
					t.Errorf("the error shows an id or the key under %s", format)
				}
			}
		}
	}
}

func TestAnotherKeysetIsRefused(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		d.open(t, newKeyset(t, key(), key()))
		for name, opts := range map[string][]closuresql.Option{
			"another hash key": {newKeyset(t, key(), key())},
			"none":             nil,
		} {
			_, err := closuresql.Open(context.Background(), d.dialect, d.connect(t), append(opts, d.options...)...)
			if !errors.Is(err, closuresql.ErrWrongKey) {
				t.Errorf("Open with %s: %v, want ErrWrongKey", name, err)
			}
		}
		clear := []closuresql.Option{closuresql.WithTable("in_clear")}
		d.open(t, clear...)
		opts := append([]closuresql.Option{newKeyset(t, key(), key())}, append(clear, d.options...)...)
		_, err := closuresql.Open(context.Background(), d.dialect, d.connect(t), opts...)
		if !errors.Is(err, closuresql.ErrWrongKey) {
			t.Errorf("Open of a table in clear with a keyset: %v, want ErrWrongKey", err)
		}
	})
}

// A row that isn't what was written is an error, and stops nothing else.
func TestDamagedRows(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		j := d.open(t, newKeyset(t, key(), key()))
		db := d.connect(t)
		one := func(set string, args ...any) closure.BookingAttempt {
			a := attempt("")
			begins(t, j, a)
			execute(t, db, "UPDATE "+d.table+" SET "+set+" WHERE id = '"+a.ID+"'", args...)
			return a
		}
		whole := attempt("")
		begins(t, j, whole)
		cut := "substr(attempt, 1, 20)"
		truncated := one("attempt = " + cut)
		empty := one("attempt = substr(attempt, 1, 0)")
		another := one("attempt = (SELECT attempt FROM " + d.table + " WHERE id = '" + whole.ID + "')")
		misplaced := attempt("of a slot that isn't its own")
		begins(t, j, misplaced)
		execute(t, db, "UPDATE "+d.table+" SET slot = attempt WHERE id = '"+misplaced.ID+"'")
		settled := one("state = 1") // nobody settled it: no appointment is there
		moved := attempt("")
		begins(t, j, moved)
		movedTo := moved
		movedTo.ID = attempt("").ID
		execute(t, db, "UPDATE "+d.table+" SET id = '"+movedTo.ID+"' WHERE id = '"+moved.ID+"'")

		for name, a := range map[string]closure.BookingAttempt{
			"cut short": truncated, "empty": empty, "another's": another,
			"without its appointment": settled, "moved to another id": movedTo,
			"moved to another slot": misplaced,
		} {
			t.Run(name, func(t *testing.T) {
				entry, err := j.Find(context.Background(), a)
				if entry != nil {
					t.Error("Find returned an entry")
				}
				wantEntryError(t, err, closuresql.ErrDamaged, a)
			})
		}
		last := attempt("")
		begins(t, j, last)
		pending, err := allPending(j)
		if len(pending) != 2 || pending[0].Attempt.ID != whole.ID || pending[1].Attempt.ID != last.ID {
			t.Errorf("%d entries are pending, want the two whole ones", len(pending))
		}
		if !errors.Is(err, closuresql.ErrDamaged) {
			t.Errorf("Pending: %v, want ErrDamaged at the end", err)
		}
	})
}

// A booked entry's appointment is bound to its row too.
func TestAppointmentOfAnotherRow(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		j := d.open(t, newKeyset(t, key(), key()))
		a, b := attempt(""), attempt("")
		books(t, j, a)
		books(t, j, b)
		execute(t, d.connect(t), "UPDATE "+d.table+" SET appointment = (SELECT appointment FROM "+
			d.table+" WHERE id = '"+b.ID+"') WHERE id = '"+a.ID+"'")
		_, err := j.Find(context.Background(), a)
		wantEntryError(t, err, closuresql.ErrDamaged, a)
	})
}

func allPending(j *closuresql.Journal) (pending []closure.JournalEntry, err error) {
	for entry, err := range j.Pending(context.Background()) {
		if err != nil {
			return pending, err
		}
		pending = append(pending, entry)
	}
	return pending, nil
}
