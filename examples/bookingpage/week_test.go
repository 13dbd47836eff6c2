package main

import (
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

func TestClocks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		zone string
		day  closure.Date
		want string
	}{
		{"America/New_York", closure.NewDate(2026, 3, 8), "Clocks go forward 1 hour at 2:00 AM"},
		{"America/New_York", closure.NewDate(2026, 3, 9), ""},
		{"America/New_York", closure.NewDate(2026, 11, 1), "Clocks go back 1 hour at 2:00 AM"},
		{"America/Phoenix", closure.NewDate(2026, 11, 1), ""},
		{"Australia/Lord_Howe", closure.NewDate(2026, 4, 5), "Clocks go back 0.5 hour at 2:00 AM"},
		{"America/Santiago", closure.NewDate(2026, 9, 6), "Clocks go forward 1 hour at 12:00 AM"}, // there is no midnight
		{"UTC", closure.NewDate(2026, 11, 1), ""},
	} {
		zone, err := time.LoadLocation(test.zone)
		if err != nil {
			t.Fatal(err)
		}
		days := week7(test.day, nil, zone)
		if days[0].Clocks != test.want || days[0].Label != test.day.In(zone).Format("Mon, Jan 2") {
			t.Errorf("%s %s: %q, want %q", test.zone, test.day.In(time.UTC).Format("Jan 2"), days[0].Clocks, test.want)
		}
	}
}

// Every opening of the week is in one day, and in the right one.
func TestWeekHoldsEachOpeningOnce(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"America/New_York", "Pacific/Honolulu", "America/Santiago", "UTC"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, first := range []closure.Date{closure.NewDate(2026, 3, 5), closure.NewDate(2026, 10, 29),
			closure.NewDate(2026, 9, 3)} {
			var slots []closure.Slot
			for at := first.In(zone); at.Before(addDays(first, 7).In(zone)); at = at.Add(30 * time.Minute) {
				slots = append(slots, closure.Slot{StartAt: at, Duration: 30})
			}
			seen := map[string]int{}
			for i, day := range week7(first, slots, zone) {
				for _, o := range day.Openings {
					start, _, err := parseOpening(o.Value)
					if err != nil || start.In(zone).Format("Mon, Jan 2") != day.Label {
						t.Errorf("%s: %v is in day %d, %s, %v", name, start, i, day.Label, err)
					}
					seen[o.Value]++
				}
			}
			if len(seen) != len(slots) {
				t.Errorf("%s: %d of %d openings", name, len(seen), len(slots))
			}
		}
	}
}
