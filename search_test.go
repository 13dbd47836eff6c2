package closure_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the filters are tested in zones that a machine may not have

	"pgregory.net/rapid"

	"github.com/closurehealth/closure-go"
)

// A slotServer answers the two reads of a search, and counts.
type slotServer struct {
	slots      map[closure.ScheduleID][]closure.Slot
	insurances map[closure.ScheduleID]string // a JSON array; missing: "[]"
	rangeMode  rangeMode
	delay      time.Duration                                                 // of every answer
	respond    func(req *http.Request, id closure.ScheduleID) *http.Response // nil, or nil from it: slots or schedule

	mu       sync.Mutex
	requests []*url.URL
	inFlight int
	peak     int
}

// A rangeMode is what a server makes of start_at and end_at.
type rangeMode int

const (
	halfOpen  rangeMode = iota // as the SDK takes it
	inclusive                  // the end too
	ignored
	rangeModes
)

func (s *slotServer) RoundTrip(req *http.Request) (*http.Response, error) {
	s.begin(req)
	defer s.end()
	if s.delay > 0 {
		select {
		case <-time.After(s.delay):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	id, isSlots := scheduleOf(req.URL)
	if s.respond != nil {
		if resp := s.respond(req, id); resp != nil {
			return resp, nil
		}
	}
	if !isSlots {
		insurances, ok := s.insurances[id]
		if !ok {
			insurances = "[]"
		}
		return newResponse(200, fmt.Sprintf(`{"id":%q,"insurances":%s}`, id, insurances)), nil
	}
	return newResponse(200, slotsJSON(s.inRange(id, req.URL.Query()))), nil
}

func (s *slotServer) begin(req *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, req.URL)
	s.inFlight++
	s.peak = max(s.peak, s.inFlight)
}

func (s *slotServer) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
}

// counts are the requests so far, and those not answered yet.
func (s *slotServer) counts() (requests, inFlight int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests), s.inFlight
}

// count is how many requests of a kind there were.
func (s *slotServer) count(id closure.ScheduleID, slots bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.requests {
		if of, isSlots := scheduleOf(u); of == id && isSlots == slots {
			n++
		}
	}
	return n
}

func (s *slotServer) inRange(id closure.ScheduleID, query url.Values) []closure.Slot {
	if s.rangeMode == ignored {
		return s.slots[id]
	}
	from, to := instantOf(query, "start_at"), instantOf(query, "end_at")
	return slices.DeleteFunc(slices.Clone(s.slots[id]), func(slot closure.Slot) bool {
		return slot.StartAt.Before(from) || slot.StartAt.After(to) || s.rangeMode == halfOpen && slot.StartAt.Equal(to)
	})
}

func scheduleOf(u *url.URL) (id closure.ScheduleID, isSlots bool) {
	rest := strings.TrimPrefix(u.String(), baseURL+"/schedules/")
	rest, _, _ = strings.Cut(rest, "?")
	rest, isSlots = strings.CutSuffix(rest, "/slots")
	return closure.ScheduleID(rest), isSlots
}

func instantOf(query url.Values, name string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, query.Get(name))
	if err != nil {
		panic(err) // the request is wrong
	}
	return t
}

// slotsJSON keeps fractions of a millisecond, unlike the SDK's own encoding.
func slotsJSON(slots []closure.Slot) string {
	texts := make([]string, len(slots))
	for i, slot := range slots {
		texts[i] = fmt.Sprintf(`{"start_at":%q,"duration":%d}`, slot.StartAt.Format(time.RFC3339Nano), slot.Duration)
	}
	return "[" + strings.Join(texts, ",") + "]"
}

// schedules returns n ids.
func schedules(n int) []closure.ScheduleID {
	ids := make([]closure.ScheduleID, n)
	for i := range ids {
		ids[i] = closure.ScheduleID(fmt.Sprintf("sch_%d", i))
	}
	return ids
}

// hourly is a server on which all schedules have a slot each hour of some days.
func hourly(ids []closure.ScheduleID, from time.Time, days int) *slotServer {
	s := &slotServer{slots: map[closure.ScheduleID][]closure.Slot{}}
	for _, id := range ids {
		for hour := range 24 * days {
			s.slots[id] = append(s.slots[id], closure.Slot{StartAt: from.Add(time.Duration(hour) * time.Hour), Duration: 30})
		}
	}
	return s
}

// A step is one item that a search yields.
type step struct {
	Schedule closure.ScheduleID
	Start    string
	Duration closure.Minutes
	Failed   bool
}

func newStep(slot closure.Slot, err error) step {
	s := step{Schedule: slot.ScheduleID, Duration: slot.Duration, Failed: err != nil}
	if err == nil {
		s.Start = slot.StartAt.UTC().Format(time.RFC3339Nano)
	}
	return s
}

func stepsOf(seq iter.Seq2[closure.Slot, error]) (steps []step) {
	for slot, err := range seq {
		steps = append(steps, newStep(slot, err))
	}
	return steps
}

// drain collects a search's slots and errors.
func drain(seq iter.Seq2[closure.Slot, error]) (slots []closure.Slot, errs []error) {
	for slot, err := range seq {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		slots = append(slots, slot)
	}
	return slots, errs
}

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
	d := drawnSearch{server: &slotServer{slots: map[closure.ScheduleID][]closure.Slot{}}, failFrom: map[closure.ScheduleID]int{}}
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
	d.search.Window = time.Duration(rapid.SampledFrom([]int{1, 7, 45, 60, 600, 24 * 60, 7 * 24 * 60}).Draw(t, "window")) * time.Minute
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
		start = start.Add(time.Duration(rapid.Int64Range(-int64(length)/4, int64(length)*5/4).Draw(t, "into the range"))).Truncate(time.Minute)
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
		return closure.ClockTime{Hour: rapid.IntRange(0, 23).Draw(t, "hour"), Minute: rapid.SampledFrom([]int{0, 15, 30, 59}).Draw(t, "minute")}
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
	if len(search.Weekdays) > 0 && !slices.ContainsFunc(search.Weekdays, func(d time.Weekday) bool { return d.String() == weekday }) {
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
		c, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(baseURL), closure.WithHTTPClient(&http.Client{Transport: d.server}))
		if err != nil {
			t.Fatal(err)
		}
		got, want := stepsOf(c.Availabilities.Search(t.Context(), d.search)), d.oracle()
		if !slices.Equal(got, want) {
			t.Errorf("from %v to %v:\n got %s\nwant %s", d.search.From, d.search.To, show(got), show(want))
		}
	})
}

// clockChanges are the days of 2026 on which the clocks of a zone change, and
// how long they are. The last zone has half an hour in its offset and no change.
var clockChanges = []struct {
	zone   string
	day    closure.Date
	length time.Duration
}{
	{"America/New_York", closure.NewDate(2026, 3, 8), 23 * time.Hour},
	{"America/New_York", closure.NewDate(2026, 11, 1), 25 * time.Hour},
	{"America/St_Johns", closure.NewDate(2026, 3, 8), 23 * time.Hour},
	{"America/St_Johns", closure.NewDate(2026, 11, 1), 25 * time.Hour},
	{"Europe/Berlin", closure.NewDate(2026, 3, 29), 23 * time.Hour},
	{"Europe/Berlin", closure.NewDate(2026, 10, 25), 25 * time.Hour},
	{"Australia/Sydney", closure.NewDate(2026, 10, 4), 23 * time.Hour},
	{"Australia/Sydney", closure.NewDate(2026, 4, 5), 25 * time.Hour},
	{"Australia/Lord_Howe", closure.NewDate(2026, 10, 4), 23*time.Hour + 30*time.Minute},
	{"Australia/Lord_Howe", closure.NewDate(2026, 4, 5), 24*time.Hour + 30*time.Minute},
	{"Pacific/Chatham", closure.NewDate(2026, 9, 27), 23 * time.Hour},
	{"Pacific/Chatham", closure.NewDate(2026, 4, 5), 25 * time.Hour},
	{"America/Santiago", closure.NewDate(2026, 9, 6), 23 * time.Hour}, // midnight is skipped
	{"America/Santiago", closure.NewDate(2026, 4, 4), 25 * time.Hour}, // the last hour comes twice
	{"Asia/Kolkata", closure.NewDate(2026, 3, 8), 24 * time.Hour},
	{"Asia/Kolkata", closure.NewDate(2026, 11, 1), 24 * time.Hour},
}

func clock(hour, minute int) *closure.ClockTime {
	return &closure.ClockTime{Hour: hour, Minute: minute}
}

// filters are what is tried on each of those days.
func filters(day time.Weekday) []closure.SlotSearch {
	return []closure.SlotSearch{
		{},
		{Weekdays: []time.Weekday{day}},
		{Weekdays: []time.Weekday{(day + 6) % 7, (day + 1) % 7}},
		{NotBefore: clock(17, 0)},
		{NotAfter: clock(2, 30)},
		{NotBefore: clock(1, 30), NotAfter: clock(3, 0)},
		{NotBefore: clock(9, 0), NotAfter: clock(17, 0), MinDuration: 45},
		{NotBefore: clock(12, 15), NotAfter: clock(12, 15)},
		{NotBefore: clock(22, 0), NotAfter: clock(2, 15)}, // across midnight
		{NotBefore: clock(23, 45), NotAfter: clock(0, 0), Weekdays: []time.Weekday{day}},
		{NotBefore: clock(2, 0), NotAfter: clock(1, 45), MinDuration: 30}, // all but the first half of an hour
	}
}

func TestSearchFiltersOnDaysOfClockChanges(t *testing.T) {
	t.Parallel()
	for _, change := range clockChanges {
		t.Run(change.zone+" "+change.day.String(), func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(change.zone)
			noError(t, err)
			slots, ofDay := quarterHours(change.day, zone)
			if length := time.Duration(ofDay) * 15 * time.Minute; length != change.length {
				t.Fatalf("the day has %v, want %v: is the table wrong?", length, change.length)
			}
			c := newClient(t, &slotServer{slots: map[closure.ScheduleID][]closure.Slot{"sch_0": slots}})
			for _, search := range filters(change.day.In(time.UTC).Weekday()) {
				search.Schedules, search.Zone = schedules(1), zone
				search.From, search.To, search.Window = slots[0].StartAt, slots[len(slots)-1].EndAt(), 11*time.Hour
				got, errs := drain(c.Availabilities.Search(t.Context(), search))
				want := slices.DeleteFunc(slices.Clone(slots), func(s closure.Slot) bool { return !passes(search, s) })
				if len(errs) > 0 || len(want) == 0 {
					t.Errorf("%s: %d slots pass, errors %v", show(search), len(want), errs)
				}
				equal(t, show(search), got, want)
			}
		})
	}
}

// quarterHours are slots from a day before to a day after a local day, with
// lengths of 15, 30 and 45 minutes in turn, and how many start on the day.
func quarterHours(day closure.Date, zone *time.Location) (slots []closure.Slot, ofDay int) {
	start := day.In(time.UTC).Add(-48 * time.Hour)
	for i := range 4 * 24 * 5 {
		slot := closure.Slot{ScheduleID: "sch_0", StartAt: start.Add(time.Duration(i) * 15 * time.Minute), Duration: closure.Minutes(15 * (1 + i%3))}
		slots = append(slots, slot)
		if slot.StartAt.In(zone).Format(time.DateOnly) == day.String() {
			ofDay++
		}
	}
	return slots, ofDay
}

// The same by hand, because the test's own calculation uses package time, too.
func TestSearchByLocalTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		zone      string
		day       closure.Date
		from, to  *closure.ClockTime
		wantInUTC string
	}{
		{"America/New_York", closure.NewDate(2026, 3, 8), clock(2, 0), clock(3, 0), "08T07:00"},                                 // 02:xx does not exist
		{"America/New_York", closure.NewDate(2026, 3, 8), clock(17, 0), clock(17, 0), "08T21:00"},                               // 16 hours after midnight
		{"America/New_York", closure.NewDate(2026, 11, 1), clock(1, 30), clock(1, 30), "01T05:30 01T06:30"},                     // twice
		{"America/St_Johns", closure.NewDate(2026, 3, 8), clock(17, 0), clock(17, 0), "08T19:30"},                               // UTC-2:30
		{"Europe/Berlin", closure.NewDate(2026, 10, 25), clock(17, 0), clock(17, 0), "25T16:00"},                                // 18 hours after midnight
		{"Australia/Sydney", closure.NewDate(2026, 10, 4), clock(17, 0), clock(17, 0), "04T06:00"},                              // spring
		{"Australia/Lord_Howe", closure.NewDate(2026, 4, 5), clock(1, 30), clock(1, 45), "04T14:30 04T14:45 04T15:00 04T15:15"}, // half an hour twice
		{"Australia/Lord_Howe", closure.NewDate(2026, 10, 4), clock(1, 45), clock(2, 45), "03T15:15 03T15:30 03T15:45"},         // 02:00 to 02:29 does not exist
		{"Pacific/Chatham", closure.NewDate(2026, 4, 5), clock(17, 0), clock(17, 0), "05T04:15"},                                // UTC+12:45
		{"Asia/Kolkata", closure.NewDate(2026, 3, 8), clock(17, 0), clock(17, 15), "08T11:30 08T11:45"},                         // UTC+5:30
		{"America/Santiago", closure.NewDate(2026, 9, 6), clock(23, 30), clock(1, 15), "06T04:00 06T04:15 07T02:30 07T02:45"},   // the day begins at 01:00
		{"America/New_York", closure.NewDate(2026, 3, 8), clock(23, 30), clock(0, 15), "08T05:00 08T05:15 09T03:30 09T03:45"},   // both ends of the day
	} {
		zone, err := time.LoadLocation(tt.zone)
		noError(t, err)
		slots, _ := quarterHours(tt.day, zone)
		c := newClient(t, &slotServer{slots: map[closure.ScheduleID][]closure.Slot{"sch_0": slots}})
		got, errs := drain(c.Availabilities.Search(t.Context(), closure.SlotSearch{
			Schedules: schedules(1), From: slots[0].StartAt, To: slots[len(slots)-1].EndAt(),
			Zone: zone, Weekdays: []time.Weekday{tt.day.In(time.UTC).Weekday()}, NotBefore: tt.from, NotAfter: tt.to,
		}))
		var starts []string
		for _, slot := range got {
			starts = append(starts, slot.StartAt.UTC().Format("02T15:04"))
		}
		if text := strings.Join(starts, " "); text != tt.wantInUTC || len(errs) > 0 {
			t.Errorf("%s on %s from %s to %s: %s %v, want %s", tt.zone, tt.day, tt.from, tt.to, text, errs, tt.wantInUTC)
		}
	}
}

// A slot that starts a second after NotAfter is not wanted.
func TestSearchEndsExactlyAtNotAfter(t *testing.T) {
	t.Parallel()
	from := utc(2026, time.March, 8, 16, 59)
	s := &slotServer{slots: map[closure.ScheduleID][]closure.Slot{"sch_0": {
		{StartAt: from.Add(time.Minute - 1)}, {StartAt: from.Add(time.Minute)}, {StartAt: from.Add(time.Minute + 1)},
	}}}
	search := closure.SlotSearch{Schedules: schedules(1), From: from, To: from.Add(time.Hour)}
	count := func(notBefore, notAfter *closure.ClockTime) int {
		search.NotBefore, search.NotAfter = notBefore, notAfter
		slots, _ := drain(newClient(t, s).Availabilities.Search(t.Context(), search))
		return len(slots)
	}
	equal(t, "not after, not before, both", []int{count(nil, clock(17, 0)), count(clock(17, 0), nil), count(clock(17, 0), clock(17, 0))}, []int{2, 2, 1})
}

// daily is a search of all slots of some days, one day in each window.
func daily(ids []closure.ScheduleID, days int) closure.SlotSearch {
	return closure.SlotSearch{Schedules: ids, From: guide.start, To: guide.start.AddDate(0, 0, days), Window: 24 * time.Hour}
}

func TestSearchAsksWindowByWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ids := schedules(20)
		s := hourly(ids, guide.start, 5)
		s.delay = 80 * time.Millisecond
		search := daily(ids, 5)
		search.Concurrency = 8
		began, n := time.Now(), 0
		for slot, err := range newClient(t, s).Availabilities.Search(t.Context(), search) {
			noError(t, err)
			synctest.Wait()
			window := n / (20 * 24)
			n++
			if requests, inFlight := s.counts(); requests != 20*(window+1) || inFlight != 0 {
				t.Fatalf("at slot %d, %v, %d requests were made and %d are under way, want %d and none", n, slot.StartAt, requests, inFlight, 20*(window+1))
			}
			if waited, want := time.Since(began), time.Duration(window+1)*3*s.delay; waited != want { // three rounds of at most 8
				t.Fatalf("slot %d after %v, want %v", n, waited, want)
			}
		}
		equal(t, "slots", n, 5*20*24)
		equal(t, "at once", s.peak, 8)
	})
}

func TestSearchStops(t *testing.T) {
	t.Parallel()
	for _, stopAt := range []int{1, 24, 25, 40} { // in and at the ends of windows of 24 slots
		synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
			s := hourly(schedules(1), guide.start, 4)
			n := 0
			for range newClient(t, s).Availabilities.Search(t.Context(), daily(schedules(1), 4)) {
				if n++; n == stopAt {
					break
				}
			}
			synctest.Wait()
			requests, _ := s.counts()
			equal(t, "requests", requests, (stopAt+23)/24)
		})
	}
}

func TestSearchStopsAtAFailure(t *testing.T) {
	t.Parallel()
	s := hourly(schedules(3), guide.start, 2)
	s.respond = func(*http.Request, closure.ScheduleID) *http.Response { return newResponse(404, "") }
	for _, err := range newClient(t, s).Availabilities.Search(t.Context(), daily(schedules(3), 2)) {
		if err == nil {
			t.Error("a slot")
		}
		break // a second yield would panic
	}
	requests, _ := s.counts()
	equal(t, "requests", requests, 3)
}

func TestSearchStartsAfresh(t *testing.T) {
	t.Parallel()
	ids := schedules(3)
	s := hourly(ids, guide.start, 3)
	s.insurances = map[closure.ScheduleID]string{"sch_0": `["ins_1"]`, "sch_1": `["ins_1"]`}
	var broken sync.Map // the schedules that fail
	broken.Store(ids[0], true)
	s.respond = func(_ *http.Request, id closure.ScheduleID) *http.Response {
		if _, fails := broken.Load(id); fails {
			return newResponse(404, "")
		}
		return nil
	}
	search := daily(ids, 3)
	search.InsuranceID = "ins_1"
	seq := newClient(t, s).Availabilities.Search(t.Context(), search)
	slots, errs := drain(seq)
	equal(t, "slots and failures", []int{len(slots), len(errs)}, []int{3 * 24, 1})
	broken.Clear()
	for range 2 {
		slots, errs = drain(seq)
		equal(t, "slots and failures", []int{len(slots), len(errs)}, []int{2 * 3 * 24, 0})
	}
	equal(t, "reads of each schedule", []int{s.count(ids[0], false), s.count(ids[1], false), s.count(ids[2], false)}, []int{3, 3, 3})
}

func TestSearchCanBeRangedConcurrently(t *testing.T) {
	t.Parallel()
	ids := schedules(4)
	seq := newClient(t, hourly(ids, guide.start, 3)).Availabilities.Search(t.Context(), daily(ids, 3))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			slots, errs := drain(seq)
			equal(t, "slots and failures", []int{len(slots), len(errs)}, []int{4 * 3 * 24, 0})
		})
	}
	group.Wait()
}

func TestSearchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	const delay = time.Second
	for _, tt := range []struct {
		name  string
		after time.Duration // of the cancellation
		slots int
		sent  int
	}{
		{"before", 0, 0, 0},
		{"in the first window", delay / 2, 0, 8},
		{"between two rounds of the first window", delay + delay/2, 0, 16},
		{"in the second window", 3*delay + delay/2, 20 * 24, 28},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				left := errors.New("the patient left")
				if tt.after == 0 {
					cancel(left)
				}
				time.AfterFunc(tt.after, func() { cancel(left) })
				s := hourly(schedules(20), guide.start, 3)
				s.delay = delay
				began := time.Now()
				slots, errs := drain(newClient(t, s).Availabilities.Search(ctx, daily(schedules(20), 3)))
				if took := time.Since(began); took != tt.after {
					t.Errorf("took %v, want %v", took, tt.after)
				}
				requests, _ := s.counts()
				equal(t, "slots, failures, requests", []int{len(slots), len(errs), requests}, []int{tt.slots, 1, tt.sent})
				if !errors.Is(errs[0], context.Canceled) || !errors.Is(errs[0], left) {
					t.Errorf("%v is not context.Canceled and its cause", errs[0])
				}
			})
		})
	}
}

func TestSearchEndsWithItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		s := hourly(schedules(20), guide.start, 3)
		s.delay = time.Minute
		slots, errs := drain(newClient(t, s).Availabilities.Search(ctx, daily(schedules(20), 3)))
		equal(t, "slots and failures", []int{len(slots), len(errs)}, []int{0, 1})
		var transport *closure.TransportError
		if !errors.As(errs[0], &transport) || !transport.Timeout() || !errors.Is(errs[0], context.DeadlineExceeded) {
			t.Errorf("%v is no timeout", errs[0])
		}
	})
}

// What is left of the window isn't yielded any more.
func TestSearchEndsWhenTheLoopCancels(t *testing.T) {
	t.Parallel()
	for _, days := range []int{1, 3} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := hourly(schedules(2), guide.start, days)
		var steps []step
		for slot, err := range newClient(t, s).Availabilities.Search(ctx, daily(schedules(2), days)) {
			steps = append(steps, newStep(slot, err))
			cancel()
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("%v is not context.Canceled", err)
			}
		}
		equal(t, "steps", steps, []step{{Schedule: "sch_0", Start: "2022-05-20T17:00:00Z", Duration: 30}, {Failed: true}})
		requests, _ := s.counts()
		equal(t, "requests", requests, 2)
	}
}

// A schedule's failure that comes as the context ends is not the search's end.
func TestSearchNamesTheContextWhereAScheduleFailsAsItEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &slotServer{respond: func(*http.Request, closure.ScheduleID) *http.Response {
		cancel()
		return newResponse(404, "")
	}}
	_, errs := drain(newClient(t, s).Availabilities.Search(ctx, daily(schedules(1), 1)))
	if len(errs) != 1 || !errors.Is(errs[0], context.Canceled) || errors.Is(errs[0], closure.ErrNotFound) {
		t.Errorf("%v, want the end of the context once", errs)
	}
}

// Failures that concern every schedule end the search once.
func TestSearchEndsOnceForAll(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]error{401: closure.ErrUnauthorized, 403: closure.ErrForbidden} {
		synctest.Test(t, func(t *testing.T) {
			s := hourly(schedules(40), guide.start, 2)
			s.delay = time.Second
			s.respond = func(*http.Request, closure.ScheduleID) *http.Response { return newResponse(status, errorJSON) }
			slots, errs := drain(newClient(t, s).Availabilities.Search(t.Context(), daily(schedules(40), 2)))
			if len(slots) != 0 || len(errs) != 1 || !errors.Is(errs[0], want) {
				t.Errorf("%d: %d slots, errors %v", status, len(slots), errs)
			}
			if requests, _ := s.counts(); requests > 8 {
				t.Errorf("%d: %d requests, want no more than the 8 of the first round", status, requests)
			}
		})
	}
}

func TestSearchGoesOnWithoutASchedule(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() (*http.Response, error){
		"no such schedule": func() (*http.Response, error) { return newResponse(404, errorJSON), nil },
		"server error":     func() (*http.Response, error) { return newResponse(500, errorJSON), nil },
		"not JSON":         func() (*http.Response, error) { return newResponse(200, "<html>"), nil },
		"connection":       func() (*http.Response, error) { return nil, errors.New("broken") },
		"attempt timeout":  func() (*http.Response, error) { return nil, context.DeadlineExceeded },
	} {
		s := hourly(schedules(3), guide.start, 3)
		rt := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if id, _ := scheduleOf(req.URL); id == "sch_1" {
				return fail()
			}
			return s.RoundTrip(req)
		})
		steps := stepsOf(newClient(t, rt).Availabilities.Search(t.Context(), daily(schedules(3), 3)))
		failed := slices.Collect(func(yield func(closure.ScheduleID) bool) {
			for _, s := range steps {
				if s.Failed && !yield(s.Schedule) {
					return
				}
			}
		})
		equal(t, name+": failed", failed, []closure.ScheduleID{"sch_1"})
		equal(t, name+": steps", len(steps), 1+2*3*24)
	}
}

func TestSearchByInsurance(t *testing.T) {
	t.Parallel()
	ids := []closure.ScheduleID{"sch_accepts", "sch_refuses", "sch_unknown", "sch_expanded", "sch_missing"}
	s := hourly(ids, guide.start, 3)
	s.insurances = map[closure.ScheduleID]string{
		"sch_accepts": `["ins_2","ins_1"]`, "sch_refuses": `["ins_2"]`, "sch_expanded": `[{"id":"ins_1","display_name":"Plan"}]`,
	}
	s.respond = func(_ *http.Request, id closure.ScheduleID) *http.Response {
		if id == "sch_missing" {
			return newResponse(404, errorJSON)
		}
		return nil
	}
	search := daily(ids, 3)
	search.InsuranceID = "ins_1"
	found := map[closure.ScheduleID]int{}
	failed := map[closure.ScheduleID]int{}
	for slot, err := range newClient(t, s).Availabilities.Search(t.Context(), search) {
		if err != nil {
			failed[slot.ScheduleID]++
			continue
		}
		found[slot.ScheduleID]++
	}
	equal(t, "found", found, map[closure.ScheduleID]int{"sch_accepts": 3 * 24, "sch_expanded": 3 * 24})
	equal(t, "failed", failed, map[closure.ScheduleID]int{"sch_missing": 1})
	windows := map[closure.ScheduleID]int{"sch_accepts": 3, "sch_expanded": 3}
	for _, id := range ids {
		equal(t, string(id)+": reads of the schedule and its slots", []int{s.count(id, false), s.count(id, true)}, []int{1, windows[id]})
	}
}

// If no schedule accepts the insurance, no slots are asked for.
func TestSearchByInsuranceThatNobodyAccepts(t *testing.T) {
	t.Parallel()
	s := hourly(schedules(3), guide.start, 3)
	search := daily(schedules(3), 3)
	search.InsuranceID = "ins_1"
	_, err := newClient(t, s).Availabilities.First(t.Context(), search)
	requests, _ := s.counts()
	if !errors.Is(err, closure.ErrNoSlot) || requests != 3 {
		t.Errorf("%v after %d requests, want ErrNoSlot after 3", err, requests)
	}
}

func TestSearchNeitherKeepsNorChangesItsInput(t *testing.T) {
	t.Parallel()
	ids := []closure.ScheduleID{"sch_1", "sch_0", "sch_1"} // one twice: counts once
	s := hourly(schedules(3), guide.start, 3)
	search := daily(ids, 3)
	search.Weekdays = []time.Weekday{time.Saturday, time.Friday}
	search.NotBefore, search.NotAfter = clock(9, 0), clock(17, 0)
	var captured closure.Response
	opts := []closure.CallOption{nil, closure.WithMaxAttempts(1), nil}[:2]
	seq := newClient(t, s).Availabilities.Search(t.Context(), search, opts...)
	before := stepsOf(seq)
	equal(t, "schedules", search.Schedules, []closure.ScheduleID{"sch_1", "sch_0", "sch_1"})
	equal(t, "weekdays", search.Weekdays, []time.Weekday{time.Saturday, time.Friday})
	equal(t, "steps", len(before), 2*(1+9)) // Friday at 17:00, Saturday from 9:00 to 17:00

	ids[0], ids[1] = "sch_2", "no id"
	search.Weekdays[0], search.Weekdays[1] = time.Monday, 99
	*search.NotBefore, *search.NotAfter = closure.ClockTime{Hour: 3}, closure.ClockTime{Hour: 99}
	opts[0], opts[1] = closure.CaptureResponse(&captured), closure.CaptureResponse(nil)
	equal(t, "steps after the input changed", stepsOf(seq), before)
	equal(t, "captured", captured, closure.Response{})
}

func TestSearchCapturesNothing(t *testing.T) {
	t.Parallel()
	var captured closure.Response
	s := hourly(schedules(20), guide.start, 1)
	slots, errs := drain(newClient(t, s).Availabilities.Search(t.Context(), daily(schedules(20), 1), closure.CaptureResponse(&captured)))
	equal(t, "slots and failures", []int{len(slots), len(errs)}, []int{20 * 24, 0})
	equal(t, "captured", captured, closure.Response{}) // and the race detector is content
}

func TestSearchRefusesBadInput(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*closure.SlotSearch){
		"Schedules":   func(s *closure.SlotSearch) { s.Schedules = nil },
		"From":        func(s *closure.SlotSearch) { s.From = time.Time{} },
		"To":          func(s *closure.SlotSearch) { s.To = time.Time{} },
		"Weekdays":    func(s *closure.SlotSearch) { s.Weekdays = []time.Weekday{time.Monday, 7} },
		"NotBefore":   func(s *closure.SlotSearch) { s.NotBefore = clock(24, 0) },
		"NotAfter":    func(s *closure.SlotSearch) { s.NotAfter = clock(12, -1) },
		"MinDuration": func(s *closure.SlotSearch) { s.MinDuration = -1 },
		"InsuranceID": func(s *closure.SlotSearch) { s.InsuranceID = "Aetna" },
		"Window":      func(s *closure.SlotSearch) { s.Window = -1 },
		"Concurrency": func(s *closure.SlotSearch) { s.Concurrency = -1 },
		// The same fields, wrong in another way.
		"\x00Schedules":   func(s *closure.SlotSearch) { s.Schedules = append(s.Schedules, "prac_1") },
		"\x01Schedules":   func(s *closure.SlotSearch) { s.Schedules = append(s.Schedules, "") },
		"\x00From":        func(s *closure.SlotSearch) { s.From = s.From.AddDate(-3000, 0, 0) },
		"\x00To":          func(s *closure.SlotSearch) { s.To = s.From.Add(-1) },
		"\x01To":          func(s *closure.SlotSearch) { s.To = s.To.AddDate(8000, 0, 0) },
		"\x00Weekdays":    func(s *closure.SlotSearch) { s.Weekdays = []time.Weekday{-1} },
		"\x00MinDuration": func(s *closure.SlotSearch) { s.MinDuration = closure.MaxMinutes + 1 },
	} {
		s := hourly(schedules(3), guide.start, 1)
		search := daily(schedules(3), 1)
		change(&search)
		field = strings.Trim(field, "\x00\x01")
		slots, errs := drain(newClient(t, s).Availabilities.Search(t.Context(), search))
		if len(slots) != 0 || len(errs) != 1 {
			t.Errorf("%s: %d slots, errors %v, want one error", field, len(slots), errs)
			continue
		}
		refused(t, field, errs[0], "availabilities.list", field)
		_, err := newClient(t, s).Availabilities.First(t.Context(), search)
		refused(t, field, err, "availabilities.list", field)
		if requests, _ := s.counts(); requests != 0 {
			t.Errorf("%s: %d requests were sent", field, requests)
		}
	}
}

func TestSearchRefusesBadContextAndOptions(t *testing.T) {
	t.Parallel()
	s := hourly(schedules(3), guide.start, 1)
	c := newClient(t, s)
	var none context.Context
	_, errs := drain(c.Availabilities.Search(none, daily(schedules(3), 1)))
	equal(t, "failures without a context", len(errs), 1)
	refused(t, "no context", errs[0], "availabilities.list", "ctx")
	_, errs = drain(c.Availabilities.Search(t.Context(), daily(schedules(3), 1), closure.WithMaxAttempts(0)))
	equal(t, "failures with a bad option", len(errs), 1)
	refused(t, "bad option", errs[0], "WithMaxAttempts", "argument")
	if requests, _ := s.counts(); requests != 0 {
		t.Errorf("%d requests were sent", requests)
	}
}

func TestSearchOfAnEmptyRange(t *testing.T) {
	t.Parallel()
	s := hourly(schedules(3), guide.start, 1)
	_, err := newClient(t, s).Availabilities.First(t.Context(), daily(schedules(3), 0))
	requests, _ := s.counts()
	if !errors.Is(err, closure.ErrNoSlot) || requests != 0 {
		t.Errorf("%v after %d requests, want ErrNoSlot after none", err, requests)
	}
}

// The wire has milliseconds: both ends are rounded outwards, and the rest is
// left to the client.
func TestSearchAsksForWholeMilliseconds(t *testing.T) {
	t.Parallel()
	s := &slotServer{}
	drain(newClient(t, s).Availabilities.Search(t.Context(), closure.SlotSearch{
		Schedules: schedules(1), From: guide.start.Add(1), To: guide.start.Add(time.Hour + 1), Window: 30 * time.Minute,
	}))
	var asked []string
	for _, u := range s.requests {
		asked = append(asked, u.Query().Get("start_at")+" "+u.Query().Get("end_at"))
	}
	equal(t, "asked", asked, []string{
		"2022-05-20T17:00:00.000Z 2022-05-20T17:30:00.001Z",
		"2022-05-20T17:30:00.000Z 2022-05-20T18:00:00.001Z",
	})
}

func TestFirst(t *testing.T) {
	t.Parallel()
	ids := schedules(40)
	for _, tt := range []struct {
		name     string
		slots    map[closure.ScheduleID]int // the day of the only slot
		fail     []closure.ScheduleID
		want     closure.ScheduleID
		errs     []error
		requests int
	}{
		{name: "in the first window", slots: map[closure.ScheduleID]int{"sch_7": 0, "sch_3": 1}, want: "sch_7", requests: 40},
		{name: "in the third window", slots: map[closure.ScheduleID]int{"sch_7": 2, "sch_9": 2}, want: "sch_7", requests: 120},
		{name: "none", errs: []error{closure.ErrNoSlot}, requests: 200},
		{name: "with failures on the way", slots: map[closure.ScheduleID]int{"sch_7": 1}, fail: ids[:5], want: "sch_7", requests: 75},
		{name: "none and a failure", fail: ids[:1], errs: []error{closure.ErrNotFound}, requests: 196},
		{name: "none and failures", fail: ids[:3], errs: []error{closure.ErrNotFound}, requests: 188},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &slotServer{slots: map[closure.ScheduleID][]closure.Slot{}}
			for id, day := range tt.slots {
				s.slots[id] = []closure.Slot{{StartAt: guide.start.AddDate(0, 0, day), Duration: 30}}
			}
			s.respond = func(_ *http.Request, id closure.ScheduleID) *http.Response {
				if slices.Contains(tt.fail, id) {
					return newResponse(404, errorJSON)
				}
				return nil
			}
			slot, err := newClient(t, s).Availabilities.First(t.Context(), daily(ids, 5))
			equal(t, "schedule", slot.ScheduleID, tt.want)
			if tt.errs == nil {
				noError(t, err)
			}
			for _, want := range tt.errs {
				if !errors.Is(err, want) || errors.Is(err, closure.ErrNoSlot) != (want == closure.ErrNoSlot) {
					t.Errorf("%v, want %v", err, want)
				}
			}
			requests, _ := s.counts()
			equal(t, "requests", requests, tt.requests)
		})
	}
}
