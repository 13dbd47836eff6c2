package transport

import (
	"sync"
	"time"
)

// A budget bounds the retries of a whole client. It tells a blip from an outage:
//
//   - Tokens pay for every kind of retry, and successes bring them back. In a total outage
//     they run out, and the load on a struggling API falls to little more than one request a
//     call. Their number follows the traffic: ten retries are few beside hundreds of calls,
//     and many beside thirty.
//   - Credit pays for a retry after a lost connection, the client's or a gateway's. One loss can
//     fail every call in flight, so there is credit for each of them, and a quarter more for
//     calls that fail a second time. It isn't renewed before successes have paid it back: an
//     outage gets it once.
//
// Successes restore the tokens first. So credit doesn't delay a recovery, and under a steady
// rate of failures there are no more retries than tokens pay for.
type budget struct {
	capacity int // in tokens

	mu       sync.Mutex
	used     int       // tokens
	first    time.Time // when the first call began
	calls    window
	inFlight int // calls
	debt     int // credit used, in tokens
	most     int // the most calls in flight at once, since the debt began
}

const (
	retryCost     = 10
	successRefund = 1

	usualAttempts = 3

	fullTraffic = 100         // with this many calls in a window, there is the whole capacity
	warmUp      = time.Second // until a new client's traffic is known, there is the whole capacity too
)

func newBudget(capacity int) *budget { return &budget{capacity: capacity} }

// begin counts a call as in flight, until end.
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

// withdraw pays for a retry of a call that may make so many attempts. It reports false if the
// budget is empty. credit says that a connection was lost.
func (b *budget) withdraw(attempts int, credit bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if credit && b.borrow() {
		return true
	}
	if b.used > b.tokens(attempts)-retryCost {
		return false
	}
	b.used += retryCost
	return true
}

// tokens is how many there are at the present traffic: at least enough for one call's retries.
// Any capacity and any attempts are right: nothing here overflows.
func (b *budget) tokens(attempts int) int {
	now := time.Now()
	calls := max(b.calls.count(now), 1) // the call itself, though it may have begun long ago
	if now.Sub(b.first) < warmUp || calls >= fullTraffic || attempts-1 > b.capacity/retryCost {
		return b.capacity
	}
	share := b.capacity/fullTraffic*calls + b.capacity%fullTraffic*calls/fullTraffic
	return max(share, (attempts-1)*retryCost)
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
		// Tokens that were used while there was more traffic don't have to be earned back.
		b.used = max(min(b.used, b.tokens(usualAttempts))-successRefund, 0)
		return
	}
	b.debt = max(b.debt-successRefund, 0)
}

// A window counts what happened in about the last ten seconds. It is a sliding window counter: it
// counts in steps of ten seconds, and takes the share of the previous step that is still in
// the window.
type window struct {
	start             time.Time // of the current step
	current, previous int
}

const windowLength = 10 * time.Second

func (w *window) add(now time.Time) {
	w.move(now)
	w.current++
}

func (w *window) count(now time.Time) int {
	w.move(now)
	left := windowLength - now.Sub(w.start)
	return w.current + int(int64(w.previous)*int64(left)/int64(windowLength))
}

func (w *window) move(now time.Time) {
	switch age := now.Sub(w.start); {
	case age < windowLength:
	case age < 2*windowLength:
		w.start = w.start.Add(windowLength)
		w.current, w.previous = 0, w.current
	default:
		w.start, w.current, w.previous = now, 0, 0
	}
}
