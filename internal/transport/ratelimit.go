package transport

import (
	"context"
	"errors"

	"golang.org/x/time/rate"
)

// errRateLimit is a wait for the client's own rate limit that would pass the
// deadline.
var errRateLimit = errors.New("transport: the client's rate limit leaves no time before the deadline")

// waitForTurn waits until the limiter lets the request go. It counts against
// the context, not against the attempt's timeout. A context that has ended lets
// nothing go, with a limiter or without.
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
