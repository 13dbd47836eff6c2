package commandline

import (
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// A real terminal, of the kernel's making, is asked for its width.
func TestColumnsOfATerminal(t *testing.T) {
	t.Setenv("COLUMNS", "")
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = terminal.Close() }()
	for columns, want := range map[uint16]int{60: 60, 132: 132, 0: pageWidth} {
		size := struct{ rows, columns, width, height uint16 }{24, columns, 0, 0}
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, terminal.Fd(), syscall.TIOCSWINSZ, uintptr(unsafe.Pointer(&size)))
		if errno != 0 {
			t.Fatal(errno)
		}
		if got := Width(terminal); got != want {
			t.Errorf("a terminal of %d columns: %d, want %d", columns, got, want)
		}
	}
}
