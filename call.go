package closure

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/closurehealth/closure-go/internal/transport"
	"github.com/closurehealth/closure-go/internal/wire"
)

// A CallRequest is a request that no method makes; see [Client.Call]. It prints its
// method and route and nothing else.
type CallRequest struct {
	Method string            // GET, POST, PUT, PATCH or DELETE
	Route  string            // a template of lower-case words and parameters, "/schedules/{schedule_id}"
	Params map[string]string // the parameters' values; they are escaped
	Query  url.Values        // nil: there is none
	Body   any               // is written as JSON; nil: there is none
}

func (r CallRequest) redacted() string {
	template, err := parseRoute(r.Route)
	if err != nil || !slices.Contains(callMethods, r.Method) {
		return "closure.CallRequest{redacted}"
	}
	return "closure.CallRequest{" + r.Method + " " + template.text + "}"
}

// Format prints method and route and nothing else, under every verb.
func (r CallRequest) Format(f fmt.State, _ rune) { printAs(f, r.redacted()) }

// LogValue shows method and route and nothing else.
func (r CallRequest) LogValue() slog.Value { return slog.StringValue(r.redacted()) }

var callMethods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// Call makes a call of the API for which this package has no method: one that is not
// published, or that is newer than this version. It is made like every other call, with
// the same options, retries, errors, outcomes, events and privacy: texts show the route's
// template, and nothing of Params, Query and Body.
//
// Body is written by json v2: a field with omitzero is left out if it is zero, but omitempty
// leaves out no number and no bool, a nil slice is [], and a time.Duration needs a format.
// A [json.RawMessage] is sent as it is.
//
// The body of a success is read as JSON into the value that into points to, strictly, and of a
// list as one page. If into is nil, nothing is made of the body, but it must arrive whole. Call
// knows nothing of the record, so that it can't check that the answer holds what was asked for:
// compare its id. Nor does it bound how much memory the value takes. If a success can't be read,
// the error is [ErrMalformedResponse], and the outcome of a write is unknown.
//
// A GET is tried again like any read. Every other method is a write: it is sent again only
// if nothing of it can have been carried out. After an error, ask [OutcomeOf] before you
// call it again. [WithIndexVersion] is sent if given, and so is [Expand], unless Query has its own
// expand.
//
// If the request can't be right, the error is an [InputError], and nothing is sent. That is
// so for an unknown method; a route that isn't a path of lower-case words and
// {parameters}, such as one that holds an id or a query; a parameter without a value, or a
// value without a parameter; and a GET with a body.
func (c *Client) Call(ctx context.Context, request CallRequest, into any, opts ...CallOption) error {
	e, values, err := request.check()
	if err = cmp.Or(err, checkInto(into)); err != nil {
		return err
	}
	r := request.as(e, values)
	return c.use().do(ctx, r, anything{into}, opts)
}

const opCall = "call"

func (r CallRequest) as(e *endpoint, values []string) request {
	sent := request{endpoint: e, values: values, body: r.Body}
	if len(r.Query) > 0 {
		sent.query = r.Query
	}
	return sent
}

func (r CallRequest) check() (*endpoint, []string, error) {
	refuse := func(field, reason string) (*endpoint, []string, error) {
		return nil, nil, &InputError{Op: opCall, Field: field, Reason: reason}
	}
	template, err := parseRoute(r.Route)
	switch {
	case !slices.Contains(callMethods, r.Method):
		return refuse("Method", "is not GET, POST, PUT, PATCH or DELETE")
	case err != nil:
		return refuse("Route", "is not a path of lower-case words and {parameters}")
	case r.Method == http.MethodGet && r.Body != nil:
		return refuse("Body", "is not for a GET")
	case len(r.Params) != len(template.names):
		return refuse("Params", "are not those of the route")
	}
	values := make([]string, len(template.names))
	for i, name := range template.names {
		values[i] = r.Params[name]
		if problem := segmentProblem(values[i]); problem != "" {
			return refuse("Params["+name+"]", problem)
		}
	}
	return &endpoint{name: opCall, method: r.Method, route: template, directory: true, expand: true}, values, nil
}

// segmentProblem says why a value can't be a segment of a path, or returns "".
func segmentProblem(value string) string {
	switch {
	case value == "":
		return "is missing or empty"
	case value == "." || value == "..":
		return "would lead to another path"
	case len(value) > maxIDLength || strings.ContainsFunc(value, unicode.IsControl) || !utf8.ValidString(value):
		return "is longer than 255 bytes or holds a character that can't be in a path"
	default:
		return ""
	}
}

// checkInto refuses, before anything is sent, a value that no answer can be read into.
func checkInto(into any) error {
	if v := reflect.ValueOf(into); into == nil || v.Kind() == reflect.Pointer && !v.IsNil() {
		return nil
	}
	return &InputError{Op: opCall, Field: "into", Reason: "is not a pointer to a value"}
}

// anything reads an answer into a value of the caller's.
type anything struct{ into any }

func (a anything) read(_ context.Context, _ request, answer transport.Answer) error {
	if a.into == nil {
		return nil
	}
	return wire.Unmarshal(answer.Body, a.into)
}
