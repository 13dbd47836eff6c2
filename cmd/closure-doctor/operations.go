package main

import (
	"cmp"
	"net/http"
	"strings"

	sdk "github.com/closurehealth/closure-go/internal/operation"
)

// An operation is one call of the API, as the SDK makes it.
type operation struct {
	name      string
	method    string
	route     string // {id} stands for the one id a route can hold
	source    string // guide, reference or inferred
	directory bool   // takes an index version
	records   string // the resource whose records a list holds, if not its own
}

// operations are the SDK's operations.
var operations = func() (all []operation) {
	for _, spec := range sdk.Table() {
		all = append(all, operation{spec.Name, spec.Method, spec.Route, spec.Source, spec.Directory, spec.Records})
	}
	return all
}()

func findOperation(name string) operation {
	for _, op := range operations {
		if op.name == name {
			return op
		}
	}
	return operation{name: name}
}

func (op operation) resource() string { return op.name[:strings.Index(op.name, ".")] }

func (op operation) changes() bool { return op.method != http.MethodGet }

func (op operation) lists() bool { return op.records != "" || strings.HasSuffix(op.name, ".list") }

func (op operation) takesID() bool { return strings.Contains(op.route, "{id}") }

// owner is the resource whose id the route takes.
func (op operation) owner() string {
	segment, _, _ := strings.Cut(strings.TrimPrefix(op.route, "/"), "/")
	return segment
}

// recordsOf is the resource whose records the answer holds.
func (op operation) recordsOf() string { return cmp.Or(op.records, op.resource()) }

// A route is a method and a template.
type route struct {
	Method   string `json:"method"`
	Template string `json:"route"`
}

// elsewhere returns the routes to try if the operation's own is answered 404 or 405.
func (op operation) elsewhere() []route {
	switch op.name {
	case "availabilities.list":
		return []route{
			{"GET", "/appointments/{id}/slots"}, // what the reference writes
			{"GET", "/schedules/{id}/availabilities"},
			{"GET", "/schedules/{id}/availability"},
			{"GET", "/schedules/{id}/open_slots"},
		}
	case "appointments.reschedule":
		return []route{{"POST", "/appointments/{id}/reschedule"}, {"PUT", "/appointments/{id}"}}
	case "appointments.cancel":
		return []route{{"PUT", "/appointments/{id}/cancel"}, {"DELETE", "/appointments/{id}"}}
	}
	if op.changes() {
		return nil // another route might do something else
	}
	var routes []route
	for _, name := range spellings(op.resource()) {
		routes = append(routes, route{op.method, strings.Replace(op.route, op.resource(), name, 1)})
	}
	return routes
}

// spellings returns other ways to write a resource.
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
