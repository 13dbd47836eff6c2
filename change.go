package closure

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

// RescheduleBooking moves an appointment to another start on its schedule. After a failure
// that leaves the outcome open, it reads the appointment for up to 10 s, or until the
// context ends. If the appointment shows the requested start, and the requested duration if
// there is one, the call succeeds; else the outcome is unknown, and the error is an
// [*OutcomeUnknownError] with the AppointmentID. Call it again with the same params to settle
// that: to move an appointment to where it is changes nothing. If that call is rejected, it says
// nothing about the first one: read the appointment when the API's reads no longer lag.
//
// After a rejection it reads the appointment, as [Client.BookSlot] does. If the appointment
// shows the change, the call succeeds. If it can't be read, or shows that start with a status
// that this version doesn't know, or another start although the journal holds this one, the
// outcome is unknown. If the slot is not open any more, the error is [ErrSlotUnavailable] joined
// with the [*APIError]; if the appointment overlaps the slot and so may close it itself, it is
// the APIError. After a 429 the request is sent again if the read shows that the appointment
// was not moved.
//
// With a journal ([WithJournal]) it reads the appointment first, and ends with the read's
// error if that fails. If the journal holds the start for another appointment, the error
// is [ErrSlotUnavailable], and nothing is sent. Another call may be making the same move:
// until twice the timeout after that began, this call waits for its result for up to 10 s,
// and its outcome is unknown if there is none. After that it sends the move, too. If its own
// request is rejected then, the outcome is unknown all the same until the other one counts as
// lost ([AssumeLostAfter]).
//
// PATCH /appointments/{id}, GET /appointments/{id} (source: inferred).
func (c *Client) RescheduleBooking(ctx context.Context, id AppointmentID, params AppointmentRescheduleParams, opts ...CallOption) (moved *Appointment, err error) {
	ctx, watched := c.use().watchBooking(ctx, methodRescheduleBooking)
	change := &change{client: c, id: id, start: params.StartAt, duration: params.Duration}
	defer func() { watched.end(moved != nil, change.recovered, err) }()
	const by = methodRescheduleBooking
	cfg, err := c.use().prepare(ctx, by.name(), opts)
	if err = cmp.Or(err, checkID(by, "ID", id), params.check(by)); err != nil {
		return nil, err
	}
	change.configure(cfg, opts)
	change.write = func(ctx context.Context, opts ...CallOption) (*Appointment, error) {
		return c.Appointments.Reschedule(ctx, id, params, opts...)
	}
	change.shows = func(a Appointment) bool {
		return a.StartAt.Equal(params.StartAt) && a.Status.stands() &&
			(params.Duration == 0 || a.Duration == params.Duration)
	}
	if c.core.journal != nil {
		return change.move(ctx, cfg)
	}
	return change.send(ctx)
}

// CancelBooking cancels an appointment. If the appointment is cancelled already, the call
// succeeds. After a failure that leaves the outcome open, it reads the appointment for up
// to 10 s, or until the context ends. If the appointment is cancelled, the call succeeds;
// else the outcome is unknown, and the error is an [*OutcomeUnknownError] with the
// AppointmentID. Call it again to settle that, as for [Client.RescheduleBooking]. After a
// rejection it reads the appointment, as that does, too.
//
// POST /appointments/{id}/cancel, GET /appointments/{id} (source: inferred).
func (c *Client) CancelBooking(ctx context.Context, id AppointmentID, opts ...CallOption) (cancelled *Appointment, err error) {
	ctx, watched := c.use().watchBooking(ctx, methodCancelBooking)
	change := &change{client: c, id: id}
	defer func() { watched.end(cancelled != nil, change.recovered, err) }()
	cfg, err := c.use().prepare(ctx, methodCancelBooking.name(), opts)
	if err = cmp.Or(err, checkID(methodCancelBooking, "ID", id)); err != nil {
		return nil, err
	}
	change.configure(cfg, opts)
	change.write = func(ctx context.Context, opts ...CallOption) (*Appointment, error) {
		return c.Appointments.Cancel(ctx, id, opts...)
	}
	change.shows = func(a Appointment) bool { return a.Status.gone() }
	change.recordBooked(ctx)
	cancelled, err = change.send(ctx)
	if err == nil {
		// If it fails, a later booking reads the appointment, which shows as cancelled.
		_ = c.core.release(ctx, id)
	}
	return cancelled, err
}

// A change is one call that moves or cancels an appointment.
type change struct {
	client      *Client
	id          AppointmentID
	maxAttempts int          // of the write
	opts        []CallOption // of the write
	readOpts    []CallOption
	write       func(context.Context, ...CallOption) (*Appointment, error)
	shows       func(Appointment) bool

	start    time.Time // the requested start; zero: it is a cancellation
	duration Minutes   // the requested one; zero: the appointment keeps its own
	window   sendWindow

	recovered bool // a read showed that the change was made
	doubted   bool // a gateway answered an earlier request, which may have been carried out
	again     bool // an earlier call may have made the same move
	there     bool // by the journal, the appointment is at the requested start already
}

func (c *change) configure(cfg callConfig, opts []CallOption) {
	c.maxAttempts, c.opts, c.readOpts = cfg.maxAttempts, opts, withoutCapture(opts)
}

// send sends the request, and finds out what came of it. After a 429 it may send the
// request again.
func (c *change) send(ctx context.Context) (*Appointment, error) {
	if c.window.late() {
		return nil, &JournalError{Op: "begin", Err: errTooLate}
	}
	for left := c.maxAttempts; ; {
		changed, err := c.request(ctx, left)
		rejection, rejected := rejectionIn(err)
		switch {
		case err == nil && c.shows(*changed):
			return changed, nil
		case err == nil:
			return c.readBack(ctx, errNotConfirmed)
		case OutcomeOf(err) == OutcomeUnknown, !rejected && c.doubted:
			return c.readBack(ctx, err)
		case !rejected:
			return nil, err
		}
		left -= rejection.Attempts
		rejection.Attempts = c.maxAttempts - left // those before earlier 429s, too
		current, verdict := c.explain(ctx, rejection)
		if mayResend(verdict) && c.client.core.waitToResend(ctx, c.window, rejection, left) {
			// By now, the read may show what it didn't show before the wait.
			current, verdict = c.explain(ctx, rejection)
			if mayResend(verdict) && !c.window.late() {
				c.doubted = c.doubted || !rejection.isOfAPI()
				continue
			}
		}
		if OutcomeOf(verdict) == OutcomeRejected && (c.doubted || !rejection.isOfAPI()) {
			return c.lookLonger(ctx, rejection, errors.Is(verdict, ErrSlotUnavailable))
		}
		return current, verdict
	}
}

func (c *change) request(ctx context.Context, maxAttempts int) (*Appointment, error) {
	ctx, cancel := c.window.bound(ctx)
	defer cancel()
	return c.write(ctx, append(slices.Clip(c.opts), WithMaxAttempts(maxAttempts))...)
}

func (c *change) readBack(ctx context.Context, cause error) (*Appointment, error) {
	return c.readBackUntil(ctx, cause, func(error) {})
}

// readBackUntil tells note how each read went.
func (c *change) readBackUntil(ctx context.Context, cause error, note func(error)) (*Appointment, error) {
	var done *Appointment
	why := cause
	keepLooking(ctx, func(ctx context.Context) bool {
		current, err := c.read(ctx)
		note(err)
		why = cause
		switch {
		case err == nil && c.shows(*current):
			done = current
		case err == nil && c.doubtful(*current):
			why = withDoubt(cause, errDoubtful)
		}
		return done != nil || noSuchCall(err)
	})
	if done != nil {
		c.recovered = true
		return done, nil
	}
	return nil, c.unknown(why)
}

// unknown is the error of a change that may have been made.
func (c *change) unknown(cause error) error {
	return &OutcomeUnknownError{AppointmentID: c.id, Err: cause}
}

func (c *change) read(ctx context.Context) (*Appointment, error) {
	current, err := c.client.Appointments.Get(ctx, c.id, c.readOpts...)
	if err == nil && current.ID != c.id {
		return nil, errNotConfirmed
	}
	return current, err
}

// explain reads the appointment after a rejection, and returns what the rejection means.
func (c *change) explain(ctx context.Context, rejection *APIError) (*Appointment, error) {
	current, err := c.read(ctx)
	switch {
	case noSuchCall(err) && rejection.isOfAPI():
		return nil, rejection
	case err != nil:
		return nil, c.unknown(rejection)
	case c.shows(*current):
		c.recovered = true
		return current, nil
	case c.doubtful(*current):
		return nil, c.unknown(because(errDoubtful, rejection))
	case c.there && !c.start.Equal(current.StartAt) && !current.Status.gone():
		return nil, c.unknown(because(errMovedAway, rejection))
	case c.start.IsZero() || c.start.Equal(current.StartAt) || current.Status.gone():
		return nil, rejection // it can't be about another slot
	case rejection.StatusCode == http.StatusTooManyRequests:
		// A 429 says nothing about the slot. An earlier request of ours may have closed it,
		// and this read may be too old to show that.
		return nil, rejection
	}
	slots, err := c.client.Availabilities.around(ctx, current.ScheduleID, c.start, c.readOpts)
	if err != nil {
		return nil, rejection
	}
	if _, open := durationsAt(slots, c.start); open || c.overlaps(*current) {
		return nil, rejection
	}
	return nil, because(ErrSlotUnavailable, rejection)
}

// lookLonger ends a change that a gateway may have rejected after the API had made it, as that
// of a booking does.
func (c *change) lookLonger(ctx context.Context, rejection *APIError, gone bool) (*Appointment, error) {
	var read lastRead
	current, err := c.readBackUntil(ctx, rejection, read.note)
	if current == nil && !gone && !inDoubt(err) && read.isLate() && ctx.Err() == nil {
		return nil, rejection
	}
	return current, err
}

// doubtful reports whether the status leaves open if the change was made.
func (c *change) doubtful(current Appointment) bool {
	where := c.start.IsZero() || c.start.Equal(current.StartAt)
	return where && !current.Status.stands() && !current.Status.gone()
}

// overlaps reports whether the appointment itself may close the slot that it is to be
// moved to.
func (c *change) overlaps(current Appointment) bool {
	wanted := cmp.Or(c.duration, current.Duration)
	return c.start.Before(current.StartAt.Add(current.Duration.Duration())) &&
		current.StartAt.Before(c.start.Add(wanted.Duration()))
}
