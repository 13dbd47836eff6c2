package closure

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/closurehealth/closure-go/internal/wire"
)

// A BookingAttempt is what is left of a booking whose outcome is unknown: enough
// to settle it later, in another process or on another machine. It is plain
// JSON: store it where patients' data may be stored, for it says who wanted to
// see which doctor when. It prints the schedule's id and nothing else.
type BookingAttempt struct {
	ScheduleID  ScheduleID `json:"schedule_id"`
	PatientID   PatientID  `json:"patient_id"`
	StartAt     time.Time  `json:"start_at"`
	Duration    Minutes    `json:"duration"`       // zero: it was left to the API
	AttemptedAt time.Time  `json:"attempted_at"`   // when the request had left, at the latest; by this machine's clock
	Mode        Mode       `json:"mode,omitempty"` // of the client that made it; empty: not known

	// With a [Journal]; else they are empty.
	ID             string        `json:"id,omitempty"`              // names the attempt; random
	IdempotencyKey string        `json:"idempotency_key,omitempty"` // the caller's
	AppointmentID  AppointmentID `json:"appointment_id,omitempty"`  // of a move: the appointment that is to be at StartAt
}

// Format prints the schedule's id and nothing else, under every verb.
func (a BookingAttempt) Format(f fmt.State, _ rune) {
	printAs(f, showing(a, "ScheduleID", a.ScheduleID))
}

// LogValue shows the schedule's id and nothing else.
func (a BookingAttempt) LogValue() slog.Value {
	return slog.StringValue(showing(a, "ScheduleID", a.ScheduleID))
}

// UnmarshalJSON reads a stored attempt. Its error doesn't repeat what it stumbled
// over.
func (a *BookingAttempt) UnmarshalJSON(data []byte) error {
	type plain BookingAttempt
	var read plain
	if wire.Unmarshal(data, &read) != nil {
		return &InputError{Op: "BookingAttempt", Field: "JSON", Reason: "is not that of an attempt"}
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

// made reports whether the appointment is the one that was attempted, and stands.
func (a BookingAttempt) made(appointment Appointment) bool {
	return a.matches(appointment) && appointment.Status.stands()
}

// stands reports whether the status says that there is an appointment.
func (s AppointmentStatus) stands() bool {
	return s == AppointmentScheduled || s == AppointmentRescheduled
}

// gone reports whether the status says that there is none any more, in either
// spelling. Any other status says neither: this version doesn't know it.
func (s AppointmentStatus) gone() bool {
	return s == AppointmentCancelled || s == "canceled"
}

// errDoubtful is an appointment that neither stands nor is gone.
var errDoubtful = errors.New("closure: the API shows the appointment with a status that this version does not know")
