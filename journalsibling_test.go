package closure_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// Another process takes the slot for the same patient between this one's look at
// the journal and its look at the slots, and the list of appointments lags: that is
// no refusal.
func TestSlotTakenByTheOtherClick(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.Inject(closuretest.Stale("appointments.list", time.Minute).Times(0))
		var once sync.Once
		transport := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if strings.HasSuffix(req.URL.Path, "/slots") {
				once.Do(func() {
					booking, err := c.process().BookSlot(t.Context(), slotWish("order 1"))
					c.booked(booking, err, false)
				})
			}
			return c.Transport().RoundTrip(req)
		})
		wish := slotWish("order 1")
		wish.Duration = 0
		booking, err := c.process(closure.WithHTTPClient(&http.Client{Transport: transport})).BookSlot(t.Context(), wish)
		c.booked(booking, err, true)
		c.sentBookings(1)
	})
}

// What became of an attempt that was lost is the one that was made in its place:
// "not booked" would be a lie to whoever has the appointment.
func TestLostAttemptThatWasMadeAgain(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), slotWish("order 1")) })
		lost := c.journal.Entries()[0].Attempt
		time.Sleep(time.Hour)
		again, err := c.process().BookSlot(t.Context(), slotWish("order 1"), closure.AssumeLostAfter(10*time.Minute))
		c.booked(again, err, false)
		c.Inject(closuretest.Stale("appointments.list", time.Minute))
		booking, err := c.process().ResolveBooking(t.Context(), lost, closure.AssumeLostAfter(10*time.Minute))
		c.booked(booking, err, true)
	})
}
