package closuretemporal

import (
	"context"
	"errors"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

func TestAWorkerWithoutTheKeySendsNothingAndSaysSo(t *testing.T) {
	server := closuretest.New(closuretest.ReportTo(t))
	a := &activities{api: server.Client()}
	for name, end := range map[string]func() (ending, error){
		"send":   func() (ending, error) { return a.send(t.Context(), sendInput{input: input{errUnknownKey}}) },
		"change": func() (ending, error) { return a.change(t.Context(), changeInput{input: input{errUnknownKey}}) },
	} {
		end, err := end()
		if err != nil || !end.Again || closure.OutcomeOf(end.Failure.err()) != closure.OutcomeNotSent {
			t.Errorf("%s: %+v, %v", name, end, err)
		}
	}
	if end, err := a.look(t.Context(), lookInput{input: input{errUnknownKey}}); err != nil || end != (ending{}) {
		t.Errorf("look: %+v, %v", end, err)
	}
	if c, err := a.choose(t.Context(), chooseInput{input: input{errUnknownKey}}); err != nil || !c.Again {
		t.Errorf("choose: %+v, %v", c, err)
	}
	if _, err := a.record(t.Context(), recordInput{input: input{errUnknownKey}}); err == nil {
		t.Error("record: it has told the journal nothing")
	}
	if n := len(server.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// What a worker without the key couldn't send is sent by another worker.
func TestWhatAWorkerCouldNotReadIsSentByAnother(t *testing.T) {
	inBench(t, func(b *bench) {
		tries := 0
		a := &activities{api: b.server.Client()}
		registerWorkflows(b)
		b.RegisterActivityWithOptions(func(ctx context.Context, in sendInput) (ending, error) {
			if tries++; tries < 4 {
				in.unread = errUnknownKey
			}
			return a.send(ctx, in)
		}, activity.RegisterOptions{Name: sendActivity})
		booked, err := b.run()
		if err != nil || booked == nil || b.sent() != 1 || b.status().Looks != 0 {
			t.Errorf("%v, %v, sent %d times", booked, err, b.sent())
		}
	})
}

func TestAnInputThatCannotBeReadIsHandedOver(t *testing.T) {
	sealed, err := options(t, testKeyring()).DataConverter.ToPayloads(sendInput{RunID: "run"})
	if err != nil {
		t.Fatal(err)
	}
	old := testKeyring()
	delete(old.Keys, "a")
	old.Current = "b"
	for name, payloads := range map[string]*commonpb.Payloads{"another key": sealed, "nothing": nil, "none": {}} {
		var in sendInput
		err := options(t, old).DataConverter.FromPayloads(payloads, &in)
		if err != nil || in.unread == nil || in.RunID != "" {
			t.Errorf("%s: %v, %v", name, in.unread, err)
		}
		var text string
		if err := options(t, old).DataConverter.FromPayloads(payloads, &text); err == nil {
			t.Errorf("%s: another value is read", name)
		}
	}
	var text string
	if err := options(t, old).DataConverter.FromPayload(nil, &text); !errors.Is(err, errPlaintext) {
		t.Errorf("a nil payload: %v", err)
	}
}

// A failure that no worker encrypted shows no text.
func TestATextInClearIsNotShown(t *testing.T) {
	c := options(t, testKeyring()).FailureConverter
	inClear := func(cause *failurepb.Failure) *failurepb.Failure {
		return &failurepb.Failure{
			Message: "pt_1 was here", StackTrace: "pt_1", Cause: cause,
			FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
				ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: "T"},
			},
		}
	}
	for name, failure := range map[string]*failurepb.Failure{
		"alone": inClear(nil), "as a cause": inClear(inClear(nil)),
		"behind one that is encrypted": func() *failurepb.Failure {
			f := c.ErrorToFailure(temporal.NewApplicationError("the worker's", "T"))
			f.Cause = inClear(nil)
			return f
		}(),
	} {
		err := c.FailureToError(failure)
		for ; err != nil; err = errors.Unwrap(err) {
			if strings.Contains(err.Error(), "pt_1") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	again := c.FailureToError(c.ErrorToFailure(temporal.NewApplicationError("the worker's", "T")))
	if !strings.Contains(again.Error(), "the worker's") {
		t.Errorf("an encrypted text is lost: %v", again)
	}
	var timeout *temporal.TimeoutError
	server := &failurepb.Failure{Message: "the server's", FailureInfo: &failurepb.Failure_TimeoutFailureInfo{
		TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{TimeoutType: enumspb.TIMEOUT_TYPE_HEARTBEAT},
	}}
	if err := c.FailureToError(server); !errors.As(err, &timeout) || c.FailureToError(nil) != nil {
		t.Errorf("a time-out became %v", err)
	}
}

// An endedRun is a workflow that ended with a result.
type endedRun struct {
	client.Client
	client.WorkflowRun
	result result
}

func (r endedRun) GetWorkflow(context.Context, string, string) client.WorkflowRun { return r }

func (r endedRun) Get(_ context.Context, into any) error {
	*into.(*result) = r.result
	return nil
}

func TestKeyOfAnotherBooking(t *testing.T) {
	t.Parallel()
	run := endedRun{result: result{Fingerprint: "one", Appointment: &closure.Appointment{ID: "appt_1"}}}
	again := &Pending{bookings: &Bookings{client: run}, fingerprint: "one"}
	if booked, err := again.Wait(t.Context()); err != nil || booked.ID != "appt_1" {
		t.Errorf("the same booking: %v", err)
	}
	other := &Pending{bookings: &Bookings{client: run}, method: "StartFirst", fingerprint: "two"}
	_, err := other.Wait(t.Context())
	e, ok := errors.AsType[*closure.InputError](err)
	if !ok || e.Op != "StartFirst" || !errors.Is(err, closure.ErrIdempotencyKeyUsed) {
		t.Errorf("another booking: %v", err)
	}
}

func TestAnErrorNamesTheMethodThatStarted(t *testing.T) {
	t.Parallel()
	run := endedRun{result: result{Appointment: &closure.Appointment{ID: "appt_1", Status: closure.AppointmentScheduled}}}
	b, err := New(run, "queue", testKeyring(), Policy{})
	if err != nil {
		t.Fatal(err)
	}
	_, slotErr := b.Start(t.Context(), guide(), Again("closure-booking-1"))
	_, firstErr := b.StartFirst(t.Context(), closure.BookFirstParams{
		PatientID: "pt_1", IdempotencyKey: "order", Search: closure.SlotSearch{Schedules: []closure.ScheduleID{"sch_1"}},
	}, Again("closure-booking-1"))
	for method, err := range map[string]error{"Start": slotErr, "StartFirst": firstErr} {
		if e, ok := errors.AsType[*closure.InputError](err); !ok || e.Op != method || e.Field != "Again" {
			t.Errorf("%s: %v", method, err)
		}
	}
}
