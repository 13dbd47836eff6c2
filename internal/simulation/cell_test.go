package simulation

import (
	"fmt"
	"slices"
	"time"
)

// A behaviour is what the patients of a cell do.
type behaviour int

const (
	single    behaviour = iota // one call at a time; an unknown outcome is resolved before anything else
	rerun                      // the process crashes; its attempts are stored, and the next process resolves them first
	forgetful                  // the process crashes and stored nothing; the next process just books again
	clicks                     // two or three clicks at once, in one process
	machines                   // two clicks at once, on two machines
	changing                   // books, moves, cancels, books again

	// Only with a journal.
	walking   // BookFirstAvailable with a key: the process crashes and the next one calls again, or two machines call
	reusing   // another process calls again with the same key: for the same slot, another one or any
	apart     // clicks on two machines, 60 ms to 60 s apart
	rebooking // cancels, and books the same slot again before reads show that
	sharing   // the practice moves, cancels and books, too
)

var (
	behaviours        = []behaviour{single, rerun, forgetful, clicks, machines, changing}
	journalBehaviours = append(slices.Clip(behaviours), walking, reusing, apart, rebooking, sharing)
)

func (b behaviour) String() string {
	return [...]string{"single calls", "crash and rerun", "crash, nothing stored", "two clicks", "two machines",
		"cancels and moves",
		"first available with a key", "a key used again", "two machines, 60 ms to 60 s apart", "cancels and books again",
		"the practice changes it, too"}[b]
}

// A cell is one combination that the matrix runs.
type cell struct {
	behaviour  behaviour
	duplicates bool          // the server accepts a slot twice
	late       time.Duration // how late a write whose response was lost can be carried out
	stale      time.Duration // how far reads lag
	jumps      bool          // each read lags by a random time, up to stale
	crowd      bool          // many patients and few slots; false: few patients and many slots
	noList     bool          // the API has no list of appointments
	noLengths  bool          // slots have no duration, and patients ask for none
	journal    bool          // all processes share a journal
}

// cells are the cells without a journal; journalCells are those with one.
func cells() []cell        { return product(behaviours, false) }
func journalCells() []cell { return product(journalBehaviours, true) }

// shortLag is shorter than the time for which a booking looks for its appointment, so that a
// gateway may lie: it answers 4xx although the API has acted.
const shortLag = 3 * time.Second

// product returns the product of the axes, and cells for four special APIs: one without a
// list of appointments, so that nothing can be resolved; one whose slots have no duration; one
// whose reads jump; and one whose reads lag a little, behind a gateway that lies.
func product(behaviours []behaviour, journal bool) []cell {
	var all []cell
	lags := []time.Duration{0, 20 * time.Second, 60 * time.Second}
	for _, b := range behaviours {
		for _, duplicates := range []bool{false, true} {
			for _, late := range lags {
				for _, stale := range lags {
					for _, crowd := range []bool{true, false} {
						all = append(all, cell{behaviour: b, duplicates: duplicates, late: late, stale: stale, crowd: crowd})
					}
				}
			}
		}
	}
	for _, b := range []behaviour{single, rerun, clicks} {
		for _, duplicates := range []bool{false, true} {
			all = append(all, cell{behaviour: b, duplicates: duplicates, late: 20 * time.Second, crowd: true, noList: true})
		}
	}
	for _, b := range []behaviour{single, rerun, clicks} {
		for _, duplicates := range []bool{false, true} {
			all = append(all, cell{behaviour: b, duplicates: duplicates, late: 20 * time.Second, crowd: true, noLengths: true})
		}
	}
	for _, b := range behaviours {
		for _, duplicates := range []bool{false, true} {
			for _, crowd := range []bool{true, false} {
				all = append(all, cell{
					behaviour: b, duplicates: duplicates, late: 20 * time.Second, stale: 60 * time.Second, jumps: true, crowd: crowd,
				}, cell{behaviour: b, duplicates: duplicates, stale: shortLag, crowd: crowd})
			}
		}
	}
	for i := range all {
		all[i].journal = journal
	}
	return all
}

func (c cell) String() string {
	list := ""
	if c.noList {
		list = ", no list"
	}
	if c.noLengths {
		list += ", no durations"
	}
	if c.journal {
		list += ", journal"
	}
	return fmt.Sprintf("%s, %s, commits %s, reads %s, %s%s",
		c.behaviour, c.server(), lag(c.late, "on time", "late"), c.reads(), c.contention(), list)
}

func (c cell) reads() string {
	if c.jumps {
		return lag(c.stale, "", "jump by up to")
	}
	return lag(c.stale, "fresh", "stale")
}

func (c cell) server() string {
	if c.duplicates {
		return "accepts duplicates"
	}
	return "refuses taken slots"
}

func (c cell) contention() string {
	if c.crowd {
		return "24 on 8"
	}
	return "8 on 60"
}

func lag(d time.Duration, none, some string) string {
	if d == 0 {
		return none
	}
	return fmt.Sprintf("%s %d s", some, int(d.Seconds()))
}

// seed is different for each cell.
func (c cell) seed(run uint64) uint64 { return newDice(run, hash(c.String())).next() }

// severalProcesses reports whether more than one process books for the same order.
func (c cell) severalProcesses() bool {
	switch c.behaviour {
	case rerun, forgetful, machines, walking, reusing, apart, sharing:
		return true
	default:
		return false
	}
}

// excuse says why a zero isn't asserted in this cell; "" means that it is. Only the two
// behaviours that break the documented rules are excused, and with a journal none is.
func (c cell) excuse(zero column) string {
	switch {
	case c.journal, c.behaviour != forgetful && c.behaviour != machines:
		return ""
	case zero == deniedOwned:
		return "the error is about this process's request; the other process's was carried out"
	case zero != doubles && zero != takenOwned:
		return ""
	case c.jumps:
		return "one read shows that the slot is gone, a later one is too old to show whose it is, " +
			"and the patient books another"
	case !c.duplicates:
		return ""
	case c.behaviour == machines:
		return "two machines share nothing but the API, and it accepts both"
	case c.late > 0 || c.stale > 0:
		return "nothing is left that could tell of the first request, no read shows it yet, and the API accepts both"
	default:
		return ""
	}
}
