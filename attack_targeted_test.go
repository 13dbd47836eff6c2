package closure_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
)

const (
	atkPatient  = closure.PatientID("pt_1")
	atkSchedule = closure.ScheduleID("sch_1")
)

func atkClient(t testing.TB, rt http.RoundTripper, opts ...closure.Option) *closure.Client {
	c, err := closure.NewClient(closure.QuickstartKey, append([]closure.Option{
		closure.WithHTTPClient(&http.Client{Transport: rt}),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func atkStart(n int) time.Time { return time.Date(2030, 1, 1, 9+n, 0, 0, 0, time.UTC) }

func atkSlots(n int) map[string][]time.Time {
	var slots []time.Time
	for i := range n {
		slots = append(slots, atkStart(i))
	}
	return map[string][]time.Time{"sch_1": slots}
}

func atkParams(key string) closure.BookSlotParams {
	return closure.BookSlotParams{
		ScheduleID: atkSchedule, PatientID: atkPatient, StartAt: atkStart(0), Duration: 30,
		InsuranceCheck: closure.SkipInsuranceCheck, IdempotencyKey: key,
	}
}

// F1
func TestAttackLookThatBeganBeforeTheAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &atkAPI{slots: atkSlots(3), duplicates: true}
		journal := &atkJournal{}
		api.fault = func(op string, _ *http.Request) atkFault {
			if op == "create" && api.posts == 0 {
				return atkFault{answerWait: 10 * time.Second}
			}
			return atkFault{}
		}
		begun := time.Now()
		first := atkClient(t, api, closure.WithJournal(journal), closure.WithRateLimit(1/3.9, 2), closure.WithTimeout(2*time.Second))
		var group sync.WaitGroup
		group.Go(func() {
			time.Sleep(1450 * time.Millisecond)
			b, err := first.BookSlot(t.Context(), atkParams("order"))
			t.Logf("first: %v %v after %v", b, err, time.Since(begun))
		})
		second := atkClient(t, &atkSlowList{api}, closure.WithJournal(journal), closure.WithTimeout(2*time.Second))
		b, err := second.BookSlot(t.Context(), atkParams("order"), closure.AssumeLostAfter(4100*time.Millisecond))
		t.Logf("second: %v %v after %v", b, err, time.Since(begun))
		group.Wait()
		if n := api.standing("pt_1", time.Time{}); n != 1 {
			t.Errorf("%d appointments", n)
		}
	})
}

type atkSlowList struct{ *atkAPI }

func (s *atkSlowList) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.atkAPI.RoundTrip(req)
	if atkOp(req) == "list" {
		if err := atkWait(req.Context(), 1500*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return resp, err
}

// F2
func TestAttackAttemptOfACallThatIsStillUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &atkAPI{slots: atkSlots(3)}
		c := atkClient(t, api, closure.WithRateLimit(1/300., 2))
		var group sync.WaitGroup
		group.Go(func() {
			b, err := c.BookSlot(t.Context(), atkParams(""))
			t.Logf("first: %v %v", b, err)
		})
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := c.BookSlot(ctx, atkParams(""))
		var unknown *closure.OutcomeUnknownError
		if !errors.As(err, &unknown) {
			t.Fatalf("%v", err)
		}
		time.Sleep(time.Minute)
		other := atkClient(t, api)
		_, err = other.ResolveBooking(t.Context(), unknown.Attempt, closure.AssumeLostAfter(30*time.Second))
		t.Logf("resolved: %v", err)
		group.Wait()
		if errors.Is(err, closure.ErrNotBooked) && api.standing("pt_1", time.Time{}) > 0 {
			t.Error("told not booked: the request left later than Attempt.AttemptedAt says")
		}
	})
}

// F3
func TestAttackAdoptWhileAnEntryGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &atkAPI{slots: atkSlots(3)}
		api.appts = append(api.appts, &atkAppt{"appt_phone", "pt_1", "sch_1", 30, []atkState{{time.Now().Add(-time.Hour), atkStart(0), "scheduled"}}})
		journal := &atkJournal{}
		other := closure.NewBookingAttempt(atkParams("another order"))
		fails := false
		journal.hook = func(method string, after bool, a closure.BookingAttempt) error {
			hook := journal.hook
			journal.hook = nil
			defer func() { journal.hook = hook }()
			switch {
			case method == "begin" && !after && !fails: // another process begins right before
				_, _ = journal.Begin(t.Context(), other)
				fails = true
			case method == "find" && fails && !after: // and its attempt ends without a booking
				_ = journal.Finish(t.Context(), closure.JournalEntry{Attempt: other, State: closure.JournalNotBooked})
			}
			return nil
		}
		api.fault = func(op string, _ *http.Request) atkFault {
			if op == "list" && fails {
				return atkFault{drop: true, answer: 501}
			}
			return atkFault{}
		}
		b, err := atkClient(t, api, closure.WithJournal(journal)).BookSlot(t.Context(), atkParams("order"))
		if err != nil && closure.OutcomeOf(err) != closure.OutcomeUnknown {
			t.Errorf("told %v though the patient has the slot (%v)", err, b)
		}
	})
}

// F4
func TestAttackMoveAgainAfterUnknown(t *testing.T) {
	for _, status := range []int{429, 409, 401} {
		synctest.Test(t, func(t *testing.T) {
			api := &atkAPI{slots: atkSlots(3)}
			journal := &atkJournal{}
			c := atkClient(t, api, closure.WithJournal(journal))
			b, err := c.BookSlot(t.Context(), atkParams(""))
			noError(t, err)
			moves := 0
			api.fault = func(op string, _ *http.Request) atkFault {
				if op != "move" {
					return atkFault{}
				}
				if moves++; moves == 1 {
					return atkFault{late: 3 * time.Minute, lost: true}
				}
				return atkFault{drop: true, answer: status, body: `{"error_type":"invalid_request"}`}
			}
			to := closure.AppointmentRescheduleParams{StartAt: atkStart(1)}
			_, err = c.RescheduleBooking(t.Context(), b.Appointment.ID, to)
			t.Logf("first: %v", err)
			time.Sleep(time.Minute)
			_, err = c.RescheduleBooking(t.Context(), b.Appointment.ID, to)
			t.Logf("second: %v: %v", closure.OutcomeOf(err), err)
			time.Sleep(10 * time.Minute)
			if closure.OutcomeOf(err) != closure.OutcomeUnknown && api.standing("pt_1", atkStart(1)) == 1 {
				t.Errorf("%d: told %v, and it was moved", status, closure.OutcomeOf(err))
			}
		})
	}
}

// F5
func TestAttackCancelTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &atkAPI{slots: atkSlots(3), cancelTwiceConflicts: true}
		c := atkClient(t, api)
		b, err := c.BookSlot(t.Context(), atkParams(""))
		noError(t, err)
		time.Sleep(time.Hour)
		api.lag = func(string) time.Duration { return time.Minute }
		api.fault = func(op string, _ *http.Request) atkFault { return atkFault{lost: op == "cancel"} }
		_, err = c.CancelBooking(t.Context(), b.Appointment.ID)
		t.Logf("first: %v", err)
		api.fault = nil
		_, err = c.CancelBooking(t.Context(), b.Appointment.ID)
		t.Logf("second: %v: %v", closure.OutcomeOf(err), err)
		if closure.OutcomeOf(err) == closure.OutcomeRejected {
			t.Error("told that nothing changed")
		}
	})
}
