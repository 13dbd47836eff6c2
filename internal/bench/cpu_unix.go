//go:build unix

package main

import (
	"syscall"
	"time"
)

// processCPU is the processor time that this process has used, in its own code and in the
// kernel.
func processCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
