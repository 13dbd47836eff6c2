package closure_test

import (
	"errors"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// The process lives on, and a booking whose outcome is unknown stays in the journal.
func TestUnknownBookingStaysPending(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.Inject(closuretest.DropAfter("appointments.create"))
		_, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		isUnknown(t, err)
		c.holds(closure.JournalPending)
		time.Sleep(time.Minute)
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, true)
		c.sentBookings(1)
	}, closuretest.AllowDuplicates(), closuretest.StaleReads(30*time.Second))
}

// An appointment that the list doesn't show yet closed the slot. The call must not report
// that the slot is taken.
func TestJournalIsAskedBeforeTheReads(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.crashes(true, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), slotParamsFor("")) })
		c.Inject(closuretest.Stale("appointments.list", time.Minute).Times(0))
		params := slotParamsFor("")
		params.Duration = 0
		_, err := c.process().BookSlot(t.Context(), params)
		isUnknown(t, err)
	})
}

func TestUnknownMoveIsMadeAgain(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.AddSlots(clinicIDs[0], closure.Slot{StartAt: clinicSlot(15), Duration: 20})
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, false)
		to := closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)}
		c.crashes(false, func(p *closure.Client) { _, _ = p.RescheduleBooking(t.Context(), booking.Appointment.ID, to) })
		c.holds(closure.JournalBooked, closure.JournalPending)
		_, err = c.process().RescheduleBooking(t.Context(), booking.Appointment.ID, to)
		isErrors(t, err, closure.ErrOutcomeUnknown) // the other process may send it yet
		time.Sleep(time.Minute)
		_, err = c.process().RescheduleBooking(t.Context(), booking.Appointment.ID, to)
		noError(t, err)
		c.holds(closure.JournalBooked)
	})
}

func TestMoveToWhatAnotherAppointmentHolds(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.AddSlots(clinicIDs[0], closure.Slot{StartAt: clinicSlot(15), Duration: 20})
		one, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		c.booked(one, err, false)
		there := slotParamsFor("")
		there.StartAt = clinicSlot(15)
		two, err := c.process().BookSlot(t.Context(), there)
		c.booked(two, err, false)
		to := closure.AppointmentRescheduleParams{StartAt: there.StartAt}
		_, err = c.process().RescheduleBooking(t.Context(), one.Appointment.ID, to)
		if !errors.Is(err, closure.ErrSlotUnavailable) || closure.OutcomeOf(err) != closure.OutcomeNotSent {
			t.Errorf("%v", err)
		}
	}, closuretest.AllowDuplicates())
}

// Staff moved the appointment, and the patient books the old start as well: the key
// stays with the appointment.
func TestMovedByStaffKeepsItsKey(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.AddSlots(clinicIDs[0], closure.Slot{StartAt: clinicSlot(15), Duration: 20})
		one, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(one, err, false)
		to := closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)}
		_, err = c.Client().RescheduleBooking(t.Context(), one.Appointment.ID, to)
		noError(t, err)
		two, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		c.booked(two, err, false)
		again, err := c.process().BookFirstAvailable(t.Context(), firstParamsFor("order 1"))
		if c.booked(again, err, true); again.Appointment.ID != one.Appointment.ID {
			t.Error("another appointment was returned")
		}
	})
}

// The appointment was there before the journal was: the key is its from now on.
func TestKeyOfAnAppointmentThatWasThere(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		one, err := c.Client().BookSlot(t.Context(), slotParamsFor(""))
		c.booked(one, err, false)
		again, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(again, err, true)
		first, err := c.process().BookFirstAvailable(t.Context(), firstParamsFor("order 1"))
		if c.booked(first, err, true); first.Appointment.ID != one.Appointment.ID {
			t.Error("another appointment was returned")
		}
	})
}

// All slots are taken, one of them by the key.
func TestBookFirstAvailableSettlesTheKeyFirst(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		params := firstParamsFor("order 1")
		params.Search.Schedules = clinicIDs[:1]
		one, err := c.process().BookFirstAvailable(t.Context(), params)
		c.booked(one, err, false)
		again, err := c.process().BookFirstAvailable(t.Context(), params)
		c.booked(again, err, true)
	})
}

// Two keys at once in one process: neither gets the other's booking.
func TestTwoKeysAtOnceInOneProcess(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.Inject(closuretest.Delay("appointments.create", time.Second).Times(0))
		p := c.process()
		for _, key := range []string{"order 1", "order 2"} {
			go func() {
				if _, err := p.BookFirstAvailable(t.Context(), firstParamsFor(key)); err != nil {
					t.Errorf("%s: %v", key, err)
				}
			}()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		c.standing(2)
	}, closuretest.AllowDuplicates(), closuretest.StaleReads(time.Minute))
}

// A read that lags behind a move shows the appointment at the old start. That doesn't
// prove that the new start is free again.
func TestBookingWhereAMoveWentWithinTheLag(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.AddSlots(clinicIDs[0], closure.Slot{StartAt: clinicSlot(15), Duration: 20})
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		c.booked(booking, err, false)
		time.Sleep(time.Hour)
		to := closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)}
		_, err = c.process().RescheduleBooking(t.Context(), booking.Appointment.ID, to)
		noError(t, err)
		there := slotParamsFor("")
		there.StartAt = clinicSlot(15)
		_, err = c.process().BookSlot(t.Context(), there)
		isUnknown(t, err)
		c.sentBookings(1)
		time.Sleep(time.Hour)
		booking, err = c.process().BookSlot(t.Context(), there)
		c.booked(booking, err, true)
		c.standing(1)
	}, closuretest.AllowDuplicates(), closuretest.StaleReads(time.Minute))
}

// An attempt counts as lost only after a read that succeeded and didn't show it.
func TestAttemptIsNotLostAfterAFailedRead(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.crashes(true, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), slotParamsFor("")) })
		time.Sleep(time.Hour)
		c.Inject(closuretest.Status("appointments.list", 503).Times(0))
		_, err := c.process().BookSlot(t.Context(), slotParamsFor(""), closure.AssumeLostAfter(time.Minute))
		isUnknown(t, err)
		c.holds(closure.JournalPending)
		c.ClearFaults()
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor(""), closure.AssumeLostAfter(time.Minute))
		c.booked(booking, err, true)
		c.standing(1)
	}, closuretest.AllowDuplicates())
}

// A process sends as late as it may, and dies. A look that began before that, and ended when the
// attempt counts as lost, doesn't show the appointment. That doesn't prove that there is none.
func TestAttemptIsNotLostByALookThatBeganEarlier(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.journal.Inject(closuretest.JournalWaits("begin", 29*time.Second))
		dies := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodGet {
				return c.Transport().RoundTrip(req)
			}
			time.Sleep(29500 * time.Millisecond)
			if resp, err := c.Transport().RoundTrip(req); err == nil {
				_ = resp.Body.Close()
			}
			runtime.Goexit()
			return nil, nil
		})
		go func() {
			p := c.process(closure.WithHTTPClient(&http.Client{Transport: dies}))
			_, _ = p.BookFirstAvailable(t.Context(), firstParamsFor("order 1"))
		}()
		time.Sleep(58200 * time.Millisecond)
		c.Inject(closuretest.Delay("appointments.list", 2900*time.Millisecond))
		booking, err := c.process().BookFirstAvailable(t.Context(), firstParamsFor("order 1"), closure.AssumeLostAfter(61*time.Second))
		c.booked(booking, err, true)
		c.standing(1)
	})
}
