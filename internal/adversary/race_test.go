//go:build race

package adversary

// raceEnabled is on. Less is tried, because everything takes ten times as long.
const raceEnabled = true
