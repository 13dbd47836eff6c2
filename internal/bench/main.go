// Command bench measures what a call through the SDK costs beside the same call
// written by hand. docs/performance.md says what it found.
//
//	go run ./internal/bench -h
//
// The server is a child process, so that only the client's CPU and allocations are
// measured. All costs are ratios within one run: two clients take turns in small chunks, so
// that a noisy phase of the machine hits both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/closurehealth/closure-go/internal/commandline"
)

func main() {
	if isServer() {
		serve()
		return
	}
	run, err := choose(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(page)
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err, commandline.SeeHelp)
		os.Exit(2)
	}
	if err := withServer(run); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var page = commandline.Page{
	About: "bench measures what a call through the SDK costs beside the same call written\n" +
		"by hand. docs/performance.md says what it found.",
	Usage: "go run ./internal/bench          print the table, as Markdown\n" +
		"go run ./internal/bench gate     fail if the SDK costs too much; for CI\n" +
		"go run ./internal/bench memory   the peak of a list of 10,000 patients\n" +
		"go run ./internal/bench book     a whole booking, by hand and with a journal\n" +
		"go run ./internal/bench cancel   how soon a cancelled call returns",
	Flags:    noFlags(),
	Sections: []commandline.Section{commandline.ExitCodes("a call failed, or costs more than its limit")},
}

func noFlags() *flag.FlagSet {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	return flags
}

// choose returns the measurement that the arguments name.
func choose(args []string) (func(context.Context, *server) error, error) {
	flags := noFlags()
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	modes := map[string]func(context.Context, *server) error{
		"": table, "table": table, "gate": gate, "memory": memory, "cancel": cancelled, "book": bookings,
	}
	run := modes[flags.Arg(0)]
	if run == nil || flags.NArg() > 1 {
		return nil, errors.New("want one of: " + strings.Join(slices.Sorted(maps.Keys(modes))[1:], ", "))
	}
	return run, nil
}

func withServer(run func(context.Context, *server) error) error {
	s, err := startServer()
	if err != nil {
		return err
	}
	defer s.stop()
	return run(context.Background(), s)
}

// about names the Go version and the machine, on which the figures depend.
func about() string {
	return fmt.Sprintf("%s %s/%s, GOMAXPROCS %d", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
}
