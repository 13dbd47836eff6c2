// Consumer is a program outside of the SDK's module. If it compiles, no signature
// changed (surface.go). If it runs, the calls work from outside, against the test
// double.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

func main() {
	for _, run := range []func(context.Context) error{calls, bookings, errorsAndOutcomes} {
		if err := run(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "consumer:", err)
			os.Exit(1)
		}
	}
	fmt.Println("the public surface works from outside")
}

// calls makes calls of every kind. (That all operations have a method which reaches
// the test double, a test of closuretest shows.)
func calls(ctx context.Context) error {
	server := closuretest.New()
	client := server.Client(closure.WithMode(closure.ModeTest), closure.WithUserAgent("consumer/1"))
	slot := closuretest.GuideSlot()

	schedule, err := client.Schedules.Get(ctx, slot.ScheduleID, closure.Expand(closure.ExpandPractitioner, closure.ExpandLocation))
	if err != nil {
		return err
	}
	practitioner, err := client.Practitioners.Get(ctx, schedule.Practitioner.ID)
	if err != nil {
		return err
	}
	found, err := client.Patients.Find(ctx, closure.PatientListParams{Name: "Trisha Pandit", DOB: closure.NewDate(1994, time.December, 22)})
	if err != nil {
		return err
	}
	made, err := client.Appointments.Create(ctx, closure.AppointmentCreateParams{
		ScheduleID: slot.ScheduleID, PatientID: found.ID, StartAt: slot.StartAt, Duration: slot.Duration,
	})
	if err != nil {
		return err
	}
	for _, call := range []func() (any, error){
		func() (any, error) { return client.Patients.Get(ctx, found.ID) },
		func() (any, error) {
			return client.Patients.Create(ctx, closure.PatientCreateParams{FirstName: "Ana", LastName: "Example", DOB: closure.NewDate(1990, time.May, 4)})
		},
		func() (any, error) {
			return client.Practitioners.List(ctx, closure.PractitionerListParams{NPIs: []string{practitioner.NPI}})
		},
		func() (any, error) {
			return client.Schedules.List(ctx, closure.ScheduleListParams{PractitionerID: practitioner.ID})
		},
		func() (any, error) {
			return client.Availabilities.List(ctx, schedule.ID, closure.AvailabilityListParams{From: slot.StartAt})
		},
		func() (any, error) { return client.Appointments.Get(ctx, made.ID) },
		func() (any, error) {
			return client.Appointments.List(ctx, closure.AppointmentListParams{PatientID: found.ID})
		},
		func() (any, error) {
			return client.Appointments.Reschedule(ctx, made.ID, closure.AppointmentRescheduleParams{StartAt: slot.StartAt.Add(15 * time.Minute)})
		},
		func() (any, error) { return client.Appointments.Cancel(ctx, made.ID) },
		func() (any, error) { return client.Specialties.List(ctx) },
		func() (any, error) { return client.Specialties.Get(ctx, practitioner.PrimarySpecialty) },
		func() (any, error) { return client.Insurances.List(ctx) },
		func() (any, error) { return client.Insurances.Get(ctx, found.Insurance.ID) },
		func() (any, error) { return client.Locations.List(ctx) },
		func() (any, error) { return client.Locations.Get(ctx, schedule.Location.ID) },
		func() (any, error) { return client.AppointmentTypes.List(ctx) },
		func() (any, error) { return client.AppointmentTypes.Get(ctx, schedule.AppointmentType.ID) },
		func() (any, error) {
			return client.IndexVersions.Create(ctx, closure.IndexVersionCreateParams{Name: "a copy"})
		},
	} {
		if _, err := call(); err != nil {
			return err
		}
	}
	return nil
}

// bookings goes through a booking's life, a lost answer included.
func bookings(ctx context.Context) error {
	server := closuretest.New()
	client := server.Client()
	search := closure.SlotSearch{
		Schedules: []closure.ScheduleID{closuretest.GuideScheduleID},
		From:      time.Date(2022, time.May, 16, 0, 0, 0, 0, time.UTC),
		To:        time.Date(2022, time.May, 23, 0, 0, 0, 0, time.UTC),
	}
	for _, err := range client.Availabilities.Search(ctx, search) {
		if err != nil {
			return err
		}
	}
	first, err := client.Availabilities.First(ctx, search)
	if err != nil {
		return err
	}
	server.Inject(closuretest.DropAfter("appointments.create"), closuretest.Status("appointments.list", 404).Times(2))
	_, err = client.BookSlot(ctx, closure.BookSlotParams{
		ScheduleID: first.ScheduleID, PatientID: closuretest.GuidePatientID, StartAt: first.StartAt, Duration: first.Duration,
	})
	unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err)
	if !ok {
		return fmt.Errorf("a lost answer is %w, want an unknown outcome", err)
	}
	stored, err := json.Marshal(unknown.Attempt)
	if err != nil {
		return err
	}
	var attempt closure.BookingAttempt
	if err := json.Unmarshal(stored, &attempt); err != nil {
		return err
	}
	booking, err := client.ResolveBooking(ctx, attempt)
	if err != nil {
		return err
	}
	moved, err := client.RescheduleBooking(ctx, booking.Appointment.ID, closure.AppointmentRescheduleParams{StartAt: first.StartAt.Add(15 * time.Minute)})
	if err != nil {
		return err
	}
	if _, err := client.CancelBooking(ctx, moved.ID); err != nil {
		return err
	}
	_, err = client.BookFirstAvailable(ctx, closure.BookFirstParams{PatientID: closuretest.GuidePatientID, Search: search})
	return err
}

// errorsAndOutcomes meets each type of error.
func errorsAndOutcomes(ctx context.Context) error {
	server := closuretest.New()
	client := server.Client()
	if _, err := closure.NewClient("no key"); !errors.Is(err, closure.ErrInvalidInput) {
		return fmt.Errorf("a bad key is %w, want ErrInvalidInput", err)
	}
	var captured closure.Response
	_, err := client.Patients.Get(ctx, "pt_nobody", closure.CaptureResponse(&captured))
	answer, ok := errors.AsType[*closure.APIError](err)
	if !ok || !errors.Is(err, closure.ErrNotFound) || answer.RequestID != captured.RequestID {
		return fmt.Errorf("an unknown patient is %w, want ErrNotFound", err)
	}
	_, err = client.BookSlot(ctx, closure.BookSlotParams{
		ScheduleID: closuretest.GuideScheduleID, PatientID: closuretest.GuidePatientID, StartAt: closuretest.GuideSlot().StartAt, InsuranceID: "ins_other",
	})
	if refusal, ok := errors.AsType[*closure.InsuranceError](err); !ok || refusal.Status != closure.InsuranceNotAccepted {
		return fmt.Errorf("another insurance is %w, want an InsuranceError", err)
	}
	server.Close() // connections are refused
	_, err = client.Appointments.Cancel(ctx, "appt_1", closure.WithMaxAttempts(1))
	if lost, ok := errors.AsType[*closure.TransportError](err); !ok || lost.Outcome != closure.OutcomeOf(err) || lost.Outcome != closure.OutcomeNotSent {
		return fmt.Errorf("no connection is %w, want a TransportError", err)
	}
	return nil
}
