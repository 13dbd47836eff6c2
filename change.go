package closure

import (
	"cmp"
	"context"
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
// With a journal ([WithJournal]) it reads the appointment first, and the list of appointments if the
// journal holds a booking of the patient that isn't settled and may have made it; it ends with the
// read's error if that fails, and with a [*JournalError] if the API shows two that a booking of its
// start may have made. If the appointment shows as rescheduled, and the journal doesn't hold it, the
// journal is asked for all that is pending: if only one booking of the patient is pending since then,
// and may have made it, that is recorded, and it keeps its key. If the journal holds the start for
// another appointment, the error is [ErrSlotUnavailable], and nothing is sent. Another call may be making
// the same move: until twice the timeout after that began, this call waits for its result for up to 10 s,
// and its outcome is unknown if there is none. After that it sends the move, too. If its own request is
// rejected then, the outcome is unknown all the same until the other one counts as lost
// ([AssumeLostAfter]).
//
// PATCH /appointments/{id}, GET /appointments/{id}, after a rejection also GET
// /schedules/{id}/slots, and with a journal GET /appointments (source: inferred).
func (c *Client) RescheduleBooking(ctx context.Context, id AppointmentID, params AppointmentRescheduleParams, opts ...CallOption) (moved *Appointment, err error) {
	const by = methodRescheduleBooking
	ctx, watched := c.use().watchBooking(ctx, by)
	var booking *Booking
	defer func() { watched.end(booking, err) }()
	cfg, err := c.use().prepare(ctx, by.name(), opts)
	if err = cmp.Or(err, checkID(by, "ID", id), params.check(by)); err != nil {
		return nil, err
	}
	change := c.newChange(id, cfg, opts)
	change.start, change.duration = params.StartAt, params.Duration
	if c.core.journal != nil {
		booking, err = change.move(ctx)
	} else {
		booking, err = change.sendNow(ctx)
	}
	return booking.appointment(), err
}

// CancelBooking cancels an appointment. If the appointment is cancelled already, the call
// succeeds. After a failure that leaves the outcome open, it reads the appointment for up
// to 10 s, or until the context ends. If the appointment is cancelled, the call succeeds;
// else the outcome is unknown, and the error is an [*OutcomeUnknownError] with the
// AppointmentID. Call it again to settle that, as for [Client.RescheduleBooking]. After a
// rejection it reads the appointment, as that does, too.
//
// With a journal ([WithJournal]) it first asks the journal, and reads the appointment if the journal
// doesn't hold it as booked, which takes at most 3 s; and records what it read, which takes at most
// 5 s more. After the cancellation it releases the appointment's entries and their keys; but not the
// entry of a booking that isn't recorded as booked and was begun less than twice the timeout before,
// because its request may be under way, or that may have made another appointment that the API shows
// there, or if the reads fail: its key is free once it counts as lost. If the journal fails, the
// appointment is cancelled all the same, and [BookingEvent] says which of the journal's methods
// failed.
//
// POST /appointments/{id}/cancel, GET /appointments/{id}, and with a journal GET /appointments
// (source: inferred).
func (c *Client) CancelBooking(ctx context.Context, id AppointmentID, opts ...CallOption) (cancelled *Appointment, err error) {
	ctx, watched := c.use().watchBooking(ctx, methodCancelBooking)
	var booking *Booking
	defer func() { watched.end(booking, err) }()
	cfg, err := c.use().prepare(ctx, methodCancelBooking.name(), opts)
	if err = cmp.Or(err, checkID(methodCancelBooking, "ID", id)); err != nil {
		return nil, err
	}
	change := c.newChange(id, cfg, opts)
	change.recordBooked(ctx)
	booking, err = change.sendNow(ctx)
	if err == nil {
		// If it fails, a later booking reads the appointment, which shows as cancelled.
		_ = c.core.release(ctx, id)
	}
	return booking.appointment(), err
}

// appointment returns the booking's appointment; nil: there is no booking.
func (b *Booking) appointment() *Appointment {
	if b == nil {
		return nil
	}
	return &b.Appointment
}

// A change is one call that moves or cancels an appointment.
type change struct {
	client      *Client
	id          AppointmentID
	maxAttempts int          // of the write
	opts        []CallOption // of the write
	readOpts    []CallOption

	start    time.Time // the requested start; zero: it is a cancellation
	duration Minutes   // the requested one; zero: the appointment keeps its own

	// With a journal.
	window     sendWindow
	sendsUntil time.Duration // up to what age another call's attempt may still be sent
	lostAfter  time.Duration // the age from which a pending entry counts as lost; 0: none does

	earlier BookingAttempt // of a call that may have made the same move; zero: there was none
	there   bool           // by the journal, the appointment is at the requested start already
}

func (c *Client) newChange(id AppointmentID, cfg callConfig, opts []CallOption) *change {
	return &change{
		client:      c,
		id:          id,
		maxAttempts: cfg.maxAttempts,
		opts:        opts,
		readOpts:    withoutCapture(opts),
		window:      sendWindow{timeout: cfg.timeout},
		sendsUntil:  c.core.sendsUntil(cfg),
		lostAfter:   c.core.lostAfter(cfg),
	}
}

func (c *change) cancels() bool { return c.start.IsZero() }

// sendNow sends the request, and finds out what came of it.
func (c *change) sendNow(ctx context.Context) (*Booking, error) {
	return c.client.core.carryOut(ctx, c, c.window, c.maxAttempts)
}

// send sends one request.
func (c *change) send(ctx context.Context, maxAttempts int) (*Appointment, error) {
	ctx, cancel := c.window.bound(ctx)
	defer cancel()
	opts := append(slices.Clip(c.opts), WithMaxAttempts(maxAttempts))
	if c.cancels() {
		return c.client.Appointments.Cancel(ctx, c.id, opts...)
	}
	params := AppointmentRescheduleParams{StartAt: c.start, Duration: c.duration}
	return c.client.Appointments.Reschedule(ctx, c.id, params, opts...)
}

// shows reports whether the change was made.
func (c *change) shows(a Appointment) bool {
	if c.cancels() {
		return a.Status.IsCancelled()
	}
	return a.StartAt.Equal(c.start) && a.Status.stands() && (c.duration == 0 || a.Duration == c.duration)
}

func (c *change) confirmed(changed *Appointment, recovered bool) *Booking {
	return &Booking{Appointment: *changed, Recovered: recovered}
}

func (c *change) readBack(ctx context.Context, cause error) (*Booking, error) {
	return c.readBackUntil(ctx, cause, func(error) {})
}

// readBackUntil tells note how each read went.
func (c *change) readBackUntil(ctx context.Context, cause error, note func(error)) (*Booking, error) {
	var done *Booking
	why := cause
	keepLooking(ctx, func(ctx context.Context) bool {
		current, err := c.read(ctx)
		note(err)
		switch {
		case err == nil && c.shows(*current):
			done = c.confirmed(current, true)
		case err == nil:
			why = withDoubt(cause, c.doubt(*current))
		}
		return done != nil || noSuchCall(err)
	})
	if done != nil {
		return done, nil
	}
	return nil, c.unknown(why)
}

// unknown is the error of a change that may have been made.
func (c *change) unknown(cause error) error {
	return &OutcomeUnknownError{AppointmentID: c.id, Err: cause}
}

func (c *change) read(ctx context.Context) (*Appointment, error) {
	return c.client.Appointments.Get(ctx, c.id, c.readOpts...)
}

// explain reads the appointment after a rejection, and returns what the rejection means.
func (c *change) explain(ctx context.Context, rejection *APIError, _ bool) (*Booking, error) {
	current, err := c.read(ctx)
	switch {
	case noSuchCall(err) && rejection.isOfAPI():
		return nil, rejection
	case err != nil:
		return nil, c.unknown(rejection)
	case c.shows(*current):
		return c.confirmed(current, true), nil
	case c.doubt(*current) != nil:
		return nil, c.unknown(because(c.doubt(*current), rejection))
	case c.there && !c.start.Equal(current.StartAt) && !current.Status.IsCancelled():
		return nil, c.unknown(because(errMovedAway, rejection))
	case c.cancels() || c.start.Equal(current.StartAt) || current.Status.IsCancelled():
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
func (c *change) lookLonger(ctx context.Context, rejection *APIError, gone bool) (*Booking, error) {
	var read lastRead
	booking, err := c.readBackUntil(ctx, rejection, read.note)
	if booking == nil && !gone && !inDoubt(err) && read.isLate() && ctx.Err() == nil {
		return nil, rejection
	}
	return booking, err
}

// doubt is why it stays open if the change was made, or nil: current doesn't show it.
func (c *change) doubt(current Appointment) error {
	there := c.start.Equal(current.StartAt)
	switch {
	case current.Status.IsCancelled():
		return nil
	case !current.Status.stands() && (c.cancels() || there):
		return errDoubtful
	case !c.cancels() && (current.StartAt.IsZero() || there && current.Duration == 0):
		return errIncomplete
	default:
		return nil
	}
}

// overlaps reports whether the appointment itself may close the slot that it is to be
// moved to.
func (c *change) overlaps(current Appointment) bool {
	wanted := cmp.Or(c.duration, current.Duration)
	return c.start.Before(current.StartAt.Add(current.Duration.Duration())) &&
		current.StartAt.Before(c.start.Add(wanted.Duration()))
}
