package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/internal/commandline"
)

// settings are what the flags say.
type settings struct {
	addr      string
	seed      uint64
	schedules int
	slots     int
	clock     time.Time // zero: the default
	realTime  bool
	faults    []closuretest.Fault
	duplicate bool          // a taken slot is booked again
	stale     time.Duration // how far reads lag behind writes
	log       bool
	tls       string // the file for the certificate; "": http
	tlsNames  []string
}

const maxGenerated = 1_000_000

// hostName is labels with dots between them, the first of which may be a *. Container names
// have underscores too.
var hostName = regexp.MustCompile(`^(\*\.)?([[:alnum:]_]([[:alnum:]_-]{0,61}[[:alnum:]_])?\.)*[[:alnum:]_]([[:alnum:]_-]{0,61}[[:alnum:]_])?$`)

func newFlagSet(s *settings) *flag.FlagSet {
	flags := flag.NewFlagSet("closure-sandbox", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // one line is enough, and run writes it
	flags.Usage = func() {}
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8080", "`host:port` to listen on; port 0 is any free one")
	seed(flags, &s.seed)
	count(flags, &s.schedules, "schedules", 0, "how many `schedules` to generate, beside the guide's")
	count(flags, &s.slots, "slots", 200, "how many open `slots` each generated schedule has, from the clock's day on")
	flags.Func("clock",
		"the `instant` at which the clock stands still, such as 2022-05-01T00:00:00Z (the default), or now for the real time",
		s.setClock)
	flags.Func("fault", "a `fault` such as appointments.create:drop-after:p=0.1; can be given several times",
		func(text string) error {
			fault, err := parseFault(text)
			s.faults = append(s.faults, fault)
			return err
		})
	flags.BoolVar(&s.duplicate, "allow-duplicates", false, "book a slot that is taken once more")
	commandline.DurationVar(flags, &s.stale, "stale-reads", 0, "how far all reads lag behind the writes, in real time: such as 5s")
	flags.BoolVar(&s.log, "log", false, "log each request to standard error")
	flags.StringVar(&s.tls, "tls", "",
		"serve https with a certificate of its own, which is written to this `file` for clients to trust")
	flags.Func("tls-name", "a host `name` that the certificate is good for, beside localhost; can be given several times",
		func(name string) error {
			if net.ParseIP(name) == nil && (len(name) > 253 || !hostName.MatchString(name)) {
				return errors.New("want a host name or an address")
			}
			s.tlsNames = append(s.tlsNames, name)
			return nil
		})
	return flags
}

func parseSettings(args []string) (s settings, err error) {
	flags := newFlagSet(&s)
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if err := commandline.NoArguments(flags); err != nil {
		return s, err
	}
	if s.tls == "" && commandline.IsSet(flags, "tls") {
		return s, errors.New("-tls is empty: it names a file")
	}
	if len(s.tlsNames) > 0 && s.tls == "" {
		return s, errors.New("-tls-name needs -tls")
	}
	if s.schedules == 0 && commandline.IsSet(flags, "slots") {
		return s, errors.New("-slots needs -schedules")
	}
	if s.stale < 0 {
		return s, errors.New("-stale-reads is negative")
	}
	return s, commandline.CheckAddress("addr", s.addr)
}

// count adds a flag for a number of things to generate.
func count(flags *flag.FlagSet, p *int, name string, value int, usage string) {
	*p = value
	flags.Func(name, fmt.Sprintf("%s (default %d)", usage, value), func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > maxGenerated {
			return fmt.Errorf("want a number from 0 to %d", maxGenerated)
		}
		*p = n
		return nil
	})
}

func seed(flags *flag.FlagSet, p *uint64) {
	*p = 1
	flags.Func("seed", "`number` that ids, generated data and draws are made from (default 1)",
		func(text string) (err error) {
			if *p, err = strconv.ParseUint(text, 10, 64); err != nil {
				return fmt.Errorf("want a number from 0 to %d", uint64(math.MaxUint64))
			}
			return nil
		})
}

func usage() string {
	var faults strings.Builder
	faults.WriteString("A fault is operation:kind, then p= for a probability and n= for a count\n" +
		"(0: always). Without them it strikes once. The kinds:\n")
	for _, k := range kinds {
		fmt.Fprintf(&faults, "  %-28s%s\n", k.example, k.effect)
	}
	faults.WriteString("While it runs, " + adminPrefix + "faults and " + adminPrefix +
		"reset change it:\nsee docs/testing.md.")
	return commandline.Page{
		About: "closure-sandbox serves a test double of the Railway (Closure Health) booking\nAPI.",
		Usage: "go run github.com/closurehealth/closure-go/cmd/closure-sandbox [flags]",
		Flags: newFlagSet(new(settings)),
		Sections: []commandline.Section{
			{Title: "For programs that look for openings from today on", Text: "-clock now -schedules 40"},
			{Title: "Faults", Text: faults.String()},
			{Title: "Operations, * being any", Text: strings.Join(closuretest.Operations(), "\n")},
			{Title: "Exit codes", Text: "0  it was stopped\n1  it could not listen, or not stop cleanly\n2  a flag is wrong"},
		},
	}.String()
}

func (s settings) options() []closuretest.Option {
	options := []closuretest.Option{closuretest.WithSeed(s.seed)}
	switch {
	case s.realTime:
		options = append(options, closuretest.WithClock(time.Now))
	case !s.clock.IsZero():
		options = append(options, closuretest.WithFixedClock(s.clock))
	}
	if s.duplicate {
		options = append(options, closuretest.AllowDuplicates())
	}
	if s.stale > 0 {
		options = append(options, closuretest.StaleReads(s.stale))
	}
	if s.schedules > 0 {
		options = append(options, closuretest.WithGenerated(s.seed, s.schedules, s.slots))
	}
	return options
}

func (s *settings) setClock(text string) (err error) {
	if s.realTime = text == "now"; s.realTime {
		return nil
	}
	if s.clock, err = time.Parse(time.RFC3339, text); err != nil {
		return errors.New("want an instant such as 2022-05-01T00:00:00Z, or now")
	}
	return nil
}
