package closure_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
)

type atkCallKey struct{}

type atkCall struct {
	name    string
	process int
	began   time.Time
	sent    []time.Time // when writes reached the API
	carried int         // own creates or changes carried out (2xx by the API)
	ended   time.Time
	result  string
}

// An atkWorld is one run of the fuzzer.
type atkWorld struct {
	*atkAPI
	rnd     *rand.Rand
	rmu     sync.Mutex
	T       time.Duration
	H, L, G time.Duration
	pFault  float64
	calls   []*atkCall
	log     []string
	creates map[string]*atkCall // appointment → call
	bad     []string
}

func (w *atkWorld) chance(p float64) bool {
	w.rmu.Lock()
	defer w.rmu.Unlock()
	return w.rnd.Float64() < p
}
func (w *atkWorld) upTo(d time.Duration) time.Duration {
	w.rmu.Lock()
	defer w.rmu.Unlock()
	if d <= 0 {
		return 0
	}
	return time.Duration(w.rnd.Int64N(int64(d)))
}
func (w *atkWorld) pick(n int) int { w.rmu.Lock(); defer w.rmu.Unlock(); return w.rnd.IntN(n) }

// RoundTrip carries the request out by the dice.
func (w *atkWorld) RoundTrip(req *http.Request) (*http.Response, error) {
	op := atkOp(req)
	write := req.Method != http.MethodGet
	call, _ := req.Context().Value(atkCallKey{}).(*atkCall)
	before := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		n := 0
		for _, a := range w.appts {
			n += len(a.states)
		}
		return n
	}
	_ = before
	if write && call != nil {
		w.mu.Lock()
		call.sent = append(call.sent, time.Now())
		w.mu.Unlock()
	}
	return w.atkAPI.RoundTrip(req.WithContext(context.WithValue(req.Context(), atkOpKey{}, op)))
}

type atkOpKey struct{}

func (w *atkWorld) dice(op string, req *http.Request) atkFault {
	write := req.Method != http.MethodGet
	f := atkFault{}
	if !write {
		if w.chance(0.3) {
			f.answerWait = w.upTo(4 * time.Second)
		}
		if w.chance(w.pFault) {
			switch w.pick(4) {
			case 0:
				f.drop, f.answer = true, 503
			case 1:
				f.lost = true
			case 2:
				f.drop = true
			case 3:
				f.drop, f.answer, f.body = true, 429, atkTaken
			}
		}
		return f
	}
	if w.chance(0.3) {
		f.hold = w.upTo(w.H)
	}
	if w.chance(0.3) {
		f.answerWait = w.upTo(2 * w.T)
	}
	if w.chance(3 * w.pFault) {
		switch w.pick(8) {
		case 0: // an honest refusal
			f.drop, f.answer, f.body = true, []int{400, 401, 403, 422}[w.pick(4)], atkTaken
		case 1:
			f.drop, f.answer, f.body = true, 429, atkTaken
			f.header = http.Header{"Retry-After": {strconv.Itoa(w.pick(3))}}
		case 2:
			f.drop, f.answer = true, 429
		case 3:
			f.lost = true
		case 4:
			f.drop, f.answer = true, 502
		case 5:
			f.answer = 502
		case 6:
			f.late, f.lost = w.upTo(w.L)+1, true
		case 7:
			f.drop = true
		}
	}
	return f
}

func (w *atkWorld) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
}

func (w *atkWorld) fail(format string, args ...any) {
	w.note("VIOLATION "+format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad = append(w.bad, fmt.Sprintf(format, args...))
}

// atkProcess is a client with a journal that dies with it.
func (w *atkWorld) process(t testing.TB, n int, shared *atkJournal, opts ...closure.Option) (*closure.Client, func()) {
	dead := false
	var mu sync.Mutex
	j := &atkDying{shared, func(method string, after bool) error {
		mu.Lock()
		defer mu.Unlock()
		if dead {
			return errors.New("dead")
		}
		if method != "release" && w.chance(w.pFault) { // a Release that fails is a documented limit
			return errors.New("journal")
		}
		return nil
	}}
	opts = append(opts, closure.WithTimeout(w.T), closure.WithJournal(j))
	if w.chance(0.4) {
		opts = append(opts, closure.WithRateLimit(1/(0.2+w.T.Seconds()*0.9*float64(w.pick(3))), 1+w.pick(3)))
	}
	return atkClient(t, w, opts...), func() { mu.Lock(); dead = true; mu.Unlock() }
}

type atkDying struct {
	*atkJournal
	strikes func(method string, after bool) error
}

func (j *atkDying) Begin(ctx context.Context, a closure.BookingAttempt) (*closure.JournalEntry, error) {
	if err := j.strikes("begin", false); err != nil {
		return nil, err
	}
	e, err := j.atkJournal.Begin(ctx, a)
	if err := j.strikes("begin", true); err != nil {
		return nil, err
	}
	return e, err
}
func (j *atkDying) Find(ctx context.Context, a closure.BookingAttempt) (*closure.JournalEntry, error) {
	if err := j.strikes("find", false); err != nil {
		return nil, err
	}
	return j.atkJournal.Find(ctx, a)
}
func (j *atkDying) FindAppointment(ctx context.Context, a closure.AppointmentID) (*closure.JournalEntry, error) {
	if err := j.strikes("find appointment", false); err != nil {
		return nil, err
	}
	return j.atkJournal.FindAppointment(ctx, a)
}
func (j *atkDying) Finish(ctx context.Context, e closure.JournalEntry) error {
	if err := j.strikes("finish", false); err != nil {
		return err
	}
	err := j.atkJournal.Finish(ctx, e)
	return errors.Join(err, j.strikes("finish", true))
}
func (j *atkDying) Release(ctx context.Context, a closure.AppointmentID) error {
	if err := j.strikes("release", false); err != nil {
		return err
	}
	return j.atkJournal.Release(ctx, a)
}

func atkRun(t *testing.T, seed uint64) (bad []string, log []string) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		w := &atkWorld{rnd: rnd}
		w.T = []time.Duration{2 * time.Second, 5 * time.Second, 30 * time.Second}[w.pick(3)]
		w.H = []time.Duration{0, w.T, 30 * time.Second}[w.pick(3)]
		w.L = []time.Duration{0, time.Minute}[w.pick(2)]
		w.G = []time.Duration{0, 3 * time.Second, 20 * time.Second, time.Minute}[w.pick(4)]
		w.pFault = []float64{0, 0.02, 0.1, 0.2}[w.pick(4)]
		lagMode := w.pick(3)
		w.atkAPI = &atkAPI{slots: atkSlots(4), duplicates: w.chance(0.6), cancelTwiceConflicts: false}
		w.atkAPI.fault = w.dice
		w.atkAPI.lag = func(op string) time.Duration {
			if op == "create" || op == "cancel" || op == "move" {
				return 0
			}
			switch lagMode {
			case 0:
				return w.G
			case 1:
				return w.upTo(w.G)
			default:
				if op == "list" {
					return w.G
				}
				return 0
			}
		}
		alaValue := 2*w.T + w.H + w.L + w.G + time.Millisecond
		shared := &atkJournal{}
		order := w.pick(3) // slot, first, both
		keyed := order > 0 || w.chance(0.7)
		key := ""
		if keyed {
			key = "order"
		}
		w.note("T %v H %v L %v G %v fault %v dup %v order %d ala %v lagMode %d", w.T, w.H, w.L, w.G, w.pFault, w.duplicates, order, alaValue, lagMode)
		var group sync.WaitGroup
		type told struct {
			call *atkCall
			err  error
			b    *closure.Booking
		}
		var tmu sync.Mutex
		var all []told
		for p := range 1 + w.pick(3) {
			c, kill := w.process(t, p, shared)
			gap := w.upTo(10 * time.Second)
			n := 1 + w.pick(4)
			first := order == 1 || order == 2 && w.chance(0.5)
			ala := w.chance(0.5)
			dies := w.chance(0.2)
			clicks := 1 + w.pick(2)
			group.Go(func() {
				time.Sleep(gap)
				for i := range n {
					var both sync.WaitGroup
					for k := range clicks {
						call := &atkCall{name: fmt.Sprintf("p%d.%d.%d", p, i, k), process: p, began: time.Now()}
						ctx := context.WithValue(context.Background(), atkCallKey{}, call)
						cancel := func() {}
						if w.chance(0.6) {
							ctx, cancel = context.WithTimeout(ctx, w.upTo(3*w.T))
						}
						var opts []closure.CallOption
						if ala {
							opts = append(opts, closure.AssumeLostAfter(alaValue))
						}
						both.Go(func() {
							defer cancel()
							var b *closure.Booking
							var err error
							if first {
								b, err = c.BookFirstAvailable(ctx, closure.BookFirstParams{
									PatientID: atkPatient, IdempotencyKey: key, InsuranceCheck: closure.SkipInsuranceCheck,
									Search: closure.SlotSearch{Schedules: []closure.ScheduleID{atkSchedule}, From: atkStart(0), To: atkStart(5)},
								}, opts...)
							} else {
								params := atkParams(key)
								if w.chance(0.5) {
									params.Duration = 0
								}
								b, err = c.BookSlot(ctx, params, opts...)
							}
							id := ""
							if b != nil {
								id = string(b.Appointment.ID) + " at " + b.Appointment.StartAt.Format("15")
							}
							w.note("%s first=%t began %s: %s %v: %v", call.name, first, call.began.Format("04:05.000"), id, closure.OutcomeOf(err), err)
							tmu.Lock()
							all = append(all, told{call, err, b})
							tmu.Unlock()
							call.ended = time.Now()
							if b != nil {
								found := false
								w.mu.Lock()
								for _, a := range w.appts {
									found = found || a.id == string(b.Appointment.ID)
								}
								w.mu.Unlock()
								if !found {
									w.fail("%s confirmed but absent", call.name)
								}
							}
						})
						if k == 0 && clicks > 1 {
							time.Sleep(w.upTo(w.T))
						}
					}
					both.Wait()
					if dies && i == n/2 {
						kill()
						w.note("p%d dies", p)
					}
					time.Sleep(w.upTo(20 * time.Second))
				}
			})
			if dies && w.chance(0.5) {
				at := w.upTo(10 * time.Second)
				group.Go(func() { time.Sleep(gap + at); kill(); w.note("p%d dies", p) })
			}
		}
		resolver, _ := w.process(t, 99, shared)
		stop := make(chan struct{})
		var resolving sync.WaitGroup
		resolving.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(7 * time.Second):
				}
				for r, err := range resolver.ResolvePending(context.Background(), closure.AssumeLostAfter(alaValue)) {
					if err != nil {
						continue
					}
					w.note("resolved %v booking %v: %v", r.Attempt.StartAt.Format("15"), r.Booking, r.Err)
					if r.Booking == nil && errors.Is(r.Err, closure.ErrNotBooked) {
						tmu.Lock()
						all = append(all, told{&atkCall{name: "resolved " + r.Attempt.ID}, r.Err, nil})
						tmu.Unlock()
					}
				}
			}
		})
		group.Wait()
		time.Sleep(alaValue + 5*time.Minute)
		close(stop)
		resolving.Wait()
		time.Sleep(5 * time.Minute)
		if n := w.standing("pt_1", time.Time{}); n > 1 && (keyed || true) {
			w.fail("%d appointments for one order", n)
		}
		// A definite no of a call of which a write was carried out.
		own := map[string]int{}
		w.mu.Lock()
		for _, a := range w.appts {
			_ = a
		}
		w.mu.Unlock()
		_ = own
		for _, x := range all {
			o := closure.OutcomeOf(x.err)
			if x.err != nil && o != closure.OutcomeUnknown {
				for _, at := range w.carriedBy(x.call) {
					w.fail("%s told %v, and its write was carried out at %s", x.call.name, x.err, at.Format("04:05.000"))
				}
			}
			if errors.Is(x.err, closure.ErrSlotUnavailable) && x.call.sent == nil {
				if w.ownedDuring(x.call, key) {
					w.fail("%s told taken while owning", x.call.name)
				}
			}
		}
		bad, log = w.bad, w.log
	})
	return bad, log
}

func (w *atkWorld) carriedBy(c *atkCall) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.carried[c]
}

func (w *atkWorld) ownedDuring(c *atkCall, _ string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.appts {
		if a.states[0].at.Before(c.began) && a.states[0].start.Equal(atkStart(0)) {
			return true
		}
	}
	return false
}

func TestFuzzAttack(t *testing.T) {
	runs := 300
	if s := os.Getenv("ATTACK_RUNS"); s != "" {
		runs, _ = strconv.Atoi(s)
	}
	from := uint64(0)
	if s := os.Getenv("ATTACK_SEED"); s != "" {
		from, _ = strconv.ParseUint(s, 10, 64)
	}
	failed := 0
	for i := range runs {
		bad, log := atkRun(t, from+uint64(i))
		if len(bad) > 0 {
			failed++
			t.Errorf("seed %d: %v", from+uint64(i), bad)
			if failed <= 3 || runs == 1 {
				for _, l := range log {
					t.Log(l)
				}
			}
			if failed > 20 {
				return
			}
		}
	}
}
