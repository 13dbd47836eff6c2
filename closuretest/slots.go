package closuretest

import (
	"cmp"
	"slices"
	"time"

	"github.com/closurehealth/closure-go"
)

// An offer is a slot in 16 bytes, because a clinic has millions.
type offer struct {
	start   int64 // Unix time in milliseconds
	minutes int32 // 0: the slot has no duration
}

func newOffer(start time.Time, duration closure.Minutes) offer {
	return offer{start: start.UnixMilli(), minutes: int32(duration)}
}

func (o offer) end() int64 { return o.start + int64(o.minutes)*time.Minute.Milliseconds() }

// overlaps reports whether the two can't both be booked. An offer without a duration takes no
// time beyond its start.
func (o offer) overlaps(other offer) bool {
	return o.start == other.start || o.start < other.end() && other.start < o.end()
}

func (o offer) slot() closure.Slot {
	return closure.Slot{StartAt: time.UnixMilli(o.start).UTC(), Duration: closure.Minutes(o.minutes)}
}

func compareOffers(a, b offer) int {
	return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.minutes, b.minutes))
}

// offers are the slots that a schedule would have without any booking, each once, in order of
// start.
type offers struct {
	list []offer
	lazy func() []offer // the slots of a generated schedule, made when they are first read
}

func (o *offers) all() []offer {
	if o.lazy != nil {
		made := o.lazy()
		o.lazy = nil
		o.add(made...)
	}
	return o.list
}

func (o *offers) add(more ...offer) {
	o.list = append(o.list, more...)
	slices.SortFunc(o.list, compareOffers)
	o.list = slices.Compact(o.list)
}

// between returns the offers that start at from or later and before to.
func (o *offers) between(from, to int64) []offer {
	list := o.all()
	first, _ := slices.BinarySearchFunc(list, from, func(o offer, at int64) int { return cmp.Compare(o.start, at) })
	last, _ := slices.BinarySearchFunc(list, to, func(o offer, at int64) int { return cmp.Compare(o.start, at) })
	if last < first {
		return nil
	}
	return list[first:last]
}

// open returns the offers between from and to that no appointment overlaps, as seen at the
// given time.
func (st *store) open(id closure.ScheduleID, from, to int64, seen time.Duration) []offer {
	taken := st.appointments.taken(id, seen, nil)
	open := []offer{}
	for _, o := range st.offersOf(id).between(from, to) {
		if !anyOverlaps(taken, o) {
			open = append(open, o)
		}
	}
	return open
}

func anyOverlaps(taken []offer, o offer) bool {
	return slices.ContainsFunc(taken, o.overlaps)
}
