package adversary

import (
	"bytes"
	"cmp"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go/internal/commandline"
	"github.com/closurehealth/closure-go/internal/tables"
	"github.com/closurehealth/closure-go/internal/testmain"
)

// variable chooses the form, as in internal/simulation: empty is the short form, full the long
// one.
const variable = "CLOSURE_SIMULATION"

const runSeed = 20220401

func full() bool { return os.Getenv(variable) == "full" }

// TestMain has the SDK's own pool trust the servers' certificate.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "adversary")
	if err != nil {
		log.Fatal(err)
	}
	file := filepath.Join(dir, "authority.pem")
	if err := makeAuthority(file); err != nil {
		log.Fatal(err)
	}
	_ = os.Setenv("SSL_CERT_FILE", file) // fails only for invalid names
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// TestAdversary makes the calls of all worlds, and audits the ledgers.
func TestAdversary(t *testing.T) {
	began := time.Now()
	r := &report{cells: map[cell]*tally{}}
	if full() {
		r.shown = commandline.NewTestProgress(t, "servers", len(worlds(true))+len(worlds(false)))
	}
	// One kind of client at a time, because net/http's log lines don't say whose they are.
	for _, own := range []bool{true, false} {
		logged := captureLog(t)
		r.run(t, worlds(own))
		text := logged.String()
		if own {
			text = aboutFrames.ReplaceAllString(text, "")
		}
		if text != "" && own {
			t.Errorf("ZERO VIOLATED: lines in the standard logger: %d times, first: %s",
				strings.Count(text, "\n"), strings.SplitN(text, "\n", 2)[0])
		} else if text != "" {
			t.Logf("net/http logged %d lines for a caller's transport, which the SDK can't prevent", strings.Count(text, "\n"))
		}
	}
	noLeaks(t)
	r.judge(t)
	sum := r.sum(func(cell) bool { return true })
	few := sum.counts[calls] / 50
	if !full() {
		few /= 4 // on a busy machine most calls run into their timeouts
	}
	for _, ending := range []column{confirmed, rejected, notSent, unknown} {
		if sum.counts[ending] < few {
			t.Errorf("%d of %d are %s: too few to show anything", sum.counts[ending], sum.counts[calls], ending)
		}
	}
	t.Logf("%d calls, %d requests in %s, seed %d", sum.counts[calls], sum.counts[requests],
		time.Since(began).Round(time.Millisecond), runSeed)
	publish(t, "adversary", r.table())
}

// worlds returns all worlds with one kind of client. For each protocol and family, the short
// form has one server, the long form all four.
func worlds(own bool) []*world {
	var worlds []*world
	for i, p := range protocols {
		for j, f := range families() {
			for server := range 4 {
				if p.own != own || !f.fits(p) || !full() && server != (i+j)%4 {
					continue
				}
				worlds = append(worlds, &world{
					protocol:   p,
					family:     f,
					duplicates: server&1 != 0,
					late:       server&2 != 0,
					seed:       runSeed + uint64(i<<16+j<<8+server),
				})
			}
		}
	}
	return worlds
}

// A report is the result of all worlds.
type report struct {
	mu    sync.Mutex
	cells map[cell]*tally
	shown *commandline.Progress
}

// durations are the timeouts of a run. They are short, so that a silent server doesn't take
// long. The grace is long, because a busy machine makes calls late, and a call that hangs never
// returns.
func durations() timing {
	if full() || testmain.RaceDetector {
		return timing{attempt: 300 * time.Millisecond, call: 2 * time.Second, grace: 3 * time.Second}
	}
	return timing{attempt: 250 * time.Millisecond, call: time.Second, grace: 3 * time.Second}
}

// size is how many calls there are in a world, and how many of all worlds run at once.
func size() (calls, goroutines int) {
	switch {
	case full():
		return 80, 200
	case testmain.RaceDetector:
		return 4, 24
	default:
		return 16, 100
	}
}

func (r *report) run(t *testing.T, worlds []*world) {
	number, goroutines := size()
	gate := make(chan struct{}, goroutines)
	machine := newStallMeter()
	defer close(machine.stop)
	var group sync.WaitGroup
	for _, w := range worlds {
		machine.keepUp()
		group.Go(func() {
			if err := w.run(number, durations(), machine, gate); err != nil {
				t.Error(err)
				return
			}
			r.add(t, w)
			r.shown.Step()
		})
	}
	group.Wait()
}

func (r *report) add(t *testing.T, w *world) {
	if w.visitors > 0 {
		t.Errorf("ZERO VIOLATED: redirects followed: %d times, first: %s", w.visitors, w.family.name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for op, tally := range w.audit(durations()) {
		c := cell{w.protocol.name, w.behaviour(), w.family.name, op}
		if r.cells[c] == nil {
			r.cells[c] = newTally()
		}
		r.cells[c].merge(tally)
	}
}

// judge asserts the zeros of all cells.
func (r *report) judge(t *testing.T) {
	byName := func(a, b cell) int { return cmp.Compare(a.String(), b.String()) }
	for _, c := range slices.SortedFunc(maps.Keys(r.cells), byName) {
		tally := r.cells[c]
		for _, zero := range zeros {
			if n := tally.counts[zero]; n > 0 && c.excuse(zero) == "" {
				t.Errorf("%s\n\tZERO VIOLATED: %s: %d times, first: %s", c, zero, n, tally.firsts[zero])
			}
		}
	}
}

func (r *report) sum(of func(cell) bool) *tally {
	sum := newTally()
	for c, tally := range r.cells {
		if of(c) {
			sum.merge(tally)
		}
	}
	return sum
}

// excused counts what is excused.
func (r *report) excused(of func(cell) bool) *tally {
	sum := newTally()
	for c, tally := range r.cells {
		for _, zero := range zeros {
			if of(c) && c.excuse(zero) != "" {
				sum.counts[zero] += tally.counts[zero]
			}
		}
	}
	return sum
}

// table has one row for each family, protocol, server and call, and one for all.
func (r *report) table() string {
	var b strings.Builder
	line := func(name string, of func(cell) bool) {
		if sum := r.sum(of); sum.counts[calls] > 0 {
			b.WriteString(row(name, sum, r.excused(of)))
		}
	}
	b.WriteString(header("faults, protocol, server, call"))
	for _, f := range families() {
		line(f.name, func(c cell) bool { return c.family == f.name })
	}
	for _, p := range protocols {
		line("*"+p.name+"*", func(c cell) bool { return c.protocol == p.name })
	}
	for server := range 4 {
		name := (&world{duplicates: server&1 != 0, late: server&2 != 0}).behaviour()
		line("*"+name+"*", func(c cell) bool { return c.server == name })
	}
	for op := range callKinds {
		line("*"+op.String()+"*", func(c cell) bool { return c.op == op })
	}
	line("**all**", func(cell) bool { return true })
	b.WriteString("\n" + r.excuses())
	return b.String()
}

// excuses names the cells that are excused, and why.
func (r *report) excuses() string {
	var lines []string
	seen := map[string]bool{}
	for _, f := range families() {
		for op := range callKinds {
			for _, zero := range zeros {
				of := func(c cell) bool { return c.family == f.name && c.op == op }
				why := cell{family: f.name, op: op}.excuse(zero)
				line := fmt.Sprintf("† %s, %s, %s: %d, because %s.\n", f.name, op, zero, r.sum(of).counts[zero], why)
				if why != "" && r.sum(of).counts[zero] > 0 && !seen[line] {
					lines = append(lines, line)
				}
			}
		}
	}
	return strings.Join(lines, "\n")
}

// publish logs a table and, if asked to, writes it into the documents.
func publish(t *testing.T, name, text string) {
	t.Helper()
	if full() {
		tables.Publish(t, name, text)
		return
	}
	t.Logf("%s:\n%s", name, text)
}

// aboutFrames matches what net/http prints about HTTP/2 frames that it didn't expect: fixed
// texts, without anything from the frame.
var aboutFrames = regexp.MustCompile(`(?m)^\S+ \S+ (http2: Transport received unsolicited|protocol error: received|Transport: unhandled response frame type) .*\n`)

func captureLog(t *testing.T) *locked {
	l := new(locked)
	log.SetOutput(l)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	return l
}

type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// noLeaks waits for all goroutines of the SDK and of net/http to end.
func noLeaks(t *testing.T) {
	var left []string
	for range 100 {
		left = left[:0]
		buffer := make([]byte, 16<<20)
		for _, stack := range strings.Split(string(buffer[:runtime.Stack(buffer, true)]), "\n\n") {
			if strings.Contains(stack, "net/http") || strings.Contains(stack, "closure-go.") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("ZERO VIOLATED: goroutines left: %d times, first: %s", len(left), left[0])
}
