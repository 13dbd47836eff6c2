package commandline

import (
	"io"
	"os"
	"strconv"
	"syscall"
	"testing"
	"unsafe"
)

// The line is written to the terminal, and is erased when the test ends.
func TestTestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	terminal, name := openTerminal(t)
	t.Run("long form", func(t *testing.T) {
		newTestProgress(t, name, "rounds", 3).Step()
	})
	const erase = "\r\x1b[K"
	want := erase + "rounds: 0 of 3" + erase + "rounds: 1 of 3, about 0s left" + erase
	got := make([]byte, len(want))
	if _, err := io.ReadFull(terminal, got); err != nil || string(got) != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// openTerminal makes a pseudoterminal. What is written to the file of that name can be read
// from the terminal.
func openTerminal(t *testing.T) (terminal *os.File, name string) {
	t.Helper()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	var locked, number int32
	control(t, terminal, syscall.TIOCSPTLCK, unsafe.Pointer(&locked))
	control(t, terminal, syscall.TIOCGPTN, unsafe.Pointer(&number))
	return terminal, "/dev/pts/" + strconv.Itoa(int(number))
}

func control(t *testing.T, terminal *os.File, request uintptr, argument unsafe.Pointer) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, terminal.Fd(), request, uintptr(argument)); errno != 0 {
		t.Fatal(errno)
	}
}

// A real terminal, of the kernel's making, is asked for its width.
func TestColumnsOfATerminal(t *testing.T) {
	t.Setenv("COLUMNS", "")
	terminal, _ := openTerminal(t)
	for columns, want := range map[uint16]int{60: 60, 132: 132, 0: pageWidth} {
		size := struct{ rows, columns, width, height uint16 }{24, columns, 0, 0}
		control(t, terminal, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
		if got := Width(terminal); got != want {
			t.Errorf("a terminal of %d columns: %d, want %d", columns, got, want)
		}
	}
}
