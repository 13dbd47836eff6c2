package closuresql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/closurehealth/closure-go"
)

// A Journal is a [closure.Journal] in a database. It is safe for concurrent use, by
// as many processes as can reach the database.
type Journal struct {
	*config
	db         *sql.DB
	statements statements
}

var _ closure.Journal = (*Journal)(nil)

var errNotOpened = errors.New("closuresql: the journal is nil or zero: make it with Open")

// check refuses what a method can't be called with.
func (j *Journal) check(ctx context.Context, op string) error {
	if j == nil || j.db == nil {
		return errNotOpened
	}
	return checkContext(ctx, op)
}

// checkContext refuses nil, with which database/sql panics and keeps its lock.
func checkContext(ctx context.Context, op string) error {
	if ctx == nil {
		return errors.New("closuresql: " + op + ": ctx is nil")
	}
	return nil
}

// Format prints no more than the type, under every verb.
func (j Journal) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("closuresql.Journal")) }

// LogValue shows no more than the type.
func (j Journal) LogValue() slog.Value { return slog.StringValue("closuresql.Journal") }

// Open returns the journal in db, whose tables [Migrate] or [Schema] made. It
// creates no table and doesn't close db. It fails with [ErrNotMigrated] where the
// tables are missing, with [ErrWrongKey] where another keyset or none sealed them,
// and where a connection's settings would lose what was written: PostgreSQL with
// synchronous_commit off, SQLite without a file, without a busy timeout or below synchronous=FULL.
// It looks at one connection of the pool: put the settings into the DSN, so that all have them.
// A driver's error is wrapped but not shown, because its text can show the DSN.
func Open(ctx context.Context, dialect Dialect, db *sql.DB, opts ...Option) (*Journal, error) {
	c, err := newConfig(dialect, opts)
	if err != nil {
		return nil, err
	}
	if err := checkContext(ctx, "Open"); err != nil {
		return nil, err
	}
	if db == nil {
		return nil, errors.New("closuresql: Open: db is nil")
	}
	j := &Journal{config: c, db: db, statements: newStatements(c)}
	connects := func(ctx context.Context) error { return c.connect(ctx, db) }
	for _, check := range []func(context.Context) error{connects, j.checkSettings, j.checkVersion, j.checkKeyset} {
		if err := check(ctx); err != nil {
			return nil, failed("open", err)
		}
	}
	return j, nil
}

func (j *Journal) checkVersion(ctx context.Context) error {
	version, err := j.version(ctx, j.db)
	switch {
	case err == nil && version == len(migrations):
		return nil
	case err == nil:
		return fmt.Errorf("%w: version %d, want %d", ErrNotMigrated, version, len(migrations))
	case ctx.Err() != nil || !j.missing(err):
		return j.because("the tables can't be read", err)
	default:
		return &failure{ErrNotMigrated.Error(), errors.Join(ErrNotMigrated, err)}
	}
}

// checkKeyset refuses a hash key that finds nothing of what is there: a booking
// would be made twice. The first to open the tables decides.
func (j *Journal) checkKeyset(ctx context.Context) error {
	own := fmt.Sprintf("%x", j.keyset.hash("keyset"))
	insert := j.fill(`INSERT INTO {_meta} (name, value) VALUES ('keyset', ` + j.parameter(1) + `) ON CONFLICT DO NOTHING`)
	write := func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, insert, own)
		return err
	}
	if err := j.inTx(ctx, j.db, write); err != nil {
		return j.because("the tables can't be written", err)
	}
	var first string
	query := j.fill(`SELECT value FROM {_meta} WHERE name = 'keyset'`)
	if err := j.db.QueryRowContext(ctx, query).Scan(&first); err != nil {
		return j.because("the tables can't be read", err)
	}
	if first == own {
		return nil
	}
	text := "a keyset with another hash key sealed the tables: give that one"
	switch {
	case !j.keyset.sealed():
		text = "a keyset sealed the tables: give it by WithKeyset"
	case first == fmt.Sprintf("%x", Keyset{}.hash("keyset")):
		text = "the tables are in clear: open them without WithKeyset, or begin new ones by WithTable"
	}
	return &failure{text, ErrWrongKey}
}

// checkSettings refuses what would break a promise without an error.
func (j *Journal) checkSettings(ctx context.Context) error {
	if j.dialect == PostgreSQL {
		commit, err := j.setting(ctx, j.db, "SHOW synchronous_commit")
		if err == nil && commit == "off" {
			err = errors.New("synchronous_commit is off: a crash of the server would lose what was written")
		}
		return err
	}
	timeout, err := j.setting(ctx, j.db, "PRAGMA busy_timeout")
	if err != nil {
		return err
	}
	if timeout == "0" {
		return errors.New("busy_timeout is 0: set it in the DSN (in modernc's: _pragma=busy_timeout(10000)), so that one connection waits for another")
	}
	synchronous, err := j.setting(ctx, j.db, "PRAGMA synchronous")
	if err != nil {
		return err
	}
	if synchronous == "0" || synchronous == "1" {
		return errors.New("synchronous is below FULL: a crash of the machine would lose what was written")
	}
	mode, err := j.setting(ctx, j.db, "PRAGMA journal_mode")
	if err == nil && (mode == "off" || mode == "memory") {
		err = errors.New("journal_mode is " + mode + ": a crash would lose what was written")
	}
	return err
}

func (c *config) setting(ctx context.Context, db *sql.DB, query string) (value string, err error) {
	if err := db.QueryRowContext(ctx, query).Scan(&value); err != nil {
		return "", c.because("the connection's settings can't be read", err)
	}
	return value, nil
}

// parameter is how statements of the dialect refer to their nth argument.
func (c *config) parameter(n int) string {
	if c.dialect == PostgreSQL {
		return "$" + strconv.Itoa(n)
	}
	return "?"
}

// prepare is a statement with the names filled in and a parameter for each "?".
func (c *config) prepare(statement string) string {
	parts := strings.Split(c.fill(statement), "?")
	var b strings.Builder
	b.WriteString(parts[0])
	for i, part := range parts[1:] {
		b.WriteString(c.parameter(i+1) + part)
	}
	return b.String()
}

// Begin records the attempt, or returns the entry that is in its way.
func (j *Journal) Begin(ctx context.Context, attempt closure.BookingAttempt) (*closure.JournalEntry, error) {
	if err := j.check(ctx, "Begin"); err != nil {
		return nil, err
	}
	row, err := j.newRow(attempt)
	if err != nil {
		return nil, fmt.Errorf("closuresql: begin: %w", err)
	}
	// What is in the way may be gone before it can be read.
	for range 10 {
		err = j.inTx(ctx, j.db, row.insert)
		if !errors.Is(err, errInTheWay) {
			break
		}
		there, findErr := j.Find(ctx, attempt)
		if there != nil || findErr != nil {
			return there, findErr
		}
	}
	if err == nil || errors.Is(err, errInTheWay) {
		return nil, err
	}
	return nil, j.because("closuresql: begin", err)
}

// Find returns the entry of the attempt's key, or else of its slot. An attempt that has only
// the IdempotencyKey is enough to ask what became of an order.
func (j *Journal) Find(ctx context.Context, attempt closure.BookingAttempt) (*closure.JournalEntry, error) {
	if err := j.check(ctx, "Find"); err != nil {
		return nil, err
	}
	var found storedRow
	var bySlot bool
	err := j.db.QueryRowContext(ctx, j.statements.find, j.keyHash(attempt.IdempotencyKey), j.slotHash(attempt)).
		Scan(append(found.columns(), &bySlot)...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, j.because("closuresql: find", err)
	}
	entry, err := j.read(found)
	if err != nil {
		return nil, err
	}
	if !bySlot {
		entry.Attempt.IdempotencyKey = attempt.IdempotencyKey
	}
	return entry, nil
}

// FindAppointment returns the booked entry of the appointment, and says whether it was released.
func (j *Journal) FindAppointment(ctx context.Context, id closure.AppointmentID) (*closure.JournalEntry, error) {
	if err := j.check(ctx, "FindAppointment"); err != nil {
		return nil, err
	}
	var released sql.NullInt64
	var found struct {
		id    sql.NullString
		state sql.NullInt64
		storedRow
	}
	err := j.db.QueryRowContext(ctx, j.statements.findAppointment, j.appointmentHash(id)).
		Scan(&released, &found.id, &found.slot, &found.state, &found.attempt, &found.appointment)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, j.because("closuresql: find appointment", err)
	}
	entry := &closure.JournalEntry{State: closure.JournalReleased, Appointment: id}
	switch {
	case found.id.Valid:
		found.storedRow.id, found.storedRow.state = found.id.String, found.state.Int64
		if entry, err = j.read(found.storedRow); err != nil {
			return nil, err
		}
	case !released.Valid:
		return nil, nil
	}
	if released.Valid {
		entry.ReleasedAt = time.UnixMicro(released.Int64)
	}
	return entry, nil
}

// Finish records how the entry's attempt ended.
func (j *Journal) Finish(ctx context.Context, entry closure.JournalEntry) error {
	if err := j.check(ctx, "Finish"); err != nil {
		return err
	}
	var do func(context.Context, *sql.Tx) error
	switch ending := (&ending{j, entry}); {
	case entry.State == closure.JournalBooked:
		do = ending.book
	case entry.State == closure.JournalNotBooked && entry.Appointment == "":
		do = ending.removePending
	case entry.State == closure.JournalNotBooked:
		do = ending.removeBooked
	default:
		return nil
	}
	if err := j.inTx(ctx, j.db, do); err != nil && !errors.Is(err, errNothing) {
		return j.because("closuresql: finish", err)
	}
	return nil
}

// Release removes the entries of the appointment, and remembers that.
func (j *Journal) Release(ctx context.Context, id closure.AppointmentID) error {
	if err := j.check(ctx, "Release"); err != nil {
		return err
	}
	release := &release{j, j.appointmentHash(id), time.Now()}
	if err := j.inTx(ctx, j.db, release.run); err != nil {
		return j.because("closuresql: release", err)
	}
	return nil
}

func (j *Journal) keyHash(key string) []byte { return j.keyset.hash("key", key) }

func (j *Journal) appointmentHash(id closure.AppointmentID) []byte {
	return j.keyset.hash("appointment", string(id))
}

func (j *Journal) slotHash(a closure.BookingAttempt) []byte {
	start := a.StartAt.UTC().Format(time.RFC3339Nano)
	return j.keyset.hash("slot", string(a.PatientID), string(a.ScheduleID), start)
}

// A storedRow is an entry as it is in the table.
type storedRow struct {
	id          string
	slot        []byte
	state       int64
	attempt     []byte
	appointment []byte
}

// The values of state.
const (
	statePending = 0
	stateBooked  = 1
)

// columns are in the order of rowColumns.
func (r *storedRow) columns() []any {
	return []any{&r.id, &r.slot, &r.state, &r.attempt, &r.appointment}
}

// content is what is sealed of an attempt. The key is apart: it may be no text.
type content struct {
	Attempt closure.BookingAttempt `json:"attempt"`
	Key     []byte                 `json:"key,omitempty"`
}

// An EntryError is about one entry, whose row can't be read: Err is [ErrDamaged] or
// [ErrWrongKey]. The text doesn't show the ID, by which the row can be found.
type EntryError struct {
	AttemptID string // the column id
	Err       error
}

func (e EntryError) text() string {
	if e.Err == nil {
		return "closuresql: an entry can't be read"
	}
	return e.Err.Error()
}

// Error says what is wrong, and not with which entry.
func (e *EntryError) Error() string { return e.text() }

// Unwrap returns the cause.
func (e *EntryError) Unwrap() error { return e.Err }

// Format prints the same as Error under every verb.
func (e EntryError) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(e.text())) }

// LogValue shows the same as Error.
func (e EntryError) LogValue() slog.Value { return slog.StringValue(e.text()) }

// read opens a row.
func (j *Journal) read(row storedRow) (*closure.JournalEntry, error) {
	entry, err := j.open(row)
	if err != nil {
		return nil, &EntryError{AttemptID: row.id, Err: err}
	}
	return entry, nil
}

func (j *Journal) open(row storedRow) (*closure.JournalEntry, error) {
	text, err := j.keyset.open(row.attempt, attemptBound(row.id, row.slot))
	if err != nil {
		return nil, err
	}
	var c content
	if json.Unmarshal(text, &c) != nil {
		return nil, ErrDamaged
	}
	entry := &closure.JournalEntry{Attempt: c.Attempt}
	entry.Attempt.IdempotencyKey = string(c.Key)
	if entry.Attempt.ID != row.id {
		return nil, ErrDamaged
	}
	if row.state == statePending {
		return entry, nil
	}
	id, err := j.keyset.open(row.appointment, appointmentBound(row.id))
	if err != nil {
		return nil, err
	}
	entry.State, entry.Appointment = closure.JournalBooked, closure.AppointmentID(id)
	return entry, nil
}

func attemptBound(id string, slot []byte) []byte { return bound("attempt", id, string(slot)) }

func appointmentBound(id string) []byte { return bound("appointment", id) }
