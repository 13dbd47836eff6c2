package closure

import (
	"cmp"
	"context"
	"time"

	"github.com/closurehealth/closure-go/internal/wire"
)

// An Appointment is a booked visit (source: reference).
//
// It prints its id and nothing else; its fields print as they are.
type Appointment struct {
	ID         AppointmentID     `json:"id,omitzero"`
	ScheduleID ScheduleID        `json:"schedule_id,omitzero"`
	PatientID  PatientID         `json:"patient_id,omitzero"`
	Status     AppointmentStatus `json:"status,omitzero"`
	StartAt    time.Time         `json:"start_at,omitzero"`
	Duration   Minutes           `json:"duration,omitzero"`
	CreatedAt  time.Time         `json:"created_at,omitzero"`
	UpdatedAt  time.Time         `json:"updated_at,omitzero"`
}

func (a Appointment) recordID() (id, prefix string) { return string(a.ID), a.ID.prefix() }

// MarshalJSON writes the appointment as the API does.
func (a Appointment) MarshalJSON() ([]byte, error) {
	type plain Appointment
	return wire.Marshal(plain(a))
}

// AppointmentCreateParams says what to book. All fields but Duration are needed.
type AppointmentCreateParams struct {
	ScheduleID ScheduleID `json:"schedule_id"`
	PatientID  PatientID  `json:"patient_id"`
	StartAt    time.Time  `json:"start_at"`          // an open slot's start; whole milliseconds
	Duration   Minutes    `json:"duration,omitzero"` // the slot's own; zero: not sent (source: reference, "when available")
}

// MarshalJSON writes the params as the API wants them.
func (p AppointmentCreateParams) MarshalJSON() ([]byte, error) {
	type plain AppointmentCreateParams
	return wire.Marshal(plain(p))
}

func (p AppointmentCreateParams) check(op operation) error {
	return cmp.Or(
		checkID(op, "ScheduleID", p.ScheduleID),
		checkID(op, "PatientID", p.PatientID),
		checkStart(op, p.StartAt),
		checkDuration(op, "Duration", p.Duration),
	)
}

// AppointmentListParams says which appointments to list. An empty field does
// not restrict.
type AppointmentListParams struct {
	PatientID  PatientID         `url:"patient_id,omitempty"`
	ScheduleID ScheduleID        `url:"schedule_id,omitempty"`
	Status     AppointmentStatus `url:"status,omitempty"`
}

func (p AppointmentListParams) check(op operation) error {
	return cmp.Or(
		checkOptionalID(op, "PatientID", p.PatientID),
		checkOptionalID(op, "ScheduleID", p.ScheduleID),
	)
}

// AppointmentRescheduleParams says where to move an appointment.
type AppointmentRescheduleParams struct {
	StartAt  time.Time `json:"start_at"`          // an open slot's start; whole milliseconds
	Duration Minutes   `json:"duration,omitzero"` // zero: not sent, so that the API keeps it
}

// MarshalJSON writes the params as the API wants them.
func (p AppointmentRescheduleParams) MarshalJSON() ([]byte, error) {
	type plain AppointmentRescheduleParams
	return wire.Marshal(plain(p))
}

func (p AppointmentRescheduleParams) check(op operation) error {
	return cmp.Or(checkStart(op, p.StartAt), checkDuration(op, "Duration", p.Duration))
}

// AppointmentsService books and changes appointments, one API call a method.
// [Client.BookSlot], [Client.RescheduleBooking] and [Client.CancelBooking] do
// the same with checks before and, after a failure that leaves the outcome
// open, a look at what really happened: prefer them.
type AppointmentsService struct{ core *core }

// Create books an appointment. It is sent once; only an attempt that provably
// never left this machine, or that was answered 429, is sent again.
//
// After an error, [OutcomeOf] tells what is known of the booking. After
// [OutcomeUnknown] do not call Create again: the API has no idempotency key, and
// two requests are two bookings. [Client.BookSlot] settles it.
//
// POST /appointments (source: guide).
func (s *AppointmentsService) Create(ctx context.Context, params AppointmentCreateParams, opts ...CallOption) (*Appointment, error) {
	if err := params.check(opAppointmentsCreate); err != nil {
		return nil, err
	}
	return object[Appointment](ctx, s.core, request{op: opAppointmentsCreate, body: params}, opts)
}

// Get returns one appointment; an unknown id is [ErrNotFound].
//
// GET /appointments/{id} (source: inferred). A read: safe to call again.
func (s *AppointmentsService) Get(ctx context.Context, id AppointmentID, opts ...CallOption) (*Appointment, error) {
	return get[Appointment](ctx, s.core, opAppointmentsGet, id, opts)
}

// List returns the appointments that fit the params, cancelled ones included
// unless Status says otherwise. A list for a patient that shows another one's
// appointments is [ErrMalformedResponse].
//
// GET /appointments (source: inferred). A read: safe to call again.
func (s *AppointmentsService) List(ctx context.Context, params AppointmentListParams, opts ...CallOption) ([]Appointment, error) {
	if err := params.check(opAppointmentsList); err != nil {
		return nil, err
	}
	ofPatient := func(a *Appointment) bool { return params.PatientID == "" || a.PatientID == params.PatientID }
	return listOf(ctx, s.core, request{op: opAppointmentsList, query: params}, ofPatient, opts)
}

// Reschedule moves an appointment to another start on its schedule. It is sent
// once, like Create. [Client.RescheduleBooking] also settles what happened when
// the answer was lost.
//
// PATCH /appointments/{id} (source: inferred).
func (s *AppointmentsService) Reschedule(ctx context.Context, id AppointmentID, params AppointmentRescheduleParams, opts ...CallOption) (*Appointment, error) {
	op := opAppointmentsReschedule
	if err := cmp.Or(checkID(op, "ID", id), params.check(op)); err != nil {
		return nil, err
	}
	return object[Appointment](ctx, s.core, request{op: op, id: string(id), body: params}, opts)
}

// Cancel cancels an appointment. It is sent once, like Create.
// [Client.CancelBooking] also settles what happened when the answer was lost.
//
// POST /appointments/{id}/cancel (source: inferred).
func (s *AppointmentsService) Cancel(ctx context.Context, id AppointmentID, opts ...CallOption) (*Appointment, error) {
	if err := checkID(opAppointmentsCancel, "ID", id); err != nil {
		return nil, err
	}
	return object[Appointment](ctx, s.core, request{op: opAppointmentsCancel, id: string(id)}, opts)
}
