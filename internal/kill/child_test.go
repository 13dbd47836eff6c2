package kill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// childVariable holds the task, in JSON, of a process that the test started.
const childVariable = "CLOSURE_KILL_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		os.Exit(child(text))
	}
	os.Exit(m.Run())
}

// A task is what a process is to do.
type task struct {
	API, Journal string // their URLs
	Does         deed
	Patient      closure.PatientID
	Start        time.Time
	Key          string
}

type deed string

const (
	booksSlot  deed = "BookSlot"
	booksFirst deed = "BookFirstAvailable"
	resolves   deed = "ResolvePending"
)

const (
	schedule    = closure.ScheduleID("sch_killed")
	minutes     = 30
	callTimeout = time.Second     // of an attempt
	bookTimeout = 2 * time.Second // of a booking
	lostAfter   = 3 * time.Second // longer than reads lag and a call takes together
)

// What a process prints, one line each.
type told struct {
	Patient     closure.PatientID
	Ending      ending
	Recovered   bool
	Appointment closure.AppointmentID
}

type ending string

const (
	booked    ending = "booked"
	notBooked ending = "not booked"
	taken     ending = "taken"
	notSent   ending = "not sent"
	unknown   ending = "unknown"
)

func endingOf(err error) ending {
	switch {
	case err == nil:
		return booked
	case closure.OutcomeOf(err) == closure.OutcomeUnknown:
		return unknown
	case errors.Is(err, closure.ErrSlotUnavailable), errors.Is(err, closure.ErrNoSlot):
		return taken
	case closure.OutcomeOf(err) == closure.OutcomeNotSent:
		return notSent
	default:
		return notBooked
	}
}

// child is the program that is killed.
func child(text string) (code int) {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return 2
	}
	client, err := closure.NewClient(closure.QuickstartKey,
		closure.WithBaseURL(t.API),
		closure.WithTimeout(callTimeout),
		closure.WithJournal(&remoteJournal{url: t.Journal}),
	)
	if err != nil {
		return 2
	}
	if t.Does == resolves {
		return t.resolve(client)
	}
	ctx, cancel := context.WithTimeout(context.Background(), bookTimeout)
	defer cancel()
	booking, err := t.book(ctx, client)
	tell(t.Patient, booking, err)
	return 0
}

func (t task) book(ctx context.Context, client *closure.Client) (*closure.Booking, error) {
	if t.Does == booksFirst {
		return client.BookFirstAvailable(ctx, closure.BookFirstParams{
			PatientID:      t.Patient,
			Search:         closure.SlotSearch{Schedules: []closure.ScheduleID{schedule}, From: t.Start, To: t.Start.Add(24 * time.Hour)},
			InsuranceCheck: closure.SkipInsuranceCheck,
			IdempotencyKey: t.Key,
		})
	}
	return client.BookSlot(ctx, closure.BookSlotParams{
		ScheduleID:     schedule,
		PatientID:      t.Patient,
		StartAt:        t.Start,
		Duration:       minutes,
		InsuranceCheck: closure.SkipInsuranceCheck,
		IdempotencyKey: t.Key,
	})
}

func (t task) resolve(client *closure.Client) (code int) {
	for resolution, err := range client.ResolvePending(context.Background(), closure.AssumeLostAfter(lostAfter)) {
		if err != nil {
			return 1
		}
		tell(resolution.Attempt.PatientID, resolution.Booking, resolution.Err)
	}
	return 0
}

func tell(patient closure.PatientID, booking *closure.Booking, err error) {
	line := told{Patient: patient, Ending: endingOf(err)}
	if errors.Is(err, closure.ErrNotBooked) {
		line.Ending = notBooked
	}
	if booking != nil {
		line.Recovered, line.Appointment = booking.Recovered, booking.Appointment.ID
	}
	text, _ := json.Marshal(line) // can't fail for strings and a bool
	fmt.Println(string(text))
}
