package closuretest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
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
	const get, post, patch = http.MethodGet, http.MethodPost, http.MethodPatch
	return []route{
		{"patients.list", get, "/patients", false, (*Server).patientsList},
		{"patients.create", post, "/patients", false, (*Server).patientsCreate},
		{"patients.get", get, "/patients/{id}", false, (*Server).patientsGet},
		{"practitioners.list", get, "/practitioners", true, (*Server).practitionersList},
		{"practitioners.get", get, "/practitioners/{id}", true, (*Server).practitionersGet},
		{"schedules.list", get, "/schedules", true, (*Server).schedulesList},
		{"schedules.get", get, "/schedules/{id}", true, (*Server).schedulesGet},
		{"availabilities.list", get, "/schedules/{id}/slots", true, (*Server).availabilitiesList},
		{"appointments.create", post, "/appointments", false, (*Server).appointmentsCreate},
		{"appointments.get", get, "/appointments/{id}", false, (*Server).appointmentsGet},
		{"appointments.list", get, "/appointments", false, (*Server).appointmentsList},
		{"appointments.reschedule", patch, "/appointments/{id}", false, (*Server).appointmentsReschedule},
		{"appointments.cancel", post, "/appointments/{id}/cancel", false, (*Server).appointmentsCancel},
		{"specialties.list", get, "/specialties", true, (*Server).specialtiesList},
		{"specialties.get", get, "/specialties/{id}", true, (*Server).specialtiesGet},
		{"insurances.list", get, "/insurances", true, (*Server).insurancesList},
		{"insurances.get", get, "/insurances/{id}", true, (*Server).insurancesGet},
		{"locations.list", get, "/locations", true, (*Server).locationsList},
		{"locations.get", get, "/locations/{id}", true, (*Server).locationsGet},
		{"appointment_types.list", get, "/appointment_types", true, (*Server).appointmentTypesList},
		{"appointment_types.get", get, "/appointment_types/{id}", true, (*Server).appointmentTypesGet},
		{"index_versions.create", post, "/index_version", false, (*Server).indexVersionsCreate},
	}
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
