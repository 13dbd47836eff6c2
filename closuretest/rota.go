package closuretest

import (
	"iter"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/closurehealth/closure-go"
)

// A rota makes the slots of a generated schedule, by the hours of a practice: most days are
// partly booked and some completely. It draws from its own stream each time it is asked, so
// that the answer is always the same.
type rota struct {
	seed    uint64
	number  int
	begin   time.Time
	zone    *time.Location
	count   int
	changes []time.Time // nights on duty

	minutes, step int // of a slot, and from one start to the next: slots can overlap
	opens, closes int // local hours, with a break at noon
	firstWeekday  time.Weekday
}

const (
	daysOfWork      = 5
	shareOfFullDays = 0.15
)

func newRota(rng *rand.Rand, c *clinic, number int, at site) rota {
	pattern := pick(rng, [][2]int{{30, 15}, {30, 30}, {20, 20}, {60, 60}, {45, 15}, {15, 15}})
	r := rota{
		seed:         c.seed,
		number:       number,
		begin:        c.begin,
		zone:         at.zone,
		count:        c.size.slotsEach,
		minutes:      pattern[0],
		step:         pattern[1],
		opens:        7 + rng.IntN(3),
		closes:       15 + rng.IntN(4),
		firstWeekday: time.Monday + time.Weekday(rng.IntN(2)), // to Friday or to Saturday
	}
	if number%4 == 0 {
		r.changes = at.changes
	}
	return r
}

// offers returns the rota's slots, as many as the schedule is to have.
func (r rota) offers() []offer {
	made := r.nights()
	for day := range r.days() {
		for _, o := range day {
			if len(made) == r.count {
				return made
			}
			made = append(made, o)
		}
	}
	return made
}

// nights returns slots around each change of the clocks, up to a quarter of all slots.
func (r rota) nights() []offer {
	made := make([]offer, 0, r.count)
	for _, change := range r.changes {
		for half := -3; half < 3 && len(made) < r.count/4; half++ {
			made = append(made, newOffer(change.Add(time.Duration(half)*30*time.Minute), 30))
		}
	}
	return made
}

// days yields the open slots of each working day that has any, from the day after the rota's
// start.
func (r rota) days() iter.Seq[[]offer] {
	return func(yield func([]offer) bool) {
		rng := stream(r.seed, "rota", strconv.Itoa(r.number))
		year, month, day := r.begin.In(r.zone).Date()
		var open []offer
		for {
			day++
			opens := time.Date(year, month, day, r.opens, 0, 0, 0, r.zone)
			if (opens.Weekday()-r.firstWeekday+7)%7 >= daysOfWork {
				continue
			}
			booked := rng.Float64() * 0.7
			if chance(rng, shareOfFullDays) {
				continue
			}
			open = r.day(open[:0], rng, opens, booked)
			if len(open) > 0 && !yield(open) {
				return
			}
		}
	}
}

// day appends the slots of one day, without those that are booked. The clocks don't change
// during opening hours.
func (r rota) day(open []offer, rng *rand.Rand, opens time.Time, booked float64) []offer {
	first := opens.UnixMilli()
	for minute := 0; minute+r.minutes <= (r.closes-r.opens)*60; minute += r.step {
		noon := (12 - r.opens) * 60
		if chance(rng, booked) || (minute < noon+60 && minute+r.minutes > noon) {
			continue
		}
		open = append(open, offer{first + int64(minute)*time.Minute.Milliseconds(), int32(r.minutes)})
	}
	return open
}

// estimate is the day of the first slot in daytime, and sometimes an earlier day, because it
// is an estimate.
func (r rota) estimate(rng *rand.Rand) closure.Date {
	for day := range r.days() {
		at := time.UnixMilli(day[0].start).In(r.zone)
		if chance(rng, 0.1) {
			at = at.AddDate(0, 0, -1-rng.IntN(3))
		}
		return closure.NewDate(at.Year(), at.Month(), at.Day())
	}
	return closure.Date{}
}
