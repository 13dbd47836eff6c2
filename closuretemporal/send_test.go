package closuretemporal

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// The worker fails right after it sent, and the list lags: whoever sends again
// makes a second appointment.
func TestAFailureWhileSendingIsNotSentAgain(t *testing.T) {
	inBench(t, func(b *bench) {
		b.routes = func(next http.RoundTripper) http.RoundTripper {
			return roundTripFunc(func(req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if req.Method == http.MethodPost {
					panic("the worker fails")
				}
				return resp, err
			})
		}
		booked, err := b.book()
		if err != nil || booked == nil || b.sent() != 1 || len(b.server.Appointments()) != 1 {
			t.Errorf("%v, %v, sent %d times", booked, err, b.sent())
		}
	}, closuretest.AllowDuplicates(), closuretest.StaleReads(10*time.Minute))
}

func TestARunThatWasResetSendsNothing(t *testing.T) {
	server := closuretest.New(closuretest.ReportTo(t))
	a := &activities{api: server.Client()}
	env := new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
	env.RegisterActivityWithOptions(a.send, activity.RegisterOptions{Name: sendActivity})
	value, err := env.ExecuteActivity(sendActivity, sendInput{
		Wish: slotWish(guide()), Slot: *slotWish(guide()).Slot, RunID: "the run before",
	})
	var end ending
	if err = errors.Join(err, value.Get(&end)); err != nil || end.Unknown == nil || !end.Late {
		t.Errorf("%+v, %v", end, err)
	}
	if n := len(server.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// The process was frozen: its time is over, and the timer hasn't fired yet.
func TestNothingIsSentAfterTheDeadline(t *testing.T) {
	var arrived atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived.Add(1) }))
	defer server.Close()
	send := func(now func() time.Time) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ctx, stop := sendBefore(ctx, now)
		defer stop()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader("{}"))
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	if err := send(time.Now); err != nil || arrived.Load() != 1 { // so that there is a connection to take
		t.Fatalf("in time: %v, %d arrived", err, arrived.Load())
	}
	later := func() time.Time { return time.Now().Add(time.Minute) }
	if err := send(later); err == nil || arrived.Load() != 1 {
		t.Errorf("late: %v, %d arrived", err, arrived.Load())
	}
}

func TestTheJournalAgrees(t *testing.T) {
	for _, tt := range []struct {
		name    string
		verdict Verdict
		entries int
	}{
		{"booked", Booked("appt_told"), 1},
		{"not booked", NotBooked(), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				journal := closuretest.NewJournal()
				b.client, b.worker = []closure.Option{closure.WithJournal(journal)}, []WorkerOption{WithJournal(journal)}
				b.wish.Key = "order-1"
				b.routes = before(http.MethodPost, func() { panic("the worker fails") })
				b.settle(2*time.Hour, tt.verdict)
				if _, err := b.book(); tt.entries == 1 && err != nil {
					t.Error(err)
				}
				attempt := *sendInput{Wish: b.wish, Slot: *b.wish.Slot}.attempt(time.Now())
				attempt.IdempotencyKey = "order-1"
				entry, err := journal.Find(t.Context(), attempt)
				switch {
				case err != nil:
					t.Error(err)
				case tt.entries == 0 && entry != nil:
					t.Errorf("the journal still holds it: %v", entry.State)
				case tt.entries == 1 && (entry == nil || entry.Appointment != "appt_told" || entry.State != closure.JournalBooked):
					t.Errorf("the journal holds %v", entry)
				}
			})
		})
	}
}

func TestWhatTheJournalKnowsSettlesABooking(t *testing.T) {
	inBench(t, func(b *bench) {
		journal := closuretest.NewJournal()
		b.client, b.worker = []closure.Option{closure.WithJournal(journal)}, []WorkerOption{WithJournal(journal)}
		b.wish.Key = "order-1"
		b.routes = func(next http.RoundTripper) http.RoundTripper {
			return roundTripFunc(func(req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPost { // recorded by another worker meanwhile
					for entry := range journal.Pending(t.Context()) {
						entry.State, entry.Appointment = closure.JournalBooked, "appt_told"
						_ = journal.Finish(t.Context(), entry)
					}
					panic("the worker fails")
				}
				return next.RoundTrip(req)
			})
		}
		booked, err := b.book()
		if err != nil || booked.ID != "appt_told" {
			t.Errorf("%v, %v", booked, err)
		}
	})
}
