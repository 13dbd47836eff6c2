//go:build !unix

package main

import "time"

var started = time.Now()

// processCPU returns the time that passes, because the standard library can't tell here how
// much processor time the process has used.
func processCPU() time.Duration { return time.Since(started) }
