package closure_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/closurehealth/closure-go"
)

// A call that another call's failure cancelled, as errgroup does it, says what is known
// of itself: the other's status is not its own.
func TestCancelledByAnotherCallsError(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]error{
		"not found of a read":  &closure.APIError{Method: "GET", StatusCode: 404},
		"rejection of a write": &closure.APIError{Method: "POST", StatusCode: 409},
		"wrapped":              fmt.Errorf("sibling: %w", &closure.APIError{Method: "GET", StatusCode: 404}),
		"joined":               errors.Join(errors.New("x"), &closure.InputError{}),
		"not sent":             &closure.TransportError{Outcome: closure.OutcomeNotSent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			s := serve(t, func(*http.Request) (*http.Response, error) {
				cancel(cause) // the request has arrived
				return nil, context.Cause(ctx)
			})
			_, err := s.client(t).Appointments.Create(ctx, closure.AppointmentCreateParams{
				ScheduleID: "sch_1", PatientID: "pt_1", StartAt: clinicSlot(9), Duration: 30,
			})
			if closure.OutcomeOf(err) != closure.OutcomeUnknown {
				t.Errorf("%v: %v, want unknown", err, closure.OutcomeOf(err))
			}
			_, isAPI := errors.AsType[*closure.APIError](err)
			if isAPI || errors.Is(err, closure.ErrNotFound) || errors.Is(err, closure.ErrConflict) ||
				errors.Is(err, closure.ErrInvalidInput) {
				t.Errorf("%v: it passes for the other call's", err)
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v: not cancelled", err)
			}
		})
	}
}

// The same of a RoundTripper that fails with an error of this package.
func TestRoundTripperFailsWithOurError(t *testing.T) {
	t.Parallel()
	s := serve(t, func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("inner client: %w", &closure.APIError{Method: "POST", StatusCode: 429})
	})
	_, err := s.client(t).Appointments.Cancel(t.Context(), "appt_1")
	if closure.OutcomeOf(err) != closure.OutcomeUnknown || errors.Is(err, closure.ErrRateLimited) || len(s.seen) != 1 {
		t.Errorf("%v after %d requests", err, len(s.seen))
	}
}

// Digits with the code of a data center behind them are no request id.
func TestDataCenterCodesMakeNoRequestID(t *testing.T) {
	t.Parallel()
	for id, shown := range map[string]bool{
		"4111111111111111-VIS": false, "1994122241555501-TRI": false, "19941222415555012300000000-lhr": false,
		"8c7f2b1a9d3e4f50-AMS": true,
	} {
		_, err := serveAlways(t, 404, "", "X-Request-Id", id).client(t).Patients.Get(t.Context(), "pt_1")
		if got := contains(err, id); got != shown {
			t.Errorf("%s: shown %t", id, got)
		}
	}
}

func contains(err error, text string) bool { return strings.Contains(err.Error(), text) }
