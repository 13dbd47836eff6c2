// Command bench measures what a call through the SDK costs beside the same call
// written by hand. docs/performance.md says what it found.
//
//	go run ./internal/bench          prints the table, as Markdown
//	go run ./internal/bench gate     fails if the SDK costs too much; for CI
//	go run ./internal/bench memory   peak of a list of 10,000 patients
//	go run ./internal/bench book     a whole booking, by hand and with a journal
//	go run ./internal/bench cancel   how soon a call returns that is cancelled
//
// The server is a child process, so that CPU and allocations are the client's
// alone. All costs are ratios of one run: two clients take turns in small
// chunks, and a noisy phase of the machine hits both.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
)

func main() {
	if isServer() {
		serve()
		return
	}
	mode := "table"
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	modes := map[string]func(context.Context, *server) error{
		"table": table, "gate": gate, "memory": memory, "cancel": cancelled, "book": bookings,
	}
	run := modes[mode]
	if run == nil {
		fmt.Fprintln(os.Stderr, "usage: bench [table | gate | memory | book | cancel]")
		os.Exit(2)
	}
	if err := withServer(run); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func withServer(run func(context.Context, *server) error) error {
	s, err := startServer()
	if err != nil {
		return err
	}
	defer s.stop()
	return run(context.Background(), s)
}

// about names what the figures depend on.
func about() string {
	return fmt.Sprintf("%s %s/%s, GOMAXPROCS %d", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
}
