package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
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
		"-zone Asia/Tokyo more": `unexpected argument "more"`,
		"-nope":                 "flag provided but not defined: -nope",
	} {
		n, _, err := parse(strings.Fields(args)...)
		if got := text(err); got != want {
			t.Errorf("%s: %d, %s, want %s", args, n, got, want)
		}
	}
	for _, args := range [][]string{{}, {"-zone", ""}, {"-zone", "Asia/Tokyo", "-zone", ""}} {
		if n, zone, err := parse(args...); n != 2 || zone != nil || err != nil {
			t.Errorf("%q: %d, %v, %v, want the patient's zone", args, n, zone, err)
		}
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
