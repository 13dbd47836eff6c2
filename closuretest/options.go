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
	keep       int // how many requests to keep; negative: all
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

// WithClock sets the server's clock: what new records are stamped with, which
// slots lie in the past, and what [CommitLate] and [StaleReads] are measured
// by. Give it time.Now inside a testing/synctest bubble, or a [Clock] that the
// test moves. now must be safe for concurrent use and must not call the server.
//
// The default is [WithFixedClock] at 2022-05-01T00:00:00Z, so that the guide's
// slots lie ahead.
func WithClock(now func() time.Time) Option {
	return func(c *config) {
		if now != nil {
			c.timeline = newTimeline(now)
		}
	}
}

// WithFixedClock sets a clock that stands still. For with such a clock nothing
// that comes late would ever come, [CommitLate] and [StaleReads] are measured
// by the time package instead, from when the server was made: inside a
// testing/synctest bubble by the bubble's time.
func WithFixedClock(at time.Time) Option {
	return func(c *config) { c.timeline = newFixedTimeline(at) }
}

// WithSeed sets the number that ids and the draws of [Fault.Probability] are
// made from; the default is 1. The same seed and the same calls give the same
// bytes.
func WithSeed(seed uint64) Option {
	return func(c *config) { c.seed = seed }
}

// WithGenerated adds a clinic to the guide's data: the given number of
// schedules, with slotsEach open slots on each that shows slots, and the
// practitioners, specialties, locations, insurances and patients that belong to
// them. It is WithSeed(seed) too: the same seed gives the same clinic, also if
// another clock moves its slots to other days.
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

// AllowDuplicates makes a server that accepts a slot that is taken: bookings
// and reschedulings are not refused because of other appointments. Taken slots
// still don't show as open.
func AllowDuplicates() Option {
	return func(c *config) { c.duplicates = true }
}

// StaleReads makes all GETs show the state as it was lag ago, as a replica
// would. Writes are judged by the state as it is. What the test itself adds is
// visible at once.
func StaleReads(lag time.Duration) Option {
	return func(c *config) { c.lag = max(lag, 0) }
}

// KeepRequests bounds how many requests [Server.Requests] returns, the newest
// ones: for load tests and servers that run for long. By default all are kept.
func KeepRequests(n int) Option {
	return func(c *config) { c.keep = max(n, 0) }
}

// WithLogger logs one record a request: operation, method, status (0: the
// connection was lost), the fault that struck and the request id; no query, no
// body, no header.
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

// ReportTo closes the server when the test ends and, if the test failed, logs
// what repeats the run: the seed, and the faults with how often each struck. A
// fault that can never strike, and whatever else is no use of the server that
// makes sense, fails the test.
func ReportTo(t TB) Option {
	return func(c *config) { c.tb = t }
}

// SeedVariable is the environment variable that [RandomSeed] looks at.
const SeedVariable = "CLOSURETEST_SEED"

// RandomSeed returns another seed in each run, for [WithSeed] and
// [WithGenerated], unless the environment variable CLOSURETEST_SEED holds the
// one to repeat. With [ReportTo], a failing test logs its seed.
func RandomSeed() uint64 {
	text := os.Getenv(SeedVariable)
	if text == "" {
		return rand.Uint64()
	}
	if seed, err := strconv.ParseUint(text, 10, 64); err == nil {
		return seed
	}
	return digest(text) // any text is a seed
}
