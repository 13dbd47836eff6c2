package outside

import (
	"errors"
	"testing"
	"time"

	closure "github.com/closurehealth/closure-go"
)

// The tests of this file show limits: docs/production.md, "What nobody can help".

func TestLimitAStoredAttemptWithoutAKeyIsNotFoundAfterAMove(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		c := client(t, a, j)
		stored := bookLate(t, a, c, "")
		mustMove(t, c, 1)
		time.Sleep(time.Hour)
		if _, err := c.ResolveBooking(t.Context(), stored, lost()); !errors.Is(err, closure.ErrNotBooked) {
			t.Errorf("the limit no longer exists: %v", err)
		}
	})
}

// Within the lag after a move, another booking of one of its two starts has an unknown
// outcome. It sent nothing, and there is nothing to resolve. The same call works when the lag
// is over.
func TestLimitWithinTheLagAMovesStartsAreUnknownToAnother(t *testing.T) {
	t.Parallel()
	for name, params := range map[string]closure.BookSlotParams{
		"the start that was left": slot(0, "K2"),
		"the new start":           slot(1, ""),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, j := newAPI(), newJournal()
				a.lag = 20 * time.Second
				c := client(t, a, j)
				mustBook(t, c, slot(0, "K"))
				time.Sleep(time.Minute)
				mustMove(t, c, 1)
				sent := a.calls["create"]
				_, err := c.BookSlot(t.Context(), params)
				if closure.OutcomeOf(err) != closure.OutcomeUnknown {
					t.Errorf("the limit no longer exists: %v", err)
				}
				if a.calls["create"] != sent || len(resolvePending(t, c)) > 0 {
					t.Errorf("something was sent, or is pending: %s", j.dump())
				}
				time.Sleep(25 * time.Hour)
				b, err := c.BookSlot(t.Context(), params)
				wantTrue(t, a, b, err)
				if err != nil {
					t.Errorf("later: %v", err)
				}
			})
		})
	}
}
