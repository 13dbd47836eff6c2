package outside

import (
	"context"
	"testing"
	"time"

	closure "github.com/closurehealth/closure-go"
)

// Whatever a faulty journal returns, nothing is sent twice and nothing hangs.
func TestJournalThatAnswersNonsenseNeitherHangsNorBooksTwice(t *testing.T) {
	t.Parallel()
	own := closure.NewBookingAttempt(slot(0, "K"))
	others := closure.NewBookingAttempt(closure.BookSlotParams{
		ScheduleID: "sch_B", PatientID: "pt_B", StartAt: hour(3),
	})
	for name, entry := range map[string]closure.JournalEntry{
		"another's attempt":   {Attempt: others},
		"released":            {Attempt: own, State: closure.JournalReleased, Appointment: "appt_9"},
		"not booked":          {Attempt: own, State: closure.JournalNotBooked},
		"booked, without id":  {Attempt: own, State: closure.JournalBooked},
		"a state of its own":  {Attempt: own, State: 99},
		"no attempt":          {},
		"booked, not there":   {Attempt: own, State: closure.JournalBooked, Appointment: "appt_404"},
		"booked, not an id":   {Attempt: own, State: closure.JournalBooked, Appointment: "not an id/../x"},
		"pending, and always": {Attempt: own},
	} {
		for _, method := range []string{"Find", "Begin"} {
			t.Run(name+" from "+method, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					a := newAPI()
					a.overbooks = true
					c := client(t, a, &nonsense{newJournal(), method, entry})
					start := time.Now()
					c.BookSlot(t.Context(), slot(0, "K"))
					c.BookFirstAvailable(t.Context(), first("K"))
					c.RescheduleBooking(t.Context(), "appt_1", to(2))
					if took := time.Since(start); took > 2*time.Minute {
						t.Errorf("three calls took %v", took)
					}
					if n := len(a.standing()); n > 1 {
						t.Errorf("%d appointments: %s", n, a.dump())
					}
				})
			})
		}
	}
}

type nonsense struct {
	*memory
	method string
	entry  closure.JournalEntry
}

func (n *nonsense) chosen() *closure.JournalEntry {
	entry := n.entry
	return &entry
}

func (n *nonsense) Find(ctx context.Context, a closure.BookingAttempt) (*closure.JournalEntry, error) {
	if n.method == "Find" {
		return n.chosen(), nil
	}
	return n.memory.Find(ctx, a)
}

func (n *nonsense) Begin(ctx context.Context, a closure.BookingAttempt) (*closure.JournalEntry, error) {
	if n.method == "Begin" {
		return n.chosen(), nil
	}
	return n.memory.Begin(ctx, a)
}
