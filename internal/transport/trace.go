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

// errSecondConn ends an attempt whose request net/http was about to send a second time.
var errSecondConn = errors.New("transport: the connection was lost")

// errProxy marks a failure of the proxy in front of the API.
var errProxy = errors.New("transport: the proxy failed")

// A requestTrace knows how far one request got, and keeps it to one sending. It is the
// context of the request, so that the pool finds it when it picks or makes a connection.
//
// net/http sends a request again by itself, within one RoundTrip: over HTTP/1.1 a read whose
// idle connection turned out to be dead; over HTTP/2 any request after REFUSED_STREAM or
// GOAWAY, and under Go 1.26 after PROTOCOL_ERROR, without end. Whether to send again is for
// the link retry to decide, so a second connection ends the attempt.
type requestTrace struct {
	context.Context
	askedConn  atomic.Bool  // a connection was asked for
	gotConn    atomic.Bool  // a connection was given: the request may have left
	secondConn atomic.Bool  // a second connection was asked for
	body       atomic.Int32 // bodyUnread, bodyRead or bodySealed
	wrote      atomic.Bool  // the header was written
	proxied    bool         // the connection leads to a proxy; known before it is made
	http2      bool         // the connection that was given speaks HTTP/2
	reused     bool         // other requests had the connection before
	reads      bool         // the request is a read

	// For our pool over HTTP/2: the connection, the request's number on it, how many writes had
	// begun before it, and whether the second connection was the same one.
	stream *watchedConn
	number int
	writes int64
	same   bool

	// For a write through our pool over HTTP/1.1: the connection, and its lease.
	conn  *watchedConn
	lease int
}

// What became of the request's body.
const (
	bodyUnread int32 = iota
	bodyRead         // it was read, or GetBody was called
	bodySealed       // the attempt ended before that
)

// openBody reports whether the body may be read, and notes that it is.
func (r *requestTrace) openBody() bool {
	return r.body.CompareAndSwap(bodyUnread, bodyRead) || r.body.Load() == bodyRead
}

// sealBody reports whether the body wasn't read; it is asked once. From then on the body can't be
// read: a RoundTripper may return while another goroutine of its own still sends.
func (r *requestTrace) sealBody() bool {
	return r.body.CompareAndSwap(bodyUnread, bodySealed)
}

type traceKey struct{}

// Value returns the trace itself for its own key.
func (r *requestTrace) Value(key any) any {
	if key == (traceKey{}) {
		return r
	}
	return r.Context.Value(key)
}

func traceOf(ctx context.Context) *requestTrace {
	r, _ := ctx.Value(traceKey{}).(*requestTrace)
	return r
}

// once keeps net/http from sending the request a second time. It traces no more than the
// request needs: our pool refuses a second connection over HTTP/1.1 by itself, and of a
// read it doesn't matter whether it left. (Through a proxy it does: noteProxy.)
func (t *Transport) once(next handler) handler {
	return func(ctx context.Context, x *execution) error {
		x.trace = &requestTrace{Context: hideHeaderFields(ctx), reads: !x.call.writes()}
		switch {
		case t.resends:
			guarded, cancel := x.trace.guard(x.call.URL, t.base)
			defer cancel()
			return next(guarded, x)
		case x.call.writes():
			return next(x.trace.noteConn(), x)
		default:
			return next(x.trace, x)
		}
	}
}

// A quietContext is a context with another httptrace.ClientTrace.
type quietContext struct {
	context.Context
	trace context.Context
}

// Value finds the trace first.
func (c *quietContext) Value(key any) any {
	if value := c.trace.Value(key); value != nil {
		return value
	}
	return c.Context.Value(key)
}

// hideHeaderFields takes one hook from the caller's own trace: net/http would give it the path,
// which holds names and ids, and the key.
func hideHeaderFields(ctx context.Context) context.Context {
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil || trace.WroteHeaderField == nil {
		return ctx
	}
	quiet := *trace
	quiet.WroteHeaderField = nil
	return &quietContext{ctx, httptrace.WithClientTrace(context.Background(), &quiet)}
}

// WithoutTrace returns the context with a trace that has no hooks.
func WithoutTrace(ctx context.Context) context.Context {
	return &quietContext{ctx, httptrace.WithClientTrace(context.Background(), new(httptrace.ClientTrace))}
}

// noteGotConn only notes that a connection is given.
func (r *requestTrace) noteGotConn() context.Context {
	return httptrace.WithClientTrace(r, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { r.gotConn.Store(true) },
	})
}

// noteConn only notes which connection is given.
func (r *requestTrace) noteConn() context.Context {
	return httptrace.WithClientTrace(r, &httptrace.ClientTrace{GotConn: r.noteGiven})
}

func (r *requestTrace) noteGiven(info httptrace.GotConnInfo) {
	r.gotConn.Store(true)
	if isHTTP2(info.Conn) { // many requests share it, so it can't tell what became of this one
		r.http2, r.reused = true, info.Reused
		if r.stream = watchedConnOf(info.Conn); r.stream != nil {
			r.number, r.writes = int(r.stream.streams.Add(1)), r.stream.writes.Load()
		}
		return
	}
	if r.conn = watchedConnOf(info.Conn); r.conn != nil {
		deadline, _ := r.Deadline()
		r.lease = r.conn.give(deadline)
	}
}

// noteWrote notes that the header was written. net/http says so as well if it wasn't, because
// the connection was lost before the request's turn: then no write began on it.
func (r *requestTrace) noteWrote() {
	r.wrote.Store(r.stream == nil || r.stream.writes.Load() != r.writes)
}

// guard ends the attempt when a second connection is asked for. It sees that of any
// transport that reports to httptrace.
func (r *requestTrace) guard(target *url.URL, base http.RoundTripper) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r)
	_, plain := base.(*http.Transport) // others may report hosts in another form, and from goroutines of their own
	end := func() {
		r.secondConn.Store(true)
		cancel()
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: r.noteWrote,
		// Over HTTP/2 it is called with a lock held, so it must not block or panic.
		GetConn: func(firstHop string) {
			switch {
			case r.gotConn.Load():
				end()
			case !r.askedConn.Swap(true) && plain && firstHop != hostPort(target):
				r.proxied = true
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			// After the attempt, the first is one too many as well.
			if !r.gotConn.Swap(true) && r.body.Load() != bodySealed {
				if plain {
					r.noteGiven(info)
				}
				return
			}
			end()
			if plain {
				r.same = r.stream != nil && r.stream == watchedConnOf(info.Conn)
			}
			// HTTP/2 and HTTP/3 check the context before they write. HTTP/1.1 may not, and no
			// other request uses its connection.
			if !isShared(info.Conn) && !speaksHTTP2InClear(base) {
				_ = info.Conn.Close()
			}
		},
	}), cancel
}

// maybeSent reports whether the request that ended in err may have left this machine. It
// has not left only if there is proof:
//
//   - A connection of our pool knows whether anything was written to it.
//   - *http.Transport has sent nothing without a connection. With one it may have: it writes
//     in another goroutine, and doesn't wait for that one when a call is cancelled.
//   - No error of another RoundTripper proves anything, because it may have sent the request
//     in a way that it doesn't report. It is believed only if it asked for a connection, was
//     given none, and didn't read the body. So is a protocol registered in an *http.Transport.
func (r *requestTrace) maybeSent(base http.RoundTripper, req *http.Request, hasBody bool, err error) bool {
	transport, plain := base.(*http.Transport)
	unread := r.sealBody()
	switch {
	case r.conn != nil && r.conn.seal(r.lease), r.unwritten(base):
		return false
	case r.gotConn.Load():
		// Without GetBody, net/http takes a second connection only if it didn't read the body.
		return !plain || !(r.secondConn.Load() && hasBody && unread) && !notProcessed(err)
	case r.askedConn.Load():
		return !unread
	default:
		return !plain || !r.proxyFuncFails(transport, req, err)
	}
}

// unwritten reports whether HTTP/2 ended the attempt before it wrote anything of the
// request: RoundTrip waits for the goroutine that writes, unless the context has ended. Of a
// caller's transport it holds for reads only, because other protocols may be registered in it.
func (r *requestTrace) unwritten(base http.RoundTripper) bool {
	if _, plain := base.(*http.Transport); !plain || r.stream == nil && !r.reads {
		return false
	}
	return r.http2 && !r.wrote.Load() && r.Err() == nil
}

// mayReconnect reports whether the attempt may go on with another connection: the one it was
// given was full, or turned out to be closed. A connection that had no earlier requests
// doesn't count: if a server closes new connections, dialing more of them is no use.
func (r *requestTrace) mayReconnect(base http.RoundTripper, err error) bool {
	if !r.gotConn.Load() {
		return errors.Is(err, errNotNeeded)
	}
	return r.unwritten(base) && (r.reused || r.secondConn.Load())
}

// refused reports whether a GOAWAY left the request out: a gateway closes the connection, and
// the API didn't see the request. Of a write, net/http's error says so. A read net/http was
// about to send again on another connection, because the first took no more requests; after
// a reset of the stream alone, it would have used the same one.
func (r *requestTrace) refused(base http.RoundTripper, err error) bool {
	if _, plain := base.(*http.Transport); !plain || r.stream == nil || !r.wrote.Load() {
		return false
	}
	return r.secondConn.Load() && !r.same || goAwayText.MatchString(err.Error())
}

// proxyFuncFails reports whether the request ended in err because the transport can't choose a
// proxy, which it does before it asks for a connection. A registered protocol asks for no proxy.
func (r *requestTrace) proxyFuncFails(t *http.Transport, req *http.Request, err error) bool {
	if t.Proxy == nil {
		return false
	}
	_, proxyErr := t.Proxy(req)
	r.proxied = proxyErr != nil && proxyErr.Error() == err.Error()
	return r.proxied
}

// A watchedBody tells the trace that it was read. It isn't read after the deadline, which only
// our pool's connections check: without its body, a request asks for nothing.
type watchedBody struct {
	io.Reader
	trace *requestTrace
}

// Read notes that the body was read, and reads.
func (b *watchedBody) Read(p []byte) (int, error) {
	if !b.trace.openBody() {
		return 0, errSealed
	}
	if isLate(b.trace) {
		return 0, context.DeadlineExceeded
	}
	return b.Reader.Read(p)
}

// Close does nothing, because the body is in memory.
func (b *watchedBody) Close() error { return nil }

func hostPort(u *url.URL) string {
	port := "443"
	if u.Scheme == "http" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))
}

// speaksHTTP2InClear reports whether many requests share a connection without TLS.
func speaksHTTP2InClear(base http.RoundTripper) bool {
	t, plain := base.(*http.Transport)
	return plain && t.Protocols != nil && t.Protocols.UnencryptedHTTP2()
}

// isShared reports whether many requests use the connection at once: it speaks HTTP/2 over TLS,
// or HTTP/3, whose connection can't be closed here and may not be shown.
func isShared(conn net.Conn) bool {
	if conn == nil || isHTTP2(conn) {
		return true
	}
	_, datagrams := conn.LocalAddr().(*net.UDPAddr)
	return datagrams
}

func isHTTP2(conn net.Conn) bool {
	secured, ok := conn.(*tls.Conn)
	return ok && secured.ConnectionState().NegotiatedProtocol == "h2"
}

// notProcessed reports whether net/http's HTTP/2 says that the server didn't process the
// request (RFC 9113, sections 6.8 and 8.7). If the request has a body without GetBody,
// only the text of the error says so.
func notProcessed(err error) bool { return notProcessedText.MatchString(err.Error()) }

var goAwayText = regexp.MustCompile(`^http2: Transport: cannot retry err ` +
	`\[http2: Transport received Server's graceful shutdown GOAWAY\] after Request\.Body was written`)

var notProcessedText = regexp.MustCompile(`^http2: Transport: cannot retry err \[(` +
	`stream error: stream ID \d+; REFUSED_STREAM; received from peer|` +
	`http2: Transport received Server's graceful shutdown GOAWAY` +
	`)\] after Request\.Body was written|` +
	`^http2: Transport received GOAWAY from server ErrCode:`)
