package closuresql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuresql"
)

// A codeless is a driver of SQLite whose errors have no codes, as mattn's. It answers with
// the error if it is asked for the tables.
type codeless struct {
	err, versionErr error
	keyset          string
}

func (c *codeless) Connect(context.Context) (driver.Conn, error) { return c, nil }
func (c *codeless) Driver() driver.Driver                        { return nil }
func (c *codeless) Prepare(string) (driver.Stmt, error)          { return nil, errors.ErrUnsupported }
func (c *codeless) Close() error                                 { return nil }
func (c *codeless) Begin() (driver.Tx, error)                    { return c, c.err }
func (c *codeless) Commit() error                                { return nil }
func (c *codeless) Rollback() error                              { return nil }

func (c *codeless) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	value := "2" // of any setting, so that nothing is lost
	switch {
	case strings.Contains(query, "sqlite_version"):
		return &row{value: value}, c.versionErr
	case strings.Contains(query, "closure_journal") && c.err != nil:
		return nil, c.err
	case strings.Contains(query, "'version'"):
		value = "1"
	case strings.Contains(query, "'keyset'"):
		value = c.keyset
	}
	return &row{value: value}, nil
}

// ExecContext keeps the hash of the keyset, which nothing else writes.
func (c *codeless) ExecContext(_ context.Context, _ string, args []driver.NamedValue) (driver.Result, error) {
	c.keyset, _ = args[0].Value.(string)
	return driver.RowsAffected(1), nil
}

type row struct {
	value string
	read  bool
}

func (*row) Columns() []string { return []string{"value"} }
func (*row) Close() error      { return nil }

func (r *row) Next(values []driver.Value) error {
	if r.read {
		return io.EOF
	}
	r.read, values[0] = true, r.value
	return nil
}

// Where a driver shows what belongs to nobody else, the journal's errors say what it means, and
// wrap it.
func TestMethodsDontShowTheDriversText(t *testing.T) {
	t.Parallel()
	for cause, want := range map[error]string{
		errors.New("dial 10.1.2.3 as visits_rw"): "the driver's error says why, which errors.Unwrap returns: it may show the DSN",
		io.ErrUnexpectedEOF:                      "the connection was lost",
	} {
		conn := &codeless{}
		journal, err := closuresql.Open(t.Context(), closuresql.SQLite, sql.OpenDB(conn))
		if err != nil {
			t.Fatal(err)
		}
		conn.err = cause
		attempt := closure.BookingAttempt{ID: "a", ScheduleID: "sch_1", PatientID: "pat_1", StartAt: time.Unix(0, 0)}
		begun := func() error { _, err := journal.Begin(t.Context(), attempt); return err }
		found := func() error { _, err := journal.Find(t.Context(), attempt); return err }
		of := func() error { _, err := journal.FindAppointment(t.Context(), "appt_1"); return err }
		finished := func() error {
			return journal.Finish(t.Context(), closure.JournalEntry{Attempt: attempt, State: closure.JournalBooked, Appointment: "appt_1"})
		}
		purged := func() error { _, err := journal.Purge(t.Context(), time.Unix(1, 0)); return err }
		pending := func() (err error) {
			for _, err = range journal.Pending(t.Context()) {
			}
			return err
		}
		for op, call := range map[string]func() error{
			"begin": begun, "find": found, "find appointment": of, "finish": finished,
			"release": func() error { return journal.Release(t.Context(), "appt_1") },
			"purge":   purged, "pending": pending,
		} {
			err := call()
			if !errors.Is(err, cause) || err.Error() != "closuresql: "+op+": "+want {
				t.Errorf("%s: %v, want %s", op, err, want)
			}
		}
	}
}

func TestClosedDatabaseIsNamed(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(&codeless{})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := closuresql.Open(t.Context(), closuresql.SQLite, db)
	if err == nil || err.Error() != "closuresql: open: the database can't be opened: the sql.DB is closed" {
		t.Error(err)
	}
}

// The dialect is doubted only if the database answered.
func TestConnectionLostBeforeTheVersionIsRead(t *testing.T) {
	t.Parallel()
	for cause, want := range map[error]string{
		io.ErrUnexpectedEOF:            "the database can't be opened: the connection was lost",
		errors.New("no such function"): "is the dialect that of its driver?",
	} {
		_, err := closuresql.Open(t.Context(), closuresql.SQLite, sql.OpenDB(&codeless{versionErr: cause}))
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestTablesAreMissingOnlyIfTheDriverSaysSo(t *testing.T) {
	t.Parallel()
	for text, missing := range map[string]bool{
		"no such table: closure_journal_meta": true,
		"database is locked":                  false,
	} {
		_, err := closuresql.Open(t.Context(), closuresql.SQLite, sql.OpenDB(&codeless{err: errors.New(text)}))
		if errors.Is(err, closuresql.ErrNotMigrated) != missing {
			t.Errorf("%s: %v", text, err)
		}
	}
}
