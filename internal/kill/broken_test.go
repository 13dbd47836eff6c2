package kill

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A mutant is one replacement in one file of the SDK, which must fit exactly once.
type mutant struct{ name, file, from, to string }

var mutants = []mutant{
	{
		"begins after the request", "journaled.go",
		"\tbooking, err := b.beginAttempt(ctx)\n\tif booking != nil || err != nil {\n\t\treturn booking, err\n\t}\n" +
			"\tb.window.begunAt = b.attempt.AttemptedAt\n\tbooking, err = b.sendNow(ctx)\n",
		"\tb.attempt.ID = rand.Text()\n\tbooking, err := b.sendNow(ctx)\n\t_, _ = b.client.core.begin(ctx, b.attempt)\n",
	},
	{
		"ignores the key", "booking.go",
		"\t\t\tIdempotencyKey: params.IdempotencyKey,\n", "",
	},
}

const brokenRuns = 40

// TestKillSeesBrokenCode is the control: programs with a bug are killed in the same way, and
// the audit must find something. The short form only checks that each mutant still fits.
func TestKillSeesBrokenCode(t *testing.T) {
	t.Parallel()
	for _, b := range mutants {
		t.Run(b.name, func(t *testing.T) {
			overlay := b.overlay(t)
			if !full() {
				return
			}
			program := filepath.Join(t.TempDir(), "kill.test")
			out, err := exec.Command("go", "test", "-c", "-overlay", overlay, "-o", program, ".").CombinedOutput()
			if err != nil {
				t.Fatalf("does not compile: %v\n%s", err, out)
			}
			c := newClinic(program, brokenRuns)
			c.live(t, 0, brokenRuns, nil)
			if len(c.found) == 0 {
				t.Error("the audit found nothing")
			}
			publish(t, "kills-"+strings.ReplaceAll(b.name, " ", "-"), c.rows)
		})
	}
}

// overlay writes the mutated file, and the overlay file that makes the compiler use it.
func (b mutant) overlay(t *testing.T) (path string) {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("..", "..", b.file))
	noError(t, err)
	source, err := os.ReadFile(file)
	noError(t, err)
	if n := strings.Count(string(source), b.from); n != 1 {
		t.Fatalf("%q fits %s %d times, want once", b.name, b.file, n)
	}
	dir := t.TempDir()
	broken := filepath.Join(dir, b.file)
	noError(t, os.WriteFile(broken, []byte(strings.Replace(string(source), b.from, b.to, 1)), 0o600))
	text, err := json.Marshal(map[string]map[string]string{"Replace": {file: broken}})
	noError(t, err)
	path = filepath.Join(dir, "overlay.json")
	noError(t, os.WriteFile(path, text, 0o600))
	return path
}
