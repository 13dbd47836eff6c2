package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strconv"
	"testing"
)

// The enums here have all values that the SDK has.
func TestEnumsAreTheSDKs(t *testing.T) {
	t.Parallel()
	found := map[string][]string{}
	ast.Inspect(parse(t, "../../types.go"), func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil || len(spec.Values) != 1 {
			return true
		}
		if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
			value, _ := strconv.Unquote(literal.Value)
			found[typeString(spec.Type)] = append(found[typeString(spec.Type)], value)
		}
		return true
	})
	for typ, values := range enums {
		if !slices.Equal(found[typ.Name()], values) {
			t.Errorf("%s: the SDK has %q, the doctor %q", typ.Name(), found[typ.Name()], values)
		}
	}
}

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func typeString(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return typeString(e.X) + "." + e.Sel.Name
	default:
		return ""
	}
}

// A field of a type that the doctor doesn't know is told, not taken for a text.
func TestUnknownTypes(t *testing.T) {
	t.Parallel()
	type newEnum string
	type record struct {
		Mood newEnum `json:"mood"`
	}
	if _, err := shapeOf(reflect.TypeFor[record]()); err == nil {
		t.Error("a new enum is taken for a text")
	}
	for resource, typ := range recordOf {
		if _, err := shapeOf(typ); err != nil || needed[typ] == "" {
			t.Errorf("%s: %v, needs %q", resource, err, needed[typ])
		}
	}
}
