package transport

import (
	"syscall"
	"time"
)

const tcpUserTimeout = 0x12 // TCP_USER_TIMEOUT, which package syscall has for some processors only

// endUnacknowledged lets the kernel end a connection on which nothing that was sent is
// acknowledged. Keep-alive probes don't: they wait until everything is.
func endUnacknowledged(_, _ string, conn syscall.RawConn) error {
	return conn.Control(func(fd uintptr) {
		// Where it can't be set, the attempt's timeout is what remains.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(silence/time.Millisecond))
	})
}
