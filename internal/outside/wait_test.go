package outside

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	closure "github.com/closurehealth/closure-go"
)

// Without a journal the call waits, because no other process can assume the attempt lost.
func TestRetryAfterBeyondTheTimeoutIsNotWaitedForWithAJournal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		a.hook = func(op string, n int) *fault {
			if op == "create" && n == 1 {
				return &fault{status: 429, header: map[string]string{"Retry-After": "40"}, body: `{"error_type":"x"}`}
			}
			return nil
		}
		start := time.Now()
		_, err := client(t, a, j).BookSlot(t.Context(), slot(0, ""))
		if !errors.Is(err, closure.ErrRateLimited) || time.Since(start) > 30*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// After a 429 the process is frozen, for so long that another one assumes its attempt lost.
func TestProcessThatStandsStillAfterA429DoesNotSendLate(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{3 * time.Second, 4900 * time.Millisecond, 20 * time.Minute} {
		t.Run(pause.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, j := newAPI(), newJournal()
				a.overbooks = true
				a.hook = func(op string, n int) *fault {
					if op == "create" && n == 1 {
						return &fault{status: 429, header: map[string]string{"Retry-After": "25"}}
					}
					return nil
				}
				standStill := closure.WithObserver(func(_ context.Context, e closure.Event) {
					if e.StatusCode == 429 {
						time.Sleep(pause)
					}
				})
				p1, p2 := client(t, a, j, standStill), client(t, a, j)
				var g sync.WaitGroup
				g.Go(func() { p1.BookSlot(t.Context(), slot(0, "")) })
				time.Sleep(61 * time.Second)
				p2.BookSlot(t.Context(), slot(0, ""), closure.AssumeLostAfter(time.Minute))
				g.Wait()
				wantOneAt(t, a, j, 0)
			})
		})
	}
}

// Other processes begin, are rejected, and begin again, each after 9.9 s.
func TestBookSlotEndsThoughTheJournalChangesAllTheTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		done := make(chan struct{})
		go func() {
			for {
				attempt := abandon(t, j)
				select {
				case <-done:
					return
				case <-time.After(9900 * time.Millisecond):
				}
				j.Finish(t.Context(), closure.JournalEntry{Attempt: attempt, State: closure.JournalNotBooked})
			}
		}()
		time.Sleep(time.Second)
		start := time.Now()
		_, err := client(t, a, j).BookSlot(t.Context(), slot(0, ""))
		close(done)
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%v, and then %v", took, err)
		}
	})
}
