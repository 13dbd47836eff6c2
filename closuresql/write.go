package closuresql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/closurehealth/closure-go"
)

// The order in which a transaction takes rows is always the same, so that two of them seldom wait
// for each other: the appointment, its entries, keys. Two of different appointments still can:
// [config.inTx].

// Ends of a transaction without a change.
var (
	errInTheWay = errors.New("closuresql: begin: an entry was in the way each time, and then gone")
	errNothing  = errors.New("closuresql: there is nothing to change")
)

const rowColumns = "e.id, e.slot, e.state, e.attempt, e.appointment"

// statements are those of one journal's tables.
type statements struct {
	insertEntry, insertKey                        string
	find, findAppointment, pending, booked        string
	takeAppointment, setEntry, leave, dropUnknown string
	book, moveKeys                                string
	deletePending, deleteEntry, deleteKeys        string
	release, deleteMoves, deleteReleased          string
}

func newStatements(c *config) statements {
	return statements{
		insertEntry: c.prepare(`INSERT INTO {} (id, slot, state, begun, attempt, moves)
			VALUES (?, ?, 0, ?, ?, ?) ON CONFLICT DO NOTHING`),
		insertKey: c.prepare(`INSERT INTO {_keys} (hash, entry) VALUES (?, ?) ON CONFLICT DO NOTHING`),

		find: c.prepare(`SELECT ` + rowColumns + `, 1 = 0 AS by_slot
			FROM {_keys} k JOIN {} e ON e.id = k.entry WHERE k.hash = ?
			UNION ALL SELECT ` + rowColumns + `, 1 = 1 FROM {} e WHERE e.slot = ?
			ORDER BY by_slot LIMIT 1`),
		findAppointment: c.prepare(`SELECT a.released, ` + rowColumns + `
			FROM {_appointments} a LEFT JOIN {} e ON e.id = a.entry WHERE a.hash = ?`),
		pending: c.prepare(`SELECT ` + rowColumns + `, e.begun FROM {} e
			WHERE e.state = 0 AND (e.begun, e.id) > (?, ?) ORDER BY e.begun, e.id LIMIT ?`),
		booked: c.prepare(`SELECT ` + rowColumns + `, e.begun FROM {} e
			WHERE e.state = 1 AND e.begun < ? AND (e.begun, e.id) > (?, ?) ORDER BY e.begun, e.id LIMIT ?`),

		takeAppointment: c.prepare(`INSERT INTO {_appointments} (hash) VALUES (?)
			ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash RETURNING entry`),
		setEntry: c.prepare(`UPDATE {_appointments} SET entry = ? WHERE hash = ?`),
		leave:    c.prepare(`UPDATE {_appointments} SET entry = NULL WHERE hash = ? AND entry = ?`),
		dropUnknown: c.prepare(`DELETE FROM {_appointments}
			WHERE hash = ? AND entry IS NULL AND released IS NULL`),

		book:     c.prepare(`UPDATE {} SET state = 1, appointment = ? WHERE id = ? AND state = 0`),
		moveKeys: c.prepare(`UPDATE {_keys} SET entry = ? WHERE entry = ?`),

		deletePending: c.prepare(`DELETE FROM {} WHERE id = ? AND state = 0`),
		deleteEntry:   c.prepare(`DELETE FROM {} WHERE id = ?`),
		deleteKeys:    c.prepare(`DELETE FROM {_keys} WHERE entry = ?`),

		release: c.prepare(`INSERT INTO {_appointments} (hash, released) VALUES (?, ?)
			ON CONFLICT (hash) DO UPDATE SET released = excluded.released RETURNING entry`),
		deleteMoves:    c.prepare(`DELETE FROM {} WHERE state = 0 AND moves = ? RETURNING id`),
		deleteReleased: c.prepare(`DELETE FROM {_appointments} WHERE released < ? AND entry IS NULL`),
	}
}

// run executes a statement and returns how many rows it changed.
func run(ctx context.Context, tx *sql.Tx, statement string, args ...any) (int64, error) {
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// must executes a statement. If it changes no row, must returns ifNone.
func must(ctx context.Context, tx *sql.Tx, ifNone error, statement string, args ...any) error {
	changed, err := run(ctx, tx, statement, args...)
	if err == nil && changed == 0 {
		err = ifNone
	}
	return err
}

// A newRow is an entry that is to begin.
type newRow struct {
	j       *Journal
	attempt closure.BookingAttempt
	sealed  []byte
}

func (j *Journal) newRow(attempt closure.BookingAttempt) (*newRow, error) {
	if attempt.ID == "" {
		return nil, errors.New("the attempt has no ID")
	}
	c := content{Attempt: attempt, Key: []byte(attempt.IdempotencyKey)}
	c.Attempt.IdempotencyKey = ""
	text, err := json.Marshal(c)
	if err != nil {
		return nil, errors.New("the attempt can't be written as JSON")
	}
	sealed := j.keyset.seal(text, attemptBound(attempt.ID, j.slotHash(attempt)))
	return &newRow{j, attempt, sealed}, nil
}

// insert puts the entry in, and its key, or nothing.
func (r *newRow) insert(ctx context.Context, tx *sql.Tx) error {
	var moves any
	if r.attempt.AppointmentID != "" {
		moves = r.j.appointmentHash(r.attempt.AppointmentID)
	}
	err := must(ctx, tx, errInTheWay, r.j.statements.insertEntry,
		r.attempt.ID, r.j.slotHash(r.attempt), r.attempt.AttemptedAt.UnixMicro(), r.sealed, moves)
	if err != nil || r.attempt.IdempotencyKey == "" {
		return err
	}
	return must(ctx, tx, errInTheWay, r.j.statements.insertKey, r.j.keyHash(r.attempt.IdempotencyKey), r.attempt.ID)
}

// An ending is what Finish records.
type ending struct {
	j     *Journal
	entry closure.JournalEntry
}

// book makes a pending entry booked, in the place of another one of the appointment,
// and gives it one more key.
func (e *ending) book(ctx context.Context, tx *sql.Tx) error {
	s, id := e.j.statements, e.entry.Attempt.ID
	hash := e.j.appointmentHash(e.entry.Appointment)
	var before sql.NullString
	if err := tx.QueryRowContext(ctx, s.takeAppointment, hash).Scan(&before); err != nil {
		return err
	}
	sealed := e.j.keyset.seal([]byte(e.entry.Appointment), appointmentBound(id))
	booked, err := run(ctx, tx, s.book, sealed, id)
	switch {
	case err != nil:
		return err
	case booked > 0:
		err = e.takePlace(ctx, tx, hash, before.String)
	case !before.Valid || before.String != id:
		err = errNothing
	}
	if err != nil || e.entry.Attempt.IdempotencyKey == "" {
		return err
	}
	_, err = run(ctx, tx, s.insertKey, e.j.keyHash(e.entry.Attempt.IdempotencyKey), id)
	return err
}

// takePlace makes the entry the appointment's, with the keys of the one before.
func (e *ending) takePlace(ctx context.Context, tx *sql.Tx, hash []byte, before string) error {
	s, id := e.j.statements, e.entry.Attempt.ID
	if _, err := run(ctx, tx, s.setEntry, id, hash); err != nil || before == "" {
		return err
	}
	if _, err := run(ctx, tx, s.deleteEntry, before); err != nil {
		return err
	}
	_, err := run(ctx, tx, s.moveKeys, id, before)
	return err
}

// removePending removes an entry that is pending still.
func (e *ending) removePending(ctx context.Context, tx *sql.Tx) error {
	s, id := e.j.statements, e.entry.Attempt.ID
	if err := must(ctx, tx, errNothing, s.deletePending, id); err != nil {
		return err
	}
	_, err := run(ctx, tx, s.deleteKeys, id)
	return err
}

// removeBooked removes an entry that is booked with the appointment.
func (e *ending) removeBooked(ctx context.Context, tx *sql.Tx) error {
	s, id := e.j.statements, e.entry.Attempt.ID
	hash := e.j.appointmentHash(e.entry.Appointment)
	if err := must(ctx, tx, errNothing, s.leave, hash, id); err != nil {
		return err
	}
	if _, err := run(ctx, tx, s.dropUnknown, hash); err != nil {
		return err
	}
	return e.j.deleteEntry(ctx, tx, id)
}

func (j *Journal) deleteEntry(ctx context.Context, tx *sql.Tx, id string) error {
	if _, err := run(ctx, tx, j.statements.deleteEntry, id); err != nil {
		return err
	}
	_, err := run(ctx, tx, j.statements.deleteKeys, id)
	return err
}

// A release is of an appointment that was cancelled.
type release struct {
	j    *Journal
	hash []byte
	at   time.Time
}

func (r *release) run(ctx context.Context, tx *sql.Tx) error {
	s := r.j.statements
	var entry sql.NullString
	if err := tx.QueryRowContext(ctx, s.release, r.hash, r.at.UnixMicro()).Scan(&entry); err != nil {
		return err
	}
	var gone []string
	if entry.Valid {
		if _, err := run(ctx, tx, s.leave, r.hash, entry.String); err != nil {
			return err
		}
		gone = append(gone, entry.String)
	}
	moves, err := r.deleteMoves(ctx, tx)
	if err != nil {
		return err
	}
	for _, id := range append(gone, moves...) {
		if err := r.j.deleteEntry(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}

// deleteMoves removes the pending moves of the appointment, and returns their ids; the caller
// removes their keys.
func (r *release) deleteMoves(ctx context.Context, tx *sql.Tx) (ids []string, err error) {
	rows, err := tx.QueryContext(ctx, r.j.statements.deleteMoves, r.hash)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
