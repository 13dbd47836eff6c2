package closuretemporal

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/closurehealth/closure-go"
)

// A busyServer answers the first calls that start a workflow with the errors, in turn.
type busyServer struct {
	client.Client
	errs  []error
	calls int
}

func (s *busyServer) ExecuteWorkflow(
	context.Context, client.StartWorkflowOptions, any, ...any,
) (client.WorkflowRun, error) {
	s.calls++
	if s.calls <= len(s.errs) {
		return bookedRun{}, s.errs[s.calls-1]
	}
	return bookedRun{}, nil
}

func TestStartTakesAsLongAsTheContextAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tooLate := serviceerror.NewDeadlineExceeded("context deadline exceeded")
		server := &busyServer{errs: []error{tooLate, context.DeadlineExceeded}}
		if _, err := startAt(t.Context(), t, server); err != nil || server.calls != 3 {
			t.Errorf("%v after %d calls", err, server.calls)
		}

		for range 100 {
			server.errs = append(server.errs, tooLate)
		}
		server.calls = 0
		ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
		defer cancel()
		if _, err := startAt(ctx, t, server); !errors.Is(err, tooLate) || server.calls != 10 {
			t.Errorf("%v after %d calls", err, server.calls)
		}
	})
}

func TestStartReturnsWhatIsNoTimeout(t *testing.T) {
	for _, want := range []error{
		serviceerror.NewUnavailable("no server"), serviceerror.NewInvalidArgument("refused"), context.Canceled,
	} {
		server := &busyServer{errs: []error{want}}
		if _, err := startAt(t.Context(), t, server); !errors.Is(err, want) || server.calls != 1 {
			t.Errorf("%v after %d calls", err, server.calls)
		}
	}
}

func startAt(ctx context.Context, t *testing.T, server client.Client) (*Pending, error) {
	t.Helper()
	bookings, err := New(server, "queue", testKeyring(), Policy{})
	if err != nil {
		t.Fatal(err)
	}
	return bookings.Start(ctx, guide())
}

// GetWorkflow is of a booking that is booked.
func (s *busyServer) GetWorkflow(context.Context, string, string) client.WorkflowRun {
	return bookedRun{}
}

type bookedRun struct{ client.WorkflowRun }

func (bookedRun) Get(_ context.Context, value any) error {
	value.(*result).Appointment = &closure.Appointment{ID: "appt_1"}
	return nil
}

func TestAChangeThatMayHaveStartedIsUnknown(t *testing.T) {
	for _, tt := range []struct {
		err     error
		unknown bool
	}{
		{serviceerror.NewUnavailable("the connection broke"), true},
		{serviceerror.NewInternal("the database"), true},
		{serviceerror.NewCanceled("by the caller"), true},
		{context.Canceled, true},
		{serviceerror.NewNamespaceNotActive("default", "a", "b"), true},
		{serviceerror.NewUnimplemented("by a gateway"), true},
		{serviceerror.NewInvalidArgument("refused"), false},
		{serviceerror.NewPermissionDenied("refused", ""), false},
		{serviceerror.NewNamespaceNotFound("default"), false},
		{errors.New("not encoded"), false},
	} {
		bookings, err := New(&busyServer{errs: []error{tt.err}}, "queue", testKeyring(), Policy{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = bookings.Get("closure-booking-1").Cancel(t.Context())
		if !errors.Is(err, tt.err) || errors.Is(err, closure.ErrOutcomeUnknown) != tt.unknown {
			t.Errorf("%v: %v", tt.err, err)
		}
	}
}

// The first call may have started the change, whatever a later one is told.
func TestAChangeIsUnknownAfterATimeout(t *testing.T) {
	late, refused := serviceerror.NewDeadlineExceeded("late"), serviceerror.NewInvalidArgument("refused")
	for name, tt := range map[string]struct {
		errs    []error
		unknown bool
	}{
		"then refused": {[]error{late, refused}, true},
		"then another change was under way, refused":      {[]error{late, nil, refused}, true},
		"only another change was under way, then refused": {[]error{nil, refused}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bookings, err := New(&busyServer{errs: tt.errs}, "queue", testKeyring(), Policy{})
				if err != nil {
					t.Fatal(err)
				}
				_, err = bookings.Get("closure-booking-1").Cancel(t.Context())
				if !errors.Is(err, refused) || errors.Is(err, closure.ErrOutcomeUnknown) != tt.unknown {
					t.Error(err)
				}
			})
		})
	}
}
