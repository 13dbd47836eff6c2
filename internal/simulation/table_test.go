package simulation

import (
	"fmt"
	"strings"
)

// summary has one row for each behaviour, separate rows for reads that jump, and one for an
// API without a list of appointments. Excused counts are marked.
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

// table has one row for each cell.
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
		name := strings.Join([]string{c.behaviour.String(), c.server(), lag(c.late, "on time", "late"), reads,
			c.contention()}, " | ")
		b.WriteString(row(name, m.tallies[c], func(zero column) bool { return c.excuse(zero) != "" }))
	}
	return b.String()
}

// demanded counts, for one zero, the cells in which it was asserted and those in which it was
// excused, and its violations.
type demanded struct {
	in, out struct{ cells, attempts, count int }
}

func (m *matrix) demanded(zero column) (d demanded) {
	for _, c := range m.cells {
		at := &d.in
		if c.excuse(zero) != "" {
			at = &d.out
		}
		at.cells++
		at.attempts += m.tallies[c].counts[attempts]
		at.count += m.tallies[c].counts[zero]
	}
	return d
}

// sideBySide has one row for each zero: its violations without a journal and with one.
func sideBySide(control, journal *matrix) string {
	var b strings.Builder
	b.WriteString("| must be zero | without: asserted in cells | attempts in them | violations | " +
		"cells excused | counted there | with a journal: asserted in cells | attempts in them | violations |\n" +
		"|" + strings.Repeat(" --- |", 9) + "\n")
	for _, zero := range zeros {
		with := journal.demanded(zero)
		if zero == untrue {
			fmt.Fprintf(&b, "| %s | | | | | | %d | %s | **%d** |\n",
				zero, with.in.cells, thousands(with.in.attempts), with.in.count)
			continue
		}
		without := control.demanded(zero)
		fmt.Fprintf(&b, "| %s | %d | %s | **%d** | %d | %s | %d | %s | **%d** |\n", zero,
			without.in.cells, thousands(without.in.attempts), without.in.count, without.out.cells, thousands(without.out.count),
			with.in.cells, thousands(with.in.attempts), with.in.count)
	}
	return b.String()
}

// byBehaviour shows what the journal changes for each behaviour: how many attempts were made,
// and how often each zero that is excused without a journal was violated.
func byBehaviour(control, journal *matrix) string {
	shown := []column{attempts, doubles, takenOwned, deniedOwned}
	var b strings.Builder
	b.WriteString("| behaviour |")
	for _, m := range []string{"without: ", "with: "} {
		for _, c := range shown {
			b.WriteString(" " + m + c.String() + " |")
		}
	}
	b.WriteString("\n|" + strings.Repeat(" --- |", 1+2*len(shown)) + "\n")
	for _, behaviour := range journalBehaviours {
		b.WriteString("| " + behaviour.String() + " |")
		for _, m := range []*matrix{control, journal} {
			sum := m.sum(func(c cell) bool { return c.behaviour == behaviour })
			for _, c := range shown {
				if sum.counts[attempts] == 0 {
					b.WriteString(" |")
					continue
				}
				b.WriteString(" " + thousands(sum.counts[c]) + " |")
			}
		}
		b.WriteString("\n")
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
