//go:build race

package adversary

// raceEnabled is on: everything takes ten times as long, so less is tried.
const raceEnabled = true
