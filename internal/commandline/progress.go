package commandline

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Progress is a line that says how far a long command is, and about how long it will
// take from here. It writes to a terminal only. It may be used concurrently. A nil
// Progress shows nothing.
type Progress struct {
	out     io.Writer // nil: nobody sees it
	what    string
	total   int
	started time.Time
	now     func() time.Time

	mu   sync.Mutex
	done int
}

// NewProgress shows a line on the file, if it is a terminal: os.Stderr, so that what a
// command prints can be kept in a file. what is being done, and total says how
// many steps it has.
func NewProgress(file *os.File, what string, total int) *Progress {
	p := &Progress{what: what, total: total, started: time.Now(), now: time.Now}
	if IsTerminal(file) {
		p.out = file
	}
	p.show()
	return p
}

// controllingTerminal is the terminal that a process was started from, also if its output is
// redirected. Opening it fails if there is none, as in CI.
const controllingTerminal = "/dev/tty"

// NewTestProgress is [NewProgress] for the long form of a test. It shows its line on the
// terminal that the test was started from, because go test captures stderr; without a
// terminal it shows nothing. The line goes when the test ends.
func NewTestProgress(t interface{ Cleanup(func()) }, what string, total int) *Progress {
	return newTestProgress(t, controllingTerminal, what, total)
}

func newTestProgress(t interface{ Cleanup(func()) }, terminal, what string, total int) *Progress {
	file, err := os.OpenFile(terminal, os.O_WRONLY, 0)
	if err != nil {
		return nil
	}
	p := NewProgress(file, what, total)
	t.Cleanup(func() {
		p.Clear()
		_ = file.Close()
	})
	return p
}

// StepEach takes the steps by the clock, one in each interval, until stop is called. It is for
// work that ends at a certain time.
func (p *Progress) StepEach(interval time.Duration) (stop func()) {
	if p == nil {
		return func() {}
	}
	ended := make(chan struct{})
	go func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				p.Step()
			case <-ended:
				return
			}
		}
	}()
	return sync.OnceFunc(func() { close(ended) })
}

// Step says that one more step is done.
func (p *Progress) Step() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.show()
}

// Clear takes the line off the terminal, before something else is printed.
func (p *Progress) Clear() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write("")
}

func (p *Progress) show() {
	text := fmt.Sprintf("%s: %d of %d", p.what, p.done, p.total)
	if p.done > 0 && p.done < p.total {
		left := p.now().Sub(p.started) / time.Duration(p.done) * time.Duration(p.total-p.done)
		text += fmt.Sprintf(", about %s left", left.Round(time.Second))
	}
	p.write(text)
}

func (p *Progress) write(text string) {
	if p.out != nil {
		fmt.Fprint(p.out, "\r\x1b[K"+text)
	}
}
