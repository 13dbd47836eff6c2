package closuretest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/closurehealth/closure-go/internal/operation"
)

// A route is one operation of the API. What a handler does happens at one
// moment, under the server's lock.
type route struct {
	op        string
	method    string
	template  string // {id} stands for the one id a route can hold
	directory bool   // takes the Closure-Index-Version header
	handle    func(*Server, *call, moment) answer
}

func newRoutes() []route {
	handlers := map[operation.ID]func(*Server, *call, moment) answer{
		operation.PatientsList:           (*Server).patientsList,
		operation.PatientsCreate:         (*Server).patientsCreate,
		operation.PatientsGet:            (*Server).patientsGet,
		operation.PractitionersList:      (*Server).practitionersList,
		operation.PractitionersGet:       (*Server).practitionersGet,
		operation.SchedulesList:          (*Server).schedulesList,
		operation.SchedulesGet:           (*Server).schedulesGet,
		operation.AvailabilitiesList:     (*Server).availabilitiesList,
		operation.AppointmentsCreate:     (*Server).appointmentsCreate,
		operation.AppointmentsGet:        (*Server).appointmentsGet,
		operation.AppointmentsList:       (*Server).appointmentsList,
		operation.AppointmentsReschedule: (*Server).appointmentsReschedule,
		operation.AppointmentsCancel:     (*Server).appointmentsCancel,
		operation.SpecialtiesList:        (*Server).specialtiesList,
		operation.SpecialtiesGet:         (*Server).specialtiesGet,
		operation.InsurancesList:         (*Server).insurancesList,
		operation.InsurancesGet:          (*Server).insurancesGet,
		operation.LocationsList:          (*Server).locationsList,
		operation.LocationsGet:           (*Server).locationsGet,
		operation.AppointmentTypesList:   (*Server).appointmentTypesList,
		operation.AppointmentTypesGet:    (*Server).appointmentTypesGet,
		operation.IndexVersionsCreate:    (*Server).indexVersionsCreate,
	}
	var routes []route
	for id, spec := range operation.Table() {
		routes = append(routes, route{spec.Name, spec.Method, spec.Route, spec.Directory, handlers[operation.ID(id)]})
	}
	return routes
}

func (r *route) writes() bool { return r.method != http.MethodGet }

// match returns the id in an escaped path, if the path fits the template.
func (r *route) match(path string) (id string, ok bool) {
	before, after, hasID := strings.Cut(r.template, "{id}")
	if !hasID {
		return "", path == before
	}
	rest, ok := strings.CutPrefix(path, before)
	if !ok {
		return "", false
	}
	if rest, ok = strings.CutSuffix(rest, after); !ok || rest == "" || strings.Contains(rest, "/") {
		return "", false
	}
	id, err := url.PathUnescape(rest)
	return id, err == nil
}

// find returns the route of a request. Without one, allowed are the methods
// that the path would take.
func find(routes []route, method, path string) (found *route, id string, allowed []string) {
	for i := range routes {
		id, ok := routes[i].match(path)
		if !ok {
			continue
		}
		if routes[i].method == method {
			return &routes[i], id, nil
		}
		allowed = append(allowed, routes[i].method)
	}
	return nil, "", allowed
}

// A call is a request that found its route, with all that a handler needs: a
// late write is carried out after its request is gone.
type call struct {
	route   *route
	id      string // stands for {id}
	query   url.Values
	version string // Closure-Index-Version, "" if there is none
	fields  map[string]json.RawMessage
}
