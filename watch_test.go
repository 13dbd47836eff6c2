package closure_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/closurehealth/closure-go"
)

func TestWithObserver(t *testing.T) {
	t.Parallel()
	dial := &net.OpError{Op: "dial", Err: errors.New("no route")}
	create, get := appointmentCalls[0], appointmentCalls[1]
	event := func(a apiCall, attempt, status int, outcome closure.Outcome) closure.Event {
		spec := a.spec(t)
		e := closure.Event{
			Op: spec.Name, Method: spec.Method, Route: spec.Route, Attempt: attempt, StatusCode: status, Outcome: outcome,
		}
		if status != 0 {
			e.RequestID = "req_1"
		}
		return e
	}
	for _, tt := range []struct {
		name   string
		call   apiCall
		status int
		err    error
		want   []closure.Event
	}{
		{"applied", create, 200, nil, []closure.Event{
			event(create, 1, 200, closure.OutcomeApplied), event(create, 0, 200, closure.OutcomeApplied),
		}},
		{"rejected", create, 409, nil, []closure.Event{
			event(create, 1, 409, closure.OutcomeRejected), event(create, 0, 409, closure.OutcomeRejected),
		}},
		{"server error of a write", create, 500, nil, []closure.Event{
			event(create, 1, 500, closure.OutcomeUnknown), event(create, 0, 500, closure.OutcomeUnknown),
		}},
		{"server error of a read", get, 500, nil, []closure.Event{
			event(get, 1, 500, closure.OutcomeNotSent), event(get, 2, 500, closure.OutcomeNotSent),
			event(get, 0, 500, closure.OutcomeNotSent),
		}},
		{"not sent", create, 0, dial, []closure.Event{
			event(create, 1, 0, closure.OutcomeNotSent), event(create, 2, 0, closure.OutcomeNotSent),
			event(create, 0, 0, closure.OutcomeNotSent),
		}},
		{"lost", create, 0, io.ErrUnexpectedEOF, []closure.Event{
			event(create, 1, 0, closure.OutcomeUnknown), event(create, 0, 0, closure.OutcomeUnknown),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(*http.Request) (*http.Response, error) {
				if tt.err != nil {
					return nil, tt.err
				}
				return newResponse(tt.status, appointmentJSON, "X-Request-Id", "req_1"), nil
			})
			var got, second []closure.Event
			observe := func(events *[]closure.Event) closure.Option {
				return closure.WithObserver(func(_ context.Context, e closure.Event) {
					if e.Duration <= 0 {
						t.Errorf("duration %v", e.Duration)
					}
					if e.CallID == 0 || e.BookingID != "" {
						t.Errorf("call %d, booking %q", e.CallID, e.BookingID)
					}
					e.Duration, e.CallID = 0, 0
					*events = append(*events, e)
				})
			}
			var rt http.RoundTripper = s
			if tt.err == dial { // a RoundTripper of any other make proves nothing
				rt = &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return nil, dial }}
			}
			_, _ = tt.call.call(t.Context(), newClient(t, rt, observe(&got), observe(&second)), guide,
				closure.WithMaxAttempts(2))
			equal(t, "events", got, tt.want)
			equal(t, "events of the second observer", second, got)
		})
	}
}

// The CallID tells calls apart, also those of several clients that share a context
// and an observer.
func TestCallID(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "the caller's")
	events := map[uint64]int{}
	observer := closure.WithObserver(func(ctx context.Context, e closure.Event) {
		if ctx.Value(key{}) != "the caller's" {
			t.Error("the caller's value is gone")
		}
		events[e.CallID]++
	})
	for range 2 {
		client := serveAlways(t, 503, "").client(t, observer)
		for range 2 {
			_, _ = appointmentCalls[1].call(ctx, client, guide)
		}
	}
	for _, n := range events {
		if n != 4 { // three attempts and the call
			t.Errorf("%d events share an id, want 4", n)
		}
	}
	if len(events) != 4 {
		t.Errorf("%d ids for 4 calls", len(events))
	}
}
