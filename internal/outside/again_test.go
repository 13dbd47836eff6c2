package outside

import (
	"net/http"
	"sync"
	"testing"
	"time"

	closure "github.com/closurehealth/closure-go"
)

func moveFault(f fault) func(string, int) *fault {
	return func(op string, _ int) *fault {
		if op != "move" {
			return nil
		}
		g := f
		return &g
	}
}

func wantUnknownMove(t *testing.T, c *closure.Client, start int) {
	t.Helper()
	if _, err := c.RescheduleBooking(t.Context(), "appt_1", to(start)); closure.OutcomeOf(err) != closure.OutcomeUnknown {
		t.Fatalf("a move whose answer is lost: %v", err)
	}
}

func TestMoveThatWasLostIsMadeWhenItIsAskedForAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		c := client(t, a, j)
		mustBook(t, c, slot(0, ""))
		a.hook = moveFault(fault{drop: true})
		wantUnknownMove(t, c, 1)
		a.hook = nil
		time.Sleep(2 * time.Minute)
		mustMove(t, c, 1)
		wantOneAt(t, a, j, 1)
	})
}

func TestMoveThatAnotherIsMakingIsNotSentTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		p1, p2 := client(t, a, j), client(t, a, j)
		mustBook(t, p1, slot(0, ""))
		a.hook = moveFault(fault{delayBefore: 3 * time.Second})
		var g sync.WaitGroup
		g.Go(func() { mustMove(t, p1, 1) })
		time.Sleep(time.Second)
		mustMove(t, p2, 1)
		g.Wait()
		if n := a.calls["move"]; n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// The response to the move is lost, reads lag, and the second request is rejected. The
// rejection says nothing about the first request.
func TestMoveThatIsRefusedWhenSentAgainKeepsItsNewStart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		a.overbooks = true
		c := client(t, a, j)
		mustBook(t, c, slot(0, ""))
		a.lag = 10 * time.Minute
		time.Sleep(time.Hour)
		a.hook = moveFault(fault{drop: true, after: true})
		wantUnknownMove(t, c, 1)
		a.hook = moveFault(fault{status: http.StatusForbidden, body: `{"error_type":"x"}`})
		time.Sleep(2 * time.Minute)
		if _, err := c.RescheduleBooking(t.Context(), "appt_1", to(1)); err == nil {
			t.Error("a move that was refused is told as made")
		}
		c.BookSlot(t.Context(), slot(1, ""))
		wantOneAt(t, a, j, 1)
	})
}

// A move to 1 isn't recorded, a move to 2 is, and a move to 3 is rejected while reads still
// show 1.
func TestMoveDoesNotTakeALaggingReadForMoreThanTheJournalKnows(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		a.overbooks = true
		a.lag = 20 * time.Second
		died := make(chan struct{})
		p1, p2 := client(t, a, crashingJournal{j, died}), client(t, a, j)
		mustBook(t, p2, slot(0, ""))
		time.Sleep(time.Minute)
		close(died)
		p1.RescheduleBooking(t.Context(), "appt_1", to(1))
		time.Sleep(5 * time.Second)
		mustMove(t, p2, 2)
		time.Sleep(17 * time.Second)
		a.hook = moveFault(fault{status: http.StatusForbidden, body: `{"error_type":"x"}`})
		p2.RescheduleBooking(t.Context(), "appt_1", to(3))
		p2.BookSlot(t.Context(), slot(2, ""))
		wantOneAt(t, a, j, 2)
	})
}
