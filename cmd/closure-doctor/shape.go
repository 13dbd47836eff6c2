package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/closurehealth/closure-go"
)

// A shape says what the SDK expects of a JSON value. It is made from the SDK's types, so that it
// can't differ from them.
type shape struct {
	kind   kind
	prefix string            // of an id
	values []string          // of an enum
	fields map[string]*shape // of an object, or of the object to which a reference refers
	names  []string          // of the fields, in their order
	needed []string          // the fields that a record must have
	items  *shape            // of a list
}

type kind int

const (
	text kind = iota
	identifier
	enum
	instant
	date
	minutes
	object
	reference // an id, or the object in its place
	list
)

var idPrefixes = map[reflect.Type]string{
	reflect.TypeFor[closure.PatientID]():         "pt_",
	reflect.TypeFor[closure.PractitionerID]():    "prac_",
	reflect.TypeFor[closure.ScheduleID]():        "sch_",
	reflect.TypeFor[closure.AppointmentID]():     "appt_",
	reflect.TypeFor[closure.InsuranceID]():       "ins_",
	reflect.TypeFor[closure.LocationID]():        "loc_",
	reflect.TypeFor[closure.SpecialtyID]():       "sp_",
	reflect.TypeFor[closure.AppointmentTypeID](): "aptp_",
}

var enums = map[reflect.Type][]string{
	reflect.TypeFor[closure.SchedulingMethod](): words(closure.SchedulingDirectAPI, closure.SchedulingOpenSlotsOnly),
	reflect.TypeFor[closure.AppointmentStatus](): words(
		closure.AppointmentScheduled, closure.AppointmentRescheduled, closure.AppointmentCancelled),
	reflect.TypeFor[closure.AdministrativeGender](): words(closure.AdministrativeMale, closure.AdministrativeFemale),
	reflect.TypeFor[closure.GenderIdentity](): words(
		closure.GenderMale, closure.GenderFemale, closure.GenderNonBinary, closure.GenderOther,
		closure.GenderTransgenderMale, closure.GenderTransgenderFemale, closure.GenderUndisclosed),
}

func words[T ~string](values ...T) (all []string) {
	for _, v := range values {
		all = append(all, string(v))
	}
	return all
}

// needed are the fields without which a record is useless. The others are optional as far as
// anyone knows.
var needed = map[reflect.Type]string{
	reflect.TypeFor[closure.Patient]():         "id first_name last_name dob",
	reflect.TypeFor[closure.Practitioner]():    "id npi first_name last_name",
	reflect.TypeFor[closure.Schedule]():        "id practitioner location appointment_type",
	reflect.TypeFor[closure.Slot]():            "start_at",
	reflect.TypeFor[closure.Appointment]():     "id schedule_id patient_id status start_at",
	reflect.TypeFor[closure.Specialty]():       "id",
	reflect.TypeFor[closure.Insurance]():       "id display_name",
	reflect.TypeFor[closure.Location]():        "id",
	reflect.TypeFor[closure.AppointmentType](): "id",
}

// recordOf is the type of the records in the answers to a resource's calls.
var recordOf = map[string]reflect.Type{
	"patients":          reflect.TypeFor[closure.Patient](),
	"practitioners":     reflect.TypeFor[closure.Practitioner](),
	"schedules":         reflect.TypeFor[closure.Schedule](),
	"availabilities":    reflect.TypeFor[closure.Slot](),
	"appointments":      reflect.TypeFor[closure.Appointment](),
	"specialties":       reflect.TypeFor[closure.Specialty](),
	"insurances":        reflect.TypeFor[closure.Insurance](),
	"locations":         reflect.TypeFor[closure.Location](),
	"appointment_types": reflect.TypeFor[closure.AppointmentType](),
}

// shapeOf makes the shape of a Go type. A type that it doesn't know is an error, so that a new
// one isn't taken for plain text.
func shapeOf(t reflect.Type) (*shape, error) {
	switch t {
	case reflect.TypeFor[time.Time]():
		return &shape{kind: instant}, nil
	case reflect.TypeFor[closure.Date]():
		return &shape{kind: date}, nil
	case reflect.TypeFor[closure.Minutes]():
		return &shape{kind: minutes}, nil
	case reflect.TypeFor[string]():
		return &shape{kind: text}, nil
	}
	if prefix := idPrefixes[t]; prefix != "" {
		return &shape{kind: identifier, prefix: prefix}, nil
	}
	if values := enums[t]; values != nil {
		return &shape{kind: enum, values: values}, nil
	}
	switch {
	case t.Kind() == reflect.Slice:
		items, err := shapeOf(t.Elem())
		return &shape{kind: list, items: items}, err
	case t.Kind() == reflect.Struct && strings.HasPrefix(t.Name(), "Ref["):
		return shapeOfReference(t)
	case t.Kind() == reflect.Struct:
		return shapeOfObject(t)
	}
	return nil, fmt.Errorf("the doctor doesn't know the type %s", t)
}

func shapeOfReference(t reflect.Type) (*shape, error) {
	id, _ := t.FieldByName("ID")
	to, _ := t.FieldByName("Object")
	s, err := shapeOf(to.Type.Elem())
	if err != nil {
		return nil, err
	}
	s.kind, s.prefix = reference, idPrefixes[id.Type]
	return s, nil
}

func shapeOfObject(t reflect.Type) (*shape, error) {
	s := &shape{kind: object, fields: map[string]*shape{}, needed: strings.Fields(needed[t])}
	for field := range fieldsOf(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || t == reflect.TypeFor[closure.Slot]() && name == "schedule_id" {
			continue // not a field of the API
		}
		of, err := shapeOf(field.Type)
		if err != nil {
			return nil, err
		}
		s.fields[name], s.names = of, append(s.names, name)
	}
	return s, nil
}

func fieldsOf(t reflect.Type) func(func(reflect.StructField) bool) {
	return slices.Values(reflect.VisibleFields(t))
}

// shapeOfError is the body of an error (source: reference).
func shapeOfError() *shape {
	return &shape{
		kind: object,
		fields: map[string]*shape{
			"error_type":    {kind: enum, values: []string{"server_error", "invalid_request"}},
			"error_message": {kind: text},
			"error_code":    {kind: text},
			"detail":        {kind: list, items: &shape{kind: text}},
		},
		names:  []string{"error_type", "error_message", "error_code", "detail"},
		needed: []string{"error_type", "error_message"},
	}
}
