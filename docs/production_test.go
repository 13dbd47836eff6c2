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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(request), time.Minute)
	defer cancel()
	return client.BookSlot(ctx, closure.BookSlotParams{
		ScheduleID:     slot.ScheduleID,
		PatientID:      patient,
		StartAt:        slot.StartAt,
		Duration:       slot.Duration,
		IdempotencyKey: order,
	})
}

// settle settles what crashes and lost answers left, now and every minute. looked is told
// what came of each entry, also if that is still unknown. failed is told why a round ended
// early: the journal, or an entry of it, can't be read, or the context ended.
func settle(ctx context.Context, client *closure.Client, looked func(closure.Resolution), failed func(error)) error {
	for {
		for resolution, err := range client.ResolvePending(ctx, closure.AssumeLostAfter(15*time.Minute)) {
			if err != nil {
				failed(err)
				continue
			}
			looked(resolution)
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
	case errors.Is(err, closure.ErrInsuranceUnknown):
		return "which insurance do you have?"
	case errors.Is(err, closure.ErrNotBookable):
		return "please call the practice"
	case errors.Is(err, closure.ErrInvalidInput), errors.Is(err, closure.ErrInvalidRequest),
		errors.Is(err, closure.ErrNotFound), errors.Is(err, closure.ErrUnauthorized),
		errors.Is(err, closure.ErrForbidden):
		return "not booked" // trying again doesn't help: tell somebody
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
				err = settle(ctx, client, func(r closure.Resolution) { last = r }, func(err error) {
					if ctx.Err() == nil {
						t.Error(err)
					}
				})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				if !errors.Is(last.Err, tt.want) || (last.Booking == nil) != (tt.want != nil) {
					t.Errorf("settled as %v", last.Err)
				}
			})
		})
	}
}

func TestProductionSaysThatTheJournalCanNotBeReadAndGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := closuretest.New(closuretest.ReportTo(t))
		server.AddPatient(closure.Patient{ID: "pt_other", Insurance: closure.PatientInsurance{ID: closuretest.GuideInsuranceID}})
		server.Inject(closuretest.DropBefore("appointments.create"))
		journal := closuretest.NewJournal()
		client := server.Client(closure.WithJournal(journal))
		_, _ = bookVisit(t.Context(), client, "order 2", visitSlot(), "pt_other")
		journal.Inject(closuretest.JournalFailsBefore("pending"))
		var failures, settled int
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		_ = settle(ctx, client, func(closure.Resolution) { settled++ }, func(err error) {
			if _, ok := errors.AsType[*closure.JournalError](err); !ok {
				t.Error(err)
			}
			if ctx.Err() == nil {
				failures++
			}
		})
		if failures != 1 || settled == 0 {
			t.Errorf("%d failures, %d settled", failures, settled)
		}
	})
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
