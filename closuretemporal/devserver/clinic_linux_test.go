package devserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretemporal"
	"github.com/closurehealth/closure-go/closuretest"
)

// formVariable chooses the form of these tests: 1 (or short), or full. Without it only the
// server's start is tested.
const formVariable = "CLOSURE_TEMPORAL"

// times returns short in the short form, and full in the long one.
func times(short, full int) int {
	if os.Getenv(formVariable) == "full" {
		return full
	}
	return short
}

// A clinic is a Temporal server in a process of its own, and an API over loopback.
// The API accepts duplicates, so only the workflow prevents a second booking.
type clinic struct {
	*closuretest.Server
	t      *testing.T
	cfg    roleConfig // of the processes that connect to them
	server *process
	file   string
	policy closuretemporal.Policy
}

func newClinic(t *testing.T) *clinic {
	t.Helper()
	if os.Getenv(formVariable) == "" {
		t.Skip("CLOSURE_TEMPORAL=1 runs it")
	}
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Date(2022, time.May, 1, 0, 0, 0, 0, time.UTC)
	api := closuretest.New(closuretest.AllowDuplicates(), closuretest.ReportTo(t), closuretest.WithFixedClock(clock))
	c := &clinic{
		Server: api, t: t,
		file: filepath.Join(t.TempDir(), "temporal.db"),
		policy: closuretemporal.Policy{
			SendTimeout: 4 * time.Second, GiveUpSending: time.Minute,
			FirstLook: time.Second, MaxWait: time.Second,
			AssumeLostAfter: 3 * time.Second, EscalateAfter: time.Minute,
		},
	}
	c.cfg = roleConfig{Address: fmt.Sprintf("127.0.0.1:%d", ports[0]), Port: ports[0], API: api.Start(), File: c.file}
	c.server = c.serve()
	return c
}

func (c *clinic) serve() *process {
	c.t.Helper()
	p := spawn(c.t, "server", c.cfg)
	p.says("ready")
	return p
}

// worker starts a worker on the queue.
func (c *clinic) worker(t *testing.T, queue string, change func(*roleConfig)) *process {
	t.Helper()
	cfg := c.cfg
	cfg.Queue = queue
	if change != nil {
		change(&cfg)
	}
	return spawn(t, "worker", cfg)
}

// bookings connects this process as a program that books.
func (c *clinic) bookings(t *testing.T, queue string) (*closuretemporal.Bookings, client.Client) {
	t.Helper()
	cfg := c.cfg
	tc, err := cfg.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tc.Close)
	b, err := closuretemporal.New(tc, queue, keyring(""), c.policy)
	if err != nil {
		t.Fatal(err)
	}
	return b, tc
}

// wanted returns a booking with its own patient and slot for each number.
func (c *clinic) wanted(n int) closure.BookSlotParams {
	patient := closure.PatientID(fmt.Sprintf("pt_canary%d", n))
	start := time.Date(2022, time.June, 1, 8, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Hour)
	c.AddPatient(closure.Patient{ID: patient, FirstName: "Canary", LastName: "Bird"})
	c.AddSlots(closuretest.GuideScheduleID, closure.Slot{StartAt: start, Duration: 30})
	return closure.BookSlotParams{
		ScheduleID: closuretest.GuideScheduleID, PatientID: patient, StartAt: start, Duration: 30,
		InsuranceCheck: closure.SkipInsuranceCheck, IdempotencyKey: fmt.Sprintf("canary-order-%d", n),
	}
}

// made counts the appointments of a patient.
func (c *clinic) made(id closure.PatientID) (n int) {
	for _, a := range c.Appointments() {
		if a.PatientID == id {
			n++
		}
	}
	return n
}

// bookUntilBooked starts the booking again until it doesn't end as not booked.
func bookUntilBooked(
	ctx context.Context, b *closuretemporal.Bookings, params closure.BookSlotParams,
) (*closure.Appointment, error) {
	for {
		pending, err := b.Start(ctx, params)
		if err != nil {
			return nil, err
		}
		booked, err := pending.Wait(ctx)
		if !errors.Is(err, closure.ErrNotBooked) {
			return booked, err
		}
	}
}
