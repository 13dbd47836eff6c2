// Package testmain runs the tests of packages whose tests mostly wait, or make much garbage.
package testmain

import (
	"flag"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
)

// Run runs a package's tests with a fourth of the garbage collections, and two of them for each
// CPU, unless the command line says otherwise. It is for TestMain.
func Run(m *testing.M) int {
	debug.SetGCPercent(400)
	if !RaceDetector { // with it they don't wait: they compute
		_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))) // package testing has the flag
	}
	return m.Run()
}
