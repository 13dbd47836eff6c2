//go:build linux || darwin

package commandline

import (
	"os"
	"syscall"
	"unsafe"
)

// columns asks the terminal; 0: it doesn't say.
func columns(file *os.File) int {
	var size struct{ rows, columns, width, height uint16 }
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, file.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0
	}
	return int(size.columns)
}
