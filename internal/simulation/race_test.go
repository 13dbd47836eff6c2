//go:build race

package simulation

// raceEnabled is on. The short form does less, because everything takes ten times as long.
const raceEnabled = true
