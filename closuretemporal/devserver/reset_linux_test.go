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

	"github.com/closurehealth/closure-go/closuretest"
)

// A booking is reset to each point that Temporal can reset it to: the run after it
// finds what the one before it booked, and sends nothing.
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
		// The list doesn't show at first what is booked, so that nothing but the workflow
		// keeps a second one from being sent.
		c.Inject(closuretest.Stale("appointments.list", time.Hour).Times(2))
		_, err := tc.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
			Namespace:                 "default",
			WorkflowExecution:         &commonpb.WorkflowExecution{WorkflowId: pending.ID(), RunId: first},
			WorkflowTaskFinishEventId: point,
			RequestId:                 fmt.Sprint("reset-", point),
		})
		if err != nil {
			t.Fatal(err)
		}
		again, err := pending.Wait(ctx)
		if err != nil || again.ID != booked.ID || c.made(params.PatientID) != 1 {
			t.Errorf("reset to %d: %v, %v, %d appointments", point, again, err, c.made(params.PatientID))
		}
	}
}

// resetPoints are the events that a workflow can be reset to.
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

// runOf is the id of the present run.
func runOf(ctx context.Context, t *testing.T, tc client.Client, id string) (runID string) {
	t.Helper()
	d, err := tc.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		t.Fatal(err)
	}
	return d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}
