package closuretemporal

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"time"
)

// reporting is the time an activity has left, after its last request, to report its end.
const reporting = time.Second

// sendBefore ends the context a little before the activity's deadline, which counts from
// when the server handed the activity out. It also checks the clock when a request gets
// its connection: in a process that was frozen and wakes up, the request may go on before
// the timer ends the context. The client's own connections check it again, before the
// first byte.
func sendBefore(ctx context.Context, now func() time.Time) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	deadline = deadline.Add(-reporting)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			// By the wall clock: the other one stands still while the machine sleeps.
			if !now().Round(0).After(deadline.Round(0)) {
				return
			}
			cancel()
			if !isShared(info.Conn) {
				_ = info.Conn.Close() // HTTP/1.1 doesn't look at the context before it writes
			}
		},
	}), cancel
}

// isShared reports whether other requests may be under way on the connection: it speaks HTTP/2
// over TLS, or HTTP/3, whose connection may not be shown.
func isShared(conn net.Conn) bool {
	if conn == nil {
		return true
	}
	if secured, ok := conn.(*tls.Conn); ok && secured.ConnectionState().NegotiatedProtocol == "h2" {
		return true
	}
	_, datagrams := conn.LocalAddr().(*net.UDPAddr)
	return datagrams
}
