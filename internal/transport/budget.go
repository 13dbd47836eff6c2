package transport

import "sync"

// A budget bounds the retries of a whole client. It tells a blip from an outage:
//
//   - Tokens pay for every kind of retry. Successes bring them back, so that in a
//     total outage they run out, and the load on a struggling API falls to little
//     more than one request a call.
//   - Credit pays where connections were lost. One loss can strike every call in
//     flight, so the credit is as large as that, and a quarter larger for calls that are
//     struck again on their way out. It is not renewed before successes have paid it
//     back: an outage gets it once.
//
// Successes fill the tokens first, so that credit delays no recovery and a steady
// share of failures has no more retries than tokens pay for.
type budget struct {
	capacity int

	mu       sync.Mutex
	tokens   int
	inFlight int // calls
	debt     int // credit used, in tokens
	most     int // calls in flight at once, since the debt began
}

const (
	retryCost     = 10
	successRefund = 1
)

func newBudget(capacity int) *budget { return &budget{capacity: capacity, tokens: capacity} }

// begin notes a call in flight, until end.
func (b *budget) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight++
}

func (b *budget) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight--
}

// withdraw pays for a retry, or tells that the budget is empty. Lost connections
// have credit.
func (b *budget) withdraw(credit bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if credit && b.borrow() {
		return true
	}
	if b.tokens < retryCost {
		return false
	}
	b.tokens -= retryCost
	return true
}

func (b *budget) borrow() bool {
	if b.debt == 0 {
		b.most = 0
	}
	b.most = max(b.most, b.inFlight)
	if b.debt+retryCost > (b.most+b.most/4)*retryCost {
		return false
	}
	b.debt += retryCost
	return true
}

// refund notes a success.
func (b *budget) refund() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < b.capacity {
		b.tokens = min(b.tokens+successRefund, b.capacity)
		return
	}
	b.debt = max(b.debt-successRefund, 0)
}
