package transport

import (
	"net"
	"syscall"
	"testing"
)

// A connection whose other end is gone ends by itself: after 5 s of silence the kernel
// asks three times, every 2 s, and it waits 10 s for what was sent to be acknowledged.
func TestKernelEndsDeadConnections(t *testing.T) {
	t.Parallel()
	address := listen(t, func(net.Conn) {})
	conn, err := newDialer().dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name         string
		option, want int
	}{
		{"TCP_KEEPIDLE", syscall.TCP_KEEPIDLE, 5},
		{"TCP_KEEPINTVL", syscall.TCP_KEEPINTVL, 2},
		{"TCP_KEEPCNT", syscall.TCP_KEEPCNT, 3},
		{"TCP_USER_TIMEOUT", tcpUserTimeout, 10_000},
	} {
		var got int
		if err := raw.Control(func(fd uintptr) {
			got, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tt.option)
		}); err != nil || got != tt.want {
			t.Errorf("%s is %d, %v; want %d", tt.name, got, err, tt.want)
		}
	}
}
