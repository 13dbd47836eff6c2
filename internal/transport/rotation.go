package transport

import "sync"

// A rotation leaves a connection of HTTP/2 before the gateway ends it. A gateway that allows
// so many requests a connection sends GOAWAY when they are used up, and whatever is on
// its way then is refused, or lost. The number is learned from what was refused: the client
// ends its connections somewhat earlier by itself, with net/http's own means, and lets the
// number grow again, because the GOAWAY may have had another reason.
type rotation struct {
	mu    sync.Mutex
	limit int // requests a connection; 0: none known
	sent  int // since the last one that ended a connection
}

// compare learns from an attempt whose request was refused if the next one has another
// connection: the first may have had too many requests at once, no more.
func (r *rotation) compare(refused, next *requestTrace) {
	if refused != nil && next.stream != nil && next.stream != refused.stream {
		r.learn(refused.number - 1)
	}
}

// learn notes that a connection took that many requests and refused another.
func (r *rotation) learn(taken int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if limit := max(taken/4, 1); r.limit == 0 || limit < r.limit {
		r.limit, r.sent = limit, 0
	}
}

// last reports whether the next request is to be the last one of its connection.
func (r *rotation) last() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limit == 0 {
		return false
	}
	r.sent++
	if r.sent < r.limit {
		return false
	}
	r.sent = 0
	r.limit += r.limit/64 + 1
	return true
}
