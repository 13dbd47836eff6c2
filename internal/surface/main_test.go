package main

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"testing"
)

const source = `package p

import "io"

const Version = "1"
const Limit = 7

var Err error

type Reader interface {
	io.Reader
	Reset(to int)
	hidden()
}

type base struct{}

func (base) Promoted() {}

type Box[T any] struct {
	base
	Value  T
	hidden []int
}

func (b *Box[T]) Set(value T, more ...string) (old T, err error) { return }
func (b Box[T]) Get() T { return b.Value }
func (b Box[T]) hiddenToo() {}

type Name = string
type Kind int

func Make[T any](of T) *Box[T] { return nil }
func hidden() {}
`

func TestLines(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	pkg, err := config.Check("example.com/p", fset, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"type Box[T any] struct",
		"field Box.Value T",
		"method (Box) Get() T",
		"method (Box) Promoted()",
		"method (*Box) Set(T, ...string) (T, error)",
		"var Err error",
		"type Kind int",
		"const Limit untyped int = 7",
		"func Make[T any](T) *Box[T]",
		"type Name = string",
		"type Reader interface { Read, Reset, hidden }",
		"method Reader.Read([]byte) (int, error)",
		"method Reader.Reset(int)",
		"const Version",
	}
	if got := lines(pkg); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}
