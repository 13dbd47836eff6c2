package closuretemporal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/closurehealth/closure-go"
)

// Bookings starts bookings and finds them again. It is safe for concurrent use.
type Bookings struct {
	client  client.Client
	queue   string
	keyring Keyring
	policy  Policy
}

// Format prints no more than the type, under every verb.
func (b Bookings) Format(f fmt.State, _ rune) { printRedacted(f, "Bookings") }

// LogValue shows no more than the type.
func (b Bookings) LogValue() slog.Value { return redactedValue("Bookings") }

// New makes Bookings whose work is done by the workers of the task queue. c must
// have been made with [ClientOptions] and the same keyring. A keyring or a policy
// that can't be used is a [closure.InputError].
func New(c client.Client, queue string, k Keyring, p Policy) (*Bookings, error) {
	p = p.withDefaults()
	if c == nil {
		return nil, refuse("New", "client", "is nil")
	}
	if queue == "" {
		return nil, refuse("New", "queue", "is empty")
	}
	if err := errors.Join(k.check(), p.check()); err != nil {
		return nil, err
	}
	return &Bookings{client: c, queue: queue, keyring: k.clone(), policy: p}, nil
}

// A StartOption is an option of [Bookings.Start] and [Bookings.StartFirst].
type StartOption func(*startConfig)

type startConfig struct{ after string }

// Again books anew what was booked before and then cancelled: after is the
// [Pending.ID] of that booking. Without it, the booking's answer is the one it had.
// The booking must have been cancelled by [Pending.Cancel], which succeeds also where
// somebody else cancelled the appointment; else Start is a [closure.InputError]. If a
// change of that booking is under way, Start waits for it. A read
// that lags, and still shows the cancelled appointment, doesn't confirm the new booking.
func Again(after string) StartOption {
	return func(c *startConfig) { c.after = after }
}

// Start books one slot, as [closure.Client.BookSlot] does, and returns when
// Temporal has recorded it: from then on it is looked after. The booking is named
// by its IdempotencyKey, or else by patient, schedule and start. If one of that
// name is under way, this is that one; if it was booked, this has the same answer;
// if it failed, it is started again. So it is safe to call again, from any process,
// for as long as the namespace keeps the workflow; after that, it books again.
//
// A key that was used for something else shows in [Pending.Wait], as a
// [closure.InputError]. An error of Start is a [closure.InputError] for params without
// patient, schedule or start, or that of Temporal's client: then the booking may have been
// started. Call Start again, which joins it. Start takes as long as the context allows, also
// where the server is too busy to answer soon, or down: give the context a deadline.
func (b *Bookings) Start(ctx context.Context, params closure.BookSlotParams, opts ...StartOption) (*Pending, error) {
	switch {
	case params.PatientID == "":
		return nil, refuse("Start", "PatientID", "is empty")
	case params.ScheduleID == "":
		return nil, refuse("Start", "ScheduleID", "is empty")
	case params.StartAt.IsZero():
		return nil, refuse("Start", "StartAt", "is zero")
	case !isWhole(params.StartAt):
		return nil, refuse("Start", "StartAt", "is not a whole number of milliseconds")
	case params.Duration < 0 || params.Duration > closure.MaxMinutes:
		return nil, refuse("Start", "Duration", "is negative or longer than a week")
	}
	return b.start(ctx, slotOrder(params), opts)
}

// StartFirst books the first slot of a search that is confirmed, as
// [closure.Client.BookFirstAvailable] does, and is otherwise as [Bookings.Start].
// It needs an IdempotencyKey, because nothing else names the booking. The search's
// Known and Concurrency are not used.
func (b *Bookings) StartFirst(
	ctx context.Context, params closure.BookFirstParams, opts ...StartOption,
) (*Pending, error) {
	switch {
	case params.PatientID == "":
		return nil, refuse("StartFirst", "PatientID", "is empty")
	case params.IdempotencyKey == "":
		return nil, refuse("StartFirst", "IdempotencyKey", "is empty")
	case len(params.Search.Schedules) == 0:
		return nil, refuse("StartFirst", "Search.Schedules", "is empty")
	case !named(params.Search):
		return nil, refuse("StartFirst", "Search.Zone", "is not a zone of the time zone database")
	}
	return b.start(ctx, firstOrder(params), opts)
}

func (b *Bookings) start(ctx context.Context, o order, opts []StartOption) (*Pending, error) {
	var cfg startConfig
	for _, opt := range opts {
		if opt != nil {
			opt(&cfg)
		}
	}
	if cfg.after != "" {
		var err error
		if o.Cancelled, err = b.cancelled(ctx, o.method(), cfg.after); err != nil {
			return nil, err
		}
	}
	p := &Pending{
		bookings:    b,
		method:      o.method(),
		id:          b.keyring.workflowID(o, cfg.after),
		fingerprint: b.keyring.fingerprint(o),
	}
	in := bookingInput{Order: o, Fingerprint: p.fingerprint, Policy: b.policy}
	_, _, err := b.execute(ctx, client.StartWorkflowOptions{
		ID:                    p.id,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
	}, bookingWorkflow, in)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// execute starts a workflow, or joins the one of its id that runs. Temporal's client gives
// each call ten seconds, even if the context has more time. A busy server may need longer.
// unsure reports that a call which failed may have started it, also one before the last.
func (b *Bookings) execute(
	ctx context.Context, opts client.StartWorkflowOptions, workflow string, in any,
) (run client.WorkflowRun, unsure bool, err error) {
	opts.TaskQueue = b.queue
	opts.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	for {
		run, err = b.client.ExecuteWorkflow(ctx, opts, workflow, in)
		unsure = unsure || mayHaveStarted(err)
		if !isTimeout(err) || ctx.Err() != nil {
			return run, unsure, err
		}
		select {
		case <-ctx.Done():
			return nil, true, err
		case <-time.After(time.Second):
		}
	}
}

func isTimeout(err error) bool {
	_, ok := errors.AsType[*serviceerror.DeadlineExceeded](err)
	return ok || errors.Is(err, context.DeadlineExceeded)
}

// mayHaveStarted reports whether the server may have done what it was asked to, although the
// call returned the error. Temporal's client sends a call again by itself, so that most of
// the server's errors say nothing of the time before. An error that is neither the server's
// nor the context's came before anything was sent.
func mayHaveStarted(err error) bool {
	_, invalid := errors.AsType[*serviceerror.InvalidArgument](err)
	_, denied := errors.AsType[*serviceerror.PermissionDenied](err)
	_, noNamespace := errors.AsType[*serviceerror.NamespaceNotFound](err)
	if invalid || denied || noNamespace {
		return false
	}
	_, ofServer := errors.AsType[serviceerror.ServiceError](err)
	return ofServer || isTimeout(err) || errors.Is(err, context.Canceled)
}

// cancelled are the appointments that the booking had, and those before it.
func (b *Bookings) cancelled(ctx context.Context, method, id string) ([]closure.AppointmentID, error) {
	changed, err := readResult(ctx, b.client.GetWorkflow(ctx, id+changeSuffix, ""))
	if errors.Is(err, ErrNoBooking) || err == nil && (changed.Appointment == nil || !changed.Appointment.Status.IsCancelled()) {
		return nil, refuse(method, "Again", "names a booking that was not cancelled by Cancel")
	}
	if err != nil {
		return nil, err
	}
	before, err := readResult(ctx, b.client.GetWorkflow(ctx, id, ""))
	return append(before.Cancelled, changed.Appointment.ID), err
}

// Get returns the booking with that [Pending.ID], in any process. It doesn't ask Temporal: if
// there is no such booking, the first call returns [ErrNoBooking].
func (b *Bookings) Get(id string) *Pending { return &Pending{bookings: b, id: id} }

// A Pending is a booking that was started. It is safe for concurrent use.
type Pending struct {
	bookings    *Bookings
	method      string // that started it
	id          string
	fingerprint string // empty: of Get
}

// Format prints no more than the type, under every verb.
func (p Pending) Format(f fmt.State, _ rune) { printRedacted(f, "Pending") }

// LogValue shows no more than the type.
func (p Pending) LogValue() slog.Value { return redactedValue("Pending") }

// ID is the booking's name. Keep it with the order, for example. It is a keyed hash: it
// tells nothing about the patient and is safe to log.
func (p *Pending) ID() string { return p.id }

// ErrNoBooking is returned for an id that Temporal doesn't know, or has forgotten because
// the namespace's retention is over.
var ErrNoBooking = errors.New("closuretemporal: there is no such booking")

// ErrNotUnsettled is returned by [Pending.Settle] if there is nothing to settle.
var ErrNotUnsettled = errors.New("closuretemporal: the booking does not wait to be settled")

// Wait waits until the booking is settled, which may take hours, or until the context
// ends. Then the booking goes on. It returns the appointment as it was booked, even if it
// was moved or cancelled since, or the error that [closure.Client.BookSlot] ends in, such as
// [closure.ErrSlotUnavailable], [*closure.InsuranceError] or [closure.ErrNotBooked].
// A booking that somebody cancelled in Temporal before anything was sent ends in
// a [*closure.TransportError] that is [context.Canceled].
func (p *Pending) Wait(ctx context.Context) (*closure.Appointment, error) {
	r, err := readResult(ctx, p.bookings.client.GetWorkflow(ctx, p.id, ""))
	switch {
	case err != nil:
		return nil, err
	case p.fingerprint != "" && r.Fingerprint != p.fingerprint:
		return nil, &closure.InputError{
			Op:     p.method,
			Field:  "IdempotencyKey",
			Reason: keyUsed,
			Err:    closure.ErrIdempotencyKeyUsed,
		}
	default:
		return r.answer()
	}
}

// readResult waits for the end of a workflow, and returns its result, also one that it failed with.
func readResult(ctx context.Context, run client.WorkflowRun) (r result, err error) {
	err = run.Get(ctx, &r)
	if err != nil && ctx.Err() != nil {
		return r, ctx.Err()
	}
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return r, ErrNoBooking
	}
	if _, ok := errors.AsType[*temporal.CanceledError](err); ok {
		return r, errNotSent(context.Canceled)
	}
	failed, ok := errors.AsType[*temporal.ApplicationError](err)
	if ok && failed.Type() == notBooked {
		err = failed.Details(&r)
	}
	return r, err
}

func (r result) answer() (*closure.Appointment, error) {
	if r.Appointment != nil {
		return r.Appointment, nil
	}
	return nil, r.Failure.err()
}

// Status asks a worker where the booking is. It changes nothing, and needs a
// worker that runs.
func (p *Pending) Status(ctx context.Context) (Status, error) {
	var s Status
	value, err := p.bookings.client.QueryWorkflow(ctx, p.id, "", statusQuery)
	if err == nil {
		err = value.Get(&s)
	}
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		err = ErrNoBooking
	}
	return s, err
}

// Settle ends a booking that is settling or escalated, by what a person found
// out. Where the API shows the appointment in that very moment, or the client's journal
// knows it, that counts. A booking in another state is [ErrNotUnsettled]. It is safe to
// call again.
//
// After NotBooked the same can be booked again: be sure that nothing comes late.
func (p *Pending) Settle(ctx context.Context, v Verdict) error {
	if err := v.check(); err != nil {
		return err
	}
	handle, err := p.bookings.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID:   p.id,
		UpdateName:   settleUpdate,
		Args:         []any{v},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	refused, ok := errors.AsType[*temporal.ApplicationError](err)
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone || ok && refused.Type() == notUnsettled {
		return ErrNotUnsettled
	}
	return err
}
