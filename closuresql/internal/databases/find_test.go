package databases

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/closurehealth/closure-go"
)

// A program that knows no more than its order asks what became of it, and books nothing.
func TestFindByTheKeyAlone(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		j := d.open(t)
		asked := closure.BookingAttempt{IdempotencyKey: "order 1"}
		is := func(want closure.JournalState, a closure.BookingAttempt, id closure.AppointmentID) {
			t.Helper()
			got := find(t, j, asked)
			if got == nil || got.State != want || got.Appointment != id || got.Attempt.ID != a.ID ||
				got.Attempt.PatientID != a.PatientID || got.Attempt.IdempotencyKey != "order 1" {
				t.Errorf("Find doesn't return the entry with state %d and its appointment", want)
			}
		}
		none := func(when string) {
			t.Helper()
			if find(t, j, asked) != nil {
				t.Errorf("Find returns an entry %s", when)
			}
		}
		books(t, j, attempt("another order"))
		begins(t, j, attempt(""))
		none("before there is one")

		a := attempt("order 1")
		begins(t, j, a)
		is(closure.JournalPending, a, "")
		id := anAppointment()
		noError(t, j.Finish(t.Context(), closure.JournalEntry{Attempt: a, State: closure.JournalBooked, Appointment: id}))
		is(closure.JournalBooked, a, id)
		noError(t, j.Release(t.Context(), id))
		none("after the appointment was cancelled")

		a = attempt("order 1")
		begins(t, j, a)
		noError(t, j.Finish(t.Context(), closure.JournalEntry{Attempt: a, State: closure.JournalNotBooked}))
		none("after a rejection")
	})
}

// What SQLite writes beside the file gets the file's permissions, as the README says.
func TestPermissionsOfSQLitesFiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "journal.db")
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	noError(t, err)
	noError(t, f.Close())
	d := sqliteDatabase(t)
	db := connect(t, "sqlite", "file:"+file+sqliteDSN)
	d.connect = func(testing.TB) *sql.DB { return db }
	books(t, d.open(t), attempt("order 1"))
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		info, err := os.Stat(name)
		noError(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the permissions %v", filepath.Base(name), info.Mode().Perm())
		}
	}
}
