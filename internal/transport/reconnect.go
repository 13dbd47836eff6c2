package transport

import (
	"context"
	"time"
)

// maxRequests is how many connections an attempt may be given over HTTP/2 until its request
// is written. After a connection is lost, net/http's pool goes on giving it out until its
// reader has seen the end.
const maxRequests = 10

// reconnect goes on with another connection while the request wasn't written to the one it
// was given.
func (t *Transport) reconnect(next handler) handler {
	return func(ctx context.Context, x *execution) error {
		for requests := 1; ; requests++ {
			err := next(ctx, x)
			if err == nil || !x.trace.mayReconnect(t.base, err) || requests == maxRequests || !pause(ctx, requests) {
				return err
			}
		}
	}
}

// pause gives net/http time to see that the connection is lost. It reports whether the
// attempt has time left.
func pause(ctx context.Context, requests int) bool {
	select {
	case <-time.After(jitter(ceiling(10*time.Millisecond, 200*time.Millisecond, requests-1))):
		return true
	case <-ctx.Done():
		return false
	}
}
