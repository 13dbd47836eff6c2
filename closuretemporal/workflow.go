package closuretemporal

import (
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/closurehealth/closure-go"
)

// The names that histories hold. They never change. Nor may the order of activities and
// timers change for a workflow under way: TestRecordedHistoriesReplay replays old ones.
const (
	bookingWorkflow = "closure.booking"
	changeWorkflow  = "closure.change"
	changeSuffix    = "-change" // of a booking's id

	sendActivity   = "closure.send"
	lookActivity   = "closure.look"
	chooseActivity = "closure.choose"
	recordActivity = "closure.record"
	changeActivity = "closure.change"

	statusQuery  = "closure.status"
	settleUpdate = "closure.settle"
)

// A booking is one workflow: it sends, waits and looks until the outcome is settled.
type booking struct {
	in        bookingInput
	status    Status
	verdict   *Verdict         // of a person
	stoppable workflow.Context // ends when somebody cancels the workflow
	giveUpAt  time.Time
}

// book is the workflow of a booking. Cancelling the workflow ends it only if nothing was
// sent that may have been carried out.
func book(stoppable workflow.Context, in bookingInput) (*result, error) {
	if err := in.unread; err != nil {
		panic(err) // fails the task, not the workflow: a worker that has the key takes over
	}
	ctx, _ := workflow.NewDisconnectedContext(stoppable)
	b := &booking{
		in:        in,
		stoppable: stoppable,
		giveUpAt:  workflow.GetInfo(ctx).WorkflowStartTime.Add(in.Policy.GiveUpSending),
	}
	if in.Unsettled != nil {
		b.status = in.Unsettled.Status
	} else {
		b.enter(ctx, StateSending)
	}
	if err := b.listen(ctx); err != nil {
		return nil, err
	}
	return b.run(ctx)
}

func (b *booking) listen(ctx workflow.Context) error {
	status := func() (Status, error) { return b.status, nil }
	if err := workflow.SetQueryHandler(ctx, statusQuery, status); err != nil {
		return err
	}
	settle := func(_ workflow.Context, v Verdict) error {
		b.verdict = &v
		return nil
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, settleUpdate, settle, workflow.UpdateHandlerOptions{
		Validator: func(v Verdict) error {
			unsettled := b.status.State == StateSettling || b.status.State == StateEscalated
			if !unsettled || b.verdict != nil {
				return temporal.NewApplicationError("", notUnsettled)
			}
			return v.check()
		},
	})
}

func (b *booking) enter(ctx workflow.Context, s State) {
	if s != b.status.State || b.status.Since.IsZero() {
		b.status.State, b.status.Since = s, workflow.Now(ctx)
	}
}

func (b *booking) run(ctx workflow.Context) (*result, error) {
	var end ending
	var err error
	switch {
	case b.in.Unsettled != nil:
		end, err = b.settle(ctx, *b.in.Unsettled)
	case b.in.Order.Slot != nil:
		end, err = b.bookSlot(ctx, *b.in.Order.Slot)
	default:
		end, err = b.bookFirst(ctx)
	}
	if err != nil {
		return nil, err
	}
	return b.end(ctx, end)
}

// end ends the workflow. A workflow that failed may be started again under its id; one
// that completed may not.
func (b *booking) end(ctx workflow.Context, end ending) (*result, error) {
	r := result{
		Appointment: end.Appointment, Failure: end.Failure,
		Fingerprint: b.in.Fingerprint, Cancelled: b.in.Order.Cancelled,
	}
	switch {
	case end.Appointment != nil:
		b.enter(ctx, StateConfirmed)
	case end.Failure.is(closure.ErrNotBooked):
		b.enter(ctx, StateNotBooked)
	default:
		b.enter(ctx, StateRejected)
	}
	tags := map[string]string{"state": b.status.State.String()}
	workflow.GetMetricsHandler(ctx).WithTags(tags).Counter(endedMetric).Inc(1)
	if end.Appointment != nil {
		return &r, nil
	}
	return nil, failed(r)
}

// The metrics, in addition to Temporal's own.
const (
	endedMetric     = "closure_booking_ended"     // by state
	escalatedMetric = "closure_booking_escalated" // a person must settle it
)

func failed(r result) error {
	return temporal.NewApplicationErrorWithOptions("", notBooked, temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{r},
	})
}

// The types of the workflows' errors, which Temporal stores in clear.
const (
	notBooked    = "closure.not_booked"
	notUnsettled = "closure.not_unsettled"
)

// bookSlot sends again for as long as nothing was done, and settles an unknown outcome.
func (b *booking) bookSlot(ctx workflow.Context, s slot) (ending, error) {
	for wait := firstResend; ; wait = min(2*wait, maxResend) {
		if err := b.stoppable.Err(); err != nil {
			return ending{}, err
		}
		end, left := b.send(ctx, s)
		if left != nil {
			return b.settle(ctx, *left)
		}
		if !end.Again || workflow.Now(ctx).Add(wait).After(b.giveUpAt) {
			return end, nil
		}
		b.enter(ctx, StateWaiting)
		if err := workflow.Sleep(b.stoppable, wait); err != nil {
			return ending{}, err
		}
	}
}

// The waits before a request that wasn't carried out is tried again.
const (
	firstResend = time.Second
	maxResend   = time.Minute
)

// send runs the activity that sends, once. If the activity fails, it may still have sent
// the request.
func (b *booking) send(ctx workflow.Context, s slot) (ending, *unsettled) {
	b.enter(ctx, StateSending)
	b.status.Sends++
	var end ending
	err := do(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    b.in.Policy.SendTimeout,
		HeartbeatTimeout:       b.in.Policy.heartbeat(),
		ScheduleToStartTimeout: max(b.giveUpAt.Sub(workflow.Now(ctx)), time.Second),
	}, sendActivity, sendInput{
		Order: b.in.Order, Slot: s, RunID: workflow.GetInfo(ctx).OriginalRunID, GiveUpAt: b.giveUpAt,
	}, &end)
	now := workflow.Now(ctx)
	switch {
	case err == nil && (end.Appointment != nil || end.Failure != nil):
		return end, nil
	case err == nil && end.Unknown != nil && !end.Late:
		return ending{}, &unsettled{Attempt: *end.Unknown, Since: now, SentBy: now}
	case err == nil && end.Late && b.in.Order.Slot == nil:
		u := b.ofAnotherRun(ctx, s)
		return ending{}, &u
	case notStarted(err):
		return ending{Failure: newFailure(errNotSent(noWorker))}, nil
	default: // the worker may be alive, and send until its time is up
		sentBy := now.Add(b.in.Policy.SendTimeout)
		attempt := closure.BookingAttempt{
			ScheduleID: s.Schedule, PatientID: b.in.Order.Patient, StartAt: s.StartAt, Duration: s.Duration,
			AttemptedAt: sentBy,
		}
		return ending{}, &unsettled{Attempt: attempt, Since: now, SentBy: sentBy}
	}
}

// notStarted reports whether no worker started the activity.
func notStarted(err error) bool {
	timeout, ok := errors.AsType[*temporal.TimeoutError](err)
	return ok && timeout.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START
}

// ofAnotherRun returns what the run before a reset may have sent: the slot, or another
// one, which it chose and which this run's history doesn't hold. The zero slot stands for
// an unknown one.
func (b *booking) ofAnotherRun(ctx workflow.Context, s slot) unsettled {
	now := workflow.Now(ctx)
	sentBy := now.Add(b.in.Policy.SendTimeout)
	attempt := sendInput{Order: b.in.Order, Slot: s}.attempt(sentBy)
	return unsettled{Attempt: *attempt, Since: now, SentBy: sentBy, Elsewhere: true}
}

// Why nothing was sent.
var (
	noWorker = &remoteCause{text: "no worker started it in time", timeout: true}
	noKey    = &remoteCause{text: "the worker lacks the key that encrypted it"}
)

// errNotSent is the error of a booking for which nothing was sent.
func errNotSent(cause error) error {
	return &closure.TransportError{
		Op: "appointments.create", Method: "POST", Route: "/appointments",
		Outcome: closure.OutcomeNotSent, Err: cause,
	}
}

// do runs an activity: once, unless the options say otherwise.
func do(ctx workflow.Context, opts workflow.ActivityOptions, name string, in, out any) error {
	if opts.RetryPolicy == nil {
		opts.RetryPolicy = &temporal.RetryPolicy{MaximumAttempts: 1}
	}
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), name, in).Get(ctx, out)
	if _, ok := errors.AsType[*temporal.ActivityError](err); err != nil && !ok {
		// There is a result that this worker can't read, perhaps because it lacks a new
		// key. To go on would lose the result. The panic fails the task, not the workflow,
		// and a worker that can read the result takes over.
		panic(err)
	}
	return err
}
