package transport

import (
	"context"
	"net/http"
	"time"
)

// cookies does what http.Client would do with the jar, but http.Client doesn't see the call.
func (t *Transport) cookies(next handler) handler {
	if t.jar == nil {
		return next
	}
	return func(ctx context.Context, x *execution) error {
		target := *x.call.URL
		x.cookies = t.jar.Cookies(&target)
		if err := next(ctx, x); err != nil {
			return err
		}
		resp := http.Response{Header: x.answer.Header}
		if received := resp.Cookies(); len(received) > 0 {
			t.jar.SetCookies(&target, received)
		}
		return nil
	}
}

// observe reports the attempt when it is over.
func (t *Transport) observe(next handler) handler {
	return func(ctx context.Context, x *execution) error {
		if x.call.Observe == nil {
			return next(ctx, x)
		}
		start := time.Now()
		err := next(ctx, x)
		x.call.Observe(Attempt{
			Number:   x.attempts,
			Answer:   x.answer,
			Duration: time.Since(start),
			Err:      err,
		})
		return err
	}
}

// timeout bounds what follows: the waiting for a connection, the request, and the response
// with its body. It doesn't bound the wait for the rate limit.
func (t *Transport) timeout(next handler) handler {
	return func(ctx context.Context, x *execution) error {
		ctx, cancel := context.WithTimeout(ctx, x.call.Timeout)
		defer cancel()
		return next(ctx, x)
	}
}
