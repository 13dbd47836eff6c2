package closure_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the filters are tested in zones that a machine may not have

	"github.com/closurehealth/closure-go"
)

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
		slot := closure.Slot{
			ScheduleID: "sch_0", StartAt: start.Add(time.Duration(i) * 15 * time.Minute),
			Duration: closure.Minutes(15 * (1 + i%3)),
		}
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
		// 02:xx does not exist
		{"America/New_York", closure.NewDate(2026, 3, 8), clock(2, 0), clock(3, 0), "08T07:00"},
		// 16 hours after midnight
		{"America/New_York", closure.NewDate(2026, 3, 8), clock(17, 0), clock(17, 0), "08T21:00"},
		// twice
		{"America/New_York", closure.NewDate(2026, 11, 1), clock(1, 30), clock(1, 30), "01T05:30 01T06:30"},
		// UTC-2:30
		{"America/St_Johns", closure.NewDate(2026, 3, 8), clock(17, 0), clock(17, 0), "08T19:30"},
		// 18 hours after midnight
		{"Europe/Berlin", closure.NewDate(2026, 10, 25), clock(17, 0), clock(17, 0), "25T16:00"},
		// spring
		{"Australia/Sydney", closure.NewDate(2026, 10, 4), clock(17, 0), clock(17, 0), "04T06:00"},
		// half an hour twice
		{
			"Australia/Lord_Howe", closure.NewDate(2026, 4, 5), clock(1, 30), clock(1, 45),
			"04T14:30 04T14:45 04T15:00 04T15:15",
		},
		// 02:00 to 02:29 does not exist
		{"Australia/Lord_Howe", closure.NewDate(2026, 10, 4), clock(1, 45), clock(2, 45), "03T15:15 03T15:30 03T15:45"},
		// UTC+12:45
		{"Pacific/Chatham", closure.NewDate(2026, 4, 5), clock(17, 0), clock(17, 0), "05T04:15"},
		// UTC+5:30
		{"Asia/Kolkata", closure.NewDate(2026, 3, 8), clock(17, 0), clock(17, 15), "08T11:30 08T11:45"},
		// the day begins at 01:00
		{"America/Santiago", closure.NewDate(2026, 9, 6), clock(23, 30), clock(1, 15), "06T04:00 06T04:15 07T02:30 07T02:45"},
		// both ends of the day
		{"America/New_York", closure.NewDate(2026, 3, 8), clock(23, 30), clock(0, 15), "08T05:00 08T05:15 09T03:30 09T03:45"},
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
	equal(t, "not after, not before, both",
		[]int{count(nil, clock(17, 0)), count(clock(17, 0), nil), count(clock(17, 0), clock(17, 0))}, []int{2, 2, 1})
}
