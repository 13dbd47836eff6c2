package transport

import (
	"context"
	"time"
)

// ResendWait is how long to wait before a write that was answered 429 may be
// sent again, by a caller that has seen that nothing of it was carried out: what
// the answer asked for (zero: nothing), and at least the backoff after so many
// requests. Not ok: longer than the policy or the context allow, or the budget is
// used up. Otherwise the budget has paid for it.
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
