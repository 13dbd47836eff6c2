package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/closurehealth/closure-go"
)

// How openings and instants are shown to people, in their own zone.

// A day is one column of the week.
type day struct {
	Label    string // "Sun, Nov 1"
	Clocks   string // what the clocks do on that day; mostly empty
	Openings []opening
}

// An opening is a button: Value is what it sends.
type opening struct {
	Value  string
	Label  string // "1:30 AM", with the zone's abbreviation where the clocks change
	Spoken string // all of it, in one phrase
}

// week7 sorts slots into seven days from first.
func week7(first closure.Date, slots []closure.Slot, zone *time.Location) []day {
	slices.SortFunc(slots, func(a, b closure.Slot) int {
		return cmp.Or(a.StartAt.Compare(b.StartAt), cmp.Compare(a.Duration, b.Duration))
	})
	days := make([]day, 7)
	for i := range days {
		begin, end := addDays(first, i).In(zone), addDays(first, i+1).In(zone)
		days[i] = day{Label: begin.Format("Mon, Jan 2"), Clocks: clocks(begin, end)}
		for _, slot := range slots {
			if start := slot.StartAt.In(zone); !start.Before(begin) && start.Before(end) {
				days[i].Openings = append(days[i].Openings, newOpening(slot, start, days[i].Clocks != ""))
			}
		}
	}
	return days
}

func newOpening(slot closure.Slot, start time.Time, abbreviated bool) opening {
	o := opening{Value: openingValue(slot), Label: start.Format("3:04 PM")}
	if abbreviated {
		o.Label = start.Format("3:04 PM MST")
	}
	o.Spoken = start.Format(", Monday, January 2")
	if slot.Duration > 0 {
		o.Spoken += ", " + strconv.Itoa(int(slot.Duration)) + " minutes"
	}
	return o
}

// clocks says what the clocks do between two midnights.
func clocks(begin, end time.Time) string {
	change := end.Sub(begin) - 24*time.Hour
	if change == 0 {
		return ""
	}
	at, next := begin.ZoneBounds()
	if next.Before(end) {
		at = next
	} // otherwise they changed at midnight
	_, offset := at.Add(-time.Second).In(begin.Location()).Zone()
	by := " " + strconv.FormatFloat(change.Abs().Hours(), 'g', -1, 64) + " hour at " +
		at.In(time.FixedZone("", offset)).Format("3:04 PM")
	if change > 0 {
		return "Clocks go back" + by
	}
	return "Clocks go forward" + by
}

// addDays is the date n days later.
func addDays(d closure.Date, n int) closure.Date {
	t := time.Date(d.Year, d.Month, d.Day+n, 0, 0, 0, 0, time.UTC)
	return closure.NewDate(t.Year(), t.Month(), t.Day())
}

// when is an instant in words: "Sunday, November 1, 2026 at 1:30 AM EST".
func when(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("Monday, January 2, 2006 at 3:04 PM MST")
}

// An opening in a form: "2026-11-01T06:30:00Z/30", the start and the minutes.
func openingValue(slot closure.Slot) string {
	return slot.StartAt.UTC().Format(time.RFC3339Nano) + "/" + strconv.Itoa(int(slot.Duration))
}

func parseOpening(value string) (time.Time, closure.Minutes, error) {
	text, minutes, _ := strings.Cut(value, "/")
	start, err := time.Parse(time.RFC3339Nano, text)
	duration, badDuration := strconv.Atoi(minutes)
	if err != nil || badDuration != nil || duration < 0 {
		return start, 0, errBadForm
	}
	return start, closure.Minutes(duration), nil
}

// nearest are the three slots whose starts are the nearest to the given one.
func nearest(slots []closure.Slot, start time.Time, zone *time.Location) (openings []opening) {
	slices.SortStableFunc(slots, func(a, b closure.Slot) int {
		return cmp.Compare(a.StartAt.Sub(start).Abs(), b.StartAt.Sub(start).Abs())
	})
	for _, slot := range slots[:min(3, len(slots))] {
		openings = append(openings, opening{Value: openingValue(slot), Label: when(slot.StartAt, zone)})
	}
	return openings
}
