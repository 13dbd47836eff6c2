// Package docs_test runs the tests that README.md and docs/testing.md show.
package docs_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// book stands for the reader's own code.
func book(ctx context.Context, client *closure.Client) (*closure.Booking, error) {
	return client.BookSlot(ctx, closure.BookSlotParams{
		ScheduleID: closuretest.GuideScheduleID,
		PatientID:  closuretest.GuidePatientID,
		StartAt:    closuretest.GuideSlot().StartAt,
	})
}

// The tests as they stand in the documents.

func TestBookingSurvivesALostAnswer(t *testing.T) {
	server := closuretest.New(closuretest.ReportTo(t))
	server.Inject(closuretest.DropAfter("appointments.create")) // booked, then the connection is lost

	_, err := book(t.Context(), server.Client()) // your code; no socket, no network

	if err != nil || len(server.Appointments()) != 1 { // the ledger: what was really booked
		t.Errorf("%v, %d appointments, want one", err, len(server.Appointments()))
	}
}

func TestEndings(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault closuretest.Fault
		want  closure.Outcome
	}{
		{"booked, answer lost: found by reading back", closuretest.DropAfter("appointments.create"), closure.OutcomeApplied},
		{"refused", closuretest.Status("appointments.create", 403), closure.OutcomeRejected},
		{"lost on the way: nobody can know", closuretest.DropBefore("appointments.create"), closure.OutcomeUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the 10 s of reading back cost nothing
				server := closuretest.New(closuretest.ReportTo(t))
				server.Inject(tt.fault)
				_, err := server.Client().BookSlot(t.Context(), closure.BookSlotParams{
					ScheduleID: closuretest.GuideScheduleID,
					PatientID:  closuretest.GuidePatientID,
					StartAt:    closuretest.GuideSlot().StartAt,
				})
				if got := closure.OutcomeOf(err); got != tt.want {
					t.Errorf("%v, want %v: %v", got, tt.want, err)
				}
			})
		})
	}
}

func TestLateCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := closuretest.New(closuretest.ReportTo(t))
		server.Inject(closuretest.CommitLate("appointments.create", time.Minute))
		client := server.Client()
		_, err := client.BookSlot(t.Context(), closure.BookSlotParams{
			ScheduleID: closuretest.GuideScheduleID,
			PatientID:  closuretest.GuidePatientID,
			StartAt:    closuretest.GuideSlot().StartAt,
		})
		var unknown *closure.OutcomeUnknownError
		if !errors.As(err, &unknown) {
			t.Fatal(err)
		}
		stored, err := json.Marshal(unknown.Attempt) // to disk, to another process
		if err != nil {
			t.Fatal(err)
		}

		time.Sleep(time.Minute)

		var attempt closure.BookingAttempt
		if err := json.Unmarshal(stored, &attempt); err != nil {
			t.Fatal(err)
		}
		booking, err := client.ResolveBooking(t.Context(), attempt)
		if err != nil || !booking.Recovered {
			t.Errorf("%v, want the booking", err)
		}
	})
}

func TestTakenInBetween(t *testing.T) {
	server := closuretest.New(closuretest.ReportTo(t))
	client := server.Client()
	slots, err := client.Availabilities.List(t.Context(), closuretest.GuideScheduleID, closure.AvailabilityListParams{})
	if err != nil {
		t.Fatal(err)
	}

	server.AddAppointment(closure.Appointment{ // somebody else is faster
		ScheduleID: closuretest.GuideScheduleID, PatientID: "pt_other", StartAt: slots[0].StartAt,
	})

	_, err = client.BookSlot(t.Context(), closure.BookSlotParams{
		ScheduleID: closuretest.GuideScheduleID, PatientID: closuretest.GuidePatientID, StartAt: slots[0].StartAt,
	})
	if !errors.Is(err, closure.ErrSlotUnavailable) {
		t.Errorf("%v, want ErrSlotUnavailable", err)
	}
}

func TestDocumentedTests(t *testing.T) {
	t.Parallel()
	here, err := os.ReadFile("documented_test.go")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```go\n(func Test.*?)^```$")
	for path, least := range map[string]int{"../README.md": 1, "testing.md": 3} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := block.FindAllStringSubmatch(string(text), -1)
		if len(found) < least {
			t.Errorf("%s: %d tests, want %d at least", path, len(found), least)
		}
		for _, test := range found {
			if !strings.Contains(string(here), test[1]) {
				t.Errorf("%s: a test is not here as it stands there:\n%s", path, test[1])
			}
		}
	}
}
