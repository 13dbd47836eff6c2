package closure_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/closurehealth/closure-go"
)

// published are the directories of the packages that programs import.
var published = []string{".", "closuretest", "otelclosure", "closuresql", "closuretemporal"}

// parseDir parses the Go files of a directory: its tests, or all others.
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

// comments returns the comments of a package's exported names, such as "Client.BookSlot", and
// of the package under its own name.
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

// If a link in a comment names nothing, readers see its brackets.
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
						t.Errorf("the comment of %s says %q is from %q, internal/operation/operation.go says %q", name, call, source, sources[call])
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
			t.Errorf("the comment of %s names no source of %v: write (source: guide), reference or inferred, after it", name, unsourced)
		case call != "" && !slices.Contains(named, call):
			t.Errorf("the comment of %s names %q, not its call: write %q into it", name, named, call+" (source: "+sources[call]+")")
		case len(named) == 0:
			t.Errorf("the comment of %s names no call: write those that it makes into it, as GET /patients (source: guide)", name)
		}
	}
}

// callingMethods returns the methods that call the API: from the name in a call,
// "Patients.List", to the declared one, PatientsService.List.
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
			t.Errorf("%s has no example with an output: write Example%s, with // Output:", name, strings.ReplaceAll(method, ".", "_"))
		}
	}
}

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fence        = regexp.MustCompile("(?ms)^```.*?^```$")
	heading      = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInAnchor  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// documents are all that people read.
func documents(t testing.TB) (all []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "*/README.md", "examples/*/README.md"} {
		found, err := filepath.Glob(pattern)
		noError(t, err)
		all = append(all, found...)
	}
	return all
}

// Links between documents, and from them to pictures and programs, lead somewhere. Links to
// other sites are not checked.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, document := range documents(t) {
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

// The pictures that the documents show are small, and say in words what is to be seen; no other
// picture lies in docs.
func TestPictures(t *testing.T) {
	t.Parallel()
	unseen, shown := map[string]bool{}, regexp.MustCompile(`!\[([^\]]*)\]\(([^)\s]+)\)`)
	for pattern, most := range map[string]int64{"docs/*.svg": 60_000, "docs/*.png": 150_000} {
		pictures, err := filepath.Glob(pattern)
		noError(t, err)
		for _, picture := range pictures {
			unseen[picture] = true
			if info, err := os.Stat(picture); err != nil || info.Size() > most {
				t.Errorf("%s has more than %d bytes: %v", picture, most, err)
			}
		}
	}
	for _, document := range documents(t) {
		for _, match := range shown.FindAllStringSubmatch(prose(t, document), -1) {
			delete(unseen, filepath.Join(filepath.Dir(document), match[2]))
			if words := len(strings.Fields(match[1])); words < 3 {
				t.Errorf("%s shows %s, and says in %d words what is to be seen", document, match[2], words)
			}
		}
	}
	for picture := range unseen {
		t.Errorf("no document shows %s", picture)
	}
}

// prose is a document without its blocks of code.
func prose(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	noError(t, err)
	return fence.ReplaceAllString(string(text), "")
}

// headingAnchors returns the anchors that GitHub makes of the headings.
func headingAnchors(t testing.TB, path string) (all []string) {
	t.Helper()
	for _, match := range heading.FindAllStringSubmatch(prose(t, path), -1) {
		all = append(all, strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-"))
	}
	return all
}

// The recipe for a new call names at most seven files, and they are there.
func TestRecipeForACall(t *testing.T) {
	t.Parallel()
	_, recipe, _ := strings.Cut(prose(t, "CONTRIBUTING.md"), "## A new call of the API")
	recipe, _, _ = strings.Cut(recipe, "\n## ")
	rows, names := 0, testNames(t)
	for line := range strings.Lines(recipe) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		rows++
		path := regexp.MustCompile("`([^`]+)`").FindStringSubmatch(cells[1])[1]
		if _, err := os.Stat(path); err != nil {
			t.Errorf("the recipe names %s, which isn't there", path)
		}
		for _, test := range regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(cells[3], -1) {
			if !slices.Contains(names, test[1]) {
				t.Errorf("the recipe names %s, which isn't there", test[1])
			}
		}
	}
	if rows != 7 {
		t.Errorf("the recipe has %d files, want 7", rows)
	}
}

func testNames(t testing.TB) (all []string) {
	t.Helper()
	_, files := parseDir(t, ".", true)
	for _, file := range files {
		for _, declared := range file.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok {
				all = append(all, f.Name.Name)
			}
		}
	}
	return all
}

// The update bot looks after every module.
func TestEveryModuleIsUpdated(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile(".github/dependabot.yml")
	noError(t, err)
	modules := 0
	err = filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "go.mod" {
			return err
		}
		modules++
		directory := "/" + strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), ".")
		if !strings.Contains(string(config), "      - "+directory+"\n") {
			t.Errorf(".github/dependabot.yml does not list %s", directory)
		}
		return nil
	})
	noError(t, err)
	if modules < 3 {
		t.Errorf("%d modules found", modules)
	}
}

// An action that is pinned by a tag runs whatever the tag is moved to.
func TestActionsArePinned(t *testing.T) {
	t.Parallel()
	workflows, err := filepath.Glob(".github/workflows/*.yml")
	noError(t, err)
	pinned, used := regexp.MustCompile(`uses: [\w/-]+@[0-9a-f]{40} # v\d`), regexp.MustCompile(`uses:.*`)
	for _, workflow := range workflows {
		text, err := os.ReadFile(workflow)
		noError(t, err)
		for _, line := range used.FindAllString(string(text), -1) {
			if !pinned.MatchString(line) {
				t.Errorf("%s: %s is not pinned by a hash, with its version as a comment", workflow, line)
			}
		}
	}
	if len(workflows) == 0 {
		t.Error("no workflow found")
	}
}

// What programs are linked with is what SECURITY.md says, and nothing else.
func TestModulesOfTheLibrary(t *testing.T) {
	t.Parallel()
	const module = "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}"
	output, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", module, ".").Output()
	noError(t, err)
	linked := slices.Compact(slices.Sorted(slices.Values(strings.Fields(string(output)))))
	said := regexp.MustCompile(`(github\.com|golang\.org)/[\w/-]+`).FindAllString(prose(t, "SECURITY.md"), -1)
	slices.Sort(said)
	if !slices.Equal(linked, said) {
		t.Errorf("linked with %v, SECURITY.md says %v", linked, said)
	}
}
