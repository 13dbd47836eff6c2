package closure_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

func TestOptionsRefused(t *testing.T) {
	t.Parallel()
	policy := func(p closure.RetryPolicy) closure.Option { return closure.WithRetryPolicy(p) }
	for _, tt := range []struct {
		option string
		opts   []closure.Option
	}{
		{"WithAPIVersion", []closure.Option{
			closure.WithAPIVersion(""), closure.WithAPIVersion(" "), closure.WithAPIVersion("SECRET\r\nX: y"),
			closure.WithAPIVersion("SECRETé"), closure.WithAPIVersion("SECRET "),
		}},
		{"WithUserAgent", []closure.Option{
			closure.WithUserAgent(""), closure.WithUserAgent("SECRET\n"), closure.WithUserAgent(" SECRET"),
			closure.WithUserAgent("SECRET\x7f"),
		}},
		{"WithHTTPClient", []closure.Option{
			closure.WithHTTPClient(nil),
			closure.WithHTTPClient(&http.Client{Transport: (*http.Transport)(nil)}),
			closure.WithHTTPClient(&http.Client{Transport: roundTripFunc(nil)}),
			closure.WithHTTPClient(&http.Client{Jar: (*cookiejar.Jar)(nil)}),
		}},
		{"WithJournal", []closure.Option{closure.WithJournal(nil), closure.WithJournal((*closuretest.Journal)(nil))}},
		{"WithLogger", []closure.Option{
			closure.WithLogger(new(slog.Logger)), closure.WithLogger(slog.New((*slog.JSONHandler)(nil))),
		}},
		{"WithObserver", []closure.Option{closure.WithObserver(nil)}},
		{"WithBookingObserver", []closure.Option{closure.WithBookingObserver(nil)}},
		{"WithTimeout", []closure.Option{closure.Options(nil, closure.WithTimeout(0))}},
		{"WithMode", []closure.Option{closure.WithMode(""), closure.WithMode("SECRET")}},
		{"WithRateLimit", []closure.Option{
			closure.WithRateLimit(0, 1), closure.WithRateLimit(-1, 1), closure.WithRateLimit(1, 0), closure.WithRateLimit(1, -1),
			closure.WithRateLimit(math.NaN(), 1), closure.WithRateLimit(math.Inf(1), 1),
		}},
		{"WithRetryPolicy", []closure.Option{
			policy(closure.RetryPolicy{MaxAttempts: -1}), policy(closure.RetryPolicy{MinWait: -1}),
			policy(closure.RetryPolicy{MaxWait: -1}),
			policy(closure.RetryPolicy{MaxRetryAfter: -1}), policy(closure.RetryPolicy{Budget: -1}),
			policy(closure.RetryPolicy{MinWait: time.Second, MaxWait: time.Millisecond}),
		}},
	} {
		for _, opt := range tt.opts {
			_, err := closure.NewClient(closure.QuickstartKey, opt)
			refused(t, tt.option, err, tt.option, "argument")
			if strings.Contains(fmt.Sprint(err), "SECRET") {
				t.Errorf("the value is echoed: %v", err)
			}
		}
	}
}

// What a call refuses, a client refuses too.
func TestCallOptionsRefused(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]closure.CallOption{
		"WithIndexVersion": {
			closure.WithIndexVersion(""), closure.WithIndexVersion("idx_"), closure.WithIndexVersion("SECRET"),
			closure.WithIndexVersion("idx_SECRET\r\nX: y"), closure.WithIndexVersion("idx_SECRET "),
			closure.WithIndexVersion(closure.IndexVersionID("idx_" + strings.Repeat("x", 255))),
		},
		"WithTimeout":     {closure.WithTimeout(0), closure.WithTimeout(-1)},
		"WithMaxAttempts": {closure.WithMaxAttempts(0), closure.WithMaxAttempts(-1)},
		"Expand": {
			closure.Expand(""), closure.Expand("SECRET"), closure.Expand(closure.ExpandLocation, "location,SECRET"),
			closure.Expand("a b"),
		},
		"KnownCancelled":  {closure.KnownCancelled(""), closure.KnownCancelled("appt_1", "SECRET")},
		"CaptureResponse": {closure.CaptureResponse(nil)},
		"AssumeLostAfter": {closure.AssumeLostAfter(-1)},
	} {
		for _, opt := range opts {
			s := serveAlways(t, 500, "")
			_, err := s.client(t).Schedules.Get(t.Context(), guide.schedule, opt)
			refused(t, name, err, name, "argument")
			_, clientErr := closure.NewClient(closure.QuickstartKey, opt)
			field := "argument"
			if name == "CaptureResponse" { // it doesn't belong to a client
				field = "option"
			}
			refused(t, name, clientErr, name, field)
			if len(s.seen) != 0 || strings.Contains(err.Error()+clientErr.Error(), "SECRET") {
				t.Errorf("sent, or the value is echoed: %v", err)
			}
		}
	}
}

func TestWithMode(t *testing.T) {
	t.Parallel()
	_, err := closure.NewClient("ch_sk_live_x", closure.WithMode(closure.ModeLive))
	noError(t, err)
	_, err = closure.NewClient("ch_sk_live_SECRET", closure.WithMode(closure.ModeTest))
	refused(t, "live key", err, "NewClient", "apiKey")
	_, err = closure.NewClient(closure.QuickstartKey, closure.WithMode(closure.ModeTest),
		closure.WithMode(closure.ModeLive))
	refused(t, "test key", err, "NewClient", "apiKey")
}

func TestNilOptions(t *testing.T) {
	t.Parallel()
	s := serveAlways(t, 200, "[]")
	c := s.client(t, nil, closure.WithLogger(nil), nil)
	_, err := c.Specialties.List(t.Context(), nil, closure.WithMaxAttempts(1), nil)
	noError(t, err)
}

// Where two options set the same thing, the later one wins, and a call's wins
// over the client's.
func TestTheLaterOptionWins(t *testing.T) {
	t.Parallel()
	attempts := func(n int) closure.Option {
		return closure.WithRetryPolicy(closure.RetryPolicy{MaxAttempts: n, MinWait: 1, MaxWait: 1})
	}
	for _, tt := range []struct {
		name string
		opts []closure.Option
		call []closure.CallOption
		want int
	}{
		{"default", nil, nil, 3},
		{"policy", []closure.Option{attempts(5)}, nil, 5},
		{"later policy", []closure.Option{attempts(5), attempts(2)}, nil, 2},
		{"later policy without attempts", []closure.Option{attempts(5), attempts(0)}, nil, 3},
		{"attempts after the policy", []closure.Option{attempts(5), closure.WithMaxAttempts(2)}, nil, 2},
		{"policy after the attempts", []closure.Option{closure.WithMaxAttempts(2), attempts(5)}, nil, 5},
		{"policy without attempts keeps them", []closure.Option{closure.WithMaxAttempts(1), attempts(0)}, nil, 1},
		{"call", []closure.Option{closure.WithMaxAttempts(5)}, []closure.CallOption{closure.WithMaxAttempts(2)}, 2},
		{"later in the call", nil, []closure.CallOption{closure.WithMaxAttempts(5), closure.WithMaxAttempts(1)}, 1},
	} {
		s := serveAlways(t, 503, "")
		_, err := s.client(t, tt.opts...).Specialties.List(t.Context(), tt.call...)
		if !errors.Is(err, closure.ErrServer) || len(s.seen) != tt.want {
			t.Errorf("%s: sent %d times, want %d", tt.name, len(s.seen), tt.want)
		}
	}
}

// An option is a value: that one client has it changes nothing for the next.
func TestOneOptionForTwoClients(t *testing.T) {
	t.Parallel()
	policy := closure.WithRetryPolicy(closure.RetryPolicy{MinWait: 1, MaxWait: 1})
	for range 2 {
		s := serveAlways(t, 503, "")
		_, err := s.client(t, closure.WithMaxAttempts(1), policy).Specialties.List(t.Context())
		if !errors.Is(err, closure.ErrServer) || len(s.seen) != 1 {
			t.Errorf("sent %d times, want once", len(s.seen))
		}
	}
}

func TestIndexVersionAndExpandOfClientAndCall(t *testing.T) {
	t.Parallel()
	s := serveAlways(t, 200, "[]")
	c := s.client(t, closure.WithIndexVersion("idx_client"), closure.Expand(closure.ExpandLocation))
	_, err := c.Schedules.List(t.Context(), closure.ScheduleListParams{})
	noError(t, err)
	_, err = c.Schedules.List(t.Context(), closure.ScheduleListParams{}, closure.WithIndexVersion(closure.IndexStandard),
		closure.Expand(closure.ExpandInsurances))
	noError(t, err)
	_, err = c.Schedules.List(t.Context(), closure.ScheduleListParams{}, closure.Expand())
	noError(t, err)
	_, err = c.Patients.List(t.Context(), closure.PatientListParams{})
	noError(t, err)
	own := url.Values{"expand": {"practitioner"}}
	noError(t, c.Call(t.Context(), closure.CallRequest{Method: "GET", Route: "/schedules", Query: own}, nil))
	for i, want := range []string{
		"/schedules?expand=location idx_client",
		"/schedules?expand=insurances idx_standard",
		"/schedules idx_client",
		"/patients ", // neither belongs there
		"/schedules?expand=practitioner idx_client",
	} {
		if got := s.seen[i].url + " " + s.seen[i].header.Get("Closure-Index-Version"); got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
	}
}

// An option keeps no memory of its arguments.
func TestExpandCopies(t *testing.T) {
	t.Parallel()
	fields := []closure.ExpandField{closure.ExpandLocation}
	opt := closure.Expand(fields...)
	fields[0] = closure.ExpandInsurances
	s := serveAlways(t, 200, "[]")
	_, err := s.client(t).Schedules.List(t.Context(), closure.ScheduleListParams{}, opt)
	noError(t, err)
	if s.seen[0].url != "/schedules?expand=location" {
		t.Errorf("sent %s", s.seen[0].url)
	}
}

func TestWithAPIVersionAndUserAgent(t *testing.T) {
	t.Parallel()
	s := serveAlways(t, 200, "[]")
	agents := []closure.Option{closure.WithUserAgent("a/1"), closure.WithUserAgent("b/2 (x)")}
	c := s.client(t, append(agents, closure.WithAPIVersion("2030-12-31"))...)
	_, err := c.Specialties.List(t.Context())
	noError(t, err)
	if h := s.seen[0].header; h.Get("Closure-API-Version") != "2030-12-31" ||
		h.Get("User-Agent") != "b/2 (x) closure-go/"+closure.Version {
		t.Errorf("sent %v", h)
	}
}

func TestWithHTTPClientJar(t *testing.T) {
	t.Parallel()
	jar, err := cookiejar.New(nil)
	noError(t, err)
	where, err := url.Parse(baseURL)
	noError(t, err)
	jar.SetCookies(where, []*http.Cookie{{Name: "route", Value: "a"}})
	s := serveAlways(t, 503, "")
	c := newClient(t, nil, closure.WithHTTPClient(&http.Client{Transport: s, Jar: jar}))
	_, err = c.Specialties.List(t.Context())
	if !errors.Is(err, closure.ErrServer) {
		t.Errorf("%v", err)
	}
	for i, x := range s.seen {
		if got := x.header.Get("Cookie"); got != "route=a" {
			t.Errorf("attempt %d: cookie %q", i+1, got)
		}
	}
}

func TestWithTimeout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		client []closure.Option
		call   []closure.CallOption
	}{
		"client": {client: []closure.Option{closure.WithTimeout(time.Millisecond)}},
		"call": {
			client: []closure.Option{closure.WithTimeout(time.Hour)},
			call:   []closure.CallOption{closure.WithTimeout(time.Millisecond)},
		},
	} {
		_, err := newClient(t, hang, c.client...).Specialties.List(t.Context(), c.call...)
		var e *closure.TransportError
		if !errors.As(err, &e) || !e.Timeout() || !errors.Is(err, context.DeadlineExceeded) || e.Attempts != 3 {
			t.Errorf("%s: %v, want a timeout after 3 attempts", name, err)
		}
	}
}

func TestWithRateLimit(t *testing.T) {
	t.Parallel()
	s := serveAlways(t, 200, "[]")
	c := s.client(t, closure.WithRateLimit(1e-6, 2))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 2 {
		_, err := c.Specialties.List(ctx)
		noError(t, err)
	}
	_, err := c.Specialties.List(ctx) // would be due in eleven days
	var e *closure.TransportError
	if !errors.As(err, &e) || e.Outcome != closure.OutcomeNotSent || len(s.seen) != 2 {
		t.Errorf("%v after %d requests, want the rate limit's error after 2", err, len(s.seen))
	}
}

func TestWithLogger(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := serveAlways(t, 503, "", "X-Request-Id", "req_1")
	c := s.client(t, closure.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" {
				return slog.Attr{}
			}
			return a
		},
	}))))
	_, _ = c.Patients.Get(t.Context(), guide.patient, closure.WithMaxAttempts(2))
	const record = `level=WARN msg="closure: attempt" operation=patients.get route=/patients/{id} status=503 attempt=`
	if want := record + "1 request_id=req_1\n" + record + "2 request_id=req_1\n"; log.String() != want {
		t.Errorf("logged\n%s\nwant\n%s", log.String(), want)
	}
}
