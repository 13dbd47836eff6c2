package closure_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/internal/wire"
)

// baseURL has a path, so that a test fails if a route drops it.
const baseURL = "https://railway.test/booking/v1"

// A sentRequest is what a mocked server saw of one request.
type sentRequest struct {
	method, url string // the URL without baseURL, escaped as it was sent
	header      http.Header
	body        string
}

// A server answers in the place of the API and records the requests.
type server struct {
	*httpmock.MockTransport
	seen []sentRequest
}

// serve answers every request with respond.
func serve(t testing.TB, respond httpmock.Responder) *server {
	t.Helper()
	s := &server{MockTransport: httpmock.NewMockTransport()}
	s.RegisterNoResponder(func(req *http.Request) (*http.Response, error) {
		s.seen = append(s.seen, record(t, req))
		return respond(req)
	})
	return s
}

// serveAlways returns a server that gives the same answer to every request; header holds names and
// values in turn.
func serveAlways(t testing.TB, status int, body string, header ...string) *server {
	t.Helper()
	return serve(t, func(*http.Request) (*http.Response, error) {
		return newResponse(status, body, header...), nil
	})
}

func newResponse(status int, body string, header ...string) *http.Response {
	resp := httpmock.NewStringResponse(status, body)
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

func record(t testing.TB, req *http.Request) sentRequest {
	t.Helper()
	x := sentRequest{method: req.Method, header: req.Header.Clone()}
	var ok bool
	if x.url, ok = strings.CutPrefix(req.URL.String(), baseURL); !ok {
		t.Errorf("sent to %s, want it below %s", req.URL, baseURL)
	}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		noError(t, err)
		x.body = string(body)
	}
	return x
}

// client is a client of the server that retries without waiting.
func (s *server) client(t testing.TB, opts ...closure.Option) *closure.Client {
	t.Helper()
	return newClient(t, s, opts...)
}

func newClient(t testing.TB, rt http.RoundTripper, opts ...closure.Option) *closure.Client {
	t.Helper()
	c, err := closure.NewClient(closure.QuickstartKey, append([]closure.Option{
		closure.WithBaseURL(baseURL),
		closure.WithHTTPClient(&http.Client{Transport: rt}),
		closure.WithRetryPolicy(closure.RetryPolicy{MinWait: 1, MaxWait: 1}),
	}, opts...)...)
	noError(t, err)
	return c
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// equal compares and shows the difference as JSON: many values print redacted.
func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, show(got), show(want))
	}
}

func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func utc(year int, month time.Month, day, hour, minute int) time.Time {
	return time.Date(year, month, day, hour, minute, 0, 0, time.UTC)
}

// inputs are the arguments of calls.
type inputs struct {
	patient         closure.PatientID
	practitioner    closure.PractitionerID
	schedule        closure.ScheduleID
	appointment     closure.AppointmentID
	insurance       closure.InsuranceID
	location        closure.LocationID
	specialty       closure.SpecialtyID
	appointmentType closure.AppointmentTypeID

	name, memberID, npi string
	dob                 closure.Date
	start               time.Time
}

// guide is the vendor guide's data.
var guide = inputs{
	patient:         "pt_sxKCbaoVdBXHBGWywcBETm",
	practitioner:    "prac_j3uc7oA7FYMtXhGZi2rbt9",
	schedule:        "sch_u5oQnnMdSbyb83xgqgkUgX",
	appointment:     "appt_1",
	insurance:       "ins_8rdzjCQtD1VLg9aLRwARNF",
	location:        "loc_1",
	specialty:       "sp_c32Bip9tvoo1pR8JUZR55",
	appointmentType: "aptp_1",
	name:            "Trisha Pandit",
	memberID:        "M123",
	npi:             "4321098765",
	dob:             closure.NewDate(1994, time.December, 22),
	start:           utc(2022, time.May, 20, 17, 0),
}

// withIDs returns the same inputs, but each id is its prefix and rest.
func (in inputs) withIDs(rest string) inputs {
	in.patient = closure.PatientID("pt_" + rest)
	in.practitioner = closure.PractitionerID("prac_" + rest)
	in.schedule = closure.ScheduleID("sch_" + rest)
	in.appointment = closure.AppointmentID("appt_" + rest)
	in.insurance = closure.InsuranceID("ins_" + rest)
	in.location = closure.LocationID("loc_" + rest)
	in.specialty = closure.SpecialtyID("sp_" + rest)
	in.appointmentType = closure.AppointmentTypeID("aptp_" + rest)
	return in
}

type callFunc func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error)

// An apiCall is a test case of one call of the API: how to call it, what it must send for the
// guide's inputs, and what it must return for the answer. Each resource's test file holds the
// calls of its resource. The canary test makes all of them.
type apiCall struct {
	op     string
	note   string // tells two calls of one operation apart
	call   callFunc
	url    string // path and query, escaped
	body   string
	answer string
	want   any
}

func (a apiCall) name() string { return strings.TrimSuffix(a.op+" "+a.note, " ") }

func (a apiCall) spec(t testing.TB) closure.OperationSpec {
	t.Helper()
	for _, spec := range closure.Operations() {
		if spec.Name == a.op {
			return spec
		}
	}
	t.Fatalf("no operation %q", a.op)
	panic("not reached")
}

func (a apiCall) writes(t testing.TB) bool { return a.spec(t).Method != http.MethodGet }

// testCalls is the test of a resource.
func testCalls(t *testing.T, calls []apiCall) {
	for _, call := range calls {
		t.Run(call.name(), func(t *testing.T) {
			t.Parallel()
			t.Run("request and response", call.testExchange)
			t.Run("statuses", call.testStatuses)
			t.Run("malformed response", call.testMalformed)
			if strings.Contains(call.spec(t).Route, "{id}") {
				t.Run("id", call.testID)
			}
		})
	}
}

func (a apiCall) testExchange(t *testing.T) {
	t.Parallel()
	s := serveAlways(t, http.StatusOK, a.answer)
	c := s.client(t, closure.WithIndexVersion("idx_mine"), closure.WithUserAgent("clinic/7"))
	got, err := a.call(t.Context(), c, guide)
	noError(t, err)
	equal(t, "result", got, a.want)

	spec := a.spec(t)
	want := sentRequest{method: spec.Method, url: a.url, body: a.body, header: http.Header{
		"Accept":              {"application/json"},
		"Authorization":       {"Basic Y2hfc2tfdGVzdF9xdWlja3N0YXJ0Og=="},
		"Closure-Api-Version": {"2022-04-01"},
		"User-Agent":          {"clinic/7 closure-go/" + closure.Version},
	}}
	if a.body != "" {
		want.header.Set("Content-Type", "application/json")
	}
	if spec.Directory {
		want.header.Set("Closure-Index-Version", "idx_mine")
	}
	if len(s.seen) != 1 {
		t.Fatalf("%d requests were sent, want 1", len(s.seen))
	}
	if !reflect.DeepEqual(s.seen[0], want) { // the headers are all there are: no idempotency key
		t.Errorf("sent\n got %+v\nwant %+v", s.seen[0], want)
	}
}

var statuses = map[int]error{
	400: closure.ErrInvalidRequest,
	401: closure.ErrUnauthorized,
	403: closure.ErrForbidden,
	404: closure.ErrNotFound,
	409: closure.ErrConflict,
	429: closure.ErrRateLimited,
	500: closure.ErrServer,
	503: closure.ErrServer,
}

const errorJSON = `{"error_type":"invalid_request","error_message":"no such thing","error_code":"slot_taken",` +
	`"detail":["one","two"]}`

func (a apiCall) testStatuses(t *testing.T) {
	t.Parallel()
	spec := a.spec(t)
	for status, sentinel := range statuses {
		s := serveAlways(t, status, errorJSON, "X-Request-Id", "req_1")
		_, err := a.call(t.Context(), s.client(t), guide)
		var got *closure.APIError
		if !errors.As(err, &got) {
			t.Errorf("%d: %v, want an APIError", status, err)
			continue
		}
		want := &closure.APIError{
			Op: spec.Name, Method: spec.Method, Route: spec.Route, StatusCode: status,
			Type: closure.ErrorTypeInvalidRequest, Code: "slot_taken", Message: "no such thing", Detail: []string{"one", "two"},
			RequestID: "req_1", Attempts: 1,
		}
		if (status == 429 || status >= 500) && !a.writes(t) {
			want.Attempts = 3
		}
		if !reflect.DeepEqual(got, want) || len(s.seen) != want.Attempts {
			t.Errorf("%d, %d requests: got %v, want %v", status, len(s.seen), got, want)
		}
		for other, target := range statuses {
			want := target == sentinel && (status != 404 || spec.Name != "patients.list")
			if errors.Is(err, target) != want {
				t.Errorf("%d: errors.Is says %t of the sentinel of %d", status, !want, other)
			}
		}
	}
}

// testMalformed answers 200 with bodies that don't hold what was asked for.
func (a apiCall) testMalformed(t *testing.T) {
	t.Parallel()
	spec := a.spec(t)
	want := closure.OutcomeNotSent
	bodies := []string{
		"null", "{}", errorJSON, `{"data":{"id":"pt_1"}}`, `[null]`, `[{}]`, `{"data":[{"id":"pt_1"}]}`, "",
		"<html>200 OK</html>", `"text"`, "7", `[{"id":7,"start_at":7}]`, `{"id":["x"]}`, "{}{}", `{"id":"x"`,
	}
	if a.writes(t) {
		want = closure.OutcomeUnknown
		bodies = append(bodies, `{"id":""}`, `{"status":"scheduled"}`)
	}
	for _, body := range bodies {
		for _, status := range []int{200, 204} {
			s := serveAlways(t, status, body, "X-Request-Id", "req_1")
			_, err := a.call(t.Context(), s.client(t), guide)
			var got *closure.TransportError
			if !errors.As(err, &got) || !errors.Is(err, closure.ErrMalformedResponse) {
				t.Errorf("%d %q: %v, want ErrMalformedResponse in a TransportError", status, body, err)
				continue
			}
			equal(t, "error", *got, closure.TransportError{
				Op: spec.Name, Method: spec.Method, Route: spec.Route, Outcome: want, Attempts: 1, Err: got.Err,
			})
			if closure.OutcomeOf(err) != want || errors.Is(err, closure.ErrOutcomeUnknown) != a.writes(t) {
				t.Errorf("%d %q: outcome %v, want %v", status, body, closure.OutcomeOf(err), want)
			}
			if len(s.seen) != 1 {
				t.Errorf("%d %q: sent %d times", status, body, len(s.seen))
			}
			if text := err.Error(); !strings.Contains(text, "req_1") || !strings.Contains(text, spec.Route) {
				t.Errorf("the text lacks request id or route: %s", text)
			}
		}
	}
}

// testID checks that an id can't leave its path segment, and that an invalid id is refused.
func (a apiCall) testID(t *testing.T) {
	t.Parallel()
	const evil = `../../x?y=z#f%2F; é"`
	route := a.spec(t).Route
	for _, base := range []string{baseURL, "https://railway.test/a%2Fb%20c"} {
		var sent *url.URL
		c := newClient(t, roundTripFunc(func(req *http.Request) (*http.Response, error) {
			sent = req.URL
			return newResponse(404, ""), nil
		}), closure.WithBaseURL(base))
		_, err := a.call(t.Context(), c, guide.withIDs(evil))
		if !errors.Is(err, closure.ErrNotFound) {
			t.Fatalf("not sent: %v", err)
		}
		got, ok := strings.CutPrefix(sent.EscapedPath(), strings.TrimPrefix(base, "https://railway.test"))
		segment := strings.Split(got, "/")[2]
		if !ok || !strings.HasSuffix(segment, url.PathEscape(evil)) || got != strings.Replace(route, "{id}", segment, 1) {
			t.Errorf("an id left its segment: %s", sent.EscapedPath())
		}
	}
	notAnID := guide.withIDs("x")
	notAnID.patient, notAnID.practitioner, notAnID.schedule, notAnID.appointment = "sch_x", "sch_x", "pt_x", "pt_x"
	notAnID.insurance, notAnID.location, notAnID.specialty, notAnID.appointmentType = "pt_x", "pt_x", "pt_x", "pt_x"
	for name, in := range map[string]inputs{
		"empty":        {},
		"prefix alone": guide.withIDs(""),
		"other prefix": notAnID,
		"a line":       guide.withIDs("x\n"),
		"too long":     guide.withIDs(strings.Repeat("x", 255)),
	} {
		s := serveAlways(t, 500, "")
		_, err := a.call(t.Context(), s.client(t), in)
		field := "ID"
		if a.op == "availabilities.list" {
			field = "ScheduleID"
		}
		refused(t, name, err, a.op, field)
		if len(s.seen) != 0 {
			t.Errorf("%s: sent all the same", name)
		}
	}
}

// refused checks that err is an InputError of op about the field.
func refused(t testing.TB, what string, err error, op, field string) {
	t.Helper()
	var e *closure.InputError
	if !errors.As(err, &e) {
		t.Errorf("%s: %v, want an InputError", what, err)
		return
	}
	if e.Op != op || e.Field != field || e.Reason == "" {
		t.Errorf("%s: %v, want one of %s about %s", what, err, op, field)
	}
	if !errors.Is(err, closure.ErrInvalidInput) || closure.OutcomeOf(err) != closure.OutcomeNotSent {
		t.Errorf("%s: %v is not ErrInvalidInput, or its outcome is not OutcomeNotSent", what, err)
	}
}

// A badInput is a call that must be refused before anything is sent.
type badInput struct {
	name  string
	call  callFunc
	op    string
	field string
}

func testBadInputs(t *testing.T, bad []badInput) {
	for _, b := range bad {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			s := serveAlways(t, 500, "")
			_, err := b.call(t.Context(), s.client(t), guide)
			refused(t, b.name, err, b.op, b.field)
			if len(s.seen) != 0 {
				t.Error("sent all the same")
			}
		})
	}
}

// A roundTripFunc is a server for tests that don't need httpmock.
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// withTransport lets a client send with rt.
func withTransport(rt roundTripFunc) closure.Option {
	return closure.WithHTTPClient(&http.Client{Transport: rt})
}

// hang is a transport that never answers.
var hang = roundTripFunc(func(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
})

// decode reads as the SDK does.
func decode[T any](text string) (v T, err error) {
	err = wire.Unmarshal([]byte(text), &v)
	return v, err
}

func callNamed(t testing.TB, op string) callFunc {
	t.Helper()
	for _, call := range allCalls() {
		if call.op == op && call.note == "" {
			return call.call
		}
	}
	t.Fatalf("no call %q", op)
	panic("not reached")
}
