package closure_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// The law of privacy: an exported struct prints redacted, or it says here why it
// need not. Nobody has to remember it: a new struct that does neither fails.

const aService = "a pointer to what calls go through; TestClientsAndServicesHideTheKey prints it in every way"

// notPersonal are the exported structs that print as they are, and why they may.
var notPersonal = map[string]string{
	"closure.AppointmentType":          "the directory: public data of practices",
	"closure.AvailabilityListParams":   "a range of time that is asked of a schedule, for nobody in particular",
	"closure.BookingEvent":             "made of names of this package, numbers and a random id",
	"closure.ClockTime":                "a time of day without a day",
	"closure.Date":                     "a single value that its reader took out of a record; records print redacted",
	"closure.Event":                    "made of names of this package, numbers, and a request id of an allowed shape",
	"closure.IndexVersion":             "the directory: a copy's id and the name that its maker gave it",
	"closure.IndexVersionCreateParams": "the directory: the name of a copy",
	"closure.InputError":               "made of names, reasons and a sentinel that stand in this package's source",
	"closure.Insurance":                "the directory: a plan, which many people share",
	"closure.Location":                 "the directory: where a practice is",
	"closure.Practitioner":             "the directory: public data, as in the NPI registry",
	"closure.PractitionerListParams":   "the directory: public numbers",
	"closure.Ref":                      "an id or a record of the directory",
	"closure.RetryPolicy":              "numbers",
	"closure.Schedule":                 "the directory: who practises where",
	"closure.ScheduleListParams":       "ids of the directory",
	"closure.Slot":                     "an open time of a schedule, which nobody has booked",
	"closure.SlotSearch":               "ids of the directory and bounds of time, without a person",
	"closure.Specialty":                "the directory: a field of medicine",

	"closure.AppointmentTypesService": aService,
	"closure.AppointmentsService":     aService,
	"closure.AvailabilitiesService":   aService,
	"closure.IndexVersionsService":    aService,
	"closure.InsurancesService":       aService,
	"closure.LocationsService":        aService,
	"closure.PatientsService":         aService,
	"closure.PractitionersService":    aService,
	"closure.SchedulesService":        aService,
	"closure.SpecialtiesService":      aService,

	"closuretemporal.Policy": "durations",
	"closuretemporal.Status": "a state, numbers, and when it was looked for",

	"closuretest.Clock":        "the time of a test",
	"closuretest.Fault":        "an operation and numbers",
	"closuretest.Index":        "ids of made-up data",
	"closuretest.Injection":    "an operation and numbers",
	"closuretest.Journal":      "made-up data, for tests",
	"closuretest.JournalFault": "a method and numbers",
	"closuretest.Request":      "made-up data, shown so that a failing test tells what arrived; a live request isn't kept",
	"closuretest.Server":       "made-up data; it holds no client, and keeps no Authorization header",
}

// roots are where the walk to the package's types begins: what no method of the
// client takes or returns stands here.
var roots = []reflect.Type{
	reflect.TypeFor[*closure.Client](),
	reflect.TypeFor[closure.APIError](),
	reflect.TypeFor[closure.TransportError](),
	reflect.TypeFor[closure.InsuranceError](),
	reflect.TypeFor[closure.OutcomeUnknownError](),
	reflect.TypeFor[closure.JournalError](),
	reflect.TypeFor[closure.JournalEntry](),
	reflect.TypeFor[closure.Resolution](),
	reflect.TypeFor[closure.Response](),
}

// lawProblems says what breaks the law among a package's exported structs.
func lawProblems(pkg *types.Package, reasons map[string]string, tested map[string]reflect.Type) (problems []string) {
	for _, name := range exportedStructs(pkg) {
		full := pkg.Name() + "." + name
		methods := types.NewMethodSet(pkg.Scope().Lookup(name).Type())
		redacts := methods.Lookup(pkg, "Format") != nil && methods.Lookup(pkg, "LogValue") != nil
		_, excused := reasons[full]
		switch typ := tested[full]; {
		case !redacts && !excused:
			problems = append(problems, full+" has no Format and LogValue, so that fmt and slog print all its fields:"+
				" give it both beside its declaration, with value receivers (helpers: redacted and showing in redact.go),"+
				" or add it to notPersonal in law_test.go with the reason why it holds nothing of a patient and no key")
		case redacts && excused:
			problems = append(problems, full+" has Format and LogValue: take it off notPersonal in law_test.go")
		case redacts && typ == nil && pkg.Name() == "closure":
			problems = append(problems, full+" is not tested: add its type to roots in law_test.go")
		case typ != nil && redacts && !(typ.Implements(formatter) && typ.Implements(logValuer)):
			problems = append(problems, full+": Format and LogValue are not those of fmt.Formatter and slog.LogValuer")
		}
	}
	return problems
}

var formatter, logValuer = reflect.TypeFor[fmt.Formatter](), reflect.TypeFor[slog.LogValuer]()

func TestEveryExportedStructPrintsRedacted(t *testing.T) {
	t.Parallel()
	tested := reachableStructs()
	unseen := maps.Clone(notPersonal)
	for _, dir := range published {
		fset, files := parseDir(t, dir, false)
		pkg := ownTypes(fset, files...)
		for _, problem := range lawProblems(pkg, notPersonal, tested) {
			t.Error(problem)
		}
		for _, name := range exportedStructs(pkg) {
			delete(unseen, pkg.Name()+"."+name)
		}
	}
	for name := range unseen {
		t.Errorf("%s is on notPersonal in law_test.go, and no exported struct is called so", name)
	}
}

// The test of the law finds structs that break it.
func TestTheLawFindsNewStructs(t *testing.T) {
	t.Parallel()
	const source = `package closure
	import ("fmt"; "log/slog")
	type PatientUpdateParams struct { Email string }
	type AnotherPatient Patient
	type Patient struct { Email string }
	func (Patient) Format(fmt.State, rune) {}
	func (Patient) LogValue() slog.Value { return slog.Value{} }
	type OnlyFormats struct { Email string }
	func (OnlyFormats) Format(fmt.State, rune) {}
	type ByPointer struct { Email string }
	func (*ByPointer) Format(fmt.State, rune) {}
	func (*ByPointer) LogValue() slog.Value { return slog.Value{} }
	type Excused struct { Email string }
	type Pair[T any] struct { First T }
	type Service struct { hidden }
	type hidden struct { Patient }
	type IntPair = Pair[int]
	type Shown = hidden
	type Text string`
	fset, file := parseText(t, source)
	pkg := ownTypes(fset, file)
	reasons := map[string]string{"closure.Excused": "test", "closure.Patient": "stale"}
	var names []string
	for _, problem := range lawProblems(pkg, reasons, nil) {
		name, _, _ := strings.Cut(problem, " ")
		names = append(names, strings.TrimPrefix(name, "closure."))
	}
	slices.Sort(names)
	// Service has the methods, and no test.
	equal(t, "broken by", names, []string{
		"AnotherPatient", "ByPointer", "OnlyFormats", "Pair", "Patient", "PatientUpdateParams", "Service", "Shown",
	})
}

// ownTypes are a package's own types. It knows nothing of what the package
// imports: the package's structs and their methods are all that is asked.
func ownTypes(fset *token.FileSet, files ...*ast.File) *types.Package {
	config := &types.Config{Error: func(error) {}, Importer: noImports{}}
	pkg, _ := config.Check("", fset, files, nil) // the error is what an import would have told
	return pkg
}

type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("no imports") }

func exportedStructs(pkg *types.Package) (names []string) {
	for _, name := range pkg.Scope().Names() {
		object, isType := pkg.Scope().Lookup(name).(*types.TypeName)
		if !isType || !object.Exported() {
			continue
		}
		if named, ok := types.Unalias(object.Type()).(*types.Named); ok && object.IsAlias() && named.Obj().Exported() &&
			named.Obj().Pkg() == pkg {
			continue // another name of a type that is on the list itself
		}
		if _, isStruct := object.Type().Underlying().(*types.Struct); isStruct {
			names = append(names, name)
		}
	}
	return names
}

// reachableStructs are the package's exported structs that a walk from the roots
// comes by, through fields and through what methods take and return.
func reachableStructs() map[string]reflect.Type {
	found, seen := map[string]reflect.Type{}, map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		ours := strings.HasSuffix(typ.PkgPath(), "/closure-go")
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array:
			visit(typ.Elem())
		case reflect.Map:
			visit(typ.Key())
			visit(typ.Elem())
		case reflect.Func:
			for in := range typ.Ins() {
				visit(in)
			}
			for out := range typ.Outs() {
				visit(out)
			}
		case reflect.Struct:
			if !ours {
				return
			}
			name, _, _ := strings.Cut(typ.Name(), "[")
			if ast.IsExported(name) {
				found["closure."+name] = typ
			}
			for field := range typ.Fields() {
				if field.IsExported() {
					visit(field.Type)
				}
			}
			for method := range reflect.PointerTo(typ).Methods() {
				visit(method.Type)
			}
		}
	}
	for _, root := range roots {
		visit(root)
	}
	return found
}

// redactedStructs are those that print redacted.
func redactedStructs() map[string]reflect.Type {
	found := reachableStructs()
	maps.DeleteFunc(found, func(name string, _ reflect.Type) bool { return notPersonal[name] != "" })
	return found
}

// shownID is in the ids that a type may say it shows.
const shownID = "Shown7x"

// A filler puts the canary into every field of a value, however deep.
type filler struct {
	ready map[reflect.Type]reflect.Value // what only the package can make
}

// newFiller fills clients and services with those of the client.
func newFiller(client *closure.Client) *filler {
	f := &filler{map[reflect.Type]reflect.Value{}}
	v := reflect.ValueOf(client).Elem()
	f.ready[v.Type()] = v
	for field := range v.Type().Fields() {
		if field.IsExported() {
			f.ready[field.Type.Elem()] = v.FieldByIndex(field.Index).Elem()
		}
	}
	for _, value := range []any{
		canary.start, canary.dob, closure.ScheduleID("sch_" + shownID), closure.AppointmentID("appt_" + shownID),
		time.FixedZone("KANARI", 3600), []byte(leak), http.Header{"X-Kanari": {leak}},
	} {
		f.ready[reflect.TypeOf(value)] = reflect.ValueOf(value)
	}
	cause := &closure.APIError{Message: leak, Detail: []string{leak}, Type: leak}
	f.ready[reflect.TypeFor[error]()] = reflect.ValueOf(cause)
	return f
}

// value is a full value of the type.
func (f *filler) value(typ reflect.Type) any {
	v := reflect.New(typ).Elem()
	f.fill(v, "")
	return v.Interface()
}

func (f *filler) fill(v reflect.Value, field string) {
	if ready, ok := f.ready[v.Type()]; ok {
		v.Set(ready)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for field := range v.Type().Fields() {
			inner := v.FieldByIndex(field.Index)
			// By its address also an unexported field can be set.
			f.fill(reflect.NewAt(inner.Type(), inner.Addr().UnsafePointer()).Elem(), field.Name)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), field)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(v.Index(0), field)
	case reflect.Map:
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key, field)
		f.fill(elem, field)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, elem)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(canaryText(field))
	case reflect.Int, reflect.Int64:
		v.SetInt(canaryNumber(field))
	case reflect.Interface:
		if v.NumMethod() == 0 {
			v.Set(reflect.ValueOf(leak))
		}
	}
}

// canaryText is leak, but for the names that stand in the operation table.
func canaryText(field string) string {
	switch field {
	case "Op", "Method", "Route":
		return "of the table"
	default:
		return leak
	}
}

// canaryNumber is the canary's NPI, but for what is shown of an answer.
func canaryNumber(field string) int64 {
	switch field {
	case "StatusCode", "Attempts":
		return 7
	default:
		return 9812345670
	}
}

// A new kind of field that the filler can't fill would make the tests blind.
func TestFillerFillsEveryField(t *testing.T) {
	t.Parallel()
	f := newFiller(busyClient(t))
	for name, typ := range redactedStructs() {
		if _, made := f.ready[typ]; made {
			continue
		}
		v := reflect.ValueOf(f.value(typ))
		for field := range typ.Fields() {
			if v.FieldByIndex(field.Index).IsZero() {
				t.Errorf("%s.%s stays empty: teach fill in law_test.go the type %s", name, field.Name, field.Type)
			}
		}
	}
}
