package databases

import (
	"context"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuresql"
)

// attempt is one for a slot that no other attempt is for.
func attempt(key string) closure.BookingAttempt {
	return closure.NewBookingAttempt(closure.BookSlotParams{
		ScheduleID:     closure.ScheduleID("sch_" + rand.Text()),
		PatientID:      closure.PatientID("pt_" + rand.Text()),
		StartAt:        time.Now().Add(24 * time.Hour).UTC().Truncate(time.Minute),
		Duration:       30,
		IdempotencyKey: key,
	})
}

func anAppointment() closure.AppointmentID { return closure.AppointmentID("appt_" + rand.Text()) }

// begins demands that nothing is in the way.
func begins(t testing.TB, j *closuresql.Journal, a closure.BookingAttempt) {
	t.Helper()
	there, err := j.Begin(context.Background(), a)
	if there != nil || err != nil {
		t.Errorf("Begin found an entry where there is none: %t, or failed: %v", there != nil, err)
	}
}

// books begins and finishes as booked.
func books(t testing.TB, j *closuresql.Journal, a closure.BookingAttempt) closure.AppointmentID {
	t.Helper()
	begins(t, j, a)
	id := anAppointment()
	booked := closure.JournalEntry{Attempt: a, State: closure.JournalBooked, Appointment: id}
	if err := j.Finish(context.Background(), booked); err != nil {
		t.Errorf("Finish: %v", err)
	}
	return id
}

// find is the entry of the attempt's key or slot.
func find(t testing.TB, j *closuresql.Journal, a closure.BookingAttempt) *closure.JournalEntry {
	t.Helper()
	entry, err := j.Find(context.Background(), a)
	noError(t, err)
	return entry
}

// many does something n times, sixteen at once.
func many(n int, do func(i int)) {
	var group sync.WaitGroup
	next := make(chan int)
	for range 16 {
		group.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
}
