package transport

import (
	"syscall"
	"time"
)

const tcpUserTimeout = 0x12 // TCP_USER_TIMEOUT, which package syscall defines for some processors only

// endUnacknowledged has the kernel end a connection if what was sent isn't acknowledged.
// Keep-alive probes don't do that: they begin when everything has been acknowledged.
func endUnacknowledged(_, _ string, conn syscall.RawConn) error {
	return conn.Control(func(fd uintptr) {
		// If it can't be set, the attempt's timeout still ends the attempt.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(ackTimeout/time.Millisecond))
	})
}
