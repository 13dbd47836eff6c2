package simulation

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// The limits: what no client can do with such an API, each in its smallest form.
// docs/reliability.md names them. If one of these tests fails, the SDK has become better than
// its documentation.

// limit runs a test in a bubble, with a client whose reads lag by 20 s.
func limit(
	t *testing.T, fn func(t *testing.T, s *closuretest.Server, c *closure.Client), options ...closuretest.Option,
) {
	synctest.Test(t, func(t *testing.T) {
		server := closuretest.New(append([]closuretest.Option{closuretest.StaleReads(20 * time.Second)}, options...)...)
		fn(t, server, server.Client())
	})
}

func guideParams() closure.BookSlotParams {
	s := closuretest.GuideSlot()
	return closure.BookSlotParams{ScheduleID: s.ScheduleID, PatientID: closuretest.GuidePatientID, StartAt: s.StartAt}
}

// Two calls come one after the other, within the lag of a server that accepts a slot twice:
// the second can't know of the first.
func TestLimitSecondCallWithinTheLag(t *testing.T) {
	limit(t, func(t *testing.T, s *closuretest.Server, c *closure.Client) {
		for range 2 {
			_, err := c.BookSlot(t.Context(), guideParams())
			noError(t, err)
			time.Sleep(time.Second)
		}
		if n := len(s.Appointments()); n != 2 {
			t.Errorf("%d appointments: the limit no longer exists", n)
		}
	}, closuretest.AllowDuplicates())
}

// A slot that was just cancelled is booked again within the lag: the call finds the
// appointment as it was.
func TestLimitBookAgainWithinTheLag(t *testing.T) {
	limit(t, func(t *testing.T, s *closuretest.Server, c *closure.Client) {
		booking, err := c.BookSlot(t.Context(), guideParams())
		noError(t, err)
		time.Sleep(time.Minute)
		_, err = c.CancelBooking(t.Context(), booking.Appointment.ID)
		noError(t, err)
		again, err := c.BookSlot(t.Context(), guideParams())
		noError(t, err)
		if !again.Recovered || len(s.Appointments()) != 1 {
			t.Error("the limit no longer exists")
		}
	})
}

// An appointment is moved there and back within the lag. The move back is rejected, but the
// read still shows the old start, which is the requested one.
func TestLimitThereAndBackWithinTheLag(t *testing.T) {
	limit(t, func(t *testing.T, s *closuretest.Server, c *closure.Client) {
		here, there := closuretest.GuideSlot(), closuretest.GuideSlot()
		there.StartAt = here.StartAt.Add(24 * time.Hour)
		s.AddSlots(here.ScheduleID, there)
		booking, err := c.BookSlot(t.Context(), guideParams())
		noError(t, err)
		time.Sleep(time.Minute)
		id := booking.Appointment.ID
		_, err = c.RescheduleBooking(t.Context(), id, closure.AppointmentRescheduleParams{StartAt: there.StartAt})
		noError(t, err)
		s.AddAppointment(closure.Appointment{ScheduleID: here.ScheduleID, PatientID: "pt_stranger", StartAt: here.StartAt})
		back, err := c.RescheduleBooking(t.Context(), id, closure.AppointmentRescheduleParams{StartAt: here.StartAt})
		if err != nil || !back.StartAt.Equal(here.StartAt) || !s.Appointments()[0].StartAt.Equal(there.StartAt) {
			t.Errorf("%v: the limit no longer exists", err)
		}
	})
}

// A change that is carried out late overwrites one that was made after it.
func TestLimitLateChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := closuretest.New()
		c := s.Client()
		first := closuretest.GuideSlot()
		params := make([]closure.AppointmentRescheduleParams, 2)
		for n := range params {
			params[n].StartAt = first.StartAt.Add(time.Duration(n+1) * 24 * time.Hour)
			s.AddSlots(first.ScheduleID, closure.Slot{StartAt: params[n].StartAt, Duration: 30})
		}
		booking, err := c.BookSlot(t.Context(), guideParams())
		noError(t, err)
		s.Inject(closuretest.CommitLate("appointments.reschedule", time.Minute))
		_, err = c.RescheduleBooking(t.Context(), booking.Appointment.ID, params[0])
		if !errors.Is(err, closure.ErrOutcomeUnknown) {
			t.Fatal(err)
		}
		_, err = c.RescheduleBooking(t.Context(), booking.Appointment.ID, params[1])
		noError(t, err)
		time.Sleep(time.Minute)
		if !s.Appointments()[0].StartAt.Equal(params[0].StartAt) {
			t.Error("the limit no longer exists")
		}
	})
}

// A change was made and its answer was lost. The same call again is rejected, and the read, which
// lags, doesn't contradict that.
func TestLimitRejectionAfterAnUnknownChange(t *testing.T) {
	for op, change := range map[string]func(*testing.T, *closure.Client, closure.AppointmentID) error{
		"appointments.cancel": func(t *testing.T, c *closure.Client, id closure.AppointmentID) error {
			_, err := c.CancelBooking(t.Context(), id)
			return err
		},
		"appointments.reschedule": func(t *testing.T, c *closure.Client, id closure.AppointmentID) error {
			_, err := c.RescheduleBooking(t.Context(), id, closure.AppointmentRescheduleParams{
				StartAt: guideParams().StartAt.Add(24 * time.Hour),
			})
			return err
		},
	} {
		limit(t, func(t *testing.T, s *closuretest.Server, c *closure.Client) {
			s.AddSlots(closuretest.GuideScheduleID, closure.Slot{StartAt: guideParams().StartAt.Add(24 * time.Hour), Duration: slotMinutes})
			booking, err := c.BookSlot(t.Context(), guideParams())
			noError(t, err)
			time.Sleep(time.Minute)
			s.Inject(closuretest.DropAfter(op), closuretest.Status(op, 429).Times(0))
			if err := change(t, c, booking.Appointment.ID); !errors.Is(err, closure.ErrOutcomeUnknown) {
				t.Fatal(err)
			}
			if err := change(t, c, booking.Appointment.ID); closure.OutcomeOf(err) != closure.OutcomeRejected {
				t.Errorf("%s: %v: the limit no longer exists", op, err)
			}
		})
	}
}

// AssumeLostAfter is the caller's assumption. If the API is later than that, it is wrong.
func TestLimitAssumeLostTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := closuretest.New()
		c := s.Client()
		s.Inject(closuretest.CommitLate("appointments.create", time.Minute))
		_, err := c.BookSlot(t.Context(), guideParams())
		unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err)
		if !ok {
			t.Fatal(err)
		}
		_, err = c.ResolveBooking(context.Background(), unknown.Attempt, closure.AssumeLostAfter(5*time.Second))
		time.Sleep(time.Minute)
		if !errors.Is(err, closure.ErrNotBooked) || len(s.Appointments()) != 1 {
			t.Errorf("%v: the limit no longer exists", err)
		}
	})
}

// One replica shows that the slot is gone, and another one, which lags, doesn't show whose it
// is.
func TestLimitReadsThatJump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := closuretest.New()
		c := s.Client()
		_, err := c.BookSlot(t.Context(), guideParams())
		noError(t, err)
		s.Inject(closuretest.Stale("appointments.list", time.Hour).Times(0))
		if _, err = c.BookSlot(t.Context(), guideParams()); !errors.Is(err, closure.ErrSlotUnavailable) {
			t.Errorf("%v: the limit no longer exists", err)
		}
	})
}

// If the list of appointments answers 404 for a while, the API counts as one without a list:
// nothing shows the earlier booking.
func TestLimitListThatVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := closuretest.New(closuretest.AllowDuplicates())
		c := s.Client()
		params := guideParams()
		params.Duration = slotMinutes
		_, err := c.BookSlot(t.Context(), params)
		noError(t, err)
		s.Inject(closuretest.Status("appointments.list", 404).Times(0))
		_, err = c.BookSlot(t.Context(), params)
		noError(t, err)
		if n := len(s.Appointments()); n != 2 {
			t.Errorf("%d appointments: the limit no longer exists", n)
		}
	})
}

// BookFirstAvailable has no slot by which a second call could recognize the first.
func TestLimitBookFirstTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := closuretest.New()
		c := s.Client()
		start := guideParams().StartAt
		params := closure.BookFirstParams{PatientID: closuretest.GuidePatientID, Search: closure.SlotSearch{
			Schedules: []closure.ScheduleID{closuretest.GuideScheduleID}, From: start, To: start.Add(24 * time.Hour),
		}}
		s.AddSlots(closuretest.GuideScheduleID, closure.Slot{StartAt: start.Add(2 * time.Hour), Duration: 30})
		for range 2 {
			_, err := c.BookFirstAvailable(t.Context(), params)
			noError(t, err)
		}
		if n := len(s.Appointments()); n != 2 {
			t.Errorf("%d appointments: the limit no longer exists", n)
		}
	})
}

// A rejection is a lie, and the reads confirm it, because they lag.
func TestLimitFalseRejection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := closuretest.New(closuretest.AllowDuplicates(), closuretest.StaleReads(20*time.Second))
		s.Inject(closuretest.StatusAfter("appointments.create", 429))
		_, err := s.Client().BookSlot(t.Context(), guideParams())
		noError(t, err)
		if n := len(s.Appointments()); n != 2 {
			t.Errorf("%d appointments: the limit no longer exists", n)
		}
	})
}
