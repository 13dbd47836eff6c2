package closuretest

import (
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"time"
)

// An Option configures a [Server].
type Option func(*config)

type config struct {
	seed       uint64
	timeline   timeline
	generated  *clinicSize
	duplicates bool
	lag        time.Duration
	keep       int // how many requests to keep; negative: all of them
	logger     *slog.Logger
	tb         TB
}

type clinicSize struct{ schedules, slotsEach int }

const defaultSeed = 1

func newConfig(opts []Option) config {
	cfg := config{seed: defaultSeed, timeline: newFixedTimeline(defaultNow()), keep: -1}
	for _, opt := range opts {
		if opt != nil {
			opt(&cfg)
		}
	}
	return cfg
}

// WithClock sets the server's clock. The timestamps of new records come from it, it decides
// which slots are past, and it measures the lags of [CommitLate], [Stale] and [StaleReads].
// Give it time.Now inside a testing/synctest bubble, or a [Clock] that the test moves. now
// must be safe for concurrent use and must not call the server.
//
// The default is [WithFixedClock], by which the lags take real time, at
// 2022-05-01T00:00:00Z, so that the guide's slots lie ahead.
func WithClock(now func() time.Time) Option {
	return func(c *config) {
		if now != nil {
			c.timeline = newTimeline(now)
		}
	}
}

// WithFixedClock sets a clock that stands still. By such a clock a late write would never
// come. So the lags of [CommitLate], [Stale] and [StaleReads] take real time, although the
// clock still shows the same: they are measured by the time package, which inside a
// testing/synctest bubble is the bubble's time.
func WithFixedClock(at time.Time) Option {
	return func(c *config) { c.timeline = newFixedTimeline(at) }
}

// WithSeed sets the number from which ids and the draws of [Fault.Probability] are made. The
// default is 1. The same seed and the same calls give the same bytes.
func WithSeed(seed uint64) Option {
	return func(c *config) { c.seed = seed }
}

// WithGenerated adds a clinic to the guide's data: the given number of schedules, with
// slotsEach open slots on each that shows slots, and the practitioners, specialties,
// locations, insurances and patients that belong to them. It also sets the seed, like
// [WithSeed]. The same seed gives the same clinic, even if another clock moves its slots
// to other days.
//
// Slots lie in the days and weeks after the clock's start, in the local hours
// of each location, some of them in the night in which summer time begins or
// ends. They are made when a schedule is first asked for, so that large clinics
// start fast.
func WithGenerated(seed uint64, schedules, slotsEach int) Option {
	return func(c *config) {
		c.seed = seed
		c.generated = &clinicSize{max(schedules, 0), max(slotsEach, 0)}
	}
}

// AllowDuplicates makes a server that accepts a slot that is taken: it doesn't refuse a
// booking or a rescheduling because of other appointments. Taken slots still don't show as
// open.
func AllowDuplicates() Option {
	return func(c *config) { c.duplicates = true }
}

// StaleReads makes all GETs show the state as it was lag ago, as a replica would. The
// current state decides whether a write succeeds. What the test itself adds is visible at
// once.
func StaleReads(lag time.Duration) Option {
	return func(c *config) { c.lag = max(lag, 0) }
}

// KeepRequests makes [Server.Requests] return only the newest n requests. Use it in load
// tests and for servers that run for long. By default all are kept.
func KeepRequests(n int) Option {
	return func(c *config) { c.keep = max(n, 0) }
}

// WithLogger logs one record for each request: operation, method, status (0 if the
// connection was lost), the fault that struck and the request id. It logs no query, no
// body and no header.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) { c.logger = logger }
}

// A TB is what [ReportTo] needs of a *testing.T, *testing.B or *testing.F.
type TB interface {
	Helper()
	Name() string
	Failed() bool
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Cleanup(func())
}

// ReportTo closes the server when the test ends. If the test failed, it logs what is needed
// to repeat the run: the seed, and how often each fault struck. A fault that can never
// strike, and any other misuse of the server, fails the test.
func ReportTo(t TB) Option {
	return func(c *config) { c.tb = t }
}

// seedVariable is the environment variable that RandomSeed reads.
const seedVariable = "CLOSURETEST_SEED"

// RandomSeed returns another seed in each run, for [WithSeed] and [WithGenerated]. If the
// environment variable CLOSURETEST_SEED is set, it returns that seed, so that a run can be
// repeated; any text can be a seed. With [ReportTo], a failing test logs its seed.
func RandomSeed() uint64 {
	text := os.Getenv(seedVariable)
	if text == "" {
		return rand.Uint64()
	}
	if seed, err := strconv.ParseUint(text, 10, 64); err == nil {
		return seed
	}
	return digest(text) // any text can be a seed
}
