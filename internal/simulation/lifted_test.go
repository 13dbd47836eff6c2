package simulation

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// The limits of limits_test.go that a journal removes, on an API that accepts duplicates, and
// what remains of them.

// lifted runs a test in a bubble. process returns a client that shares a journal with all
// others, like one on another machine.
func lifted(
	t *testing.T,
	test func(t *testing.T, s *closuretest.Server, j *closuretest.Journal, process func() *closure.Client),
) {
	synctest.Test(t, func(t *testing.T) {
		server := closuretest.New(closuretest.StaleReads(20*time.Second), closuretest.AllowDuplicates())
		journal := closuretest.NewJournal()
		test(t, server, journal, func() *closure.Client { return server.Client(closure.WithJournal(journal)) })
	})
}

func standing(t *testing.T, s *closuretest.Server, want int) {
	t.Helper()
	n := 0
	for _, a := range s.Appointments() {
		if a.Status != closure.AppointmentCancelled {
			n++
		}
	}
	if n != want {
		t.Errorf("%d appointments stand, want %d", n, want)
	}
}

func TestLiftedSecondCallWithinTheLag(t *testing.T) {
	lifted(t, func(t *testing.T, s *closuretest.Server, _ *closuretest.Journal, process func() *closure.Client) {
		for range 2 {
			_, err := process().BookSlot(t.Context(), guideParams())
			noError(t, err)
		}
		standing(t, s, 1)
	})
}

func TestLiftedBookAgainWithinTheLag(t *testing.T) {
	lifted(t, func(t *testing.T, s *closuretest.Server, _ *closuretest.Journal, process func() *closure.Client) {
		bookCancelBook(t, process)
		standing(t, s, 1)
	})
}

// bookCancelBook returns the second booking.
func bookCancelBook(t *testing.T, process func() *closure.Client) *closure.Booking {
	t.Helper()
	params := guideParams()
	params.Duration = slotMinutes // otherwise it would look for an open slot, which reads that lag don't show
	booking, err := process().BookSlot(t.Context(), params)
	noError(t, err)
	time.Sleep(time.Minute)
	_, err = process().CancelBooking(t.Context(), booking.Appointment.ID)
	noError(t, err)
	again, err := process().BookSlot(t.Context(), params)
	noError(t, err)
	return again
}

// A journal that could not record the cancellation knows no more than the reads.
func TestLimitReleaseThatFails(t *testing.T) {
	lifted(t, func(t *testing.T, s *closuretest.Server, j *closuretest.Journal, process func() *closure.Client) {
		j.Inject(closuretest.JournalFailsBefore("release"))
		if again := bookCancelBook(t, process); !again.Recovered {
			t.Error("the limit no longer exists")
		}
		standing(t, s, 0)
	})
}

// A journal that could not record where an appointment was moved to knows no more than the reads.
func TestLimitFinishOfAMoveThatFails(t *testing.T) {
	lifted(t, func(t *testing.T, s *closuretest.Server, j *closuretest.Journal, process func() *closure.Client) {
		params := guideParams()
		params.Duration, params.IdempotencyKey = slotMinutes, "order 1"
		to := closure.AppointmentRescheduleParams{StartAt: params.StartAt.Add(24 * time.Hour)}
		s.AddSlots(params.ScheduleID, closure.Slot{StartAt: to.StartAt, Duration: slotMinutes})
		booking, err := process().BookSlot(t.Context(), params)
		noError(t, err)
		time.Sleep(time.Minute)
		j.Inject(closuretest.JournalFailsBefore("finish"))
		_, err = process().RescheduleBooking(t.Context(), booking.Appointment.ID, to)
		noError(t, err)
		again, err := process().BookSlot(t.Context(), params)
		noError(t, err)
		if !again.Appointment.StartAt.Equal(params.StartAt) {
			t.Error("the limit no longer exists")
		}
	})
}

func TestLiftedReadsThatJump(t *testing.T) {
	lifted(t, func(t *testing.T, s *closuretest.Server, _ *closuretest.Journal, process func() *closure.Client) {
		_, err := process().BookSlot(t.Context(), guideParams())
		noError(t, err)
		time.Sleep(time.Minute)
		s.Inject(closuretest.Stale("appointments.list", time.Hour).Times(0))
		_, err = process().BookSlot(t.Context(), guideParams())
		noError(t, err)
		standing(t, s, 1)
	})
}

func TestLiftedListThatVanishes(t *testing.T) {
	lifted(t, func(t *testing.T, s *closuretest.Server, _ *closuretest.Journal, process func() *closure.Client) {
		s.Inject(closuretest.Status("appointments.list", 404).Times(0))
		params := guideParams()
		params.Duration = slotMinutes
		for range 2 {
			_, err := process().BookSlot(t.Context(), params)
			noError(t, err)
		}
		standing(t, s, 1)
	})
}

func TestLiftedBookFirstTwice(t *testing.T) {
	lifted(t, func(t *testing.T, s *closuretest.Server, _ *closuretest.Journal, process func() *closure.Client) {
		start := guideParams().StartAt
		s.AddSlots(closuretest.GuideScheduleID, closure.Slot{StartAt: start.Add(2 * time.Hour), Duration: slotMinutes})
		params := closure.BookFirstParams{
			PatientID: closuretest.GuidePatientID,
			Search: closure.SlotSearch{
				Schedules: []closure.ScheduleID{closuretest.GuideScheduleID}, From: start, To: start.Add(24 * time.Hour),
			},
			IdempotencyKey: "order 1",
		}
		for range 2 {
			_, err := process().BookFirstAvailable(t.Context(), params)
			noError(t, err)
		}
		standing(t, s, 1)
	})
}

// If a 429 comes after the API has booked and reads lag, the request is sent again, with a
// journal and without.
func TestLimitFalseRejectionWithAJournal(t *testing.T) {
	lifted(t, func(t *testing.T, s *closuretest.Server, _ *closuretest.Journal, process func() *closure.Client) {
		s.Inject(closuretest.StatusAfter("appointments.create", 429))
		if _, err := process().BookSlot(t.Context(), guideParams()); errors.Is(err, closure.ErrOutcomeUnknown) {
			t.Errorf("%v: the limit no longer exists", err)
		}
		standing(t, s, 2)
	})
}
