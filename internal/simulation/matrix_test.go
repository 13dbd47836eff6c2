package simulation

import (
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go/internal/commandline"
	"github.com/closurehealth/closure-go/internal/testmain"
)

// variable chooses how much to simulate: empty is the short form; full, mutants and load are
// the long forms.
const variable = "CLOSURE_SIMULATION"

// fullAttempts and fullJournalAttempts are how many attempts the full form makes in each cell
// without and with a journal: a million in all.
const (
	fullAttempts        = 2100
	fullJournalAttempts = 1200
)

// All seeds come from runSeed.
const runSeed = 20220401

// size chooses a number by the form.
func size(short, race, long int) int {
	switch {
	case full():
		return long
	case testmain.RaceDetector:
		return race
	default:
		return short
	}
}

func full() bool { return os.Getenv(variable) == "full" }

// progress shows on a terminal how far a long form is.
func progress(t *testing.T, what string, total int) *commandline.Progress {
	switch os.Getenv(variable) {
	case "", mutantRun:
		return nil
	default:
		return commandline.NewTestProgress(t, what, total)
	}
}

// TestMatrix runs every cell and asserts its zeros.
func TestMatrix(t *testing.T) {
	control, journal := newMatrix(cells()), newMatrix(journalCells())
	t.Run("control", control.run)
	t.Run("journal", journal.run)
	if !full() {
		return
	}
	if control.whole() {
		publish(t, "summary", control.summary())
		publish(t, "cells", control.table())
	}
	if journal.whole() {
		publish(t, "journal-summary", journal.summary())
		publish(t, "journal-cells", journal.table())
	}
	if control.whole() && journal.whole() {
		publish(t, "zeros", sideBySide(control, journal))
		publish(t, "behaviours", byBehaviour(control, journal))
	}
}

// whole reports whether all cells have run, because -run may have left some out.
func (m *matrix) whole() bool { return len(m.tallies) == len(m.cells) }

// run runs all cells, some in parallel.
func (m *matrix) run(t *testing.T) {
	began := time.Now()
	shown := progress(t, "cells", len(m.cells))
	t.Run("cells", func(t *testing.T) {
		for i, c := range m.cells {
			if i%every() != 0 {
				continue
			}
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				defer shown.Step()
				m.put(c, runCell(t, c, c.attempts()))
			})
		}
	})
	t.Logf("%d of %d cells, %d attempts in %s, seed %d",
		len(m.tallies), len(m.cells), m.total().counts[attempts], time.Since(began).Round(time.Millisecond), runSeed)
}

// every says that one of so many cells runs. The long forms, and the mutants, run all. The
// others are primes that divide no dimension's size, so that each value of each has its turn.
func every() int {
	switch {
	case os.Getenv(variable) != "":
		return 1
	case testmain.RaceDetector:
		return 11
	default:
		return 5
	}
}

// attempts is how many attempts a cell makes at least.
func (c cell) attempts() int {
	switch {
	case full() && c.journal:
		return fullJournalAttempts
	case full():
		return fullAttempts
	case testmain.RaceDetector:
		return 1
	case c.journal:
		return 8
	case os.Getenv(variable) == mutantRun:
		return c.attemptsToCatch()
	case c.late == 0 && c.stale == 0:
		return 50 // where the most zeros are asserted
	default:
		return 10
	}
}

// attemptsToCatch is how many attempts a cell makes to catch a mutant.
func (c cell) attemptsToCatch() int {
	switch {
	case c.late == 0 && c.stale == 0:
		return 150
	case c.behaviour == machines && !c.duplicates:
		return 100
	default:
		return 20
	}
}

// runCell runs clinics until there were enough attempts, and asserts the zeros.
func runCell(t *testing.T, c cell, least int) *tally {
	sum := new(tally)
	for n := uint64(0); sum.counts[attempts] < least; n++ {
		sum.merge(&run(t, c, newDice(c.seed(runSeed), n).next()).tally)
	}
	for _, zero := range zeros {
		if n := sum.counts[zero]; n > 0 && c.excuse(zero) == "" {
			t.Errorf("ZERO VIOLATED: %s: %d times, first: %s", zero, n, sum.firsts[zero])
		}
	}
	return sum
}

// A matrix holds the tallies of all cells.
type matrix struct {
	cells   []cell
	mu      sync.Mutex
	tallies map[cell]*tally
}

func newMatrix(cells []cell) *matrix { return &matrix{cells: cells, tallies: map[cell]*tally{}} }

func (m *matrix) put(c cell, t *tally) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tallies[c] = t
}

func (m *matrix) total() *tally { return m.sum(func(cell) bool { return true }) }

func (m *matrix) sum(of func(cell) bool) *tally {
	sum := new(tally)
	for _, c := range m.cells {
		if t := m.tallies[c]; t != nil && of(c) {
			sum.merge(t)
		}
	}
	return sum
}

// digest is a hash of everything that happened to all patients.
func (c *clinic) digest() string {
	h := fnv.New64a()
	for _, p := range c.patients {
		log := slices.Clone(p.log)
		slices.Sort(log)
		fmt.Fprintln(h, p.number, strings.Join(log, "\n"))
	}
	for _, w := range c.writes {
		fmt.Fprintln(h, w.id, w.create, w.slot.start, w.committed)
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// The same seed gives the same run, to the nanosecond.
func TestRepeats(t *testing.T) {
	t.Parallel()
	every := size(23, 101, 1)
	for i, c := range append(cells(), journalCells()...) {
		if i%every != 0 {
			continue
		}
		seed := c.seed(uint64(i))
		if first, again := run(t, c, seed).digest(), run(t, c, seed).digest(); first != again {
			t.Errorf("cell %q, seed %#x: %s, then %s", c, seed, first, again)
		}
	}
}
