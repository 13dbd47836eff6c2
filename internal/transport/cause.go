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

// A Cause is why a call got no usable response. Its text is one of a few fixed ones, because
// net/http's can hold the URL and the server's bytes. It has no Unwrap, because printing the
// chain would print those too; errors.Is and errors.As see everything behind it but the URL.
type Cause struct {
	text string
	err  error // without URL, because As returns parts of it
	all  error // for Is, which returns no part of it
}

// NewCause returns the cause of a call that ended because its context did, or with err.
func NewCause(ctx context.Context, err error) *Cause {
	err = HideCallErrors(err)
	all := err
	err = withoutURL(err)
	if ctx.Err() != nil {
		// net/http reports either the context's error or its cause.
		why := HideCallErrors(context.Cause(ctx))
		all = errors.Join(ctx.Err(), why, all)
		err = errors.Join(ctx.Err(), withoutURL(why), err)
	}
	return &Cause{text: kind(ctx, err), err: err, all: all}
}

// errOtherCall replaces the error of another call, which may be the cause of this one's context:
// what it says about its own request isn't true of this one.
var errOtherCall = errors.New("transport: another call failed")

// HideCallErrors returns the error, or another one in its place if it holds an error of package
// closure.
func HideCallErrors(err error) error {
	if wrapsCallError(err) {
		return errOtherCall
	}
	return err
}

func wrapsCallError(err error) bool {
	if err == nil {
		return false
	}
	if isCallError(reflect.TypeOf(err)) || isSentinel(err) {
		return true
	}
	switch e := err.(type) { //nolint:errorlint // it walks the chain itself
	case interface{ Unwrap() error }:
		return wrapsCallError(e.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), wrapsCallError)
	default:
		return false
	}
}

// isCallError reports whether the type is one of package closure's.
func isCallError(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == strings.TrimSuffix(reflect.TypeFor[Cause]().PkgPath(), "/internal/transport")
}

// isSentinel reports whether the error is one of package closure's that have no type of their
// own, such as ErrNotBooked. Their texts name the package.
func isSentinel(err error) bool {
	return reflect.TypeOf(err) == reflect.TypeOf(errOtherCall) && strings.HasPrefix(err.Error(), "closure: ")
}

// withoutURL returns what the innermost *url.Error wraps.
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

// Is matches what is behind the cause, but no error of another call: an error of the caller's may
// show one by its own Is alone.
func (c *Cause) Is(target error) bool {
	return target != nil && !isSentinel(target) && !isCallError(reflect.TypeOf(target)) && errors.Is(c.all, target)
}

// As finds what is behind the cause, but not an error of another call.
func (c *Cause) As(target any) bool {
	t := reflect.TypeOf(target)
	return t != nil && !isCallError(t) && errors.As(c.err, target)
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
	case ctx.Err() != nil: // a context of the caller's own type, whose text may hold anything
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
	if errors.Is(err, http.ErrSchemeMismatch) {
		return answersHTTP
	}
	if text := tlsText(err); text != "" {
		return text
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		switch op.Op {
		case "dial":
			return "connection could not be made"
		case "remote error", "local error": // alerts of crypto/tls, which doesn't export their type
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
func isTLS(err error) bool { return tlsText(err) != "" }

const answersHTTP = "the server answers http, not https"

// tlsText says why the server could not be authenticated; "": that isn't the reason. The errors
// themselves name hosts.
func tlsText(err error) string {
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		if string(record.RecordHeader[:]) == "HTTP/" {
			return answersHTTP
		}
		return "TLS handshake failed"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the server's certificate is for another host"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the server's certificate is of an unknown authority"
	}
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	if ok && invalid.Reason == x509.Expired {
		return "the server's certificate has expired, or is not valid yet"
	}
	if _, unverified := errors.AsType[*tls.CertificateVerificationError](err); ok || unverified {
		return "the server's certificate is not trusted"
	}
	return ""
}
