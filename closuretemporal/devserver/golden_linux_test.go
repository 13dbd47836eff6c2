package devserver

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretemporal"
	"github.com/closurehealth/closure-go/closuretest"
)

// The histories that TestRecordedHistoriesReplay replays: one for each way through the
// workflows. CLOSURE_TEMPORAL_RECORD=1 records them again.
func TestRecordHistories(t *testing.T) {
	for name, tell := range map[string]func(*story) string{
		"confirmed": func(s *story) string { return s.book() },
		"refused": func(s *story) string {
			s.params.InsuranceCheck, s.params.InsuranceID = closure.RequireAccepted, "ins_other"
			return s.book()
		},
		"not_sent": func(s *story) string {
			// More faults than the client retries, so that the workflow waits, but over before
			// GiveUpSending, so that it books in the end.
			s.c.Inject(closuretest.Status("schedules.get", http.StatusServiceUnavailable).Times(4))
			return s.book()
		},
		"late": func(s *story) string {
			s.c.Inject(closuretest.CommitLate("appointments.create", 4*time.Second))
			return s.book()
		},
		"lost": func(s *story) string {
			s.c.Inject(closuretest.DropBefore("appointments.create"))
			return s.book()
		},
		"settled": func(s *story) string {
			s.c.policy.AssumeLostAfter, s.c.policy.EscalateAfter = 0, time.Second
			s.c.Inject(closuretest.DropBefore("appointments.create"))
			pending := s.start()
			s.reaches(pending, closuretemporal.StateEscalated)
			if err := pending.Settle(s.ctx, closuretemporal.Booked("appt_told")); err != nil {
				s.t.Error(err)
			}
			return s.ends(pending)
		},
		"first": func(s *story) string {
			pending, err := s.bookings().StartFirst(s.ctx, closure.BookFirstParams{
				PatientID: s.params.PatientID, IdempotencyKey: "canary-order-first",
				InsuranceCheck: closure.SkipInsuranceCheck,
				Search: closure.SlotSearch{
					Schedules: []closure.ScheduleID{s.params.ScheduleID},
					From:      s.params.StartAt, To: s.params.StartAt.Add(time.Hour),
				},
			})
			if err != nil {
				s.t.Fatal(err)
			}
			return s.ends(pending)
		},
		"cancelled": func(s *story) string {
			pending := s.start()
			cancelled, err := pending.Cancel(s.ctx)
			if err != nil || cancelled.Status != closure.AppointmentCancelled {
				s.t.Error(cancelled, err)
			}
			return pending.ID() + "-change"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			s := &story{t: t, c: c, ctx: ctx, params: c.wanted(1)}
			c.worker(t, "queue", nil)
			id := tell(s)
			_, tc := c.bookings(t, "queue")
			if os.Getenv("CLOSURE_TEMPORAL_RECORD") != "" {
				record(ctx, t, tc, id, filepath.Join("..", "testdata", "histories", name+".json"))
			}
		})
	}
}

// A story is one way through a workflow.
type story struct {
	t      *testing.T
	c      *clinic
	ctx    context.Context
	params closure.BookSlotParams
}

func (s *story) bookings() *closuretemporal.Bookings {
	b, _ := s.c.bookings(s.t, "queue")
	return b
}

func (s *story) start() *closuretemporal.Pending {
	s.t.Helper()
	pending, err := s.bookings().Start(s.ctx, s.params)
	if err != nil {
		s.t.Fatal(err)
	}
	return pending
}

func (s *story) book() string { return s.ends(s.start()) }

// ends waits until the booking has ended in any way, and returns its id.
func (s *story) ends(pending *closuretemporal.Pending) string {
	s.t.Helper()
	booked, err := pending.Wait(s.ctx)
	s.t.Log(booked, err)
	if err != nil && closure.OutcomeOf(err) == closure.OutcomeUnknown {
		s.t.Error(err)
	}
	return pending.ID()
}

func (s *story) reaches(pending *closuretemporal.Pending, state closuretemporal.State) {
	s.t.Helper()
	wait(s.t, 30*time.Second, func() bool {
		status, err := pending.Status(s.ctx)
		return err == nil && status.State == state
	}, state.String())
}

func record(ctx context.Context, t *testing.T, tc client.Client, id, file string) {
	t.Helper()
	data, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(historyOf(ctx, t, tc, id))
	if err = errors.Join(err, os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, data, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func historyOf(ctx context.Context, t *testing.T, tc client.Client, id string) *historypb.History {
	t.Helper()
	history := &historypb.History{}
	events := tc.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		history.Events = append(history.Events, event)
	}
	return history
}

// countOpen counts the bookings that are under way.
func countOpen(ctx context.Context, tc client.Client) (int64, error) {
	count, err := tc.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Query: `WorkflowType="closure.booking" AND ExecutionStatus="Running"`,
	})
	return count.GetCount(), err
}
