package adversary

import (
	"sync"
	"time"
)

// A stallMeter measures how long this process didn't run because the machine was busy. That
// time doesn't count as a hang.
type stallMeter struct {
	stop chan struct{}

	mu   sync.Mutex
	late time.Duration // of all ticks together
}

const tick = 20 * time.Millisecond

func newStallMeter() *stallMeter {
	p := &stallMeter{stop: make(chan struct{})}
	go p.run()
	return p
}

func (p *stallMeter) run() {
	for last := time.Now(); ; {
		select {
		case <-p.stop:
			return
		case <-time.After(tick):
		}
		now := time.Now()
		if late := now.Sub(last) - tick; late > tick {
			p.mu.Lock()
			p.late += late
			p.mu.Unlock()
		}
		last = now
	}
}

// missed is how long the process stood still since the meter began.
func (p *stallMeter) missed() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.late
}
