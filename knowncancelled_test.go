package closure_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// For an hour, the list goes on showing what was cancelled a moment ago.
func TestWhatIsKnownToBeCancelledIsNoBooking(t *testing.T) {
	t.Parallel()
	params := guideSlotParams()
	cancelled := func(t *testing.T) (*closuretest.Server, *closure.Client, closure.AppointmentID) {
		server := closuretest.New(closuretest.ReportTo(t))
		client := server.Client()
		first, err := client.BookSlot(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := client.CancelBooking(t.Context(), first.Appointment.ID); err != nil {
			t.Fatal(err)
		}
		server.Inject(closuretest.Stale("appointments.list", time.Second).Times(0))
		return server, client, first.Appointment.ID
	}
	t.Run("booked anew", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, client, old := cancelled(t)
			if lagging, err := client.BookSlot(t.Context(), params); err != nil || lagging.Appointment.ID != old {
				t.Fatalf("without the option: %v, %v", lagging, err)
			}
			booking, err := client.BookSlot(t.Context(), params, closure.KnownCancelled("appt_other"),
				closure.KnownCancelled(old))
			if err != nil || booking.Recovered || booking.Appointment.ID == old {
				t.Errorf("%v, %v", booking, err)
			}
		})
	})
	t.Run("resolved", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, client, old := cancelled(t)
			attempt := closure.NewBookingAttempt(params)
			if lagging, err := client.ResolveBooking(t.Context(), attempt); err != nil || lagging.Appointment.ID != old {
				t.Fatalf("without the option: %v, %v", lagging, err)
			}
			booking, err := client.ResolveBooking(t.Context(), attempt, closure.KnownCancelled(old))
			if booking != nil || closure.OutcomeOf(err) != closure.OutcomeUnknown {
				t.Errorf("%v, %v", booking, err)
			}
		})
	})
	t.Run("found by a call that doesn't know, and that this one waited for", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			server, client, old := cancelled(t)
			server.Inject(closuretest.Delay("schedules.get", 2*time.Second))
			var first sync.WaitGroup
			first.Go(func() {
				if lagging, err := client.BookSlot(t.Context(), params); err != nil || lagging.Appointment.ID != old {
					t.Errorf("without the option: %v, %v", lagging, err)
				}
			})
			time.Sleep(time.Second)
			booking, err := client.BookSlot(t.Context(), params, closure.KnownCancelled(old))
			if err != nil || booking.Appointment.ID == old {
				t.Errorf("%v, %v", booking, err)
			}
			first.Wait()
		})
	})
}
