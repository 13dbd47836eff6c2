//go:build !unix

package main

import "time"

var started = time.Now()

// processCPU stands in with the time that passes, where the standard library
// can't tell how long this process has kept processors busy.
func processCPU() time.Duration { return time.Since(started) }
