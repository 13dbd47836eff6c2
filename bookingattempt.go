package closure

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/closurehealth/closure-go/internal/wire"
)

// A BookingAttempt holds what is needed to settle a booking whose outcome is unknown,
// later, in another process or on another machine. It is written as plain JSON. Store it
// where patients' data may be stored, because it says who wanted to see which doctor when.
// It prints the schedule's id and nothing else.
type BookingAttempt struct {
	ScheduleID  ScheduleID `json:"schedule_id"`
	PatientID   PatientID  `json:"patient_id"`
	StartAt     time.Time  `json:"start_at"`
	Duration    Minutes    `json:"duration"`       // zero: none was sent
	AttemptedAt time.Time  `json:"attempted_at"`   // no request for it leaves after this instant; by this machine's clock
	Mode        Mode       `json:"mode,omitempty"` // the client's; empty: not known

	// These are empty in the attempts of a client without a [Journal].
	ID             string        `json:"id,omitempty"`              // random
	IdempotencyKey string        `json:"idempotency_key,omitempty"` // the caller's
	AppointmentID  AppointmentID `json:"appointment_id,omitempty"`  // if the attempt is a move: the appointment to move to StartAt
}

// storable returns the instant in UTC: JSON can't express an offset of a day or with seconds, and
// shifts the instant or fails.
func storable(start time.Time) time.Time { return start.UTC() }

// Format prints the schedule's id and nothing else, under every verb.
func (a BookingAttempt) Format(f fmt.State, _ rune) {
	printAs(f, showing(a, "ScheduleID", a.ScheduleID))
}

// LogValue shows the schedule's id and nothing else.
func (a BookingAttempt) LogValue() slog.Value {
	return slog.StringValue(showing(a, "ScheduleID", a.ScheduleID))
}

// UnmarshalJSON reads a stored attempt. Its error doesn't quote the text, as that of
// encoding/json would.
func (a *BookingAttempt) UnmarshalJSON(data []byte) error {
	type plain BookingAttempt
	var read plain
	if wire.Unmarshal(data, &read) != nil {
		return &InputError{Op: "BookingAttempt", Field: "JSON", Reason: "is not a stored attempt"}
	}
	*a = BookingAttempt(read)
	return nil
}

// matches reports whether the appointment is for what was attempted, whatever
// its status.
func (a BookingAttempt) matches(appointment Appointment) bool {
	return appointment.ID != "" && (a.AppointmentID == "" || a.AppointmentID == appointment.ID) &&
		appointment.PatientID == a.PatientID &&
		appointment.ScheduleID == a.ScheduleID &&
		appointment.StartAt.Equal(a.StartAt)
}

// mayMatch also accepts an appointment that leaves out where or when it is.
func (a BookingAttempt) mayMatch(appointment Appointment) bool {
	return a.matches(a.completed(appointment))
}

// completed returns the appointment with the attempt's schedule and start where it has none.
func (a BookingAttempt) completed(appointment Appointment) Appointment {
	appointment.ScheduleID = cmp.Or(appointment.ScheduleID, a.ScheduleID)
	if appointment.StartAt.IsZero() {
		appointment.StartAt = a.StartAt
	}
	return appointment
}

// made reports whether the appointment is the one that was attempted, and is booked.
func (a BookingAttempt) made(appointment Appointment) bool {
	return a.matches(appointment) && appointment.Status.stands()
}

// stands reports whether the status says that the appointment is booked.
func (s AppointmentStatus) stands() bool {
	return s == AppointmentScheduled || s == AppointmentRescheduled
}

// errDoubtful is the error of an appointment that neither stands nor is cancelled.
var errDoubtful = errors.New("closure: the API shows the appointment with a status that this version does not know")

// errIncomplete is the error of an appointment that may be the one that was attempted.
var errIncomplete = errors.New("closure: the API shows an appointment, which may be this one, without its patient, schedule, start or duration")
