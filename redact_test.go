package closure_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
)

// The forms, and where a schedule's or an appointment's id is shown.
func TestPrintedForms(t *testing.T) {
	t.Parallel()
	client := newClient(t, says(200, ""))
	noID := canary.withIDs("")
	for want, value := range map[string]any{
		"closure.Patient{redacted}":                     trisha,
		"closure.PatientListParams{redacted}":           closure.PatientListParams{Name: canary.name},
		"closure.BookFirstParams{redacted}":             closure.BookFirstParams{PatientID: canary.patient},
		`closure.Appointment{ID: "appt_1"}`:             closure.Appointment{ID: "appt_1", PatientID: canary.patient},
		`closure.AppointmentListParams{ScheduleID: ""}`: closure.AppointmentListParams{PatientID: canary.patient},
		`closure.BookSlotParams{ScheduleID: "sch_1"}`:   closure.BookSlotParams{ScheduleID: "sch_1", StartAt: canary.start},
		`closure.BookingAttempt{ScheduleID: "sch_1"}`:   closure.BookingAttempt{ScheduleID: "sch_1"},
		`closure.Booking{Appointment: closure.Appointment{ID: "appt_1"}}`: closure.Booking{
			Appointment: closure.Appointment{ID: "appt_1"}, Patient: &trisha,
		},
		`closure.Response{StatusCode: 404, Attempts: 2, RequestID: "req_1"}`: closure.Response{
			StatusCode: 404, Attempts: 2, RequestID: "req_1", Body: []byte(leak), Header: http.Header{"X-Patient": {leak}},
		},
		"closure.Client{mode: test}": *client,
		"closure.Client{}":           closure.Client{},
		// Where an id belongs there may be a name.
		`closure.Appointment{ID: "(unprintable)"}`:            closure.Appointment{ID: closure.AppointmentID(canary.name)},
		`closure.BookSlotParams{ScheduleID: "(unprintable)"}`: closure.BookSlotParams{ScheduleID: "sch_Zebulon_Quetzal"},
		`closure.AppointmentCreateParams{ScheduleID: "(unprintable)"}`: closure.AppointmentCreateParams{
			ScheduleID: noID.schedule + leak,
		},
	} {
		for how, text := range printed(value) {
			if how != "%T" && how != "Sprintln" && how != "extra" && text != want {
				t.Errorf("%s prints by %s: %s", want, how, text)
			}
		}
		noLeak(t, want, logged(value)["slog JSON"])
	}
}

// formatsOf are all of fmt's verbs, but those in except, with its flags; the short form has
// those that change what a value shows of itself.
func formatsOf(except string) (all []string) {
	flags := []string{"", "+", "#", " ", "-", "0", "+#", "# ", "12", ".3", "-20.5"}
	if !long() {
		flags = flags[:3]
	}
	for verb := 'A'; verb <= 'z'; verb++ {
		if verb > 'Z' && verb < 'a' || strings.ContainsRune(except, verb) {
			continue
		}
		for _, flags := range flags {
			all = append(all, "%"+flags+string(verb))
		}
	}
	return all
}

// Every struct that redacts, with the canary in every field, printed in every way
// and out of every place that fmt lets it print from. %p of a value and %w ask no
// method: docs/privacy.md tells it.
func TestFullValuesPrintRedacted(t *testing.T) {
	t.Parallel()
	f, formats := newFiller(busyClient(t)), formatsOf("pw")
	for name, typ := range redactedStructs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			value, all := f.value(typ), texts{}
			for where, v := range containers(value) {
				all.add(where, printedWith(formats, v))
				all[logged(v)["slog text"]] = where + " by slog's text handler"
			}
			all.add("value", logged(value))
			all.add("pointer", logged(pointerTo(value)))
			showsNothing(t, all, showsID[name])
			if err, ok := pointerTo(value).(error); ok {
				checkError(t, name, err)
			}
		})
	}
}

// showsNothing tells the first three texts that show something, and how many more do: a
// struct without Format has hundreds.
func showsNothing(t *testing.T, all texts, mayShowID bool) {
	t.Helper()
	var bad []string
	for text, where := range all {
		switch found := trace(text); {
		case found != "":
			bad = append(bad, fmt.Sprintf("%s shows %q: %s", where, found, text))
		case strings.Contains(text, "PANIC="):
			bad = append(bad, where+" panics: "+text)
		case strings.Contains(text, shownID) && !mayShowID:
			bad = append(bad, where+" shows an id: "+text)
		}
	}
	for _, problem := range bad[:min(len(bad), 3)] {
		t.Error(problem)
	}
	if len(bad) > 3 {
		t.Errorf("… and %d more; see TestEveryExportedStructPrintsRedacted", len(bad)-3)
	}
}

// showsID are the types that say that they show an appointment's or a schedule's
// id.
var showsID = map[string]bool{
	"closure.Appointment":             true,
	"closure.AppointmentCreateParams": true,
	"closure.AppointmentListParams":   true,
	"closure.BookSlotParams":          true,
	"closure.Booking":                 true,
	"closure.BookingAttempt":          true,
	"closure.JournalEntry":            true,
	"closure.Resolution":              true,
}

func pointerTo(value any) any {
	p := reflect.New(reflect.TypeOf(value))
	p.Elem().Set(reflect.ValueOf(value))
	return p.Interface()
}

// containers puts a value into everything that fmt looks into.
func containers(value any) map[string]any {
	v, typ := reflect.ValueOf(value), reflect.TypeOf(value)
	pointer := reflect.ValueOf(pointerTo(value))
	pointers := reflect.New(pointer.Type())
	pointers.Elem().Set(pointer)

	array := reflect.New(reflect.ArrayOf(2, typ)).Elem()
	array.Index(1).Set(v)
	byName := reflect.MakeMap(reflect.MapOf(reflect.TypeFor[string](), typ))
	byName.SetMapIndex(reflect.ValueOf("key"), v)
	type iface struct{ Any any }
	in := map[string]any{
		"plain":              value,
		"pointer":            pointer.Interface(),
		"pointer to pointer": pointers.Interface(),
		"slice":              sliceOf(v),
		"slice of pointers":  sliceOf(pointer),
		"slice of any":       []any{value, pointer.Interface(), []any{value}},
		"array":              array.Interface(),
		"map":                byName.Interface(),
		"map of any":         map[string]any{"key": value, "pointer": pointer.Interface()},
		"struct":             structOf(v),
		"struct of pointer":  structOf(pointer),
		"struct of any":      iface{value},
		"pointer to struct":  &iface{pointer.Interface()},
	}
	if typ.Comparable() {
		byValue := reflect.MakeMap(reflect.MapOf(typ, typ))
		byValue.SetMapIndex(v, v)
		in["map key"] = byValue.Interface()
		in["map key of any"] = map[any]bool{value: true}
	}
	return in
}

func sliceOf(v reflect.Value) any {
	return reflect.Append(reflect.MakeSlice(reflect.SliceOf(v.Type()), 0, 1), v).Interface()
}

// structOf is a struct with an exported field of the value.
func structOf(v reflect.Value) any {
	s := reflect.New(reflect.StructOf([]reflect.StructField{
		{Name: "N", Type: reflect.TypeFor[int]()},
		{Name: "Value", Type: v.Type()},
		{Name: "Last", Type: reflect.TypeFor[float64]()},
	})).Elem()
	s.Field(1).Set(v)
	return s.Interface()
}

// hiding puts values where fmt asks no method: into unexported fields.
func hiding[T any](v T) map[string]any {
	type field struct{ v T }
	type pointer struct{ p *T }
	type anything struct{ v any }
	return map[string]any{
		"field":                field{v},
		"pointer to field":     &field{v},
		"field of pointer":     pointer{&v},
		"field of any":         anything{v},
		"field of any pointer": anything{&v},
		"field of slice":       struct{ v []T }{[]T{v}},
		"field of pointers":    struct{ v []*T }{[]*T{&v}},
		"field of map":         struct{ v map[string]*T }{map[string]*T{"key": &v}},
		"field of field":       struct{ v field }{field{v}},
		"field of struct":      struct{ v *pointer }{&pointer{&v}},
		"embedded":             struct{ *field }{&field{v}},
		"slice":                []field{{v}},
	}
}

// busyClient is a client that holds all that one can hold, with a booking under
// way.
func busyClient(t *testing.T) *closure.Client {
	t.Helper()
	arrived, end := make(chan struct{}, 16), make(chan struct{})
	client := newClient(t, roundTripFunc(func(*http.Request) (*http.Response, error) {
		arrived <- struct{}{}
		<-end
		return newResponse(500, leak), nil
	}),
		closure.WithBaseURL("https://kanari.test/KANARI"),
		closure.WithUserAgent("KANARI/1"), closure.WithAPIVersion("KANARI"),
		closure.WithRateLimit(1000, 10), closure.WithMaxAttempts(1), closure.KnownCancelled("appt_KANARI7x"),
	)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = client.BookSlot(t.Context(), closure.BookSlotParams{
			ScheduleID: canary.schedule, PatientID: canary.patient, StartAt: canary.start, Duration: 30,
		})
	}()
	<-arrived
	t.Cleanup(func() { close(end); <-done })
	return client
}

// The key and what a client is about don't show, whatever is printed and
// wherever it is kept: of a client, its services and options also in unexported
// fields, and under all verbs.
func TestClientsAndServicesHideTheKey(t *testing.T) {
	t.Parallel()
	skipWithRaceDetector(t)
	client, formats, all := busyClient(t), formatsOf(""), texts{}
	values := maps.Collect(maps.All(containers(*client)))
	maps.Copy(values, hiding(*client))
	maps.Copy(values, hiding(client))
	for field, service := range services(client) {
		for where, v := range containers(reflect.ValueOf(service).Elem().Interface()) {
			values[field+" "+where] = v
		}
		for where, v := range hiding(service) {
			values[field+" "+where] = v
		}
	}
	for where, v := range hiding(*client.Patients) {
		values["service "+where] = v
	}
	for where, v := range values {
		all.add(where, printedWith(formats, v))
		all.add(where, logged(v))
		text, err := json.Marshal(v)
		all[fmt.Sprint(string(text), err)] = where + " as JSON"
	}
	all.noLeak(t)
}

func services(client *closure.Client) map[string]any {
	found, v := map[string]any{}, reflect.ValueOf(client).Elem()
	for field := range v.Type().Fields() {
		if field.IsExported() {
			found[field.Name] = v.FieldByIndex(field.Index).Interface()
		}
	}
	return found
}

// Options are functions, so that printing one shows nothing. The test has all options.
func TestOptionsHideTheirArguments(t *testing.T) {
	t.Parallel()
	skipWithRaceDetector(t)
	response := closure.Response{Body: []byte(leak), RequestID: leak, Header: http.Header{"X-Patient": {leak}}}
	options := map[string]closure.Option{
		"AssumeLostAfter":     closure.AssumeLostAfter(9812345670),
		"CaptureResponse":     closure.CaptureResponse(&response),
		"Expand":              closure.Expand(leak),
		"KnownCancelled":      closure.KnownCancelled(leak),
		"Options":             closure.Options(closure.WithAPIVersion(leak)),
		"WithAPIVersion":      closure.WithAPIVersion(leak),
		"WithBaseURL":         closure.WithBaseURL("https://KANARI:KANARI@kanari.test/" + leak),
		"WithBookingObserver": closure.WithBookingObserver(nil),
		"WithHTTP2":           closure.WithHTTP2(),
		"WithHTTPClient":      closure.WithHTTPClient(&http.Client{Transport: fails(nil)}),
		"WithIndexVersion":    closure.WithIndexVersion(leak),
		"WithJournal":         closure.WithJournal(nil),
		"WithLogger":          closure.WithLogger(nil),
		"WithMaxAttempts":     closure.WithMaxAttempts(9812345670),
		"WithMode":            closure.WithMode(leak),
		"WithObserver":        closure.WithObserver(nil),
		"WithPlainHTTP":       closure.WithPlainHTTP(),
		"WithRateLimit":       closure.WithRateLimit(9812345670, 1),
		"WithRetryPolicy":     closure.WithRetryPolicy(closure.RetryPolicy{MinWait: 9812345670}),
		"WithRoute":           closure.WithRoute(leak, leak),
		"WithTimeout":         closure.WithTimeout(9812345670 * time.Nanosecond),
		"WithUserAgent":       closure.WithUserAgent(leak),
	}
	formats, all := formatsOf(""), texts{}
	for name, option := range options {
		values := containers(option)
		maps.Copy(values, hiding(option))
		for where, v := range values {
			all.add(name+" "+where, printedWith(formats, v))
			all.add(name+" "+where, logged(v))
		}
	}
	all.noLeak(t)
	equal(t, "options", slices.Sorted(maps.Keys(options)), optionFuncs(t))
}

// optionFuncs are the functions of the package that return an option.
func optionFuncs(t *testing.T) (names []string) {
	_, files := parseDir(t, ".", false)
	for _, file := range files {
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() || f.Recv != nil || f.Type.Results.NumFields() != 1 {
				continue
			}
			if result, ok := f.Type.Results.List[0].Type.(*ast.Ident); ok && strings.HasSuffix(result.Name, "Option") {
				names = append(names, f.Name.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// What prints by reflection, as spew does, follows every pointer and calls no
// method. It finds no key either: that is inside a function.
func TestReflectionFindsNoKey(t *testing.T) {
	t.Parallel()
	var dumped []string
	synctest.Test(t, func(t *testing.T) {
		client := busyClient(t)
		synctest.Wait() // nobody changes what the walk reads
		dumped = dump(client)
	})
	for _, text := range dumped {
		for _, key := range []string{"quickstart", "Y2hfc2tf", "Basic "} {
			if strings.Contains(text, key) {
				t.Errorf("a walk by reflection finds %q", text)
			}
		}
	}
	// It does walk: this it finds.
	if !slices.Contains(dumped, string(canary.patient)) || !slices.Contains(dumped, "kanari.test") {
		t.Errorf("the walk finds neither the base URL nor the booking under way: %q", dumped)
	}
}

// dump is all text that reflection finds behind a value.
func dump(value any) (found []string) {
	seen := map[reflect.Value]bool{}
	var walk func(reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			found = append(found, v.String())
		case reflect.Pointer:
			// time.Local changes when it is first used.
			if !v.IsNil() && !seen[v] && v.Type() != reflect.TypeFor[*time.Location]() {
				seen[v] = true
				walk(v.Elem())
			}
		case reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Map:
			for entries := v.MapRange(); entries.Next(); {
				walk(entries.Key())
				walk(entries.Value())
			}
		}
	}
	walk(reflect.ValueOf(value))
	return found
}

// What docs/privacy.md says Go gives no hook for: if one of these no longer leaks,
// the page can say so.
func TestWhatGoGivesNoHookFor(t *testing.T) {
	t.Parallel()
	patient := newFiller(busyClient(t)).value(reflect.TypeFor[closure.Patient]()).(closure.Patient)
	err := &closure.APIError{Op: "op", Message: leak}
	type guest closure.Patient
	formatted := func(format string, v any) string { return fmt.Sprintf(format, v) } // vet knows better
	for name, text := range map[string]string{
		"unexported field":          formatted("%v", struct{ p closure.Patient }{patient}),
		"error in unexported field": formatted("%s", struct{ err error }{err}),
		"slice in JSON handler":     logged([]closure.Patient{patient})["slog JSON"],
		"map in JSON handler":       logged(map[string]any{"patient": patient})["slog JSON"],
		"encoding/json":             show(patient),
		"reflection":                strings.Join(dump(patient), " "),
		"a type of one's own":       fmt.Sprint(guest(patient)),
		"wrapped, under %t":         formatted("%t", fmt.Errorf("x: %w", err)),
		"%w":                        formatted("%w", patient),
		"%w of an error":            formatted("%w", err),
		"%p":                        formatted("%p", patient),
	} {
		if trace(text) == "" {
			t.Errorf("%s doesn't leak any more: %s", name, text)
		}
	}
}

// encoding/json keeps everything: a program can store what it read.
func TestPersonalValuesMarshalFaithfully(t *testing.T) {
	t.Parallel()
	var got closure.Patient
	noError(t, json.Unmarshal([]byte(show(trisha)), &got))
	equal(t, "patient", got, trisha)
}
