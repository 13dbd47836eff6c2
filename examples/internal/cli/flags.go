// Package cli is shared by the examples' command lines: flags that are checked, help, and
// the choice between the API and the test double.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
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
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
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
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	if text := advice(err); text != "" {
		fmt.Fprintln(os.Stderr, text)
	}
	os.Exit(1)
}

func advice(err error) string {
	_, unanswered := errors.AsType[*closure.TransportError](err)
	input, refused := errors.AsType[*closure.InputError](err)
	switch {
	case errors.Is(err, closure.ErrUnauthorized), refused && input.Field == "CLOSURE_API_KEY":
		return "Check CLOSURE_API_KEY. The test key " + closure.QuickstartKey + " works without registering."
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
func Stdout(indent int) io.Writer {
	return commandline.Fit(os.Stdout, commandline.Width(os.Stdout), indent)
}

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

// ZoneVar adds the flag -zone. Nil is the patient's zone.
func ZoneVar(flags *flag.FlagSet, p **time.Location, usage string) {
	flags.Func("zone", usage+", an IANA `name` such as Asia/Kolkata (default: the patient's)",
		func(text string) (err error) {
			*p = nil
			if text != "" {
				*p, err = time.LoadLocation(text)
			}
			return err
		})
}
