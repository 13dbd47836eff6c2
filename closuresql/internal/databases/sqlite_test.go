package databases

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/closurehealth/closure-go/closuresql"
)

// sqliteDSN is the one that the documents name, with a longer wait: hundreds of writers wait for
// the lock at once, and the disk may be busy.
const sqliteDSN = "?_pragma=journal_mode(wal)&_pragma=busy_timeout(60000)&_pragma=synchronous(full)"

// A database is one that tests share; connect opens another connection to it.
type database struct {
	dialect closuresql.Dialect
	dsn     string
	options []closuresql.Option // of every journal in it
	table   string              // the entries', in a statement
	connect func(testing.TB) *sql.DB
}

func sqliteDatabase(t testing.TB) database {
	t.Helper()
	dsn := "file:" + filepath.Join(t.TempDir(), "journal.db") + sqliteDSN
	return database{
		dialect: closuresql.SQLite,
		dsn:     dsn,
		table:   "closure_journal",
		connect: func(t testing.TB) *sql.DB { t.Helper(); return connect(t, "sqlite", dsn) },
	}
}

func connect(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	noError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// open migrates, and opens the journal on a connection of its own.
func (d database) open(t testing.TB, opts ...closuresql.Option) *closuresql.Journal {
	t.Helper()
	db := d.connect(t)
	opts = slices.Concat(d.options, opts)
	noError(t, closuresql.Migrate(context.Background(), d.dialect, db, opts...))
	journal, err := closuresql.Open(context.Background(), d.dialect, db, opts...)
	noError(t, err)
	return journal
}
