package devserver

import (
	"context"
	"fmt"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretemporal"
	"github.com/closurehealth/closure-go/closuretest"
)

// A booking is reset to each point that Temporal can reset it to. The new run finds what
// the run before it booked, and sends nothing.
func TestAResetSendsNothing(t *testing.T) {
	c := newClinic(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	bookings, tc := c.bookings(t, "queue")
	c.worker(t, "queue", nil)
	params := c.wanted(1)
	pending, err := bookings.Start(ctx, params)
	if err != nil {
		t.Fatal(err)
	}
	booked, err := pending.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	points := resetPoints(ctx, t, tc, pending.ID())
	if len(points) < 2 {
		t.Fatalf("%d points", len(points))
	}
	first := runOf(ctx, t, tc, pending.ID())
	for _, point := range points {
		// At first the list doesn't show the appointment, so only the workflow prevents a
		// second request.
		c.Inject(closuretest.Stale("appointments.list", time.Hour).Times(2))
		reset(ctx, t, tc, pending.ID(), first, point)
		again, err := pending.Wait(ctx)
		if err != nil || again.ID != booked.ID || c.made(params.PatientID) != 1 {
			t.Errorf("reset to %d: %v, %v, %d appointments", point, again, err, c.made(params.PatientID))
		}
	}
}

// The same while the booking's outcome is unknown.
func TestAResetOfWhatIsUnknownSendsNothing(t *testing.T) {
	c := newClinic(t)
	c.policy.AssumeLostAfter = 0
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	_, tc := c.bookings(t, "queue")
	s := &story{t: t, c: c, ctx: ctx, params: c.wanted(1)}
	c.worker(t, "queue", nil)
	c.Inject(closuretest.DropBefore("appointments.create"))
	pending := s.start()
	wait(t, time.Minute, func() bool {
		status, err := pending.Status(ctx)
		return err == nil && status.Looks > 1
	}, "looks")
	first := runOf(ctx, t, tc, pending.ID())
	points := resetPoints(ctx, t, tc, pending.ID())
	for _, point := range points {
		reset(ctx, t, tc, pending.ID(), first, point)
		s.reaches(pending, closuretemporal.StateSettling)
	}
	if err := pending.Settle(ctx, closuretemporal.Booked("appt_told")); err != nil {
		t.Error(err)
	}
	sent := 0
	for _, request := range c.Requests() {
		if request.Op == "appointments.create" {
			sent++
		}
	}
	if booked, err := pending.Wait(ctx); err != nil || booked.ID != "appt_told" || sent != 1 || len(points) < 4 {
		t.Errorf("%v, %v, sent %d times, %d points", booked, err, sent, len(points))
	}
}

// A StartFirst that is reset books no other slot. If its history holds the slot that it
// chose, it finds the appointment; otherwise a person must settle it.
func TestAResetOfAWalkBooksNoOtherSlot(t *testing.T) {
	c := newClinic(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	bookings, tc := c.bookings(t, "queue")
	c.worker(t, "queue", nil)
	params := c.wanted(1)
	pending, err := bookings.StartFirst(ctx, closure.BookFirstParams{
		PatientID: params.PatientID, IdempotencyKey: "order-first", InsuranceCheck: closure.SkipInsuranceCheck,
		Search: closure.SlotSearch{
			Schedules: []closure.ScheduleID{params.ScheduleID},
			From:      params.StartAt, To: params.StartAt.Add(time.Hour),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	booked, err := pending.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	points := resetPoints(ctx, t, tc, pending.ID())
	if len(points) < 3 {
		t.Fatalf("%d points", len(points))
	}
	first := runOf(ctx, t, tc, pending.ID())
	for i, point := range points {
		reset(ctx, t, tc, pending.ID(), first, point)
		if i == 0 { // before it chose
			s := &story{t: t, c: c, ctx: ctx, params: params}
			s.reaches(pending, closuretemporal.StateEscalated)
			if err := pending.Settle(ctx, closuretemporal.Booked(booked.ID)); err != nil {
				t.Error(err)
			}
		}
		again, err := pending.Wait(ctx)
		if err != nil || again.ID != booked.ID || c.made(params.PatientID) != 1 {
			t.Errorf("reset to %d: %v, %v, %d appointments", point, again, err, c.made(params.PatientID))
		}
	}
}

func reset(ctx context.Context, t *testing.T, tc client.Client, id, run string, point int64) {
	t.Helper()
	_, err := tc.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace:                 "default",
		WorkflowExecution:         &commonpb.WorkflowExecution{WorkflowId: id, RunId: run},
		WorkflowTaskFinishEventId: point,
		RequestId:                 fmt.Sprint("reset-", point),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// resetPoints returns the events that a workflow can be reset to.
func resetPoints(ctx context.Context, t *testing.T, tc client.Client, id string) (points []int64) {
	t.Helper()
	history := tc.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		if err != nil {
			t.Fatal(err)
		}
		if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			points = append(points, event.GetEventId())
		}
	}
	return points
}

// runOf returns the id of the workflow's present run.
func runOf(ctx context.Context, t *testing.T, tc client.Client, id string) (runID string) {
	t.Helper()
	d, err := tc.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		t.Fatal(err)
	}
	return d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}
