package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"syscall"
)

// A Cause is why a call got no usable answer. Its text is one of a few fixed
// ones: what net/http says can hold the URL and the server's own bytes. There
// is no Unwrap, for whoever prints the chain would print those too; Is and As
// see all that is behind it but the URL.
type Cause struct {
	text string
	err  error
}

func newCause(ctx context.Context, err error) *Cause {
	for {
		wrapped, ok := errors.AsType[*url.Error](err)
		if !ok {
			break
		}
		err = wrapped.Err
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = errors.Join(ctx.Err(), err) // net/http reports the context's cause instead
	}
	return &Cause{text: kind(ctx, err), err: err}
}

// Error names the kind of failure.
func (c *Cause) Error() string { return c.text }

// Is sees what is behind the cause.
func (c *Cause) Is(target error) bool { return errors.Is(c.err, target) }

// As sees what is behind the cause.
func (c *Cause) As(target any) bool { return errors.As(c.err, target) }

// Timeout tells whether time ran out.
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
	case ctx.Err() != nil:
		return "context deadline exceeded"
	case errors.Is(err, ErrTooLarge):
		return "response is too large"
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
	if _, ok := errors.AsType[tls.AlertError](err); ok || isTLS(err) {
		return "TLS handshake failed"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return "connection could not be made"
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return "timed out"
	}
	return "connection failed"
}
