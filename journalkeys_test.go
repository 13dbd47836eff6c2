package closure_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// One key gets one appointment, even if the slot was held under another key, or
// under none.
func TestKeyOfASlotThatIsHeldAlready(t *testing.T) {
	for name, first := range map[string]string{"without a key": "", "under another": "order 1"} {
		t.Run(name, func(t *testing.T) {
			inClinic(t, func(t *testing.T, c *sharedClinic) {
				booking, err := c.process().BookSlot(t.Context(), slotParamsFor(first))
				c.booked(booking, err, false)
				same, err := c.process().BookSlot(t.Context(), slotParamsFor("order 2"))
				c.booked(same, err, true)
				again, err := c.process().BookFirstAvailable(t.Context(), firstParamsFor("order 2"))
				c.booked(again, err, true)
				equal(t, "appointment", again.Appointment.ID, booking.Appointment.ID)
				elsewhere := slotParamsFor("order 2")
				elsewhere.StartAt = clinicSlot(10)
				if _, err := c.process().BookSlot(t.Context(), elsewhere); !errors.Is(err, closure.ErrInvalidInput) {
					t.Errorf("the key for another start: %v", err)
				}
				c.standing(1)
			}, closuretest.AllowDuplicates(), closuretest.StaleReads(time.Minute))
		})
	}
}

// If the key can't be recorded, the call fails: another call with the key might book again.
func TestBookingFailsIfItsKeyIsNotRecorded(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		c.booked(booking, err, false)
		c.journal.Inject(closuretest.JournalFailsBefore("finish"))
		_, err = c.process().BookSlot(t.Context(), slotParamsFor("order 2"))
		isJournalError(t, err)
		same, err := c.process().BookSlot(t.Context(), slotParamsFor("order 2"))
		c.booked(same, err, true)
		c.standing(1)
	})
}

// A read that lags behind a cancellation shows the appointment that was
// cancelled. It is not the booking.
func TestCancelAndBookAgainWithinTheLag(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, false)
		time.Sleep(time.Hour)
		_, err = c.process().CancelBooking(t.Context(), booking.Appointment.ID)
		noError(t, err)
		again, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		if err == nil && again.Appointment.ID == booking.Appointment.ID {
			t.Error("the cancelled appointment counts as booked")
		}
		time.Sleep(time.Hour)
		again, err = c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		noError(t, err)
		if again.Appointment.ID == booking.Appointment.ID {
			t.Error("the cancelled appointment counts as booked")
		}
		c.standing(1)
	}, closuretest.AllowDuplicates(), closuretest.StaleReads(time.Minute))
}

// The same, of an appointment that the journal knew nothing of.
func TestCancelOfAStrangersBookingWithinTheLag(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		booking, err := c.Client().BookSlot(t.Context(), slotParamsFor(""))
		c.booked(booking, err, false)
		time.Sleep(time.Hour)
		_, err = c.process().CancelBooking(t.Context(), booking.Appointment.ID)
		noError(t, err)
		again, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		if err == nil && again.Appointment.ID == booking.Appointment.ID {
			t.Error("the cancelled appointment counts as booked")
		}
	}, closuretest.AllowDuplicates(), closuretest.StaleReads(time.Minute))
}

// A move that was made, though nobody was told: the start before it is free.
func TestBookingWhereAnUnknownMoveCameFrom(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, false)
		c.AddSlots(clinicIDs[0], closure.Slot{StartAt: clinicSlot(15), Duration: 20})
		to := closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)}
		c.crashes(true, func(p *closure.Client) { _, _ = p.RescheduleBooking(t.Context(), booking.Appointment.ID, to) })
		c.holds(closure.JournalBooked, closure.JournalPending)
		second, err := c.process().BookSlot(t.Context(), slotParamsFor("order 2"))
		c.booked(second, err, false)
		first, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(first, err, true)
		equal(t, "appointment", first.Appointment.ID, booking.Appointment.ID)
		c.standing(2)
	}, closuretest.AllowDuplicates())
}

// Staff cancelled the appointment: one read shows that, and the list still lags behind.
func TestCancelledByStaffWithinTheLagOfTheList(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		c.booked(booking, err, false)
		time.Sleep(time.Hour)
		_, err = c.Client().Appointments.Cancel(t.Context(), booking.Appointment.ID)
		noError(t, err)
		c.Inject(closuretest.Stale("appointments.list", time.Minute).Times(0))
		again, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		c.booked(again, err, false)
		c.standing(1)
	}, closuretest.AllowDuplicates())
}

// The list still shows an appointment at the start that it was moved from. That isn't a
// booking.
func TestBookingWhereAMoveCameFromWithinTheLag(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.AddSlots(clinicIDs[0], closure.Slot{StartAt: clinicSlot(15), Duration: 20})
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, false)
		time.Sleep(time.Hour)
		to := closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)}
		_, err = c.process().RescheduleBooking(t.Context(), booking.Appointment.ID, to)
		noError(t, err)
		_, err = c.process().BookSlot(t.Context(), slotParamsFor("order 2"))
		isUnknown(t, err)
		c.sentBookings(1)
		time.Sleep(time.Hour)
		second, err := c.process().BookSlot(t.Context(), slotParamsFor("order 2"))
		c.booked(second, err, false)
		c.standing(2)
	}, closuretest.AllowDuplicates(), closuretest.StaleReads(time.Minute))
}

// A counting journal counts what it is asked to write.
type countingJournal struct {
	closure.Journal
	begun, finished atomic.Int32
}

func (c *countingJournal) Begin(ctx context.Context, a closure.BookingAttempt) (*closure.JournalEntry, error) {
	c.begun.Add(1)
	return c.Journal.Begin(ctx, a)
}

func (c *countingJournal) Finish(ctx context.Context, e closure.JournalEntry) error {
	c.finished.Add(1)
	return c.Journal.Finish(ctx, e)
}

func TestBookingWritesOnceBeforeAndOnceAfter(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		journal := &countingJournal{Journal: c.journal}
		booking, err := c.Client(closure.WithJournal(journal)).BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, false)
		equal(t, "begun", journal.begun.Load(), int32(1))
		equal(t, "finished", journal.finished.Load(), int32(1))
	})
}
