// Package zones goes from one change of a zone's clocks to the next.
package zones

import "time"

// Bounds are those of [time.Time.ZoneBounds], with an end that is after t. Past the changes that a
// zone's file lists, Go ends each year after 365 days: on the last day of a leap year that is over.
func Bounds(t time.Time) (start, end time.Time) {
	start, end = t.ZoneBounds()
	if !end.IsZero() && !end.After(t) {
		end = t.Add(time.Hour)
	}
	return start, end
}
