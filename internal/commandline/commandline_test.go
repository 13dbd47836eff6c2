package commandline

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text          string
		width, indent int
		want          string
	}{
		{"a line that fits\n", 30, 4, "a line that fits\n"},
		{"a line that is wider than the terminal\n", 20, 0, "a line that is wider\nthan the terminal\n"},
		{"label   one two three four five six\n", 28, 8, "label   one two three four\n        five six\n"},
		{"averyverylongwordthatcannotbebroken here\n", 20, 0, "averyverylongwordthatcannotbebroken\nhere\n"},
		{"averyverylongwordthatcannotbebroken\n", 20, 0, "averyverylongwordthatcannotbebroken\n"},
		{"ÄÄÄÄ ÖÖÖÖ ÜÜÜÜ ßßßß ÄÄÄÄ\n", 24, 0, "ÄÄÄÄ ÖÖÖÖ ÜÜÜÜ ßßßß ÄÄÄÄ\n"},
		{"one two three four five six seven\n", 0, 0, "one two three four five six seven\n"},
		{"one two three four five six\n", 3, 4, "one two three four five\n    six\n"}, // some room is left
		{"\n\nend", 30, 0, "\n\n"},
	} {
		var out bytes.Buffer
		w := Fit(&out, test.width, test.indent)
		for i := range len(test.text) { // however it is cut into writes
			if _, err := io.WriteString(w, test.text[i:i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if out.String() != test.want {
			t.Errorf("%q in %d columns: %q, want %q", test.text, test.width, out.String(), test.want)
		}
	}
}

func TestFitTellsAFailure(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = read.Close(), write.Close()
	if _, err := fmt.Fprintln(Fit(write, 80, 0), "text"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v, want ErrClosed", err)
	}
}

func TestWidth(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for columns, want := range map[string]int{"": 0, "60": 60, "0": 0, "-3": 0, "wide": 0} {
		t.Setenv("COLUMNS", columns)
		if got := Width(file); got != want {
			t.Errorf("COLUMNS=%s: %d columns for a file, want %d", columns, got, want)
		}
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	flags := flag.NewFlagSet("walk", flag.ContinueOnError)
	flags.Int("steps", 3, "how many `steps`, of which each is as long as the one before, so that this text is wide")
	flags.Bool("fast", false, "hurry")
	DurationVar(flags, new(time.Duration), "rest", time.Second, "how long to rest")
	DurationVar(flags, new(time.Duration), "until", 0, "the `time` to stop after")
	page := Page{About: "walk takes steps.", Usage: "walk [flags]", Flags: flags, Sections: []Section{ExitCodes("it fell")}}
	want := `walk takes steps.

Usage:
  walk [flags]

Flags:
  -fast
      hurry
  -rest duration
      how long to rest (default 1s)
  -steps steps
      how many steps, of which each is as long as the one before, so that this
      text is wide (default 3)
  -until time
      the time to stop after

Exit codes:
  0  it is done
  1  it fell
  2  a flag or an argument is wrong
`
	if got := page.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	page.Flags = flag.NewFlagSet("none", flag.ContinueOnError)
	if strings.Contains(page.String(), "Flags") {
		t.Error("there are no flags")
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	var line bytes.Buffer
	p := &Progress{out: &line, what: "rounds", total: 3, now: time.Now, started: time.Now().Add(-10 * time.Second)}
	for range 3 {
		p.Step()
	}
	p.Clear()
	const erase = "\r\x1b[K"
	want := erase + "rounds: 1 of 3, about 20s left" + erase + "rounds: 2 of 3, about 5s left" + erase + "rounds: 3 of 3" + erase
	if line.String() != want {
		t.Errorf("%q, want %q", line.String(), want)
	}

	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	NewProgress(file, "rounds", 3).Step()
	if info, err := file.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("%v, %v: something was written to a file", info, err)
	}
}

// Without a terminal, as in CI, a test shows no progress.
func TestTestProgressWithoutATerminal(t *testing.T) {
	t.Parallel()
	p := newTestProgress(t, filepath.Join(t.TempDir(), "tty"), "rounds", 3)
	p.Step()
	p.StepEach(time.Nanosecond)()
	if p != nil {
		t.Errorf("%+v", p)
	}
}
