package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// An attempt is given ten connections at most, and pauses between them: 10 ms at most at
// first, and up to 200 ms later.
func TestConnectionsThatAnAttemptIsGiven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 20 { // the pauses are random
			var taken []time.Time
			tr := New(Config{Policy: exact, Base: roundTrip(func(*http.Request) (*http.Response, error) {
				taken = append(taken, time.Now())
				return nil, errNotNeeded
			})})
			call := get(api)
			call.MaxAttempts, call.Timeout = 1, time.Hour
			got, err := tr.Do(t.Context(), call)
			if err == nil || got.Attempts != 1 || len(taken) != maxRequests {
				t.Fatalf("%d connections in %d attempts, %v", len(taken), got.Attempts, err)
			}
			first, all := taken[1].Sub(taken[0]), taken[9].Sub(taken[0])
			if first == 0 || first > 10*time.Millisecond {
				t.Errorf("the first pause is %v", first)
			}
			if all <= 20*time.Millisecond || all > 1200*time.Millisecond {
				t.Errorf("the pauses are %v in all", all)
			}
		}
	})
}

// What a read over HTTP/2 learns of a second connection: whether it is the first one again.
func TestSecondConnectionOfAnAttempt(t *testing.T) {
	t.Parallel()
	s := newLoopback(t, func(http.ResponseWriter, *http.Request, int64) {})
	s.startHTTP2()
	_, dialer := s.clientWith(t, true, asIs)
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	connect := func() httptrace.GotConnInfo {
		conn, err := dialer.connectTLS(t.Context(), "tcp", target.Host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if !isHTTP2(conn) {
			t.Fatal("not HTTP/2")
		}
		return httptrace.GotConnInfo{Conn: conn}
	}
	one, other := connect(), connect()
	for name, tt := range map[string]struct {
		second  httptrace.GotConnInfo
		refused bool
	}{
		"the same: its stream was reset":     {one, false},
		"another: the first took no request": {other, true},
	} {
		a := &requestTrace{Context: t.Context(), reads: true}
		base := new(http.Transport)
		ctx, stop := a.guard(target, base)
		trace := httptrace.ContextClientTrace(ctx)
		trace.GotConn(one)
		if _, err := one.Conn.Write([]byte("a header")); err != nil {
			t.Fatal(err)
		}
		trace.WroteHeaders()
		trace.GotConn(tt.second)
		if a.same == tt.refused || a.refused(base, io.EOF) != tt.refused || ctx.Err() == nil {
			t.Errorf("%s: the same %t, refused %t, ended %v", name, a.same, a.refused(base, io.EOF), ctx.Err())
		}
		stop()
	}
}

// The first status that isn't a success counts without its body.
func TestStatusAfterTheSuccessesIsEvidence(t *testing.T) {
	t.Parallel()
	tr := New(Config{Policy: exact, Base: roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 300, ContentLength: -1, Body: io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))}, nil
	})})
	if got, err := tr.Do(t.Context(), post(api)); err != nil || got.StatusCode != 300 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Only the API's own connection is framed: what a proxy hands on may be encrypted.
func TestConnectionsThatAreFramed(t *testing.T) {
	t.Parallel()
	conn := new(watchedConn)
	for name, tt := range map[string]struct {
		ctx    context.Context
		framed bool
	}{
		"nobody's":      {t.Context(), false},
		"of an attempt": {&requestTrace{Context: t.Context()}, true},
		"by a proxy":    {&requestTrace{Context: t.Context(), proxied: true}, false},
	} {
		if _, framed := withFraming(tt.ctx, conn).(*responseConn); framed != tt.framed {
			t.Errorf("%s: framed %t", name, framed)
		}
	}
}

// What a rotation learns counts the requests that were taken, without the refused one,
// and what is no news changes nothing.
func TestRotationCountsWhatWasTaken(t *testing.T) {
	t.Parallel()
	one, other := new(watchedConn), new(watchedConn)
	var r rotation
	r.compare(&requestTrace{stream: one, number: 44}, &requestTrace{stream: other})
	if r.limit != 43/4 {
		t.Errorf("43 were taken, and the limit is %d", r.limit)
	}
	for range 9 {
		r.last()
	}
	r.compare(&requestTrace{stream: one, number: 44}, &requestTrace{stream: other})
	if !r.last() {
		t.Error("the tenth request is not the last one")
	}
}

// The connections that are kept end by themselves.
func TestKeptConnectionsEnd(t *testing.T) {
	t.Parallel()
	p := newPool(newDialer(), true)
	if p.IdleConnTimeout != 90*time.Second || p.HTTP2.SendPingTimeout != 15*time.Second || p.HTTP2.PingTimeout != 10*time.Second {
		t.Errorf("idle %v, pings %v and %v", p.IdleConnTimeout, p.HTTP2.SendPingTimeout, p.HTTP2.PingTimeout)
	}
	for name, bound := range map[string]time.Duration{"a dial": dialTimeout, "a handshake": handshakeTimeout, "silence": ackTimeout} {
		if bound != 10*time.Second {
			t.Errorf("%s is bounded by %v", name, bound)
		}
	}
	if maxRetryAfter != 8760*time.Hour || windowLength != 10*time.Second || maxBytes != 10_485_760 || trustedLength != 262_144 {
		t.Error("a bound has changed")
	}
}

// A proxy may announce that its answer has no body. The tunnel behind it is not an answer.
func TestTunnelBehindAnAnswerWithALength(t *testing.T) {
	t.Parallel()
	s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) { ok(w) })
	s.startTLS()
	s.proxy = listen(t, func(conn net.Conn) { tunnel(conn, s.Listener.Addr().String()) })
	if got, err := s.client(t).Do(t.Context(), post(s.URL)); err != nil || string(got.Body) != "{}" {
		t.Errorf("%+v, %v", got, err)
	}
}

// tunnel answers CONNECT, and hands on what follows in both directions, until one end closes.
func tunnel(conn net.Conn, host string) {
	source := bufio.NewReader(conn)
	if _, err := http.ReadRequest(source); err != nil {
		return
	}
	to, err := net.Dial("tcp", host)
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\nContent-Length: 0\r\n\r\n")
	go func() {
		_, _ = io.Copy(to, source)
		_ = to.Close()
	}()
	_, _ = io.Copy(conn, to)
}

// A GOAWAY is told by what our pool saw over HTTP/2, once a request was written.
func TestRefused(t *testing.T) {
	t.Parallel()
	ours, foreign := http.RoundTripper(new(http.Transport)), http.RoundTripper(responds(200, ""))
	for name, tt := range map[string]struct {
		base    http.RoundTripper
		stream  *watchedConn
		wrote   bool
		second  bool
		err     error
		refused bool
	}{
		"another connection was taken": {ours, new(watchedConn), true, true, io.EOF, true},
		"net/http says so":             {ours, new(watchedConn), true, false, errGoAway, true},
		"neither":                      {ours, new(watchedConn), true, false, io.EOF, false},
		"nothing was written":          {ours, new(watchedConn), false, true, io.EOF, false},
		"not HTTP/2":                   {ours, nil, true, true, io.EOF, false},
		"a caller's RoundTripper":      {foreign, new(watchedConn), true, true, io.EOF, false},
	} {
		a := &requestTrace{Context: t.Context(), stream: tt.stream}
		a.wrote.Store(tt.wrote)
		a.secondConn.Store(tt.second)
		if got := a.refused(tt.base, tt.err); got != tt.refused {
			t.Errorf("%s: %t", name, got)
		}
	}
}

var errGoAway = errors.New("http2: Transport: cannot retry err [http2: Transport received Server's graceful " +
	"shutdown GOAWAY] after Request.Body was written; define Request.GetBody to avoid this error")

func TestMayReconnect(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		gotConn, reused, second bool
		err                     error
		want                    bool
	}{
		"a connection that had earlier requests": {true, true, false, io.EOF, true},
		"a second connection was asked for":      {true, false, true, io.EOF, true},
		"a new connection":                       {true, false, false, io.EOF, false},
		"another call's connection was free":     {false, false, false, errNotNeeded, true},
		"none":                                   {false, false, false, io.EOF, false},
	} {
		a := &requestTrace{Context: t.Context(), stream: new(watchedConn), http2: true, reused: tt.reused}
		a.gotConn.Store(tt.gotConn)
		a.secondConn.Store(tt.second)
		if got := a.mayReconnect(new(http.Transport), tt.err); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestPauseBetweenConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for requests, most := range map[int]time.Duration{
			1: 10 * time.Millisecond, 2: 20 * time.Millisecond, 6: 200 * time.Millisecond, 20: 200 * time.Millisecond,
		} {
			longest := time.Duration(0)
			for range 200 {
				begin := time.Now()
				if !pause(t.Context(), requests) {
					t.Fatal("the time is over")
				}
				longest = max(longest, time.Since(begin))
			}
			if longest > most || longest < most*9/10 {
				t.Errorf("after %d requests the longest of 200 is %v, want up to %v", requests, longest, most)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if pause(ended, 20) {
			t.Error("there is time left after the end of the context")
		}
	})
}
