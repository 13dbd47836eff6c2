package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/closurehealth/closure-go"
)

// progress is a line that says how far the search is. It writes to a terminal only.
type progress struct {
	out io.Writer // nil: not a terminal

	mu          sync.Mutex // the observer is called concurrently
	done, calls int        // calls: 0 before and after the search
}

func newProgress(file *os.File) *progress {
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progress{}
	}
	return &progress{out: file}
}

// begin counts the calls to come: one for each schedule and window.
func (p *progress) begin(schedules int, search closure.SlotSearch) {
	windows := int((search.To.Sub(search.From) + search.Window - 1) / search.Window)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.calls = 0, schedules*windows
	p.show()
}

// observe is called by the client after each attempt and each call.
func (p *progress) observe(_ context.Context, e closure.Event) {
	if e.Op != "availabilities.list" || e.Attempt != 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.show()
}

func (p *progress) show() {
	if p.out != nil && p.calls > 0 {
		fmt.Fprintf(p.out, "\r\x1b[KSearching: %d of %d calls", p.done, p.calls)
	}
}

func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out != nil {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	p.calls = 0
}
