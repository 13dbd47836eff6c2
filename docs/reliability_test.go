package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxReliabilityWords is how long reliability.md may be, beside its tables: a page
// that is read.
const maxReliabilityWords = 1500

func TestReliabilityIsShort(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	words := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "|") {
			words += len(strings.Fields(line))
		}
	}
	if words > maxReliabilityWords {
		t.Errorf("%d words beside the tables, want at most %d", words, maxReliabilityWords)
	}
	limits, results := strings.Index(string(text), "\n## Limits"), strings.Index(string(text), "\n## What came of it")
	if limits < 0 || results < limits {
		t.Error("the limits don't come first")
	}
}

// The tables that the long forms write have a beginning, an end and rows.
func TestWrittenTables(t *testing.T) {
	t.Parallel()
	documents, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range documents {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, begin := range regexp.MustCompile(`(?m)^<!-- table (.*) -->$`).FindAllStringSubmatch(string(text), -1) {
			found++
			_, rest, _ := strings.Cut(string(text), begin[0])
			table, _, ends := strings.Cut(rest, "<!-- end "+begin[1]+" -->")
			if !ends || strings.Count(table, "\n|") < 3 {
				t.Errorf("%s: the table %s has no end or no rows", path, begin[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("%d tables in all", found)
	}
}
