package simulation

import (
	"fmt"
	"strings"
)

// summary is one row for each behaviour, with reads that jump in rows of their
// own, and one for an API without the list of appointments. A count that the cell
// excuses is marked.
func (m *matrix) summary() string {
	rows := make(map[string]*tally)
	excused := make(map[string]map[column]bool)
	var order []string
	for _, c := range m.cells {
		name := c.behaviour.String()
		if c.noList {
			name = "API without a list of appointments"
		}
		if c.noLengths {
			name = "slots without a duration"
		}
		if c.jumps {
			name += ", reads that jump"
		}
		if rows[name] == nil {
			rows[name], excused[name] = new(tally), map[column]bool{}
			order = append(order, name)
		}
		rows[name].merge(m.tallies[c])
		for _, zero := range zeros {
			excused[name][zero] = excused[name][zero] || c.excuse(zero) != "" && m.tallies[c].counts[zero] > 0
		}
	}
	var b strings.Builder
	b.WriteString(header("behaviour"))
	for _, name := range order {
		b.WriteString(row(name, rows[name], func(zero column) bool { return excused[name][zero] }))
	}
	b.WriteString(row("**all**", m.total(), func(zero column) bool {
		for _, name := range order {
			if excused[name][zero] {
				return true
			}
		}
		return false
	}))
	return b.String()
}

// table is one row for each cell.
func (m *matrix) table() string {
	var b strings.Builder
	b.WriteString(header("behaviour", "server", "commits", "reads", "patients on slots"))
	for _, c := range m.cells {
		reads := c.reads()
		if c.noList {
			reads = "no list"
		}
		if c.noLengths {
			reads += ", no durations"
		}
		name := strings.Join([]string{c.behaviour.String(), c.server(), lag(c.late, "on time", "late"), reads, c.contention()}, " | ")
		b.WriteString(row(name, m.tallies[c], func(zero column) bool { return c.excuse(zero) != "" }))
	}
	return b.String()
}

// asserted is, for each zero, where it was demanded and what came of it.
func (m *matrix) asserted() string {
	var b strings.Builder
	b.WriteString("| must be zero | asserted in cells | attempts in them | violations | cells excused | attempts in them | counted there |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, zero := range zeros {
		var in, out struct{ cells, attempts, count int }
		for _, c := range m.cells {
			at := &in
			if c.excuse(zero) != "" {
				at = &out
			}
			at.cells++
			at.attempts += m.tallies[c].counts[attempts]
			at.count += m.tallies[c].counts[zero]
		}
		fmt.Fprintf(&b, "| %s | %d | %s | **%d** | %d | %s | %d |\n", zero, in.cells, thousands(in.attempts), in.count, out.cells, thousands(out.attempts), out.count)
	}
	return b.String()
}

func header(names ...string) string {
	for c := range columns {
		names = append(names, c.String())
	}
	return "| " + strings.Join(names, " | ") + " |\n|" + strings.Repeat(" --- |", len(names)) + "\n"
}

func row(name string, t *tally, excused func(column) bool) string {
	cells := []string{name}
	for c := range columns {
		text := thousands(t.counts[c])
		if c >= doubles && t.counts[c] > 0 && excused(c) {
			text += "†"
		}
		cells = append(cells, text)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
