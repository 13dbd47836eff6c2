package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"time"
)

// retry makes attempts until one has an answer that stands, or may not be repeated.
func (t *Transport) retry(next handler) handler {
	return func(ctx context.Context, x *execution) error {
		t.budget.begin()
		defer t.budget.end()
		loop := &retryLoop{transport: t, execution: x, next: next}
		return loop.run(ctx)
	}
}

// mayRepeat decides after each attempt whether another one follows, and how long to wait for it.
func (l *retryLoop) mayRepeat(ctx context.Context) bool {
	if !l.retryable(l.err) {
		if l.err == nil && l.answer.StatusCode < http.StatusInternalServerError && !temporary(l.answer.StatusCode) {
			l.transport.budget.refund()
		}
		return false
	}
	// An ended context doesn't discard an answer already received.
	if ctx.Err() != nil || l.attempts >= l.call.MaxAttempts {
		return false
	}
	wait, ok := l.nextWait()
	lost := connectionLost(l.err)
	// 502 is what a gateway answers if it lost its own connection to the API.
	credit := lost || l.err == nil && l.answer.StatusCode == http.StatusBadGateway
	if !ok || passesDeadline(ctx, wait) || !l.transport.budget.withdraw(l.call.MaxAttempts, credit) {
		return false
	}
	l.wait = wait
	if lost || errors.Is(l.err, context.DeadlineExceeded) {
		l.transport.dropIdle()
	}
	return true
}

// dropIdle closes the idle connections of our pool before a retry: where one was lost, they
// may all be dead, and each attempt would be given another dead one. A caller's connections
// are the caller's. Over HTTP/2 one connection carries all requests, and net/http may close
// a new one that is still waiting for its first.
func (t *Transport) dropIdle() {
	if t.pool != nil {
		t.pool.CloseIdleConnections()
	}
}

// retryable reports whether the last attempt may be repeated. A write may only if the
// request provably never left, or if HTTP/2 says that it wasn't processed. An error response
// proves nothing: a gateway may have sent it after the API carried the write out.
func (l *retryLoop) retryable(err error) bool {
	if err != nil {
		return !final(err) && !l.answer.MaybeSent
	}
	return !l.call.writes() && temporary(l.answer.StatusCode)
}

// temporary reports whether the same request may be answered otherwise a little later.
func temporary(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

// final reports whether another attempt would fail with the same error.
func final(err error) bool {
	return errors.Is(err, ErrTooLarge) || errors.Is(err, errRateLimit)
}

// connectionLost reports whether err means that a connection was made and then lost. A
// timeout doesn't show that, nor does a dial that failed.
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

// nextWait is how long to wait before the next attempt. It is not ok if the server asks for
// more than the policy allows.
func (l *retryLoop) nextWait() (wait time.Duration, ok bool) {
	policy := l.transport.policy
	asked, found := RetryAfter(l.answer.Header, time.Now())
	if !found {
		return jitter(ceiling(policy.MinWait, policy.MaxWait, l.attempts-1)), true
	}
	// It waits a little longer than asked, so that not all clients come back at once.
	return asked + jitter(policy.MinWait), asked <= policy.MaxRetryAfter
}

// ResendWait says how long to wait before a write that was answered 429 may be sent again,
// by a caller that has seen that nothing of it was carried out. asked is what the server
// asked for (0: nothing), and sent is how many requests there were. It is not ok if the
// wait is longer than the policy or the context allows, or if the budget is used up;
// otherwise the budget has paid for the retry.
func (t *Transport) ResendWait(ctx context.Context, asked time.Duration, sent int) (wait time.Duration, ok bool) {
	if asked > t.policy.MaxRetryAfter {
		return 0, false
	}
	wait = jitter(ceiling(t.policy.MinWait, t.policy.MaxWait, sent-1))
	if asked > 0 {
		wait = max(wait, asked+jitter(t.policy.MinWait))
	}
	return wait, !passesDeadline(ctx, wait) && t.budget.withdraw(usualAttempts, false)
}

func passesDeadline(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= wait
}
