package closuresql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrNotMigrated says that the tables aren't there, or are another version's.
var ErrNotMigrated = errors.New(
	"closuresql: the tables are not there or of another version: call Migrate, or apply Schema")

// migrations make the tables, from each version to the next. In them {} stands for
// the table's name, {_keys} for the one with that ending, {bytes} for the type of
// bytes; an index has the table's name in its own.
var migrations = []string{`
CREATE TABLE {} (
	id TEXT NOT NULL PRIMARY KEY, -- of the attempt; random
	slot {bytes} NOT NULL UNIQUE, -- hash of patient, schedule and start
	state SMALLINT NOT NULL, -- 0: pending; 1: booked
	begun BIGINT NOT NULL, -- in microseconds since 1970
	attempt {bytes} NOT NULL, -- sealed
	appointment {bytes}, -- sealed; of a booked one
	moves {bytes} -- hash of the appointment that the attempt moves
);
CREATE INDEX "{index}_state" ON {} (state, begun, id);
CREATE INDEX "{index}_moves" ON {} (moves) WHERE moves IS NOT NULL;

CREATE TABLE {_keys} (
	hash {bytes} NOT NULL PRIMARY KEY, -- of the idempotency key
	entry TEXT NOT NULL -- id of the attempt
);
CREATE INDEX "{index}_entry" ON {_keys} (entry);

CREATE TABLE {_appointments} (
	hash {bytes} NOT NULL PRIMARY KEY, -- of the appointment's id
	entry TEXT, -- id of the attempt that booked or moved it
	released BIGINT -- when it was cancelled, in microseconds since 1970
);
CREATE INDEX "{index}_released" ON {_appointments} (released) WHERE released IS NOT NULL;
`}

const metaTable = `CREATE TABLE IF NOT EXISTS {_meta} (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)`

// fill puts the names and types of the database into a statement.
func (c *config) fill(statement string) string {
	bytesType := "BLOB"
	if c.dialect == PostgreSQL {
		bytesType = "BYTEA"
	}
	return strings.NewReplacer(
		"{}", c.name(""),
		"{_keys}", c.name("_keys"),
		"{_appointments}", c.name("_appointments"),
		"{_meta}", c.name("_meta"),
		"{index}", c.table, // an index is in its table's schema
		"{bytes}", bytesType,
	).Replace(statement)
}

// Schema returns what makes the tables of this version in an empty database, for
// your own migration tool. The options are those that [Open] gets.
func Schema(dialect Dialect, opts ...Option) (string, error) {
	c, err := newConfig(dialect, opts)
	if err != nil {
		return "", err
	}
	version := strconv.Itoa(len(migrations))
	return c.fill(metaTable+";\n"+strings.Join(migrations, "")) +
		c.fill(`
INSERT INTO {_meta} (name, value) VALUES ('version', '`+version+`');
`), nil
}

// Migrate makes the tables, or brings them to this version; where they are, it
// changes nothing. Many processes can call it at once, each as often as it likes.
// The options are those that [Open] gets. In PostgreSQL the role must be allowed to
// create tables, unless they are there; Open needs only to read and write them. As Open
// does, it refuses SQLite without a file, as in memory.
func Migrate(ctx context.Context, dialect Dialect, db *sql.DB, opts ...Option) error {
	c, err := newConfig(dialect, opts)
	if err != nil {
		return err
	}
	if err := checkContext(ctx, "Migrate"); err != nil {
		return err
	}
	if db == nil {
		return errors.New("closuresql: Migrate: db is nil")
	}
	if err := c.connect(ctx, db); err != nil {
		return failed("migrate", err)
	}
	if version, err := c.version(ctx, db); err == nil && version == len(migrations) {
		return nil // so that a role which may not create tables can call it, too
	}
	m := &migration{config: c, db: db}
	// Of many who create one table at once, all but one may fail: what they then find
	// is there.
	mayPass := func(err error) bool { return !errors.Is(err, ErrNotMigrated) }
	err = retried(ctx, func() error { return m.run(ctx) }, mayPass)
	if err == nil {
		return nil
	}
	if mayPass(err) {
		err = c.because("the tables can't be made", err)
	}
	return failed("migrate", err)
}

// connect finds a database that can't be opened, and the tables of one dialect going into
// the other's database: SQLite takes PostgreSQL's statements, and keeps the wrong types.
func (c *config) connect(ctx context.Context, db *sql.DB) error {
	if err := ping(ctx, db); err != nil {
		return c.because("the database can't be opened", err)
	}
	query := `SELECT sqlite_version()`
	if c.dialect == PostgreSQL {
		query = `SHOW server_version`
	}
	var version string
	err := db.QueryRowContext(ctx, query).Scan(&version)
	switch {
	case err == nil:
		return c.checkFile(ctx, db)
	case ctx.Err() != nil || lost(err):
		return c.because("the database can't be opened", err)
	default:
		return &failure{"the database doesn't answer as " + c.dialect.String() + " does: is the dialect that of its driver?", err}
	}
}

// ping opens a connection. If the DSN has several connections switch a new file to WAL at once,
// SQLite refuses all but one immediately, whatever its busy_timeout is: then it pings again. A ping
// that did wait for its busy_timeout is not made eight times.
func ping(ctx context.Context, db *sql.DB) error {
	begun := time.Now()
	mayPass := func(err error) bool { return locked(err) && time.Since(begun) < 2*time.Second }
	return retried(ctx, func() error { return db.PingContext(ctx) }, mayPass)
}

// retried calls try until there is no error, or one that will not pass. It tries eight times at
// most, and pauses for 1.3 s in all.
func retried(ctx context.Context, try func() error, mayPass func(error) bool) error {
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		err := try()
		if err == nil || !mayPass(err) || wait > time.Second || !pause(ctx, wait) {
			return err
		}
	}
}

// checkFile refuses SQLite's databases in memory, and the temporary one of an empty file name: each
// connection or process has its own, and would book the same key again.
func (c *config) checkFile(ctx context.Context, db *sql.DB) error {
	if c.dialect != SQLite {
		return nil
	}
	files, err := c.setting(ctx, db, `SELECT count(*) FROM pragma_database_list WHERE name = 'main' AND file <> ''`)
	if err == nil && files == "0" {
		err = errors.New("SQLite's main database has no file, so that no other process has the same: " +
			"name a file in the DSN, as in file:journal.db")
	}
	return err
}

// pause waits, and reports false if the context ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

type migration struct {
	*config
	db *sql.DB
}

func (m *migration) run(ctx context.Context) error {
	for _, statement := range []string{
		metaTable,
		`INSERT INTO {_meta} (name, value) VALUES ('version', '0') ON CONFLICT DO NOTHING`,
	} {
		if _, err := m.db.ExecContext(ctx, m.fill(statement)); err != nil {
			return err
		}
	}
	return m.inTx(ctx, m.db, m.apply)
}

func (m *migration) apply(ctx context.Context, tx *sql.Tx) error {
	// This takes the row, so that one process at a time goes on.
	if _, err := tx.ExecContext(ctx, m.fill(`UPDATE {_meta} SET value = value WHERE name = 'version'`)); err != nil {
		return err
	}
	version, err := m.version(ctx, tx)
	if err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("%w: version %d is newer than this package", ErrNotMigrated, version)
	}
	for _, steps := range migrations[version:] {
		for step := range strings.SplitSeq(steps, ";\n") {
			if strings.TrimSpace(step) == "" {
				continue
			}
			if _, err := tx.ExecContext(ctx, m.fill(step)); err != nil {
				return err
			}
		}
	}
	set := m.fill(`UPDATE {_meta} SET value = '` + strconv.Itoa(len(migrations)) + `' WHERE name = 'version'`)
	_, err = tx.ExecContext(ctx, set)
	return err
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// version is that of the tables.
func (c *config) version(ctx context.Context, from queryer) (version int, err error) {
	var value string
	err = from.QueryRowContext(ctx, c.fill(`SELECT value FROM {_meta} WHERE name = 'version'`)).Scan(&value)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(value)
}

// inTx does all of it, or nothing. Its first statement must write: SQLite doesn't
// let a transaction that has read wait for another one's writes. If PostgreSQL undoes it, because
// it and another one wait for each other, inTx does it again.
func (c *config) inTx(ctx context.Context, db *sql.DB, do func(context.Context, *sql.Tx) error) error {
	return retried(ctx, func() error { return c.tryTx(ctx, db, do) }, undone)
}

func (c *config) tryTx(ctx context.Context, db *sql.DB, do func(context.Context, *sql.Tx) error) error {
	var options *sql.TxOptions // SQLite has one isolation
	if c.dialect == PostgreSQL {
		options = &sql.TxOptions{Isolation: sql.LevelReadCommitted}
	}
	tx, err := db.BeginTx(ctx, options)
	if err != nil {
		return err
	}
	if err := do(ctx, tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}
