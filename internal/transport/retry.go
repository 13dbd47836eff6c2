package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"time"
)

// checkRetry is go-retryablehttp's hook: after each attempt it decides whether
// there is another one, and after what wait.
func (x *exchange) checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if !x.retryable(err) {
		if err == nil && x.answer.StatusCode < http.StatusInternalServerError {
			x.transport.budget.refund()
		}
		return false, nil
	}
	// A context that has ended takes nothing back: an answer in hand is handed over.
	if ctx.Err() != nil || x.attempts >= x.call.MaxAttempts {
		return false, nil
	}
	wait, ok := x.nextWait()
	lost := connectionLost(err)
	// A gateway that lost its own connection to the API says 502.
	credit := lost || err == nil && x.answer.StatusCode == http.StatusBadGateway
	if !ok || passesDeadline(ctx, wait) || !x.transport.budget.withdraw(x.call.MaxAttempts, credit) {
		return false, nil
	}
	x.wait = wait
	if lost || errors.Is(err, context.DeadlineExceeded) {
		x.transport.distrustIdle()
	}
	x.answer.MaybeSent = false // what may be repeated has changed nothing
	return true, nil
}

// backoff is go-retryablehttp's hook: how long to wait.
func (x *exchange) backoff(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return x.wait }

// retryable reports whether the last attempt may be repeated. A write may only if
// provably nothing of it was carried out: no answer proves that, because a gateway
// on the way may have made it up after the API had done its work.
func (x *exchange) retryable(err error) bool {
	if err != nil {
		return !final(err) && !x.answer.MaybeSent
	}
	if x.call.writes() {
		return false
	}
	switch x.answer.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

// final reports whether an error would only come again.
func final(err error) bool {
	return errors.Is(err, ErrTooLarge) || errors.Is(err, errRateLimit)
}

// connectionLost reports whether err ended a connection that had been made. The end
// of the attempt's time does not show that, nor does a dial that failed.
func connectionLost(err error) bool {
	if err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, syscall.ECONNREFUSED) || isProxy(err) {
		return false
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return false
	}
	_, dns := errors.AsType[*net.DNSError](err)
	return !dns && !isTLS(err)
}

// nextWait is how long to wait before the next attempt; not ok: longer than
// the policy allows.
func (x *exchange) nextWait() (wait time.Duration, ok bool) {
	policy := x.transport.policy
	asked, found := RetryAfter(x.answer.Header, time.Now())
	if !found {
		return jitter(ceiling(policy.MinWait, policy.MaxWait, x.attempts-1)), true
	}
	// A little more than asked for, so that clients don't come back as one.
	return asked + jitter(policy.MinWait), asked <= policy.MaxRetryAfter
}

func passesDeadline(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= wait
}
