package tables

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReplace(t *testing.T) {
	t.Parallel()
	const document = "a\n<!-- table x -->\nold\n<!-- end x -->\nb\n<!-- table y -->\n<!-- end y -->\n"
	const want = "a\n<!-- table x -->\n\nnew\n\n<!-- end x -->\nb\n<!-- table y -->\n<!-- end y -->\n"
	got, found := Replace(document, "x", "new\n")
	if got != want || !found {
		t.Errorf("%t, %q", found, got)
	}
	if again, _ := Replace(got, "x", "new"); again != want {
		t.Errorf("again: %q", again)
	}
	if got, found := Replace(document, "z", "new"); got != document || found {
		t.Errorf("%t, %q", found, got)
	}
}

func TestPublish(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(Variable, dir)
	path := filepath.Join(dir, "document.md")
	if err := os.WriteFile(path, []byte("<!-- table x -->\n<!-- end x -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	Publish(t, "x", "1")
	Publish(t, "y", "2")
	for path, want := range map[string]string{path: "<!-- table x -->\n\n1\n\n<!-- end x -->\n", filepath.Join(dir, "y.md"): "2"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", filepath.Base(path), got, err)
		}
	}
}
