package simulation

import (
	"os"
	"path/filepath"
	"testing"
)

// resultsVariable names a directory that the long forms write their tables to,
// as NAME.md.
const resultsVariable = "CLOSURE_SIMULATION_RESULTS"

// publish logs a table and, if asked to, writes it.
func publish(t *testing.T, name, text string) {
	t.Helper()
	t.Logf("%s:\n%s", name, text)
	if dir := os.Getenv(resultsVariable); dir != "" {
		noError(t, os.WriteFile(filepath.Join(dir, name+".md"), []byte(text), 0o600))
	}
}
