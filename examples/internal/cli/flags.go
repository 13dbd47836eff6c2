// Package cli is what the examples' command lines share: flags that are checked,
// help, and the choice of whom to talk to.
package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/closurehealth/closure-go"
)

// A Help is what -h says beside the flags.
type Help struct {
	About   string // what the program does
	Command string // its arguments in the line to try, if it needs any
	Sandbox string // the flags of a closure-sandbox in which it finds something
}

// Parse reads the flags of the program whose name they have, and refuses what
// is left. On -h it prints the help; [Exit] takes the error.
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
	fmt.Fprintf(os.Stderr, "%s: %v (-h says more)\n", name, err)
	os.Exit(2)
}

func (h Help) text(flags *flag.FlagSet) string {
	var text strings.Builder
	text.WriteString(h.About + "\n\n")
	flags.SetOutput(&text)
	flags.PrintDefaults()
	fmt.Fprintf(&text, `
Without these variables nothing leaves this machine:
  CLOSURE_API_KEY   the key for the API, a test key by preference
  CLOSURE_BASE_URL  the API's address, if it isn't the real one's

To try it against a sandbox, start one, and then in another terminal the program:
  go run %s
  CLOSURE_BASE_URL=http://127.0.0.1:8080 CLOSURE_API_KEY=%s go run %s
`, withArgs("./cmd/closure-sandbox", h.Sandbox), closure.QuickstartKey, withArgs("./examples/"+flags.Name(), h.Command))
	return text.String()
}

func withArgs(program, args string) string {
	return strings.TrimSpace(program + " " + args)
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
	flags.Func("zone", usage+", an IANA `name` such as Asia/Kolkata (default: the patient's)", func(text string) (err error) {
		*p = nil
		if text != "" {
			*p, err = time.LoadLocation(text)
		}
		return err
	})
}
