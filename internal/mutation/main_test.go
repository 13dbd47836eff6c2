package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const code = `package p

const wait = 2 * 3

// A comment moves nothing.
func (b *budget[T]) take(n int) bool {
	for n > b.left &&
		n < 9 {
		if n == 3 {
			continue
		}
		n++
	}
	return n == 3
}

func kind(n int) int {
	switch {
	case n > 3:
		n++
	}
	select {
	case c <- n - 1:
	default:
	}
	return n
}
`

// Each place where gremlins mutates is named by function and code.
func TestMutantsAreNamed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		line, column   int
		function, code string
	}{
		{3, 16, "-", "2 * 3"},
		{7, 17, "budget.take", "n > b.left && n < 9"},
		{7, 8, "budget.take", "n > b.left"},
		{8, 5, "budget.take", "n < 9"},
		{10, 4, "budget.take", "continue"},
		{12, 4, "budget.take", "n++"},
	} {
		source, err := parse(written(t, "p.go", code))
		if err != nil {
			t.Fatal(err)
		}
		function, text, err := source.at(test.line, test.column)
		if err != nil || function != test.function || text != test.code {
			t.Errorf("at %d:%d: %q, %q, %v", test.line, test.column, function, text, err)
		}
	}
}

func TestSurvivorsAndList(t *testing.T) {
	t.Parallel()
	const killed, lived = `{"type":"CONDITIONALS_NEGATION","status":"KILLED","line":9,"column":8}`,
		`{"type":"CONDITIONALS_NEGATION","status":"LIVED","line":14,"column":11}`
	const both = lived + `,{"type":"CONDITIONALS_NEGATION","status":"NOT COVERED","line":9,"column":8}`
	const name = "DIR/p.go budget.take CONDITIONALS_NEGATION n == 3"
	for _, test := range []struct{ fact, mutations, list, complaint string }{
		{"all killed, none listed", killed, "# nothing\n\n", ""},
		{"a survivor that is listed", killed + "," + lived, name + " # equal", ""},
		{"a survivor that isn't", killed + "," + lived, "", "not listed, LIVED: " + name},
		{"no test runs it", both, name + " # equal", "not listed, "},
		{"two alike, listed twice", both, name + " # equal\n" + name + " # equal", ""},
		{"a listed one that is killed", killed, name + " # equal", ""},
		{"a listed one whose code went", killed, "DIR/p.go budget.take INVERT_LOGICAL a && b # equal", "listed, but no such code"},
		{"one of a directory that wasn't run", killed, "elsewhere/p.go f INVERT_LOGICAL a && b # equal", ""},
		{"a timeout", strings.Replace(lived, "LIVED", "TIMED OUT", 1), "", ""},
		{"no reason", killed, name, "line 1 is not"},
		{"other code", strings.Replace(killed, "9", "10", 1), "", "the result is of other code"},
		{"nothing run", "", "", "no mutants"},
	} {
		t.Run(test.fact, func(t *testing.T) {
			t.Parallel()
			directory := filepath.ToSlash(filepath.Dir(written(t, "p.go", code)))
			result := written(t, "result.json", `{"files":[{"file_name":"p.go","mutations":[`+test.mutations+`]}]}`)
			list := written(t, "list", strings.ReplaceAll(test.list, "DIR", directory))
			want := strings.ReplaceAll(test.complaint, "DIR", directory)
			for _, target := range []string{directory, directory + "/p.go"} {
				err := run(t.Output(), list, []string{target + "=" + result})
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("%v; want %q", err, want)
				}
			}
		})
	}
}

func written(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Go's coverage counts neither conditions of cases nor what is outside of functions.
func TestUncountedIsTried(t *testing.T) {
	t.Parallel()
	var profile strings.Builder
	if err := printUncounted(&profile, "example.com/p", []string{written(t, "p.go", code)}); err != nil {
		t.Fatal(err)
	}
	const want = `example.com/p/p.go:19.2,19.12 1 1
example.com/p/p.go:23.2,23.17 1 1
example.com/p/p.go:24.2,24.9 1 1
example.com/p/p.go:3.1,3.19 1 1
`
	if profile.String() != want {
		t.Errorf("%s", profile.String())
	}
}

// Where one file was run, the lines of the others are left alone.
func TestListOfAFile(t *testing.T) {
	t.Parallel()
	directory := filepath.ToSlash(filepath.Dir(written(t, "p.go", code)))
	result := written(t, "result.json", `{"files":[
		{"file_name":"p.go","mutations":[{"type":"CONDITIONALS_NEGATION","status":"KILLED","line":9,"column":8}]},
		{"file_name":"gone.go","mutations":[{"type":"CONDITIONALS_NEGATION","status":"LIVED","line":9,"column":8}]}]}`)
	list := written(t, "list", directory+"/gone.go f INVERT_LOGICAL a && b # equal")
	if err := run(t.Output(), list, []string{directory + "/p.go=" + result}); err != nil {
		t.Error(err)
	}
	if err := run(t.Output(), list, []string{directory + "=" + result}); err == nil {
		t.Error("a result of a file that isn't there passes")
	}
}
