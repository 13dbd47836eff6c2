package transport

import (
	"sync"
	"time"
)

// A budget bounds the retries of a whole client. It tells a blip from an outage:
//
//   - Tokens pay for every kind of retry. Successes bring them back, so that in a
//     total outage they run out, and the load on a struggling API falls to little
//     more than one request a call. How many there are follows the traffic: ten retries
//     are nothing beside hundreds of calls, and a third of thirty.
//   - Credit pays where connections were lost, the client's or a gateway's. One loss can strike every call in
//     flight, so the credit is as large as that, and a quarter larger for calls that are
//     struck again on their way out. It is not renewed before successes have paid it
//     back: an outage gets it once.
//
// Successes fill the tokens first, so that credit delays no recovery and a steady
// share of failures has no more retries than tokens pay for.
type budget struct {
	capacity int

	mu       sync.Mutex
	used     int       // tokens
	first    time.Time // the first call
	calls    window
	inFlight int // calls
	debt     int // credit used, in tokens
	most     int // calls in flight at once, since the debt began
}

const (
	retryCost     = 10
	successRefund = 1

	usualAttempts = 3

	fullTraffic = 100         // calls in a window, from which on there is the whole capacity
	beginning   = time.Second // there is the whole, too, before a new client's traffic is known
)

func newBudget(capacity int) *budget { return &budget{capacity: capacity} }

// begin notes a call in flight, until end.
func (b *budget) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight++
	now := time.Now()
	if b.first.IsZero() {
		b.first = now
	}
	b.calls.add(now)
}

func (b *budget) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight--
}

// withdraw pays for a retry of a call with so many attempts, or tells that the budget is
// empty. Lost connections have credit.
func (b *budget) withdraw(attempts int, credit bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if credit && b.borrow() {
		return true
	}
	if b.used+retryCost > b.tokens(attempts) {
		return false
	}
	b.used += retryCost
	return true
}

// tokens is how many there are at the present traffic, and at least a whole call's.
func (b *budget) tokens(attempts int) int {
	now := time.Now()
	if now.Sub(b.first) < beginning {
		return b.capacity
	}
	share := b.capacity * b.calls.count(now) / fullTraffic
	return min(max(share, (attempts-1)*retryCost), b.capacity)
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
	if b.used > 0 {
		// What was used at more traffic than there is now is not to be made up for.
		b.used = max(min(b.used, b.tokens(usualAttempts))-successRefund, 0)
		return
	}
	b.debt = max(b.debt-successRefund, 0)
}

// A window counts what happened in the last ten seconds, near enough: of the ten before
// those that have begun it takes the share that is not over yet.
type window struct {
	start        time.Time
	last, before int
}

const windowLength = 10 * time.Second

func (w *window) add(now time.Time) {
	w.move(now)
	w.last++
}

func (w *window) count(now time.Time) int {
	w.move(now)
	left := windowLength - now.Sub(w.start)
	return w.last + int(int64(w.before)*int64(left)/int64(windowLength))
}

func (w *window) move(now time.Time) {
	switch age := now.Sub(w.start); {
	case age < windowLength:
	case age < 2*windowLength:
		w.start = w.start.Add(windowLength)
		w.last, w.before = 0, w.last
	default:
		w.start, w.last, w.before = now, 0, 0
	}
}
