package outside

import (
	"errors"
	"sync"
	"testing"
	"time"

	closure "github.com/closurehealth/closure-go"
)

// Another process has the slot pending, with another key. Each of two clicks here is told what
// that process booked.
func TestKeyOfEachClickIsAttachedToWhatItIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		a.hook = func(op string, n int) *fault {
			if op == "create" && n == 1 {
				return &fault{commitLate: 13 * time.Second}
			}
			return nil
		}
		p1, p2 := client(t, a, j), client(t, a, j)
		var g sync.WaitGroup
		g.Go(func() { p1.BookSlot(t.Context(), slot(0, "K1")) })
		time.Sleep(time.Millisecond)
		for range 2 {
			g.Go(func() { p2.BookSlot(t.Context(), slot(0, "K2")) })
			time.Sleep(time.Millisecond)
		}
		g.Wait()
		p2.BookFirstAvailable(t.Context(), first("K2"))
		if len(a.standing()) != 1 {
			t.Errorf("the key was told one appointment, and then made another: %s", a.dump())
		}
	})
}

// One key is used at the same time for a start that another key holds and for the first open
// slot.
func TestOneKeyIsNotToldTwoAppointments(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		mustBook(t, client(t, a, j), slot(0, "K1"))
		a.hook = func(op string, _ int) *fault {
			if op == "get" {
				return &fault{delayAfter: time.Second}
			}
			return nil
		}
		p1, p2 := client(t, a, j), client(t, a, j)
		var g sync.WaitGroup
		var b1, b2 *closure.Booking
		g.Go(func() { b1, _ = p1.BookSlot(t.Context(), slot(0, "K2")) })
		time.Sleep(time.Millisecond)
		g.Go(func() { b2, _ = p2.BookFirstAvailable(t.Context(), first("K2")) })
		g.Wait()
		if b1 != nil && b2 != nil && b1.Appointment.ID != b2.Appointment.ID {
			t.Errorf("told %s and %s: %s", b1.Appointment.ID, b2.Appointment.ID, j.dump())
		}
	})
}

func TestAppointmentThatThePracticeMovedIntoAnotherEntrysSlotIsNoJournalError(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		c := client(t, a, j)
		mustBook(t, c, slot(0, "K1"))
		mustBook(t, c, slot(1, "K2"))
		a.cancelledByPhone("appt_2")
		a.movedByPhone(hour(1))
		for range 3 {
			time.Sleep(24 * time.Hour)
			resolvePending(t, c, lost())
			_, err := c.BookSlot(t.Context(), slot(0, "K3"))
			if _, ok := errors.AsType[*closure.JournalError](err); ok {
				t.Errorf("the journal is healthy: %v", err)
			}
		}
	})
}

func TestKeyIsFreeAfterACancellationThoughTheBookingWasNotRecorded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		j.hook = func(m string, n int, _ func()) (error, bool) { return errJournal, m == "finish" && n == 1 }
		c := client(t, a, j)
		mustBook(t, c, slot(0, "K"))
		time.Sleep(time.Minute + time.Second) // twice the timeout: until then its request may be under way
		mustCancel(t, c)
		resolvePending(t, c)
		mustBook(t, c, slot(0, "K"))
		wantOneAt(t, a, j, 0)
	})
}

func TestCancellingTwiceFreesTheKeyForAnotherStart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, j := newAPI(), newJournal()
		c := client(t, a, j)
		if _, err := c.CancelBooking(t.Context(), "appt_77"); err == nil {
			t.Error("an appointment that isn't there was cancelled")
		}
		mustBook(t, c, slot(0, "K"))
		mustCancel(t, c)
		mustCancel(t, c)
		mustBook(t, c, slot(1, "K"))
		wantOneAt(t, a, j, 1)
	})
}

func mustCancel(t *testing.T, c *closure.Client) {
	t.Helper()
	if _, err := c.CancelBooking(t.Context(), "appt_1"); err != nil {
		t.Fatal(err)
	}
}
