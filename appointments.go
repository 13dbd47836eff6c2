package closure

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	operations "github.com/closurehealth/closure-go/internal/operation"
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

// Format prints the appointment's id and nothing else, under every verb.
func (a Appointment) Format(f fmt.State, _ rune) { printAs(f, showing(a, "ID", a.ID)) }

// LogValue shows the appointment's id and nothing else.
func (a Appointment) LogValue() slog.Value { return slog.StringValue(showing(a, "ID", a.ID)) }

func (a Appointment) recordID() (id, prefix string) { return string(a.ID), a.ID.prefix() }

// AppointmentCreateParams says what to book. All fields but Duration are needed.
type AppointmentCreateParams struct {
	ScheduleID ScheduleID `json:"schedule_id"`
	PatientID  PatientID  `json:"patient_id"`
	StartAt    time.Time  `json:"start_at"`          // an open slot's start; whole milliseconds
	Duration   Minutes    `json:"duration,omitzero"` // the slot's; zero: not sent (source: reference, "when available")
}

// Format prints the schedule's id and nothing else, under every verb.
func (p AppointmentCreateParams) Format(f fmt.State, _ rune) {
	printAs(f, showing(p, "ScheduleID", p.ScheduleID))
}

// LogValue shows the schedule's id and nothing else.
func (p AppointmentCreateParams) LogValue() slog.Value {
	return slog.StringValue(showing(p, "ScheduleID", p.ScheduleID))
}

func (p AppointmentCreateParams) check(op operation) error {
	return cmp.Or(
		checkID(op, "ScheduleID", p.ScheduleID),
		checkID(op, "PatientID", p.PatientID),
		checkStart(op, p.StartAt),
		checkDuration(op, "Duration", p.Duration),
	)
}

// madeInto reports whether the appointment can be the one that these params asked for.
// A field that the answer leaves out doesn't count against it.
func (p AppointmentCreateParams) madeInto(a *Appointment) bool {
	return (a.PatientID == "" || a.PatientID == p.PatientID) &&
		(a.ScheduleID == "" || a.ScheduleID == p.ScheduleID) &&
		(a.StartAt.IsZero() || a.StartAt.Equal(p.StartAt))
}

// AppointmentListParams says which appointments to list. An empty field is not a
// filter.
type AppointmentListParams struct {
	PatientID  PatientID
	ScheduleID ScheduleID
	Status     AppointmentStatus
}

// Format prints the schedule's id and nothing else, under every verb.
func (p AppointmentListParams) Format(f fmt.State, _ rune) {
	printAs(f, showing(p, "ScheduleID", p.ScheduleID))
}

// LogValue shows the schedule's id and nothing else.
func (p AppointmentListParams) LogValue() slog.Value {
	return slog.StringValue(showing(p, "ScheduleID", p.ScheduleID))
}

func (p AppointmentListParams) check(op operation) error {
	return cmp.Or(
		checkOptionalID(op, "PatientID", p.PatientID),
		checkOptionalID(op, "ScheduleID", p.ScheduleID),
	)
}

// query needs no reflection, because every booking lists appointments first:
// go-querystring took about a twentieth of a booking's CPU.
func (p AppointmentListParams) query() url.Values {
	query := make(url.Values, 3)
	setUnlessEmpty(query, "patient_id", string(p.PatientID))
	setUnlessEmpty(query, "schedule_id", string(p.ScheduleID))
	setUnlessEmpty(query, "status", string(p.Status))
	return query
}

func setUnlessEmpty(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

// AppointmentRescheduleParams says where to move an appointment.
type AppointmentRescheduleParams struct {
	StartAt  time.Time `json:"start_at"`          // an open slot's start; whole milliseconds
	Duration Minutes   `json:"duration,omitzero"` // zero: not sent, so that the API keeps it
}

// Format prints no more than the type, under every verb.
func (p AppointmentRescheduleParams) Format(f fmt.State, _ rune) { printAs(f, redacted(p)) }

// LogValue shows no more than the type.
func (p AppointmentRescheduleParams) LogValue() slog.Value { return slog.StringValue(redacted(p)) }

func (p AppointmentRescheduleParams) check(by caller) error {
	return cmp.Or(checkStart(by, p.StartAt), checkDuration(by, "Duration", p.Duration))
}

const (
	opAppointmentsCreate     = operation(operations.AppointmentsCreate)
	opAppointmentsGet        = operation(operations.AppointmentsGet)
	opAppointmentsList       = operation(operations.AppointmentsList)
	opAppointmentsReschedule = operation(operations.AppointmentsReschedule)
	opAppointmentsCancel     = operation(operations.AppointmentsCancel)
)

// AppointmentsService books and changes appointments, one API call a method.
// [Client.BookSlot], [Client.RescheduleBooking] and [Client.CancelBooking] do
// the same with checks before. After a failure that leaves the outcome open they also
// look at what really happened: prefer them.
type AppointmentsService struct{ service }

// Create books an appointment. The request is sent again only if it provably never left this
// machine, or if the server says by HTTP/2's own means that it did not process it. After a 429
// look before you call it again, as [Client.BookSlot] does: a gateway may answer 429 after the
// API has booked.
//
// After an error, [OutcomeOf] tells what is known of the booking. After
// [OutcomeUnknown] do not call Create again: the API has no idempotency key, so that
// two requests are two bookings. [Client.BookSlot] finds out instead.
//
// POST /appointments (source: guide).
func (s *AppointmentsService) Create(ctx context.Context, params AppointmentCreateParams, opts ...CallOption) (*Appointment, error) {
	if err := params.check(opAppointmentsCreate); err != nil {
		return nil, err
	}
	return objectOf(ctx, coreOf((*holder)(s)), request{op: opAppointmentsCreate, body: params}, params.madeInto, opts)
}

// Get returns one appointment; an unknown id is [ErrNotFound].
//
// GET /appointments/{id} (source: inferred). A read: safe to call again.
func (s *AppointmentsService) Get(ctx context.Context, id AppointmentID, opts ...CallOption) (*Appointment, error) {
	return get[Appointment](ctx, coreOf((*holder)(s)), opAppointmentsGet, id, opts)
}

// List returns the appointments that fit the params, cancelled ones included
// unless Status says otherwise. If the answer to a list of one patient's appointments
// holds another patient's, the error is [ErrMalformedResponse].
//
// GET /appointments (source: inferred). A read: safe to call again.
func (s *AppointmentsService) List(ctx context.Context, params AppointmentListParams, opts ...CallOption) ([]Appointment, error) {
	if err := params.check(opAppointmentsList); err != nil {
		return nil, err
	}
	ofPatient := func(a *Appointment) bool { return params.PatientID == "" || a.PatientID == params.PatientID }
	return listOf(ctx, coreOf((*holder)(s)), request{op: opAppointmentsList, query: params.query()}, ofPatient, opts)
}

// Reschedule moves an appointment to another start on its schedule. The request is sent
// once, like Create's. [Client.RescheduleBooking] also finds out what happened if the
// answer was lost.
//
// PATCH /appointments/{id} (source: inferred).
func (s *AppointmentsService) Reschedule(ctx context.Context, id AppointmentID, params AppointmentRescheduleParams, opts ...CallOption) (*Appointment, error) {
	op := opAppointmentsReschedule
	if err := cmp.Or(checkID(op, "ID", id), params.check(op)); err != nil {
		return nil, err
	}
	return object[Appointment](ctx, coreOf((*holder)(s)), request{op: op, id: string(id), body: params}, opts)
}

// Cancel cancels an appointment. The request is sent once, like Create's.
// [Client.CancelBooking] also finds out what happened if the answer was lost.
//
// POST /appointments/{id}/cancel (source: inferred).
func (s *AppointmentsService) Cancel(ctx context.Context, id AppointmentID, opts ...CallOption) (*Appointment, error) {
	if err := checkID(opAppointmentsCancel, "ID", id); err != nil {
		return nil, err
	}
	return object[Appointment](ctx, coreOf((*holder)(s)), request{op: opAppointmentsCancel, id: string(id)}, opts)
}
