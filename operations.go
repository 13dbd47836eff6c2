package closure

import "net/http"

// An operation is one call of the API: an index into the table below.
type operation int

const (
	opPatientsList operation = iota
	opPatientsCreate
	opPatientsGet
	opPractitionersList
	opPractitionersGet
	opSchedulesList
	opSchedulesGet
	opAvailabilitiesList
	opAppointmentsCreate
	opAppointmentsGet
	opAppointmentsList
	opAppointmentsReschedule
	opAppointmentsCancel
	opSpecialtiesList
	opSpecialtiesGet
	opInsurancesList
	opInsurancesGet
	opLocationsList
	opLocationsGet
	opAppointmentTypesList
	opAppointmentTypesGet
	opIndexVersionsCreate
)

// Where a line of the contract comes from.
const (
	fromGuide     = "guide"     // the vendor's booking guide
	fromReference = "reference" // the vendor's published reference pages
	inferred      = "inferred"  // published nowhere: chosen to fit the rest
)

type operationSpec struct {
	name      string
	method    string
	route     string // {id} stands for the one id a route can hold
	source    string
	directory bool // reads the directory data, so it takes an index version
}

// operations says all that the SDK knows of the API's calls. A changed route is
// a change here and nowhere else.
var operations = [...]operationSpec{
	opPatientsList:           {"patients.list", http.MethodGet, "/patients", fromGuide, false},
	opPatientsCreate:         {"patients.create", http.MethodPost, "/patients", fromGuide, false}, // the body is inferred
	opPatientsGet:            {"patients.get", http.MethodGet, "/patients/{id}", inferred, false},
	opPractitionersList:      {"practitioners.list", http.MethodGet, "/practitioners", fromReference, true},
	opPractitionersGet:       {"practitioners.get", http.MethodGet, "/practitioners/{id}", inferred, true},
	opSchedulesList:          {"schedules.list", http.MethodGet, "/schedules", inferred, true},
	opSchedulesGet:           {"schedules.get", http.MethodGet, "/schedules/{id}", fromGuide, true},
	opAvailabilitiesList:     {"availabilities.list", http.MethodGet, "/schedules/{id}/slots", inferred, true},
	opAppointmentsCreate:     {"appointments.create", http.MethodPost, "/appointments", fromGuide, false},
	opAppointmentsGet:        {"appointments.get", http.MethodGet, "/appointments/{id}", inferred, false},
	opAppointmentsList:       {"appointments.list", http.MethodGet, "/appointments", inferred, false},
	opAppointmentsReschedule: {"appointments.reschedule", http.MethodPatch, "/appointments/{id}", inferred, false},
	opAppointmentsCancel:     {"appointments.cancel", http.MethodPost, "/appointments/{id}/cancel", inferred, false},
	opSpecialtiesList:        {"specialties.list", http.MethodGet, "/specialties", inferred, true},
	opSpecialtiesGet:         {"specialties.get", http.MethodGet, "/specialties/{id}", inferred, true},
	opInsurancesList:         {"insurances.list", http.MethodGet, "/insurances", inferred, true},
	opInsurancesGet:          {"insurances.get", http.MethodGet, "/insurances/{id}", inferred, true},
	opLocationsList:          {"locations.list", http.MethodGet, "/locations", inferred, true},
	opLocationsGet:           {"locations.get", http.MethodGet, "/locations/{id}", inferred, true},
	opAppointmentTypesList:   {"appointment_types.list", http.MethodGet, "/appointment_types", inferred, true},
	opAppointmentTypesGet:    {"appointment_types.get", http.MethodGet, "/appointment_types/{id}", inferred, true},
	opIndexVersionsCreate:    {"index_versions.create", http.MethodPost, "/index_version", fromReference, false}, // body and answer are inferred
}

func (op operation) name() string   { return operations[op].name }
func (op operation) method() string { return operations[op].method }
func (op operation) route() string  { return operations[op].route }

// writes reports whether the call changes something, so that it must not be sent
// again once it may have been carried out.
func (op operation) writes() bool { return operations[op].method != http.MethodGet }
