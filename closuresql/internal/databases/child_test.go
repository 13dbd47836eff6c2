package databases

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuresql"
)

// childVariable holds what a process is started for, a task in JSON.
const childVariable = "CLOSURESQL_TEST_CHILD"

// A task is all that a process is told. It shares the rest with others by the
// database alone.
type task struct {
	Dialect closuresql.Dialect
	Driver  string
	DSN     string
	Schema  string
	API     string
	Orders  int
	Seed    uint64
	AtOnce  int
	Retry   bool // what is unknown is tried until it is known
}

// child runs this process as what a test started it for, and reports whether it
// did.
func child() bool {
	text := os.Getenv(childVariable)
	if text == "" {
		return false
	}
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	go func() { // so that it doesn't outlive the test
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	if err := t.run(); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	return true
}

func (t task) options() (opts []closuresql.Option) {
	if t.Schema != "" {
		opts = append(opts, closuresql.WithSchema(t.Schema))
	}
	return opts
}

// openClient opens the journal, as soon as the database is there, and a client with
// it.
func (t task) openClient(ctx context.Context) (*closure.Client, error) {
	db, err := sql.Open(t.Driver, t.DSN)
	if err != nil {
		return nil, err
	}
	var journal *closuresql.Journal
	for {
		if journal, err = closuresql.Open(ctx, t.Dialect, db, t.options()...); err == nil {
			break
		}
		if !pause(ctx, 20*time.Millisecond) {
			return nil, err
		}
	}
	return closure.NewClient(closure.QuickstartKey,
		closure.WithBaseURL(t.API), closure.WithJournal(journal), closure.WithTimeout(attemptTimeout))
}

// attemptTimeout is of the clients: an attempt counts as lost at twice that.
const attemptTimeout = 2 * time.Second

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// run fulfils all orders, in a sequence of this process's own, and reports each.
func (t task) run() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	client, err := t.openClient(ctx)
	if err != nil {
		return err
	}
	numbers := make(chan int, t.Orders)
	for _, n := range rand.New(rand.NewPCG(t.Seed, 0)).Perm(t.Orders) {
		numbers <- n
	}
	close(numbers)
	var group sync.WaitGroup
	var mu sync.Mutex
	report := func(args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(args...)
	}
	for range t.AtOnce {
		group.Go(func() {
			for n := range numbers {
				booking, err := t.fulfil(ctx, client, n)
				switch {
				case booking != nil:
					report("booked", n, booking.Appointment.ID)
				case errors.Is(err, closure.ErrOutcomeUnknown):
					report("unknown", n)
				default:
					report("error", n, err)
				}
			}
		})
	}
	group.Wait()
	return nil
}

// fulfil calls again until the order is booked or its outcome is unknown.
func (t task) fulfil(ctx context.Context, client *closure.Client, n int) (*closure.Booking, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		one, cancel := context.WithTimeout(ctx, 2*time.Second)
		booking, err := order(n).book(one, client)
		cancel()
		if booking != nil || errors.Is(err, closure.ErrOutcomeUnknown) && !t.Retry || !pause(ctx, 50*time.Millisecond) {
			return booking, err
		}
	}
}

// An order is the one appointment that a patient wants.
type order int

const slotsEach = 20 // of a schedule

func (o order) key() string                   { return fmt.Sprint("order ", int(o)) }
func (o order) patient() closure.PatientID    { return closure.PatientID(fmt.Sprint("pt_test", int(o))) }
func (o order) schedule() closure.ScheduleID  { return scheduleID(int(o) / slotsEach) }
func (o order) start(day time.Time) time.Time { return slot(day, int(o)%slotsEach) }
func (o order) first() bool                   { return o%5 == 0 } // whichever slot is free

func scheduleID(n int) closure.ScheduleID { return closure.ScheduleID(fmt.Sprint("sch_test", n)) }

func slot(day time.Time, n int) time.Time { return day.Add(time.Duration(n) * 30 * time.Minute) }

// orderDay is the day of all orders. It depends on no clock, so each process has the same.
var orderDay = time.Date(2096, time.May, 20, 8, 0, 0, 0, time.UTC)

func (o order) book(ctx context.Context, client *closure.Client) (*closure.Booking, error) {
	if o.first() {
		return client.BookFirstAvailable(ctx, closure.BookFirstParams{
			PatientID: o.patient(), InsuranceCheck: closure.SkipInsuranceCheck, IdempotencyKey: o.key(),
			Search: closure.SlotSearch{
				Schedules: []closure.ScheduleID{o.schedule()},
				From:      orderDay, To: orderDay.Add(24 * time.Hour),
			},
		})
	}
	return client.BookSlot(ctx, closure.BookSlotParams{
		PatientID: o.patient(), ScheduleID: o.schedule(), StartAt: o.start(orderDay), Duration: 30,
		InsuranceCheck: closure.SkipInsuranceCheck, IdempotencyKey: o.key(),
	})
}
