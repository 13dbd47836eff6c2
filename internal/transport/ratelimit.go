package transport

import (
	"context"
	"errors"

	"golang.org/x/time/rate"
)

var errRateLimit = errors.New("transport: the client's rate limit leaves no time before the deadline")

// rateLimit waits until the client's own limit lets the request go. The call's context
// bounds the wait, and the attempt's timeout doesn't. If the context has ended, the request
// doesn't go, with a limit or without.
func (t *Transport) rateLimit(next handler) handler {
	return func(ctx context.Context, x *execution) error {
		if err := waitForTurn(ctx, t.limiter); err != nil {
			return err
		}
		return next(ctx, x)
	}
}

func waitForTurn(ctx context.Context, limiter *rate.Limiter) error {
	if limiter == nil {
		return ctx.Err()
	}
	err := limiter.Wait(ctx)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(errRateLimit, context.DeadlineExceeded)
}
