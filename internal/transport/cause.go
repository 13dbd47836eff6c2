package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"syscall"
)

// A Cause is why a call got no usable answer. Its text is one of a few fixed
// ones: what net/http says can hold the URL and the server's own bytes. There
// is no Unwrap, for whoever prints the chain would print those too; Is and As
// see all that is behind it but the URL.
type Cause struct {
	text string
	err  error // without URL: all that As may hand out
	all  error // for Is, which hands out nothing
}

// NewCause is the cause of a call that the end of its context, or err, ended
// in or outside of an attempt.
func NewCause(ctx context.Context, err error) *Cause {
	err = notOfCalls(err)
	all := err
	err = withoutURL(err)
	if ctx.Err() != nil {
		// net/http reports either the context's error or its cause.
		why := notOfCalls(context.Cause(ctx))
		all = errors.Join(ctx.Err(), why, all)
		err = errors.Join(ctx.Err(), withoutURL(why), err)
	}
	return &Cause{text: kind(ctx, err), err: err, all: all}
}

// errOfCall stands for the end of another call, which may have cancelled this one's
// context: what that says of its own request is not true of this one.
var errOfCall = errors.New("transport: another call failed")

func notOfCalls(err error) error {
	if wrapsCall(err) {
		return errOfCall
	}
	return err
}

func wrapsCall(err error) bool {
	if err == nil {
		return false
	}
	if isOfCalls(reflect.TypeOf(err)) {
		return true
	}
	switch e := err.(type) { //nolint:errorlint // it is the walk itself
	case interface{ Unwrap() error }:
		return wrapsCall(e.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), wrapsCall)
	default:
		return false
	}
}

// isOfCalls reports whether the type is one of the package that makes calls.
func isOfCalls(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == strings.TrimSuffix(reflect.TypeFor[Cause]().PkgPath(), "/internal/transport")
}

// withoutURL is what is behind the innermost *url.Error.
func withoutURL(err error) error {
	for {
		wrapped, ok := errors.AsType[*url.Error](err)
		if !ok {
			return err
		}
		err = wrapped.Err
	}
}

// Error names the kind of failure.
func (c *Cause) Error() string { return c.text }

// Format prints the same as Error under every verb.
func (c Cause) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.text) }

// Is sees what is behind the cause.
func (c *Cause) Is(target error) bool { return errors.Is(c.all, target) }

// As sees what is behind the cause, but no error of a call.
func (c *Cause) As(target any) bool {
	t := reflect.TypeOf(target)
	return t != nil && !isOfCalls(t) && errors.As(c.err, target)
}

// Timeout reports whether time ran out.
func (c *Cause) Timeout() bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](c.err)
	return ok && t.Timeout()
}

func kind(ctx context.Context, err error) string {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return "context canceled"
	case errors.Is(err, errRateLimit):
		return "the client's rate limit leaves no time before the deadline"
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "context deadline exceeded"
	case ctx.Err() != nil: // a context of the caller's own, whose text nobody knows
		return "context ended"
	case errors.Is(err, ErrTooLarge):
		return "response is too large"
	case isProxy(err):
		return "the proxy could not be reached or refused"
	case errors.Is(err, errSecondConn):
		return "connection lost"
	case errors.Is(err, errSwitched):
		return "the server switched protocols"
	case errors.Is(err, context.DeadlineExceeded):
		return "the attempt timed out"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed before the answer was complete"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "host name not resolved"
	}
	if isTLS(err) || errors.Is(err, http.ErrSchemeMismatch) {
		return "TLS handshake failed"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		switch op.Op {
		case "dial":
			return "connection could not be made"
		case "remote error", "local error": // crypto/tls's alerts, whose type is its own
			return "TLS handshake failed"
		}
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return "timed out"
	}
	return "connection failed"
}

func isProxy(err error) bool {
	if errors.Is(err, errProxy) {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "proxyconnect"
}

// isTLS reports whether the server could not be authenticated.
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
