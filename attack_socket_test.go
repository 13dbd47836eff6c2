package closure_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// Real sockets: contexts end at every moment of a booking, a move and a cancellation.
func TestSocketAttack(t *testing.T) {
	runs := 300
	if s := os.Getenv("ATTACK_RUNS"); s != "" {
		runs, _ = strconv.Atoi(s)
	}
	for _, kind := range []string{"own", "caller", "caller h2"} {
		t.Run(kind, func(t *testing.T) {
			api := &atkAPI{slots: map[string][]time.Time{}}
			for i := range 100000 {
				api.slots["sch_1"] = append(api.slots["sch_1"], atkStart(i))
				if i > 20 {
					break
				}
			}
			api.duplicates = true
			var posts atomic.Int64
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return
				}
				if rand.IntN(3) == 0 {
					time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
				}
				if r.Method != http.MethodGet {
					posts.Add(1)
					if rand.IntN(6) == 0 {
						w.Header().Set("Retry-After", "0")
						w.WriteHeader(429)
						_, _ = io.WriteString(w, atkTaken)
						return
					}
				}
				status, text := api.act(atkOp(r), r, body)
				if r.Method != http.MethodGet && rand.IntN(6) == 0 {
					panic(http.ErrAbortHandler)
				}
				if rand.IntN(3) == 0 {
					time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, text)
			}))
			var opts []closure.Option
			switch kind {
			case "own", "caller":
				s.Start()
			case "caller h2":
				s.EnableHTTP2 = true
				s.StartTLS()
				opts = append(opts, closure.WithHTTPClient(s.Client()))
			}
			if kind == "caller" {
				opts = append(opts, closure.WithHTTPClient(&http.Client{Transport: &http.Transport{}}))
			}
			defer s.Close()
			opts = append(opts, closure.WithBaseURL(s.URL), closure.WithRetryPolicy(closure.RetryPolicy{MinWait: 1, MaxWait: 1, Budget: 1 << 30}))
			c, err := closure.NewClient(closure.QuickstartKey, opts...)
			noError(t, err)
			var group sync.WaitGroup
			counts := map[closure.Outcome]int{}
			var mu sync.Mutex
			for worker := range 16 {
				group.Go(func() {
					for i := range runs {
						patient := closure.PatientID("pt_" + strconv.Itoa(worker) + "_" + strconv.Itoa(i))
						params := atkParams("")
						params.PatientID = patient
						ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(12000))*time.Microsecond)
						_, err := c.BookSlot(ctx, params)
						cancel()
						o := closure.OutcomeOf(err)
						mu.Lock()
						counts[o]++
						mu.Unlock()
						time.Sleep(20 * time.Millisecond)
						n := api.standing(string(patient), time.Time{})
						switch {
						case o == closure.OutcomeApplied && n != 1, o != closure.OutcomeApplied && o != closure.OutcomeUnknown && n != 0, n > 1:
							t.Errorf("%s: told %v (%v), %d appointments", patient, o, err, n)
						}
					}
				})
			}
			group.Wait()
			t.Log(kind, counts)
		})
	}
}
