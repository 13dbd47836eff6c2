package transport

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A countingConn is counted in open until it is closed.
type countingConn struct {
	net.Conn
	open *atomic.Int64
	over atomic.Bool
}

// Close takes a while, as it may on a busy machine.
func (c *countingConn) Close() error {
	if c.over.Swap(true) {
		return nil
	}
	time.Sleep(5 * time.Millisecond)
	defer c.open.Add(-1)
	return c.Conn.Close()
}

// However many calls are cancelled, there are at most 100 connections.
func TestNeverMoreConnections(t *testing.T) {
	t.Parallel()
	s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) {
		time.Sleep(time.Millisecond)
		ok(w)
	}).start()
	var open, most, answered atomic.Int64
	client := s.clientOver(t, func(conn net.Conn) net.Conn {
		n := open.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		return &countingConn{Conn: conn, open: &open}
	})
	together(2*maxConns, func() {
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), rand.N(20*time.Millisecond))
			_, _ = client.Do(ctx, get(s.URL))
			cancel()
		}
		if _, err := client.Do(t.Context(), get(s.URL)); err == nil {
			answered.Add(1)
		}
	})
	t.Logf("%d connections at most, %d in all", most.Load(), s.opened.Load())
	if most.Load() > maxConns || answered.Load() != 2*maxConns {
		t.Errorf("%d connections at once, %d of %d calls answered", most.Load(), answered.Load(), 2*maxConns)
	}
}

// A dial or a handshake that fails lets another connection be made.
func TestFailuresGiveTheirPlaceBack(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) { ok(w) })
		if s.start(); secure {
			s.URL = "https" + s.URL[len("http"):] // the handshake fails
		}
		client, dialer := s.clientWith(t, false, asIs)
		dial := dialer.dial
		var dials atomic.Int64
		dialer.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials.Add(1) <= maxConns && !secure {
				return nil, syscall.ECONNREFUSED
			}
			return dial(ctx, network, address)
		}
		call := get(s.URL)
		call.MaxAttempts = maxConns + 1
		call.Timeout = 2 * time.Second
		_, err := client.Do(t.Context(), call)
		if (err == nil) == secure || len(dialer.open) != 0 && secure || dials.Load() != maxConns+1 {
			t.Errorf("TLS %t: %v after %d dials, %d places taken", secure, err, dials.Load(), len(dialer.open))
		}
	}
}
