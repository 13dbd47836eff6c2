// Command closure-doctor asks the Railway (Closure Health) booking API whether it
// answers as this SDK expects. Most of the SDK's calls are inferred: nobody
// published them. Run the doctor before you rely on them, in the module that uses the
// SDK, so that both are of the same version:
//
//	go run github.com/closurehealth/closure-go/cmd/closure-doctor
//
// It makes each read call in test mode, with the vendor's public key or the test key in
// CLOSURE_API_KEY, and prints a table: the call, its source, whether it was answered, and
// whether the answer is as expected. Below the table it lists what differs: fields that the
// SDK doesn't know, missing fields, values that are not published, envelopes, paging,
// other forms. If a route isn't there, it tries others, and prints the option that makes
// the SDK use the one it found.
//
// -write also books an open slot for the guide's patient, moves the appointment
// and cancels it, in test mode, where nothing real is booked. Each of these
// requests is sent once.
//
// It asks the vendor's host, or the one that -base or, without it, CLOSURE_BASE_URL names. The
// SDK's other variables are not read.
//
// A live key is refused. The output names fields and counts them; it holds no
// value of a record, no id and no URL, so that it can be shown to others.
//
// The exit code is 0 if nothing differs, 1 if something does or the API gave no answer, and
// 2 if a flag, the key or the base URL is wrong.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/internal/commandline"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	env := environment{key: os.Getenv("CLOSURE_API_KEY"), base: os.Getenv("CLOSURE_BASE_URL"), width: commandline.Width(os.Stdout)}
	code := run(ctx, os.Args[1:], env, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The program's exit codes.
const (
	exitOK      = 0
	exitDiffers = 1 // something differs, or the report isn't whole or can't be written
	exitUsage   = 2 // a flag, the key or the base URL is wrong
)

// environment is what the environment says. What is "" is not set.
type environment struct {
	key   string
	base  string
	width int // of the terminal in columns, 0 for any
}

// run is the program. Without a key in the environment the doctor uses the public one.
func run(ctx context.Context, args []string, env environment, stdout, stderr io.Writer) int {
	s, err := parseSettings(args, env)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage())
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "closure-doctor: %v %s\n", err, commandline.SeeHelp)
		return exitUsage
	}
	d, err := newDoctor(s)
	if err != nil {
		fmt.Fprintf(stderr, "closure-doctor: %v\n", err)
		return exitDiffers
	}
	d.walk(ctx, s.write)
	r := newReport(s, d.results)
	if s.json {
		err = r.writeJSON(stdout)
	} else {
		err = r.writeText(commandline.Fit(stdout, env.width, 4))
	}
	if err != nil {
		fmt.Fprintf(stderr, "closure-doctor: the report can't be written: %v\n", err)
	}
	if advice := d.advice(ctx); advice != "" {
		fmt.Fprintf(stderr, "closure-doctor: %s\n", advice)
		return exitDiffers
	}
	if err != nil || r.Differs {
		return exitDiffers
	}
	return exitOK
}

// settings are what the flags and the environment say.
type settings struct {
	base    string
	key     string
	write   bool
	json    bool
	slow    time.Duration
	timeout time.Duration
}

func (s settings) public() bool { return s.key == closure.QuickstartKey }

func newFlagSet(s *settings) *flag.FlagSet {
	flags := flag.NewFlagSet("closure-doctor", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // one line is enough, and run writes it
	flags.Usage = func() {}
	flags.StringVar(&s.base, "base", cmp.Or(s.base, closure.DefaultBaseURL), "base `URL` of the API")
	flags.BoolVar(&s.write, "write", false,
		"also book, move and cancel an appointment of the guide's patient, in test mode")
	flags.BoolVar(&s.json, "json", false, "print JSON")
	commandline.DurationVar(flags, &s.slow, "slow", 3*time.Second, "report an answer that takes this `time` or longer")
	commandline.DurationVar(flags, &s.timeout, "timeout", 30*time.Second, "the longest `time` to wait for an answer")
	return flags
}

func parseSettings(args []string, env environment) (s settings, err error) {
	s.base = env.base
	flags := newFlagSet(&s)
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if err := commandline.NoArguments(flags); err != nil {
		return s, err
	}
	if s.slow <= 0 || s.timeout <= 0 {
		return s, errors.New("-slow and -timeout must be longer than zero")
	}
	s.key = cmp.Or(env.key, closure.QuickstartKey)
	if err := checkKey(s.key); err != nil {
		return s, err
	}
	if err := s.checkBase(); err != nil {
		return s, fmt.Errorf("%s %w", baseFrom(flags, env), err)
	}
	s.base = strings.TrimSuffix(s.base, "/")
	return s, nil
}

// baseFrom names where the base URL is from.
func baseFrom(flags *flag.FlagSet, env environment) string {
	if env.base != "" && !commandline.IsSet(flags, "base") {
		return "CLOSURE_BASE_URL"
	}
	return "-base"
}

func checkKey(key string) error {
	rest, found := strings.CutPrefix(key, "ch_sk_test")
	if !found {
		return errors.New("CLOSURE_API_KEY is not a test key: the doctor takes only keys that start with ch_sk_test")
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) {
		return errors.New("CLOSURE_API_KEY holds a character that no key has")
	}
	if strings.Trim(rest, "_") == "" {
		return errors.New("CLOSURE_API_KEY is only the beginning of a key: nothing follows its mode")
	}
	return nil
}

// checkBase refuses a base URL that would show the user's own key to anyone on the network.
func (s settings) checkBase() error {
	u, err := url.Parse(s.base)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("is not a URL of scheme, host and path")
	case u.Scheme == "https", u.Scheme == "http" && (s.public() || loopback(u.Hostname())):
		return nil
	case u.Scheme == "http":
		return errors.New("is http on a host that is not a loopback host: unset CLOSURE_API_KEY or use https")
	default:
		return errors.New("is neither https nor http")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func usage() string {
	return commandline.Page{
		About: "closure-doctor asks the API, in test mode, whether it answers as this SDK\nexpects.",
		Usage: "go run github.com/closurehealth/closure-go/cmd/closure-doctor [flags]",
		Flags: newFlagSet(new(settings)),
		Sections: []commandline.Section{
			{Title: "Environment", Text: "CLOSURE_API_KEY   a test key; without one the vendor's public key is used\n" +
				"CLOSURE_BASE_URL  the API's address, if -base doesn't give another\n" +
				"The SDK's other variables, such as CLOSURE_ROUTES, are not read: the doctor\n" +
				"checks what the SDK does without them."},
			{Title: "Exit codes", Text: "0  nothing differs\n1  something differs, or the API gave no answer\n" +
				"2  a flag, the key or the base URL is wrong"},
		},
	}.String()
}
