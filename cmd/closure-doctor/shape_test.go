package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"
)

// The table here is the SDK's, wherever that is.
func TestOperationsAreTheSDKs(t *testing.T) {
	t.Parallel()
	constants := map[string]string{
		"http.MethodGet": "GET", "http.MethodPost": "POST", "http.MethodPatch": "PATCH",
		"fromGuide": "guide", "fromReference": "reference", "inferred": "inferred", "true": "true", "false": "false",
	}
	found := map[string]operation{}
	paths, _ := filepath.Glob("../../internal/api/operations.go")
	path := append(paths, "../../operations.go")[0]
	ast.Inspect(parse(t, path), func(n ast.Node) bool {
		row, ok := n.(*ast.CompositeLit)
		if !ok || row.Type != nil || len(row.Elts) < 5 {
			return true
		}
		var columns [5]string
		for i, value := range row.Elts[:5] {
			columns[i] = constants[typeString(value)]
			if literal, ok := value.(*ast.BasicLit); ok {
				columns[i], _ = strconv.Unquote(literal.Value)
			}
		}
		found[columns[0]] = operation{columns[0], columns[1], columns[2], columns[3], columns[4] == "true"}
		return true
	})
	if len(found) != len(operations) {
		t.Errorf("the SDK has %d operations, the doctor %d", len(found), len(operations))
	}
	for _, op := range operations {
		if found[op.name] != op {
			t.Errorf("%s: the SDK has %+v, the doctor %+v", op.name, found[op.name], op)
		}
	}
}

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
