package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptrace"
	"os"
	"syscall"
	"testing"
)

func TestSentTracker(t *testing.T) {
	t.Parallel()
	refused := opError("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED))
	for _, tt := range []struct {
		name       string
		asked, got bool // what the RoundTripper reported
		err        error
		want       bool
	}{
		// A RoundTripper that reports: the report counts, whatever the error.
		{"lost on a connection", true, true, io.EOF, true},
		{"refused, having had a connection", true, true, refused, true},
		{"no connection", true, false, refused, false},
		{"no connection, cancelled", true, false, context.Canceled, false},
		{"no connection, attempt timed out", true, false, context.DeadlineExceeded, false},
		{"no connection, TLS alert", true, false, opError("remote error", tls.AlertError(40)), false},
		{"connection without being asked for", false, true, refused, true},
		// One that reports nothing: only some errors prove that nothing left.
		{"silent, dial", false, false, refused, false},
		{"silent, dial, wrapped", false, false, fmt.Errorf("caller's: %w", refused), false},
		{"silent, DNS", false, false, &net.DNSError{Err: "no such host"}, false},
		{"silent, certificate", false, false, &tls.CertificateVerificationError{Err: errors.New("expired")}, false},
		{"silent, authority", false, false, x509.UnknownAuthorityError{}, false},
		{"silent, host name", false, false, x509.HostnameError{Certificate: new(x509.Certificate)}, false},
		{"silent, expired", false, false, x509.CertificateInvalidError{}, false},
		{"silent, no TLS server", false, false, tls.RecordHeaderError{}, false},
		{"silent, lost", false, false, io.EOF, true},
		{"silent, reset", false, false, opError("read", syscall.ECONNRESET), true},
		{"silent, write failed", false, false, opError("write", syscall.EPIPE), true},
		{"silent, cancelled", false, false, context.Canceled, true},
		{"silent, timed out", false, false, context.DeadlineExceeded, true},
		{"silent, TLS alert", false, false, opError("remote error", tls.AlertError(40)), true},
		{"silent, unknown", false, false, errors.New("?"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var s sentTracker
			trace := httptrace.ContextClientTrace(s.track(t.Context()))
			if tt.asked {
				trace.GetConn("api:443")
			}
			if tt.got {
				trace.GotConn(httptrace.GotConnInfo{})
			}
			if got := s.maybe(tt.err); got != tt.want {
				t.Errorf("maybe(%v) = %t, want %t", tt.err, got, tt.want)
			}
		})
	}
}

// The caller's own trace goes on working.
func TestSentTrackerKeepsTheCallersTrace(t *testing.T) {
	t.Parallel()
	var theirs bool
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { theirs = true },
	})
	var s sentTracker
	httptrace.ContextClientTrace(s.track(ctx)).GotConn(httptrace.GotConnInfo{})
	if !theirs || !s.got.Load() {
		t.Errorf("called: caller's %t, ours %t; want both", theirs, s.got.Load())
	}
}
