package databases

import (
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A start in a zone that JSON can't express is the same start when the database is asked again.
func TestStartInAnyZone(t *testing.T) {
	t.Parallel()
	everyDatabase(t, func(t *testing.T, d database) {
		server := closuretest.New(closuretest.ReportTo(t))
		slot := closuretest.GuideSlot()
		for i, zone := range []*time.Location{time.FixedZone("seconds", 31), time.FixedZone("a day", 24*60*60), time.UTC} {
			booking, err := server.Client(closure.WithJournal(d.open(t))).BookSlot(t.Context(), closure.BookSlotParams{
				ScheduleID: slot.ScheduleID, PatientID: closuretest.GuidePatientID,
				StartAt: slot.StartAt.In(zone), Duration: slot.Duration, IdempotencyKey: "order 1",
			})
			if err != nil || booking.Recovered != (i > 0) || len(server.Appointments()) != 1 {
				t.Fatalf("%s: %v, %v, %d appointments", zone, booking, err, len(server.Appointments()))
			}
		}
	})
}
