package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// The demo runs its own executable, which is the test's here.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "book" || os.Args[1] == "settle") {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestDemo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := demo(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	said := out.String()
	for _, want := range []string{ // in this order
		"1. ", "the process dies", "settle  BOOKED appt_", "nothing was sent again", "book    BOOKED appt_",
		"nothing was sent again",
		"1 request to book arrived, 1 appointment in the ledger",
		"2. ", "the process dies", "STILL UNKNOWN", "the slot shows as open", "NOT BOOKED", "book    BOOKED appt_",
		"2 requests to book arrived, 1 appointment in the ledger",
		"3. ", "the process dies", "settle  STILL UNKNOWN", "book    STILL UNKNOWN",
		"1 request to book arrived, 1 appointment in the ledger",
	} {
		_, after, found := strings.Cut(said, want)
		if !found {
			t.Fatalf("%q is missing in the rest of\n%s", want, out.String())
		}
		said = after
	}
}

// interruptAt interrupts when the text is written.
type interruptAt struct {
	bytes.Buffer
	text      string
	interrupt func()
}

func (w *interruptAt) Write(text []byte) (int, error) {
	if bytes.Contains(text, []byte(w.text)) {
		w.interrupt()
	}
	return w.Buffer.Write(text)
}

// An interrupted demo ends where it is, and says no more than that.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"1. ", "pause"} { // during a run, and while it waits
		ctx, interrupt := context.WithCancel(t.Context())
		out := &interruptAt{text: at, interrupt: interrupt}
		err := demo(ctx, out)
		said := out.String()
		_, after, _ := strings.Cut(said, at)
		if !errors.Is(err, errInterrupted) || strings.Count(strings.TrimSpace(after), "\n") > 0 {
			t.Errorf("at %q: %v\n%s", at, err, said)
		}
	}
}

func TestNothingToSettle(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a%41.db")
	command := exec.Command(os.Args[0], "settle", "-journal", file)
	command.Env = append(os.Environ(), "CLOSURE_API_KEY="+closure.QuickstartKey, "CLOSURE_BASE_URL=http://127.0.0.1:1")
	output, err := command.CombinedOutput()
	if want := "NOTHING TO SETTLE: no booking is pending in the journal\n"; err != nil || string(output) != want {
		t.Errorf("%v, %q, want %q", err, output, want)
	}
	info, err := os.Stat(file)
	if err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("the journal: %v, %v, want one for its owner alone", info, err)
	}
}

// A program whose output is lost fails.
func TestOutputThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	command := exec.CommandContext(t.Context(), os.Args[0], "settle", "-journal", filepath.Join(t.TempDir(), "journal.db"))
	command.Env = append(os.Environ(), "CLOSURE_API_KEY="+closure.QuickstartKey, "CLOSURE_BASE_URL=http://127.0.0.1:1")
	unwritable, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unwritable.Close() }()
	var problems bytes.Buffer
	command.Stdout, command.Stderr = unwritable, &problems
	err = command.Run()
	if want := "recover: the output can't be written: "; err == nil || !strings.HasPrefix(problems.String(), want) {
		t.Errorf("%v, %q, want %q", err, problems.String(), want)
	}
}

func TestHelpFitsTheTerminal(t *testing.T) {
	t.Parallel()
	help, err := exec.CommandContext(t.Context(), os.Args[0], "book", "-h").Output()
	if err != nil || len(help) == 0 {
		t.Fatalf("%v, %q", err, help)
	}
	for line := range strings.Lines(string(help)) {
		if utf8.RuneCountInString(line) > len("\n")+80 {
			t.Errorf("a wide line: %s", line)
		}
	}
}

// A journal that can't be read is an error, which says nothing of a booking.
func TestSettleWithoutItsJournal(t *testing.T) {
	t.Parallel()
	journal := closuretest.NewJournal()
	journal.Inject(closuretest.JournalFailsBefore(closuretest.JournalPending))
	client := closuretest.New(closuretest.ReportTo(t)).Client(closure.WithJournal(journal))
	if err := settle(t.Context(), io.Discard, client, 0); !errors.Is(err, closuretest.ErrJournal) {
		t.Errorf("%v, want ErrJournal", err)
	}
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"ch_sk_live_hush":             "the command is book or settle",
		"book now":                    "there are no arguments besides the flags",
		"book -journal=":              "-journal is empty: it names a file",
		"settle -journal a://hush@b":  "-journal is a URL: it names a file for SQLite",
		"-die":                        "flags come after a command: book or settle",
		"-die book":                   "there are no arguments besides the flags",
		"book -key=":                  "-key is empty: it names what is wanted",
		"book -timeout -1s":           "-timeout is not positive",
		"settle -assume-lost-after x": `invalid value "x" for flag -assume-lost-after: want a duration such as 500ms, 5s or 15m`,
	} {
		if _, err := parseArgs(strings.Fields(args)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", args, err, want)
		}
	}
}
