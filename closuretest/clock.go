package closuretest

import (
	"sync"
	"time"
)

// A Clock is a clock that stands still until the test moves it. It is safe for
// concurrent use:
//
//	clock := closuretest.NewClock(time.Date(2022, 5, 1, 0, 0, 0, 0, time.UTC))
//	server := closuretest.New(closuretest.WithClock(clock.Now))
//	clock.Advance(20 * time.Second)
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at the given instant.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

// Now returns the time that the clock shows. Give it to [WithClock].
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock, forward if d is positive.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Set moves the clock to the given instant.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = at
}

// defaultNow is 19 days before the guide's slots.
func defaultNow() time.Time { return time.Date(2022, time.May, 1, 0, 0, 0, 0, time.UTC) }

// A timeline is the server's time: what its clock shows, and how much time has passed since
// the server was made. Lags are measured by the latter, so that a late write arrives even
// if the clock stands still.
type timeline struct {
	begin   time.Time
	elapsed func() time.Duration
	fixed   bool // the clock always shows begin
}

// newTimeline follows the caller's clock.
func newTimeline(now func() time.Time) timeline {
	begin := now()
	return timeline{begin: begin, elapsed: func() time.Duration { return now().Sub(begin) }}
}

// newFixedTimeline always shows one instant, and measures lags by the time package: inside a
// synctest bubble that is the bubble's time.
func newFixedTimeline(at time.Time) timeline {
	start := time.Now()
	return timeline{begin: at, elapsed: func() time.Duration { return time.Since(start) }, fixed: true}
}

// at returns what the clock shows after the given time, in whole milliseconds.
func (t timeline) at(elapsed time.Duration) time.Time {
	if t.fixed {
		elapsed = 0
	}
	return instant(t.begin.Add(elapsed))
}

// instant is t as the API can express it: in UTC, in whole milliseconds,
// without the monotonic reading.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// A moment is when a request is carried out.
type moment struct {
	now  time.Time     // by the clock: for timestamps, and to tell what is past
	at   time.Duration // by the timeline: the time of a change in the history
	seen time.Duration // by the timeline: the time whose state a read shows; latest unless reads lag
}
