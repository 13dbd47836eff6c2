package outside

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	closure "github.com/closurehealth/closure-go"
)

// If it is full, the simulation makes this many runs of each mix, otherwise few.
const (
	simulationVariable = "CLOSURE_SIMULATION"
	fullRuns, fewRuns  = 300, 4
)

// A mix is what a run has besides bookings.
type mix struct {
	name                                         string
	moves, cancels, keys, walks, crashes, freeze bool
}

// In each mix, there are one patient and three processes, which share the API and the journal
// and make calls at random times. The API fails in every way that its contract allows.
var mixes = []mix{
	{name: "bookings"},
	{name: "keys and walks", keys: true, walks: true},
	{name: "keys, walks and processes that die", keys: true, walks: true, crashes: true},
	{name: "keys, walks and processes that stand still", keys: true, walks: true, freeze: true},
	{name: "cancellations", cancels: true, keys: true, walks: true},
	{name: "moves", moves: true, keys: true, walks: true},
	{name: "moves, cancellations and processes that die", moves: true, cancels: true, keys: true, crashes: true},
}

func TestSimulationFindsNothingUntrue(t *testing.T) {
	t.Parallel()
	runs := fewRuns
	if os.Getenv(simulationVariable) == "full" {
		runs = fullRuns
	}
	for number, m := range mixes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for seed := range runs {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(m, rand.New(rand.NewPCG(uint64(seed), uint64(number))))
					w.run()
					if len(w.wrong) > 0 {
						t.Errorf("seed %d: %s\n%s", seed, strings.Join(w.wrong, "\n"), strings.Join(w.log, "\n"))
					}
				})
				if t.Failed() {
					return
				}
			}
		})
	}
}

// A process has a journal and a transport that fail when it has crashed.
type process struct {
	dead atomic.Bool
	ctx  context.Context
	kill func()
	c    *closure.Client
}

var errDead = errors.New("dead")

func (p *process) RoundTrip(r *http.Request, a *railway) (*http.Response, error) {
	if p.dead.Load() {
		return nil, errDead
	}
	resp, err := a.RoundTrip(r)
	if p.dead.Load() {
		return nil, errDead
	}
	return resp, err
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type processJournal struct {
	*memory
	p *process
}

func (d processJournal) gate() error {
	if d.p.dead.Load() {
		<-d.p.ctx.Done()
		return errDead
	}
	return nil
}

func (d processJournal) Begin(ctx context.Context, a closure.BookingAttempt) (*closure.JournalEntry, error) {
	if err := d.gate(); err != nil {
		return nil, err
	}
	e, err := d.memory.Begin(ctx, a)
	return e, errors.Join(err, d.gate())
}

func (d processJournal) Find(ctx context.Context, a closure.BookingAttempt) (*closure.JournalEntry, error) {
	if err := d.gate(); err != nil {
		return nil, err
	}
	return d.memory.Find(ctx, a)
}

func (d processJournal) Finish(ctx context.Context, e closure.JournalEntry) error {
	if err := d.gate(); err != nil {
		return err
	}
	return d.memory.Finish(ctx, e)
}

func (d processJournal) Release(ctx context.Context, id closure.AppointmentID) error {
	if err := d.gate(); err != nil {
		return err
	}
	return d.memory.Release(ctx, id)
}

type eventKey struct{}

func (w *world) newProcess() *process {
	p := &process{}
	p.ctx, p.kill = context.WithCancel(context.Background())
	trip := transport(func(r *http.Request) (*http.Response, error) { return p.RoundTrip(r, w.a) })
	c, err := closure.NewClient("ch_sk_test_x", closure.WithHTTPClient(&http.Client{Transport: trip}),
		closure.WithJournal(processJournal{w.j, p}),
		closure.WithBookingObserver(func(ctx context.Context, e closure.BookingEvent) {
			if told, ok := ctx.Value(eventKey{}).(*closure.BookingEvent); ok {
				*told = e
			}
		}))
	if err != nil {
		panic(err)
	}
	p.c = c
	return p
}

type world struct {
	mix
	a         *railway
	j         *memory
	jump      bool // some reads lag more than others
	calm      atomic.Bool
	processes []*process
	busy      sync.Map // the appointments that are being changed; one change at a time

	mu         sync.Mutex
	r          *rand.Rand
	log, wrong []string
}

func newWorld(m mix, r *rand.Rand) *world {
	w := &world{mix: m, a: newAPI(), j: newJournal(), r: r}
	w.a.overbooks = w.chance(2)
	w.a.showsTaken = w.a.overbooks && w.chance(2)
	w.a.lag = []time.Duration{0, 0, 20 * time.Second, time.Minute}[w.random(4)]
	w.jump = w.a.lag > 0 && w.chance(3)
	w.a.hook = w.apiFault
	w.j.hook = w.journalFault
	for range 3 {
		w.processes = append(w.processes, w.newProcess())
	}
	return w
}

func (w *world) random(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.r.IntN(n)
}

func (w *world) chance(oneIn int) bool { return w.random(oneIn) == 0 }

func (w *world) upTo(d time.Duration) time.Duration {
	return time.Duration(w.random(int(d/time.Millisecond))) * time.Millisecond
}

func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (w *world) fail(format string, args ...any) {
	w.say("!!! "+format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

func (w *world) apiFault(op string, _ int) *fault {
	if w.calm.Load() {
		return nil
	}
	f := &fault{delayBefore: w.upTo(40 * time.Millisecond), delayAfter: w.upTo(40 * time.Millisecond)}
	if w.chance(8) {
		f.delayAfter = w.upTo(4 * time.Second)
	}
	if op == "create" || op == "move" || op == "cancel" {
		return w.writeFault(f)
	}
	switch x := w.random(100); {
	case x < 8:
		f.drop = true
	case x < 14:
		f.status = http.StatusServiceUnavailable
	case x < 16:
		f.delayAfter = 31 * time.Second
	}
	if w.jump && w.chance(3) {
		f.stale = time.Minute
	}
	return f
}

func (w *world) writeFault(f *fault) *fault {
	switch x := w.random(100); {
	case x < 6:
		f.drop, f.after = true, true
	case x < 9:
		f.drop = true
	case x < 13:
		return &fault{commitLate: w.upTo(time.Minute)}
	case x < 16:
		f.status = http.StatusServiceUnavailable
	case x < 19:
		f.status, f.after = http.StatusBadGateway, true
	case x < 22:
		f.status, f.body = []int{400, 403, 409, 404}[w.random(4)], `{"error_type":"x"}`
	case x < 26:
		f.status, f.header = 429, map[string]string{"Retry-After": strconv.Itoa(w.random(5))}
	case x < 30 && w.a.lag == 0:
		f.status, f.after = []int{400, 403, 409, 404, 429}[w.random(5)], true
	case x < 32:
		f.status, f.after, f.body = http.StatusOK, true, `{"id":"appt_x"`
	}
	if w.freeze && w.chance(60) {
		f.delayAfter = 28 * time.Second
	}
	return f
}

func (w *world) journalFault(method string, _ int, act func()) (error, bool) {
	time.Sleep(w.upTo(20 * time.Millisecond))
	if !w.freeze || method != "begin" || w.calm.Load() || !w.chance(25) {
		return nil, false
	}
	act()
	time.Sleep(time.Second + w.upTo(25*time.Minute))
	return nil, true
}

func (w *world) run() {
	var g sync.WaitGroup
	done := make(chan struct{})
	go w.watch(done)
	for range 25 {
		i := w.random(len(w.processes))
		p := w.processes[i]
		g.Go(func() { w.operate(p) })
		if w.crashes && w.chance(8) {
			after := w.upTo(300 * time.Millisecond)
			w.processes[i] = w.newProcess()
			g.Go(func() { time.Sleep(after); w.say("crash"); p.dead.Store(true); p.kill() })
		}
		time.Sleep(w.upTo([]time.Duration{200 * time.Millisecond, 30 * time.Second, 5 * time.Minute}[w.random(3)]))
	}
	g.Wait()
	w.calm.Store(true)
	time.Sleep(time.Hour)
	close(done)
	w.judgeTheEnd()
	for _, p := range w.processes {
		p.kill()
	}
	time.Sleep(2 * time.Hour)
}
