package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go/internal/testmain"
)

// The connections of all calls in flight are lost once, on real sockets; no call fails.
// Not parallel: on a busy machine, retries are written to the connection that is lost, before
// net/http has seen it, and use up the budget.
func TestBlip(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2", "the caller's HTTP/1.1"} {
		for _, calls := range []int{64, 1000} {
			if protocol == "the caller's HTTP/1.1" && calls > 64 && os.Getenv("CLOSURE_GATEWAYS") == "" {
				continue // 2,000 handshakes
			}
			t.Run(fmt.Sprintf("%d over %s", calls, protocol), func(t *testing.T) {
				atOnce := map[string]int{"HTTP/1.1": maxConns, "HTTP/2": calls, "the caller's HTTP/1.1": calls}[protocol]
				s := blips(t, min(calls, atOnce))
				s.EnableHTTP2 = protocol == "HTTP/2"
				s.startTLS()
				tr := s.client(t)
				if protocol == "the caller's HTTP/1.1" {
					tr = New(Config{Policy: byDefault, Base: s.Client().Transport})
				}
				tr.policy = byDefault
				tr.budget = newBudget(byDefault.Budget)
				failed, attempts := callAll(t, tr, s.URL, calls)
				t.Logf("%d of %d calls failed, %d attempts", failed, calls, attempts)
				if attempts <= calls || failed != 0 {
					t.Error("want every call to lose its connection, and none to fail")
				}
			})
		}
	}
}

var byDefault = Policy{MinWait: 100 * time.Millisecond, MaxWait: 10 * time.Second, MaxRetryAfter: time.Minute, Budget: 100}

// blips is a server that closes all its connections once, when it has so many requests at
// once.
func blips(t *testing.T, requests int) *loopback {
	var once sync.Once
	var s *loopback
	var conns sync.Map
	cut := func() {
		// Collected first: a busy machine takes seconds, and Range would find the retries' connections.
		var all []*tls.Conn
		conns.Range(func(conn, _ any) bool {
			all = append(all, conn.(*tls.Conn))
			return true
		})
		for _, conn := range all {
			_ = conn.NetConn().Close() // without TLS's close_notify
		}
	}
	dropped := make(chan struct{})
	s = newLoopback(t, func(w http.ResponseWriter, r *http.Request, n int64) {
		if n >= int64(requests) {
			once.Do(func() {
				cut()
				close(dropped)
			})
		}
		select {
		case <-dropped:
		case <-r.Context().Done(): // on a busy machine, attempts time out before all are there
			return
		}
		if n <= int64(requests) {
			<-r.Context().Done() // its connection is lost
			return
		}
		ok(w)
	})
	count := s.Config.ConnState
	s.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		if count(conn, state); state == http.StateNew {
			conns.Store(conn, nil)
		}
	}
	s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: requests}
	return s
}

// callAll makes the calls concurrently.
func callAll(t *testing.T, tr *Transport, url string, calls int) (failed, attempts int) {
	var lost, sent atomic.Int64
	var all sync.WaitGroup
	for range calls {
		all.Go(func() {
			call := get(url)
			call.Timeout = 20 * time.Second
			answer, err := tr.Do(t.Context(), call)
			sent.Add(int64(answer.Attempts))
			if err != nil {
				lost.Add(1)
			}
		})
	}
	all.Wait()
	return int(lost.Load()), int(sent.Load())
}

// An outage of 30 s in steady traffic: there are at most 1.1 requests a call, and the first
// call of each caller after the outage succeeds.
func TestOutage(t *testing.T) {
	t.Parallel()
	for kind, down := range map[string]roundTrip{
		"connections lost": failsWith(io.EOF),
		"refused":          notConnected,
		"502":              responds(502, ""),
		"503":              responds(503, ""),
	} {
		for _, tt := range []struct {
			name    string
			callers int
			answer  time.Duration // how long the server takes to respond
			pause   time.Duration // between two calls
		}{
			{"a call a second", 1, 10 * time.Millisecond, 990 * time.Millisecond},
			{"1 in flight", 1, 100 * time.Millisecond, 0},
			{"64 in flight", 64, 100 * time.Millisecond, 0},
			{"1000 in flight", 1000, time.Second, 0},
		} {
			if tt.callers == 1000 && (kind != "503" || testmain.RaceDetector) {
				continue // takes longest, and differs least
			}
			t.Run(kind+", "+tt.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					o := runCallers(tt.callers, tt.answer, tt.pause, down)
					t.Logf("%d calls, %d requests: %.3f a call", o.calls, o.requests, float64(o.requests)/float64(o.calls))
					if o.requests*10 > o.calls*11 || o.failedAfter != 0 {
						t.Errorf("%+v", o)
					}
				})
			})
		}
	}
}

type outageOutcome struct {
	calls, requests int // that began in the outage
	failedAfter     int // calls that began after it
}

// A gateway that loses its connections to the API answers 502, once, to all requests in
// flight.
func TestBlipBehindAGateway(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]int{502: 0, 503: 64 - 10} {
		synctest.Test(t, func(t *testing.T) {
			const calls = 64
			begin := time.Now()
			tr := New(Config{Policy: byDefault, Base: roundTrip(func(*http.Request) (*http.Response, error) {
				if time.Since(begin) > 0 {
					return response(200, "{}"), nil
				}
				return response(code, ""), nil
			})})
			var failed atomic.Int64
			var all sync.WaitGroup
			for range calls {
				all.Go(func() {
					if answer, err := tr.Do(t.Context(), get(api)); err != nil || answer.StatusCode != 200 {
						failed.Add(1)
					}
				})
			}
			all.Wait()
			if got := int(failed.Load()); got != want {
				t.Errorf("%d: %d of %d failed, want %d", code, got, calls, want)
			}
		})
	}
}

// runCallers runs callers for 45 s, each of which calls again after its last call has ended; the
// API is down from 10 s to 40 s.
func runCallers(callers int, answer, pause time.Duration, down roundTrip) outageOutcome {
	begin := time.Now()
	inOutage := func() bool { d := time.Since(begin); return d >= 10*time.Second && d < 40*time.Second }
	var calls, requests, failedAfter atomic.Int64
	tr := New(Config{Policy: byDefault, Base: roundTrip(func(r *http.Request) (*http.Response, error) {
		isDown := inOutage()
		time.Sleep(answer)
		if isDown {
			requests.Add(1)
			return down(r)
		}
		return response(200, "{}"), nil
	})})
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for time.Since(begin) < 45*time.Second {
				began := time.Since(begin)
				if inOutage() {
					calls.Add(1)
				}
				if _, err := tr.Do(context.Background(), get(api)); err != nil && began >= 40*time.Second {
					failedAfter.Add(1)
				}
				time.Sleep(pause)
			}
		})
	}
	all.Wait()
	return outageOutcome{int(calls.Load()), int(requests.Load()), int(failedAfter.Load())}
}
