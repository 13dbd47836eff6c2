package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                      "",
		"-n 1":                  "",
		"-n 4":                  `invalid value "4" for flag -n: want a number from 1 to 3`,
		"-n one":                `invalid value "one" for flag -n: want a number from 1 to 3`,
		"-zone Nowhere/X":       `invalid value "Nowhere/X" for flag -zone: unknown time zone Nowhere/X`,
		"-zone=":                `invalid value "" for flag -zone: want a name such as Asia/Kolkata`,
		"-zone Asia/Tokyo more": "there are no arguments besides the flags",
		"-nope":                 "flag provided but not defined: -nope",
	} {
		n, _, err := parse(strings.Fields(args)...)
		if got := text(err); got != want {
			t.Errorf("%s: %d, %s, want %s", args, n, got, want)
		}
	}
	if n, zone, err := parse(); n != 2 || zone != nil || err != nil {
		t.Errorf("%d, %v, %v, want the patient's zone", n, zone, err)
	}
}

func parse(args ...string) (n int, zone *time.Location, err error) {
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	IntVar(flags, &n, "n", 2, 1, 3, "a `number`")
	ZoneVar(flags, &zone, "time zone")
	err = Parse(flags, args, Help{})
	return n, zone, err
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// An error says what to do next, if anything is known to help.
func TestAdvice(t *testing.T) {
	t.Parallel()
	failed := func(outcome closure.Outcome, cause error) error {
		return fmt.Errorf("2 of 3: %w", &closure.TransportError{Op: "o", Method: "POST", Route: "/r", Outcome: outcome, Err: cause})
	}
	const (
		reach       = "Check CLOSURE_BASE_URL and the network."
		key         = "Check CLOSURE_API_KEY. The test key ch_sk_test_quickstart works without registering."
		interrupted = "It was interrupted, and nothing was changed."
	)
	_, noKey := closure.NewClient("nonsense")
	for _, test := range []struct {
		err  error
		want string
	}{
		{failed(closure.OutcomeNotSent, syscall.ECONNREFUSED), reach},
		{failed(closure.OutcomeNotSent, context.DeadlineExceeded), reach},
		{failed(closure.OutcomeNotSent, context.Canceled), interrupted},
		{failed(closure.OutcomeUnknown, syscall.ECONNRESET), ""},
		{failed(closure.OutcomeUnknown, context.Canceled), ""},
		{failed(closure.OutcomeNotSent, closure.ErrMalformedResponse), ""},
		{&closure.APIError{Method: "GET", StatusCode: 401}, key},
		{&closure.InputError{Op: "NewClientFromEnv", Field: "CLOSURE_API_KEY"}, key},
		{&closure.InputError{Op: "BookSlot", Field: "StartAt"}, ""},
		{noKey, ""},
		{closure.ErrNoSlot, ""},
	} {
		if got := advice(test.err); got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}

// What the SDK says to who calls it isn't shown to who runs a program.
func TestForUsers(t *testing.T) {
	t.Setenv("CLOSURE_API_KEY", closure.QuickstartKey)
	t.Setenv("CLOSURE_BASE_URL", "http://host.test")
	_, plain := closure.NewClientFromEnv()
	answer := &closure.APIError{Op: "patients.list", Method: "GET", Route: "/patients", StatusCode: 400, Message: "no", Attempts: 1}
	for _, test := range []struct {
		err  error
		want string
	}{
		{plain, "CLOSURE_BASE_URL is http on a host that is not a loopback host: use https"},
		{answer, "closure: patients.list: GET /patients: 400 Bad Request (attempts 1)"},
		{
			&closure.JournalError{Op: "find", Err: closure.ErrServer},
			"closure: the journal failed (find): nothing was booked or changed",
		},
	} {
		if got := forUsers(test.err); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
	if got := advice(answer); got != "" {
		t.Errorf("%q, but no version is set", got)
	}
	t.Setenv("CLOSURE_API_VERSION", "x")
	if got, want := advice(answer), "Check CLOSURE_API_VERSION and CLOSURE_INDEX_VERSION."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFromVar(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{"": false, "2022-05-16": true, "9998-12-31": true, "9999-01-01": false,
		"0000-12-31": false, "x": false, "2022-02-30": false} {
		var from closure.Date
		flags := flag.NewFlagSet("test", flag.ContinueOnError)
		FromVar(flags, &from, "first `day`")
		err := Parse(flags, []string{"-from", text}, Help{})
		if (err == nil) != ok || from.String() != text && ok {
			t.Errorf("%q: %s, %v", text, from, err)
		}
	}
}

// A program whose output is lost fails, although it did what it should.
func TestOutputThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	unwritable, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unwritable.Close() }()
	for _, name := range []string{"quickstart", "openings", "bookfirst"} {
		program := exec.CommandContext(t.Context(), "go", "run", "../../"+name)
		program.Env = append(os.Environ(), "CLOSURE_API_KEY=", "CLOSURE_BASE_URL=")
		var problems bytes.Buffer
		program.Stdout, program.Stderr = unwritable, &problems
		err := program.Run()
		if want := name + ": the output can't be written: "; err == nil || !strings.Contains(problems.String(), want) {
			t.Errorf("%s: %v, %q, want %q", name, err, problems.String(), want)
		}
	}
}

func TestCheckFile(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a.db": "", "/tmp/a b?.db": "",
		"":                             "-database is empty: it names a file",
		"postgres://user:hush@host/db": "-database is a URL: it names a file for SQLite",
	} {
		if got := text(CheckFile("database", name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// The file that is made for its owner alone is the one that SQLite opens, whatever its name.
func TestSQLite(t *testing.T) {
	t.Parallel()
	name := "a b#c%41.db"
	if runtime.GOOS != "windows" {
		name = ":a b?" + name
	}
	file := filepath.Join(t.TempDir(), name)
	dsn, err := SQLite(file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("%v, %v, want the owner's alone", info.Mode(), err)
	}
	if opened, err := url.Parse(dsn); err != nil || filepath.Base(opened.Path) != name || len(opened.Query()["_pragma"]) != 3 {
		t.Errorf("%s: %v", dsn, err)
	}
	if !strings.HasPrefix(dsn, "file:///") { // or SQLite would take ":memory:" for a database without a file
		t.Errorf("%s, want a whole path", dsn)
	}
	hidden := filepath.Join(t.TempDir(), "none", "hush.db")
	if _, err := SQLite(hidden); !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), "hush") {
		t.Errorf("%v", err)
	}
}

func TestWhomToAsk(t *testing.T) {
	for _, test := range []struct{ key, url, want string }{
		{"", "", "Offline: a test double in this process answers. Set CLOSURE_API_KEY to talk to the real API.\n"},
		{"", "http://127.0.0.1:1",
			"CLOSURE_BASE_URL is set, but CLOSURE_API_KEY isn't; a sandbox takes ch_sk_test_quickstart"},
		{closure.QuickstartKey, "", "Talking to the real API in test mode.\n"},
		{closure.QuickstartKey, "http://127.0.0.1:1", "Talking to the API at CLOSURE_BASE_URL in test mode.\n"},
		{"ch_sk_live_x", "", "CLOSURE_API_KEY is a live key: it is risky; give -live if you mean it"},
	} {
		t.Setenv("CLOSURE_API_KEY", test.key)
		t.Setenv("CLOSURE_BASE_URL", test.url)
		var out bytes.Buffer
		if !Offline(&out) {
			_, err := Program{Agent: "test/1.0", Risk: "it is risky"}.NewClient(&out)
			out.WriteString(text(err))
		}
		if out.String() != test.want {
			t.Errorf("%+v: %q", test, out.String())
		}
	}
}
