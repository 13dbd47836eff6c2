package kill

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/internal/commandline"
	"github.com/closurehealth/closure-go/internal/tables"
)

// variable chooses the form, as in internal/simulation.
const variable = "CLOSURE_SIMULATION"

const (
	readsLag  = 200 * time.Millisecond
	seed      = 20220401
	roundRuns = 100 // the runs in one clinic
	atOnce    = 12  // of them
)

// A clinic is an API that accepts duplicates and whose reads lag, and a journal that all
// processes share. Both are in the test's process, which isn't killed.
type clinic struct {
	program  string
	server   *closuretest.Server
	handler  http.Handler
	journal  *closuretest.Journal
	first    time.Time
	requests atomic.Int64

	mu    sync.Mutex
	rows  map[event]*row
	found []string // what is wrong
}

func newClinic(program string, runs int) *clinic {
	c := &clinic{
		program: program,
		server:  closuretest.New(closuretest.AllowDuplicates(), closuretest.StaleReads(readsLag), closuretest.WithClock(time.Now), closuretest.KeepRequests(0)),
		journal: closuretest.NewJournal(),
		first:   time.Now().Add(240 * time.Hour).Truncate(time.Hour).UTC(),
		rows:    map[event]*row{},
	}
	c.handler = c.server.Handler()
	c.server.AddSchedule(closure.Schedule{ID: schedule, SchedulingMethod: closure.SchedulingDirectAPI})
	for n := range runs + 10 {
		c.server.AddSlots(schedule, closure.Slot{StartAt: c.slot(n), Duration: minutes})
	}
	for n := range runs {
		c.server.AddPatient(closure.Patient{ID: patientID(n)})
	}
	return c
}

func (c *clinic) slot(n int) time.Time { return c.first.Add(time.Duration(n) * minutes * time.Minute) }

func patientID(n int) closure.PatientID { return closure.PatientID(fmt.Sprintf("pt_killed%d", n)) }

// A row counts the results of the runs in which a process was killed at one event.
type row struct {
	runs, killed, appointments, pending, doubles, lies int
	endings                                            map[ending]int // of the processes that weren't killed
}

func (c *clinic) row(at event) *row {
	if c.rows[at] == nil {
		c.rows[at] = &row{endings: map[ending]int{}}
	}
	return c.rows[at]
}

// A run is one order of one patient, and the event at which its first process is killed.
type run struct {
	patient closure.PatientID
	at      event
	said    []told
}

// TestKill kills processes at every event of a booking, while another process books for the
// same order, and starts them again. However they end, the order has at most one appointment,
// nobody was told anything wrong, and in the end the journal and the ledger hold the same.
func TestKill(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	noError(t, err)
	runs := 20
	if full() {
		runs = 500
	}
	var shown *commandline.Progress
	if full() {
		shown = commandline.NewTestProgress(t, "processes", runs)
	}
	sum := map[event]*row{}
	for done := 0; done < runs; done += roundRuns {
		c := newClinic(program, min(roundRuns, runs-done))
		c.live(t, done, min(roundRuns, runs-done), shown)
		for _, wrong := range c.found {
			t.Error(wrong)
		}
		merge(sum, c.rows)
	}
	publish(t, "kills", sum)
}

func full() bool { return os.Getenv(variable) == "full" }

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// live makes all runs of the clinic, and audits them.
func (c *clinic) live(t *testing.T, offset, runs int, shown *commandline.Progress) {
	all := make([]*run, runs)
	places := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for n := range all {
		all[n] = &run{patient: patientID(n), at: events[(offset+n)%len(events)]}
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			defer shown.Step()
			c.run(t, all[n], n, rand.New(rand.NewPCG(seed, uint64(offset+n))))
		})
	}
	group.Wait()
	pending := c.pending()
	time.Sleep(lostAfter + readsLag)
	resolved := c.resolve(t)
	for _, r := range all {
		c.audit(r, slices.Contains(pending, r.patient), resolved)
	}
}

// run starts two processes for one order. The first one is killed and started again.
func (c *clinic) run(t *testing.T, r *run, n int, dice *rand.Rand) {
	does := task{Patient: r.patient, Does: booksSlot, Start: c.slot(n), Key: fmt.Sprintf("order %d", n)}
	switch dice.IntN(3) {
	case 0:
		does.Does, does.Start = booksFirst, c.slot(0)
	case 1:
		does.Key = ""
	}
	first := c.start(t, does, r.at, time.Duration(dice.IntN(50))*time.Millisecond)
	first.lost.Store(dice.IntN(2) == 0)
	if dice.IntN(2) == 0 {
		<-first.exited
	}
	second := c.start(t, does, never, 0)
	r.said = append(first.wait(t), second.wait(t)...)
	if !first.killed.Load() {
		c.count(r.at, false)
		return
	}
	c.count(r.at, true)
	r.said = append(r.said, c.start(t, does, never, 0).wait(t)...)
}

func (c *clinic) count(at event, killed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.row(at).runs++
	if killed {
		c.row(at).killed++
	}
}

func (c *clinic) pending() (of []closure.PatientID) {
	for _, entry := range c.journal.Entries() {
		if entry.State == closure.JournalPending {
			of = append(of, entry.Attempt.PatientID)
		}
	}
	return of
}

// resolve runs the program that resolves what is pending. It is killed, and run again.
func (c *clinic) resolve(t *testing.T) (said []told) {
	for _, at := range []event{beforeFinish, finished, never, never} {
		if len(c.pending()) > 0 {
			said = append(said, c.start(t, task{Does: resolves}, at, 0).wait(t)...)
		}
	}
	return said
}

// audit compares the journal, and what was told about an order, with the ledger.
func (c *clinic) audit(r *run, pending bool, resolved []told) {
	var has []closure.AppointmentID
	for _, a := range c.server.Appointments() {
		if a.PatientID == r.patient {
			has = append(has, a.ID)
		}
	}
	row := c.row(r.at)
	row.appointments += len(has)
	if pending {
		row.pending++
	}
	if len(has) > 1 {
		row.doubles++
		c.wrong(r, "%d appointments for one order", len(has))
	}
	for _, said := range r.said {
		row.endings[said.Ending]++
		c.auditTold(r, said, has)
	}
	for _, said := range resolved {
		if said.Patient == r.patient {
			c.auditTold(r, said, has)
		}
	}
	var holds []closure.AppointmentID
	for _, entry := range c.journal.Entries() {
		if entry.Attempt.PatientID == r.patient {
			holds = append(holds, entry.Appointment) // empty while it is pending
		}
	}
	if !slices.Equal(has, holds) {
		c.wrong(r, "the journal holds %q, the ledger %q", holds, has)
	}
}

func (c *clinic) auditTold(r *run, said told, has []closure.AppointmentID) {
	lie := false
	switch said.Ending {
	case booked:
		lie = !slices.Contains(has, said.Appointment)
	case taken, notBooked:
		lie = len(has) > 0
	}
	if lie {
		c.row(r.at).lies++
		c.wrong(r, "told %q %s, the ledger holds %q", said.Ending, said.Appointment, has)
	}
}

func (c *clinic) wrong(r *run, format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf("%s, killed %s: ", r.patient, r.at)+fmt.Sprintf(format, args...))
}

func merge(sum, rows map[event]*row) {
	for at, from := range rows {
		if sum[at] == nil {
			sum[at] = &row{endings: map[ending]int{}}
		}
		to := sum[at]
		to.runs += from.runs
		to.killed += from.killed
		to.appointments += from.appointments
		to.pending += from.pending
		to.doubles += from.doubles
		to.lies += from.lies
		for e, n := range from.endings {
			to.endings[e] += n
		}
	}
}

func publish(t *testing.T, name string, rows map[event]*row) {
	t.Helper()
	var b strings.Builder
	b.WriteString("| killed | runs | of them killed in time | told booked | told unknown | told not sent | left pending | appointments | two for one order | told what isn't so |\n" +
		"|" + strings.Repeat(" --- |", 10) + "\n")
	for _, at := range events {
		if r := rows[at]; r != nil {
			fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d | **%d** | **%d** |\n", at, r.runs, r.killed,
				r.endings[booked], r.endings[unknown], r.endings[notSent], r.pending, r.appointments, r.doubles, r.lies)
		}
	}
	tables.Publish(t, name, b.String())
}
