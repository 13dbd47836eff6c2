package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// A sentTracker reports whether a request may have left this machine. The line is
// drawn where a connection is handed to the request, not where its headers are
// written: net/http writes in another goroutine, which a cancelled call does
// not wait for.
type sentTracker struct {
	asked atomic.Bool // a connection was asked for: the transport reports to us
	got   atomic.Bool // and given
}

func (s *sentTracker) track(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { s.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { s.got.Store(true) },
	})
}

// maybe reports whether the request that ended in err may have left. Of a
// RoundTripper that reports nothing, only errors from before a connection
// stands are proof that it did not.
func (s *sentTracker) maybe(err error) bool {
	if s.got.Load() {
		return true
	}
	return !s.asked.Load() && !beforeConnected(err)
}

func beforeConnected(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	return isTLS(err)
}

// isTLS reports whether the server could not be authenticated, so that no request
// was trusted to it.
func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok
}
