package closuretest

import (
	"slices"
	"time"
)

// A lateWrite is a request whose client is gone, and which is carried out once
// its time has come. Nothing waits for that: whoever looks at the state next
// carries it out first, at its own moment.
type lateWrite struct {
	due  time.Duration
	call *call
}

// lateWrites are in order of their time.
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

// settle carries out what is due. The server's lock is held.
func (s *Server) settle(elapsed time.Duration) {
	for len(s.late) > 0 && s.late[0].due <= elapsed {
		w := s.late[0]
		s.late = s.late[1:]
		w.call.route.handle(s, w.call, s.moment(w.due, s.lag)) // nobody is there for the answer
	}
}

func (s *Server) moment(elapsed, lag time.Duration) moment {
	m := moment{now: s.timeline.at(elapsed), at: elapsed, seen: latest}
	if lag > 0 {
		m.seen = elapsed - lag
	}
	return m
}

// carryOut does what a request asks for, now; a read shows the state of lag ago.
func (s *Server) carryOut(c *call, lag time.Duration) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	elapsed := s.timeline.elapsed()
	s.settle(elapsed)
	return c.route.handle(s, c, s.moment(elapsed, lag))
}

// carryOutLate does what a write asks for when after has passed.
func (s *Server) carryOutLate(c *call, after time.Duration) {
	if !c.route.writes() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late.add(lateWrite{due: s.timeline.elapsed() + after, call: c})
}
