package closuretemporal

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/closurehealth/closure-go"
)

// A WorkerOption is an option of [Register].
type WorkerOption func(*activities)

// WithJournal names the journal that the client was made with
// (closure.WithJournal), if it was: idempotency keys go into it, and what is
// settled here is settled there, and the other way round. Without a journal on the
// client it must not be given.
func WithJournal(journal closure.Journal) WorkerOption {
	return func(a *activities) { a.journal = journal }
}

// Register makes a worker do the work of bookings, by the API's client. It may
// serve other workflows too. All workers of a task queue should have clients of
// one mode, live or test.
//
// Set WorkerStopTimeout of the worker to [Policy].SendTimeout, so that one that is
// stopped ends the attempts that it has begun. Without it nothing is lost, but
// those take a heartbeat longer. Leave the worker's WorkflowPanicPolicy at its default,
// worker.BlockWorkflow: Register can't see it, and under worker.FailWorkflow a worker
// that lacks a key ends bookings, which may then be sent again.
func Register(w worker.Registry, api *closure.Client, opts ...WorkerOption) {
	a := &activities{api: api}
	for _, opt := range opts {
		if opt != nil {
			opt(a)
		}
	}
	registerWorkflows(w)
	w.RegisterActivityWithOptions(a.send, activity.RegisterOptions{Name: sendActivity})
	w.RegisterActivityWithOptions(a.look, activity.RegisterOptions{Name: lookActivity})
	w.RegisterActivityWithOptions(a.choose, activity.RegisterOptions{Name: chooseActivity})
	w.RegisterActivityWithOptions(a.record, activity.RegisterOptions{Name: recordActivity})
	w.RegisterActivityWithOptions(a.change, activity.RegisterOptions{Name: changeActivity})
}

func registerWorkflows(w worker.WorkflowRegistry) {
	w.RegisterWorkflowWithOptions(book, workflow.RegisterOptions{Name: bookingWorkflow})
	w.RegisterWorkflowWithOptions(change, workflow.RegisterOptions{Name: changeWorkflow})
}

// activities are the steps that call the API. They return what went wrong as a value: if an
// activity itself fails, it is unknown what it did.
type activities struct {
	api     *closure.Client
	journal closure.Journal // nil: Register was given no journal
}

type sendInput struct {
	input
	Order order  `json:"wish"`
	Slot  slot   `json:"slot"`
	RunID string `json:"run_id"` // the run that may send; one that was reset from it may not

	GiveUpAt time.Time `json:"give_up_at,omitzero"` // nothing is sent after it
}

// send books. It sends nothing if an earlier run may have done so, or if the booking waited
// for a worker past GiveUpAt.
func (a *activities) send(ctx context.Context, in sendInput) (ending, error) {
	if in.isUnread() {
		return ending{Failure: newFailure(errNotSent(noKey)), Again: true}, nil
	}
	// The testsuite of Temporal's SDK knows no original run; a server always does.
	if in.RunID != "" && in.RunID != activity.GetInfo(ctx).WorkflowExecution.RunID {
		return ending{Unknown: in.attempt(time.Now()), Late: true}, nil
	}
	if !in.GiveUpAt.IsZero() && time.Now().After(in.GiveUpAt) {
		return ending{Failure: newFailure(errNotSent(noWorker))}, nil
	}
	defer beat(ctx)()
	ctx, stop := sendBefore(ctx, time.Now)
	defer stop()
	booking, err := a.api.BookSlot(
		ctx, in.Order.params(in.Slot, a.key(in.Order.Key)), closure.KnownCancelled(in.Order.Cancelled...),
	)
	if in.Order.Slot == nil && errors.Is(err, closure.ErrIdempotencyKeyUsed) {
		return a.bookedElsewhere(ctx, in, err), nil
	}
	return newEnding(booking, err), nil
}

// bookedElsewhere is the ending of a search whose key the journal knows for another slot. BookSlot,
// which sends what the search found, refuses such a key.
func (a *activities) bookedElsewhere(ctx context.Context, in sendInput, refusal error) ending {
	entry, err := a.held(ctx, *in.attempt(time.Now()), in.Order)
	switch {
	case err != nil:
		return newEnding(nil, &closure.JournalError{Op: "find", Err: err})
	case entry == nil:
		return newEnding(nil, refusal)
	case entry.State == closure.JournalPending:
		return ending{Unknown: &entry.Attempt}
	}
	// The practice may have cancelled it or moved it. A read that lags behind a move isn't believed.
	shown, err := a.api.Appointments.Get(ctx, entry.Appointment)
	moved := entry.Attempt.AppointmentID != "" && time.Since(entry.Attempt.AttemptedAt) <= longestLag
	switch {
	case err == nil && shown.Status.IsCancelled():
		if err := a.journal.Release(ctx, entry.Appointment); err != nil {
			return newEnding(nil, &closure.JournalError{Op: "release", Err: err})
		}
		return ending{Failure: newFailure(refusal), Again: true} // the key is free now
	case err == nil && !moved && !shown.StartAt.IsZero():
		return ending{Appointment: shown}
	}
	end, err := a.booked(ctx, *entry, in.Order)
	if err != nil {
		return newEnding(nil, &closure.JournalError{Op: "find appointment", Err: err})
	}
	return end
}

func (in sendInput) attempt(at time.Time) *closure.BookingAttempt {
	return &closure.BookingAttempt{
		ScheduleID: in.Slot.Schedule, PatientID: in.Order.Patient, StartAt: in.Slot.StartAt,
		Duration: in.Slot.Duration, AttemptedAt: at,
	}
}

// key is the idempotency key for the client, which takes one only with a journal.
func (a *activities) key(key string) string {
	if a.journal == nil {
		return ""
	}
	return key
}

func newEnding(booking *closure.Booking, err error) ending {
	if booking != nil {
		return ending{Appointment: &booking.Appointment}
	}
	if unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err); ok {
		return ending{Unknown: &unknown.Attempt, SlotOpen: unknown.SlotOpen}
	}
	return ending{Failure: newFailure(err), Again: worthAgain(err)}
}

// worthAgain reports whether nothing was done, and another try may succeed.
func worthAgain(err error) bool {
	if several, ok := errors.AsType[*joined](err); ok { // of several schedules
		return slices.ContainsFunc(several.errs, worthAgain)
	}
	if errors.Is(err, closure.ErrSlotUnavailable) {
		return false
	}
	if _, ok := errors.AsType[*closure.JournalError](err); ok {
		return true
	}
	outcome := closure.OutcomeOf(err)
	if outcome != closure.OutcomeNotSent && outcome != closure.OutcomeRejected {
		return false
	}
	if answer, ok := errors.AsType[*closure.APIError](err); ok {
		return answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= http.StatusInternalServerError
	}
	_, lost := errors.AsType[*closure.TransportError](err)
	return lost
}

// beat tells Temporal that the worker lives, until the returned function is called.
func beat(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	interval := max(activity.GetInfo(ctx).HeartbeatTimeout/3, 100*time.Millisecond)
	go func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				activity.RecordHeartbeat(ctx)
			case <-done:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { close(done) }
}
