package adversary

import (
	"fmt"
	"strings"

	"github.com/closurehealth/closure-go"
)

// A column is one thing that is counted in each cell.
type column int

const (
	calls column = iota
	confirmed
	recovered // of the confirmed ones
	rejected
	notSent
	unknown
	requests // on the wire, if it could be told whose they were

	// What must be zero.
	doubles  // two appointments for one call
	absent   // told confirmed, but it isn't in the ledger, or it is somebody else's record
	denied   // told rejected or not sent, but it is in the ledger
	resent   // more requests on the wire than attempts
	hangs    // a call that took much longer than its context, or an attempt that took much longer than its timeout (grace)
	panics   // a panic
	personal // something about the patient, the key or the URL in an error's text

	columns
)

var zeros = []column{doubles, absent, denied, resent, hangs, panics, personal}

var columnNames = [columns]string{
	calls:     "calls",
	confirmed: "confirmed",
	recovered: "of them recovered",
	rejected:  "rejected",
	notSent:   "not sent",
	unknown:   "unknown",
	requests:  "requests",
	doubles:   "two made",
	absent:    "confirmed but absent",
	denied:    "denied but made",
	resent:    "requests beyond attempts",
	hangs:     "hung",
	panics:    "panics",
	personal:  "personal in an error",
}

func (c column) String() string { return columnNames[c] }

// A tally is what was counted, and the first example of each violated zero.
type tally struct {
	counts [columns]int
	firsts [columns]string
}

func (t *tally) violated(c column, n int, example string) {
	t.counts[c] += n
	if t.firsts[c] == "" {
		t.firsts[c] = example
	}
}

func (t *tally) merge(other *tally) {
	for c, n := range other.counts {
		t.counts[c] += n
		if t.firsts[c] == "" {
			t.firsts[c] = other.firsts[c]
		}
	}
}

// audit compares what each call was told with the ledger and the wire.
func (w *world) audit(t timing) map[callKind]*tally {
	tallies := map[callKind]*tally{}
	attempts, known := 0, 0
	for _, call := range w.calls {
		tally := tallies[call.op]
		if tally == nil {
			tally = newTally()
			tallies[call.op] = tally
		}
		w.auditCall(call, t, tally)
		for _, n := range call.attempts {
			attempts += n
		}
		for _, n := range call.arrived {
			known += n
		}
	}
	// Requests that were cut before it could be told whose they were count for the whole
	// world.
	if beyond := int(w.requests.Load()) - attempts; beyond > 0 && known <= attempts {
		tallies[bookSlot].violated(resent, beyond, "of the whole world")
	}
	return tallies
}

func (w *world) auditCall(call *call, t timing, tally *tally) {
	call.mu.Lock()
	defer call.mu.Unlock()
	e := call.ending
	tally.counts[calls]++
	violated := func(c column, n int, what string) {
		told := fmt.Sprint(e.err)
		if e.err == nil {
			told = "confirmed " + e.record
		}
		tally.violated(c, n, fmt.Sprintf("%s: told %q after %v; the server: %s",
			what, told, e.took.Round(1e6), strings.Join(call.log, "; ")))
	}
	made := w.ledger.made(call)
	carriedOut := len(made) > 0 || call.op == cancel && w.ledger.cancelled(call)
	if len(made) > 1 {
		violated(doubles, 1, fmt.Sprintf("%d appointments", len(made)))
	}
	switch outcome := closure.OutcomeOf(e.err); {
	case e.err == errNever, e.panicked != "":
		// It was told nothing.
	case e.err == nil:
		tally.counts[confirmed]++
		if e.foreign {
			violated(absent, 1, "given somebody else's record")
		} else if !w.holds(call, e) {
			violated(absent, 1, "not in the ledger")
		}
	case outcome == closure.OutcomeUnknown:
		tally.counts[unknown]++
	default:
		if outcome == closure.OutcomeRejected {
			tally.counts[rejected]++
		} else {
			tally.counts[notSent]++
		}
		if carriedOut {
			violated(denied, 1, outcome.String())
		}
	}
	if e.recovered {
		tally.counts[recovered]++
	}
	for op, n := range call.arrived {
		tally.counts[requests] += n
		if beyond := n - call.attempts[op]; beyond > 0 && op != "" {
			violated(resent, beyond, fmt.Sprintf("%s: %d requests, %d attempts", op, n, call.attempts[op]))
		}
	}
	if e.hung || call.longest > t.attempt+t.grace+e.missed {
		violated(hangs, 1, fmt.Sprintf("longest attempt %v", call.longest.Round(1e6)))
	}
	if e.panicked != "" {
		violated(panics, 1, e.panicked)
	}
	if e.err != nil {
		if shown := call.shown(e.err); shown != "" {
			violated(personal, 1, shown)
		}
	}
}

// holds reports whether what the call was told is in the ledger.
func (w *world) holds(call *call, e ending) bool {
	switch call.op {
	case cancel:
		return w.ledger.cancelled(call) && e.record == call.appointment
	case get:
		return e.record == call.appointment
	case create:
		if !e.scheduled {
			return true // the record's status says that there is no appointment
		}
	}
	for _, a := range w.ledger.made(call) {
		if a.id == e.record {
			return true
		}
	}
	return false
}

// The zeros are asserted for each cell.
type cell struct {
	protocol, server, family string
	op                       callKind
}

func (c cell) String() string {
	return fmt.Sprintf("%s | %s | %s | %s", c.protocol, c.server, c.family, c.op)
}

// excuse says why a zero isn't asserted for a cell; "" means that it is asserted.
func (c cell) excuse(z column) string {
	plain := c.op == create || c.op == cancel
	switch {
	case c.family == "not processed, a lie" && (z == doubles || z == denied):
		return "the server says, by the protocol's own means, that it did not process what it carried out"
	case c.family == "4xx" && plain && (z == denied || z == doubles):
		return "a plain call returns what the API says, and a 4xx says that nothing was done"
	case c.family == "twice or slipped" && plain && z == denied:
		return "a plain call returns what the API says, and a rejection doesn't say whom it is about"
	default:
		return ""
	}
}

func header(first string) string {
	names := []string{first}
	for c := range columns {
		names = append(names, c.String())
	}
	return "| " + strings.Join(names, " | ") + " |\n|" + strings.Repeat(" --- |", len(names)) + "\n"
}

func row(name string, t *tally, excused *tally) string {
	cells := []string{name}
	for c := range columns {
		text := fmt.Sprint(t.counts[c])
		if excused.counts[c] > 0 {
			text += fmt.Sprintf(" (%d†)", excused.counts[c])
		}
		cells = append(cells, text)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func newTally() *tally { return new(tally) }
