package closure_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// oddZones are zones that RFC 3339 can't express: JSON would move the start, or fail.
var oddZones = []*time.Location{
	time.FixedZone("seconds", 31), time.FixedZone("minutes taken for seconds", 330), time.FixedZone("a day", 24*60*60),
}

func stored(t *testing.T, attempt closure.BookingAttempt) (read closure.BookingAttempt) {
	t.Helper()
	text, err := json.Marshal(attempt)
	noError(t, err)
	noError(t, json.Unmarshal(text, &read))
	return read
}

// Whatever the zone of the start, an attempt that was stored is about the same instant.
func TestStoredAttemptKeepsItsStart(t *testing.T) {
	t.Parallel()
	for _, zone := range oddZones {
		synctest.Test(t, func(t *testing.T) {
			params := guideSlotParams()
			params.StartAt = params.StartAt.In(zone)
			if got := stored(t, closure.NewBookingAttempt(params)).StartAt; !got.Equal(params.StartAt) {
				t.Errorf("%s: a new attempt is at %v", zone, got.UTC())
			}
			server := closuretest.New(closuretest.ReportTo(t))
			server.Inject(closuretest.DropAfter("appointments.create"), closuretest.Stale("appointments.list", time.Minute).Times(0))
			client := server.Client()
			_, err := client.BookSlot(t.Context(), params)
			unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err)
			if !ok {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Minute)
			_, err = client.ResolveBooking(t.Context(), stored(t, unknown.Attempt), closure.AssumeLostAfter(15*time.Minute))
			noError(t, err)
		})
	}
}

// A storing journal keeps entries as JSON, as one in a database does.
type storingJournal struct {
	closure.Journal
	t *testing.T
}

func (j storingJournal) Begin(ctx context.Context, attempt closure.BookingAttempt) (*closure.JournalEntry, error) {
	return j.Journal.Begin(ctx, stored(j.t, attempt))
}

func TestJournalledStartInAnyZone(t *testing.T) {
	t.Parallel()
	for _, zone := range oddZones {
		synctest.Test(t, func(t *testing.T) {
			server := closuretest.New(closuretest.ReportTo(t))
			client := server.Client(closure.WithJournal(storingJournal{closuretest.NewJournal(), t}))
			params := guideSlotParams()
			params.IdempotencyKey = "order 17"
			inUTC := params
			params.StartAt = params.StartAt.In(zone)
			first, err := client.BookSlot(t.Context(), params)
			noError(t, err)
			for _, again := range []closure.BookSlotParams{params, inUTC} {
				booking, err := client.BookSlot(t.Context(), again)
				if err != nil || booking.Appointment.ID != first.Appointment.ID {
					t.Fatalf("%s: %v, %v", zone, booking, err)
				}
			}
			to := closure.AppointmentRescheduleParams{StartAt: params.StartAt.Add(15 * time.Minute)}
			for range 2 {
				_, err := client.RescheduleBooking(t.Context(), first.Appointment.ID, to)
				noError(t, err)
			}
			if n := len(server.Appointments()); n != 1 {
				t.Errorf("%s: %d appointments", zone, n)
			}
		})
	}
}
