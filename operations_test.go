package closure_test

import (
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// allCalls returns the calls of all resources.
func allCalls() []apiCall {
	return slices.Concat(patientCalls, practitionerCalls, scheduleCalls, availabilityCalls, appointmentCalls,
		directoryCalls, indexVersionCalls)
}

// goName returns the method of an operation: "appointment_types.get" is
// AppointmentTypes.Get.
func goName(op string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(op, func(r rune) bool { return r == '_' }) {
		service, method, found := strings.Cut(word, ".")
		b.WriteString(strings.ToUpper(service[:1]) + service[1:])
		if found {
			b.WriteString("." + strings.ToUpper(method[:1]) + method[1:])
		}
	}
	return b.String()
}

// directoryReads are the first words of the routes that read the directory.
var directoryReads = []string{"practitioners", "schedules", "specialties", "insurances", "locations", "appointment_types"}

// The table is internal/operation/operation.go.
func TestOperationTable(t *testing.T) {
	t.Parallel()
	names, routes := map[string]bool{}, map[string]bool{}
	for id, op := range closure.Operations() {
		if op.Name == "" {
			t.Fatalf("operation %d has a constant and no row in internal/operation/operation.go", id)
		}
		if names[op.Name] || routes[op.Method+" "+op.Route] {
			t.Errorf("%s or its route is there twice", op.Name)
		}
		names[op.Name], routes[op.Method+" "+op.Route] = true, true
		if !regexp.MustCompile(`^[a-z_]+\.[a-z]+$`).MatchString(op.Name) {
			t.Errorf("name %q: want resource.method in lower-case letters, such as appointment_types.get, which is AppointmentTypes.Get", op.Name)
		}
		if !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodPatch}, op.Method) {
			t.Errorf("%s: method %q, want GET, POST or PATCH", op.Name, op.Method)
		}
		if !regexp.MustCompile(`^/[a-z_]+(/\{id\}(/[a-z]+)?)?$`).MatchString(op.Route) {
			t.Errorf("%s: route %q, want the form of /schedules, /schedules/{id} or /schedules/{id}/slots", op.Name, op.Route)
		}
		if !slices.Contains([]string{"guide", "reference", "inferred"}, op.Source) {
			t.Errorf("%s: source %q, want guide, reference or inferred", op.Name, op.Source)
		}
		resource, _, _ := strings.Cut(strings.TrimPrefix(op.Route, "/"), "/")
		read := op.Method == http.MethodGet && slices.Contains(directoryReads, resource)
		switch {
		case read && !op.Directory:
			t.Errorf("%s reads the directory: set Directory in internal/operation", op.Name)
		case !read && op.Directory:
			t.Errorf("%s doesn't read the directory: take Directory off in internal/operation, or add to directoryReads here", op.Name)
		}
	}
}

// Every operation has a method and a test, and every method an operation.
func TestOperationsAreComplete(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, call := range allCalls() {
		tested[call.op] = true
	}
	methods := serviceMethods()
	for _, op := range closure.Operations() {
		if !tested[op.Name] {
			t.Errorf("%s is in no test table, so the canary test passes it over: add a row to directoryCalls,"+
				" or to the other slice of apiCall that its test file has", op.Name)
		}
		if !methods[goName(op.Name)] {
			t.Errorf("%s: there is no method %s: add it to the resource's file, or correct the name", op.Name, goName(op.Name))
		}
		delete(methods, goName(op.Name))
	}
	for _, helper := range []string{"Patients.Find", "Availabilities.Search", "Availabilities.First"} {
		delete(methods, helper)
	}
	if len(methods) > 0 {
		t.Errorf("methods without operation: %v", methods)
	}
}

// serviceMethods are the methods of all services, "Patients.List".
func serviceMethods() map[string]bool {
	methods := map[string]bool{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[closure.Client]()) {
		if !field.IsExported() {
			continue
		}
		for i := range field.Type.NumMethod() {
			if name := field.Type.Method(i).Name; name != "Format" && name != "LogValue" { // they print the service
				methods[field.Name+"."+name] = true
			}
		}
	}
	return methods
}

// The README's table has a row for every operation: the Go method, the HTTP method and path,
// and the source, which a note in parentheses may follow.
func TestREADMECoverage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	noError(t, err)
	rows := map[string]string{}
	for line := range strings.Lines(strings.ReplaceAll(string(text), "`", "")) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if len(cells) != 3 {
			continue
		}
		source, _, _ := strings.Cut(cells[2], " ")
		for _, call := range strings.Split(cells[0], ", ") {
			rows[call] = cells[1] + " | " + source
		}
	}
	for _, op := range closure.Operations() {
		if got, want := rows[goName(op.Name)], op.Method+" "+op.Route+" | "+op.Source; got != want {
			t.Errorf("README.md, under Calls: the row of %s says %q, want %q", goName(op.Name), got, want)
		}
		delete(rows, goName(op.Name))
	}
	methods := serviceMethods()
	for call, row := range rows {
		if strings.Contains(row, " /") && !methods[call] {
			t.Errorf("there is a row of %s, but no such method", call)
		}
	}
}

// The test double serves every operation, and nothing else.
func TestOperationsAreServed(t *testing.T) {
	t.Parallel()
	served := closuretest.Operations()
	for _, op := range closure.Operations() {
		if !slices.Contains(served, op.Name) {
			t.Errorf("closuretest has no handler of %s: add it to a closuretest/handle_*.go", op.Name)
		}
	}
	if len(served) != len(closure.Operations()) {
		t.Errorf("closuretest serves %d operations, the SDK has %d", len(served), len(closure.Operations()))
	}
}
