package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/internal/operation"
)

// A faultText is a fault in its written form: operation:kind:argument:p=…:n=…:h=….
type faultText struct {
	op, argument string
	kind         kind
	probability  float64 // negative: not given
	times        int     // negative: not given
	header       []string
}

func parseFault(text string) (closuretest.Fault, error) {
	t, err := splitFault(text)
	if err != nil {
		return closuretest.Fault{}, err
	}
	fault, err := t.kind.build(t)
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
	t.op = parts[0]
	if t.kind, err = findKind(parts[1]); err != nil {
		return t, err
	}
	if t.op != closuretest.AnyOperation && !slices.Contains(closuretest.Operations(), t.op) {
		return t, fmt.Errorf("there is no operation %q: they are %s, and %s for all of them",
			t.op, strings.Join(closuretest.Operations(), ", "), closuretest.AnyOperation)
	}
	for _, part := range parts[2:] {
		if err := t.set(part); err != nil {
			return t, err
		}
	}
	return t, nil
}

// set reads one part: a named one, or the argument.
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
	case named && name == "h" && strings.HasPrefix(t.kind.name, "status"):
		header, content, found := strings.Cut(value, "=")
		if !found || header == "" {
			return fmt.Errorf("h=%s is not name=value", value)
		}
		t.header = append(t.header, header, content)
	default:
		return fmt.Errorf("%q is not p=, n= or, for a status, h=", part)
	}
	return nil
}

// A kind is what a fault does.
type kind struct {
	name, example, effect string // as -h shows them
	build                 func(t faultText) (closuretest.Fault, error)
}

var kinds = []kind{
	plain("drop-before", "connection lost, nothing done", closuretest.DropBefore),
	plain("drop-after", "done, then connection lost", closuretest.DropAfter),
	{"commit-late", "commit-late:20s", "connection lost, done 20 s later", func(t faultText) (closuretest.Fault, error) {
		after, err := t.duration()
		return closuretest.CommitLate(t.op, after), err
	}},
	{"status", "status:429:h=Retry-After=2", "answered 429, nothing done; h= is a header",
		func(t faultText) (closuretest.Fault, error) {
			code, err := t.status()
			return closuretest.Status(t.op, code, t.header...), err
		}},
	{"status-after", "status-after:502", "done, then answered 502", func(t faultText) (closuretest.Fault, error) {
		code, err := t.status()
		return closuretest.StatusAfter(t.op, code, t.header...), err
	}},
	{"delay", "delay:3s", "done, then answered 3 s later", func(t faultText) (closuretest.Fault, error) {
		wait, err := t.duration()
		return closuretest.Delay(t.op, wait), err
	}},
	{"stale", "stale:20s", "a read shows the state of 20 s ago", func(t faultText) (closuretest.Fault, error) {
		lag, err := t.duration()
		if err == nil && isWrite(t.op) {
			err = fmt.Errorf("stale is for reads, and %s is none", t.op)
		}
		return closuretest.Stale(t.op, lag), err
	}},
	plain("truncate", "half of the answer", closuretest.Truncate),
	plain("malformed", "HTML instead of JSON", closuretest.Malformed),
	{"huge", "huge:300000000", "an answer of 300 MB, as a gzip bomb", func(t faultText) (closuretest.Fault, error) {
		bytes, err := strconv.ParseInt(t.argument, 10, 64)
		if err != nil || bytes < 0 {
			err = errors.New("huge needs a number of bytes, such as huge:300000000")
		}
		return closuretest.Huge(t.op, bytes), err
	}},
}

// plain makes a kind without an argument.
func plain(name, effect string, newFault func(op string) closuretest.Fault) kind {
	return kind{name, name, effect, func(t faultText) (closuretest.Fault, error) {
		if t.argument != "" {
			return closuretest.Fault{}, fmt.Errorf("%s takes no argument", name)
		}
		return newFault(t.op), nil
	}}
}

func findKind(name string) (kind, error) {
	var names []string
	for _, k := range kinds {
		if k.name == name {
			return k, nil
		}
		names = append(names, k.name)
	}
	return kind{}, fmt.Errorf("there is no fault %q: the kinds are %s", name, strings.Join(names, ", "))
}

func (t faultText) duration() (time.Duration, error) {
	d, err := time.ParseDuration(t.argument)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s needs a duration, such as %s:20s", t.kind.name, t.kind.name)
	}
	return d, nil
}

func (t faultText) status() (int, error) {
	code, err := strconv.Atoi(t.argument)
	if err != nil || code < 200 || code > 599 {
		return 0, fmt.Errorf("%s needs a status from 200 to 599, such as %s:503", t.kind.name, t.kind.name)
	}
	return code, nil
}

func isWrite(name string) bool {
	table := operation.Table()
	return slices.ContainsFunc(table[:], func(o operation.Spec) bool { return o.Name == name && o.Method != http.MethodGet })
}
