package closure_test

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/closurehealth/closure-go"
)

// personal are all values that hold a person's data, with what they may show.
func personal(t *testing.T) map[string]any {
	t.Helper()
	client, err := closure.NewClient(closure.QuickstartKey)
	noError(t, err)
	address := closure.Address{StreetLine1: "1 KANARI", StreetLine2: "KANARI", City: "KANARI", State: "KANARI", PostalCode: "KANARI"}
	insurance := closure.PatientInsurance{ID: canary.insurance, MemberID: canary.memberID, SubscriberID: "KANARI", GroupNumber: "KANARI"}
	patient := closure.Patient{
		ID: canary.patient, FirstName: "Zebulon", LastName: "Quetzal", MiddleName: "KANARI", PreferredName: "KANARI", DOB: canary.dob,
		GenderIdentity: "KANARI", AdministrativeGender: "KANARI", Email: "KANARI@x", MobilePhoneNumber: "9812345670", HomePhoneNumber: "9812345670",
		Timezone: "KANARI", Address: address, Insurance: insurance, CreatedAt: canary.start, UpdatedAt: canary.start,
	}
	appointment := closure.Appointment{
		ID: "appt_1", ScheduleID: canary.schedule, PatientID: canary.patient, Status: "KANARI", StartAt: canary.start, Duration: 30,
		CreatedAt: canary.start, UpdatedAt: canary.start,
	}
	return map[string]any{
		"closure.Patient{redacted}":          patient,
		"closure.Address{redacted}":          address,
		"closure.PatientInsurance{redacted}": insurance,
		"closure.PatientCreateParams{redacted}": closure.PatientCreateParams{
			FirstName: "Zebulon", LastName: "Quetzal", DOB: canary.dob, Email: "KANARI", Address: address, Insurance: insurance,
		},
		"closure.PatientListParams{redacted}":                             closure.PatientListParams{Name: canary.name, DOB: canary.dob},
		`closure.Appointment{ID: "appt_1"}`:                               appointment,
		`closure.AppointmentCreateParams{ScheduleID: "sch_1"}`:            closure.AppointmentCreateParams{ScheduleID: "sch_1", PatientID: canary.patient, StartAt: canary.start, Duration: 30},
		"closure.AppointmentRescheduleParams{redacted}":                   closure.AppointmentRescheduleParams{StartAt: canary.start, Duration: 30},
		`closure.AppointmentListParams{ScheduleID: "sch_1"}`:              closure.AppointmentListParams{ScheduleID: "sch_1", PatientID: canary.patient, Status: "KANARI"},
		`closure.AppointmentListParams{ScheduleID: ""}`:                   closure.AppointmentListParams{PatientID: canary.patient},
		`closure.BookingAttempt{ScheduleID: "sch_1"}`:                     closure.BookingAttempt{ScheduleID: "sch_1", PatientID: canary.patient, StartAt: canary.start, AttemptedAt: canary.start},
		`closure.BookSlotParams{ScheduleID: "sch_1"}`:                     closure.BookSlotParams{ScheduleID: "sch_1", PatientID: canary.patient, StartAt: canary.start, InsuranceID: canary.insurance},
		"closure.BookFirstParams{redacted}":                               closure.BookFirstParams{PatientID: canary.patient, InsuranceID: canary.insurance, Search: closure.SlotSearch{From: canary.start, To: canary.start}},
		`closure.Booking{Appointment: closure.Appointment{ID: "appt_1"}}`: closure.Booking{Appointment: appointment, Patient: &patient},
		`closure.Response{StatusCode: 404, Attempts: 2, RequestID: "req_1"}`: closure.Response{
			StatusCode: 404, Attempts: 2, RequestID: "req_1", Body: []byte(leak), Header: http.Header{"X-Patient": {leak}},
		},
		"closure.Client{mode: test}": *client,
		// Where an id belongs there may be a name.
		`closure.Appointment{ID: "(unprintable)"}`:                     closure.Appointment{ID: closure.AppointmentID(canary.name)},
		`closure.BookSlotParams{ScheduleID: "(unprintable)"}`:          closure.BookSlotParams{ScheduleID: closure.ScheduleID("Zebulon")},
		`closure.AppointmentCreateParams{ScheduleID: "(unprintable)"}`: closure.AppointmentCreateParams{ScheduleID: closure.ScheduleID(leak)},
	}
}

// Every value that holds a person's data, printed in every way and out of every
// place that fmt lets it print from.
func TestPersonalValuesPrintRedacted(t *testing.T) {
	t.Parallel()
	for want, value := range personal(t) {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			for how, text := range printed(value) {
				if how != "%T" && how != "Sprintln" && how != "extra" && text != want {
					t.Errorf("by %s: %s", how, text)
				}
			}
			all := texts{}
			for where, v := range containers(value) {
				all.add(where, printed(v))
			}
			all.add("value", logged(value))
			all.add("pointer", logged(pointerTo(value)))
			all.noLeak(t)
		})
	}
}

// The text handler prints nested values too; the JSON handler goes by
// MarshalJSON, which is faithful.
func TestPersonalValuesInTextLogs(t *testing.T) {
	t.Parallel()
	for want, value := range personal(t) {
		for where, v := range containers(value) {
			noLeak(t, want+" "+where, logged(v)["slog text"])
		}
	}
}

func pointerTo(value any) any {
	p := reflect.New(reflect.TypeOf(value))
	p.Elem().Set(reflect.ValueOf(value))
	return p.Interface()
}

// containers puts a value into everything that fmt looks into.
func containers(value any) map[string]any {
	v, typ := reflect.ValueOf(value), reflect.TypeOf(value)
	pointer := reflect.ValueOf(pointerTo(value))
	pointers := reflect.New(pointer.Type())
	pointers.Elem().Set(pointer)

	array := reflect.New(reflect.ArrayOf(2, typ)).Elem()
	array.Index(1).Set(v)
	byName := reflect.MakeMap(reflect.MapOf(reflect.TypeFor[string](), typ))
	byName.SetMapIndex(reflect.ValueOf("key"), v)
	type iface struct{ Any any }
	in := map[string]any{
		"plain":              value,
		"pointer":            pointer.Interface(),
		"pointer to pointer": pointers.Interface(),
		"slice":              reflect.Append(reflect.MakeSlice(reflect.SliceOf(typ), 0, 1), v).Interface(),
		"slice of pointers":  reflect.Append(reflect.MakeSlice(reflect.SliceOf(pointer.Type()), 0, 1), pointer).Interface(),
		"slice of any":       []any{value, pointer.Interface(), []any{value}},
		"array":              array.Interface(),
		"map":                byName.Interface(),
		"map of any":         map[string]any{"key": value, "pointer": pointer.Interface()},
		"struct":             structOf(v, false),
		"struct of pointer":  structOf(v, true),
		"struct of any":      iface{value},
		"pointer to struct":  &iface{pointer.Interface()},
	}
	if typ.Comparable() {
		byValue := reflect.MakeMap(reflect.MapOf(typ, typ))
		byValue.SetMapIndex(v, v)
		in["map key"] = byValue.Interface()
		in["map key of any"] = map[any]bool{value: true}
	}
	return in
}

// structOf is a struct with an exported field of the value. An unexported one
// prints as it is: Go has no hook for it.
func structOf(v reflect.Value, pointer bool) any {
	typ := v.Type()
	if pointer {
		p := reflect.New(typ)
		p.Elem().Set(v)
		v, typ = p, p.Type()
	}
	s := reflect.New(reflect.StructOf([]reflect.StructField{
		{Name: "N", Type: reflect.TypeFor[int]()},
		{Name: "Value", Type: typ},
		{Name: "Last", Type: reflect.TypeFor[float64]()},
	})).Elem()
	s.Field(1).Set(v)
	return s.Interface()
}

// encoding/json is the wire: it stays faithful.
func TestPersonalValuesMarshalFaithfully(t *testing.T) {
	t.Parallel()
	if got := show(trisha); got != trishaJSON {
		t.Errorf("marshals as %s", got)
	}
}
