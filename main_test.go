package closure_test

import (
	"os"
	"testing"

	"github.com/closurehealth/closure-go/internal/testmain"
)

func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

// skipWithRaceDetector skips a test of texts or tables: in one goroutine the race detector finds
// nothing, and takes minutes. .ci/run runs all tests without it, too.
func skipWithRaceDetector(t *testing.T) {
	t.Helper()
	if testmain.RaceDetector {
		t.Skip("a test in one goroutine, which runs without the race detector")
	}
}
