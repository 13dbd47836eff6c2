package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// loadVariable says how long the load lasts in the long forms.
const loadVariable = "CLOSURE_SIMULATION_LOAD"

const (
	loadWorkers   = 256
	loadSchedules = 256
	loadSlots     = 600 // on each schedule
)

// A faultyHandler breaks some of the connections. closuretest's own faults keep a record of
// requests, which would look like a leak.
type faultyHandler struct {
	next  http.Handler
	rate  atomic.Int64 // of a thousand requests
	conns atomic.Int64
	peak  atomic.Int64
	total atomic.Int64
	calls atomic.Int64
}

func (h *faultyHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.calls.Add(1)
	if rand.Int64N(1000) >= h.rate.Load() {
		h.next.ServeHTTP(w, r)
		return
	}
	switch rand.IntN(5) {
	case 0: // lost before it is carried out
	case 1: // carried out, then lost
		h.next.ServeHTTP(httptest.NewRecorder(), r)
	case 2: // carried out, then a gateway's 502
		h.next.ServeHTTP(httptest.NewRecorder(), r)
		w.WriteHeader(http.StatusBadGateway)
		return
	case 3: // carried out, then half a body
		whole := httptest.NewRecorder()
		h.next.ServeHTTP(whole, r)
		w.Header().Set("Content-Length", fmt.Sprint(whole.Body.Len()))
		_, _ = w.Write(whole.Body.Bytes()[:whole.Body.Len()/2]) // the client may have gone
		return
	case 4: // carried out after the client has stopped waiting
		h.next.ServeHTTP(httptest.NewRecorder(), r)
		select {
		case <-r.Context().Done():
		case <-time.After(2 * loadTimeout):
		}
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func (h *faultyHandler) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		h.total.Add(1)
		open := h.conns.Add(1)
		for peak := h.peak.Load(); open > peak && !h.peak.CompareAndSwap(peak, open); peak = h.peak.Load() {
		}
	case http.StateClosed, http.StateHijacked:
		h.conns.Add(-1)
	}
}

const loadTimeout = 500 * time.Millisecond

// A worker is one patient who makes calls all the time.
type worker struct {
	client  *closure.Client
	patient closure.PatientID
	has     map[closure.AppointmentID]slot
	unknown []closure.BookingAttempt
	blocked map[slot]bool
	changed map[closure.AppointmentID]bool // of unknown outcome
	counts  [columns]int
	calls   int
}

func (w *worker) run(until time.Time) {
	for time.Now().Before(until) {
		w.calls++
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(2+rand.IntN(3000))*time.Millisecond)
		switch n := rand.IntN(10); {
		case n < 4:
			w.read(ctx)
		case n < 7 || len(w.has) == 0:
			w.book(ctx)
		case n < 8:
			w.move(ctx)
		default:
			w.cancel(ctx)
		}
		cancel()
	}
}

func loadSlot(n int) time.Time {
	return time.Date(2022, time.June, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Hour)
}

func (w *worker) slot() slot {
	return slot{scheduleID(rand.IntN(loadSchedules)), loadSlot(rand.IntN(loadSlots))}
}

func (w *worker) read(ctx context.Context) {
	s := w.slot()
	_, _ = w.client.Availabilities.List(ctx, s.schedule,
		closure.AvailabilityListParams{From: s.start, To: s.start.Add(24 * time.Hour)}) // only for traffic
	_, _ = w.client.Patients.Get(ctx, w.patient)
}

func (w *worker) book(ctx context.Context) {
	s := w.slot()
	if w.blocked[s] {
		return
	}
	w.counts[attempts]++
	booking, err := w.client.BookSlot(ctx, closure.BookSlotParams{
		ScheduleID: s.schedule, PatientID: w.patient, StartAt: s.start, InsuranceCheck: closure.SkipInsuranceCheck,
	})
	w.counts[endingOf(err).column()]++
	if err == nil {
		w.has[booking.Appointment.ID] = s
	}
	if unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err); ok {
		w.unknown = append(w.unknown, unknown.Attempt)
		w.blocked[s] = true
	}
}

func (w *worker) any() (closure.AppointmentID, slot) {
	for id, s := range w.has {
		return id, s
	}
	return "", slot{}
}

func (w *worker) move(ctx context.Context) {
	id, from := w.any()
	to := slot{from.schedule, loadSlot(rand.IntN(loadSlots))}
	if w.blocked[to] || to == from {
		return
	}
	w.counts[moves]++
	_, err := w.client.RescheduleBooking(ctx, id, closure.AppointmentRescheduleParams{StartAt: to.start})
	if err == nil {
		w.has[id] = to
	}
	w.uncertain(id, err, from, to)
}

func (w *worker) cancel(ctx context.Context) {
	id, at := w.any()
	w.counts[moves]++
	_, err := w.client.CancelBooking(ctx, id)
	if err == nil {
		delete(w.has, id)
	}
	w.uncertain(id, err, at)
}

// uncertain keeps the worker from booking a slot on which it may still have an appointment,
// because a booking would find that one.
func (w *worker) uncertain(id closure.AppointmentID, err error, at ...slot) {
	if err == nil || closure.OutcomeOf(err) != closure.OutcomeUnknown {
		return
	}
	w.counts[movesUnknown]++
	w.changed[id] = true
	delete(w.has, id)
	for _, s := range at {
		w.blocked[s] = true
	}
}

// resolve resolves what is unknown, now that nothing fails anymore.
func (w *worker) resolve() {
	for _, attempt := range w.unknown {
		booking, err := w.client.ResolveBooking(context.Background(), attempt)
		switch {
		case err == nil && !w.changed[booking.Appointment.ID]:
			w.has[booking.Appointment.ID] = slot{attempt.ScheduleID, attempt.StartAt}
			w.counts[resolved]++
		case err != nil:
			w.counts[unknownAfter]++
		}
	}
}

// audit compares what the worker was told with the ledger.
func (w *worker) audit(ledger []closure.Appointment) (lost, extra int) {
	found := 0
	for _, a := range ledger {
		if a.Status == closure.AppointmentCancelled || w.changed[a.ID] {
			continue
		}
		if s, has := w.has[a.ID]; has && s.same(a) {
			found++
		} else {
			extra++
		}
	}
	return len(w.has) - found, extra
}

func loadDuration(t *testing.T) time.Duration {
	mode := os.Getenv(variable)
	if mode != "load" && mode != "full" {
		return time.Second
	}
	if text := os.Getenv(loadVariable); text != "" {
		d, err := time.ParseDuration(text)
		noError(t, err)
		return d
	}
	if mode == "full" {
		return 30 * time.Second
	}
	return 5 * time.Minute
}

// footprint is what the process uses when nothing runs.
type footprint struct {
	goroutines int
	heap       uint64
}

func measure() footprint {
	for range 3 {
		runtime.GC()
		time.Sleep(20 * time.Millisecond)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{runtime.NumGoroutine(), m.HeapAlloc}
}

// TestLoad makes mixed traffic with faults over real sockets. Nothing leaks, and nobody is
// told anything wrong.
func TestLoad(t *testing.T) {
	if os.Getenv(variable) == "mutants" {
		t.Skip("this form runs only mutants")
	}
	before := measure()
	l := newLoad(t)
	duration := loadDuration(t)
	stop := progress(t, "seconds of load", int(duration.Seconds())).StepEach(time.Second)
	l.run(duration)
	stop()
	lost, extra := l.audit()
	inUse := measure()
	l.server.Close()
	report := l.report(duration)
	workers := len(l.workers)
	*l = load{} // so that all of it can be freed, the ledger too
	after := measure()
	publish(t, "load", fmt.Sprintf("%s| goroutines before, after | %d, %d |\n"+
		"| heap before, with the ledger, after | %.1f MB, %.1f MB, %.1f MB |\n"+
		"| confirmed but not in the ledger | %d |\n| in the ledger but not told | %d |\n",
		report, before.goroutines, after.goroutines, megabytes(before), megabytes(inUse), megabytes(after), lost, extra))
	if lost > 0 || extra > 0 {
		t.Errorf("of %d workers' bookings %d are not in the ledger, and %d are in it that nobody was told of",
			workers, lost, extra)
	}
	if after.goroutines > before.goroutines+2 {
		t.Errorf("%d goroutines before, %d after", before.goroutines, after.goroutines)
	}
	if grown := int64(after.heap) - int64(before.heap); grown > 8<<20 {
		t.Errorf("%d bytes of heap more than before", grown)
	}
}

func megabytes(f footprint) float64 { return float64(f.heap) / 1e6 }

type load struct {
	api     *closuretest.Server
	handler *faultyHandler
	server  *httptest.Server
	client  *closure.Client
	workers []*worker
}

func newLoad(t *testing.T) *load {
	l := &load{api: closuretest.New(closuretest.KeepRequests(0))}
	for n := range loadSchedules {
		l.api.AddSchedule(closure.Schedule{ID: scheduleID(n), SchedulingMethod: closure.SchedulingDirectAPI})
		slots := make([]closure.Slot, loadSlots)
		for i := range slots {
			slots[i].StartAt = loadSlot(i)
		}
		l.api.AddSlots(scheduleID(n), slots...)
	}
	l.handler = &faultyHandler{next: l.api.Handler()}
	l.handler.rate.Store(50)
	l.server = httptest.NewUnstartedServer(l.handler)
	l.server.Config.ConnState = l.handler.count
	l.server.Start()
	var err error
	l.client, err = closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(l.server.URL),
		closure.WithTimeout(loadTimeout))
	noError(t, err)
	for n := range loadWorkers {
		l.api.AddPatient(closure.Patient{ID: patientID(n)})
		l.workers = append(l.workers, &worker{
			client: l.client, patient: patientID(n),
			has: map[closure.AppointmentID]slot{}, blocked: map[slot]bool{}, changed: map[closure.AppointmentID]bool{},
		})
	}
	return l
}

// run runs all workers, and then resolves what they don't know.
func (l *load) run(d time.Duration) {
	var group sync.WaitGroup
	until := time.Now().Add(d)
	for _, w := range l.workers {
		group.Go(func() { w.run(until) })
	}
	group.Wait()
	time.Sleep(3 * loadTimeout)
	l.handler.rate.Store(0)
	for _, w := range l.workers {
		group.Go(w.resolve)
	}
	group.Wait()
}

func (l *load) audit() (lost, extra int) {
	of := map[closure.PatientID][]closure.Appointment{}
	for _, a := range l.api.Appointments() {
		of[a.PatientID] = append(of[a.PatientID], a)
	}
	for _, w := range l.workers {
		missing, more := w.audit(of[w.patient])
		lost += missing
		extra += more
	}
	return lost, extra
}

func (l *load) report(d time.Duration) string {
	var counts [columns]int
	calls := 0
	for _, w := range l.workers {
		calls += w.calls
		for c, n := range w.counts {
			counts[c] += n
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| what | figure |\n| --- | --- |\n| goroutines, duration | %d, %s |\n| calls, requests | %s, %s |\n",
		loadWorkers, d, thousands(calls), thousands(int(l.handler.calls.Load())))
	for _, c := range []column{attempts, confirmed, taken, refused, notSent, unknownBefore, resolved, unknownAfter, moves,
		movesUnknown} {
		fmt.Fprintf(&b, "| %s | %s |\n", c, thousands(counts[c]))
	}
	fmt.Fprintf(&b, "| appointments in the ledger, cancelled ones too | %s |\n", thousands(len(l.api.Appointments())))
	fmt.Fprintf(&b, "| connections opened, most at once, open at the end | %s, %d, %d |\n",
		thousands(int(l.handler.total.Load())), l.handler.peak.Load(), l.handler.conns.Load())
	return b.String()
}
