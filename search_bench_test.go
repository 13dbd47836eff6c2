package closure_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
)

const (
	answerTime  = 80 * time.Millisecond
	slotsPerDay = 8
)

// A clinic answers in 80 ms: eight slots a day on every schedule. It builds an
// answer from texts made before, to cost as little as it can beside the SDK.
type clinic struct {
	from         time.Time
	days         []string // each day's slots, as JSON
	ignoresRange bool
	sleep        func(time.Duration)
	called       func(n int64) // before the answer to call n, from 1; may be nil
	calls        atomic.Int64
}

func newClinic(days int) *clinic {
	c := &clinic{from: utc(2026, time.March, 2, 0, 0), sleep: time.Sleep}
	for day := range days {
		var slots []closure.Slot
		for i := range slotsPerDay {
			slots = append(slots, closure.Slot{
				StartAt: c.from.AddDate(0, 0, day).Add(time.Duration(14+i) * time.Hour), Duration: 30,
			})
		}
		c.days = append(c.days, strings.Trim(slotsJSON(slots), "[]"))
	}
	return c
}

func (c *clinic) search(schedules []closure.ScheduleID, concurrency int) closure.SlotSearch {
	return closure.SlotSearch{
		Schedules: schedules, From: c.from, To: c.from.AddDate(0, 0, len(c.days)), Concurrency: concurrency,
	}
}

func (c *clinic) answer(query url.Values) string {
	first, end := 0, len(c.days)
	if !c.ignoresRange {
		first = int(instantOf(query, "start_at").Sub(c.from).Hours() / 24)
		end = int(instantOf(query, "end_at").Sub(c.from).Hours() / 24)
	}
	n := c.calls.Add(1)
	if c.called != nil {
		c.called(n)
	}
	c.sleep(answerTime)
	return "[" + strings.Join(c.days[first:end], ",") + "]"
}

// RoundTrip answers within the process.
func (c *clinic) RoundTrip(req *http.Request) (*http.Response, error) {
	return newResponse(200, c.answer(req.URL.Query())), nil
}

// ServeHTTP answers from a socket.
func (c *clinic) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_, _ = w.Write([]byte(c.answer(req.URL.Query()))) // a client that has gone away
}

// A timing is what a whole search took.
type timing struct {
	first, all time.Duration
	slots      int
}

func timed(t testing.TB, c *closure.Client, search closure.SlotSearch) (took timing) {
	t.Helper()
	began := time.Now()
	for _, err := range c.Availabilities.Search(t.Context(), search) {
		noError(t, err)
		if took.slots == 0 {
			took.first = time.Since(began)
		}
		took.slots++
	}
	took.all = time.Since(began)
	return took
}

// report compares with what no client can beat: calls ÷ concurrency × 80 ms.
func report(b *testing.B, clinic *clinic, took timing, unit string, concurrency int) {
	b.Helper()
	calls := clinic.calls.Load()
	limit := time.Duration(calls) * answerTime / time.Duration(concurrency)
	b.ReportMetric(float64(calls), "calls")
	b.ReportMetric(took.all.Seconds(), unit)
	b.ReportMetric(took.first.Seconds(), "first-"+unit)
	b.ReportMetric(took.all.Seconds()/limit.Seconds(), "of-limit")
}

// virtually runs fn in a synctest bubble, which wants a *testing.T: there, 80 ms
// cost nothing, and the clock shows what the waiting alone would take.
func virtually(b *testing.B, fn func(t *testing.T)) {
	b.Helper()
	all := func(_, _ string) (bool, error) { return true, nil }
	test := testing.InternalTest{Name: b.Name(), F: func(t *testing.T) { synctest.Test(t, fn) }}
	if !testing.RunTests(all, []testing.InternalTest{test}) {
		b.Fatal("the search failed")
	}
}

var concurrencies = []int{8, 32, 128, 512}

// BenchmarkSearch looks at all slots of 2,000 schedules over 60 days. Its
// virtual-s is the wall time if the machine were infinitely fast; ns/op is what
// the machine itself takes.
//
//	go test -run '^$' -bench 'BenchmarkSearch$' -benchtime 1x .
func BenchmarkSearch(b *testing.B) {
	ids := schedules(2000)
	for _, concurrency := range concurrencies {
		b.Run(fmt.Sprintf("concurrency=%d", concurrency), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				clinic := newClinic(60)
				var took timing
				virtually(b, func(t *testing.T) {
					took = timed(t, newClient(t, clinic), clinic.search(ids, concurrency))
				})
				equal(b, "slots", took.slots, len(ids)*60*slotsPerDay)
				report(b, clinic, took, "virtual-s", concurrency)
			}
		})
	}
}

// BenchmarkSearchLoopback is a tenth of it over real sockets in real time.
//
//	go test -run '^$' -bench SearchLoopback -benchtime 1x .
func BenchmarkSearchLoopback(b *testing.B) {
	ids := schedules(200)
	for _, concurrency := range concurrencies[:3] {
		b.Run(fmt.Sprintf("concurrency=%d", concurrency), func(b *testing.B) {
			clinic := newClinic(60)
			listener := httptest.NewServer(clinic)
			defer listener.Close()
			c, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(listener.URL))
			noError(b, err)
			for b.Loop() {
				clinic.calls.Store(0)
				took := timed(b, c, clinic.search(ids, concurrency))
				equal(b, "slots", took.slots, len(ids)*60*slotsPerDay)
				report(b, clinic, took, "s", concurrency)
			}
		})
	}
}

// BenchmarkSearchMemory measures what is alive when a window is nearly fetched:
// that is when a search holds most. It must not grow with the range, also if
// the server ignores it.
//
//	go test -run '^$' -bench SearchMemory -benchtime 1x .
func BenchmarkSearchMemory(b *testing.B) {
	ids := schedules(200)
	for _, tt := range []struct {
		ignored bool
		days    int
	}{{false, 60}, {false, 600}, {true, 60}, {true, 240}} {
		b.Run(fmt.Sprintf("ignored=%t/days=%d", tt.ignored, tt.days), func(b *testing.B) {
			for b.Loop() {
				clinic := newClinic(tt.days)
				clinic.ignoresRange, clinic.sleep = tt.ignored, func(time.Duration) {}
				before, peak := liveBytes(), uint64(0)
				clinic.called = func(n int64) {
					if n%int64(len(ids)) == 0 { // the last schedule of a window
						peak = max(peak, liveBytes())
					}
				}
				took := timed(b, newClient(b, clinic), clinic.search(ids, 8))
				equal(b, "slots", took.slots, len(ids)*tt.days*slotsPerDay)
				b.ReportMetric(float64(peak-before)/(1<<20), "peak-live-MB")
			}
		})
	}
}

func liveBytes() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
