package docs_test

import (
	"context"
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

// The code of docs/production.md, as it stands there.

// bookVisit books what an order asks for. It may be called again with the same
// order, by this process or another one: it is the same appointment.
func bookVisit(request context.Context, client *closure.Client, order string, slot closure.Slot, patient closure.PatientID) (*closure.Booking, error) {
	// A patient who closes the browser must not leave a booking half done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(request), 45*time.Second)
	defer cancel()
	return client.BookSlot(ctx, closure.BookSlotParams{
		ScheduleID:     slot.ScheduleID,
		PatientID:      patient,
		StartAt:        slot.StartAt,
		Duration:       slot.Duration,
		IdempotencyKey: order,
	})
}

// settle settles what crashes and lost answers left, now and every minute.
func settle(ctx context.Context, client *closure.Client, settled func(closure.Resolution)) error {
	for {
		for resolution, err := range client.ResolvePending(ctx, closure.AssumeLostAfter(15*time.Minute)) {
			if err != nil {
				return err // the journal can't be read: somebody has to know
			}
			settled(resolution)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Minute):
		}
	}
}

// tell says to a patient what is true.
func tell(err error) string {
	switch {
	case err == nil:
		return "booked"
	case closure.OutcomeOf(err) == closure.OutcomeUnknown:
		return "we are checking" // settle finds out
	case errors.Is(err, closure.ErrSlotUnavailable):
		return "taken: here are others"
	case errors.Is(err, closure.ErrInsuranceNotAccepted):
		return "this doctor does not take your plan"
	default:
		return "not booked: please try again"
	}
}

// It does what the document says of it.

func visitSlot() closure.Slot {
	slot := closuretest.GuideSlot()
	slot.ScheduleID = closuretest.GuideScheduleID
	return slot
}

func TestProductionAClosedBrowserLeavesNoBookingHalfDone(t *testing.T) {
	t.Parallel()
	server := closuretest.New(closuretest.ReportTo(t))
	client := server.Client(closure.WithJournal(closuretest.NewJournal()))
	request, closeBrowser := context.WithCancel(t.Context())
	closeBrowser()
	if _, err := bookVisit(request, client, "order 1", visitSlot(), closuretest.GuidePatientID); err != nil {
		t.Error(err)
	}
	again, err := bookVisit(t.Context(), client, "order 1", visitSlot(), closuretest.GuidePatientID)
	if err != nil || !again.Recovered || len(server.Appointments()) != 1 {
		t.Errorf("again: %v", err)
	}
}

func TestProductionSettles(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault closuretest.Fault
		want  error
	}{
		"booked a minute late": {closuretest.CommitLate("appointments.create", time.Minute), nil},
		"lost on the way":      {closuretest.DropBefore("appointments.create"), closure.ErrNotBooked},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := closuretest.New(closuretest.ReportTo(t))
				server.Inject(tt.fault)
				client := server.Client(closure.WithJournal(closuretest.NewJournal()))
				_, err := bookVisit(t.Context(), client, "order 1", visitSlot(), closuretest.GuidePatientID)
				if said := tell(err); said != "we are checking" {
					t.Errorf("%s: %v", said, err)
				}
				var last closure.Resolution
				ctx, stop := context.WithTimeout(t.Context(), time.Hour)
				defer stop()
				if err := settle(ctx, client, func(r closure.Resolution) { last = r }); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				if !errors.Is(last.Err, tt.want) || (last.Booking == nil) != (tt.want != nil) {
					t.Errorf("settled as %v", last.Err)
				}
			})
		})
	}
}

func TestProductionSaysThatTheJournalCanNotBeRead(t *testing.T) {
	t.Parallel()
	journal := closuretest.NewJournal()
	journal.Inject(closuretest.JournalFailsBefore("pending"))
	client := closuretest.New().Client(closure.WithJournal(journal))
	err := settle(t.Context(), client, func(closure.Resolution) {})
	if _, ok := errors.AsType[*closure.JournalError](err); !ok {
		t.Error(err)
	}
}

func TestProductionShowsThisCode(t *testing.T) {
	t.Parallel()
	here, err := os.ReadFile("production_test.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("production.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```go\n(//.*?)^```$").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 3 {
		t.Errorf("%d blocks of code, want 3", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(string(here), block[1]) {
			t.Errorf("not here as it stands there:\n%s", block[1])
		}
	}
}
