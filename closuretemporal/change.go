package closuretemporal

import (
	"context"
	"errors"
	"strconv"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/closurehealth/closure-go"
)

// A changeInput is a change of a booked appointment: to another start, or, if
// StartAt is zero, its cancellation.
type changeInput struct {
	input
	Appointment closure.AppointmentID `json:"appointment"`
	StartAt     time.Time             `json:"start_at,omitzero"`
	Duration    closure.Minutes       `json:"duration,omitempty"`
	Fingerprint string                `json:"fingerprint"`
	Policy      Policy                `json:"policy"`

	GiveUpAt time.Time `json:"give_up_at,omitzero"` // of the activity: the time from which it isn't sent any more
}

// Cancel cancels the booking's appointment and waits until that is certain, or
// for the end of the context. It first waits for the booking itself, as
// [Pending.Wait] does. Cancelling one that is cancelled succeeds. An outcome that
// is still unknown after the policy's EscalateAfter, or when the context ends, or because
// Temporal doesn't say whether the change was started, is a
// [*closure.OutcomeUnknownError]: call it again to settle that. A change that no worker
// took up within EscalateAfter ends in an error of [closure.OutcomeNotSent]. After an attempt of
// unknown outcome a refusal of a later one ends nothing. One change of a
// booking is under way at a time; others queue.
//
// To book the same again, start it with [Again].
func (p *Pending) Cancel(ctx context.Context) (*closure.Appointment, error) {
	return p.change(ctx, changeInput{})
}

// Reschedule moves the booking's appointment to another start on its schedule,
// and is otherwise as [Pending.Cancel].
func (p *Pending) Reschedule(
	ctx context.Context, params closure.AppointmentRescheduleParams,
) (*closure.Appointment, error) {
	if params.StartAt.IsZero() {
		return nil, refuse("Reschedule", "StartAt", "is zero")
	}
	return p.change(ctx, changeInput{StartAt: params.StartAt.UTC(), Duration: params.Duration})
}

func (p *Pending) change(ctx context.Context, in changeInput) (*closure.Appointment, error) {
	booked, err := p.Wait(ctx)
	if err != nil {
		return nil, err
	}
	b := p.bookings
	in.Appointment, in.Policy = booked.ID, b.policy
	in.Fingerprint = b.keyring.hash("change", in.StartAt.UTC().String(), strconv.Itoa(int(in.Duration)))
	unsure := false
	for {
		run, maybe, err := b.execute(ctx, client.StartWorkflowOptions{
			ID:                    p.id + changeSuffix,
			WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		}, changeWorkflow, in)
		unsure = unsure || maybe // an earlier call may have started it, too
		if err != nil && !unsure {
			return nil, err
		}
		var r result
		if err == nil {
			r, err = readResult(ctx, run)
		}
		if err != nil { // a workflow that was started goes on
			return nil, &closure.OutcomeUnknownError{AppointmentID: in.Appointment, Err: err}
		}
		if r.Fingerprint == in.Fingerprint { // else another change was under way
			return r.answer()
		}
	}
}

// change is the workflow of a change. The API is told where the appointment is to
// be, so that it is safe to send it again, until the outcome is certain.
func change(ctx workflow.Context, in changeInput) (*result, error) {
	if err := in.unread; err != nil {
		panic(err) // as in book
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	in.GiveUpAt = workflow.GetInfo(ctx).WorkflowStartTime.Add(in.Policy.EscalateAfter)
	var unknown *failure // of an attempt that may have been carried out
	for wait := firstResend; ; wait = min(2*wait, in.Policy.MaxWait) {
		end := makeChange(ctx, in)
		switch {
		case end.Failure == nil:
		case end.Failure.Unknown != nil:
			unknown = end.Failure
		case unknown != nil: // that this attempt was refused says nothing of that one
			end.Failure, end.Again = unknown, true
		}
		if !end.Again || workflow.Now(ctx).Add(wait).After(in.GiveUpAt) {
			r := result{Appointment: end.Appointment, Failure: end.Failure, Fingerprint: in.Fingerprint}
			if r.Failure != nil {
				return nil, failed(r)
			}
			return &r, nil
		}
		if err := workflow.Sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// errNotSent is the ending of a change of which nothing was sent.
func (in changeInput) errNotSent(cause error) error {
	e := &closure.TransportError{
		Op: "appointments.reschedule", Method: "PATCH", Route: "/appointments/{id}",
		Outcome: closure.OutcomeNotSent, Err: cause,
	}
	if in.StartAt.IsZero() {
		e.Op, e.Method, e.Route = "appointments.cancel", "POST", "/appointments/{id}/cancel"
	}
	return e
}

// makeChange runs the activity once. It has no heartbeat: the next attempt must not
// begin before the worker of this one, which may be frozen, can't send any more.
func makeChange(ctx workflow.Context, in changeInput) (end ending) {
	err := do(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    in.Policy.SendTimeout,
		ScheduleToStartTimeout: max(in.GiveUpAt.Sub(workflow.Now(ctx)), firstResend),
	}, changeActivity, in, &end)
	switch {
	case err == nil && (end.Appointment != nil || end.Failure != nil):
		return end
	case notStarted(err):
		return ending{Failure: newFailure(in.errNotSent(noWorker))}
	default:
		return ending{Again: true, Failure: newFailure(&closure.OutcomeUnknownError{
			AppointmentID: in.Appointment, Err: errElsewhere,
		})}
	}
}

// change makes the change once.
func (a *activities) change(ctx context.Context, in changeInput) (ending, error) {
	switch {
	case in.isUnread():
		return ending{Failure: newFailure(in.errNotSent(noKey)), Again: true}, nil
	case !in.GiveUpAt.IsZero() && time.Now().After(in.GiveUpAt):
		return ending{Failure: newFailure(in.errNotSent(noWorker))}, nil
	}
	ctx, stop := sendBefore(ctx, time.Now)
	defer stop()
	var changed *closure.Appointment
	var err error
	if in.StartAt.IsZero() {
		changed, err = a.api.CancelBooking(ctx, in.Appointment)
	} else {
		changed, err = a.api.RescheduleBooking(ctx, in.Appointment, closure.AppointmentRescheduleParams{
			StartAt: in.StartAt, Duration: in.Duration,
		})
	}
	if err == nil {
		return ending{Appointment: changed}, nil
	}
	_, unknown := errors.AsType[*closure.OutcomeUnknownError](err)
	return ending{Failure: newFailure(err), Again: unknown || worthAgain(err)}, nil
}
