package closure_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
)

func ExampleAPIError() {
	err := fmt.Errorf("booking: %w", &closure.APIError{
		Op: "appointments.create", Method: "POST", Route: "/appointments", StatusCode: 409,
		Code: "slot_taken", Message: "The 5 pm slot was taken by Trisha Pandit.", RequestID: "req_1", Attempts: 1,
	})
	var e *closure.APIError
	if errors.As(err, &e) && errors.Is(err, closure.ErrConflict) {
		fmt.Println(e.Code, closure.OutcomeOf(err))
	}
	fmt.Println(err)
	// Output:
	// slot_taken rejected
	// booking: closure: appointments.create: POST /appointments: 409 Conflict (code slot_taken, request id req_1, attempts 1, what the API says is in Message and Detail)
}

func apiError(method string, status int) *closure.APIError {
	return &closure.APIError{Method: method, StatusCode: status}
}

func TestOutcomeOf(t *testing.T) {
	t.Parallel()
	const (
		applied  = closure.OutcomeApplied
		notSent  = closure.OutcomeNotSent
		rejected = closure.OutcomeRejected
		unknown  = closure.OutcomeUnknown
	)
	if zero := closure.Outcome(0); zero != unknown || zero.String() != "unknown" {
		t.Errorf("the zero Outcome is %v: one that nobody set must not read applied", zero)
	}
	cases := map[closure.Outcome][]error{
		applied: {nil},
		notSent: {
			&closure.InputError{}, &closure.InsuranceError{}, &closure.InsuranceError{Status: closure.InsuranceNotAccepted},
			&closure.TransportError{Outcome: notSent}, closure.ErrInvalidInput, closure.ErrNotBookable,
			closure.ErrInsuranceNotAccepted, closure.ErrInsuranceUnknown, closure.ErrSlotUnavailable, closure.ErrNoSlot,
			closure.ErrNotFound, closure.ErrAmbiguous,
		},
		rejected: {
			closure.ErrNotBooked,
			fmt.Errorf("%w: %w", closure.ErrSlotUnavailable, apiError("POST", 409)),
		},
		unknown: {
			&closure.OutcomeUnknownError{}, &closure.OutcomeUnknownError{Err: apiError("POST", 404)},
			&closure.OutcomeUnknownError{Err: &closure.InputError{}}, &closure.TransportError{Outcome: unknown},
			&closure.TransportError{Outcome: unknown, Err: closure.ErrResponseTooLarge}, context.Canceled, io.EOF,
			errors.New("foreign"), closure.ErrServer, closure.ErrMalformedResponse,
		},
	}
	for status := 300; status < 600; status++ {
		cases[notSent] = append(cases[notSent], apiError("GET", status))
		for _, method := range []string{"POST", "PATCH"} {
			if status < 400 || status == 408 || status >= 500 {
				cases[unknown] = append(cases[unknown], apiError(method, status))
			} else {
				cases[rejected] = append(cases[rejected], apiError(method, status))
			}
		}
	}
	for want, errs := range cases {
		for _, err := range errs {
			if got := closure.OutcomeOf(err); got != want {
				t.Errorf("%v: %v, want %v", err, got, want)
			}
			if err == nil {
				continue
			}
			wrapped := fmt.Errorf("wrapped: %w", errors.Join(errors.New("other"), err))
			if got := closure.OutcomeOf(wrapped); got != want {
				t.Errorf("%v, wrapped: %v, want %v", err, got, want)
			}
			var a *closure.APIError
			var tr *closure.TransportError
			if errors.As(err, &a) || errors.As(err, &tr) {
				if got := errors.Is(err, closure.ErrOutcomeUnknown); got != (want == unknown) {
					t.Errorf("%v: errors.Is(ErrOutcomeUnknown) is %t", err, got)
				}
			}
		}
	}
	for outcome, text := range map[closure.Outcome]string{
		applied: "applied", notSent: "not sent", rejected: "rejected", unknown: "unknown", 99: "unknown",
	} {
		if outcome.String() != text {
			t.Errorf("%d prints %s, want %s", outcome, outcome, text)
		}
	}
}

var sentinels = []error{
	closure.ErrInvalidInput, closure.ErrInvalidRequest, closure.ErrUnauthorized, closure.ErrForbidden, closure.ErrNotFound,
	closure.ErrConflict, closure.ErrRateLimited, closure.ErrServer, closure.ErrAmbiguous, closure.ErrNotBookable,
	closure.ErrInsuranceNotAccepted, closure.ErrInsuranceUnknown, closure.ErrSlotUnavailable, closure.ErrNoSlot,
	closure.ErrNotBooked, closure.ErrOutcomeUnknown, closure.ErrResponseTooLarge, closure.ErrRedirect,
	closure.ErrMalformedResponse, closure.ErrIdempotencyKeyUsed,
}

// Every error is those sentinels that it must be, and no other.
func TestErrorsIs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want []error
	}{
		{&closure.InputError{}, []error{closure.ErrInvalidInput}},
		{&closure.InputError{Reason: "was used for another booking"}, []error{closure.ErrInvalidInput}}, // no text decides
		{
			&closure.InputError{Err: closure.ErrIdempotencyKeyUsed},
			[]error{closure.ErrInvalidInput, closure.ErrIdempotencyKeyUsed},
		},
		{apiError("GET", 302), []error{closure.ErrRedirect}},
		{apiError("POST", 307), []error{closure.ErrRedirect, closure.ErrOutcomeUnknown}},
		{apiError("POST", 400), []error{closure.ErrInvalidRequest}},
		{apiError("POST", 401), []error{closure.ErrUnauthorized}},
		{apiError("GET", 403), []error{closure.ErrForbidden}},
		{apiError("GET", 404), []error{closure.ErrNotFound}},
		{apiError("POST", 409), []error{closure.ErrConflict}},
		{apiError("POST", 408), []error{closure.ErrOutcomeUnknown}},
		{apiError("POST", 422), nil},
		{apiError("POST", 429), []error{closure.ErrRateLimited}},
		{apiError("GET", 500), []error{closure.ErrServer}},
		{apiError("PATCH", 599), []error{closure.ErrServer, closure.ErrOutcomeUnknown}},
		{&closure.InsuranceError{Status: closure.InsuranceNotAccepted}, []error{closure.ErrInsuranceNotAccepted}},
		{&closure.InsuranceError{}, []error{closure.ErrInsuranceUnknown}},
		{
			&closure.OutcomeUnknownError{Err: closure.ErrMalformedResponse},
			[]error{closure.ErrOutcomeUnknown, closure.ErrMalformedResponse},
		},
		{
			&closure.TransportError{Outcome: closure.OutcomeUnknown, Err: closure.ErrResponseTooLarge},
			[]error{closure.ErrOutcomeUnknown, closure.ErrResponseTooLarge},
		},
		{&closure.TransportError{Outcome: closure.OutcomeNotSent, Err: io.EOF}, nil},
	} {
		for _, sentinel := range sentinels {
			want := false
			for _, w := range tt.want {
				want = want || w == sentinel
			}
			if got := errors.Is(tt.err, sentinel); got != want {
				t.Errorf("%v: errors.Is(%v) is %t", tt.err, sentinel, got)
			}
		}
	}
}

// The option, not its argument, is refused if it has none or if it stands in the wrong place.
func TestTextsOfOptionsThatDoNotBelong(t *testing.T) {
	t.Parallel()
	for want, opts := range map[string][]closure.Option{
		"closure: WithPlainHTTP: option is for keys of test mode": {closure.WithPlainHTTP()},
		"closure: WithHTTP2: option sets up the SDK's own pool, and WithHTTPClient replaces that": {
			closure.WithHTTP2(), closure.WithHTTPClient(&http.Client{Transport: hang}),
		},
		"closure: CaptureResponse: option belongs to one call, not to a client": {closure.CaptureResponse(new(closure.Response))},
	} {
		if _, err := closure.NewClient("ch_sk_live_x", opts...); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// The texts of errors, which people search their logs for.
func TestErrorTexts(t *testing.T) {
	t.Parallel()
	attempt := closure.BookingAttempt{ScheduleID: "sch_1"}
	for want, err := range map[string]error{
		"closure: op: GET /x/{id}: 404 Not Found (attempts 1)": &closure.APIError{
			Op: "op", Method: "GET", Route: "/x/{id}", StatusCode: 404, Attempts: 1,
		},
		"closure: op: GET /x: 499 (type server_error, code slot_taken, request id req_1, attempts 2, " +
			"what the API says is in Message and Detail)": &closure.APIError{
			Op: "op", Method: "GET", Route: "/x", StatusCode: 499, Type: closure.ErrorTypeServer, Code: "slot_taken",
			RequestID: "req_1", Attempts: 2, Detail: []string{"d"},
		},
		"closure: op: POST /x: broken (attempts 1, outcome unknown)": &closure.TransportError{
			Op: "op", Method: "POST", Route: "/x", Outcome: closure.OutcomeUnknown, Attempts: 1,
			Err: errors.New("closure: broken"),
		},
		"closure: op: Field is empty": &closure.InputError{
			Op: "op", Field: "Field", Reason: "is empty",
		},
		"closure: the patient has no insurance on file to check: ask, or see InsuranceCheck": &closure.InsuranceError{},
		"closure: the schedule does not say which insurances it accepts":                     &closure.InsuranceError{InsuranceID: "ins_1"},
		"closure: the schedule does not accept the insurance (what it accepts is in Accepted)": &closure.InsuranceError{
			InsuranceID: "ins_1", Accepted: []closure.InsuranceID{"ins_2"}, Status: closure.InsuranceNotAccepted,
		},
		"closure: it is unknown whether the appointment was booked; " +
			"settle it with ResolveBooking: late": &closure.OutcomeUnknownError{
			Attempt: attempt, Err: errors.New("late"),
		},
	} {
		for _, format := range []string{"%v", "%+v", "%s"} {
			if got := fmt.Sprintf(format, err); got != want {
				t.Errorf("%s prints\n%s\nwant\n%s", format, got, want)
			}
		}
		var input *closure.InputError
		if got := fmt.Sprintf("%#v", err); got != want && !errors.As(err, &input) {
			t.Errorf("%%#v prints %s", got)
		}
	}
}

// Whatever the body is, the status makes a useful error.
func TestErrorBodies(t *testing.T) {
	t.Parallel()
	full := closure.APIError{Type: "t", Code: "c", Message: "m"}
	for body, want := range map[string]closure.APIError{
		"": {}, "<html><h1>502 Bad Gateway</h1></html>": {}, "null": {}, "[]": {}, `"text"`: {}, "7": {}, "{": {}, "{}": {},
		"\xff":                          {},
		`{"error_type":"server_error"}`: {Type: closure.ErrorTypeServer},
		`{"error_type":"patient","error_code":"x","new":{"a":1},"detail":null,"error_message":null}`: {
			Type: "patient", Code: "x",
		},
		`{"detail":["a",""]}`: {Detail: []string{"a", ""}},
		// A field of another type than promised costs nothing but itself.
		`{"detail":"only one","error_type":"t","error_code":"c","error_message":"m"}`: {
			Type: "t", Code: "c", Message: "m", Detail: []string{"only one"},
		},
		// What isn't a text is kept as one.
		`{"detail":[{"loc": ["body", "dob"],"msg":"x"}, "a", 7]}`: {Detail: []string{
			`{"loc":["body","dob"],"msg":"x"}`, "a", "7",
		}},
		`{"detail":{"dob": ["x"]}}`:                                      {Detail: []string{`{"dob":["x"]}`}},
		"\ufeff{\"detail\":[\"a\"]}":                                     {Detail: []string{"a"}},
		`{"error_message":{"en":"x"},"error_type":"t","error_code":"c"}`: {Type: "t", Code: "c"},
		`{"error_code":7,"error_type":"t","error_message":"m","detail":["d"]}`: {
			Type: "t", Message: "m", Detail: []string{"d"},
		},
		`{"error_type":["x"],"error_type":"t","error_code":"c","error_message":"m"}`: full,
		`{"error_type":"t","error_code":"c","error_message":"m"`:                     full, // cut short
		"{\"error_type\":\"t\",\"error_code\":\"c\",\"error_message\":\"m\xff\"}": {
			Type: "t", Code: "c", Message: "m\uFFFD",
		},
		`{"error_type":"t","error_code":"c","error_message":"m"} <!-- trailing -->`: full,
	} {
		_, err := serveAlways(t, 422, body).client(t).Patients.List(t.Context(), closure.PatientListParams{})
		var got *closure.APIError
		if !errors.As(err, &got) {
			t.Errorf("%s: %v", body, err)
			continue
		}
		want.Op, want.Method, want.Route, want.StatusCode, want.Attempts = "patients.list", "GET", "/patients", 422, 1
		equal(t, body, got.Detail, want.Detail)
		if got.Type != want.Type || got.Code != want.Code || got.Message != want.Message || got.Error() != want.Error() {
			t.Errorf("%s: %v %q, want %v %q", body, got, got.Message, &want, want.Message)
		}
	}
}

func TestErrorHeaders(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{"7": 7 * time.Second, "x": 0, "-1": 0} {
		c := serveAlways(t, 429, "", "Retry-After", value, "X-Request-Id", "req_1").client(t)
		_, err := c.Patients.List(t.Context(), closure.PatientListParams{}, closure.WithMaxAttempts(1))
		var got *closure.APIError
		if !errors.As(err, &got) || got.RetryAfter != want || got.RequestID != "req_1" {
			t.Errorf("%s: %v, want to wait %v", value, got.RetryAfter, want)
		}
	}
}

// timeoutError is what net's deadlines end in.
type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

func TestTransportErrors(t *testing.T) {
	t.Parallel()
	type call = apiCall
	create, list := appointmentCalls[0], patientCalls[0]
	dial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, tt := range []struct {
		name     string
		err      error
		call     call
		outcome  closure.Outcome
		attempts int
		timeout  bool
		text     string
	}{
		{"refused write", dial, create, closure.OutcomeNotSent, 3, false, "connection refused"},
		{"refused read", dial, list, closure.OutcomeNotSent, 3, false, "connection refused"},
		{
			"refused write, says one that reports nothing", dial, create, closure.OutcomeUnknown, 1, false, "connection refused",
		},
		{
			"no such host", &net.DNSError{Name: "SECRET", IsNotFound: true}, create, closure.OutcomeNotSent, 3, false,
			"host name not resolved",
		},
		{"dial timed out", &net.OpError{Op: "dial", Err: timeoutError{}}, create, closure.OutcomeNotSent, 3, true, ""},
		{"reset write", syscall.ECONNRESET, create, closure.OutcomeUnknown, 1, false, "connection reset"},
		{"reset read", syscall.ECONNRESET, list, closure.OutcomeNotSent, 3, false, "connection reset"},
		{"cut short", io.ErrUnexpectedEOF, create, closure.OutcomeUnknown, 1, false, "connection closed"},
		{"timed out", &net.OpError{Op: "read", Err: timeoutError{}}, create, closure.OutcomeUnknown, 1, true, "timed out"},
		{"foreign", errors.New("SECRET"), create, closure.OutcomeUnknown, 1, false, "connection failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			failure := &url.Error{Op: "Get", URL: "https://SECRET/?name=SECRET", Err: fmt.Errorf("SECRET: %w", tt.err)}
			s := serve(t, func(*http.Request) (*http.Response, error) { return nil, failure })
			client := s.client(t)
			if tt.outcome == closure.OutcomeNotSent { // a RoundTripper of any other make proves nothing
				client = newClient(t, &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
					s.seen = append(s.seen, sentRequest{})
					return nil, failure
				}})
			}
			_, err := tt.call.call(t.Context(), client, guide)
			var got *closure.TransportError
			if !errors.As(err, &got) {
				t.Fatalf("%v, want a TransportError", err)
			}
			if got.Outcome != tt.outcome || closure.OutcomeOf(err) != tt.outcome || got.Attempts != tt.attempts ||
				len(s.seen) != tt.attempts || got.Timeout() != tt.timeout {
				t.Errorf("%v: outcome %v, timeout %t after %d requests", got, got.Outcome, got.Timeout(), len(s.seen))
			}
			spec := tt.call.spec(t)
			if got.Op != spec.Name || got.Method != spec.Method || got.Route != spec.Route ||
				!strings.Contains(err.Error(), tt.text) {
				t.Errorf("%v, want operation, route and %q in it", err, tt.text)
			}
			if !errors.Is(err, tt.err) || errors.Is(err, closure.ErrOutcomeUnknown) != (tt.outcome == closure.OutcomeUnknown) {
				t.Errorf("%v: errors.Is says the wrong thing", err)
			}
			var urlError *url.Error
			if errors.As(err, &urlError) || strings.Contains(fmt.Sprintf("%+v %#v", err, err), "SECRET") {
				t.Errorf("the URL is in %v", err)
			}
		})
	}
}

func TestContextErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end     func(context.Context) (context.Context, context.CancelFunc) // after a second
		want    error
		timeout bool
	}{
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, context.DeadlineExceeded, true},
		"canceled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, context.Canceled, false},
	} {
		for _, call := range []apiCall{appointmentCalls[0], patientCalls[0]} {
			want := closure.OutcomeNotSent
			if call.writes(t) {
				want = closure.OutcomeUnknown
			}
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := tt.end(t.Context())
				defer cancel()
				_, err := call.call(ctx, newClient(t, hang), guide)
				var got *closure.TransportError
				if !errors.As(err, &got) || !errors.Is(err, tt.want) || got.Timeout() != tt.timeout || got.Attempts != 1 ||
					got.Outcome != want {
					t.Errorf("%s: %s: %v, want %v after 1 attempt, outcome %v", name, call.op, err, tt.want, want)
				}
				// Over before it begins: nothing is sent.
				s := serveAlways(t, 200, call.answer)
				_, err = call.call(ctx, s.client(t), guide)
				if !errors.Is(err, tt.want) || closure.OutcomeOf(err) != closure.OutcomeNotSent || len(s.seen) != 0 {
					t.Errorf("%s: %s: %v after %d requests, want none", name, call.op, err, len(s.seen))
				}
			})
		}
	}
}

func TestTooLargeAndRedirect(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat(" ", 10<<20) + "[]"
	for _, call := range []apiCall{appointmentCalls[0], patientCalls[0]} {
		want := closure.OutcomeNotSent
		if call.writes(t) {
			want = closure.OutcomeUnknown
		}
		s := serveAlways(t, 200, huge)
		_, err := call.call(t.Context(), s.client(t), guide)
		if !errors.Is(err, closure.ErrResponseTooLarge) || closure.OutcomeOf(err) != want || len(s.seen) != 1 {
			t.Errorf("%s: %v after %d requests, want ErrResponseTooLarge", call.op, err, len(s.seen))
		}
		for _, status := range []int{301, 302, 303, 307, 308} {
			for _, location := range []string{"", "/elsewhere", "https://railway.test/elsewhere", "://%zz"} {
				s := serveAlways(t, status, "", "Location", location)
				var captured closure.Response
				_, err := call.call(t.Context(), s.client(t), guide, closure.CaptureResponse(&captured))
				if !errors.Is(err, closure.ErrRedirect) || closure.OutcomeOf(err) != want || len(s.seen) != 1 {
					t.Errorf("%s: %d to %q: %v after %d requests, want ErrRedirect", call.op, status, location, err, len(s.seen))
				}
				if captured.Header.Get("Location") != location {
					t.Errorf("%s: %d to %q: captured %q", call.op, status, location, captured.Header.Get("Location"))
				}
			}
		}
	}
}
