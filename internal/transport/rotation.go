package transport

import "sync"

// A rotation leaves an HTTP/2 connection before the gateway closes it. A gateway that allows
// only so many requests on a connection sends GOAWAY after the last, and refuses or loses the
// requests that are on their way. The rotation learns the number from a request that was
// refused, and then closes connections earlier, by Request.Close. It lets the number grow
// again, because the GOAWAY may have had another reason.
type rotation struct {
	mu    sync.Mutex
	limit int // requests on a connection; 0: none is known
	sent  int // requests since the last one that closed its connection
}

// compare learns from a refused request if the next one is given another connection. If it is
// given the same one, the connection only had too many requests at once.
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

// last reports whether the next request is to be the last one on its connection.
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
