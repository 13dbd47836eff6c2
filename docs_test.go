package closure_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/closurehealth/closure-go"
)

// published are the directories of the packages that programs import.
var published = []string{".", "closuretest", "otelclosure", "closuretemporal"}

// parseDir reads the Go files of a directory; tests says which.
func parseDir(t testing.TB, dir string, tests bool) (*token.FileSet, []*ast.File) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	noError(t, err)
	fset, files := token.NewFileSet(), []*ast.File(nil)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") != tests {
			continue
		}
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		noError(t, err)
		files = append(files, file)
	}
	return fset, files
}

// parseText reads one file of Go.
func parseText(t testing.TB, text string) (*token.FileSet, *ast.File) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "text.go", text, 0)
	noError(t, err)
	return fset, file
}

// comments are the comments of a package's exported names, "Client.BookSlot",
// and of the package under its own.
func comments(t testing.TB, dir string) map[string]string {
	t.Helper()
	fset, files := parseDir(t, dir, false)
	pkg, err := doc.NewFromFiles(fset, files, dir)
	noError(t, err)
	found := map[string]string{pkg.Name: pkg.Doc}
	values := func(all []*doc.Value) {
		for _, v := range all {
			for _, spec := range v.Decl.Specs {
				spec, _ := spec.(*ast.ValueSpec)
				for _, name := range spec.Names {
					found[name.Name] = v.Doc + spec.Doc.Text() + spec.Comment.Text()
				}
			}
		}
	}
	funcs := func(all []*doc.Func, prefix string) {
		for _, f := range all {
			found[prefix+f.Name] = f.Doc
		}
	}
	values(pkg.Consts)
	values(pkg.Vars)
	funcs(pkg.Funcs, "")
	for _, typ := range pkg.Types {
		found[typ.Name] = typ.Doc
		for _, spec := range typ.Decl.Specs { // types can share a group's comment
			if spec := spec.(*ast.TypeSpec); spec.Name.Name == typ.Name {
				found[typ.Name] += spec.Doc.Text() + spec.Comment.Text()
			}
		}
		values(typ.Consts)
		values(typ.Vars)
		funcs(typ.Funcs, "")
		funcs(typ.Methods, typ.Name+".")
	}
	return found
}

func TestEveryNameIsDocumented(t *testing.T) {
	t.Parallel()
	for _, dir := range published {
		for name, text := range comments(t, dir) {
			if ast.IsExported(strings.TrimPrefix(filepath.Ext("."+name), ".")) && strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s has no comment", dir, name)
			}
		}
	}
}

// A link of a comment that names nothing is shown in its brackets.
func TestDocLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\[\*?([A-Z]\w*(?:\.[A-Z]\w*)?)\]`)
	for _, dir := range published {
		all := comments(t, dir)
		for name, text := range all {
			for _, match := range link.FindAllStringSubmatch(text, -1) {
				if _, found := all[match[1]]; !found {
					t.Errorf("%s: the comment of %s links to %s, which isn't there", dir, name, match[1])
				}
			}
		}
	}
}

// A method's comment names its calls as "GET /patients (source: guide)"; several
// calls can share a source.
var callOrSource = regexp.MustCompile(`(GET|POST|PATCH) (/[a-z_/{}]+)|\(source: (\w+)`)

func TestCommentsNameTheCall(t *testing.T) {
	t.Parallel()
	sources, own := map[string]string{}, map[string]string{}
	for _, op := range closure.Operations() {
		call := op.Method + " " + op.Route
		sources[call], own[goName(op.Name)] = op.Source, call
	}
	all := comments(t, ".")
	for name, method := range callingMethods() {
		if name == "Client.Call" { // makes any call
			continue
		}
		text := strings.Join(strings.Fields(all[method]), " ")
		named, unsourced := []string(nil), []string(nil)
		for _, match := range callOrSource.FindAllStringSubmatch(text, -1) {
			if source := match[3]; source != "" {
				for _, call := range unsourced {
					if sources[call] != source {
						t.Errorf("the comment of %s says %q is from %q, operations.go says %q", name, call, source, sources[call])
					}
				}
				unsourced = nil
				continue
			}
			named, unsourced = append(named, match[0]), append(unsourced, match[0])
		}
		switch call := own[name]; {
		case strings.Contains(text, "The calls and sources are those of"): // of a helper
		case len(unsourced) > 0:
			t.Errorf("the comment of %s names no source of %v", name, unsourced)
		case len(named) == 0 || call != "" && !slices.Contains(named, call):
			t.Errorf("the comment of %s names %q, not its call %q", name, named, call)
		}
	}
}

// callingMethods are the methods that call the API, as they are called and as
// they are declared: "Patients.List" is PatientsService.List.
func callingMethods() map[string]string {
	methods := map[string]string{}
	for name := range serviceMethods() {
		service, method, _ := strings.Cut(name, ".")
		field, _ := reflect.TypeFor[closure.Client]().FieldByName(service)
		methods[name] = field.Type.Elem().Name() + "." + method
	}
	client := reflect.TypeFor[*closure.Client]()
	for i := range client.NumMethod() {
		if m := client.Method(i); m.Type.IsVariadic() { // the helpers take CallOptions
			methods["Client."+m.Name] = "Client." + m.Name
		}
	}
	return methods
}

func TestEveryMethodHasAnExample(t *testing.T) {
	t.Parallel()
	examples := map[string]bool{}
	_, files := parseDir(t, ".", true)
	for _, example := range doc.Examples(files...) {
		examples[example.Name] = example.Output != "" // without one it isn't run
	}
	for name, method := range callingMethods() {
		if !examples[strings.ReplaceAll(method, ".", "_")] {
			t.Errorf("%s has no example with an output", name)
		}
	}
}

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fence        = regexp.MustCompile("(?ms)^```.*?^```$")
	heading      = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInAnchor  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// Links between documents lead somewhere; those to other sites are not followed.
func TestLinks(t *testing.T) {
	t.Parallel()
	var documents []string
	for _, pattern := range []string{"*.md", "docs/*.md", "*/README.md"} {
		found, err := filepath.Glob(pattern)
		noError(t, err)
		documents = append(documents, found...)
	}
	for _, document := range documents {
		for _, match := range markdownLink.FindAllStringSubmatch(prose(t, document), -1) {
			path, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(path, ":") {
				continue
			}
			target := document
			if path != "" {
				target = filepath.Join(filepath.Dir(document), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which isn't there", document, match[1])
			} else if anchor != "" && !slices.Contains(headingAnchors(t, target), anchor) {
				t.Errorf("%s links to %s: %s has no such heading", document, match[1], target)
			}
		}
	}
}

// prose is a document without its blocks of code.
func prose(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	noError(t, err)
	return fence.ReplaceAllString(string(text), "")
}

// headingAnchors are made from the headings as GitHub does.
func headingAnchors(t testing.TB, path string) (all []string) {
	t.Helper()
	for _, match := range heading.FindAllStringSubmatch(prose(t, path), -1) {
		all = append(all, strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-"))
	}
	return all
}
