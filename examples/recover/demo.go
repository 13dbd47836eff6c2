package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// The demo runs this program again and again, against a test double on a
// loopback port which fails in a chosen way: the first run of each scene dies in
// the middle of the booking, the next ones settle what it left, or ask again.

// These are short, for a demo. No attempt counts as lost before twice the timeout.
const (
	timeout   = time.Second
	lostAfter = 2*timeout + 200*time.Millisecond
)

// exitDied is how a run ends that dies in the middle.
const exitDied = 3

// dieInTheMiddle ends the process when the request to book has left and nobody
// has looked at what came of it.
func dieInTheMiddle(_ context.Context, e closure.Event) {
	if e.Op == "appointments.create" {
		fmt.Println("the request to book has left … and the process dies")
		os.Exit(exitDied)
	}
}

var errInterrupted = errors.New("it was interrupted; the demo books with a test double only, and nothing of it is left")

func demo(ctx context.Context, out io.Writer) error {
	err := errors.Join(
		scene(ctx, out, "1. The booking was made, but the answer got lost", closuretest.DropAfter("appointments.create"),
			func(s *stage) {
				s.run("settle")
				s.run("book")
			}),
		scene(ctx, out, "2. The request got lost before anything was done", closuretest.DropBefore("appointments.create"),
			func(s *stage) {
				s.run("settle")
				s.say("pause", "no client can know how late a booking may still appear; here we say: after %s it won't", lostAfter)
				s.wait(lostAfter)
				s.run("settle", "-assume-lost-after", lostAfter.String())
				s.run("book")
			}),
		scene(ctx, out, "3. The API can't say what became of it", closuretest.DropAfter("appointments.create"),
			func(s *stage) {
				s.server.Inject(closuretest.Status("appointments.list", 503).Times(0))
				s.run("settle", "-assume-lost-after", time.Nanosecond.String())
				s.run("book")
			}),
	)
	if ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// A stage is where one scene is played.
type stage struct {
	ctx    context.Context
	out    io.Writer
	server *closuretest.Server
	url    string
	file   string // of the journal
	runs   int
	err    error
}

// scene plays a crash in the middle of a booking, and what comes after.
func scene(ctx context.Context, out io.Writer, title string, fault closuretest.Fault, after func(*stage)) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	dir, err := os.MkdirTemp("", "closure-recover-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the demo's only: nobody needs the journal any more
	server := closuretest.New()
	defer server.Close()
	s := &stage{ctx: ctx, out: out, server: server, url: server.Start(), file: filepath.Join(dir, "journal.db")}
	server.Inject(fault)

	fmt.Fprintln(out, title)
	s.run("book", "-die")
	after(s)
	s.say("the truth", "%s arrived, %s in the ledger",
		count(requestsToBook(server), "request to book", "requests to book"),
		count(len(server.Appointments()), "appointment", "appointments"))
	fmt.Fprintln(out)
	return s.err
}

// run runs this program with the given arguments, in a process of its own.
func (s *stage) run(name string, args ...string) {
	self, err := os.Executable()
	if err != nil {
		s.err = errors.Join(s.err, err)
		return
	}
	s.runs++
	args = append([]string{name, "-journal", s.file, "-timeout", timeout.String()}, args...)
	cmd := exec.CommandContext(s.ctx, self, args...)
	cmd.Env = append(os.Environ(),
		"CLOSURE_BASE_URL="+s.url,
		"CLOSURE_API_KEY="+closure.QuickstartKey,
		"CLOSURE_API_VERSION=",
		"CLOSURE_INDEX_VERSION=",
	)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err = cmd.Run()
	if s.ctx.Err() != nil {
		return
	}
	for line := range strings.Lines(said.String()) {
		s.say(fmt.Sprintf("run %d, %s", s.runs, name), "%s", strings.TrimSpace(line))
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !(ok && exit.Exited()) {
		s.err = errors.Join(s.err, err) // it did not even run
	}
}

func (s *stage) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.ctx.Done():
	}
}

// say says nothing after an interrupt: the scene didn't run to its end.
func (s *stage) say(who, format string, args ...any) {
	if s.ctx.Err() != nil {
		return
	}
	fmt.Fprintf(s.out, "   %-15s%s\n", who, fmt.Sprintf(format, args...))
}

func requestsToBook(server *closuretest.Server) (n int) {
	for _, r := range server.Requests() {
		if r.Op == "appointments.create" {
			n++
		}
	}
	return n
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}
