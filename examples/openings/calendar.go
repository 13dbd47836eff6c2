package main

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/closurehealth/closure-go"
)

// A calendar is the openings to show: a row for each schedule, a column for
// each local day.
type calendar struct {
	zone    *time.Location
	days    []time.Time // noon of each day: in every zone every day has one
	rows    []*row
	failed  []error
	filters string
}

type row struct {
	schedule    closure.ScheduleID
	name, place string
	openings    map[string][]time.Time // by local day
}

func newCalendar(schedules []closure.Schedule, s settings) *calendar {
	c := &calendar{zone: s.zone, filters: describe(s)}
	for i := range s.days {
		c.days = append(c.days, time.Date(s.from.Year, s.from.Month, s.from.Day+i, 12, 0, 0, 0, s.zone))
	}
	for _, schedule := range schedules {
		c.rows = append(c.rows, newRow(schedule))
	}
	return c
}

// newRow shows the names, which the schedule has if it was expanded, and otherwise the ids.
func newRow(s closure.Schedule) *row {
	r := &row{
		schedule: s.ID, name: string(s.Practitioner.ID), place: string(s.Location.ID), openings: map[string][]time.Time{},
	}
	if p := s.Practitioner.Object; p != nil {
		r.name = p.FirstName + " " + p.LastName
	}
	if l := s.Location.Object; l != nil && l.Name != "" {
		r.place = l.Name
	}
	return r
}

func describe(s settings) string {
	switch {
	case s.after != nil && s.before != nil:
		return fmt.Sprintf(", starting between %s and %s", s.after, s.before)
	case s.after != nil:
		return fmt.Sprintf(", starting at %s or later", s.after)
	case s.before != nil:
		return fmt.Sprintf(", starting at %s or earlier", s.before)
	default:
		return ""
	}
}

// window is how much one request asks for: a week and the hours around it.
const window = 8 * 24 * time.Hour

// search asks for a little more than the days, because not every day begins at
// midnight or has 24 hours; add puts each opening on its day.
func (c *calendar) search(s settings) closure.SlotSearch {
	ids := make([]closure.ScheduleID, len(c.rows))
	for i, r := range c.rows {
		ids[i] = r.schedule
	}
	first, last := c.days[0], c.days[len(c.days)-1]
	return closure.SlotSearch{
		Schedules:   ids,
		From:        first.Add(-14 * time.Hour),
		To:          last.Add(14 * time.Hour),
		Zone:        s.zone,
		NotBefore:   s.after,
		NotAfter:    s.before,
		InsuranceID: s.insurance,
		Window:      window,
	}
}

// fill puts the slots that are found into their days.
func (c *calendar) fill(found iter.Seq2[closure.Slot, error]) error {
	rows := make(map[closure.ScheduleID]*row, len(c.rows))
	for _, r := range c.rows {
		rows[r.schedule] = r
	}
	for slot, err := range found {
		r := rows[slot.ScheduleID]
		switch {
		case err != nil && r == nil:
			return err // concerns all schedules
		case err != nil:
			r.place = "(could not be read)"
			c.failed = append(c.failed, err)
		default:
			r.add(slot.StartAt.In(c.zone))
		}
	}
	return nil
}

// add shows one start once: the calendar doesn't show how long slots are.
func (r *row) add(start time.Time) {
	day := start.Format(time.DateOnly)
	starts := r.openings[day]
	if len(starts) == 0 || !starts[len(starts)-1].Equal(start) {
		r.openings[day] = append(starts, start)
	}
}

func (c *calendar) on(r *row, day time.Time) []time.Time {
	return r.openings[day.Format(time.DateOnly)]
}

func (c *calendar) total() (n int) {
	for _, r := range c.rows {
		for _, day := range c.days {
			n += len(c.on(r, day))
		}
	}
	return n
}

const (
	nameWidth = 27
	dayWidth  = 13 // two times, and a gap
	gap       = 2
	cellLines = 3
	perLine   = 2
	week      = 7
)

// daysIn is how many days fit beside each other, a week at the most.
func daysIn(width int) int {
	if width <= 0 {
		return week
	}
	return min(max((width-nameWidth+gap)/dayWidth, 1), week)
}

// print fits the calendar into a width in columns, 0 for any.
func (c *calendar) print(out io.Writer, width int) {
	w := &lines{out: out}
	first, last := c.days[0], c.days[len(c.days)-1]
	w.printf("\nOpenings from %s to %s%s\n",
		first.Format("Monday 2 January"), last.Format("Monday 2 January 2006"), c.filters)
	w.printf("Times are in %s (%s)%s\n\n", c.zone, eve(first).Format("MST"), clockChange(c.days))
	if c.total() == 0 && len(c.failed) == 0 {
		w.printf("No opening in %s.\n", count(len(c.rows), "calendar"))
		return
	}
	for days := range chunks(c.days, daysIn(width)) {
		c.printDays(w, days)
	}
	w.printf("%s in %s. · none that day, +3 three more\n%s",
		count(c.total(), "opening"), count(len(c.rows), "calendar"), c.legend())
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// eve is the day before. If the clocks change on a day, the day begins with the zone of its
// eve.
func eve(day time.Time) time.Time { return day.AddDate(0, 0, -1) }

// clockChange names the day on which the clocks change, if there is one.
func clockChange(days []time.Time) string {
	for _, day := range days {
		_, before := eve(day).Zone()
		if name, after := day.Zone(); before != after {
			return fmt.Sprintf("; the clocks change on %s, to %s", day.Format("Monday"), name)
		}
	}
	return ""
}

func (c *calendar) printDays(w *lines, days []time.Time) {
	head := pad("", nameWidth)
	for _, day := range days {
		head += pad(day.Format("Mon 2 Jan"), dayWidth)
	}
	w.printf("%s\n%s\n", head, strings.Repeat("─", nameWidth+len(days)*dayWidth-gap))
	for _, r := range c.rows {
		for i, text := range c.rowLines(r, days) {
			if i < 1 || strings.TrimSpace(text) != "" {
				w.printf("%s\n", text)
			}
		}
		w.printf("\n")
	}
}

func (c *calendar) rowLines(r *row, days []time.Time) []string {
	texts := make([]string, cellLines)
	names := append([]string{r.name}, wrap(r.place, nameWidth-2, cellLines-1)...)
	for i := range texts {
		if i < len(names) {
			texts[i] = names[i]
		}
		texts[i] = pad(texts[i], nameWidth)
		for _, day := range days {
			texts[i] += pad(cell(c.on(r, day))[i], dayWidth)
		}
	}
	return texts
}

// repeated reports whether the clocks show this time for the second time: in the hour after
// they went back. The calendar marks it with *.
func repeated(t time.Time) bool {
	change, _ := t.ZoneBounds()
	if change.IsZero() {
		return false
	}
	_, before := change.Add(-1).Zone()
	_, after := t.Zone()
	return t.Sub(change) < time.Duration(before-after)*time.Second
}

// legend explains the mark, if it is used.
func (c *calendar) legend() string {
	for _, r := range c.rows {
		for _, day := range c.days {
			for _, start := range c.on(r, day) {
				if repeated(start) {
					return "* after the clocks went back, in " + start.Format("MST (UTC-07:00)") + "\n"
				}
			}
		}
	}
	return ""
}

// cell is the first few times of a day, and how many more there are.
func cell(starts []time.Time) (texts [cellLines]string) {
	const room = cellLines * perLine
	var entries []string
	for _, start := range starts {
		mark := " "
		if repeated(start) {
			mark = "*"
		}
		entries = append(entries, start.Format("15:04")+mark)
	}
	if len(entries) > room {
		entries = append(entries[:room-1], fmt.Sprintf("+%d", len(starts)-room+1))
	}
	if len(entries) == 0 {
		entries = []string{"·"}
	}
	i := 0
	for line := range chunks(entries, perLine) {
		texts[i] = strings.Join(line, "")
		i++
	}
	return texts
}

// wrap breaks a text at blanks into at most so many lines, and cuts the rest.
func wrap(text string, width, most int) []string {
	var wrapped []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			wrapped, line = append(wrapped, line), word
		}
	}
	wrapped = append(wrapped, line)
	if len(wrapped) > most {
		wrapped = append(wrapped[:most-1], strings.Join(wrapped[most-1:], " "))
	}
	for i := range wrapped {
		wrapped[i] = cut(wrapped[i], width)
	}
	return wrapped
}

func cut(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}

func pad(text string, width int) string {
	return fmt.Sprintf("%-*s", width, cut(text, width-1)) // counts runes
}

func chunks[T any](all []T, n int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for ; len(all) > 0; all = all[min(n, len(all)):] {
			if !yield(all[:min(n, len(all))]) {
				return
			}
		}
	}
}

// lines writes lines without the blanks at their end, which padding leaves there.
type lines struct{ out io.Writer }

func (l *lines) printf(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		fmt.Fprintln(l.out, strings.TrimRight(line, " \n"))
	}
}
