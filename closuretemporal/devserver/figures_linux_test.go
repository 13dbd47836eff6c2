package devserver

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretemporal"
	"github.com/closurehealth/closure-go/closuretest"
)

// TestFigures measures what the README says. The API is in this process, over
// loopback; the Temporal server and the workers are processes of their own.
func TestFigures(t *testing.T) {
	if os.Getenv(formVariable) != "figures" {
		t.Skip("CLOSURE_TEMPORAL=figures runs it")
	}
	begin := time.Now()
	c := newClinic(t)
	c.cfg.Quiet = true
	c.policy.SendTimeout, c.policy.AssumeLostAfter = time.Minute, 0
	c.policy.GiveUpSending = 0 // the default: with a minute, those that queue for longer end unsent
	t.Logf("server: ready after %v, %d MiB", time.Since(begin).Round(time.Millisecond), c.server.memory())

	n := 0
	next := func() closure.BookSlotParams {
		n++
		return c.wanted(n)
	}
	api, err := closure.NewClient("ch_sk_test_temporal", closure.WithBaseURL(c.cfg.API))
	if err != nil {
		t.Fatal(err)
	}
	s := &story{t: t, c: c, ctx: t.Context()}
	worker := c.worker(t, "queue", nil)
	s.params = next()
	id := s.book() // the first one warms up
	_, tc := c.bookings(t, "queue")
	d, err := tc.DescribeWorkflowExecution(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	info := d.GetWorkflowExecutionInfo()
	t.Logf("history of a booking: %d events, %d bytes", info.GetHistoryLength(), info.GetHistorySizeBytes())

	bookings := s.bookings()
	through := medianOf100(func() {
		pending, err := bookings.Start(t.Context(), next())
		if err == nil {
			_, err = pending.Wait(t.Context())
		}
		if err != nil {
			t.Error(err)
		}
	})
	direct := medianOf100(func() {
		params := next()
		params.IdempotencyKey = ""
		if _, err := api.BookSlot(t.Context(), params); err != nil {
			t.Error(err)
		}
	})
	t.Logf("a booking: %v through Temporal, %v by BookSlot (medians of 100)", through, direct)

	workers := []*process{worker}
	c.atOnce(t, bookings, next, workers)
	second := c.worker(t, "queue", nil)
	second.says("ready")
	c.atOnce(t, bookings, next, append(workers, second))
	c.thousandUnsettled(t, next, worker)
}

func (c *clinic) atOnce(
	t *testing.T, bookings *closuretemporal.Bookings, next func() closure.BookSlotParams, workers []*process,
) {
	wanted := make([]closure.BookSlotParams, 500)
	for i := range wanted {
		wanted[i] = next()
	}
	usedBefore := cpuOf(workers)
	serverBefore := c.server.cpu()
	begin := time.Now()
	var group sync.WaitGroup
	for _, params := range wanted {
		group.Go(func() {
			pending, err := bookings.Start(t.Context(), params)
			if err == nil {
				_, err = pending.Wait(t.Context())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	n := time.Duration(len(wanted))
	t.Logf("%d at once through %d worker(s): %.0f a second; CPU of each: server %v, workers %v",
		n, len(workers), float64(n)/time.Since(begin).Seconds(),
		((c.server.cpu() - serverBefore) / n).Round(time.Millisecond),
		((cpuOf(workers) - usedBefore) / n).Round(time.Millisecond))
}

func cpuOf(workers []*process) (used time.Duration) {
	for _, w := range workers {
		used += w.cpu()
	}
	return used
}

func (c *clinic) thousandUnsettled(t *testing.T, next func() closure.BookSlotParams, worker *process) {
	c.Inject(closuretest.DropBefore("appointments.create").Times(0))
	c.policy.FirstLook, c.policy.MaxWait, c.policy.EscalateAfter = 0, 0, 0 // the defaults
	c.policy.SendTimeout = 5 * time.Second
	bookings, tc := c.bookings(t, "queue")
	before, _ := os.Stat(c.file)
	for range 1000 {
		if _, err := bookings.Start(t.Context(), next()); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(2 * time.Minute) // past the first looks
	busy := c.server.cpu() + worker.cpu()
	time.Sleep(time.Minute)
	busy = c.server.cpu() + worker.cpu() - busy
	after, _ := os.Stat(c.file)
	count, err := countOpen(t.Context(), tc)
	t.Logf("%d unsettled (%v): server %d MiB, a worker %d MiB, both %.1f s of CPU a minute, database %d KiB each",
		count, err, c.server.memory(), worker.memory(), busy.Seconds(), (after.Size()-before.Size())/1000/1024)
}

func medianOf100(act func()) time.Duration {
	took := make([]time.Duration, 100)
	for i := range took {
		begin := time.Now()
		act()
		took[i] = time.Since(begin)
	}
	slices.Sort(took)
	return took[len(took)/2].Round(100 * time.Microsecond)
}

// memory is what the process holds in RAM, in MiB.
func (p *process) memory() int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, _ := strconv.Atoi(strings.Fields(rest + " 0")[0])
	return kib / 1024
}

// cpu is what the process has used so far, at the kernel's usual 100 ticks a second.
func (p *process) cpu() time.Duration {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
