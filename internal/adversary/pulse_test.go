package adversary

import (
	"sync"
	"time"
)

// A pulse tells how long this process did not get to run, on a machine that is
// busy with others: that is nobody's hanging.
type pulse struct {
	stop chan struct{}

	mu   sync.Mutex
	late time.Duration // of all beats together
}

const beat = 20 * time.Millisecond

func newPulse() *pulse {
	p := &pulse{stop: make(chan struct{})}
	go p.run()
	return p
}

func (p *pulse) run() {
	for last := time.Now(); ; {
		select {
		case <-p.stop:
			return
		case <-time.After(beat):
		}
		now := time.Now()
		if late := now.Sub(last) - beat; late > beat {
			p.mu.Lock()
			p.late += late
			p.mu.Unlock()
		}
		last = now
	}
}

// missed is how long it stood still since it began; two of them tell how long in
// between.
func (p *pulse) missed() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.late
}
