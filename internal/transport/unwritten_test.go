package transport

import (
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A stallingConn can hold what is written to it, and then be lost with it.
type stallingConn struct {
	net.Conn
	stalled *atomic.Bool
	waiting chan struct{} // a write is held
	lost    chan struct{} // closed: the write fails
}

func (c *stallingConn) Write(p []byte) (int, error) {
	if !c.stalled.Load() {
		return c.Conn.Write(p)
	}
	select {
	case c.waiting <- struct{}{}:
	default:
	}
	<-c.lost
	return 0, io.ErrClosedPipe
}

// Two writes over one connection of HTTP/2, which is lost while the first is being written and
// the second waits for its turn: the second one takes another connection.
func TestHTTP2SendsWhatWasNotWritten(t *testing.T) {
	t.Parallel()
	for name, timeout := range map[string]time.Duration{"lost": 20 * time.Second, "out of time": 200 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) { ok(w) })
			s.EnableHTTP2 = true
			s.startTLS()
			var stalled atomic.Bool
			waiting, lost := make(chan struct{}, 1), make(chan struct{})
			client := s.clientOver(t, func(conn net.Conn) net.Conn {
				return &stallingConn{conn, &stalled, waiting, lost}
			})
			if _, err := client.Do(t.Context(), get(s.URL)); err != nil { // makes the connection
				t.Fatal(err)
			}
			stalled.Store(true)
			var first, second Answer
			var errFirst, errSecond error
			var both sync.WaitGroup
			both.Go(func() {
				call := newTestCall(http.MethodPost, s.URL)
				call.Timeout = timeout
				first, errFirst = client.Do(t.Context(), call)
			})
			<-waiting
			taken := make(chan struct{}, 10)
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn: func(httptrace.GotConnInfo) { taken <- struct{}{} },
			})
			both.Go(func() { second, errSecond = client.Do(ctx, newTestCall(http.MethodPost, s.URL)) })
			<-taken
			if timeout < time.Second {
				time.Sleep(2 * timeout) // the first has given up, and its header is still being written
			}
			stalled.Store(false)
			close(lost)
			both.Wait()
			if errFirst == nil || !first.MaybeSent || first.Attempts != 1 {
				t.Errorf("what was being written: %+v, %v; want it unknown", first, errFirst)
			}
			if errSecond != nil || second.Attempts != 1 || s.requests.Load() != 2 {
				t.Errorf("what was not: %+v, %v, %d requests arrived; want it sent", second, errSecond, s.requests.Load())
			}
		})
	}
}

// A server that ends each new connection before its first request is not dialed again within
// an attempt.
func TestHTTP2TakesNoConnectionForOneThatWasNew(t *testing.T) {
	t.Parallel()
	s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) { ok(w) })
	s.EnableHTTP2 = true
	s.startTLS()
	client := s.clientOver(t, func(conn net.Conn) net.Conn { return &endingConn{Conn: conn} })
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { time.Sleep(20 * time.Millisecond) }, // net/http sees that it is dead
	})
	call := get(s.URL)
	call.MaxAttempts = 1
	_, err := client.Do(ctx, call)
	if dials := len(s.dialed); err == nil || dials != 1 {
		t.Errorf("%v after %d dials", err, dials)
	}
}

// An endingConn ends when the preface of HTTP/2 is written, which follows TLS's handshake.
type endingConn struct {
	net.Conn
	writes atomic.Int64
}

// Write writes.
func (c *endingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if c.writes.Add(1) == 3 {
		_ = c.Close()
	}
	return n, err
}
