package closure_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// What must not compile, and for each a similar statement that must.
func TestMustNotCompile(t *testing.T) {
	t.Parallel()
	check := compiler(t)
	for _, tt := range []struct{ good, bad string }{
		{ // ids of two kinds don't mix
			`_, _ = c.Patients.Get(ctx, patient)`,
			`_, _ = c.Patients.Get(ctx, schedule)`,
		}, {
			`_, _ = c.Availabilities.List(ctx, schedule, closure.AvailabilityListParams{})`,
			`_, _ = c.Availabilities.List(ctx, patient, closure.AvailabilityListParams{})`,
		}, {
			`_ = closure.AppointmentCreateParams{ScheduleID: schedule, PatientID: patient}`,
			`_ = closure.AppointmentCreateParams{ScheduleID: patient, PatientID: schedule}`,
		}, {
			`_ = schedule == closure.ScheduleID("x")`,
			`_ = schedule == patient`,
		}, {
			`_ = closure.Schedule{}.CheckInsurance("ins_1")`,
			`_ = closure.Schedule{}.CheckInsurance(schedule)`,
		}, { // nor does a string that is no constant
			`_, _ = c.Patients.Get(ctx, closure.PatientID(text))`,
			`_, _ = c.Patients.Get(ctx, text)`,
		}, { // a client's option is not a call's
			`_, _ = c.Patients.Get(ctx, patient, closure.WithTimeout(1))`,
			`_, _ = c.Patients.Get(ctx, patient, closure.WithBaseURL("https://x"))`,
		}, {
			`_, _ = c.Specialties.List(ctx, closure.WithMaxAttempts(1))`,
			`_, _ = c.Specialties.List(ctx, closure.WithRetryPolicy(closure.RetryPolicy{MaxAttempts: 1}))`,
		}, { // a call's option is one of a client
			`_, _ = closure.NewClient("", closure.WithTimeout(1), closure.Expand())`,
			`_, _ = closure.NewClient("", closure.ExpandLocation)`,
		}, { // nobody else makes options
			`var _ closure.CallOption = closure.WithTimeout(1)`,
			`var _ closure.CallOption = func() {}`,
		},
	} {
		if err := check(tt.good); err != nil {
			t.Errorf("%s\ndoes not compile: %v", tt.good, err)
		}
		if check(tt.bad) == nil {
			t.Errorf("%s\ncompiles", tt.bad)
		}
	}
}

// compiler returns a function that type-checks statements against the package.
func compiler(t *testing.T) (check func(statements string) error) {
	t.Helper()
	exports := exportData(t)
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		file, ok := exports[path]
		if !ok {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(file)
	})
	return func(statements string) error {
		src := `package p
import ("context"; "github.com/closurehealth/closure-go")
func f(ctx context.Context, c *closure.Client, patient closure.PatientID, schedule closure.ScheduleID, text string) {
	` + statements + `
}`
		file, err := parser.ParseFile(fset, "p.go", src, 0)
		if err != nil {
			t.Fatalf("%s: %v", statements, err)
		}
		_, err = (&types.Config{Importer: imports}).Check("p", fset, []*ast.File{file}, nil)
		return err
	}
}

// exportData says where the build cache holds the packages' types.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	goCommand, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(goCommand, "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		if file != "" {
			files[path] = file
		}
	}
	return files
}
