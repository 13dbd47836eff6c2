// Mutation compares the mutants that survived a run of gremlins with the list of those
// that may. It fails for a survivor that isn't listed, and for a listed one whose code is
// gone. One that was killed is only named: a test killed it, or failed for another reason.
// .ci/mutation runs it.
//
//	go run ./internal/mutation LIST PACKAGE=RESULT.json...
//	go run ./internal/mutation -uncounted IMPORTPATH FILE.go... >>PROFILE
//
// PACKAGE is its directory, or one file of it. The second form prints what Go's coverage
// doesn't count, as lines of a coverage profile that say that tests run it: gremlins tries
// no mutant elsewhere.
//
// A line of the list is the file, the function, the kind of mutant, the code that it
// changes, and after " # " the reason why it may survive:
//
//	budget.go budget.tokens CONDITIONALS_BOUNDARY b.left > b.most # equal either way
//
// It holds no line numbers, so that it outlives edits elsewhere in the file. If the
// function has the same code twice, so may the list.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: go run ./internal/mutation LIST PACKAGE=RESULT.json...")
		fmt.Fprintln(os.Stderr, "       go run ./internal/mutation -uncounted IMPORTPATH FILE.go...")
		os.Exit(2)
	}
	var err error
	if os.Args[1] == "-uncounted" {
		err = printUncounted(os.Stdout, os.Args[2], os.Args[3:])
	} else {
		err = run(os.Stdout, os.Args[1], os.Args[2:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1)
	}
}

// run compares the results of each package with the lines of its files.
func run(out io.Writer, listFile string, arguments []string) error {
	text, err := os.ReadFile(listFile)
	if err != nil {
		return err
	}
	listed, err := parseList(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", listFile, err)
	}
	var complaints []string
	for _, argument := range arguments {
		target, resultFile, _ := strings.Cut(argument, "=")
		results, err := read(target, resultFile)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %s\n", target, count(results))
		wrong, killed := compare(within(listed, target), results)
		for _, m := range killed {
			fmt.Fprintf(out, "listed, and killed this time: %s\n", m)
		}
		complaints = append(complaints, wrong...)
	}
	if len(complaints) > 0 {
		return fmt.Errorf("%s and the survivors differ:\n%s", listFile, strings.Join(complaints, "\n"))
	}
	return nil
}

// A mutant is named by what it changes, and not by where.
type mutant struct{ file, function, kind, code string }

func (m mutant) String() string {
	return strings.Join([]string{m.file, m.function, m.kind, m.code}, " ")
}

// parseList reads the mutants that may survive.
func parseList(text string) ([]mutant, error) {
	var listed []mutant
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, _ := strings.Cut(line, " # ")
		fields := strings.SplitN(name, " ", 4)
		if len(fields) < 4 || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("line %d is not: file function KIND code # reason", number)
		}
		listed = append(listed, mutant{fields[0], fields[1], fields[2], strings.TrimSpace(fields[3])})
	}
	return listed, nil
}

// in reports whether the mutant is of that directory, or of that file.
func (m mutant) in(target string) bool {
	return m.file == path.Clean(target) || path.Dir(m.file) == path.Clean(target)
}

func within(listed []mutant, target string) []mutant {
	return slices.DeleteFunc(slices.Clone(listed), func(m mutant) bool { return !m.in(target) })
}

// A result is what became of a mutant.
type result struct {
	mutant
	status string
}

// survived counts a mutant that made the tests hang as killed: somebody notices.
func (r result) survived() bool { return r.status == "LIVED" || r.status == "NOT COVERED" }

const outside = "-"

// read reads what gremlins wrote, and names each mutant by the code it was made of.
func read(target, resultFile string) ([]result, error) {
	data, err := os.ReadFile(resultFile)
	if err != nil {
		return nil, err
	}
	var written struct {
		Files []struct {
			Name      string `json:"file_name"`
			Mutations []struct {
				Type, Status string
				Line, Column int
			}
		}
	}
	if err := json.Unmarshal(data, &written); err != nil {
		return nil, fmt.Errorf("%s: %w", resultFile, err)
	}
	directory := target
	if path.Ext(target) == ".go" {
		directory = path.Dir(target)
	}
	var results []result
	for _, file := range written.Files {
		name := path.Join(directory, file.Name)
		if !(mutant{file: name}).in(target) {
			continue
		}
		source, err := parse(filepath.FromSlash(name))
		if err != nil {
			return nil, err
		}
		for _, m := range file.Mutations {
			function, code, err := source.at(m.Line, m.Column)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			results = append(results, result{mutant{name, function, m.Type, code}, m.Status})
		}
	}
	if len(results) == 0 {
		return nil, errors.New(resultFile + " has no mutants of " + target)
	}
	return results, nil
}

func count(results []result) string {
	counts := map[string]int{}
	for _, r := range results {
		counts[strings.ToLower(r.status)]++
	}
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[status], status))
	}
	return fmt.Sprintf("%d mutants, %s", len(results), strings.Join(parts, ", "))
}

// compare returns a line for each survivor that isn't listed and for each listed mutant
// that there is not, and those that are listed and were killed.
func compare(listed []mutant, results []result) (wrong []string, killed []mutant) {
	exists, status, surplus := map[mutant]bool{}, map[mutant]string{}, map[mutant]int{}
	for _, r := range results {
		exists[r.mutant] = true
		if r.survived() {
			surplus[r.mutant]++
			status[r.mutant] = r.status
		}
	}
	for _, m := range listed {
		switch {
		case surplus[m] > 0:
			surplus[m]--
		case exists[m]:
			killed = append(killed, m)
		default:
			wrong = append(wrong, "listed, but no such code: "+m.String())
		}
	}
	for m, n := range surplus {
		for range n {
			wrong = append(wrong, "not listed, "+status[m]+": "+m.String())
		}
	}
	slices.Sort(wrong)
	return wrong, killed
}

// A source is a parsed file.
type source struct {
	positions *token.FileSet
	file      *ast.File
}

func parse(name string) (source, error) {
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, name, nil, parser.SkipObjectResolution)
	return source{positions, file}, err
}

// at finds the function around the operator at a position, and the code that the
// operator is of.
func (s source) at(line, column int) (function, code string, err error) {
	function = outside
	found := s.operatorAt(line, column)
	if found == nil {
		return "", "", fmt.Errorf("no operator at %d:%d: the result is of other code", line, column)
	}
	for _, declaration := range s.file.Decls {
		f, is := declaration.(*ast.FuncDecl)
		if is && f.Pos() <= found.Pos() && found.End() <= f.End() {
			function = functionName(f)
		}
	}
	var text bytes.Buffer
	if err := printer.Fprint(&text, s.positions, found); err != nil {
		return "", "", err
	}
	return function, strings.Join(strings.Fields(text.String()), " "), nil
}

// operatorAt returns the node whose operator is at a position, or nil.
func (s source) operatorAt(line, column int) (found ast.Node) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		position, has := operator(n)
		if !has {
			return true
		}
		if at := s.positions.Position(position); at.Line == line && at.Column == column {
			found = n
		}
		return true
	})
	return found
}

// printUncounted prints the conditions of cases and what is outside of functions.
func printUncounted(out io.Writer, importPath string, files []string) error {
	for _, name := range files {
		source, err := parse(name)
		if err != nil {
			return err
		}
		ast.Inspect(source.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CaseClause:
				source.printCovered(out, importPath, n.Pos(), n.Colon)
			case *ast.CommClause:
				source.printCovered(out, importPath, n.Pos(), n.Colon)
			}
			return true
		})
		for _, declaration := range source.file.Decls {
			if _, is := declaration.(*ast.GenDecl); is {
				source.printCovered(out, importPath, declaration.Pos(), declaration.End())
			}
		}
	}
	return nil
}

func (s source) printCovered(out io.Writer, importPath string, from, to token.Pos) {
	begin, end := s.positions.Position(from), s.positions.Position(to)
	fmt.Fprintf(out, "%s/%s:%d.%d,%d.%d 1 1\n", importPath, filepath.Base(begin.Filename), begin.Line, begin.Column, end.Line, end.Column)
}

// operator is where gremlins changes a node.
func operator(n ast.Node) (token.Pos, bool) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		return n.TokPos, true
	case *ast.BinaryExpr:
		return n.OpPos, true
	case *ast.BranchStmt:
		return n.TokPos, true
	case *ast.IncDecStmt:
		return n.TokPos, true
	case *ast.UnaryExpr:
		return n.OpPos, true
	}
	return token.NoPos, false
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	for {
		switch t := receiver.(type) {
		case *ast.StarExpr:
			receiver = t.X
		case *ast.IndexExpr: // of a generic type
			receiver = t.X
		case *ast.IndexListExpr:
			receiver = t.X
		case *ast.Ident:
			return t.Name + "." + f.Name.Name
		default:
			return f.Name.Name
		}
	}
}
