package closure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

func ExampleClient_BookSlot() {
	client := closuretest.New().Client() // in production: closure.NewClientFromEnv()

	booking, err := client.BookSlot(context.Background(), closure.BookSlotParams{
		ScheduleID: "sch_u5oQnnMdSbyb83xgqgkUgX",
		PatientID:  "pt_sxKCbaoVdBXHBGWywcBETm",
		StartAt:    time.Date(2022, time.May, 20, 17, 0, 0, 0, time.UTC),
	})
	unknown, isUnknown := errors.AsType[*closure.OutcomeUnknownError](err)
	switch {
	case err == nil:
		fmt.Println("booked:", booking.Appointment.StartAt.Format(time.DateTime), booking.Appointment.Status)
	case isUnknown:
		stored, _ := json.Marshal(unknown.Attempt) // for ResolveBooking, later
		fmt.Println("may be booked, don't book again:", len(stored) > 0)
	case errors.Is(err, closure.ErrSlotUnavailable):
		fmt.Println("somebody else was faster: offer another slot")
	case errors.Is(err, closure.ErrInsuranceNotAccepted):
		fmt.Println("offer another schedule, or self-pay")
	default:
		fmt.Println("not booked:", err)
	}
	// Output: booked: 2022-05-20 17:00:00 scheduled
}

// The answer to the booking is lost, and so is all that could tell what became
// of it. What is left is an attempt, which is settled when the API answers again.
func ExampleClient_ResolveBooking() {
	server := closuretest.New()
	client := server.Client()
	ctx := context.Background()

	server.Inject(closuretest.DropAfter("appointments.create"), closuretest.Status("appointments.list", 404).Times(2))
	_, err := client.BookSlot(ctx, closure.BookSlotParams{
		ScheduleID: closuretest.GuideScheduleID,
		PatientID:  closuretest.GuidePatientID,
		StartAt:    closuretest.GuideSlot().StartAt,
		Duration:   30,
	})
	unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err)
	if !ok {
		log.Fatal("no unknown outcome: ", err)
	}
	stored, err := json.Marshal(unknown.Attempt)
	if err != nil {
		log.Fatal(err)
	}

	// Later, in another process:
	var attempt closure.BookingAttempt
	if err := json.Unmarshal(stored, &attempt); err != nil {
		log.Fatal(err)
	}
	booking, err := client.ResolveBooking(ctx, attempt, closure.AssumeLostAfter(15*time.Minute))
	switch {
	case err == nil:
		fmt.Println("it was booked; recovered:", booking.Recovered)
	case errors.Is(err, closure.ErrNotBooked):
		fmt.Println("it was not booked: it is safe to book again")
	default:
		fmt.Println("resolve it again later:", err)
	}
	// Output: it was booked; recovered: true
}

func ExampleClient_BookFirstAvailable() {
	client := closuretest.New().Client()
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		log.Fatal(err)
	}

	booking, err := client.BookFirstAvailable(context.Background(), closure.BookFirstParams{
		PatientID: closuretest.GuidePatientID,
		Search: closure.SlotSearch{
			Schedules: []closure.ScheduleID{closuretest.GuideScheduleID},
			From:      time.Date(2022, time.May, 16, 0, 0, 0, 0, newYork),
			To:        time.Date(2022, time.May, 30, 0, 0, 0, 0, newYork),
			Zone:      newYork,
			Weekdays:  []time.Weekday{time.Wednesday, time.Friday},
			NotBefore: &closure.ClockTime{Hour: 13},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(booking.Appointment.StartAt.In(newYork).Format("Mon 2 Jan 2006 15:04 MST"))
	// Output: Fri 20 May 2022 13:00 EDT
}

func ExampleClient_RescheduleBooking() {
	client := closuretest.New().Client()
	ctx := context.Background()
	booking, err := client.BookSlot(ctx, closure.BookSlotParams{
		ScheduleID: closuretest.GuideScheduleID,
		PatientID:  closuretest.GuidePatientID,
		StartAt:    closuretest.GuideSlot().StartAt,
	})
	if err != nil {
		log.Fatal(err)
	}

	moved, err := client.RescheduleBooking(ctx, booking.Appointment.ID, closure.AppointmentRescheduleParams{
		StartAt: booking.Appointment.StartAt.Add(15 * time.Minute),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(moved.Status, moved.StartAt.Format(time.DateTime))
	// Output: rescheduled 2022-05-20 17:15:00
}

func ExampleClient_CancelBooking() {
	server := closuretest.New()
	client := server.Client()
	ctx := context.Background()
	booking, err := client.BookSlot(ctx, closure.BookSlotParams{
		ScheduleID: closuretest.GuideScheduleID,
		PatientID:  closuretest.GuidePatientID,
		StartAt:    closuretest.GuideSlot().StartAt,
	})
	if err != nil {
		log.Fatal(err)
	}

	// The answer gets lost. The appointment is read back, and it is cancelled.
	server.Inject(closuretest.DropAfter("appointments.cancel"))
	cancelled, err := client.CancelBooking(ctx, booking.Appointment.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cancelled.Status)
	// Output: cancelled
}

// OutcomeOf says of any write whether it is safe to do it again.
func ExampleOutcomeOf() {
	server := closuretest.New()
	client := server.Client()
	ctx := context.Background()
	params := closure.AppointmentCreateParams{
		ScheduleID: closuretest.GuideScheduleID,
		PatientID:  closuretest.GuidePatientID,
		StartAt:    closuretest.GuideSlot().StartAt,
		Duration:   30,
	}

	server.Inject(closuretest.StatusAfter("appointments.create", 502))
	for range 2 {
		_, err := client.Appointments.Create(ctx, params)
		fmt.Println(closure.OutcomeOf(err))
	}
	server.Close() // from now on, connections are refused
	_, err := client.Appointments.Create(ctx, params, closure.WithMaxAttempts(1))
	fmt.Println(closure.OutcomeOf(err))
	// Output:
	// unknown
	// rejected
	// not sent
}
