package peers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/closurehealth/closure-go/internal/commandline"
)

// A budget is what a client of ours would ask before a retry; each is built as its project
// describes it, with its defaults.
type budget interface {
	begin()                  // a call
	retry(timeout bool) bool // whether there may be one
	again()                  // the retry is over
	ended(ok, retried bool)  // an attempt
	end()                    // the call
}

var budgets = []struct {
	name string
	new  func() budget
}{
	{"none: three attempts", func() budget { return unlimited{} }},
	{"Envoy", func() budget { return new(envoy) }},
	{"Finagle", func() budget { return &finagle{begun: time.Now()} }},
	{"gRPC", func() budget { return &grpc{tokens: 10} }},
	{"AWS", func() budget { return &awsBudget{tokens: 500} }},
}

type unlimited struct{}

func (unlimited) begin()          {}
func (unlimited) retry(bool) bool { return true }
func (unlimited) again()          {}
func (unlimited) ended(_, _ bool) {}
func (unlimited) end()            {}

// envoy: retry_budget with budget_percent 20 and min_retry_concurrency 3: so many of the
// active requests may be retries, which wait or are under way.
type envoy struct{ active, retries int }

func (b *envoy) begin() { b.active++ }
func (b *envoy) end()   { b.active-- }
func (b *envoy) retry(bool) bool {
	if float64(b.retries) >= max(3, 0.2*float64(b.active)) {
		return false
	}
	b.retries++
	return true
}
func (b *envoy) again()          { b.retries-- }
func (b *envoy) ended(_, _ bool) {}

// finagle: RetryBudget with a ttl of 10 s, 10 retries a second at least and 20 % of the
// requests. Deposits expire.
type finagle struct {
	begun    time.Time
	deposits []time.Time
	spent    []time.Time
}

func (b *finagle) begin() { b.deposits = append(b.deposits, time.Now()) }
func (b *finagle) retry(bool) bool {
	b.deposits, b.spent = recent(b.deposits), recent(b.spent)
	if float64(len(b.spent))+1 > 0.2*float64(len(b.deposits))+100 {
		return false
	}
	b.spent = append(b.spent, time.Now())
	return true
}
func (b *finagle) again()          {}
func (b *finagle) ended(_, _ bool) {}
func (b *finagle) end()            {}

func recent(times []time.Time) []time.Time {
	for len(times) > 0 && time.Since(times[0]) > 10*time.Second {
		times = times[1:]
	}
	return times
}

// grpc: retryThrottling with maxTokens 10 and tokenRatio 0.1. A failure takes one, a success
// brings the ratio back, and half of them must be left.
type grpc struct{ tokens float64 }

func (b *grpc) begin()          {}
func (b *grpc) retry(bool) bool { return b.tokens > 5 }
func (b *grpc) again()          {}
func (b *grpc) end()            {}
func (b *grpc) ended(ok, _ bool) {
	if ok {
		b.tokens = min(b.tokens+0.1, 10)
	} else {
		b.tokens = max(b.tokens-1, 0)
	}
}

// awsBudget: aws/ratelimit's token bucket of 500: a retry takes 5, after a timeout 10, a retry
// that succeeds brings them back, and any other success 1.
type awsBudget struct{ tokens int }

func (b *awsBudget) begin() {}
func (b *awsBudget) retry(timeout bool) bool {
	cost := 5
	if timeout {
		cost = 10
	}
	if b.tokens < cost {
		return false
	}
	b.tokens -= cost
	return true
}
func (b *awsBudget) again() {}
func (b *awsBudget) end()   {}
func (b *awsBudget) ended(ok, retried bool) {
	switch {
	case ok && retried:
		b.tokens = min(b.tokens+5, 500)
	case ok:
		b.tokens = min(b.tokens+1, 500)
	}
}

// simulated is the loop of closure-go, three attempts with its waits, around a budget.
func simulated(b budget) func(*testing.T, *world) func() error {
	return func(_ *testing.T, w *world) func() error {
		w.answer = answers("{}")
		var mu sync.Mutex
		locked := func(f func()) {
			mu.Lock()
			defer mu.Unlock()
			f()
		}
		return func() (err error) {
			locked(b.begin)
			defer locked(b.end)
			for attempt := range 3 {
				if attempt > 0 {
					paid := false
					locked(func() { paid = b.retry(false) })
					if !paid {
						return err
					}
					time.Sleep(rand.N(100 * time.Millisecond << (attempt - 1)))
				}
				err = read(w)
				locked(func() {
					b.ended(err == nil, attempt > 0)
					if attempt > 0 {
						b.again()
					}
				})
				if err == nil {
					return nil
				}
			}
			return err
		}
	}
}

func read(w *world) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://api.test/", nil)
	if err != nil {
		return err
	}
	resp, err := w.RoundTrip(req)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return errors.Join(syscall.EAGAIN, resp.Body.Close())
	}
	return resp.Body.Close()
}

// The budgets in the same loop: failed calls of a blip, and requests a call of an outage in
// which connections are lost.
func TestBudgets(t *testing.T) {
	progress := commandline.NewProgress(os.Stderr, "budgets", len(budgets)+1)
	defer progress.Clear()
	table := [][]string{{"", "blip of 64: failed", "blip of 1,000: failed"}}
	for _, s := range outages {
		table[0] = append(table[0], s.name)
	}
	run := func(name string, client func() func(*testing.T, *world) func() error) {
		row := []string{name}
		for _, s := range blips {
			row = append(row, fmt.Sprint(suffer(t, s, client()).failed))
		}
		for _, s := range outages {
			row = append(row, fmt.Sprintf("%.3f", suffer(t, s, client()).perCall()))
		}
		table = append(table, row)
		progress.Step()
	}
	for _, b := range budgets {
		run(b.name, func() func(*testing.T, *world) func() error { return simulated(b.new()) })
	}
	run("closure-go", func() func(*testing.T, *world) func() error { return newClosure })
	progress.Clear()
	print(t, "Budgets", table)
}
