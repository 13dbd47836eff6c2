package closure_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// A caller's RoundTripper that gets a token before it sends, and audits after the answer: their
// connections aren't the request's.
func TestRoundTripperWithRequestsOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			testRequestsOfItsOwn(t, protocol)
		})
	}
}

func testRequestsOfItsOwn(t *testing.T, protocol string) {
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "token") }))
	t.Cleanup(tokens.Close)
	p := &practice{slots: openSlot, status: "scheduled", gateway: func(g *gateway) {
		if g.Proto != protocol {
			t.Errorf("spoke %s", g.Proto)
		}
	}}
	api := httptest.NewUnstartedServer(p)
	api.EnableHTTP2 = protocol == "HTTP/2.0"
	api.StartTLS()
	t.Cleanup(api.Close)
	plain := api.Client().Transport
	c, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(api.URL), closure.WithHTTPClient(&http.Client{
		Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
			own := func() error {
				ask, err := http.NewRequestWithContext(closure.OwnRequest(req.Context()), http.MethodGet, tokens.URL, nil)
				if err != nil {
					return err
				}
				answer, err := plain.RoundTrip(ask)
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, answer.Body)
				return errors.Join(err, answer.Body.Close())
			}
			if err := own(); err != nil {
				return nil, err
			}
			resp, err := plain.RoundTrip(req)
			return resp, errors.Join(err, own())
		}),
	}))
	noError(t, err)
	for range 2 { // then the connections are kept ones
		booking, err := c.BookSlot(t.Context(), bookingParams())
		noError(t, err)
		_, err = c.RescheduleBooking(t.Context(), booking.Appointment.ID, closure.AppointmentRescheduleParams{StartAt: guide.start.Add(time.Hour)})
		noError(t, err)
		_, err = c.CancelBooking(t.Context(), booking.Appointment.ID)
		noError(t, err)
		if booking.Recovered {
			t.Error("an answer was lost")
		}
		p.held = nil
	}
	p.sent(t, 2, 0)
}

// With the request's own context, a token's connection counts as a sending of the request.
func TestRequestWithTheRequestsContext(t *testing.T) {
	t.Parallel()
	tokens := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(tokens.Close)
	p := &practice{slots: openSlot, status: "scheduled"}
	api := httptest.NewServer(p)
	t.Cleanup(api.Close)
	plain := new(http.Transport)
	t.Cleanup(plain.CloseIdleConnections)
	c, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(api.URL), closure.WithHTTPClient(&http.Client{
		Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
			ask, err := http.NewRequestWithContext(req.Context(), http.MethodGet, tokens.URL, nil)
			return nil, errors.Join(err, roundTrip(plain, ask), roundTrip(plain, req))
		}),
	}))
	noError(t, err)
	_, err = c.CancelBooking(soon(t), "appt_1")
	if closure.OutcomeOf(err) != closure.OutcomeUnknown || p.count("POST /appointments/appt_1/cancel") > 0 {
		t.Errorf("%v", err)
	}
}

// The context of a RoundTripper's own request ends with the SDK's, and has its values.
func TestOwnRequest(t *testing.T) {
	t.Parallel()
	type key struct{}
	hooks := 0
	ctx := httptrace.WithClientTrace(context.WithValue(t.Context(), key{}, "value"), &httptrace.ClientTrace{
		GetConn: func(string) { hooks++ },
	})
	ctx, cancel := context.WithTimeoutCause(ctx, time.Hour, io.EOF)
	own := closure.OwnRequest(ctx)
	until, bounded := ctx.Deadline()
	if at, ok := own.Deadline(); !at.Equal(until) || ok != bounded || own.Value(key{}) != "value" || own.Err() != nil {
		t.Fatalf("deadline %t, value %v, %v", ok, own.Value(key{}), own.Err())
	}
	if trace := httptrace.ContextClientTrace(own); trace.GetConn != nil {
		t.Error("the trace is still there")
	}
	cancel()
	<-own.Done()
	if !errors.Is(own.Err(), context.Canceled) || !errors.Is(context.Cause(own), context.Canceled) || hooks > 0 {
		t.Errorf("%v, %v, %d hooks", own.Err(), context.Cause(own), hooks)
	}
}

// A RoundTripper that sends a write twice, by whatever it does, doesn't.
func TestRoundTripperThatSendsTwice(t *testing.T) {
	t.Parallel()
	for name, twice := range map[string]func(plain *http.Transport, req *http.Request, gateway string) error{
		"at once, with bodies it got before": func(plain *http.Transport, req *http.Request, gateway string) error {
			requests := []*http.Request{req.Clone(req.Context()), req.Clone(req.Context())}
			for _, r := range requests {
				r.Body, _ = req.GetBody()
			}
			requests[1].URL.Host = gateway
			errs := make([]error, len(requests))
			var group sync.WaitGroup
			for i, r := range requests {
				group.Go(func() { errs[i] = roundTrip(plain, r) })
			}
			group.Wait()
			return errors.Join(errs...)
		},
		"one after the other, with bodies it got before": func(plain *http.Transport, req *http.Request, gateway string) error {
			first, second := req.Clone(req.Context()), req.Clone(req.Context())
			first.Body, _ = req.GetBody()
			second.Body, _ = req.GetBody()
			first.URL.Host = gateway
			return errors.Join(roundTrip(plain, first), roundTrip(plain, second))
		},
		"through a gateway, then without": func(plain *http.Transport, req *http.Request, gateway string) error {
			first := req.Clone(req.Context())
			first.URL.Host = gateway
			return errors.Join(roundTrip(plain, first), roundTrip(plain, req))
		},
		"a copy of what it read": func(plain *http.Transport, req *http.Request, gateway string) error {
			text, err := io.ReadAll(req.Body)
			first, second := req.Clone(req.Context()), req.Clone(req.Context())
			first.Body, second.Body = io.NopCloser(strings.NewReader(string(text))), io.NopCloser(strings.NewReader(string(text)))
			first.URL.Host = gateway
			return errors.Join(err, roundTrip(plain, first), roundTrip(plain, second))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var whole atomic.Int32
			carriesOut := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if body, err := io.ReadAll(req.Body); err == nil && int64(len(body)) == req.ContentLength {
					whole.Add(1)
				}
				w.WriteHeader(http.StatusInternalServerError)
			})
			api, gateway := httptest.NewServer(carriesOut), httptest.NewServer(carriesOut)
			t.Cleanup(api.Close)
			t.Cleanup(gateway.Close)
			plain := new(http.Transport)
			t.Cleanup(plain.CloseIdleConnections)
			c, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(api.URL), closure.WithHTTPClient(&http.Client{
				Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
					if req.Method == http.MethodGet {
						return newResponse(http.StatusNotFound, ""), nil
					}
					return nil, fmt.Errorf("failed twice: %w", twice(plain, req, strings.TrimPrefix(gateway.URL, "http://")))
				}),
			}))
			noError(t, err)
			_, err = c.Patients.Create(t.Context(), closure.PatientCreateParams{FirstName: "Ana", LastName: "Example", DOB: guide.dob})
			if closure.OutcomeOf(err) != closure.OutcomeUnknown {
				t.Errorf("%v: %v", closure.OutcomeOf(err), err)
			}
			if whole.Load() > 1 {
				t.Errorf("sent %d times", whole.Load())
			}
		})
	}
}

func roundTrip(plain http.RoundTripper, req *http.Request) error {
	resp, err := plain.RoundTrip(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	return errors.New(resp.Status)
}
