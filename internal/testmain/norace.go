//go:build !race

package testmain

// RaceDetector is whether the race detector is on.
const RaceDetector = false
