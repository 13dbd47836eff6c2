package outside

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	closure "github.com/closurehealth/closure-go"
)

// The booking isn't finished in the journal, and another process moves the appointment at
// once.
func TestBookingThatWasMovedBeforeItWasRecordedIsNotToldAsNotBooked(t *testing.T) {
	t.Parallel()
	for _, dies := range []bool{true, false} {
		t.Run(map[bool]string{true: "the process died", false: "Finish failed once"}[dies], func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, j := newAPI(), newJournal()
				c := client(t, a, j)
				if dies {
					bookAndDie(t, a, j)
				} else {
					j.hook = func(m string, n int, _ func()) (error, bool) { return errJournal, m == "finish" && n == 1 }
					mustBook(t, c, slot(0, "K"))
				}
				mustMove(t, c, 1)
				for range 17 {
					for _, r := range resolvePending(t, c, lost()) {
						if errors.Is(r.Err, closure.ErrNotBooked) {
							t.Error("not booked, although the appointment stands")
						}
					}
					time.Sleep(time.Minute)
				}
				c.BookFirstAvailable(t.Context(), first("K"))
				if n := len(a.standing()); n != 1 {
					t.Errorf("%d appointments for one key: %s", n, a.dump())
				}
			})
		})
	}
}

// bookAndDie is a process that crashes when the API has booked, before it has the response.
func bookAndDie(t *testing.T, a *railway, j *memory) {
	t.Helper()
	died := make(chan struct{})
	a.hook = func(op string, n int) *fault {
		if op == "create" && n == 1 {
			return &fault{do: func() { close(died); time.Sleep(time.Minute) }}
		}
		return nil
	}
	dead := client(t, a, crashingJournal{j, died})
	cx, cancel := context.WithCancel(t.Context())
	go dead.BookSlot(cx, slot(0, "K"))
	<-died
	cancel()
	synctest.Wait()
}

// The write waits for the rate limit and is carried out at once, and its process crashes.
// Another process's read began before the attempt was old enough to be assumed lost.
func TestAttemptIsNotTakenForLostByAReadFromBeforeItsBound(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		a.overbooks = true
		var slow atomic.Bool
		died := make(chan struct{})
		a.hook = func(op string, n int) *fault {
			if op == "create" && n == 1 {
				return &fault{do: func() { close(died) }, delayAfter: 5 * time.Second}
			}
			if op == "list" && slow.CompareAndSwap(true, false) {
				return &fault{delayAfter: 2 * time.Second}
			}
			return nil
		}
		p1, p2 := client(t, a, crashingJournal{j, died}, closure.WithRateLimit(1.0/59.8, 3)), client(t, a, j)
		cx, kill := context.WithCancel(t.Context())
		go func() { <-died; kill() }()
		go func() {
			p1.Schedules.Get(cx, schedule) // uses up the burst, so that the write waits for 59.8 s
			p1.BookSlot(cx, slot(0, "K"))
		}()
		time.Sleep(59*time.Second + 600*time.Millisecond)
		slow.Store(true)
		p2.BookSlot(t.Context(), slot(0, "K"), closure.AssumeLostAfter(61*time.Second))
		wantOneAt(t, a, j, 0)
	})
}

func TestTimeoutOfACallDoesNotLowerTheFloorOfAssumeLostAfter(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		a.overbooks = true
		a.hook = func(op string, n int) *fault {
			if op == "create" && n == 1 {
				return &fault{delayBefore: 5 * time.Second}
			}
			return nil
		}
		c := client(t, a, j)
		var g sync.WaitGroup
		g.Go(func() { c.BookSlot(t.Context(), slot(0, "K")) })
		time.Sleep(3 * time.Second)
		resolvePending(t, c, closure.AssumeLostAfter(time.Second), closure.WithTimeout(time.Second))
		client(t, a, j).BookSlot(t.Context(), slot(0, "K"))
		g.Wait()
		wantOneAt(t, a, j, 0)
	})
}

func TestFloorOfAssumeLostAfterIsTwiceTheTimeout(t *testing.T) {
	t.Parallel()
	for _, age := range []time.Duration{59 * time.Second, time.Minute, time.Minute + time.Nanosecond} {
		t.Run(age.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, j := newAPI(), newJournal()
				abandon(t, j)
				time.Sleep(age)
				all := resolvePending(t, client(t, a, j), closure.AssumeLostAfter(1))
				if len(all) != 1 || errors.Is(all[0].Err, closure.ErrNotBooked) != (age > time.Minute) {
					t.Errorf("resolved %d: %+v", len(all), all)
				}
			})
		})
	}
}

// abandon leaves the journal entry of a process that crashed before it sent anything.
func abandon(t *testing.T, j *memory) closure.BookingAttempt {
	t.Helper()
	attempt := closure.NewBookingAttempt(slot(0, ""))
	attempt.Mode = closure.ModeTest
	if entry, err := j.Begin(t.Context(), attempt); entry != nil || err != nil {
		t.Fatal(entry, err)
	}
	return attempt
}

func TestStoredAttemptThatTheJournalKnowsAsBookedIsNotToldAsNotBooked(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		c := client(t, a, j)
		stored := bookLate(t, a, c, "K")
		a.movedByPhone(hour(1))
		time.Sleep(time.Hour)
		if _, err := c.ResolveBooking(t.Context(), stored, lost()); errors.Is(err, closure.ErrNotBooked) {
			t.Error("not booked, though the journal holds this attempt as booked and the appointment stands")
		}
		b, err := c.BookSlot(t.Context(), slot(0, "K"))
		wantTrue(t, a, b, err)
	})
}

// bookLate books with an unknown outcome, and lets others resolve it.
func bookLate(t *testing.T, a *railway, c *closure.Client, key string) closure.BookingAttempt {
	t.Helper()
	a.hook = func(op string, _ int) *fault {
		if op == "create" {
			return &fault{commitLate: 30 * time.Second}
		}
		return nil
	}
	_, err := c.BookSlot(t.Context(), slot(0, key))
	unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err)
	if !ok {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
	if all := resolvePending(t, c); len(all) != 1 || all[0].Err != nil {
		t.Fatalf("resolved: %+v", all)
	}
	return unknown.Attempt
}

func TestBookingWhoseEndingWasRecordedAtLastIsNoJournalFailure(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		abandon(t, j)
		time.Sleep(time.Hour)
		j.hook = func(m string, n int, _ func()) (error, bool) { return errJournal, m == "finish" && n == 1 }
		var event closure.BookingEvent
		observe := closure.WithBookingObserver(func(_ context.Context, e closure.BookingEvent) { event = e })
		if _, err := client(t, a, j, observe).BookSlot(t.Context(), slot(0, ""), lost()); err != nil {
			t.Fatal(err)
		}
		if event.JournalFailed != "" {
			t.Errorf("JournalFailed is %q: %s", event.JournalFailed, j.dump())
		}
	})
}

// There is a click every 5 s. Each waits for the one before, and none may wait forever.
func TestClicksThatOverlapSeeThatTheJournalFreedTheSlot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		abandon(t, j)
		c := client(t, a, j)
		var mu sync.Mutex
		booked := 0
		var g sync.WaitGroup
		for i := range 120 {
			g.Go(func() {
				_, err := c.BookSlot(t.Context(), slot(0, ""), closure.AssumeLostAfter(2*time.Minute))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					booked++
				}
			})
			time.Sleep(5 * time.Second)
			if i == 60 {
				resolvePending(t, client(t, a, j), closure.AssumeLostAfter(2*time.Minute))
			}
		}
		g.Wait()
		if booked == 0 {
			t.Error("for ten minutes, every click was told unknown")
		}
		wantOneAt(t, a, j, 0)
	})
}

func TestSecondClickTakesForLostWhatTheFirstOneMayNot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		abandon(t, j)
		time.Sleep(time.Hour)
		c := client(t, a, j)
		var g sync.WaitGroup
		g.Go(func() {
			if _, err := c.BookSlot(t.Context(), slot(0, "")); closure.OutcomeOf(err) != closure.OutcomeUnknown {
				t.Errorf("the first one: %v", err)
			}
		})
		time.Sleep(time.Second)
		if _, err := c.BookSlot(t.Context(), slot(0, ""), lost()); err != nil {
			t.Error(err)
		}
		g.Wait()
		wantOneAt(t, a, j, 0)
	})
}

func TestAttemptIsNotTakenForLostWhileReadsFail(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		bookAndDie(t, a, j)
		time.Sleep(time.Hour)
		a.hook = func(op string, _ int) *fault {
			if op == "list" {
				return &fault{status: 503}
			}
			return nil
		}
		c := client(t, a, j)
		if b, err := c.BookSlot(t.Context(), slot(0, "K"), lost()); err == nil {
			t.Errorf("told %s, with no read that shows it", show(b, err))
		}
		a.hook = nil
		if all := resolvePending(t, c); len(all) != 1 || all[0].Err != nil {
			t.Errorf("resolved: %+v", all)
		}
	})
}
