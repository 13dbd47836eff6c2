package closuretemporal

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/closurehealth/closure-go"
)

// settle looks for an attempt that may have been sent, at growing intervals, until the
// API shows it, it counts as lost, or a person says what became of it.
func (b *booking) settle(ctx workflow.Context, u unsettled) (ending, error) {
	p := b.in.Policy
	for wait := b.nextWait(p.FirstLook); ; wait = min(2*wait, p.MaxWait) {
		b.escalate(ctx, u)
		_, err := workflow.AwaitWithTimeout(ctx, b.until(ctx, u, wait), func() bool { return b.verdict != nil })
		if err != nil {
			return ending{}, err
		}
		if b.verdict != nil {
			return b.settled(ctx, u), nil
		}
		end, known := b.look(ctx, u)
		if known && (end.Appointment != nil || b.verdict == nil) {
			return end, nil
		} // else a verdict came in the meantime, which overrides a look that found no appointment
		if b.verdict == nil && workflow.GetInfo(ctx).GetContinueAsNewSuggested() && workflow.AllHandlersFinished(ctx) {
			u.Status = b.status
			in := b.in
			in.Unsettled = &u
			return ending{}, workflow.NewContinueAsNewError(ctx, bookingWorkflow, in)
		}
	}
}

// nextWait returns the first wait, or the longest one if a run before this one waited too.
func (b *booking) nextWait(first time.Duration) time.Duration {
	if b.in.Unsettled != nil {
		return b.in.Policy.MaxWait
	}
	return first
}

// until shortens a wait so that it ends when something else is due.
func (b *booking) until(ctx workflow.Context, u unsettled, wait time.Duration) time.Duration {
	now, p := workflow.Now(ctx), b.in.Policy
	due := []time.Time{u.Since.Add(p.EscalateAfter)}
	if u.mayBeLost(p) {
		due = append(due, u.SentBy.Add(p.AssumeLostAfter+time.Millisecond))
	}
	for _, at := range due {
		if at.After(now) {
			wait = min(wait, at.Sub(now))
		}
	}
	return wait
}

func (b *booking) escalate(ctx workflow.Context, u unsettled) {
	if b.status.State == StateEscalated {
		return
	}
	if workflow.Now(ctx).Sub(u.Since) < b.in.Policy.EscalateAfter && u.lookable() {
		b.enter(ctx, StateSettling)
		return
	}
	b.enter(ctx, StateEscalated)
	workflow.GetMetricsHandler(ctx).Counter(escalatedMetric).Inc(1)
	workflow.GetLogger(ctx).Error("a booking is unknown for too long: a person must settle it")
}

// look asks the API once, and reports whether the outcome is known now.
func (b *booking) look(ctx workflow.Context, u unsettled) (end ending, known bool) {
	if !u.lookable() {
		return ending{}, false
	}
	p, now := b.in.Policy, workflow.Now(ctx)
	b.status.Looks++
	b.status.LastLook = now
	err := do(ctx, workflow.ActivityOptions{StartToCloseTimeout: p.SendTimeout}, lookActivity, lookInput{
		Attempt:   u.Attempt,
		Order:     b.in.Order,
		Lost:      u.mayBeLost(p) && now.Sub(u.SentBy) > p.AssumeLostAfter,
		LostAfter: p.AssumeLostAfter,
	}, &end)
	if err != nil {
		return ending{}, false // the worker died, or hung, which says nothing
	}
	b.status.SlotOpen = end.SlotOpen
	return end, end.Appointment != nil || end.Failure != nil
}

// mayBeLost reports whether the attempt counts as not booked if it never shows.
func (u unsettled) mayBeLost(p Policy) bool { return p.AssumeLostAfter > 0 && !u.Elsewhere }

// lookable reports whether the slot to look for is known.
func (u unsettled) lookable() bool { return u.Attempt.ScheduleID != "" }

// maxRecords is how many times the workflow tries to record a verdict in the journal.
const maxRecords = 5

// settled returns what the person's verdict says, unless the journal knows of an
// appointment.
func (b *booking) settled(ctx workflow.Context, u unsettled) ending {
	v := *b.verdict
	// The client's journal, if it has one, records the verdict. If that fails, the verdict
	// still holds, and the journal's entry stays pending.
	var known ending
	_ = do(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: b.in.Policy.SendTimeout,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: maxRecords},
	}, recordActivity, recordInput{Attempt: u.Attempt, Order: b.in.Order, Verdict: v}, &known)
	if known.Appointment != nil {
		return known
	}
	if v.notBooked {
		return ending{Failure: newFailure(closure.ErrNotBooked)}
	}
	return ending{Appointment: appointmentOf(u.Attempt, v.appointment)}
}
