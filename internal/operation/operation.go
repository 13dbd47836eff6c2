// Package operation holds the table of the API's calls. The SDK, its test double and the
// doctor read it: to change a route, change it here.
package operation

import "net/http"

// An ID names a call of the API. It is the call's index in the table.
type ID int

// The calls. A new one also needs a row in the table below. CONTRIBUTING.md has the other
// steps.
const (
	PatientsList ID = iota
	PatientsCreate
	PatientsGet
	PractitionersList
	PractitionersGet
	SchedulesList
	SchedulesGet
	AvailabilitiesList
	AppointmentsCreate
	AppointmentsGet
	AppointmentsList
	AppointmentsReschedule
	AppointmentsCancel
	SpecialtiesList
	SpecialtiesGet
	InsurancesList
	InsurancesGet
	LocationsList
	LocationsGet
	AppointmentTypesList
	AppointmentTypesGet
	IndexVersionsCreate

	count
)

// The sources of a call.
const (
	FromGuide     = "guide"     // the vendor's booking guide
	FromReference = "reference" // the vendor's published reference pages
	Inferred      = "inferred"  // published nowhere, and chosen to fit the rest
)

// A Spec describes a call.
type Spec struct {
	Name      string
	Method    string
	Route     string // a template: {id} stands for an id
	Source    string
	Directory bool   // reads the directory, and so takes an index version
	Expand    bool   // takes the expand parameter
	Records   string // the resource whose records a list holds; "" for its own, in a call named list
}

var table = [count]Spec{
	PatientsList:           {Name: "patients.list", Method: http.MethodGet, Route: "/patients", Source: FromGuide},
	PatientsCreate:         {Name: "patients.create", Method: http.MethodPost, Route: "/patients", Source: FromGuide}, // the body is inferred
	PatientsGet:            {Name: "patients.get", Method: http.MethodGet, Route: "/patients/{id}", Source: Inferred},
	PractitionersList:      {Name: "practitioners.list", Method: http.MethodGet, Route: "/practitioners", Source: FromReference, Directory: true},
	PractitionersGet:       {Name: "practitioners.get", Method: http.MethodGet, Route: "/practitioners/{id}", Source: Inferred, Directory: true},
	SchedulesList:          {Name: "schedules.list", Method: http.MethodGet, Route: "/schedules", Source: Inferred, Directory: true, Expand: true},
	SchedulesGet:           {Name: "schedules.get", Method: http.MethodGet, Route: "/schedules/{id}", Source: FromGuide, Directory: true, Expand: true},
	AvailabilitiesList:     {Name: "availabilities.list", Method: http.MethodGet, Route: "/schedules/{id}/slots", Source: Inferred, Directory: true},
	AppointmentsCreate:     {Name: "appointments.create", Method: http.MethodPost, Route: "/appointments", Source: FromGuide},
	AppointmentsGet:        {Name: "appointments.get", Method: http.MethodGet, Route: "/appointments/{id}", Source: Inferred},
	AppointmentsList:       {Name: "appointments.list", Method: http.MethodGet, Route: "/appointments", Source: Inferred},
	AppointmentsReschedule: {Name: "appointments.reschedule", Method: http.MethodPatch, Route: "/appointments/{id}", Source: Inferred},
	AppointmentsCancel:     {Name: "appointments.cancel", Method: http.MethodPost, Route: "/appointments/{id}/cancel", Source: Inferred},
	SpecialtiesList:        {Name: "specialties.list", Method: http.MethodGet, Route: "/specialties", Source: Inferred, Directory: true},
	SpecialtiesGet:         {Name: "specialties.get", Method: http.MethodGet, Route: "/specialties/{id}", Source: Inferred, Directory: true},
	InsurancesList:         {Name: "insurances.list", Method: http.MethodGet, Route: "/insurances", Source: Inferred, Directory: true},
	InsurancesGet:          {Name: "insurances.get", Method: http.MethodGet, Route: "/insurances/{id}", Source: Inferred, Directory: true},
	LocationsList:          {Name: "locations.list", Method: http.MethodGet, Route: "/locations", Source: Inferred, Directory: true},
	LocationsGet:           {Name: "locations.get", Method: http.MethodGet, Route: "/locations/{id}", Source: Inferred, Directory: true},
	AppointmentTypesList:   {Name: "appointment_types.list", Method: http.MethodGet, Route: "/appointment_types", Source: Inferred, Directory: true},
	AppointmentTypesGet:    {Name: "appointment_types.get", Method: http.MethodGet, Route: "/appointment_types/{id}", Source: Inferred, Directory: true},
	IndexVersionsCreate:    {Name: "index_versions.create", Method: http.MethodPost, Route: "/index_version", Source: FromReference}, // body and answer are inferred
}

// Table returns a copy of the table, by ID.
func Table() [count]Spec { return table }

// Spec returns the call's row.
func (id ID) Spec() Spec { return table[id] }
