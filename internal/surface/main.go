// Surface prints what a package exports: one line each for a function, constant,
// variable, type, field and method. api/ keeps these lines. If a line changes or goes, a
// program that compiled may not compile any more; a new line breaks nobody.
//
//	go run ./internal/surface DIRECTORY
package main

import (
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"
)

func main() {
	if len(os.Args) != 2 || strings.HasPrefix(os.Args[1], "-") {
		fmt.Fprintln(os.Stderr, "usage: go run ./internal/surface DIRECTORY")
		os.Exit(2)
	}
	pkg, err := load(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "surface:", err)
		os.Exit(1)
	}
	fmt.Println(strings.Join(lines(pkg), "\n"))
}

// load reads the package in the directory from the compiler's export data.
func load(directory string) (*types.Package, error) {
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".")
	list.Dir, list.Stderr = directory, os.Stderr
	listed, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	exports, last := map[string]string{}, ""
	for line := range strings.Lines(string(listed)) {
		importPath, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[importPath], last = file, importPath // the package itself is listed last
	}
	open := func(importPath string) (io.ReadCloser, error) {
		file, found := exports[importPath]
		if !found || file == "" {
			return nil, errors.New("no export data of " + importPath)
		}
		return os.Open(file)
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", open).Import(last)
}

func lines(pkg *types.Package) (all []string) {
	p := printer{pkg}
	scope := pkg.Scope()
	for _, name := range scope.Names() {
		if token.IsExported(name) {
			all = append(all, p.object(scope.Lookup(name))...)
		}
	}
	return all
}

// A printer prints names of its own package without qualifier.
type printer struct{ pkg *types.Package }

func (p printer) qualifier(other *types.Package) string {
	if other == p.pkg {
		return ""
	}
	return path.Base(other.Path())
}

func (p printer) text(t types.Type) string { return types.TypeString(t, p.qualifier) }

func (p printer) object(o types.Object) []string {
	switch o := o.(type) {
	case *types.Const:
		if o.Name() == "Version" { // each release changes it
			return []string{"const Version"}
		}
		return []string{fmt.Sprintf("const %s %s = %s", o.Name(), p.text(o.Type()), o.Val().ExactString())}
	case *types.Var:
		return []string{fmt.Sprintf("var %s %s", o.Name(), p.text(o.Type()))}
	case *types.Func:
		return []string{"func " + o.Name() + p.signature(o)}
	case *types.TypeName:
		return p.typeName(o)
	}
	return nil
}

// signature has no names of parameters: no program depends on them.
func (p printer) signature(f *types.Func) string {
	s := f.Signature()
	var parameters []string
	for parameter := range s.Params().Variables() {
		parameters = append(parameters, p.text(parameter.Type()))
	}
	if last := len(parameters) - 1; s.Variadic() {
		parameters[last] = "..." + strings.TrimPrefix(parameters[last], "[]")
	}
	var results []string
	for result := range s.Results().Variables() {
		results = append(results, p.text(result.Type()))
	}
	text := p.parameters(s.TypeParams()) + "(" + strings.Join(parameters, ", ") + ")"
	switch len(results) {
	case 0:
		return text
	case 1:
		return text + " " + results[0]
	}
	return text + " (" + strings.Join(results, ", ") + ")"
}

// typeName prints a type, its exported fields and its methods, each with the name of
// the type in front.
func (p printer) typeName(o *types.TypeName) []string {
	name := o.Name()
	if o.IsAlias() {
		return []string{fmt.Sprintf("type %s = %s", name, p.text(types.Unalias(o.Type())))}
	}
	named, isNamed := o.Type().(*types.Named)
	if !isNamed {
		return nil
	}
	declared := "type " + name + p.parameters(named.TypeParams())
	switch under := named.Underlying().(type) {
	case *types.Struct:
		all := append([]string{declared + " struct" + comparable(named)}, p.fields(name, under)...)
		return append(all, p.methods(name, named)...)
	case *types.Interface:
		return p.interfaceMethods(declared, name, under)
	default:
		return append([]string{declared + " " + p.text(under)}, p.methods(name, named)...)
	}
}

// interfaceMethods begin with a line of all names: one more method breaks whoever
// implements the interface.
func (p printer) interfaceMethods(declared, name string, i *types.Interface) (all []string) {
	var names []string
	for method := range i.Methods() {
		names = append(names, method.Name())
		if !method.Exported() { // who can't name it can't implement the interface
			continue
		}
		all = append(all, fmt.Sprintf("method %s.%s%s", name, method.Name(), p.signature(method)))
	}
	return append([]string{declared + " interface { " + strings.Join(names, ", ") + " }"}, all...)
}

func (p printer) methods(name string, named *types.Named) (all []string) {
	pointer, value := types.NewMethodSet(types.NewPointer(named)), types.NewMethodSet(named)
	for selection := range pointer.Methods() {
		method, isFunc := selection.Obj().(*types.Func)
		if !isFunc || !method.Exported() {
			continue
		}
		receiver := "*" + name
		if value.Lookup(method.Pkg(), method.Name()) != nil {
			receiver = name
		}
		all = append(all, fmt.Sprintf("method (%s) %s%s", receiver, method.Name(), p.signature(method)))
	}
	return all
}

func (p printer) parameters(list *types.TypeParamList) string {
	var all []string
	for parameter := range list.TypeParams() {
		all = append(all, parameter.Obj().Name()+" "+p.text(parameter.Constraint()))
	}
	if len(all) == 0 {
		return ""
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// comparable says whether == works: a program may use it.
func comparable(t types.Type) string {
	if types.Comparable(t) {
		return ", comparable"
	}
	return ""
}

func (p printer) fields(name string, s *types.Struct) (all []string) {
	for field := range s.Fields() {
		if !field.Exported() {
			continue
		}
		kind := "field"
		if field.Embedded() {
			kind = "embedded"
		}
		all = append(all, fmt.Sprintf("%s %s.%s %s", kind, name, field.Name(), p.text(field.Type())))
	}
	return all
}
