package closuretemporal

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// inClinicWithAReleased books the guide's slot, cancels it a day later, and lets the time pass.
func inClinicWithAReleased(t *testing.T, pass time.Duration, test func(t *testing.T, a *activities, journal *closuretest.Journal, released closure.Appointment)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, journal := closuretest.New(closuretest.ReportTo(t), closuretest.AllowDuplicates(), closuretest.StaleReads(time.Hour)), closuretest.NewJournal()
		client := server.Client(closure.WithJournal(journal))
		booking, err := client.BookSlot(t.Context(), guide())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		if _, err := client.CancelBooking(t.Context(), booking.Appointment.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(pass)
		test(t, &activities{api: client, journal: journal}, journal, booking.Appointment)
	})
}

// A lost attempt isn't the cancelled appointment that a read shows which lags.
func TestLostAttemptAndAReadThatLags(t *testing.T) {
	inClinicWithAReleased(t, 2*time.Minute, func(t *testing.T, a *activities, _ *closuretest.Journal, _ closure.Appointment) {
		attempt := closure.NewBookingAttempt(guide())
		attempt.Mode = closure.ModeTest
		end := a.lookOnce(t.Context(), lookInput{Attempt: attempt, Lost: true, LostAfter: 30 * time.Minute})
		if end.Appointment != nil || end.Failure == nil {
			t.Errorf("a cancelled appointment is the booking: %t; given up: %t", end.Appointment != nil, end.Failure != nil)
		}
	})
}

// An appointment that was reinstated is booked, once no read can lag behind its cancellation.
func TestBookedEntryOfAReinstatedAppointment(t *testing.T) {
	for passed, booked := range map[time.Duration]bool{time.Hour: false, 48 * time.Hour: true} {
		t.Run(passed.String(), func(t *testing.T) {
			inClinicWithAReleased(t, passed, func(t *testing.T, a *activities, journal *closuretest.Journal, released closure.Appointment) {
				params := guide()
				params.IdempotencyKey = "order-2"
				attempt := closure.NewBookingAttempt(params)
				if _, err := journal.Begin(t.Context(), attempt); err != nil {
					t.Fatal(err)
				}
				if err := journal.Finish(t.Context(), closure.JournalEntry{Attempt: attempt, State: closure.JournalBooked, Appointment: released.ID}); err != nil {
					t.Fatal(err)
				}
				end := a.lookOnce(t.Context(), lookInput{Attempt: attempt, Order: order{Patient: params.PatientID, Key: "order-2"}})
				if (end.Appointment != nil) != booked {
					t.Errorf("booked: %t, want %t", end.Appointment != nil, booked)
				}
			})
		})
	}
}
