package main

import (
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
}

// operations are the SDK's.
var operations = func() (all []operation) {
	for _, spec := range sdk.Table() {
		all = append(all, operation{spec.Name, spec.Method, spec.Route, spec.Source, spec.Directory})
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
