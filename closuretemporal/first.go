package closuretemporal

import (
	"cmp"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/closurehealth/closure-go"
)

// bookFirst tries the slots of the search in turn until one is booked. A step of its own
// chooses the slots, so that the history holds each one before it is sent.
func (b *booking) bookFirst(ctx workflow.Context) (ending, error) {
	in := chooseInput{Order: b.in.Order, RunID: workflow.GetInfo(ctx).OriginalRunID}
	var refused *failure // why a schedule was left out
	for {
		chosen, err := b.choose(ctx, in)
		if err != nil || chosen.Failure != nil {
			if refused != nil && chosen.Failure.is(closure.ErrNoSlot) {
				chosen.Failure = refused
			}
			return ending{Failure: chosen.Failure}, err
		}
		if chosen.Late || len(chosen.Slots) == 0 {
			return b.settle(ctx, b.ofAnotherRun(ctx, slot{}))
		}
		anew := false
		for _, s := range chosen.Slots {
			if slices.Contains(in.LeftOut, s.Schedule) || slices.ContainsFunc(in.Tried, s.same) {
				continue
			}
			anew = true
			end, err := b.bookSlot(ctx, s)
			switch {
			case err != nil || end.Failure == nil:
				return end, err
			case end.Failure.ofSchedule():
				in.LeftOut, refused = append(in.LeftOut, s.Schedule), end.Failure
			case end.Failure.is(closure.ErrSlotUnavailable):
				in.Tried = append(in.Tried, s)
			default:
				return end, nil
			}
		}
		if !anew { // a worker of another version left nothing out: the loop would never end
			return ending{Failure: cmp.Or(refused, newFailure(closure.ErrNoSlot))}, nil
		}
	}
}

// ofSchedule reports whether the patient can book no slot of the schedule.
func (f *failure) ofSchedule() bool {
	return f.Insurance != nil || f.is(closure.ErrNotBookable)
}

// choose reads which slots are open, and tries again until it can or its time is up.
func (b *booking) choose(ctx workflow.Context, in chooseInput) (chosen, error) {
	for wait := firstResend; ; wait = min(2*wait, maxResend) {
		b.enter(ctx, StateSending)
		var c chosen
		err := do(ctx, workflow.ActivityOptions{
			StartToCloseTimeout:    b.in.Policy.SendTimeout,
			ScheduleToStartTimeout: max(b.giveUpAt.Sub(workflow.Now(ctx)), firstResend),
		}, chooseActivity, in, &c)
		if err != nil {
			c = chosen{Failure: newFailure(errNotSent(noWorker)), Again: true}
		}
		if !c.Again || workflow.Now(ctx).Add(wait).After(b.giveUpAt) {
			return c, nil
		}
		b.enter(ctx, StateWaiting)
		if err := workflow.Sleep(b.stoppable, wait); err != nil {
			return chosen{}, err
		}
	}
}
