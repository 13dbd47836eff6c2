package closuretemporal

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"github.com/closurehealth/closure-go/closuretest"
)

// A verdict that comes while the last look is under way was accepted: it counts,
// unless the look found the appointment.
func TestAVerdictBeatsALookThatFoundNothing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault closuretest.Fault
		shown bool
	}{
		{"lost", closuretest.DropBefore("appointments.create"), false},
		{"shown by the look", closuretest.CommitLate("appointments.create", 29*time.Minute+59*time.Second), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				b.policy.AssumeLostAfter = 30 * time.Minute
				b.server.Inject(tt.fault)
				var accepted, given atomic.Bool
				start := b.Now()
				b.routes = func(next http.RoundTripper) http.RoundTripper {
					return roundTripFunc(func(req *http.Request) (*http.Response, error) {
						if b.Now().Sub(start) > 30*time.Minute && !given.Swap(true) {
							b.UpdateWorkflow(settleUpdate, "", &testsuite.TestUpdateCallback{
								OnAccept: func() { accepted.Store(true) }, OnReject: func(error) {}, OnComplete: func(any, error) {},
							}, Booked("appt_told"))
							time.Sleep(500 * time.Millisecond) // the look is answered after it
						}
						return next.RoundTrip(req)
					})
				}
				booked, err := b.book()
				if err != nil || !accepted.Load() || (booked.ID == "appt_told") == tt.shown || b.sent() != 1 {
					t.Errorf("%v, %v, accepted %t, sent %d times", booked, err, accepted.Load(), b.sent())
				}
			})
		})
	}
}
