// Package tables puts what the long forms of the tests measured into the documents.
package tables

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Variable names a directory, such as docs: each table takes the place of the one of
// its name in the documents there, or, where none has that, becomes a file NAME.md.
const Variable = "CLOSURE_SIMULATION_RESULTS"

var writing sync.Mutex

// Publish logs a table and, if asked to, writes it.
func Publish(t *testing.T, name, text string) {
	t.Helper()
	t.Logf("%s:\n%s", name, text)
	dir := os.Getenv(Variable)
	if dir == "" {
		return
	}
	writing.Lock()
	defer writing.Unlock()
	documents, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, path := range documents {
		found = replaceIn(t, path, name, text) || found
	}
	if !found {
		write(t, filepath.Join(dir, name+".md"), text)
	}
}

func replaceIn(t *testing.T, path, name, text string) bool {
	t.Helper()
	document, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	replaced, found := Replace(string(document), name, text)
	if found {
		write(t, path, replaced)
	}
	return found
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Replace puts text between the comments that begin and end the table of the name
// in a document: <!-- table NAME --> and <!-- end NAME -->.
func Replace(document, name, text string) (replaced string, found bool) {
	before, rest, begins := strings.Cut(document, "<!-- table "+name+" -->\n")
	_, after, ends := strings.Cut(rest, "<!-- end "+name+" -->\n")
	if !begins || !ends {
		return document, false
	}
	return before + "<!-- table " + name + " -->\n\n" + strings.TrimSpace(text) + "\n\n<!-- end " + name + " -->\n" + after, true
}
