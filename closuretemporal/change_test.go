package closuretemporal

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// changed runs the workflow of a change of the guide's patient's appointment.
func (b *bench) changed(in changeInput) (*closure.Appointment, error) {
	own := taken()
	own.PatientID = closuretest.GuidePatientID
	b.server.AddAppointment(own)
	in.Appointment, in.Policy = own.ID, b.policy.withDefaults()
	b.register()
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
