package transport

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// A sleepy context is one on a machine that sleeps: its deadline is over, and its timer stood still.
type sleepy struct {
	context.Context
	slept atomic.Bool
}

// Deadline returns a moment right ahead, and one that is over if the machine slept.
func (s *sleepy) Deadline() (time.Time, bool) {
	if s.slept.Load() {
		return time.Now().Add(-time.Hour), true
	}
	return time.Now().Add(time.Second), true
}

// A request that waited, for the rate limit for example, while the machine slept isn't begun.
func TestNothingIsBegunAfterTheDeadline(t *testing.T) {
	t.Parallel()
	begun := 0
	tr := New(Config{Base: roundTrip(func(*http.Request) (*http.Response, error) {
		begun++
		return nil, errNoResponse
	})})
	ctx := &sleepy{Context: t.Context()}
	ctx.slept.Store(true)
	answer, err := tr.Do(ctx, post("https://api.test/"))
	if !errors.Is(err, context.DeadlineExceeded) || answer.MaybeSent || begun != 0 {
		t.Errorf("%v, %+v, begun %d times", err, answer, begun)
	}
}

// The machine sleeps while a connection is made. What leaves after that, over whatever transport, is
// no whole request.
func TestNoWriteIsWholeAfterTheDeadline(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ http2, own bool }{
		"HTTP/1.1, own pool":           {false, true},
		"HTTP/2, own pool":             {true, true},
		"HTTP/1.1, caller's transport": {false, false},
		"HTTP/2, caller's transport":   {true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var whole atomic.Int64
			s := &loopback{Server: httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if body, err := io.ReadAll(r.Body); err == nil && len(body) > 0 {
					whole.Add(1)
				}
			}))}
			t.Cleanup(s.Close)
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.EnableHTTP2 = tt.http2
			s.startTLS()
			ctx := &sleepy{Context: t.Context()}
			tr := s.clientOver(t, func(conn net.Conn) net.Conn {
				ctx.slept.Store(true)
				return conn
			})
			if !tt.own {
				base := s.Client().Transport.(*http.Transport)
				base.DialContext = func(dialCtx context.Context, network, address string) (net.Conn, error) {
					ctx.slept.Store(true)
					return new(net.Dialer).DialContext(dialCtx, network, address)
				}
				tr = New(Config{Base: base, Policy: exact})
			}
			answer, err := tr.Do(ctx, post(s.URL))
			s.Close() // waits for what arrived
			if err == nil || whole.Load() != 0 {
				t.Errorf("%v, %+v: %d whole requests arrived", err, answer, whole.Load())
			}
		})
	}
}
