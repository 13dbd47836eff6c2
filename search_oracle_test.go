package closure_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/closurehealth/closure-go"
)

// A drawnSearch is a random search on a random server.
type drawnSearch struct {
	search   closure.SlotSearch
	server   *slotServer
	failFrom map[closure.ScheduleID]int // the window that fails, from 0
}

// Of every kind of zone there is: both hemispheres, half hours and quarters,
// summer time of half an hour, none.
var zones = []string{
	"UTC", "America/New_York", "America/St_Johns", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu",
	"Australia/Sydney", "Australia/Lord_Howe", "Pacific/Chatham", "America/Santiago", "Africa/Casablanca",
}

// A search is drawn around a border where something may change: the days on
// which summer time begins or ends somewhere, and one on which nothing does.
var anchors = []time.Time{
	utc(2026, time.March, 8, 7, 0), utc(2026, time.March, 29, 1, 0), utc(2026, time.April, 4, 15, 0),
	utc(2026, time.October, 3, 16, 0), utc(2026, time.October, 25, 1, 0), utc(2026, time.November, 1, 6, 0),
	utc(2026, time.June, 10, 0, 0),
}

func drawSearch(t *rapid.T) drawnSearch {
	d := drawnSearch{
		server: &slotServer{slots: map[closure.ScheduleID][]closure.Slot{}}, failFrom: map[closure.ScheduleID]int{},
	}
	d.drawRange(t)
	d.drawFilters(t)
	d.server.rangeMode = rangeMode(rapid.IntRange(0, int(rangeModes)-1).Draw(t, "range mode"))
	d.search.Schedules = schedules(rapid.IntRange(1, 6).Draw(t, "schedules"))
	for _, id := range d.search.Schedules {
		d.server.slots[id] = rapid.SliceOfN(rapid.Custom(d.drawSlot), 0, 12).Draw(t, "slots")
		if rapid.IntRange(0, 4).Draw(t, "fails") == 0 {
			d.failFrom[id] = rapid.IntRange(0, 5).Draw(t, "from window")
		}
	}
	d.server.respond = d.failing()
	return d
}

// drawRange draws up to twelve windows, and one that is longer than the range.
func (d *drawnSearch) drawRange(t *rapid.T) {
	d.search.Window = time.Duration(rapid.SampledFrom([]int{1, 7, 45, 60, 600, 24 * 60, 7 * 24 * 60}).Draw(t,
		"window")) * time.Minute
	tenths := rapid.IntRange(0, 120).Draw(t, "length in tenths of a window")
	length := d.search.Window / 10 * time.Duration(tenths)
	anchor := rapid.SampledFrom(anchors).Draw(t, "anchor")
	d.search.From = anchor.Add(-time.Duration(rapid.Int64Range(0, int64(length)).Draw(t, "before the anchor")))
	if rapid.Bool().Draw(t, "whole minutes") {
		d.search.From = d.search.From.Truncate(time.Minute)
	}
	d.search.To = d.search.From.Add(length)
	d.search.Concurrency = rapid.IntRange(0, 7).Draw(t, "concurrency")
	if d.search.Window == 7*24*time.Hour && rapid.Bool().Draw(t, "default window") {
		d.search.Window = 0
	}
}

func (d *drawnSearch) window() time.Duration {
	if d.search.Window == 0 {
		return 7 * 24 * time.Hour
	}
	return d.search.Window
}

// drawSlot puts a slot on a border of two windows, next to one, or anywhere in
// and around the range.
func (d *drawnSearch) drawSlot(t *rapid.T) closure.Slot {
	start := d.search.From
	if rapid.Bool().Draw(t, "near a border") {
		start = start.Add(d.window() * time.Duration(rapid.IntRange(-1, 12).Draw(t, "border")))
		start = start.Add(rapid.SampledFrom([]time.Duration{
			0, 0, 1, -1, time.Microsecond, -time.Microsecond, time.Millisecond, -time.Millisecond, time.Minute, -time.Minute,
		}).Draw(t, "off the border"))
	} else {
		length := d.search.To.Sub(d.search.From)
		start = start.Add(time.Duration(rapid.Int64Range(-int64(length)/4,
			int64(length)*5/4).Draw(t, "into the range"))).Truncate(time.Minute)
	}
	zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "offset"))
	if err != nil {
		t.Fatal(err)
	}
	return closure.Slot{StartAt: start.In(zone), Duration: closure.Minutes(15 * rapid.IntRange(0, 4).Draw(t, "quarters"))}
}

func (d *drawnSearch) drawFilters(t *rapid.T) {
	if rapid.Bool().Draw(t, "no filters") {
		return
	}
	var err error
	if d.search.Zone, err = time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone")); err != nil {
		t.Fatal(err)
	}
	d.search.Weekdays = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Weekday {
		return time.Weekday(rapid.IntRange(0, 6).Draw(t, "weekday"))
	}), 0, 5).Draw(t, "weekdays")
	clock := rapid.Ptr(rapid.Custom(func(t *rapid.T) closure.ClockTime {
		return closure.ClockTime{
			Hour: rapid.IntRange(0, 23).Draw(t, "hour"), Minute: rapid.SampledFrom([]int{0, 15, 30, 59}).Draw(t, "minute"),
		}
	}), true)
	d.search.NotBefore, d.search.NotAfter = clock.Draw(t, "not before"), clock.Draw(t, "not after")
	d.search.MinDuration = closure.Minutes(15 * rapid.IntRange(0, 3).Draw(t, "min quarters"))
}

// failing answers 404 from a schedule's failing window on.
func (d *drawnSearch) failing() func(*http.Request, closure.ScheduleID) *http.Response {
	var mu sync.Mutex
	asked := map[closure.ScheduleID]int{}
	return func(_ *http.Request, id closure.ScheduleID) *http.Response {
		mu.Lock()
		defer mu.Unlock()
		asked[id]++
		if from, fails := d.failFrom[id]; fails && asked[id] > from {
			return newResponse(404, errorJSON)
		}
		return nil
	}
}

// oracle is what the search must yield, by brute force: all slots, filtered by
// what a clock on the wall would show, sorted.
func (d *drawnSearch) oracle() []step {
	type event struct {
		at    time.Time
		order int // of two at the same time
		step  step
	}
	var events []event
	for _, id := range d.search.Schedules {
		until := d.search.To
		if window, fails := d.failFrom[id]; fails {
			if at := d.search.From.Add(time.Duration(window) * d.window()); at.Before(until) {
				until = at
				events = append(events, event{at: at, order: -1, step: step{Schedule: id, Failed: true}})
			}
		}
		var own []event
		for _, slot := range d.server.slots[id] {
			slot.ScheduleID = id
			e := event{at: slot.StartAt, order: int(slot.Duration), step: newStep(slot, nil)}
			inRange := !slot.StartAt.Before(d.search.From) && slot.StartAt.Before(until)
			doubled := slices.ContainsFunc(own, func(o event) bool { return o.step == e.step })
			if inRange && !doubled && passes(d.search, slot) {
				own = append(own, e)
			}
		}
		slices.SortStableFunc(own, func(a, b event) int { return a.order - b.order })
		events = append(events, own...)
	}
	// The order of schedules stays, and within one that of length.
	slices.SortStableFunc(events, func(a, b event) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return min(a.order, 0) - min(b.order, 0)
	})
	var steps []step
	for _, e := range events {
		steps = append(steps, e.step)
	}
	return steps
}

// passes is the filters by comparing texts.
func passes(search closure.SlotSearch, slot closure.Slot) bool {
	zone := time.UTC
	if search.Zone != nil {
		zone = search.Zone
	}
	weekday, clock, _ := strings.Cut(slot.StartAt.In(zone).Format("Monday 15:04:05.000000000"), " ")
	if len(search.Weekdays) > 0 &&
		!slices.ContainsFunc(search.Weekdays, func(d time.Weekday) bool { return d.String() == weekday }) {
		return false
	}
	first, last := "00:00:00.000000000", "23:59:59.999999999"
	if search.NotBefore != nil {
		first = search.NotBefore.String() + ":00.000000000"
	}
	if search.NotAfter != nil {
		last = search.NotAfter.String() + ":00.000000000"
	}
	between := first <= clock && clock <= last
	if last < first {
		between = first <= clock || clock <= last
	}
	return between && slot.Duration >= search.MinDuration
}

func TestSearchYieldsWhatBruteForceFinds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := drawSearch(t)
		c, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(baseURL), closure.WithHTTPClient(&http.Client{
			Transport: d.server,
		}))
		if err != nil {
			t.Fatal(err)
		}
		got, want := stepsOf(c.Availabilities.Search(t.Context(), d.search)), d.oracle()
		if !slices.Equal(got, want) {
			t.Errorf("from %v to %v:\n got %s\nwant %s", d.search.From, d.search.To, show(got), show(want))
		}
	})
}
