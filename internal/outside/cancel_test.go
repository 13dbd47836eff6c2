package outside

import (
	"sync"
	"testing"
	"time"

	closure "github.com/closurehealth/closure-go"
)

func wantNotCancelled(t *testing.T, a *railway, b *closure.Booking, err error) {
	t.Helper()
	if err == nil && len(a.standing()) == 0 {
		t.Errorf("told %s, which was cancelled before this call began", show(b, err))
	}
}

// The booking is recorded in the journal after its cancellation, and reads lag.
func TestBookingThatWasRecordedAfterItsCancellationIsNotTold(t *testing.T) {
	t.Parallel()
	for name, answered := range map[string]time.Duration{
		"the cancellation sees the appointment":       20 * time.Second,
		"reads don't show it to the cancellation yet": 10 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, j := newAPI(), newJournal()
				a.lag = 20 * time.Second
				j.hook = func(m string, n int, _ func()) (error, bool) {
					if m == "finish" && n == 1 {
						time.Sleep(4 * time.Second)
					}
					return nil, false
				}
				a.hook = func(op string, _ int) *fault {
					if op == "create" {
						return &fault{delayAfter: answered}
					}
					return nil
				}
				p1, p2, p3 := client(t, a, j), client(t, a, j), client(t, a, j)
				var g sync.WaitGroup
				g.Go(func() { p1.BookSlot(t.Context(), slot(0, "K")) })
				time.Sleep(answered + time.Second)
				mustCancel(t, p2)
				g.Wait()
				time.Sleep(24*time.Second - answered)
				b, err := p3.BookSlot(t.Context(), slot(0, "K"))
				wantNotCancelled(t, a, b, err)
			})
		})
	}
}

func TestSecondClickAfterACancellationIsNotToldTheFirstClicksBooking(t *testing.T) {
	t.Parallel()
	t.Run("the first click is still recording", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			a, j := newAPI(), newJournal()
			j.hook = func(m string, n int, act func()) (error, bool) {
				if m != "finish" || n != 1 {
					return nil, false
				}
				act()
				time.Sleep(4 * time.Second)
				return nil, true
			}
			secondClick(t, a, j, client(t, a, j))
		})
	})
	t.Run("the first click is still reading", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			a, j := newAPI(), newJournal()
			c := client(t, a, j)
			mustBook(t, c, slot(0, ""))
			a.hook = func(op string, n int) *fault {
				if op == "get" && n == 1 {
					return &fault{delayAfter: 3 * time.Second}
				}
				return nil
			}
			secondClick(t, a, j, c)
		})
	})
}

func secondClick(t *testing.T, a *railway, j *memory, c *closure.Client) {
	t.Helper()
	var g sync.WaitGroup
	g.Go(func() { c.BookSlot(t.Context(), slot(0, "")) })
	time.Sleep(time.Second)
	mustCancel(t, client(t, a, j))
	b, err := c.BookSlot(t.Context(), slot(0, ""))
	wantNotCancelled(t, a, b, err)
	g.Wait()
}
