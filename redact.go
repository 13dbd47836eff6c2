package closure

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
)

// Values that hold a person's data print as one of the forms below under every
// verb of fmt and as a value of slog. The methods have value receivers, so that
// pointers, slices, maps and exported fields of other structs are covered too.
// What Go gives no hook for: an unexported field of a caller's own struct, a
// value (not a pointer) printed with %p or %w, an error that a caller wraps by
// fmt.Errorf and prints with a verb that means nothing there, such as %t, and a
// slice or struct handed to slog's JSON handler, which goes by MarshalJSON.

// unprintable stands for what may be a person's data.
const unprintable = "(unprintable)"

func printAs(f fmt.State, text string) { _, _ = io.WriteString(f, text) }

const (
	redactedPatient          = "closure.Patient{redacted}"
	redactedAddress          = "closure.Address{redacted}"
	redactedPatientInsurance = "closure.PatientInsurance{redacted}"
	redactedPatientCreate    = "closure.PatientCreateParams{redacted}"
	redactedPatientList      = "closure.PatientListParams{redacted}"
	redactedBookFirst        = "closure.BookFirstParams{redacted}"
	redactedReschedule       = "closure.AppointmentRescheduleParams{redacted}"
)

// Format prints no more than the type, under every verb.
func (Patient) Format(f fmt.State, _ rune) { printAs(f, redactedPatient) }

// LogValue shows no more than the type.
func (Patient) LogValue() slog.Value { return slog.StringValue(redactedPatient) }

// Format prints no more than the type, under every verb.
func (Address) Format(f fmt.State, _ rune) { printAs(f, redactedAddress) }

// LogValue shows no more than the type.
func (Address) LogValue() slog.Value { return slog.StringValue(redactedAddress) }

// Format prints no more than the type, under every verb.
func (PatientInsurance) Format(f fmt.State, _ rune) { printAs(f, redactedPatientInsurance) }

// LogValue shows no more than the type.
func (PatientInsurance) LogValue() slog.Value { return slog.StringValue(redactedPatientInsurance) }

// Format prints no more than the type, under every verb.
func (PatientCreateParams) Format(f fmt.State, _ rune) { printAs(f, redactedPatientCreate) }

// LogValue shows no more than the type.
func (PatientCreateParams) LogValue() slog.Value { return slog.StringValue(redactedPatientCreate) }

// Format prints no more than the type, under every verb.
func (PatientListParams) Format(f fmt.State, _ rune) { printAs(f, redactedPatientList) }

// LogValue shows no more than the type.
func (PatientListParams) LogValue() slog.Value { return slog.StringValue(redactedPatientList) }

// Format prints no more than the type, under every verb.
func (AppointmentRescheduleParams) Format(f fmt.State, _ rune) { printAs(f, redactedReschedule) }

// LogValue shows no more than the type.
func (AppointmentRescheduleParams) LogValue() slog.Value {
	return slog.StringValue(redactedReschedule)
}

func (a Appointment) redacted() string {
	return "closure.Appointment{ID: " + quotedID(a.ID) + "}"
}

// Format prints the appointment's id and nothing else, under every verb.
func (a Appointment) Format(f fmt.State, _ rune) { printAs(f, a.redacted()) }

// LogValue shows the appointment's id and nothing else.
func (a Appointment) LogValue() slog.Value { return slog.StringValue(a.redacted()) }

func redactedToSchedule(typeName string, id ScheduleID) string {
	return "closure." + typeName + "{ScheduleID: " + quotedID(id) + "}"
}

// quotedID shows an id only if it is one: a caller who mixes up fields may have
// put a name there.
func quotedID[ID identifier](id ID) string {
	if id != "" && (idProblem(id) != "" || !isWord(string(id))) {
		return strconv.Quote(unprintable)
	}
	return strconv.Quote(string(id))
}

func (p AppointmentCreateParams) redacted() string {
	return redactedToSchedule("AppointmentCreateParams", p.ScheduleID)
}

// Format prints the schedule's id and nothing else, under every verb.
func (p AppointmentCreateParams) Format(f fmt.State, _ rune) { printAs(f, p.redacted()) }

// LogValue shows the schedule's id and nothing else.
func (p AppointmentCreateParams) LogValue() slog.Value { return slog.StringValue(p.redacted()) }

func (p AppointmentListParams) redacted() string {
	return redactedToSchedule("AppointmentListParams", p.ScheduleID)
}

// Format prints the schedule's id and nothing else, under every verb.
func (p AppointmentListParams) Format(f fmt.State, _ rune) { printAs(f, p.redacted()) }

// LogValue shows the schedule's id and nothing else.
func (p AppointmentListParams) LogValue() slog.Value { return slog.StringValue(p.redacted()) }

func (a BookingAttempt) redacted() string {
	return redactedToSchedule("BookingAttempt", a.ScheduleID)
}

// Format prints the schedule's id and nothing else, under every verb.
func (a BookingAttempt) Format(f fmt.State, _ rune) { printAs(f, a.redacted()) }

// LogValue shows the schedule's id and nothing else.
func (a BookingAttempt) LogValue() slog.Value { return slog.StringValue(a.redacted()) }

func (p BookSlotParams) redacted() string {
	return redactedToSchedule("BookSlotParams", p.ScheduleID)
}

// Format prints the schedule's id and nothing else, under every verb.
func (p BookSlotParams) Format(f fmt.State, _ rune) { printAs(f, p.redacted()) }

// LogValue shows the schedule's id and nothing else.
func (p BookSlotParams) LogValue() slog.Value { return slog.StringValue(p.redacted()) }

// Format prints no more than the type, under every verb.
func (BookFirstParams) Format(f fmt.State, _ rune) { printAs(f, redactedBookFirst) }

// LogValue shows no more than the type.
func (BookFirstParams) LogValue() slog.Value { return slog.StringValue(redactedBookFirst) }

func (b Booking) redacted() string {
	return "closure.Booking{Appointment: " + b.Appointment.redacted() + "}"
}

// Format prints the appointment's id and nothing else, under every verb.
func (b Booking) Format(f fmt.State, _ rune) { printAs(f, b.redacted()) }

// LogValue shows the appointment's id and nothing else.
func (b Booking) LogValue() slog.Value { return slog.StringValue(b.redacted()) }

func (r Response) redacted() string {
	return fmt.Sprintf("closure.Response{StatusCode: %d, Attempts: %d, RequestID: %q}", r.StatusCode, r.Attempts, printable(r.RequestID))
}

// Format prints status, attempts and request id, under every verb: the body
// and the headers can hold a person's data.
func (r Response) Format(f fmt.State, _ rune) { printAs(f, r.redacted()) }

// LogValue shows status, attempts and request id.
func (r Response) LogValue() slog.Value { return slog.StringValue(r.redacted()) }
