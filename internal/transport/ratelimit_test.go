package transport

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

func perMinute() *rate.Limiter { return rate.NewLimiter(rate.Every(time.Minute), 1) }

func TestWaitForTurn(t *testing.T) {
	t.Parallel()
	canceled := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return ctx, cancel
	}
	within := func(d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
		return func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, d) }
	}
	cancelAfter := func(d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
		return func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(d, cancel)
			return ctx, cancel
		}
	}
	perSecond := func() *rate.Limiter { return rate.NewLimiter(1, 1) }
	taken := func() *rate.Limiter {
		l := perSecond()
		l.Allow()
		return l
	}
	none := func() *rate.Limiter { return nil }
	for _, tt := range []struct {
		name    string
		limiter func() *rate.Limiter
		ctx     func(context.Context) (context.Context, context.CancelFunc)
		want    []error // nil: the request may go
		after   time.Duration
	}{
		{"no limiter", none, within(time.Hour), nil, 0},
		{"no limiter, context ended", none, canceled, []error{context.Canceled}, 0},
		{"free", perSecond, within(time.Hour), nil, 0},
		{"free, context ended", perSecond, canceled, []error{context.Canceled}, 0},
		{"waits", taken, within(time.Hour), nil, time.Second},
		{"no time for it: at once", taken, within(time.Second / 2), []error{errRateLimit, context.DeadlineExceeded}, 0},
		{"cancelled while it waits", taken, cancelAfter(300 * time.Millisecond), []error{context.Canceled}, 300 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				limiter := tt.limiter()
				ctx, cancel := tt.ctx(t.Context())
				defer cancel()
				start := time.Now()
				err := waitForTurn(ctx, limiter)
				if elapsed := time.Since(start); elapsed != tt.after {
					t.Errorf("after %v, want %v", elapsed, tt.after)
				}
				if (err == nil) != (tt.want == nil) {
					t.Errorf("waitForTurn = %v, want %v", err, tt.want)
				}
				for _, want := range tt.want {
					if !errors.Is(err, want) {
						t.Errorf("waitForTurn = %v, want %v", err, want)
					}
				}
			})
		})
	}
}
