package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

func TestRun(t *testing.T) {
	offline(t)
	var out bytes.Buffer
	if err := run(t.Context(), &out, settings{weeks: 2}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Trisha Pandit, insured with Example Health Choice PPO\n",
		"left out: can't be booked through the API\n",
		"left out: does not accept Example Health Choice PPO\n",
		" scheduled\n",
		"New York, NY\n",
		"is accepted\n",
		" EDT (21:", // 17:… in New York
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// Where there is no opening, it says so and books nothing.
func TestRunNothing(t *testing.T) {
	offline(t)
	later := closure.NewDate(2030, time.May, 2)
	for weeks, hint := range map[int]string{1: "no open slot\nTry more -weeks, or another -from",
		maxWeeks: "no open slot\nTry another -from"} {
		err := run(t.Context(), new(bytes.Buffer), settings{from: later, weeks: weeks})
		if err == nil || !strings.HasSuffix(err.Error(), hint) {
			t.Errorf("%v, want %q", err, hint)
		}
	}
}

func offline(t *testing.T) {
	t.Setenv("CLOSURE_API_KEY", "")
	t.Setenv("CLOSURE_BASE_URL", "")
}

func TestBadFlags(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"-weeks 0", "-weeks -1", "-weeks 99999999", "-from tomorrow", "-from 9999-12-31", "-from=", "-weeks=", "stray"} {
		if _, err := parseFlags(strings.Fields(args)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", args, err)
		}
	}
}
