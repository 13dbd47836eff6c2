package closuretest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/closurehealth/closure-go/internal/operation"
)

// A handler carries out one call, at one moment, under the server's lock.
type handler func(*Server, *call, moment) answer

// A route is one operation of the API, and its handler.
type route struct {
	op        string
	method    string
	template  string // {id} stands for the one id a route can hold
	directory bool   // takes the Closure-Index-Version header
	handle    handler
}

// newRoutes has a route for each row of the table of package internal/operation that
// has a handler. The files of the handlers list them.
func newRoutes() []route {
	handlers := map[operation.ID]handler{}
	for _, some := range []map[operation.ID]handler{
		patientHandlers(), scheduleHandlers(), appointmentHandlers(), directoryHandlers(),
	} {
		maps.Copy(handlers, some)
	}
	var routes []route
	for id, spec := range operation.Table() {
		if handle := handlers[operation.ID(id)]; handle != nil { // a test of the SDK demands one of each
			routes = append(routes, route{spec.Name, spec.Method, spec.Route, spec.Directory, handle})
		}
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

// find returns the route of a request. If there is none, allowed has the methods that the
// path accepts.
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

// A call is a request whose route was found. It holds everything that a handler needs,
// because a late write is carried out after its request has ended.
type call struct {
	route   *route
	id      string // the value of {id}
	query   url.Values
	version string // Closure-Index-Version, "" if there is none
	fields  map[string]json.RawMessage
}
