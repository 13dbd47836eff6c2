package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/gorilla/securecookie"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuresql"
	"github.com/closurehealth/closure-go/examples/internal/cli"
)

// A visit is one booking of one person: from the opening they chose until it was
// booked, and moved or cancelled later. It is patients' data.
type visit struct {
	Key       string // names it in URLs and forms, and is its idempotency key; random
	Session   string // whose it is
	Patient   closure.PatientID
	Schedule  closure.ScheduleID
	Start     time.Time
	Duration  closure.Minutes
	Plan      plan
	State     state
	Reason    reason // why the last thing they wanted was not done
	ChangedAt time.Time

	Appointment closure.AppointmentID // once it is booked
	MoveTo      time.Time             // where it is to be moved
	MoveFor     closure.Minutes       // and how long that opening is
	Sequence    int                   // how often it was moved or cancelled, for calendars

	Version int    // counts the changes, so that none is made to what somebody else changed since
	Same    string // the key of the visit that the appointment belongs to, if that is another one
}

// A plan is an insurance's id, or one of these.
type plan string

const (
	planOnFile plan = ""     // what the clinic has on file
	planSelf   plan = "self" // the person pays
)

// A state is how far a visit got. In those that end in -ing a write may be under
// way, and nobody knows yet how it ends.
type state string

const (
	chosen     state = "chosen"
	booking    state = "booking"
	notBooked  state = "not booked"
	booked     state = "booked"
	moving     state = "moving"
	cancelling state = "cancelling"
	cancelled  state = "cancelled"
	merged     state = "merged" // the same appointment as another visit's
)

// Open reports whether a write may be under way.
func (s state) Open() bool { return s == booking || s == moving || s == cancelling }

// A reason is why something was not done.
type reason string

const (
	taken       reason = "taken"       // somebody else has the opening
	insurance   reason = "insurance"   // the plan isn't accepted there
	notOnline   reason = "not online"  // it can't be booked through the API
	unreachable reason = "unreachable" // the API refuses or doesn't answer, and did nothing
	lost        reason = "lost"        // the request never arrived
)

// The columns are what is compared. An appointment belongs to one visit: two of
// them could not both know where it was moved.
const schema = `
CREATE TABLE IF NOT EXISTS visits (
	key     TEXT PRIMARY KEY,
	session TEXT NOT NULL,
	state   TEXT NOT NULL,
	start   INTEGER NOT NULL,
	version INTEGER NOT NULL,
	appointment TEXT UNIQUE,
	same    TEXT,
	data    TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS visits_session ON visits (session);
CREATE INDEX IF NOT EXISTS visits_state ON visits (state);
CREATE TABLE IF NOT EXISTS ended (session TEXT PRIMARY KEY, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL);`

// openDatabase opens the file that holds the visits and the journal. What it
// returned from a write is on disk. A new file is its owner's alone.
func openDatabase(ctx context.Context, file string) (*sql.DB, error) {
	dsn, err := cli.SQLite(file)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn+"&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite writes one at a time; who waits here is served in turn, and in SQLite by luck
	_, err = db.ExecContext(ctx, schema)
	if err == nil {
		err = closuresql.Migrate(ctx, closuresql.SQLite, db)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

type store struct{ db *sql.DB }

// secret returns random bytes, the same ones to all processes of the database.
func (s store) secret(ctx context.Context, name string) (value []byte, err error) {
	_, err = s.db.ExecContext(ctx, `INSERT OR IGNORE INTO secrets VALUES (?, ?)`, name, securecookie.GenerateRandomKey(32))
	if err == nil {
		err = s.db.QueryRowContext(ctx, `SELECT value FROM secrets WHERE name = ?`, name).Scan(&value)
	}
	return value, err
}

func (s store) add(ctx context.Context, v visit) (key string, err error) {
	v.Key, v.State, v.ChangedAt = rand.Text(), chosen, time.Now()
	data, err := json.Marshal(v)
	if err == nil {
		_, err = s.db.ExecContext(ctx,
			`INSERT INTO visits (key, session, state, start, version, data) VALUES (?, ?, ?, ?, ?, ?)`,
			v.Key, v.Session, v.State, v.Start.Unix(), v.Version, data)
	}
	return v.Key, err
}

// save records the visit if nobody changed it since it was read, and reports
// whether it did: of two who want to change it, one does.
func (s store) save(ctx context.Context, v *visit) (bool, error) {
	was := v.Version
	v.Version, v.ChangedAt = was+1, time.Now()
	data, err := json.Marshal(v)
	if err != nil {
		return false, err
	}
	result, err := s.db.ExecContext(ctx, `UPDATE visits SET state = ?, start = ?, version = ?, appointment = NULLIF(?, ''),
		same = NULLIF(?, ''), data = ? WHERE key = ? AND version = ?`,
		v.State, v.Start.Unix(), v.Version, string(v.Appointment), v.Same, data, v.Key, was)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// saveOnce is save, but if another visit of the person has the appointment, this
// one only points to that one from now on. If two do so at once, one fails.
func (s store) saveOnce(ctx context.Context, v *visit) (bool, error) {
	others, err := s.query(ctx, `SELECT data FROM visits WHERE appointment = ? AND key <> ?`, string(v.Appointment), v.Key)
	if err != nil {
		return false, err
	}
	if len(others) == 1 && others[0].Patient == v.Patient {
		v.State, v.Appointment, v.Same = merged, "", others[0].Key
	}
	return s.save(ctx, v)
}

// visible are a session's own visits, and those that its own ones point to.
const visible = `(session = ?1 OR key IN (SELECT same FROM visits WHERE session = ?1))`

// find returns the session's visit with that key; nobody else can see it.
func (s store) find(ctx context.Context, session, key string) (visit, error) {
	return one(s.query(ctx, `SELECT data FROM visits WHERE `+visible+` AND key = ?2`, session, key))
}

func (s store) ofSession(ctx context.Context, session string) ([]visit, error) {
	return s.query(ctx, `SELECT data FROM visits WHERE `+visible+` AND state NOT IN ('chosen', 'merged') ORDER BY start`,
		session)
}

func (s store) openOnes(ctx context.Context) ([]visit, error) {
	return s.query(ctx, `SELECT data FROM visits WHERE state IN ('booking', 'moving', 'cancelling')`)
}

// endSession makes the session nobody's, also for who kept its cookie.
func (s store) endSession(ctx context.Context, session string, at time.Time) error {
	_, err := s.db.ExecContext(ctx, `INSERT OR IGNORE INTO ended VALUES (?, ?)`, session, at.Unix())
	return err
}

func (s store) hasEnded(ctx context.Context, session string) (ended bool, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM ended WHERE session = ?)`, session).Scan(&ended)
	return ended, err
}

// forget removes what is over: visits of the past, choices nobody booked, and
// sessions whose cookies are too old by now.
func (s store) forget(ctx context.Context, before time.Time) error {
	_, err := s.db.ExecContext(ctx, `DELETE FROM visits WHERE start < ?
		AND state NOT IN ('booking', 'moving', 'cancelling')
		AND (same IS NULL OR same NOT IN (SELECT key FROM visits))`, before.Unix())
	if err == nil {
		_, err = s.db.ExecContext(ctx, `DELETE FROM ended WHERE at < ?`, before.Unix())
	}
	return err
}

var (
	errNoVisit = errors.New("there is no such visit")
	errBadForm = errors.New("the form holds what the page didn't put there")
)

func one(visits []visit, err error) (visit, error) {
	if err == nil && len(visits) == 0 {
		err = errNoVisit
	}
	if err != nil {
		return visit{}, err
	}
	return visits[0], nil
}

func (s store) query(ctx context.Context, query string, args ...any) (visits []visit, err error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var data []byte
		var v visit
		if err := errors.Join(rows.Scan(&data), json.Unmarshal(data, &v)); err != nil {
			return nil, err
		}
		visits = append(visits, v)
	}
	return visits, rows.Err()
}
