package closuretemporal

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

func TestBooks(t *testing.T) {
	inBench(t, func(b *bench) {
		booked, err := b.book()
		if err != nil || !booked.StartAt.Equal(guide().StartAt) || b.sent() != 1 {
			t.Errorf("%v, %v, sent %d times", booked, err, b.sent())
		}
		if s := b.status(); s.State != StateConfirmed || s.Sends != 1 || s.Looks != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestACommitThatComesLateIsFound(t *testing.T) {
	for _, late := range []time.Duration{
		time.Second, 20 * time.Second, time.Minute, 20 * time.Minute, time.Hour, 3 * time.Hour,
	} {
		t.Run(late.String(), func(t *testing.T) {
			inBench(t, func(b *bench) {
				b.server.Inject(closuretest.CommitLate("appointments.create", late))
				start := b.Now()
				booked, err := b.book()
				if err != nil || len(b.server.Appointments()) != 1 || booked.ID != b.server.Appointments()[0].ID {
					t.Fatalf("%v, %v, %d appointments", booked, err, len(b.server.Appointments()))
				}
				if took := b.Now().Sub(start); took > 2*late+time.Minute && took > late+15*time.Minute || b.sent() != 1 {
					t.Errorf("found after %v, sent %d times", took, b.sent())
				}
			})
		})
	}
}

// A reset, a time-out and a crash look alike to a workflow: the request may have been sent.
func TestAnAttemptThatIsNotShownCountsAsLost(t *testing.T) {
	inBench(t, func(b *bench) {
		b.policy.AssumeLostAfter = 30 * time.Minute
		b.server.Inject(closuretest.DropBefore("appointments.create"))
		start := b.Now()
		booked, err := b.book()
		if booked != nil || !errors.Is(err, closure.ErrNotBooked) || closure.OutcomeOf(err) != closure.OutcomeRejected {
			t.Errorf("%v, %v", booked, err)
		}
		if took := b.Now().Sub(start); took < 30*time.Minute || took > 31*time.Minute || b.sent() != 1 {
			t.Errorf("ended after %v, sent %d times", took, b.sent())
		}
		if s := b.status(); s.State != StateNotBooked {
			t.Errorf("state %v", s.State)
		}
	})
}

func TestAPersonSettlesWhatNobodyKnows(t *testing.T) {
	for _, tt := range []struct {
		name    string
		verdict Verdict
		want    error
	}{
		{"booked", Booked("appt_told"), nil},
		{"not booked", NotBooked(), closure.ErrNotBooked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				b.server.Inject(closuretest.DropBefore("appointments.create"))
				var before Status
				b.RegisterDelayedCallback(func() { before = b.status() }, 50*time.Hour-time.Second)
				b.settle(50*time.Hour, tt.verdict)
				booked, err := b.book()
				if !errors.Is(err, tt.want) || tt.want == nil && booked.ID != "appt_told" {
					t.Errorf("%v, %v, want %v", booked, err, tt.want)
				}
				if before.State != StateEscalated || before.SlotOpen == nil || !*before.SlotOpen || b.sent() != 1 {
					t.Errorf("before: %+v, sent %d times", before, b.sent())
				}
			})
		})
	}
}

func TestAVerdictIsTakenOnlyWhileSomethingIsUnknown(t *testing.T) {
	inBench(t, func(b *bench) {
		b.server.Inject(closuretest.Status("appointments.create", http.StatusTooManyRequests).Times(5))
		var refused error
		b.RegisterDelayedCallback(func() {
			b.UpdateWorkflow(settleUpdate, "", &testsuite.TestUpdateCallback{
				OnReject: func(err error) { refused = err }, OnAccept: func() {}, OnComplete: func(any, error) {},
			}, NotBooked())
		}, 500*time.Millisecond)
		booked, err := b.book()
		if err != nil || booked == nil || refused == nil {
			t.Errorf("%v, %v; the verdict ended in %v", booked, err, refused)
		}
	})
}

func TestAnAPIWithoutAListIsSettledByAPerson(t *testing.T) {
	inBench(t, func(b *bench) {
		b.policy.AssumeLostAfter = time.Minute // a look that can't see is no evidence
		b.server.Inject(
			closuretest.Status("appointments.list", http.StatusNotFound).Times(0),
			closuretest.DropAfter("appointments.create"),
		)
		b.settle(3*time.Hour, Booked("appt_told"))
		booked, err := b.book()
		if err != nil || booked.ID != "appt_told" || b.sent() != 1 {
			t.Errorf("%v, %v, sent %d times", booked, err, b.sent())
		}
	})
}

func TestWhatWasNotSentIsSentAgain(t *testing.T) {
	for _, fault := range []closuretest.Fault{
		closuretest.Status("schedules.get", http.StatusServiceUnavailable),
		closuretest.DropBefore("schedules.get"),
		closuretest.Status("appointments.create", http.StatusTooManyRequests, "Retry-After", "60"),
	} {
		t.Run(fault.String(), func(t *testing.T) {
			inBench(t, func(b *bench) {
				b.server.Inject(fault.Times(12))
				booked, err := b.book()
				if s := b.status(); err != nil || booked == nil || s.Sends < 2 || len(b.server.Appointments()) != 1 {
					t.Errorf("%v, %v, %+v", booked, err, s)
				}
			})
		})
	}
}

func TestItGivesUpWhatCantBeSent(t *testing.T) {
	inBench(t, func(b *bench) {
		b.server.Inject(closuretest.Status("schedules.get", http.StatusServiceUnavailable).Times(0))
		start := b.Now()
		_, err := b.book()
		took := b.Now().Sub(start)
		if !errors.Is(err, closure.ErrServer) || closure.OutcomeOf(err) != closure.OutcomeNotSent {
			t.Errorf("%v", err)
		}
		if took > 10*time.Minute || took < 8*time.Minute || b.sent() != 0 {
			t.Errorf("after %v, sent %d times", took, b.sent())
		}
	})
}

func TestARefusalIsTheSDKsOwnError(t *testing.T) {
	for _, tt := range []struct {
		name    string
		arrange func(*bench)
		want    error
	}{
		{"taken", func(b *bench) { b.server.AddAppointment(taken()) }, closure.ErrSlotUnavailable},
		{"insurance", func(b *bench) { b.order.Insurance = "ins_other" }, closure.ErrInsuranceNotAccepted},
		{"unknown patient", func(b *bench) { b.order.Patient = "pt_nobody" }, closure.ErrNotFound},
		{"bad input", func(b *bench) { b.order.Check = 9 }, closure.ErrInvalidInput},
		{"unauthorized", func(b *bench) {
			b.server.Inject(closuretest.Status("schedules.get", http.StatusUnauthorized).Times(0))
		}, closure.ErrUnauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				tt.arrange(b)
				start := b.Now()
				booked, err := b.book()
				if booked != nil || !errors.Is(err, tt.want) || closure.OutcomeOf(err) == closure.OutcomeUnknown {
					t.Errorf("%v, %v, want %v", booked, err, tt.want)
				}
				if b.Now().Sub(start) > time.Minute {
					t.Errorf("it took %v", b.Now().Sub(start))
				}
			})
		})
	}
}

// taken is another patient's appointment at the guide's slot.
func taken() closure.Appointment {
	slot := closuretest.GuideSlot()
	return closure.Appointment{
		ID: "appt_taken", ScheduleID: slot.ScheduleID, PatientID: "pt_other",
		Status: closure.AppointmentScheduled, StartAt: slot.StartAt, Duration: slot.Duration,
	}
}

func TestCancellingTheWorkflowEndsOnlyWhatWasNotSent(t *testing.T) {
	t.Run("waiting", func(t *testing.T) {
		inBench(t, func(b *bench) {
			b.server.Inject(closuretest.Status("schedules.get", http.StatusServiceUnavailable).Times(0))
			b.RegisterDelayedCallback(b.CancelWorkflow, time.Minute)
			_, err := b.book()
			if !errors.Is(err, context.Canceled) || closure.OutcomeOf(err) != closure.OutcomeNotSent || b.sent() != 0 {
				t.Errorf("%v, sent %d times", err, b.sent())
			}
		})
	})
	t.Run("settling", func(t *testing.T) {
		inBench(t, func(b *bench) {
			b.server.Inject(closuretest.CommitLate("appointments.create", time.Hour))
			b.RegisterDelayedCallback(b.CancelWorkflow, time.Minute)
			booked, err := b.book()
			if err != nil || booked == nil || b.sent() != 1 {
				t.Errorf("%v, %v, sent %d times", booked, err, b.sent())
			}
		})
	})
}

func TestALongHistoryIsCutOff(t *testing.T) {
	inBench(t, func(b *bench) {
		b.server.Inject(closuretest.CommitLate("appointments.create", time.Hour))
		b.RegisterDelayedCallback(func() { b.SetContinueAsNewSuggested(true) }, time.Minute)
		_, err := b.book()
		var cut *workflow.ContinueAsNewError
		if !errors.As(b.GetWorkflowError(), &cut) {
			t.Fatalf("%v", err)
		}
		next := new(testsuite.WorkflowTestSuite).NewTestWorkflowEnvironment()
		set, _ := ClientOptions(client.Options{}, testKeyring())
		next.SetDataConverter(set.DataConverter)
		next.SetStartTime(b.Now())
		var in bookingInput
		if err := set.DataConverter.FromPayloads(cut.Input, &in); err != nil {
			t.Fatal(err)
		}
		sent := b.sent()
		again := &bench{TestWorkflowEnvironment: next, t: t, server: b.server, order: in.Order}
		again.settle(2*time.Hour, Booked("appt_told"))
		Register(next, b.server.Client())
		next.ExecuteWorkflow(bookingWorkflow, in)
		r, err := readResult(t.Context(), envRun{env: next})
		if err != nil || r.Appointment == nil || sent != 1 || b.sent() != 1 || in.Unsettled.Status.Sends != 1 {
			t.Errorf("%+v, %v, sent %d times", r, err, b.sent())
		}
	})
}
