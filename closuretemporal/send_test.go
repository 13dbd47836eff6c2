package closuretemporal

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// The worker fails right after it sent, and the list lags. To send again would make a
// second appointment.
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
		Order: slotOrder(guide()), Slot: *slotOrder(guide()).Slot, RunID: "the run before",
	})
	var end ending
	if err = errors.Join(err, value.Get(&end)); err != nil || end.Unknown == nil || !end.Late {
		t.Errorf("%+v, %v", end, err)
	}
	if n := len(server.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestNothingIsSentForABookingThatWaitedTooLong(t *testing.T) {
	server := closuretest.New(closuretest.ReportTo(t))
	a := &activities{api: server.Client()}
	env := new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
	env.RegisterActivityWithOptions(a.send, activity.RegisterOptions{Name: sendActivity})
	value, err := env.ExecuteActivity(sendActivity, sendInput{
		Order: slotOrder(guide()), Slot: *slotOrder(guide()).Slot, GiveUpAt: time.Now().Add(-time.Second),
	})
	var end ending
	if err = errors.Join(err, value.Get(&end)); err != nil || end.Failure == nil || end.Again {
		t.Fatalf("%+v, %v", end, err)
	}
	if closure.OutcomeOf(end.Failure.err()) != closure.OutcomeNotSent || len(server.Requests()) != 0 {
		t.Errorf("%v, %d requests", end.Failure.err(), len(server.Requests()))
	}
}

// The process was frozen. Its time is up, but the timer hasn't fired yet.
func TestNothingIsSentAfterTheDeadline(t *testing.T) {
	server := closuretest.New(closuretest.ReportTo(t))
	api, err := closure.NewClient("ch_sk_test_1", closure.WithBaseURL(server.Start()))
	if err != nil {
		t.Fatal(err)
	}
	send := func(now func() time.Time) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ctx, stop := sendBefore(ctx, now)
		defer stop()
		_, err := api.Appointments.Create(ctx, closure.AppointmentCreateParams{
			ScheduleID: guide().ScheduleID, PatientID: guide().PatientID, StartAt: guide().StartAt, Duration: 30,
		})
		return err
	}
	later := func() time.Time { return time.Now().Add(time.Minute) }
	if err := send(later); closure.OutcomeOf(err) != closure.OutcomeNotSent || len(server.Requests()) != 0 {
		t.Errorf("late: %v, %d requests", err, len(server.Requests()))
	}
	if err := send(time.Now); err != nil || len(server.Requests()) != 1 {
		t.Errorf("in time: %v, %d requests", err, len(server.Requests()))
	}
	if err := send(later); closure.OutcomeOf(err) != closure.OutcomeNotSent || len(server.Requests()) != 1 {
		t.Errorf("late, on a connection that was used: %v, %d requests", err, len(server.Requests()))
	}
}

// Over HTTP/2 the calls share a connection: one that comes too late must not end the others.
func TestOneThatIsLateLeavesTheOthersAlone(t *testing.T) {
	var posts atomic.Int64
	arrived, answer := make(chan struct{}), make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts.Add(1)
			return
		}
		close(arrived)
		<-answer
		_, _ = w.Write([]byte(`{"id": "appt_1"}`))
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	api, err := closure.NewClient("ch_sk_test_1", closure.WithBaseURL(server.URL), closure.WithHTTPClient(server.Client()), closure.WithMaxAttempts(1))
	if err != nil {
		t.Fatal(err)
	}
	other := make(chan error, 1)
	go func() {
		_, err := api.Appointments.Get(t.Context(), "appt_1")
		other <- err
	}()
	<-arrived
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ctx, stop := sendBefore(ctx, func() time.Time { return time.Now().Add(time.Minute) })
	defer stop()
	_, err = api.Appointments.Create(ctx, closure.AppointmentCreateParams{
		ScheduleID: guide().ScheduleID, PatientID: guide().PatientID, StartAt: guide().StartAt, Duration: 30,
	})
	close(answer)
	if !errors.Is(err, context.Canceled) || posts.Load() != 0 {
		t.Errorf("%v, %d requests", err, posts.Load())
	}
	if err := <-other; err != nil {
		t.Errorf("the other call: %v", err)
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
				b.order.Key = "order-1"
				b.routes = before(http.MethodPost, func() { panic("the worker fails") })
				b.settle(2*time.Hour, tt.verdict)
				if _, err := b.book(); tt.entries == 1 && err != nil {
					t.Error(err)
				}
				attempt := *sendInput{Order: b.order, Slot: *b.order.Slot}.attempt(time.Now())
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
		b.order.Key = "order-1"
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
