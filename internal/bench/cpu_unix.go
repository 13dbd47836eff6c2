//go:build unix

package main

import (
	"syscall"
	"time"
)

// processCPU is the time that this process has kept processors busy, in its own
// code and in the kernel's.
func processCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
