package adversary

import (
	"sync"
	"time"
)

// A stallMeter measures how long this process didn't run because the machine was busy. That
// time doesn't count as a hang.
type stallMeter struct {
	stop chan struct{}

	mu     sync.Mutex
	late   time.Duration // of all ticks together
	ticked time.Time     // when the last tick came
	behind time.Duration // how late it was
}

const tick = 20 * time.Millisecond

func newStallMeter() *stallMeter {
	p := &stallMeter{stop: make(chan struct{}), ticked: time.Now()}
	go p.run()
	return p
}

func (p *stallMeter) run() {
	for {
		select {
		case <-p.stop:
			return
		case <-time.After(tick):
		}
		p.mu.Lock()
		now := time.Now()
		if p.behind = now.Sub(p.ticked) - tick; p.behind > tick {
			p.late += p.behind
		}
		p.ticked = now
		p.mu.Unlock()
	}
}

// keepUp waits until the machine keeps up with the calls that are under way: if more were begun,
// all would only run into their timeouts. It doesn't wait for long, because other programs may
// keep the machine busy.
func (p *stallMeter) keepUp() {
	for range 100 {
		p.mu.Lock()
		behind := max(p.behind, time.Since(p.ticked)-tick)
		p.mu.Unlock()
		if behind < 2*tick {
			return
		}
		time.Sleep(tick)
	}
}

// missed is how long the process stood still since the meter began.
func (p *stallMeter) missed() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.late
}
