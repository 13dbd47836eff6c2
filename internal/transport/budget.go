package transport

import "sync/atomic"

// A budget bounds the retries of a whole client: in a total outage they run
// out, and the load on a struggling API falls to little more than one request
// a call.
type budget struct {
	capacity int64
	tokens   atomic.Int64
}

const (
	retryCost     = 10
	successRefund = 1
)

func newBudget(capacity int) *budget {
	b := &budget{capacity: int64(capacity)}
	b.tokens.Store(b.capacity)
	return b
}

// withdraw pays for a retry, or tells that the budget is empty.
func (b *budget) withdraw() bool {
	for {
		tokens := b.tokens.Load()
		if tokens < retryCost {
			return false
		}
		if b.tokens.CompareAndSwap(tokens, tokens-retryCost) {
			return true
		}
	}
}

func (b *budget) refund() {
	for {
		tokens := b.tokens.Load()
		if tokens >= b.capacity {
			return
		}
		if b.tokens.CompareAndSwap(tokens, min(tokens+successRefund, b.capacity)) {
			return
		}
	}
}
