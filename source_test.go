package closure_test

import (
	"go/ast"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Our own rules for the source of the packages that programs import.

func TestForbiddenInLibrary(t *testing.T) {
	t.Parallel()
	for _, dir := range append(published, "internal/transport", "internal/wire") {
		fset, files := parseDir(t, dir, false)
		for _, file := range files {
			ast.Inspect(file, func(n ast.Node) bool {
				if what := forbidden(n); what != "" && !failsATask(dir, n) {
					t.Errorf("%s: %s", fset.Position(n.Pos()), what)
				}
				return true
			})
		}
	}
}

// failsATask is the one panic of a library: in a workflow it is Temporal's own way to fail
// a task, so that another worker takes over.
func failsATask(dir string, n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	return ok && dir == "closuretemporal" && types.ExprString(call) == "panic(err)"
}

func forbidden(n ast.Node) string {
	switch n := n.(type) {
	case *ast.CallExpr:
		// net/http's own way to drop a connection is no failure.
		if name, ok := n.Fun.(*ast.Ident); ok && name.Name == "panic" &&
			types.ExprString(n.Args[0]) != "http.ErrAbortHandler" {
			return "panic: a library returns errors"
		}
	case *ast.SelectorExpr:
		if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "time" && n.Sel.Name == "Sleep" {
			return "time.Sleep goes on when the context has ended"
		}
	case *ast.FuncDecl:
		if n.Recv == nil && n.Name.Name == "init" {
			return "init: importing must do nothing"
		}
	case *ast.BasicLit:
		// With it net/http itself sends a POST again.
		if n.Kind == token.STRING && strings.Contains(strings.ToLower(n.Value), "idempotency-key") {
			return "an Idempotency-Key would make net/http repeat a write"
		}
	}
	return ""
}

// Nothing that can hold a person's data, an id or a URL is made into a text, an
// error or a log record. It looks at the types of what is handed over, also
// through a conversion such as string(id): a value that went through a variable
// of a plain type gets past, and is for the canary test to find.
func TestNothingPersonalIsFormatted(t *testing.T) {
	t.Parallel()
	fset, files := parseDir(t, ".", false)
	info := typeCheck(t, fset, files)
	checked := 0
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !makesText(info, call) {
				return true
			}
			checked++
			for _, arg := range call.Args {
				if typ := personalType(info, arg); typ != nil {
					t.Errorf("%s: a %s is made into a text", fset.Position(arg.Pos()), typ)
				}
			}
			return true
		})
	}
	if checked < 20 {
		t.Errorf("only %d calls were looked at: are they still found?", checked)
	}
}

// makesText reports whether a call makes a text of its arguments.
func makesText(info *types.Info, call *ast.CallExpr) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	function, ok := info.Uses[selector.Sel].(*types.Func)
	if !ok || function.Pkg() == nil {
		return false
	}
	switch function.Pkg().Path() {
	case "fmt", "errors", "log", "log/slog":
		return function.Name() != "Is" && function.Name() != "AsType"
	default:
		return false
	}
}

// personalType is the type of an argument that must not be shown, if it is one.
func personalType(info *types.Info, arg ast.Expr) types.Type {
	if conversion, ok := arg.(*ast.CallExpr); ok && len(conversion.Args) == 1 && info.Types[conversion.Fun].IsType() {
		arg = conversion.Args[0]
	}
	typ := info.TypeOf(arg)
	if pointer, ok := typ.(*types.Pointer); ok {
		typ = pointer.Elem()
	}
	if slice, ok := typ.(*types.Slice); ok {
		typ = slice.Elem()
	}
	name := types.TypeString(typ, func(p *types.Package) string { return p.Name() })
	switch name {
	case "byte", "closure.Date", "closure.Minutes", "closure.Slot", "http.Header", "http.Request", "http.Response",
		"time.Time", "transport.Answer", "url.URL", "url.Values":
		return typ
	}
	if strings.HasSuffix(name, "Params") {
		return typ
	}
	methods := types.NewMethodSet(types.NewPointer(typ))
	has := func(name string) bool { return lookup(methods, name) }
	if has("prefix") || has("Format") && !has("Error") { // an id, or what prints redacted
		return typ
	}
	return nil
}

func lookup(methods *types.MethodSet, name string) bool {
	for method := range methods.Methods() {
		if method.Obj().Name() == name {
			return true
		}
	}
	return false
}

// typeCheck checks the package with the compiler's data of what it imports.
func typeCheck(t testing.TB, fset *token.FileSet, files []*ast.File) *types.Info {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", ".")
	listed, err := list.Output()
	noError(t, err)
	exports := map[string]string{}
	for line := range strings.Lines(string(listed)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		exports[path] = file
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	_, err = config.Check("github.com/closurehealth/closure-go", fset, files, info)
	noError(t, err)
	return info
}
