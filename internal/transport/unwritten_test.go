package transport

import (
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A stall holds back what is written to connections, until they are lost.
type stall struct {
	on      atomic.Bool
	waiting chan struct{} // a write is being held back
	lost    chan struct{} // closed when the write is to fail
}

func newStall() *stall { return &stall{waiting: make(chan struct{}, 1), lost: make(chan struct{})} }

func (s *stall) over(conn net.Conn) net.Conn { return &stallingConn{conn, s} }

type stallingConn struct {
	net.Conn
	stall *stall
}

func (c *stallingConn) Write(p []byte) (int, error) {
	if !c.stall.on.Load() {
		return c.Conn.Write(p)
	}
	select {
	case c.stall.waiting <- struct{}{}:
	default:
	}
	<-c.stall.lost
	return 0, io.ErrClosedPipe
}

// Two calls share an HTTP/2 connection, which is lost while the first is being written and the
// second waits for its turn. The second is given another connection, and what may have left is
// not sent again. With a caller's transport, a write is not sent again either.
func TestHTTP2SendsWhatWasNotWritten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		method  string        // the second's
		timeout time.Duration // the first's
		ours    bool          // the pool
		sent    bool          // the second
	}{
		{"a write", http.MethodPost, 20 * time.Second, true, true},
		{"the first is out of time", http.MethodPost, 200 * time.Millisecond, true, true},
		{"a read over a caller's transport", http.MethodGet, 20 * time.Second, false, true},
		{"a write over a caller's transport", http.MethodPost, 20 * time.Second, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) { ok(w) })
			s.startHTTP2()
			stalled := newStall()
			client, dialer := s.clientWith(t, true, stalled.over)
			if !tt.ours {
				base := &http.Transport{ForceAttemptHTTP2: true, DialContext: dialer.dial, TLSClientConfig: dialer.tls}
				t.Cleanup(base.CloseIdleConnections)
				client = New(Config{Policy: exact, Base: base})
			}
			if _, err := client.Do(t.Context(), get(s.URL)); err != nil { // to make the connection
				t.Fatal(err)
			}
			stalled.on.Store(true)
			var first, second Answer
			var errFirst, errSecond error
			var both sync.WaitGroup
			both.Go(func() {
				call := newTestCall(http.MethodPost, s.URL)
				call.Timeout = tt.timeout
				first, errFirst = client.Do(t.Context(), call)
			})
			<-stalled.waiting
			taken := make(chan struct{}, 10)
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn: func(httptrace.GotConnInfo) { taken <- struct{}{} },
			})
			both.Go(func() { second, errSecond = client.Do(ctx, newTestCall(tt.method, s.URL)) })
			<-taken
			if tt.timeout < time.Second {
				time.Sleep(2 * tt.timeout) // then the first has timed out, and its header is still being written
			}
			stalled.on.Store(false)
			close(stalled.lost)
			both.Wait()
			if errFirst == nil || !first.MaybeSent || first.Attempts != 1 {
				t.Errorf("what was being written: %+v, %v; want it unknown", first, errFirst)
			}
			most := 1
			if tt.method == http.MethodGet { // net/http may say that its header was written: then the next attempt sends it
				most = 2
			}
			if sent := errSecond == nil; sent != tt.sent || second.Attempts < 1 || second.Attempts > most || !sent && !second.MaybeSent {
				t.Errorf("what was not: %+v, %v; want it sent: %t", second, errSecond, tt.sent)
			}
			if want := map[bool]int64{true: 2, false: 1}[tt.sent]; s.requests.Load() != want {
				t.Errorf("%d requests arrived, want %d", s.requests.Load(), want)
			}
		})
	}
}

// A closingBody tells that it is closed, and waits.
type closingBody struct {
	io.Reader
	until <-chan struct{}
}

func (b *closingBody) Close() error {
	<-b.until
	return nil
}

// net/http says that a header was written, although the connection was lost before. It does so if
// the next request has its turn while the one whose write failed still closes its body.
func TestHTTP2SendsWhatIsSaidToBeWritten(t *testing.T) {
	t.Parallel()
	s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) { ok(w) })
	s.startHTTP2()
	stalled := newStall()
	client := s.clientOver(t, stalled.over)
	if _, err := client.Do(t.Context(), get(s.URL)); err != nil { // to make the connection
		t.Fatal(err)
	}
	stalled.on.Store(true)
	said, once := make(chan struct{}), sync.Once{}
	var both sync.WaitGroup
	both.Go(func() {
		body := &closingBody{strings.NewReader("{}"), said}
		first, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, body)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := client.base.RoundTrip(first); err == nil {
			t.Error("the write that failed was answered")
		}
	})
	<-stalled.waiting
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			if stalled.on.Swap(false) {
				time.AfterFunc(100*time.Millisecond, func() { close(stalled.lost) }) // until the second waits for its turn
			}
		},
		WroteHeaders: func() { once.Do(func() { close(said) }) },
	})
	answer, err := client.Do(ctx, newTestCall(http.MethodPost, s.URL))
	both.Wait()
	if err != nil || answer.Attempts != 1 || s.requests.Load() != 2 {
		t.Errorf("%+v, %v; %d requests arrived", answer, err, s.requests.Load())
	}
}

// After a failed write, TLS writes an alert, and nothing of a request. So the alert is no sign that a
// request's header was written.
func TestAlertOfALostConnectionIsNoHeader(t *testing.T) {
	t.Parallel()
	s := newLoopback(t, func(http.ResponseWriter, *http.Request, int64) {}).startHTTP2()
	fails := &failingConn{}
	_, dialer := s.clientWith(t, true, func(conn net.Conn) net.Conn { fails.Conn = conn; return fails })
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := dialer.connectTLS(t.Context(), "tcp", target.Host)
	if err != nil {
		t.Fatal(err)
	}
	fails.now.Store(true)
	if _, err := conn.Write([]byte("an earlier request")); err == nil {
		t.Fatal("the write did not fail")
	}
	fails.now.Store(false)
	base, a := new(http.Transport), &requestTrace{Context: t.Context()}
	ctx, stop := a.guard(target, base)
	defer stop()
	trace := httptrace.ContextClientTrace(ctx)
	trace.GotConn(httptrace.GotConnInfo{Conn: conn, Reused: true})
	written := fails.writes.Load()
	if _, err := conn.Write([]byte("a header")); err == nil || fails.writes.Load() != written {
		t.Errorf("%v: TLS goes on after a failed write", err)
	}
	_ = conn.Close()
	if fails.writes.Load() == written {
		t.Error("TLS wrote no alert, so that this shows nothing")
	}
	trace.WroteHeaders()
	if !a.unwritten(base) {
		t.Error("the alert counts as the request's")
	}
}

// A failingConn fails while it is told to.
type failingConn struct {
	net.Conn
	now    atomic.Bool
	writes atomic.Int64
}

func (c *failingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	if c.now.Load() {
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(p)
}

// A lateConn writes, and may be late to say so.
type lateConn struct {
	net.Conn
	late  *atomic.Bool
	until <-chan struct{}
}

func (c *lateConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if c.late.Swap(false) {
		<-c.until
	}
	return n, err
}

// A response can come before net/http says that the request's header was written. If it is cut
// short, the request is not sent again.
func TestHTTP2DoesNotSendAgainWhatWasAnswered(t *testing.T) {
	t.Parallel()
	s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, n int64) {
		if n == 1 {
			ok(w)
			return
		}
		w.Header().Set("Content-Length", "5") // without a body
	})
	s.startHTTP2()
	var late atomic.Bool
	until, once := make(chan struct{}), sync.Once{}
	written := func() { once.Do(func() { close(until) }) }
	defer written()
	client := s.clientOver(t, func(conn net.Conn) net.Conn { return &lateConn{conn, &late, until} })
	if _, err := client.Do(t.Context(), get(s.URL)); err != nil { // to make the connection
		t.Fatal(err)
	}
	late.Store(true)
	var given atomic.Int64
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			if given.Add(1) == 2 {
				written()
			}
		},
	})
	answer, err := client.Do(ctx, newTestCall(http.MethodPost, s.URL))
	if err == nil || !answer.MaybeSent || answer.Attempts != 1 || given.Load() != 1 || s.requests.Load() != 2 {
		t.Errorf("%+v, %v; given %d connections, %d requests arrived", answer, err, given.Load(), s.requests.Load())
	}
}

// If a server closes each new connection before its first request, it isn't dialed again
// within an attempt.
func TestHTTP2TakesNoConnectionForOneThatWasNew(t *testing.T) {
	t.Parallel()
	s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) { ok(w) })
	s.startHTTP2()
	client := s.clientOver(t, func(conn net.Conn) net.Conn { return &endingConn{Conn: conn} })
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		// Until net/http sees that the connection is dead.
		GotConn: func(httptrace.GotConnInfo) { time.Sleep(20 * time.Millisecond) },
	})
	call := get(s.URL)
	call.MaxAttempts = 1
	_, err := client.Do(ctx, call)
	if dials := len(s.dialed); err == nil || dials != 1 {
		t.Errorf("%v after %d dials", err, dials)
	}
}

// An endingConn closes when HTTP/2's preface is written, right after the TLS handshake.
type endingConn struct {
	net.Conn
	writes atomic.Int64
}

// Write fails after the connection was closed.
func (c *endingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if c.writes.Add(1) == 3 {
		_ = c.Close()
	}
	return n, err
}

// A leavingConn fails once a write has left whole.
type leavingConn struct {
	net.Conn
	stall *stall
}

func (c *leavingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if !c.stall.on.Load() {
		return n, err
	}
	c.stall.waiting <- struct{}{}
	<-c.stall.lost
	return 0, io.ErrClosedPipe
}

// The header of a write leaves, and the connection says that none of it did. It is not sent again.
// A write that waits behind it for its turn on the connection is, because each header is written by
// its own request.
func TestHTTP2DoesNotSendAgainWhatLeftInAFailedWrite(t *testing.T) {
	t.Parallel()
	var first, second atomic.Int64
	arrived := make(chan struct{}, 10)
	s := newLoopback(t, func(w http.ResponseWriter, r *http.Request, _ int64) {
		switch r.URL.Path {
		case "/first":
			first.Add(1)
			arrived <- struct{}{}
			<-r.Context().Done() // until the connection is lost
		case "/second":
			second.Add(1)
		}
		ok(w)
	})
	s.startHTTP2()
	stalled := newStall()
	client := s.clientOver(t, func(conn net.Conn) net.Conn { return &leavingConn{conn, stalled} })
	if _, err := client.Do(t.Context(), get(s.URL)); err != nil { // to make the connection
		t.Fatal(err)
	}
	stalled.on.Store(true)
	var both sync.WaitGroup
	both.Go(func() {
		answer, err := client.Do(t.Context(), newTestCall(http.MethodPost, s.URL+"/first"))
		if err == nil || !answer.MaybeSent || answer.Attempts != 1 {
			t.Errorf("what left: %+v, %v; want it unknown", answer, err)
		}
	})
	<-stalled.waiting
	stalled.on.Store(false) // the writes after this one are as usual
	taken := make(chan struct{}, 10)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { taken <- struct{}{} },
	})
	both.Go(func() {
		if answer, err := client.Do(ctx, newTestCall(http.MethodPost, s.URL+"/second")); err != nil || answer.Attempts != 1 {
			t.Errorf("what waited: %+v, %v", answer, err)
		}
	})
	<-taken
	<-arrived
	close(stalled.lost)
	both.Wait()
	if first.Load() != 1 || second.Load() != 1 {
		t.Errorf("the first arrived %d times, the second %d times", first.Load(), second.Load())
	}
}
