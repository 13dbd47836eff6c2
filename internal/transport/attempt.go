package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"sync/atomic"
)

// errAgain ends an attempt that net/http was about to send a second time.
var errAgain = errors.New("transport: the connection was lost")

// errProxy marks a failure of the proxy on the way.
var errProxy = errors.New("transport: the proxy failed")

// An attempt is one request, at most once on the wire. It is the context of the
// request, so that whoever makes or picks the connection finds it.
//
// net/http sends a request again by itself, within one RoundTrip: over HTTP/1.1 a
// read whose kept connection turned out dead; over HTTP/2 anything after
// REFUSED_STREAM or GOAWAY, and under Go 1.26 after PROTOCOL_ERROR, without end.
// Whether to send again is the retry loop's to decide, so a second connection
// ends the attempt.
type attempt struct {
	context.Context
	asked   atomic.Bool // a connection was asked for
	given   atomic.Bool // and given: the request may have left
	again   atomic.Bool // a second one was asked for
	touched atomic.Bool // the body was read, or asked for once more
	wrote   atomic.Bool // the header was written
	proxied bool        // the first hop is a proxy; known before a connection is made
	http2   bool        // the connection that was given speaks it
	reused  bool        // and others had it before
	reads   bool        // it is a read

	// Of our pool, over HTTP/2: the connection, the number of the request on it, and whether
	// the second one was it again.
	stream *watchedConn
	number int
	same   bool

	// Of our pool, a write's: the connection, and whose turn on it.
	conn  *watchedConn
	lease int
}

type attemptKey struct{}

// Value finds the attempt itself.
func (a *attempt) Value(key any) any {
	if key == (attemptKey{}) {
		return a
	}
	return a.Context.Value(key)
}

func attemptOf(ctx context.Context) *attempt {
	a, _ := ctx.Value(attemptKey{}).(*attempt)
	return a
}

// watchConnection notes the connection that is given. That is all a write needs of
// our pool over HTTP/1.1, and a read needs nothing.
func (a *attempt) watchConnection() context.Context {
	return httptrace.WithClientTrace(a, &httptrace.ClientTrace{GotConn: a.take})
}

func (a *attempt) take(info httptrace.GotConnInfo) {
	a.given.Store(true)
	if isHTTP2(info.Conn) { // shared with others, so that it knows nothing of this attempt
		a.http2, a.reused = true, info.Reused
		if a.stream = watched(info.Conn); a.stream != nil {
			a.number = int(a.stream.streams.Add(1))
		}
		return
	}
	if a.conn = watched(info.Conn); a.conn != nil {
		deadline, _ := a.Deadline()
		a.lease = a.conn.give(deadline)
	}
}

// guard ends the attempt where a second connection is taken, by a transport that
// may do so by itself and that reports to httptrace.
func (a *attempt) guard(target *url.URL, base http.RoundTripper) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(a)
	again := func() {
		a.again.Store(true)
		cancel()
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { a.wrote.Store(true) },
		// Over HTTP/2 it is called with a lock held, so it must not block or panic.
		GetConn: func(firstHop string) {
			switch {
			case a.given.Load():
				again()
			case !a.asked.Swap(true):
				_, plain := base.(*http.Transport) // others may tell of hosts in their own way
				a.proxied = a.proxied || plain && firstHop != hostPort(target)
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			if !a.given.Load() {
				a.take(info)
				return
			}
			again()
			a.same = a.stream != nil && a.stream == watched(info.Conn)
			// HTTP/2 looks at the context before it writes. HTTP/1.1 may not, and has the
			// connection to itself.
			if !isHTTP2(info.Conn) && !speaksHTTP2InClear(base) {
				_ = info.Conn.Close()
			}
		},
	}), cancel
}

func hostPort(u *url.URL) string {
	port := "443"
	if u.Scheme == "http" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))
}

// speaksHTTP2InClear reports whether a connection in clear is shared by many requests.
func speaksHTTP2InClear(base http.RoundTripper) bool {
	t, plain := base.(*http.Transport)
	return plain && t.Protocols != nil && t.Protocols.UnencryptedHTTP2()
}

func isHTTP2(conn net.Conn) bool {
	secured, ok := conn.(*tls.Conn)
	return ok && secured.ConnectionState().NegotiatedProtocol == "h2"
}

// maybeSent reports whether the request that ended in err may have left this machine.
//
// The line is drawn at proof. A connection of our own knows whether anything was
// written. *http.Transport has sent nothing without a connection; with one it may have,
// because it writes in another goroutine, which a cancelled call does not wait for. Of
// another RoundTripper no error proves anything: it may have sent the request
// somewhere that it doesn't report. Only if it asked for a connection, got none and
// didn't touch a body, it is believed.
func (a *attempt) maybeSent(base http.RoundTripper, req *http.Request, hasBody bool, err error) bool {
	transport, plain := base.(*http.Transport)
	untouched := hasBody && !a.touched.Load()
	switch {
	case a.conn != nil && a.conn.seal(a.lease), a.unwritten(base):
		return false
	case a.given.Load():
		// A body can't be had twice: net/http takes another connection only if it did
		// not touch it.
		return !plain || !(a.again.Load() && untouched) && !notProcessed(err)
	case a.asked.Load():
		return !plain && a.touched.Load()
	default:
		return !plain || !a.refusedByProxyFunc(transport, req)
	}
}

// unwritten reports whether HTTP/2 ended the attempt before anything of it was written.
// net/http's RoundTrip waits for the goroutine that writes, unless the context has ended. Of a
// caller's transport that is believed for reads: who knows what is registered in it.
func (a *attempt) unwritten(base http.RoundTripper) bool {
	if _, plain := base.(*http.Transport); !plain || a.stream == nil && !a.reads {
		return false
	}
	return a.http2 && !a.wrote.Load() && a.Err() == nil
}

// takesAnother reports whether the attempt may go on with another connection, for want of
// one that takes its request: what it got is full, or the end of it is seen just now. A
// connection without earlier requests that turns out dead is not meant: a server that
// ends those would be dialed for nothing.
func (a *attempt) takesAnother(base http.RoundTripper, err error) bool {
	if !a.given.Load() {
		return errors.Is(err, errNotNeeded)
	}
	return a.unwritten(base) && (a.reused || a.again.Load())
}

// drained reports whether a GOAWAY left the attempt's request out: a gateway ends the
// connection, and the API saw nothing of the request. Of a write, net/http says so. A read it
// was about to send again, and the connection took no request any more; after a reset of the
// stream it would have.
func (a *attempt) drained(base http.RoundTripper, err error) bool {
	if _, plain := base.(*http.Transport); !plain || a.stream == nil || !a.wrote.Load() {
		return false
	}
	return a.again.Load() && !a.same || goAwayText.MatchString(err.Error())
}

// A watchedBody tells the attempt that it was read.
type watchedBody struct {
	io.Reader
	attempt *attempt
}

// Read reads.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.attempt.touched.Store(true)
	return b.Reader.Read(p)
}

// Close does nothing: the body is in memory.
func (b *watchedBody) Close() error { return nil }

// refusedByProxyFunc reports whether the transport's own choice of a proxy fails, which
// comes before a connection is asked for.
func (a *attempt) refusedByProxyFunc(t *http.Transport, req *http.Request) bool {
	if t.Proxy == nil {
		return false
	}
	_, err := t.Proxy(req)
	a.proxied = err != nil
	return err != nil
}

// notProcessed reports whether net/http's HTTP/2 says that the server did not look
// at the request (RFC 9113, sections 6.8 and 8.7). It keeps no more of that than a text
// where there was a body that it can't have again.
func notProcessed(err error) bool { return notProcessedText.MatchString(err.Error()) }

var goAwayText = regexp.MustCompile(`^http2: Transport: cannot retry err ` +
	`\[http2: Transport received Server's graceful shutdown GOAWAY\] after Request\.Body was written`)

var notProcessedText = regexp.MustCompile(`^http2: Transport: cannot retry err \[(` +
	`stream error: stream ID \d+; REFUSED_STREAM; received from peer|` +
	`http2: Transport received Server's graceful shutdown GOAWAY` +
	`)\] after Request\.Body was written|` +
	`^http2: Transport received GOAWAY from server ErrCode:`)
