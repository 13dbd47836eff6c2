package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// roundTrip is a RoundTripper that plays the API.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// response returns a response; pairs are the names and values of its header.
func response(code int, body string, pairs ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return &http.Response{
		StatusCode:    code,
		Header:        h,
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(strings.NewReader(body)),
	}
}

// script takes one step for each request, the last one again and again, and counts the
// requests.
func script(count *atomic.Int64, steps ...roundTrip) roundTrip {
	return func(req *http.Request) (*http.Response, error) {
		n := int(count.Add(1))
		return steps[min(n, len(steps))-1](req)
	}
}

func responds(code int, body string, pairs ...string) roundTrip {
	return func(*http.Request) (*http.Response, error) { return response(code, body, pairs...), nil }
}

func failsWith(err error) roundTrip {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// notConnected is a RoundTripper that reports that it was given no connection.
func notConnected(req *http.Request) (*http.Response, error) {
	httptrace.ContextClientTrace(req.Context()).GetConn("api.test:443")
	return nil, opError("dial", syscall.ECONNREFUSED)
}

// stalls is an API that never answers.
func stalls(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, context.Cause(req.Context())
}

// exact is a policy whose own waits are at most a nanosecond, so that the waits that a server
// asks for are exact.
var exact = Policy{MinWait: 1, MaxWait: 1, MaxRetryAfter: time.Minute, Budget: 1e6}

func get(address string) *Call { return newTestCall(http.MethodGet, address) }

func post(address string) *Call {
	c := newTestCall(http.MethodPost, address)
	c.Body = []byte(`{"id":1}`)
	return c
}

func newTestCall(method, address string) *Call {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return &Call{
		Method:      method,
		URL:         u,
		Header:      http.Header{"Authorization": {"Basic secret"}},
		Timeout:     30 * time.Second,
		MaxAttempts: 3,
	}
}

// api is where in-process calls go.
const api = "https://api.test/appointments?dob=" + canary

func TestDo(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var sent []byte
	tr := New(Config{Policy: exact, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
		got = req
		sent, _ = io.ReadAll(req.Body)
		return response(http.StatusCreated, "{}", "X-Request-Id", "r1"), nil
	})})
	call := post(api)
	answer, err := tr.Do(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	want := Answer{StatusCode: 201, Header: http.Header{"X-Request-Id": {"r1"}}, Body: []byte("{}"), Attempts: 1, MaybeSent: true}
	if !reflect.DeepEqual(answer, want) {
		t.Errorf("answer = %+v, want %+v", answer, want)
	}
	if got.Method != http.MethodPost || got.URL.String() != api || got.Host != "api.test" {
		t.Errorf("sent %s %s to %s", got.Method, got.URL, got.Host)
	}
	if !reflect.DeepEqual(got.Header, call.Header) {
		t.Errorf("header = %v, want %v and nothing else", got.Header, call.Header)
	}
	if string(sent) != string(call.Body) || got.ContentLength != int64(len(call.Body)) {
		t.Errorf("sent body %q, length %d", sent, got.ContentLength)
	}
}

// A request never has a header that makes net/http send a write again by itself.
func TestDoAddsNoIdempotencyKey(t *testing.T) {
	t.Parallel()
	tr := New(Config{Policy: exact, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
		for name := range req.Header {
			if strings.Contains(strings.ToLower(name), "idempotency") {
				t.Errorf("header %s", name)
			}
		}
		return response(200, ""), nil
	})})
	if _, err := tr.Do(t.Context(), post(api)); err != nil {
		t.Error(err)
	}
}

func TestDoWithAnEndedContextSendsNothing(t *testing.T) {
	t.Parallel()
	why := errors.New("the user went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	var count atomic.Int64
	tr := New(Config{Policy: exact, Base: script(&count, responds(200, ""))})
	answer, err := tr.Do(ctx, post(api))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
		t.Errorf("err = %v, want the context's error and its cause", err)
	}
	if count.Load() != 0 || answer.MaybeSent || answer.Attempts != 0 {
		t.Errorf("%d requests, answer %+v; want none", count.Load(), answer)
	}
}

func TestNewDefaults(t *testing.T) {
	t.Parallel()
	tr := New(Config{})
	if _, ok := tr.base.(*http.Transport); !ok || tr.maxBytes != maxBytes {
		t.Errorf("base %T, maxBytes %d", tr.base, tr.maxBytes)
	}
	if tr.base == New(Config{}).base {
		t.Error("two clients share one pool")
	}
}

// More allocations mean that a header is copied, a trace is set up or a URL is parsed without
// need.
func TestDoAllocations(t *testing.T) {
	// Not parallel: testing.AllocsPerRun counts the whole process.
	resp := &http.Response{StatusCode: 204, Header: http.Header{}, Body: http.NoBody}
	tr := New(Config{Policy: exact})
	tr.base = roundTrip(func(*http.Request) (*http.Response, error) { return resp, nil })
	call := get(api)
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := tr.Do(t.Context(), call); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%v allocations a call", allocs)
	if allocs > 16 {
		t.Errorf("%v allocations a call, want 16 at most", allocs)
	}
}
