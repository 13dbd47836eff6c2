package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

const canary = "canary-1994-12-22"

// asURLError wraps an error as http.Client does.
func asURLError(err error) error {
	return &url.Error{Op: "Get", URL: "https://api/patients?dob=" + canary, Err: err}
}

func opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Err: err}
}

func TestCauseNamesTheKindOfFailure(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	t.Cleanup(cancel)
	live := t.Context()
	for _, tt := range []struct {
		name    string
		ctx     context.Context
		err     error
		want    string
		timeout bool
	}{
		{"canceled", canceled, context.Canceled, "context canceled", false},
		{"canceled, another error", canceled, io.EOF, "context canceled", false},
		{"expired", expired, context.DeadlineExceeded, "context deadline exceeded", true},
		{"expired, another error", expired, io.EOF, "context deadline exceeded", true},
		{"attempt", live, context.DeadlineExceeded, "the attempt timed out", true},
		{"rate limit", live, errors.Join(errRateLimit, context.DeadlineExceeded), "the client's rate limit leaves no time before the deadline", true},
		{"too large", live, ErrTooLarge, "response is too large", false},
		{"refused", live, opError("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED)), "connection refused", false},
		{"reset", live, opError("read", os.NewSyscallError("read", syscall.ECONNRESET)), "connection reset", false},
		{"broken pipe", live, opError("write", os.NewSyscallError("write", syscall.EPIPE)), "connection reset", false},
		{"closed", live, io.EOF, "connection closed before the answer was complete", false},
		{"cut short", live, io.ErrUnexpectedEOF, "connection closed before the answer was complete", false},
		{"DNS", live, opError("dial", &net.DNSError{Err: "no such host", Name: canary}), "host name not resolved", false},
		{"DNS timeout", live, opError("dial", &net.DNSError{IsTimeout: true, Name: canary}), "host name not resolved", true},
		{"TLS alert", live, opError("remote error", tls.AlertError(40)), "TLS handshake failed", false},
		{"TLS record", live, tls.RecordHeaderError{Msg: canary}, "TLS handshake failed", false},
		{"no TLS", live, http.ErrSchemeMismatch, "the server answers http, not https", false},
		{"certificate of an unknown authority", live, unverified(x509.UnknownAuthorityError{}), "the server's certificate is of an unknown authority", false},
		{"certificate of another host", live, unverified(x509.HostnameError{Host: canary}), "the server's certificate is for another host", false},
		{"expired certificate", live, unverified(x509.CertificateInvalidError{Reason: x509.Expired, Detail: canary}), "the server's certificate has expired, or is not valid yet", false},
		{"certificate for another use", live, unverified(x509.CertificateInvalidError{Reason: x509.IncompatibleUsage}), "the server's certificate is not trusted", false},
		{"certificate that nothing can verify", live, unverified(errors.New(canary)), "the server's certificate is not trusted", false},
		{"dial", live, opError("dial", syscall.ENETUNREACH), "connection could not be made", false},
		{"read timeout", live, opError("read", os.ErrDeadlineExceeded), "timed out", true},
		{"unknown", live, errors.New(canary), "connection failed", false},
		{"no response", live, errNoResponse, "connection failed", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := NewCause(tt.ctx, asURLError(tt.err))
			if c.Error() != tt.want {
				t.Errorf("Error() = %q, want %q", c.Error(), tt.want)
			}
			if c.Timeout() != tt.timeout {
				t.Errorf("Timeout() = %t", c.Timeout())
			}
			if !errors.Is(c, tt.err) && !errors.Is(tt.err, errRateLimit) { // a joined error is not comparable
				t.Errorf("errors.Is doesn't find %v", tt.err)
			}
		})
	}
}

func unverified(err error) error { return &tls.CertificateVerificationError{Err: err} }

// A callersError is an error that a caller's RoundTripper returns.
type callersError struct {
	text string
	err  error
}

func (e callersError) Error() string { return e.text }
func (e callersError) Unwrap() error { return e.err }

func TestCauseKeepsWhatIsBehindIt(t *testing.T) {
	t.Parallel()
	dial := opError("dial", syscall.ECONNREFUSED)
	c := NewCause(t.Context(), asURLError(callersError{"caller's", asURLError(dial)}))
	if !errors.Is(c, syscall.ECONNREFUSED) || errors.Is(c, io.EOF) {
		t.Error("errors.Is is wrong about the system's error")
	}
	if op, ok := errors.AsType[*net.OpError](c); !ok || op.Op != "dial" {
		t.Error("errors.As doesn't find the net.OpError")
	}
	if ne, ok := errors.AsType[net.Error](c); !ok || strings.Contains(ne.Error(), canary) {
		t.Errorf("as a net.Error: %v", ne)
	}

	sentinel := errors.New("caller's sentinel")
	c = NewCause(t.Context(), asURLError(errors.Join(sentinel, asURLError(dial))))
	if !errors.Is(c, sentinel) || !errors.Is(c, syscall.ECONNREFUSED) {
		t.Error("errors.Is doesn't find both errors of a join")
	}

	c = NewCause(t.Context(), asURLError(callersError{text: "caller's"}))
	if _, ok := errors.AsType[callersError](c); !ok {
		t.Error("errors.As doesn't find the caller's error")
	}
}

func TestCauseOfAnEndedContext(t *testing.T) {
	t.Parallel()
	why := errors.New("the user went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("wrapped: %w", why))
	for _, reported := range []error{ctx.Err(), context.Cause(ctx), opError("read", net.ErrClosed)} {
		c := NewCause(ctx, asURLError(reported))
		if !errors.Is(c, context.Canceled) || !errors.Is(c, why) || !errors.Is(c, reported) {
			t.Errorf("of %v: errors.Is doesn't find the context's error, its cause and what was reported", reported)
		}
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	cancel(asURLError(io.EOF))
	if c := NewCause(ctx, ctx.Err()); !errors.Is(c, io.EOF) || hasURL(c) {
		t.Error("a URL in the context's cause is handed out")
	}
}

func hasURL(err error) bool {
	_, ok := errors.AsType[*url.Error](err)
	return ok
}

func TestCauseShowsNothing(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		asURLError(errors.New(canary)),
		asURLError(callersError{text: canary}),
		asURLError(callersError{canary, asURLError(io.EOF)}),
		asURLError(fmt.Errorf("%w: %s", io.EOF, canary)),
		errors.Join(errors.New(canary), asURLError(io.EOF)),
	} {
		c := NewCause(t.Context(), err)
		if hasURL(c) {
			t.Errorf("%T: errors.As hands out the URL", err)
		}
		shown := []string{c.Error(), fmt.Sprintf("%p", c)} // for %p, fmt doesn't call Format
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%z"} {
			shown = append(shown, fmt.Sprintf(verb, c), fmt.Sprintf(verb, *c), fmt.Sprintf(verb, []any{c}))
		}
		if text, err := json.Marshal([]any{c, *c}); err == nil {
			shown = append(shown, string(text))
		}
		for _, text := range shown {
			if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
				t.Errorf("%T: shown: %s", err, text)
			}
		}
		if errors.Unwrap(c) != nil {
			t.Errorf("%T: can be unwrapped", err)
		}
	}
}
