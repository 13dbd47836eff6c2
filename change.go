package closure

import (
	"cmp"
	"context"
	"time"
)

// RescheduleBooking moves an appointment to another start on its schedule. The
// request is sent once. After a failure that leaves the outcome open the
// appointment is read back for up to 10 s or until the context ends: moved as
// wished is a success, else the outcome is unknown, an [*OutcomeUnknownError]
// with the AppointmentID. Call it again with the same params to settle that:
// moving an appointment to where it is changes nothing.
//
// A rejection is looked into as in [Client.BookSlot]: an appointment that is
// where it was wished is a success; a slot that is gone is [ErrSlotUnavailable]
// joined with the [*APIError], unless the appointment overlaps it and may be what
// closes it.
//
// PATCH /appointments/{id}, GET /appointments/{id} (source: inferred).
func (c *Client) RescheduleBooking(ctx context.Context, id AppointmentID, params AppointmentRescheduleParams, opts ...CallOption) (*Appointment, error) {
	change := &change{
		client:   c,
		id:       id,
		readOpts: withoutCapture(opts),
		wished: func(a Appointment) bool {
			return a.StartAt.Equal(params.StartAt) && a.Status != AppointmentCancelled &&
				(params.Duration == 0 || a.Duration == params.Duration)
		},
		start:    params.StartAt,
		duration: params.Duration,
	}
	changed, err := c.Appointments.Reschedule(ctx, id, params, opts...)
	return change.conclude(ctx, changed, err)
}

// CancelBooking cancels an appointment; cancelling one that is cancelled
// succeeds. The request is sent once. After a failure that leaves the outcome
// open the appointment is read back for up to 10 s or until the context ends:
// cancelled is a success, else the outcome is unknown, an
// [*OutcomeUnknownError] with the AppointmentID. Call it again to settle that.
//
// POST /appointments/{id}/cancel, GET /appointments/{id} (source: inferred).
func (c *Client) CancelBooking(ctx context.Context, id AppointmentID, opts ...CallOption) (*Appointment, error) {
	change := &change{
		client:   c,
		id:       id,
		readOpts: withoutCapture(opts),
		wished:   func(a Appointment) bool { return a.Status == AppointmentCancelled },
	}
	changed, err := c.Appointments.Cancel(ctx, id, opts...)
	return change.conclude(ctx, changed, err)
}

// A change is one write to an appointment that exists.
type change struct {
	client   *Client
	id       AppointmentID
	readOpts []CallOption
	wished   func(Appointment) bool

	start    time.Time // to move it to; zero: it is cancelled
	duration Minutes   // zero: it keeps its own
}

// conclude says what came of the write.
func (c *change) conclude(ctx context.Context, changed *Appointment, err error) (*Appointment, error) {
	switch {
	case err == nil && c.wished(*changed):
		return changed, nil
	case err == nil:
		return c.readBack(ctx, errOther)
	case OutcomeOf(err) == OutcomeUnknown:
		return c.readBack(ctx, err)
	case looksTaken(err):
		return c.explain(ctx, err)
	default:
		return nil, err
	}
}

func (c *change) readBack(ctx context.Context, cause error) (*Appointment, error) {
	var done *Appointment
	keepLooking(ctx, func(ctx context.Context) bool {
		current, err := c.read(ctx)
		if err == nil && c.wished(*current) {
			done = current
		}
		return done != nil || noSuchCall(err)
	})
	if done != nil {
		return done, nil
	}
	return nil, &OutcomeUnknownError{AppointmentID: c.id, Err: cause}
}

// read reads the appointment.
func (c *change) read(ctx context.Context) (*Appointment, error) {
	current, err := c.client.Appointments.Get(ctx, c.id, c.readOpts...)
	if err == nil && current.ID != c.id {
		return nil, errOther
	}
	return current, err
}

// explain says what a rejection means, by evidence.
func (c *change) explain(ctx context.Context, rejection error) (*Appointment, error) {
	current, err := c.read(ctx)
	switch {
	case err != nil:
		return nil, rejection
	case c.wished(*current):
		return current, nil
	case c.start.IsZero() || c.start.Equal(current.StartAt) || current.Status == AppointmentCancelled:
		return nil, rejection // not about another slot
	}
	slots, err := c.client.Availabilities.around(ctx, current.ScheduleID, c.start, c.readOpts)
	if err != nil {
		return nil, rejection
	}
	if _, open := slotAt(slots, c.start); open || c.overlaps(*current) {
		return nil, rejection
	}
	return nil, because(ErrSlotUnavailable, rejection)
}

// overlaps reports whether the appointment itself may close the slot it is to be
// moved to.
func (c *change) overlaps(current Appointment) bool {
	wanted := cmp.Or(c.duration, current.Duration)
	return c.start.Before(current.StartAt.Add(current.Duration.Duration())) &&
		current.StartAt.Before(c.start.Add(wanted.Duration()))
}
