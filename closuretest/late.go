package closuretest

import (
	"slices"
	"time"
)

// A lateWrite is a request whose client is gone, and which is carried out when it is due.
// No goroutine waits for that: the next one that reads the state carries it out first, as
// of the time at which it was due.
type lateWrite struct {
	due  time.Duration
	call *call
}

// lateWrites are sorted by when they are due.
type lateWrites []lateWrite

func (l *lateWrites) add(w lateWrite) {
	i, _ := slices.BinarySearchFunc(*l, w.due, func(other lateWrite, due time.Duration) int {
		if other.due <= due {
			return -1 // behind those that are due at the same time
		}
		return 1
	})
	*l = slices.Insert(*l, i, w)
}

// settle carries out the writes that are due. The caller holds the server's lock.
func (s *Server) settle(elapsed time.Duration) {
	for len(s.late) > 0 && s.late[0].due <= elapsed {
		w := s.late[0]
		s.late = s.late[1:]
		w.call.route.handle(s, w.call, s.moment(w.due, s.lag)) // nobody waits for the answer
	}
}

func (s *Server) moment(elapsed, lag time.Duration) moment {
	m := moment{now: s.timeline.at(elapsed), at: elapsed, seen: latest}
	if lag > 0 {
		m.seen = elapsed - lag
	}
	return m
}

// carryOut carries a request out now. A read shows the state of lag ago.
func (s *Server) carryOut(c *call, lag time.Duration) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	elapsed := s.timeline.elapsed()
	s.settle(elapsed)
	return c.route.handle(s, c, s.moment(elapsed, lag))
}

// carryOutLate carries a write out when the time after has passed.
func (s *Server) carryOutLate(c *call, after time.Duration) {
	if !c.route.writes() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late.add(lateWrite{due: s.timeline.elapsed() + after, call: c})
}
