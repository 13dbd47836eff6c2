package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/closurehealth/closure-go/closuretest"
)

// faultsFlag is the -fault flag, which can be given several times.
type faultsFlag []closuretest.Fault

// String is for the flag package.
func (f *faultsFlag) String() string { return "" }

// Set adds a fault.
func (f *faultsFlag) Set(text string) error {
	fault, err := parseFault(text)
	if err != nil {
		return err
	}
	*f = append(*f, fault)
	return nil
}

// A faultText is a fault as it is written: operation:kind:argument:p=…:n=…:h=….
type faultText struct {
	op, kind, argument string
	probability        float64 // negative: not given
	times              int     // negative: not given
	header             []string
}

func parseFault(text string) (closuretest.Fault, error) {
	t, err := splitFault(text)
	if err != nil {
		return closuretest.Fault{}, err
	}
	fault, err := t.build()
	if err != nil {
		return fault, err
	}
	if t.times >= 0 {
		fault = fault.Times(t.times)
	}
	if t.probability >= 0 {
		fault = fault.Probability(t.probability)
	}
	return fault, nil
}

func splitFault(text string) (t faultText, err error) {
	t.probability, t.times = -1, -1
	parts := strings.Split(text, ":")
	if len(parts) < 2 {
		return t, errors.New("want operation:kind, such as appointments.create:drop-after:p=0.1")
	}
	t.op, t.kind = parts[0], parts[1]
	if t.op != closuretest.AnyOperation && !slices.Contains(closuretest.Operations(), t.op) {
		return t, fmt.Errorf("there is no operation %q", t.op)
	}
	for _, part := range parts[2:] {
		if err := t.set(part); err != nil {
			return t, err
		}
	}
	return t, nil
}

// set takes one part: a named one, or the argument.
func (t *faultText) set(part string) (err error) {
	name, value, named := strings.Cut(part, "=")
	switch {
	case !named && t.argument == "" && part != "":
		t.argument = part
	case named && name == "p":
		t.probability, err = strconv.ParseFloat(value, 64)
		if err != nil || !(t.probability >= 0 && t.probability <= 1) {
			return fmt.Errorf("p=%s is not a probability from 0 to 1", value)
		}
	case named && name == "n":
		t.times, err = strconv.Atoi(value)
		if err != nil || t.times < 0 {
			return fmt.Errorf("n=%s is not a count", value)
		}
	case named && name == "h" && t.kind == "status":
		header, content, found := strings.Cut(value, "=")
		if !found || header == "" {
			return fmt.Errorf("h=%s is not name=value", value)
		}
		t.header = append(t.header, header, content)
	default:
		return fmt.Errorf("what is %q?", part)
	}
	return nil
}

// build makes the fault of its kind.
func (t faultText) build() (closuretest.Fault, error) {
	type maker = func(op string) closuretest.Fault
	plain := map[string]maker{
		"drop-before": closuretest.DropBefore,
		"drop-after":  closuretest.DropAfter,
		"truncate":    closuretest.Truncate,
		"malformed":   closuretest.Malformed,
	}
	if newFault, found := plain[t.kind]; found {
		if t.argument != "" {
			return closuretest.Fault{}, fmt.Errorf("%s takes no argument", t.kind)
		}
		return newFault(t.op), nil
	}
	switch t.kind {
	case "commit-late":
		after, err := t.duration()
		return closuretest.CommitLate(t.op, after), err
	case "delay":
		wait, err := t.duration()
		return closuretest.Delay(t.op, wait), err
	case "status":
		code, err := t.status()
		return closuretest.Status(t.op, code, t.header...), err
	case "status-after":
		code, err := t.status()
		return closuretest.StatusAfter(t.op, code), err
	case "huge":
		bytes, err := strconv.ParseInt(t.argument, 10, 64)
		if err != nil || bytes < 0 {
			err = errors.New("huge needs a number of bytes, such as huge:300000000")
		}
		return closuretest.Huge(t.op, bytes), err
	default:
		return closuretest.Fault{}, fmt.Errorf("there is no fault %q", t.kind)
	}
}

func (t faultText) duration() (time.Duration, error) {
	d, err := time.ParseDuration(t.argument)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s needs a duration, such as %s:20s", t.kind, t.kind)
	}
	return d, nil
}

func (t faultText) status() (int, error) {
	code, err := strconv.Atoi(t.argument)
	if err != nil || code < 200 || code > 599 {
		return 0, fmt.Errorf("%s needs a status from 200 to 599, such as %s:503", t.kind, t.kind)
	}
	return code, nil
}
