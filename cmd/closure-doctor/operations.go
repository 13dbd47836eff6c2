package main

import "strings"

// An operation is one call of the API, as the SDK makes it.
type operation struct {
	name      string
	method    string
	route     string // {id} stands for the one id a route can hold
	source    string // guide, reference or inferred
	directory bool   // takes an index version
}

// operations repeats the SDK's table; a test compares the two.
var operations = []operation{
	{"patients.list", "GET", "/patients", "guide", false},
	{"patients.create", "POST", "/patients", "guide", false},
	{"patients.get", "GET", "/patients/{id}", "inferred", false},
	{"practitioners.list", "GET", "/practitioners", "reference", true},
	{"practitioners.get", "GET", "/practitioners/{id}", "inferred", true},
	{"schedules.list", "GET", "/schedules", "inferred", true},
	{"schedules.get", "GET", "/schedules/{id}", "guide", true},
	{"availabilities.list", "GET", "/schedules/{id}/slots", "inferred", true},
	{"appointments.create", "POST", "/appointments", "guide", false},
	{"appointments.get", "GET", "/appointments/{id}", "inferred", false},
	{"appointments.list", "GET", "/appointments", "inferred", false},
	{"appointments.reschedule", "PATCH", "/appointments/{id}", "inferred", false},
	{"appointments.cancel", "POST", "/appointments/{id}/cancel", "inferred", false},
	{"specialties.list", "GET", "/specialties", "inferred", true},
	{"specialties.get", "GET", "/specialties/{id}", "inferred", true},
	{"insurances.list", "GET", "/insurances", "inferred", true},
	{"insurances.get", "GET", "/insurances/{id}", "inferred", true},
	{"locations.list", "GET", "/locations", "inferred", true},
	{"locations.get", "GET", "/locations/{id}", "inferred", true},
	{"appointment_types.list", "GET", "/appointment_types", "inferred", true},
	{"appointment_types.get", "GET", "/appointment_types/{id}", "inferred", true},
	{"index_versions.create", "POST", "/index_version", "reference", false},
}

func findOperation(name string) operation {
	for _, op := range operations {
		if op.name == name {
			return op
		}
	}
	return operation{name: name}
}

func (op operation) resource() string { return op.name[:strings.Index(op.name, ".")] }

func (op operation) lists() bool { return strings.HasSuffix(op.name, ".list") }

// A route is a method and a template.
type route struct {
	Method   string `json:"method"`
	Template string `json:"route"`
}

// elsewhere are the routes to try where the operation's own is answered 404, or
// 405 for a change.
func (op operation) elsewhere() []route {
	switch op.name {
	case "availabilities.list":
		return []route{
			{"GET", "/appointments/{id}/slots"}, // the letter of the reference
			{"GET", "/schedules/{id}/availabilities"},
			{"GET", "/schedules/{id}/availability"},
			{"GET", "/schedules/{id}/open_slots"},
		}
	case "appointments.reschedule":
		return []route{{"POST", "/appointments/{id}/reschedule"}, {"PUT", "/appointments/{id}"}}
	case "appointments.cancel":
		return []route{{"PUT", "/appointments/{id}/cancel"}, {"DELETE", "/appointments/{id}"}}
	case "appointments.create", "patients.create", "index_versions.create":
		return nil // another route might do something else
	}
	var routes []route
	for _, name := range spellings(op.resource()) {
		routes = append(routes, route{op.method, strings.Replace(op.route, op.resource(), name, 1)})
	}
	return routes
}

// spellings are the ways to write a resource other than its own.
func spellings(plural string) []string {
	singular := strings.TrimSuffix(plural, "s")
	if stem, found := strings.CutSuffix(plural, "ies"); found {
		singular = stem + "y"
	}
	names := []string{singular}
	if strings.Contains(plural, "_") {
		names = append(names, strings.ReplaceAll(plural, "_", "-"), strings.ReplaceAll(plural, "_", ""))
	}
	return names
}
