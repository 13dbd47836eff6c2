//go:build race

package testmain

// RaceDetector is whether the race detector is on. Then tests do less, because everything takes
// ten times as long.
const RaceDetector = true
