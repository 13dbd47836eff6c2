package simulation

// A column is one thing that is counted in each cell.
type column int

const (
	attempts      column = iota // calls that book
	confirmed                   // of those
	recovered                   // of the confirmed ones
	taken                       // ErrSlotUnavailable
	refused                     // another 4xx
	notSent                     // a read failed, or time was up
	noSlot                      // ErrNoSlot
	unknownBefore               // OutcomeUnknownError
	resolved                    // unknown before, and resolved to a booking
	lost                        // unknown before, and resolved to ErrNotBooked by AssumeLostAfter
	unknownAfter                // unknown before, and never resolved
	moves                       // calls that reschedule or cancel
	movesUnknown                // of those
	otherBooked                 // not sent, but another call of the patient had booked

	// What must be zero.
	doubles      // appointments that an order made while its first stood
	absent       // confirmed, but not in the ledger
	takenOwned   // told "taken", but the patient owned it
	deniedByCall // told "not booked", but the call's own request booked
	deniedOwned  // told "not booked", but an earlier request of the patient had booked
	noToken      // unknown, without an attempt that could be resolved
	changeAbsent // a change was confirmed, but it isn't in the ledger
	changeDenied // a change was denied, but the call's own request made it
	untrue       // in the end, the journal and the ledger differ

	columns
)

var zeros = []column{doubles, absent, takenOwned, deniedByCall, deniedOwned, noToken, changeAbsent, changeDenied,
	untrue}

var columnNames = [columns]string{
	attempts:      "attempts",
	confirmed:     "confirmed",
	recovered:     "of them recovered",
	taken:         "slot unavailable",
	refused:       "refused otherwise",
	notSent:       "not sent",
	noSlot:        "no slot",
	unknownBefore: "unknown",
	resolved:      "resolved: booked",
	lost:          "resolved: not booked",
	unknownAfter:  "unknown at the end",
	moves:         "changes",
	movesUnknown:  "changes unknown",
	otherBooked:   "not sent, other call booked",
	doubles:       "two by our doing",
	absent:        "confirmed but absent",
	takenOwned:    "told taken while owning",
	deniedByCall:  "told not booked while booked",
	deniedOwned:   "told not booked while owning",
	noToken:       "unknown without a token",
	changeAbsent:  "change confirmed but not made",
	changeDenied:  "change denied but made",
	untrue:        "journal untrue at the end",
}

func (c column) String() string { return columnNames[c] }

// A tally is what was counted, and how to repeat the first violation of each zero.
type tally struct {
	counts [columns]int
	firsts [columns]string
}

func (t *tally) add(c column, n int) { t.counts[c] += n }

// violated counts something that must be zero.
func (t *tally) violated(c column, example string) {
	t.counts[c]++
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
