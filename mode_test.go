package closure_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// An attempt of the other mode is refused: this client's key can't see it.
func TestAttemptKnowsItsMode(t *testing.T) {
	t.Parallel()
	p, c := openPractice(t, func(g *gateway) {
		if g.books() {
			g.say(0, "")
		}
	})
	_, err := c.BookSlot(soon(t), bookingParams())
	var unknown *closure.OutcomeUnknownError
	if !errors.As(err, &unknown) {
		t.Fatal(err)
	}
	stored, err := json.Marshal(unknown.Attempt)
	noError(t, err)
	if !strings.Contains(string(stored), `"mode":"test"`) {
		t.Errorf("stored as %s", stored)
	}
	_, err = c.ResolveBooking(t.Context(), unknown.Attempt)
	isErrors(t, err, closure.ErrOutcomeUnknown)

	asked := p.count("GET /appointments")
	for _, mode := range []closure.Mode{closure.ModeLive, "other"} {
		live := unknown.Attempt
		live.Mode = mode
		live.AttemptedAt = time.Now().Add(-time.Hour)
		_, err = c.ResolveBooking(t.Context(), live, closure.AssumeLostAfter(time.Minute))
		refused(t, "attempt of "+string(mode), err, "ResolveBooking", "Mode")
	}
	if p.count("GET /appointments") != asked {
		t.Error("it was looked for all the same")
	}
}

// An attempt that an older version stored resolves.
func TestAttemptOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	p, c := openPractice(t, nil)
	p.hold("scheduled")
	var attempt closure.BookingAttempt
	noError(t, json.Unmarshal([]byte(`{"schedule_id":"`+string(guide.schedule)+`","patient_id":"`+string(guide.patient)+
		`","start_at":"2022-05-20T17:00:00Z","duration":30,"attempted_at":"2022-05-20T16:00:00Z"}`), &attempt))
	booking, err := c.ResolveBooking(t.Context(), attempt)
	ends(t, booking, err, "recovered")
	if stored := show(attempt); strings.Contains(stored, "mode") {
		t.Errorf("stored again as %s", stored)
	}
}
