// Package testmain runs the tests of packages whose tests mostly wait, or make much garbage.
package testmain

import (
	"flag"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
)

// Run runs a package's tests with a fourth of the garbage collections. Without the race detector it
// runs four tests at once for each CPU, unless -parallel says otherwise. It is for TestMain.
func Run(m *testing.M) int {
	debug.SetGCPercent(400)
	if !RaceDetector { // with it they don't wait: they compute
		_ = flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0))) // package testing has the flag
	}
	return m.Run()
}

// NeedsProgram skips the test if the program isn't installed. With CLOSURE_PROGRAMS=required it must be.
func NeedsProgram(t *testing.T, name string) {
	t.Helper()
	_, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("CLOSURE_PROGRAMS") == "required":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}
