package closure_test

import (
	"context"
	"fmt"
	"log"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A program settles at its start, and from time to time, what a process that died
// left in the journal.
func ExampleClient_ResolvePending() {
	ctx := context.Background()
	server := closuretest.New()
	journal := closuretest.NewJournal()
	slot := closuretest.GuideSlot()
	params := closure.BookSlotParams{
		ScheduleID:     closuretest.GuideScheduleID,
		PatientID:      closuretest.GuidePatientID,
		StartAt:        slot.StartAt,
		IdempotencyKey: "order 17",
	}

	// A process dies after its request has left: the entry is pending, the appointment made.
	if _, err := journal.Begin(ctx, closure.NewBookingAttempt(params)); err != nil {
		log.Fatal(err)
	}
	server.AddAppointment(closure.Appointment{
		ScheduleID: params.ScheduleID, PatientID: params.PatientID, StartAt: slot.StartAt, Duration: slot.Duration,
	})

	client := server.Client(closure.WithJournal(journal))
	for resolution, err := range client.ResolvePending(ctx) {
		if err != nil {
			log.Fatal(err) // the journal can't be read
		}
		fmt.Println("booked:", resolution.Booking != nil, "error:", resolution.Err)
	}
	booking, err := client.BookSlot(ctx, params) // the same call again
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("recovered:", booking.Recovered, "appointments:", len(server.Appointments()))
	// Output:
	// booked: true error: <nil>
	// recovered: true appointments: 1
}
