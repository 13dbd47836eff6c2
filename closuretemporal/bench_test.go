package closuretemporal

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A bench is one booking in virtual time: Temporal's test environment, and an API
// whose clock follows it.
type bench struct {
	*testsuite.TestWorkflowEnvironment
	t      *testing.T
	server *closuretest.Server
	policy Policy
	order  order
	routes func(http.RoundTripper) http.RoundTripper
	worker []WorkerOption
	client []closure.Option
}

// inBench runs a test in a bubble, in which the activities' own waits take no
// time either.
func inBench(t *testing.T, test func(b *bench), opts ...closuretest.Option) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		env := new(testsuite.WorkflowTestSuite).NewTestWorkflowEnvironment()
		env.SetStartTime(time.Date(2022, time.May, 1, 0, 0, 0, 0, time.UTC))
		env.SetTestTimeout(240 * time.Hour)
		set, err := ClientOptions(client.Options{}, testKeyring())
		if err != nil {
			t.Fatal(err)
		}
		env.SetDataConverter(set.DataConverter)
		opts = append(opts, closuretest.ReportTo(t), closuretest.WithClock(env.Now))
		b := &bench{TestWorkflowEnvironment: env, t: t, server: closuretest.New(opts...), order: slotOrder(guide())}
		test(b)
	})
}

func testKeyring() Keyring {
	key := func(b byte) []byte {
		key := make([]byte, keySize)
		key[0] = b
		return key
	}
	return Keyring{Current: "a", Keys: map[string][]byte{"a": key(1), "b": key(2)}, IDKey: key(3)}
}

func guide() closure.BookSlotParams {
	slot := closuretest.GuideSlot()
	return closure.BookSlotParams{
		ScheduleID: slot.ScheduleID, PatientID: closuretest.GuidePatientID,
		StartAt: slot.StartAt, Duration: slot.Duration,
	}
}

// book runs the workflow to its end.
func (b *bench) book() (*closure.Appointment, error) {
	b.t.Helper()
	b.register()
	return b.run()
}

// run is book with what is registered.
func (b *bench) run() (*closure.Appointment, error) {
	b.t.Helper()
	b.ExecuteWorkflow(bookingWorkflow, bookingInput{
		Order: b.order, Policy: b.policy.withDefaults(), Fingerprint: testKeyring().fingerprint(b.order),
	})
	r, err := readResult(b.t.Context(), envRun{env: b.TestWorkflowEnvironment})
	if err != nil {
		return nil, err
	}
	return r.answer()
}

// register makes the environment's worker one of the bench.
func (b *bench) register() {
	transport := b.server.Transport()
	if b.routes != nil {
		transport = b.routes(transport)
	}
	opts := append(b.client, closure.WithHTTPClient(&http.Client{Transport: transport}))
	Register(b, b.server.Client(opts...), b.worker...)
}

// An envRun is the environment's workflow, as a client would see it.
type envRun struct {
	client.WorkflowRun
	env *testsuite.TestWorkflowEnvironment
}

func (r envRun) Get(_ context.Context, value any) error {
	if err := r.env.GetWorkflowError(); err != nil {
		return err
	}
	return r.env.GetWorkflowResult(value)
}

func (b *bench) status() (s Status) {
	b.t.Helper()
	value, err := b.QueryWorkflow(statusQuery)
	if err = errors.Join(err, value.Get(&s)); err != nil {
		b.t.Error(err)
	}
	return s
}

// sent counts the requests to book that arrived.
func (b *bench) sent() (n int) {
	for _, request := range b.server.Requests() {
		if request.Op == "appointments.create" {
			n++
		}
	}
	return n
}

// settle gives a person's verdict when the time has come.
func (b *bench) settle(after time.Duration, v Verdict) {
	b.RegisterDelayedCallback(func() {
		b.UpdateWorkflowNoRejection(settleUpdate, "", b.t, v)
	}, after)
}
