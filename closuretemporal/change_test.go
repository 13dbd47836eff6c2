package closuretemporal

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// changed runs the workflow of a change of the guide's patient's appointment.
func (b *bench) changed(in changeInput) (*closure.Appointment, error) {
	own := taken()
	own.PatientID = closuretest.GuidePatientID
	b.server.AddAppointment(own)
	in.Appointment = own.ID
	b.register()
	return b.changing(in)
}

func (b *bench) changing(in changeInput) (*closure.Appointment, error) {
	in.Policy = b.policy.withDefaults()
	b.ExecuteWorkflow(changeWorkflow, in)
	r, err := readResult(b.t.Context(), envRun{env: b.TestWorkflowEnvironment})
	if err != nil {
		return nil, err
	}
	return r.answer()
}

func TestACancellationIsRepeatedUntilItIsCertain(t *testing.T) {
	inBench(t, func(b *bench) {
		b.server.Inject(
			closuretest.Status("appointments.cancel", http.StatusBadGateway).Times(5),
			closuretest.Status("appointments.get", http.StatusBadGateway).Times(100),
		)
		cancelled, err := b.changed(changeInput{})
		if err != nil || cancelled.Status != closure.AppointmentCancelled {
			t.Errorf("%v, %v", cancelled, err)
		}
	})
}

func TestAMoveIsRepeatedUntilItIsCertain(t *testing.T) {
	inBench(t, func(b *bench) {
		b.server.Inject(
			closuretest.DropAfter("appointments.reschedule"),
			closuretest.DropBefore("appointments.get").Times(40),
		)
		to := closuretest.GuideSlot().StartAt.Add(15 * time.Minute)
		moved, err := b.changed(changeInput{StartAt: to})
		if err != nil || !moved.StartAt.Equal(to) {
			t.Errorf("%v, %v", moved, err)
		}
	})
}

func TestAChangeEnds(t *testing.T) {
	nobodyOffers := closuretest.GuideSlot().StartAt.Add(24 * time.Hour)
	for _, tt := range []struct {
		name    string
		arrange func(*bench)
		to      time.Time
		want    error
		within  time.Duration
	}{
		{"refused", func(*bench) {}, nobodyOffers, closure.ErrSlotUnavailable, time.Minute},
		{"unknown", func(b *bench) {
			b.server.Inject(closuretest.DropBefore(closuretest.AnyOperation).Times(0))
		}, time.Time{}, closure.ErrOutcomeUnknown, 2 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				tt.arrange(b)
				start := b.Now()
				changed, err := b.changed(changeInput{StartAt: tt.to})
				if changed != nil || !errors.Is(err, tt.want) || b.Now().Sub(start) > tt.within {
					t.Errorf("%v, %v after %v", changed, err, b.Now().Sub(start))
				}
			})
		})
	}
}

// No worker takes it up until EscalateAfter is over.
func TestAChangeThatNoWorkerTookUpWasNotSent(t *testing.T) {
	inBench(t, func(b *bench) {
		b.register()
		b.OnActivity(changeActivity, mock.Anything, mock.Anything).
			Return(ending{}, temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START, nil))
		_, err := b.changing(changeInput{})
		if closure.OutcomeOf(err) != closure.OutcomeNotSent || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: %v", err, closure.OutcomeOf(err))
		}
	})
}

// A worker takes it up when nobody waits for it any more.
func TestAnOldChangeIsNotSent(t *testing.T) {
	server := closuretest.New(closuretest.ReportTo(t))
	a := &activities{api: server.Client()}
	end, err := a.change(t.Context(), changeInput{Appointment: "appt_1", GiveUpAt: time.Now().Add(-time.Second)})
	if err != nil || end.Again || closure.OutcomeOf(end.Failure.err()) != closure.OutcomeNotSent || len(server.Requests()) != 0 {
		t.Errorf("%+v, %v, %d requests", end, err, len(server.Requests()))
	}
}

// A worker that is frozen may send until its attempt's time is over: no other attempt
// begins before that, so nothing sooner may end it.
func TestAnAttemptAtAChangeEndsByItsDeadlineAlone(t *testing.T) {
	inBench(t, func(b *bench) {
		registerWorkflows(b)
		b.RegisterActivityWithOptions(func(ctx context.Context, _ changeInput) (ending, error) {
			if info := activity.GetInfo(ctx); info.HeartbeatTimeout != 0 {
				t.Errorf("it ends after %v without a heartbeat", info.HeartbeatTimeout)
			}
			return ending{Appointment: &closure.Appointment{ID: "appt_1"}}, nil
		}, activity.RegisterOptions{Name: changeActivity})
		if _, err := b.changing(changeInput{}); err != nil {
			t.Error(err)
		}
	})
}

// The first attempt lands after 20 minutes, and the later ones are refused
// meanwhile: no refusal may speak for the first.
func TestARefusalDoesNotSettleAnEarlierAttempt(t *testing.T) {
	to := closuretest.GuideSlot().StartAt.Add(15 * time.Minute)
	for _, tt := range []struct {
		name, op string
		to       time.Time
		status   int
	}{
		{"cancel, 401", "appointments.cancel", time.Time{}, http.StatusUnauthorized},
		{"cancel, 409", "appointments.cancel", time.Time{}, http.StatusConflict},
		{"cancel, 429", "appointments.cancel", time.Time{}, http.StatusTooManyRequests},
		{"move, 403", "appointments.reschedule", to, http.StatusForbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				b.server.Inject(closuretest.CommitLate(tt.op, 20*time.Minute), closuretest.Status(tt.op, tt.status).Times(0))
				changed, err := b.changed(changeInput{StartAt: tt.to})
				if err != nil || len(b.server.Injected()) < 2 {
					t.Fatalf("%v, %v: %v", changed, err, closure.OutcomeOf(err))
				}
			})
		})
	}
}

// The first attempt's answer is lost, and no later one gets out.
func TestWhatIsNotSentDoesNotSettleAnEarlierAttempt(t *testing.T) {
	inBench(t, func(b *bench) {
		wrote := false
		b.routes = func(next http.RoundTripper) http.RoundTripper {
			return roundTripFunc(func(req *http.Request) (*http.Response, error) {
				if req.Method != http.MethodGet && !wrote {
					wrote = true
					_, _ = next.RoundTrip(req)
					return nil, io.ErrUnexpectedEOF
				}
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")}
			})
		}
		_, err := b.changed(changeInput{})
		if closure.OutcomeOf(err) != closure.OutcomeUnknown {
			t.Errorf("%v: %v", err, closure.OutcomeOf(err))
		}
	})
}
