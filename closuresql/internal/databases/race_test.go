package databases

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuresql"
)

// A crowd are many connections that do everything at once to a few slots, keys and
// appointments.
type crowd struct {
	t     testing.TB
	rng   *rand.Rand
	j     *closuresql.Journal
	start time.Time
}

func (c *crowd) attempt() closure.BookingAttempt {
	a := closure.NewBookingAttempt(closure.BookSlotParams{
		ScheduleID: "sch_1", PatientID: "pt_1",
		StartAt: c.start.Add(time.Duration(c.rng.IntN(6)) * time.Hour),
	})
	if n := c.rng.IntN(8); n < 5 {
		a.IdempotencyKey = fmt.Sprint("key ", n)
	}
	if c.rng.IntN(4) == 0 {
		a.AppointmentID = c.appointment()
	}
	return a
}

func (c *crowd) appointment() closure.AppointmentID {
	return closure.AppointmentID(fmt.Sprint("appt_", c.rng.IntN(4)))
}

// step does one thing, and demands that it isn't an error.
func (c *crowd) step(ctx context.Context) {
	a := c.attempt()
	there, err := c.j.Begin(ctx, a)
	if err != nil {
		c.t.Errorf("Begin: %v", err)
		return
	}
	entry := closure.JournalEntry{Attempt: a}
	if there != nil {
		entry = *there
	}
	switch c.rng.IntN(5) {
	case 0:
		err = c.j.Release(ctx, c.appointment())
	case 1:
		entry.State = closure.JournalNotBooked
		err = c.j.Finish(ctx, entry)
	default:
		entry.State, entry.Appointment = closure.JournalBooked, c.appointment()
		entry.Attempt.IdempotencyKey = c.attempt().IdempotencyKey
		err = c.j.Finish(ctx, entry)
	}
	if err != nil {
		c.t.Errorf("Finish or Release: %v", err)
	}
	if _, err := c.j.FindAppointment(ctx, c.appointment()); err != nil {
		c.t.Errorf("FindAppointment: %v", err)
	}
}

func TestACrowdLeavesTheTablesWhole(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		start := time.Now().Add(time.Hour).Truncate(time.Hour)
		var group sync.WaitGroup
		for n := range uint64(8) {
			c := &crowd{t, rand.New(rand.NewPCG(n, 1)), d.open(t), start}
			group.Go(func() {
				for range 40 {
					c.step(ctx)
				}
			})
		}
		group.Wait()
		wantWhole(t, d)
	})
}

// If PostgreSQL undoes a transaction, because it and another one wait for each other, it is made
// again.
func TestFinishAfterADeadlock(t *testing.T) {
	t.Parallel()
	d := postgresDatabase(t)
	j, db := d.open(t), d.connect(t)
	appointment := books(t, j, attempt(""))
	moved := attempt("")
	begins(t, j, moved)
	deadlock(t, db, "UPDATE "+d.table+" SET state = state", "UPDATE "+d.table+"_appointments SET hash = hash", func(ctx context.Context) error {
		return j.Finish(ctx, closure.JournalEntry{Attempt: moved, State: closure.JournalBooked, Appointment: appointment})
	})
	if entry := find(t, j, moved); entry == nil || entry.Appointment != appointment {
		t.Error("the appointment is not the entry's")
	}
}

func TestPurgeAfterADeadlock(t *testing.T) {
	t.Parallel()
	d := postgresDatabase(t)
	j, db := d.open(t), d.connect(t)
	released := d.table + "_appointments"
	_, err := db.ExecContext(t.Context(), "INSERT INTO "+released+` (hash, released) VALUES ('\x01', 1), ('\x02', 2)`)
	noError(t, err)
	deadlock(t, db, "UPDATE "+released+" SET hash = hash WHERE released = 2", "UPDATE "+released+" SET hash = hash", func(ctx context.Context) error {
		_, err := j.Purge(ctx, time.Now())
		return err
	})
	var left int
	noError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+released).Scan(&left))
	if left != 0 {
		t.Errorf("%d released appointments are left", left)
	}
}

// deadlock makes the call while a transaction of another's holds the first locks. When the call
// waits for them, the transaction takes the second ones, for which it waits in turn.
func deadlock(t *testing.T, db *sql.DB, first, second string, call func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	other, err := db.BeginTx(ctx, nil)
	noError(t, err)
	defer func() { _ = other.Rollback() }()
	locks := func(statement string) {
		_, err := other.ExecContext(ctx, statement)
		noError(t, err)
	}
	locks("SET LOCAL deadlock_timeout = '1h'") // so that the journal's is the one that is undone
	locks(first)
	var process int
	noError(t, other.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&process))
	called := make(chan error, 1)
	go func() { called <- call(ctx) }()
	for waiting := 0; waiting == 0; {
		noError(t, db.QueryRowContext(ctx,
			"SELECT count(*) FROM pg_locks WHERE NOT granted AND $1 = ANY(pg_blocking_pids(pid))", process).Scan(&waiting))
	}
	locks(second)
	noError(t, other.Commit())
	noError(t, <-called)
}
