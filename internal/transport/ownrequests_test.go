package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
)

// A RoundTripper makes requests of its own with the request's context. "ask host" asks for a
// connection, "give" gives one, "read" reads the body; the last step may end the attempt.
func TestRequestsOfARoundTrippersOwn(t *testing.T) {
	t.Parallel()
	withBody, without, read := post(api), newTestCall(http.MethodPost, api), get(api)
	for _, test := range []struct {
		fact  string
		call  *Call
		steps string
		ended bool
	}{
		{"a token first", withBody, "ask token, give, ask api.test, give, read", false},
		{"its connection, before the token's is given", withBody, "ask token, ask api.test, give", false},
		{"a token for each of four", withBody, "ask token, give, ask token, give, ask token, give, ask token, give, ask api.test, give, read", false},
		{"one too many", withBody, "ask a, give, ask b, give, ask c, give, ask d, give, ask e, give, ask api.test", true},
		{"a connection that nobody asked for", withBody, "ask token, give, ask api.test, give, give", true},
		{"two that were asked for at once", withBody, "ask token, ask api.test, give, give", true},
		{"after the body", withBody, "ask api.test, give, read, ask audit", true},
		{"the body is read before the token", withBody, "read, ask token, give, ask api.test", true},
		{"without a body: a token first", without, "ask token, give, ask api.test, give", false},
		{"without a body: a second for the API", without, "ask token, give, ask api.test, give, ask api.test", true},
		{"without a body: a second elsewhere", without, "ask token, give, ask gateway", true},
		{"without a body: the API, then elsewhere", without, "ask api.test, give, ask gateway", true},
		{"without a body: the API twice", without, "ask api.test, give, ask api.test", true},
		{"a read: a token first", read, "ask token, give, ask api.test, give", false},
		{"a read: the API twice", read, "ask api.test, give, ask api.test", true},
	} {
		t.Run(test.fact, func(t *testing.T) {
			t.Parallel()
			call := *test.call
			call.MaxAttempts = 1
			steps := strings.Split(test.steps, ", ")
			_, _ = New(Config{Policy: exact, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
				trace := httptrace.ContextClientTrace(req.Context())
				for i, step := range steps {
					switch host, asks := strings.CutPrefix(step, "ask "); {
					case asks:
						trace.GetConn(host + ":443")
					case step == "give":
						conn, _ := net.Pipe()
						trace.GotConn(httptrace.GotConnInfo{Conn: conn})
					default:
						_, _ = io.Copy(io.Discard, req.Body)
					}
					last := i == len(steps)-1
					if ended := errors.Is(req.Context().Err(), context.Canceled); ended != (test.ended && last) {
						t.Errorf("ended after %q (step %d): %t", step, i+1, ended)
					}
				}
				return response(201, "{}"), nil
			})}).Do(t.Context(), &call)
		})
	}
}

// Two connections are there before the body is read: only one of them gets it.
func TestBodyIsForOneReader(t *testing.T) {
	t.Parallel()
	call := post(api)
	call.MaxAttempts = 1
	whole := 0
	_, err := New(Config{Policy: exact, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
		other, _ := req.GetBody()
		trace := httptrace.ContextClientTrace(req.Context())
		for range 2 {
			conn, _ := net.Pipe()
			trace.GetConn("gateway:443")
			trace.GotConn(httptrace.GotConnInfo{Conn: conn})
		}
		for _, body := range []io.Reader{req.Body, other} {
			if text, err := io.ReadAll(body); err == nil && bytes.Equal(text, call.Body) {
				whole++
			}
		}
		return nil, errGaveUp
	})}).Do(t.Context(), call)
	if whole != 1 || err == nil {
		t.Errorf("read %d times, %v", whole, err)
	}
}

// The hooks of a caller's own trace are called, but for the one that would get the path and the
// key, and the context's other values are there.
func TestCallersTraceGetsNoHeaderField(t *testing.T) {
	t.Parallel()
	type key struct{}
	for _, traced := range []bool{false, true} {
		connections, fields := 0, 0
		ctx := context.WithValue(t.Context(), key{}, "value")
		if traced {
			ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
				GotConn:          func(httptrace.GotConnInfo) { connections++ },
				WroteHeaderField: func(string, []string) { fields++ },
			})
		}
		_, err := New(Config{Policy: exact, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
			trace := httptrace.ContextClientTrace(req.Context())
			conn, _ := net.Pipe()
			trace.GotConn(httptrace.GotConnInfo{Conn: conn})
			if trace.WroteHeaderField != nil {
				trace.WroteHeaderField("Authorization", []string{"Basic secret"})
			}
			if req.Context().Value(key{}) != "value" {
				t.Error("the context lost a value")
			}
			return response(200, "{}"), nil
		})}).Do(ctx, get(api))
		if want := map[bool]int{true: 1}[traced]; err != nil || connections != want || fields != 0 {
			t.Errorf("%v: %d connections, %d fields", err, connections, fields)
		}
	}
}
