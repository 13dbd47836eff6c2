package databases

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go/closuresql"
)

func TestOpenCreatesNothing(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		for range 2 {
			_, err := closuresql.Open(context.Background(), d.dialect, d.connect(t), d.options...)
			if !errors.Is(err, closuresql.ErrNotMigrated) {
				t.Fatalf("Open without tables: %v", err)
			}
		}
	})
}

func TestManyMigrateAtOnce(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		var group sync.WaitGroup
		for range 10 {
			db := d.connect(t)
			group.Go(func() {
				for range 2 {
					if err := closuresql.Migrate(context.Background(), d.dialect, db, d.options...); err != nil {
						t.Errorf("Migrate: %v", err)
					}
				}
				if _, err := closuresql.Open(context.Background(), d.dialect, db, d.options...); err != nil {
					t.Errorf("Open: %v", err)
				}
			})
		}
		group.Wait()
	})
}

// lockedFile is a new SQLite file that a connection has locked.
func lockedFile(t *testing.T) (dsn string, unlock func()) {
	t.Helper()
	dsn = "file:" + filepath.Join(t.TempDir(), "journal.db")
	holder, err := connect(t, "sqlite", dsn).Conn(t.Context())
	noError(t, err)
	_, err = holder.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
	noError(t, err)
	return dsn, func() { _, _ = holder.ExecContext(context.Background(), "ROLLBACK") }
}

// SQLite refuses a connection that is to switch a new file to WAL while another one has it locked.
func TestMigrateConnectsAgain(t *testing.T) {
	t.Parallel()
	file, unlock := lockedFile(t)
	time.AfterFunc(200*time.Millisecond, unlock)
	db := connect(t, "sqlite", file+"?_pragma=busy_timeout(1)&_pragma=journal_mode(wal)")
	noError(t, closuresql.Migrate(t.Context(), closuresql.SQLite, db))
}

// While another connection keeps the file locked, each try to connect waits for the whole busy
// timeout, and there are few of them.
func TestMigrateDoesNotWaitForALockForLong(t *testing.T) {
	t.Parallel()
	file, _ := lockedFile(t)
	db := connect(t, "sqlite", file+"?_pragma=busy_timeout(1500)&_pragma=journal_mode(wal)")
	begun := time.Now()
	err := closuresql.Migrate(t.Context(), closuresql.SQLite, db)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if err == nil || !strings.Contains(err.Error(), "another connection has it locked") {
		t.Errorf("%v", err)
	}
}

func TestSchemaIsWhatMigrateMakes(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		text, err := closuresql.Schema(d.dialect, d.options...)
		noError(t, err)
		db := d.connect(t)
		for statement := range strings.SplitSeq(text, ";\n") {
			if strings.TrimSpace(statement) != "" {
				execute(t, db, statement)
			}
		}
		_, err = closuresql.Open(context.Background(), d.dialect, db, d.options...)
		noError(t, err)
		noError(t, closuresql.Migrate(context.Background(), d.dialect, db, d.options...))
	})
}

func TestTablesOfAnotherVersion(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		d.open(t)
		db := d.connect(t)
		execute(t, db, "UPDATE "+d.table+"_meta SET value = '1000' WHERE name = 'version'")
		_, err := closuresql.Open(context.Background(), d.dialect, db, d.options...)
		if !errors.Is(err, closuresql.ErrNotMigrated) {
			t.Errorf("Open: %v", err)
		}
		err = closuresql.Migrate(context.Background(), d.dialect, db, d.options...)
		if !errors.Is(err, closuresql.ErrNotMigrated) {
			t.Errorf("Migrate: %v", err)
		}
	})
}

func TestTheOtherDialectMakesNoTables(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		other, db := closuresql.PostgreSQL, d.connect(t)
		if d.dialect == other {
			other = closuresql.SQLite
		}
		if err := closuresql.Migrate(t.Context(), other, db); err == nil || !strings.Contains(err.Error(), other.String()) {
			t.Errorf("Migrate: %v", err)
		}
		_, err := closuresql.Open(t.Context(), d.dialect, db, d.options...)
		if !errors.Is(err, closuresql.ErrNotMigrated) {
			t.Errorf("Open finds tables: %v", err)
		}
	})
}

// Its driver understands enough of the other's statements to do harm later.
func TestOpenRefusesTheOtherDialect(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		d.open(t)
		other := closuresql.PostgreSQL
		if d.dialect == other {
			other = closuresql.SQLite
		}
		c := cannotOpen{says: "the database doesn't answer as " + other.String() + " does: is the dialect that of its driver?"}
		_, err := closuresql.Open(t.Context(), other, d.connect(t))
		c.saysOnce(t, "open", err)
		c.saysOnce(t, "migrate", closuresql.Migrate(t.Context(), other, d.connect(t)))
	})
}

func TestJournalsWithDifferentNamesShareNothing(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		one, two := d.open(t), d.open(t, closuresql.WithTable("other"))
		a := attempt("order 1")
		begins(t, one, a)
		begins(t, two, a)
	})
}

// A setting that loses what was written must not pass unseen.
func TestUnsafeSettings(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, d database, driver, dsn, word string) {
		t.Helper()
		_, err := closuresql.Open(context.Background(), d.dialect, connect(t, driver, dsn), d.options...)
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("Open: %v, want an error about %s", err, word)
		}
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		d := sqliteDatabase(t)
		d.open(t)
		file, _, _ := strings.Cut(d.dsn, "?")
		refused(t, d, "sqlite", file, "busy_timeout")
		refused(t, d, "sqlite", file+"?_pragma=busy_timeout(1000)&_pragma=synchronous(normal)", "synchronous")
		another := "file:" + filepath.Join(t.TempDir(), "journal.db") // in WAL, it couldn't be changed to off
		refused(t, d, "sqlite", another+"?_pragma=busy_timeout(1000)&_pragma=journal_mode(off)", "journal_mode")
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		d := postgresDatabase(t)
		d.open(t)
		refused(t, d, "pgx", withParameter(d.dsn, "synchronous_commit=off"), "synchronous_commit")
	})
}

// Each connection or process would have such a database to itself, and book the same key again.
func TestSQLiteWithoutAFile(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"no name":              "file:",
		"in memory":            ":memory:",
		"in memory by a mode":  "file:clinic?mode=memory&cache=shared",
		"in memory, by a name": "file:/clinic?vfs=memdb",
		"in memory, shared":    "file::memory:?cache=shared",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := strings.TrimPrefix(sqliteDSN, "?")
			dsn := file + "?" + settings
			if strings.Contains(file, "?") {
				dsn = file + "&" + settings
			}
			db := connect(t, "sqlite", dsn)
			db.SetMaxOpenConns(1) // so that what Migrate makes would be found
			c := cannotOpen{says: "SQLite's main database has no file, so that no other process has the same: " +
				"name a file in the DSN, as in file:journal.db"}
			c.saysOnce(t, "migrate", closuresql.Migrate(t.Context(), closuresql.SQLite, db))
			if n := count(t, db, "sqlite_schema"); n > 0 {
				t.Errorf("Migrate made %d tables and indexes", n)
			}
			_, err := closuresql.Open(t.Context(), closuresql.SQLite, db)
			c.saysOnce(t, "open", err)
		})
	}
}

// Its DSN is empty, so that it has no settings either.
func TestSQLiteWithoutADSN(t *testing.T) {
	t.Parallel()
	err := closuresql.Migrate(t.Context(), closuresql.SQLite, connect(t, "sqlite", ""))
	if err == nil || !strings.Contains(err.Error(), "has no file") {
		t.Errorf("Migrate: %v", err)
	}
}
