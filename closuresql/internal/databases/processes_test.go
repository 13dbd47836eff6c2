package databases

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuresql"
	"github.com/closurehealth/closure-go/closuretest"
)

// ordersVariable says how many orders the two processes have; the default is fewOrders.
const ordersVariable = "CLOSURE_TEST_ORDERS"

const fewOrders = 120

// lag is how old what the API shows is.
const lag = 300 * time.Millisecond

// newAPI accepts a slot twice, shows what was, and loses answers.
func newAPI(t *testing.T, orders int) *closuretest.Server {
	t.Helper()
	api := closuretest.New(closuretest.ReportTo(t), closuretest.WithClock(time.Now), closuretest.AllowDuplicates(),
		closuretest.StaleReads(lag), closuretest.KeepRequests(0))
	for n := range orders {
		if n%slotsEach == 0 {
			id := order(n).schedule()
			api.AddSchedule(closure.Schedule{ID: id, SchedulingMethod: closure.SchedulingDirectAPI})
			for i := range 2 * slotsEach {
				api.AddSlots(id, closure.Slot{StartAt: slot(orderDay, i), Duration: 30})
			}
		}
		api.AddPatient(closure.Patient{ID: order(n).patient(), FirstName: "Test", LastName: "Patient"})
	}
	api.Inject(
		closuretest.DropAfter("appointments.create").Probability(0.04),
		closuretest.DropBefore("appointments.create").Probability(0.04),
		closuretest.CommitLate("appointments.create", 2*time.Second).Probability(0.04),
	)
	return api
}

// A pair is two processes that book the same orders, and what they report.
type pair struct {
	t    *testing.T
	task task
	done sync.WaitGroup

	mu      sync.Mutex
	booked  map[int]map[string]bool // the appointments that were reported for an order
	unknown int
	running [2]*exec.Cmd
}

// start starts one of the two; if it is killed, again.
func (p *pair) start(which int) {
	p.done.Go(func() {
		for run := uint64(0); ; run++ {
			err := p.run(which, run)
			if err == nil {
				return
			}
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Exited() { // not killed
				p.t.Errorf("a process ended: %v", err)
				return
			}
		}
	})
}

// run is one life of a process: the error is that it was killed.
func (p *pair) run(which int, life uint64) error {
	t := p.task
	t.Seed = life*2 + uint64(which)
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.running[which] = cmd
	p.mu.Unlock()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		p.report(lines.Text())
	}
	p.mu.Lock()
	p.running[which] = nil
	p.mu.Unlock()
	return cmd.Wait()
}

func (p *pair) report(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	words := strings.Fields(line)
	switch {
	case len(words) == 3 && words[0] == "booked":
		n, _ := strconv.Atoi(words[1])
		if p.booked[n] == nil {
			p.booked[n] = map[string]bool{}
		}
		p.booked[n][words[2]] = true
	case len(words) == 2 && words[0] == "unknown":
		p.unknown++
	default:
		p.t.Errorf("a process reports: %s", line)
	}
}

// kill kills one of the two, as if by kill -9, and reports whether it ran.
func (p *pair) kill(which int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := p.running[which]
	return cmd != nil && cmd.Process.Kill() == nil
}

func (p *pair) reported() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.booked)
}

func orders(t testing.TB) int {
	t.Helper()
	text := os.Getenv(ordersVariable)
	if text == "" {
		return fewOrders
	}
	n, err := strconv.Atoi(text)
	noError(t, err)
	return n
}

func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		d := sqliteDatabase(t)
		d.open(t)
		twoProcesses(t, d, task{Dialect: d.dialect, Driver: "sqlite", DSN: d.dsn}, nil)
	})
	t.Run("PostgreSQL that restarts", func(t *testing.T) {
		t.Parallel()
		server := ownPostgres(t)
		d := database{dialect: closuresql.PostgreSQL, dsn: server.dsn(), table: "closure_journal"}
		d.connect = connectPostgres(&d)
		d.open(t)
		twoProcesses(t, d, task{Dialect: d.dialect, Driver: "pgx", DSN: d.dsn}, func() {
			noError(t, server.control("restart", "--mode", "immediate"))
		})
	})
}

// twoProcesses has two processes book each order. One of them is killed again and again,
// and the database is restarted in the middle.
func twoProcesses(t *testing.T, d database, task task, restart func()) {
	t.Helper()
	task.Orders, task.AtOnce = orders(t), 12
	api := newAPI(t, task.Orders)
	task.API = api.Start()
	p := &pair{t: t, task: task, booked: map[int]map[string]bool{}}
	p.start(0)
	p.start(1)
	killed := p.trouble(task.Orders, restart)
	p.done.Wait()

	journal := d.open(t)
	client, err := closure.NewClient(closure.QuickstartKey,
		closure.WithBaseURL(task.API), closure.WithJournal(journal), closure.WithTimeout(attemptTimeout))
	noError(t, err)
	time.Sleep(2*attemptTimeout + lag)
	api.ClearFaults()
	found, lost := resolve(t, client)
	p.last()
	audit(t, api, p, task.Orders)
	if left, err := allPending(journal); len(left) > 0 || err != nil {
		t.Errorf("%d entries are pending still: %v", len(left), err)
	}
	wantWhole(t, d)
	t.Logf("%d orders, %d kills, %d unknown; ResolvePending found %d booked and %d lost",
		task.Orders, killed, p.unknown, found, lost)
	if killed == 0 {
		t.Error("nothing was killed: the test shows nothing")
	}
}

// trouble kills at random moments until both are done or nearly so.
func (p *pair) trouble(orders int, restart func()) (killed int) {
	for most := 4 + orders/40; killed < most; {
		time.Sleep(time.Duration(50+rand.IntN(200)) * time.Millisecond)
		if restart != nil && p.reported() > orders/3 {
			restart()
			restart = nil
		}
		if p.reported() >= orders*9/10 {
			break
		}
		if p.kill(rand.IntN(2)) {
			killed++
		}
	}
	for ; restart != nil; restart = nil {
		restart()
	}
	return killed
}

// resolve settles what is pending, also what was never sent.
func resolve(t *testing.T, client *closure.Client) (found, lost int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for r, err := range client.ResolvePending(ctx, closure.AssumeLostAfter(2*attemptTimeout)) {
		switch {
		case err != nil:
			t.Errorf("ResolvePending: %v", err)
		case r.Booking != nil:
			found++
		default:
			lost++
		}
	}
	return found, lost
}

// last books all orders once more, in a process that nobody kills.
func (p *pair) last() {
	p.task.Retry = true
	if err := p.run(0, 1000); err != nil {
		p.t.Errorf("the last process: %v", err)
	}
}

// audit demands one appointment for each order, and that all processes were told of it.
func audit(t *testing.T, api *closuretest.Server, p *pair, orders int) {
	t.Helper()
	of := map[closure.PatientID][]string{}
	for _, a := range api.Appointments() {
		of[a.PatientID] = append(of[a.PatientID], string(a.ID))
	}
	for n := range orders {
		ids, told := of[order(n).patient()], p.booked[n]
		if len(ids) != 1 {
			t.Errorf("order %d: %d appointments, want 1", n, len(ids))
			continue
		}
		if len(told) != 1 || !told[ids[0]] {
			t.Errorf("order %d: the processes were told of %d appointments, want the one there is", n, len(told))
		}
	}
	if extra := len(api.Appointments()) - orders; extra != 0 {
		t.Errorf("%d appointments more than orders", extra)
	}
}
