package closuretest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// A Request is what arrived at a [Server].
type Request struct {
	Op        string      // the operation, "appointments.create"; empty: no route fits
	Method    string      // "POST"
	Path      string      // "/appointments", escapes resolved
	Query     url.Values  // never nil
	Header    http.Header // without Authorization
	Body      []byte      // as it arrived; nil: none
	RequestID string      // the X-Request-Id of the answer
}

// String returns the request in one line: method, path, query and body.
func (r Request) String() string {
	line := r.Method + " " + r.Path
	if len(r.Query) > 0 {
		line += "?" + r.Query.Encode()
	}
	if len(r.Body) > 0 {
		line += " " + string(r.Body)
	}
	return line
}

// A requestLog keeps the requests that arrived.
type requestLog struct {
	base uint64 // the number from which request ids count
	keep int    // how many requests; negative: all of them

	mu       sync.Mutex
	count    uint64
	arrivals []arrival
}

type arrival struct {
	request Request // without Query
	query   string  // parsed when it is read
}

// number makes the id of the next request: a UUID, because the client's texts and logs show
// one.
func (l *requestLog) number() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", l.base>>32, l.base>>16&0xffff, l.base>>4&0xfff, l.base&0xfff, l.count)
}

func (l *requestLog) add(a arrival) {
	if l.keep == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arrivals = append(l.arrivals, a)
	// Cut at twice the size, so that each request is moved once.
	if l.keep > 0 && len(l.arrivals) >= 2*l.keep {
		l.arrivals = slices.Clone(l.arrivals[len(l.arrivals)-l.keep:])
	}
}

func (l *requestLog) all() []Request {
	l.mu.Lock()
	arrivals := l.arrivals
	if l.keep >= 0 && len(arrivals) > l.keep {
		arrivals = arrivals[len(arrivals)-l.keep:]
	}
	arrivals = slices.Clone(arrivals)
	l.mu.Unlock()

	requests := make([]Request, len(arrivals))
	for i, a := range arrivals {
		r := a.request
		r.Query, _ = url.ParseQuery(a.query) // keep what can be read of a malformed one
		r.Header = r.Header.Clone()
		r.Body = bytes.Clone(r.Body)
		requests[i] = r
	}
	return requests
}

// livePrefix starts the keys of live mode.
const livePrefix = "ch_sk_live"

// anywhereLive reports whether a request has a live key in a place where no key belongs.
func anywhereLive(r *http.Request, body []byte) bool {
	if strings.Contains(r.URL.Path, livePrefix) || strings.Contains(r.URL.RawQuery, livePrefix) || bytes.Contains(body, []byte(livePrefix)) {
		return true
	}
	for name, values := range r.Header {
		if name == "Authorization" {
			continue
		}
		for _, value := range values {
			if strings.Contains(value, livePrefix) {
				return true
			}
		}
	}
	return false
}
