package databases

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/closurehealth/closure-go/closuresql"
)

// A cannotOpen is a database that can't be opened, and what the error says about that.
type cannotOpen struct {
	name    string
	dialect closuresql.Dialect
	driver  string
	dsn     string
	says    string
	is      func(error) bool // whether the driver's error is still there
}

// What the error of a database that can't be opened must not show.
var ofTheDSN = []string{"trisha", "hunter2", "clinic", "127.0.0.1", "nohost", os.TempDir(), "postgres:", "\n"}

// saysOnce demands a text that says it once, and shows nothing of the DSN.
func (c cannotOpen) saysOnce(t *testing.T, op string, err error) {
	t.Helper()
	if want := "closuresql: " + op + ": " + c.says; fmt.Sprint(err) != want {
		t.Errorf("%s:\n got %v\nwant %s", op, err, want)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%t", "%q"} {
		text := fmt.Sprintf(verb, err)
		for _, part := range ofTheDSN {
			if strings.Contains(text, part) {
				t.Errorf("%s: %s shows %q: %s", op, verb, part, text)
			}
		}
	}
	if c.is != nil && !c.is(err) {
		t.Errorf("%s: the driver's error is lost: %v", op, err)
	}
}

func (c cannotOpen) test(t *testing.T) {
	t.Parallel()
	db := connect(t, c.driver, c.dsn)
	_, err := closuresql.Open(t.Context(), c.dialect, db)
	c.saysOnce(t, "open", err)
	c.saysOnce(t, "migrate", closuresql.Migrate(t.Context(), c.dialect, db))
}

func isSQLite(code int) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*sqlite.Error](err)
		return ok && e.Code() == code
	}
}

func isPostgreSQL(code string) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*pgconn.PgError](err)
		return ok && e.Code == code
	}
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func TestWhyADatabaseCannotBeOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	noError(t, os.WriteFile(text, []byte(strings.Repeat("Trisha Pandit, 1994-12-22\n", 50)), 0o600))
	const cannotOpenFile = "the database can't be opened: its file can't: is it a file, does its directory exist, " +
		"and may this process write there? (SQLite's code 14)"
	for _, c := range []cannotOpen{
		{
			"no directory", closuresql.SQLite, "sqlite", "file:" + filepath.Join(dir, "trisha", "journal.db") + sqliteDSN,
			cannotOpenFile, isSQLite(14),
		},
		{"a directory", closuresql.SQLite, "sqlite", "file:" + dir + sqliteDSN, cannotOpenFile, isSQLite(14)},
		{
			"no database", closuresql.SQLite, "sqlite", "file:" + text + sqliteDSN,
			"the database can't be opened: the file is not a SQLite database (SQLite's code 26)", isSQLite(26),
		},
		{
			"nobody listens", closuresql.PostgreSQL, "pgx", "postgres://trisha:hunter2@127.0.0.1:1/clinic",
			"the database can't be opened: connection refused", is(syscall.ECONNREFUSED),
		},
		{
			"no socket", closuresql.PostgreSQL, "pgx", "host=/nohost user=trisha password=hunter2 dbname=clinic",
			"the database can't be opened: no such file or directory", is(syscall.ENOENT),
		},
		{
			"no host", closuresql.PostgreSQL, "pgx", "postgres://trisha:hunter2@nohost.invalid/clinic",
			"the database can't be opened: its host name can't be resolved", nil,
		},
		{
			"a DSN that is none", closuresql.PostgreSQL, "pgx", "postgres://trisha:hunter2@127.0.0.1:clinic",
			"the database can't be opened: the driver's error says why, which errors.Unwrap returns: it may show the DSN", nil,
		},
	} {
		t.Run(c.name, c.test)
	}
}

func TestWhyPostgreSQLCannotBeOpened(t *testing.T) {
	t.Parallel()
	dsn := postgresDSN(t)
	for _, c := range []cannotOpen{
		{
			"no database", closuresql.PostgreSQL, "pgx", withParameter(dsn, "dbname=trisha_clinic"),
			"the database can't be opened: the server has no database of that name (SQLSTATE 3D000)", isPostgreSQL("3D000"),
		},
		{
			"no user", closuresql.PostgreSQL, "pgx", withParameter(dsn, "user=trisha"),
			"the database can't be opened: the server refuses the user or the password (SQLSTATE 28000)", isPostgreSQL("28000"),
		},
	} {
		t.Run(c.name, c.test)
	}
}

func TestOpenEndsWithTheContext(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		late, cancel := context.WithDeadline(t.Context(), time.Now())
		defer cancel()
		for ctx, c := range map[context.Context]cannotOpen{
			cancelled: {says: "the database can't be opened: the context was cancelled", is: is(context.Canceled)},
			late:      {says: "the database can't be opened: no answer came in time", is: is(context.DeadlineExceeded)},
		} {
			_, err := closuresql.Open(ctx, d.dialect, d.connect(t), d.options...)
			c.saysOnce(t, "open", err)
			c.saysOnce(t, "migrate", closuresql.Migrate(ctx, d.dialect, d.connect(t), d.options...))
		}
	})
}

// A server that takes the connection and says nothing.
func TestOpenOfAServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	dsn := "postgres://trisha:hunter2@" + listener.Addr().String() + "/clinic?connect_timeout=1&sslmode=disable"
	c := cannotOpen{says: "the database can't be opened: no answer came in time", is: is(context.DeadlineExceeded)}
	_, err = closuresql.Open(t.Context(), closuresql.PostgreSQL, connect(t, "pgx", dsn))
	c.saysOnce(t, "open", err)
}

// A role that may not read the tables must not be told to make them.
func TestTablesThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	d := postgresDatabase(t)
	d.open(t)
	db := d.connect(t)
	db.SetMaxOpenConns(1)
	execute(t, db, "CREATE ROLE "+strings.TrimSuffix(d.table, ".closure_journal"))
	t.Cleanup(func() { execute(t, d.connect(t), "DROP ROLE "+strings.TrimSuffix(d.table, ".closure_journal")) })
	execute(t, db, "SET ROLE "+strings.TrimSuffix(d.table, ".closure_journal"))
	_, err := closuresql.Open(t.Context(), d.dialect, db, d.options...)
	c := cannotOpen{says: "the tables can't be read: the role lacks a permission (SQLSTATE 42501)", is: isPostgreSQL("42501")}
	c.saysOnce(t, "open", err)
	if errors.Is(err, closuresql.ErrNotMigrated) {
		t.Error("it is ErrNotMigrated, although the tables are there")
	}
}

func TestTextsOfOpen(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		db := d.connect(t)
		_, err := closuresql.Open(t.Context(), d.dialect, db, d.options...)
		missing := cannotOpen{
			says: "the tables are not there or of another version: call Migrate, or apply Schema",
			is:   is(closuresql.ErrNotMigrated),
		}
		missing.saysOnce(t, "open", err)

		d.open(t)
		keyset, err := closuresql.NewKeyset([]byte(strings.Repeat("h", 32)), []byte(strings.Repeat("s", 32)))
		noError(t, err)
		wrong := func(says string, opts ...closuresql.Option) {
			t.Helper()
			_, err := closuresql.Open(t.Context(), d.dialect, db, append(opts, d.options...)...)
			cannotOpen{says: says, is: is(closuresql.ErrWrongKey)}.saysOnce(t, "open", err)
		}
		wrong("the tables are in clear: open them without WithKeyset, or begin new ones by WithTable",
			closuresql.WithKeyset(keyset))

		sealed := closuresql.WithTable("sealed")
		d.open(t, sealed, newKeyset(t, key(), key()))
		wrong("a keyset sealed the tables: give it by WithKeyset", sealed)
		wrong("a keyset with another hash key sealed the tables: give that one", sealed, closuresql.WithKeyset(keyset))
	})
}

// What SQLite's code 1 and 8, and PostgreSQL's like, can mean.
func TestWhyAStatementFails(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		j := d.open(t)
		db := d.connect(t)
		execute(t, db, "ALTER TABLE "+d.table+" RENAME COLUMN attempt TO sealed")
		column, state := "42703", "42P01"
		says := func(state string) cannotOpen {
			if d.dialect == closuresql.SQLite {
				return cannotOpen{says: "the statement can't be run: is a table or a column missing? (SQLite's code 1)", is: isSQLite(1)}
			}
			return cannotOpen{says: "a table or a column is missing (SQLSTATE " + state + ")", is: isPostgreSQL(state)}
		}
		_, err := j.Find(t.Context(), attempt(""))
		says(column).saysOnce(t, "find", err)
		execute(t, db, "DROP TABLE "+d.table)
		_, err = j.Find(t.Context(), attempt(""))
		says(state).saysOnce(t, "find", err)
	})
}

func TestSQLiteThatCanOnlyBeRead(t *testing.T) {
	t.Parallel()
	d := sqliteDatabase(t)
	d.open(t)
	db := connect(t, "sqlite", d.dsn+"&mode=ro")
	const why = "the database can only be read: is mode=ro or query_only in its DSN, or may this process not write its file? (SQLite's code 8)"
	_, err := closuresql.Open(t.Context(), d.dialect, db)
	cannotOpen{says: "the tables can't be written: " + why, is: isSQLite(8)}.saysOnce(t, "open", err)
	err = closuresql.Migrate(t.Context(), d.dialect, db, closuresql.WithTable("other"))
	cannotOpen{says: "the tables can't be made: " + why, is: isSQLite(8)}.saysOnce(t, "migrate", err)
}
