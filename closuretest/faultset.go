package closuretest

import (
	"fmt"
	"strconv"
	"sync"
	"time"
)

// An Injection is a fault of a server, and how often it struck.
type Injection struct {
	Fault  Fault
	Struck int
}

// String returns the fault's text and how often it struck.
func (i Injection) String() string {
	return fmt.Sprintf("%s (struck: %d)", i.Fault, i.Struck)
}

// A faultSet decides which faults strike a request.
type faultSet struct {
	seed uint64

	mu    sync.Mutex
	armed []*armed
}

// An armed fault is one that waits for its requests.
type armed struct {
	fault  Fault
	struck int
	seen   map[uint64]uint64 // how often each request came, by its digest
}

func (s *faultSet) add(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = append(s.armed, &armed{fault: f})
}

func (s *faultSet) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = nil
}

func (s *faultSet) all() []Injection {
	s.mu.Lock()
	defer s.mu.Unlock()
	injections := make([]Injection, len(s.armed))
	for i, a := range s.armed {
		injections[i] = Injection{a.fault, a.struck}
	}
	return injections
}

// A plan is what the faults do to one request.
type plan struct {
	fault *Fault // nil: nothing
	delay time.Duration
}

func (p plan) kind() faultKind {
	if p.fault == nil {
		return kindNone
	}
	return p.fault.kind
}

// next plans a request: all delays that strike, and the first other fault.
func (s *faultSet) next(op string, request func() uint64) (p plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, a := range s.armed {
		delays := a.fault.kind == kindDelay
		if !a.waitsFor(op) || (p.fault != nil && !delays) || !a.draw(s.seed, i, request) {
			continue
		}
		a.struck++
		if delays {
			p.delay += a.fault.wait
			continue
		}
		p.fault = &a.fault
	}
	return p
}

func (a *armed) waitsFor(op string) bool {
	return (a.fault.op == op || a.fault.op == AnyOperation) && (a.fault.times == 0 || a.struck < a.fault.times)
}

// draw reports whether the fault strikes a request. A request that comes again draws again;
// other requests in between make no difference.
func (a *armed) draw(seed uint64, number int, request func() uint64) bool {
	if a.fault.probability >= 1 {
		return true
	}
	if a.seen == nil {
		a.seen = map[uint64]uint64{}
	}
	id := request()
	a.seen[id]++
	name := []string{"fault", strconv.Itoa(number), strconv.FormatUint(id, 16), strconv.FormatUint(a.seen[id], 10)}
	return stream(seed, name...).Float64() < a.fault.probability
}
