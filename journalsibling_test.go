package closure_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// Another process books the slot for the same patient after this one has asked the journal
// and before it reads the slots. The list of appointments lags. The call must not report
// that the slot is taken.
func TestSlotTakenForTheSamePatient(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.Inject(closuretest.Stale("appointments.list", time.Minute).Times(0))
		var once sync.Once
		transport := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if strings.HasSuffix(req.URL.Path, "/slots") {
				once.Do(func() {
					booking, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
					c.booked(booking, err, false)
				})
			}
			return c.Transport().RoundTrip(req)
		})
		params := slotParamsFor("order 1")
		params.Duration = 0
		booking, err := c.process(closure.WithHTTPClient(&http.Client{Transport: transport})).BookSlot(t.Context(), params)
		c.booked(booking, err, true)
		c.sentBookings(1)
	})
}

// An attempt was lost, and another one was made instead. To resolve the first returns the
// second: "not booked" would be a lie, because the patient has the appointment.
func TestLostAttemptThatWasMadeAgain(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), slotParamsFor("order 1")) })
		lost := c.journal.Entries()[0].Attempt
		time.Sleep(time.Hour)
		again, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"), closure.AssumeLostAfter(10*time.Minute))
		c.booked(again, err, false)
		c.Inject(closuretest.Stale("appointments.list", time.Minute))
		booking, err := c.process().ResolveBooking(t.Context(), lost, closure.AssumeLostAfter(10*time.Minute))
		c.booked(booking, err, true)
	})
}

// A forgetfulJournal fails to record some endings.
type forgetfulJournal struct {
	*closuretest.Journal
	fails func(closure.JournalEntry) bool
}

func (j *forgetfulJournal) Finish(ctx context.Context, entry closure.JournalEntry) error {
	if j.fails(entry) {
		return closuretest.ErrJournal
	}
	return j.Journal.Finish(ctx, entry)
}

// Neither the booking's ending nor the move's was recorded: a read that lags behind
// the move doesn't settle the booking at the old start.
func TestMoveOfABookingThatIsPending(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.AddSlots(clinicIDs[0], closure.Slot{StartAt: clinicSlot(15), Duration: 20})
		finishes := 0
		journal := &forgetfulJournal{c.journal, func(e closure.JournalEntry) bool {
			finishes++
			return finishes == 1 || e.Attempt.AppointmentID != ""
		}}
		process := c.Client(closure.WithJournal(journal))
		booking, err := process.BookSlot(t.Context(), slotParamsFor(""))
		c.booked(booking, err, false)
		c.holds(closure.JournalPending)
		time.Sleep(time.Minute)
		_, err = process.RescheduleBooking(t.Context(), booking.Appointment.ID, closure.AppointmentRescheduleParams{
			StartAt: clinicSlot(15),
		})
		noError(t, err)
		c.holds(closure.JournalBooked, closure.JournalPending)
		for resolution, err := range process.ResolvePending(t.Context()) {
			noError(t, err)
			if resolution.Booking != nil {
				t.Errorf("booked, by a read that lags, at %s", resolution.Booking.Appointment.StartAt)
			}
		}
	}, closuretest.StaleReads(30*time.Second))
}
