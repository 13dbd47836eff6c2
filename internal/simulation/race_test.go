//go:build race

package simulation

// raceEnabled is on: everything takes ten times as long, so the short form
// does less.
const raceEnabled = true
