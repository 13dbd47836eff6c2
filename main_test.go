package closure_test

import (
	"os"
	"testing"

	"github.com/closurehealth/closure-go/internal/testmain"
)

func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

// skipWithRaceDetector skips a test of texts or tables: with the race detector it takes minutes, and
// what it calls concurrently, other tests call, too. .ci/run runs all tests without it as well.
func skipWithRaceDetector(t *testing.T) {
	t.Helper()
	if testmain.RaceDetector {
		t.Skip("a test of texts or tables, which runs without the race detector")
	}
}
