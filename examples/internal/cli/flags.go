// Package cli is shared by the examples' command lines: flags that are checked, help, and
// the choice between the API and the test double.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/internal/commandline"
)

// A Help is what -h says besides the flags.
type Help struct {
	About   string // what the program does
	Command string // its command in the line to try, if it has commands
	Sandbox string // the flags of a closure-sandbox in which it finds something
	Module  bool   // it is a module of its own, so that it runs in its own directory
}

// Parse reads the flags of the program after which they are named, and refuses other
// arguments. On -h it prints the help. Give the error to [Exit].
func Parse(flags *flag.FlagSet, args []string, h Help) error {
	flags.SetOutput(io.Discard) // one line is enough, and Exit writes it
	flags.Usage = func() {}
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(h.text(flags))
	}
	if err == nil {
		err = commandline.NoArguments(flags)
	}
	return err
}

// Exit ends a program whose flags could not be parsed.
func Exit(name string, err error) {
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	fmt.Fprintf(os.Stderr, "%s: %v %s\n", name, err, commandline.SeeHelp)
	os.Exit(2)
}

// Fail ends a program with its error, and says what to do next if that is known.
func Fail(name string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %s\n", name, forUsers(err))
	if text := advice(err); text != "" {
		fmt.Fprintln(os.Stderr, text)
	}
	os.Exit(1)
}

// forUsers is the error's text without what it says to who calls the SDK.
func forUsers(err error) string {
	return strings.NewReplacer(
		"closure: NewClientFromEnv: ", "",
		", or WithPlainHTTP with a test key", "",
		", what the API says is in Message and Detail", "",
		", and the cause is in Err", "",
		": the driver's error says why, which errors.Unwrap returns: it may show the DSN", "",
	).Replace(err.Error())
}

func advice(err error) string {
	_, unanswered := errors.AsType[*closure.TransportError](err)
	input, refused := errors.AsType[*closure.InputError](err)
	switch {
	case errors.Is(err, closure.ErrUnauthorized), refused && input.Field == "CLOSURE_API_KEY":
		return "Check CLOSURE_API_KEY. The test key " + closure.QuickstartKey + " works without registering."
	case errors.Is(err, closure.ErrInvalidRequest) && os.Getenv("CLOSURE_API_VERSION")+os.Getenv("CLOSURE_INDEX_VERSION") != "":
		return "Check CLOSURE_API_VERSION and CLOSURE_INDEX_VERSION."
	case !unanswered || closure.OutcomeOf(err) != closure.OutcomeNotSent || errors.Is(err, closure.ErrMalformedResponse):
		return ""
	case errors.Is(err, context.Canceled):
		return "It was interrupted, and nothing was changed."
	default:
		return "Check CLOSURE_BASE_URL and the network."
	}
}

func (h Help) text(flags *flag.FlagSet) string {
	run := "go run ./examples/" + flags.Name()
	if h.Module {
		run = "go run -C examples/" + flags.Name() + " ."
	}
	usage := run + " [flags]"
	if h.Command != "" {
		usage = run + " [command] [flags]"
	}
	return commandline.Page{
		About: h.About,
		Usage: usage,
		Flags: flags,
		Sections: []commandline.Section{
			{Title: "Environment", Text: "CLOSURE_API_KEY   the key for the API, a test key by preference\n" +
				"CLOSURE_BASE_URL  the API's address, if it isn't the real one's\n" +
				"Without these variables nothing leaves this machine."},
			{Title: "With a sandbox, in two terminals", Text: "go run " + withArgs("./cmd/closure-sandbox", h.Sandbox) + "\n" +
				"CLOSURE_BASE_URL=http://127.0.0.1:8080 CLOSURE_API_KEY=" + closure.QuickstartKey + " \\\n" +
				"  " + withArgs(run, h.Command)},
			commandline.ExitCodes("it failed"),
		},
	}.String()
}

func withArgs(program, args string) string {
	return strings.TrimSpace(program + " " + args)
}

// Stdout is the standard output. On a terminal it breaks lines that are too wide, and
// indents their next lines.
func Stdout(indent int) *Output {
	return NewOutput(commandline.Fit(os.Stdout, commandline.Width(os.Stdout), indent))
}

// An Output keeps the first error of writing to it, for the program's end.
type Output struct {
	out io.Writer
	err error
}

// NewOutput returns an Output that writes to out.
func NewOutput(out io.Writer) *Output { return &Output{out: out} }

func (o *Output) Write(text []byte) (int, error) {
	n, err := o.out.Write(text)
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("the output can't be written: %w", err)
	}
	return n, err
}

// Err is nil if everything was written.
func (o *Output) Err() error { return o.err }

// IntVar adds a flag for a number within bounds.
func IntVar(flags *flag.FlagSet, p *int, name string, value, least, most int, usage string) {
	*p = value
	flags.Func(name, fmt.Sprintf("%s, %d to %d (default %d)", usage, least, most, value), func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			return fmt.Errorf("want a number from %d to %d", least, most)
		}
		*p = n
		return nil
	})
}

// FromVar adds the flag -from. Its last day leaves a year in which to look for openings: no
// time is after the year 9999.
func FromVar(flags *flag.FlagSet, p *closure.Date, usage string) {
	flags.Func("from", usage, func(text string) error {
		err := p.UnmarshalText([]byte(text))
		if err != nil || p.Year < 1 || p.Year > 9998 { // an empty text is the zero date
			return errors.New("want a day such as 2022-05-16, before the year 9999")
		}
		return nil
	})
}

// CheckFile refuses what SQLite, or a person, would take for something else than a file. It
// doesn't repeat it: a URL may hold a password.
func CheckFile(flag, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("-%s is empty: it names a file", flag)
	case strings.Contains(name, "://"):
		return fmt.Errorf("-%s is a URL: it names a file for SQLite", flag)
	default:
		return nil
	}
}

// SQLite names the file for the driver "sqlite". What a write returned is on disk. A new file
// is its owner's alone; SQLite gives its other files the same rights.
func SQLite(file string) (dsn string, err error) {
	created, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = created.Close()
	}
	if failed, ok := errors.AsType[*os.PathError](err); ok {
		return "", fmt.Errorf("the file can't be opened: %w", failed.Err)
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	pragmas := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"}}
	name := url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(filepath.ToSlash(path), "/"), RawQuery: pragmas.Encode()}
	return name.String(), nil
}

// ZoneVar adds the flag -zone. Without it the zone stays nil, which is the patient's. Empty it
// is refused, because it may be a shell's variable that isn't set.
func ZoneVar(flags *flag.FlagSet, p **time.Location, usage string) {
	flags.Func("zone", usage+", an IANA `name` such as Asia/Kolkata (default: the patient's)",
		func(text string) (err error) {
			if text == "" { // to LoadLocation, UTC
				return errors.New("want a name such as Asia/Kolkata")
			}
			*p, err = time.LoadLocation(text)
			return err
		})
}
