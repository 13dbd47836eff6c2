//go:build race

package simulation

// raceDetector is on: everything takes ten times as long, so the short form
// does less.
const raceDetector = true
