package transport

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"testing"
)

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

// So it is on real connections of our own pool.
func TestCallersTraceOverOurPool(t *testing.T) {
	t.Parallel()
	for protocol, start := range map[string]func(*loopback) *loopback{"HTTP/1.1": (*loopback).start, "HTTP/2.0": (*loopback).startHTTP2} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			server := start(newLoopback(t, func(_ http.ResponseWriter, r *http.Request, _ int64) {
				if r.Proto != protocol {
					t.Errorf("spoke %s", r.Proto)
				}
			}))
			var connections, fields atomic.Int64
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn:          func(httptrace.GotConnInfo) { connections.Add(1) },
				WroteHeaderField: func(string, []string) { fields.Add(1) },
			})
			for _, call := range []*Call{get(server.URL), post(server.URL)} {
				if _, err := server.client(t).Do(ctx, call); err != nil {
					t.Error(err)
				}
			}
			if connections.Load() != 2 || fields.Load() != 0 {
				t.Errorf("%d connections, %d fields", connections.Load(), fields.Load())
			}
		})
	}
}
