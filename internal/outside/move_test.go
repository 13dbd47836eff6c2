package outside

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	closure "github.com/closurehealth/closure-go"
)

func TestKeyOfAMovedBookingNamesWhereItIsThoughReadsLag(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		a.lag = 20 * time.Second
		c := client(t, a, j)
		mustBook(t, c, slot(0, "K"))
		time.Sleep(time.Minute)
		mustMove(t, c, 1)
		other := client(t, a, j)
		b, err := other.BookSlot(t.Context(), slot(0, "K"))
		wantTrue(t, a, b, err)
		b, err = other.BookFirstAvailable(t.Context(), first("K"))
		wantTrue(t, a, b, err)
	})
}

// Two processes move an appointment to the same start, and a gateway rejects one of them.
func TestRefusedMoveDoesNotUndoTheSameMoveOfAnother(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusTooManyRequests} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, j := newAPI(), newJournal()
				a.overbooks = true
				a.lag = 20 * time.Second
				a.hook = func(op string, n int) *fault {
					switch {
					case op == "move" && n == 1:
						return &fault{
							delayBefore: time.Second, status: status,
							header: map[string]string{"Retry-After": "100"}, body: `{"error_type":"x"}`,
						}
					case op == "move" && n == 2:
						return &fault{delayAfter: 2 * time.Second}
					}
					return nil
				}
				p1, p2 := client(t, a, j), client(t, a, j)
				mustBook(t, p1, slot(0, "K"))
				time.Sleep(time.Minute)
				var g sync.WaitGroup
				g.Go(func() { p1.RescheduleBooking(t.Context(), "appt_1", to(1)) })
				time.Sleep(500 * time.Millisecond)
				g.Go(func() { p2.RescheduleBooking(t.Context(), "appt_1", to(1)) })
				g.Wait()
				b, err := p1.BookSlot(t.Context(), slot(0, ""))
				wantTrue(t, a, b, err)
				p1.BookSlot(t.Context(), slot(1, ""))
				wantOneAt(t, a, j, 1)
			})
		})
	}
}

// The same within one process, by one client.
func TestRefusedMoveDoesNotUndoTheSecondClicks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		a.overbooks = true
		a.lag = 20 * time.Second
		a.hook = func(op string, n int) *fault {
			if op == "move" && n == 1 {
				return &fault{delayBefore: 3 * time.Second, status: 429, header: map[string]string{"Retry-After": "100"}}
			}
			return nil
		}
		c := client(t, a, j)
		mustBook(t, c, slot(0, ""))
		time.Sleep(time.Minute)
		var g sync.WaitGroup
		g.Go(func() { c.RescheduleBooking(t.Context(), "appt_1", to(1)) })
		time.Sleep(time.Second)
		c.RescheduleBooking(t.Context(), "appt_1", to(1))
		g.Wait()
		c.BookSlot(t.Context(), slot(1, ""))
		wantOneAt(t, a, j, 1)
	})
}

// A process is frozen before it sends its move. Another one makes the same move, whose
// response is lost. Then the first one goes on.
func TestMoveThatThawsLateDoesNotForgetTheOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		a.overbooks = true
		a.lag = time.Minute
		p1, p2, p3 := client(t, a, j), client(t, a, j), client(t, a, j)
		mustBook(t, p1, slot(0, "K"))
		time.Sleep(2 * time.Minute)
		a.hook = func(op string, _ int) *fault {
			if op == "move" {
				return &fault{after: true, drop: true}
			}
			return nil
		}
		j.hook = func(m string, n int, act func()) (error, bool) {
			if m != "begin" || n != 2 {
				return nil, false
			}
			act()
			time.Sleep(40 * time.Second)
			return nil, true
		}
		var g sync.WaitGroup
		g.Go(func() { p1.RescheduleBooking(t.Context(), "appt_1", to(1)) })
		time.Sleep(25 * time.Second)
		g.Go(func() { p2.RescheduleBooking(t.Context(), "appt_1", to(1)) })
		g.Wait()
		p3.BookSlot(t.Context(), slot(1, ""))
		wantOneAt(t, a, j, 1)
	})
}

func TestMoveByPhoneAfterAMoveByTheSDKIsNotUnknownForGood(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		c := client(t, a, j)
		mustBook(t, c, slot(0, ""))
		mustMove(t, c, 1)
		a.movedByPhone(hour(2))
		time.Sleep(time.Hour)
		for _, start := range []int{1, 2} { // the start that the journal holds, and one that it doesn't
			_, err := c.BookSlot(t.Context(), slot(start, ""), lost())
			time.Sleep(24 * time.Hour)
			if closure.OutcomeOf(err) == closure.OutcomeUnknown {
				_, err = c.BookSlot(t.Context(), slot(start, ""), lost())
			}
			wantKnown(t, hour(start).Format("15:04"), err)
		}
		wantOneAt(t, a, j, 1)
		wantOneAt(t, a, j, 2)
	})
}

func TestSecondMoveByPhoneIsNotUnknownForGood(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		c := client(t, a, j)
		mustBook(t, c, slot(0, ""))
		a.movedByPhone(hour(1))
		mustBook(t, c, slot(0, ""))
		a.movedByPhone(hour(2))
		time.Sleep(24 * time.Hour)
		_, err := c.BookSlot(t.Context(), slot(1, ""))
		wantKnown(t, "the start it was at in between", err)
		wantOneAt(t, a, j, 1)
	})
}

func TestTwoMovesAtOnceLeaveNoStartUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		a.hook = func(op string, n int) *fault {
			switch {
			case op == "move" && n == 1:
				return &fault{delayAfter: 2 * time.Second}
			case op == "move" && n == 2:
				return &fault{delayBefore: time.Second}
			}
			return nil
		}
		p1, p2 := client(t, a, j), client(t, a, j)
		mustBook(t, p1, slot(0, ""))
		var g sync.WaitGroup
		g.Go(func() { p1.RescheduleBooking(t.Context(), "appt_1", to(1)) })
		time.Sleep(time.Millisecond)
		g.Go(func() { p2.RescheduleBooking(t.Context(), "appt_1", to(2)) })
		g.Wait()
		time.Sleep(24 * time.Hour)
		for _, start := range []int{1, 2} {
			_, err := p1.BookSlot(t.Context(), slot(start, ""), lost())
			wantKnown(t, hour(start).Format("15:04"), err)
			wantOneAt(t, a, j, start)
		}
	})
}

func TestWalkPassesAStartThatAnAppointmentHasLeft(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		c := client(t, a, j)
		mustBook(t, c, slot(1, "K1"))
		mustMove(t, c, 0)
		a.movedByPhone(hour(5))
		time.Sleep(24 * time.Hour)
		b, err := c.BookFirstAvailable(t.Context(), first("K2"), lost())
		wantKnown(t, "another order, five open slots", err)
		wantTrue(t, a, b, err)
	})
}

// The first of two confirmed moves isn't finished in the journal. Resolving it while reads lag
// must not bring it back.
func TestSettlingDoesNotReviveAnOlderMove(t *testing.T) {
	t.Parallel()
	for _, of := range []struct {
		name string
		dies bool
		last int
	}{
		{"the process died, then on to a third start", true, 2},
		{"the process died, then back to the first start", true, 0},
		{"Finish failed once", false, 2},
	} {
		t.Run(of.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, j := newAPI(), newJournal()
				a.overbooks = true
				a.lag = 20 * time.Second
				died := make(chan struct{})
				p1, p2, p3 := client(t, a, crashingJournal{j, died}), client(t, a, j), client(t, a, j)
				mustBook(t, p2, slot(0, "K"))
				time.Sleep(time.Minute)
				if of.dies {
					close(died)
				} else {
					j.hook = func(m string, n int, _ func()) (error, bool) { return errJournal, m == "finish" && n == 2 }
				}
				p1.RescheduleBooking(t.Context(), "appt_1", to(1))
				time.Sleep(25 * time.Second)
				mustMove(t, p2, of.last)
				for _, r := range resolvePending(t, p3) {
					if r.Err == nil {
						wantTrue(t, a, r.Booking, nil)
					}
				}
				p3.BookSlot(t.Context(), slot(of.last, ""))
				wantOneAt(t, a, j, of.last)
			})
		})
	}
}

func TestPendingMoveOfACancelledAppointmentIsSettled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		c := client(t, a, j)
		mustBook(t, c, slot(0, "K"))
		a.hook = func(op string, _ int) *fault {
			if op == "move" {
				return &fault{drop: true}
			}
			return nil
		}
		_, err := c.RescheduleBooking(t.Context(), "appt_1", to(1))
		if closure.OutcomeOf(err) != closure.OutcomeUnknown {
			t.Fatalf("a move without an answer: %v", err)
		}
		a.cancelledByPhone("appt_1")
		time.Sleep(time.Hour)
		b, err := c.BookSlot(t.Context(), slot(0, "K"))
		wantTrue(t, a, b, err)
		resolvePending(t, c, lost())
		if left := resolvePending(t, c, lost()); len(left) > 0 {
			t.Errorf("still pending: %v", left[0].Err)
		}
		_, err = c.BookSlot(t.Context(), slot(1, ""))
		wantKnown(t, "where it was to be moved", err)
	})
}

var errJournal = errors.New("the journal is down")

// A crashingJournal fails from the moment that died is closed, when its process has crashed.
type crashingJournal struct {
	*memory
	died chan struct{}
}

func (m crashingJournal) Finish(ctx context.Context, e closure.JournalEntry) error {
	select {
	case <-m.died:
		return errJournal
	default:
		return m.memory.Finish(ctx, e)
	}
}
