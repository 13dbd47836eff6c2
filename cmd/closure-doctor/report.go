package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A report is what -json prints.
type report struct {
	Differs bool     `json:"differs"`
	Key     string   `json:"key"` // "public" or "own"
	Write   bool     `json:"write"`
	Calls   []result `json:"calls"`
}

func newReport(s settings, results []result) report {
	r := report{Key: "own", Write: s.write, Calls: results}
	if s.public() {
		r.Key = "public"
	}
	r.Differs = slices.ContainsFunc(results, func(res result) bool { return len(res.Differences) > 0 })
	return r
}

func (r report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func (r report) writeText(w io.Writer) error {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0) // 80 columns wide, if no answer takes 100 s
	fmt.Fprintln(table, "CALL\tSOURCE\tANSWERED\tTIME\tRECORDS\tEXPECTED")
	for _, res := range r.Calls {
		fmt.Fprintln(table,
			strings.Join([]string{res.name(), res.Source, res.answered(), res.time(), res.records(), res.verdict()}, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	r.writeDetails(&b)
	r.writeHeaders(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// writeDetails lists what differs, and what else is worth knowing about a call.
func (r report) writeDetails(b *strings.Builder) {
	for _, res := range r.Calls {
		lines := res.details()
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n%s: %s %s\n", res.name(), res.Method, res.Route)
		for _, line := range lines {
			fmt.Fprintf(b, "  %s\n", line)
		}
	}
	if !r.Differs {
		b.WriteString("\nNothing differs in what was asked and seen.\n")
	}
}

func (r report) writeHeaders(b *strings.Builder) {
	count, values, answers := map[string]int{}, map[string]string{}, 0
	for _, res := range r.Calls {
		if res.Answered {
			answers++
		}
		for name, value := range res.Headers {
			count[name]++
			values[name] = value // keep the last one
		}
	}
	b.WriteString("\nHeaders:\n")
	for _, name := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(b, "  %s on %d of %d answers", name, count[name], answers)
		if values[name] != "present" {
			fmt.Fprintf(b, ", last %s", values[name])
		}
		b.WriteString("\n")
	}
	for _, want := range []string{"X-Request-Id", "Retry-After"} {
		if count[want] == 0 {
			fmt.Fprintf(b, "  %s on none\n", want)
		}
	}
}

func (res result) name() string {
	if res.Variant != "" {
		return res.Call + " (" + res.Variant + ")"
	}
	return res.Call
}

func (res result) answered() string {
	switch {
	case res.NotAsked != "":
		return "not asked"
	case !res.Answered:
		return "no"
	default:
		return strconv.Itoa(res.Status)
	}
}

func (res result) time() string {
	if res.NotAsked != "" {
		return "-"
	}
	return fmt.Sprintf("%d ms", res.Milliseconds)
}

func (res result) records() string {
	if res.NotAsked != "" || !res.Answered {
		return "-"
	}
	return strconv.Itoa(res.Records)
}

func (res result) verdict() string {
	switch {
	case res.NotAsked != "":
		return res.NotAsked
	case len(res.Differences) > 0:
		return "differs"
	case len(res.Notes) > 0 && res.Records == 0:
		return "in part"
	default:
		return "yes"
	}
}

func (res result) details() (lines []string) {
	for _, f := range res.Differences {
		lines = append(lines, "differs: "+f.String())
	}
	for _, tried := range res.Tried {
		verdict := "isn't the call"
		if tried.Fits {
			verdict = "answers as expected"
		}
		lines = append(lines, fmt.Sprintf("tried:   %s %s is answered %d: %s",
			tried.Method, tried.Template, tried.Status, verdict))
	}
	if res.Option != "" {
		lines = append(lines, "write:   "+res.Option)
	}
	if len(res.Unseen) > 0 {
		lines = append(lines, "no record had: "+strings.Join(res.Unseen, ", "))
	}
	for _, note := range res.Notes {
		lines = append(lines, "note:    "+note)
	}
	return lines
}

// phrases explain the kinds of findings.
var phrases = map[string]string{
	noAnswer:       "no answer that can be read",
	slow:           "slow",
	wrongStatus:    "answered",
	redirected:     "redirected",
	notJSON:        "not JSON",
	envelope:       "in an envelope",
	paging:         "paging",
	notARecord:     "not what was asked for",
	unknownField:   "unknown field",
	missingField:   "missing field",
	otherForm:      "another form",
	unknownValue:   "value outside the enum",
	notExpanded:    "not expanded",
	otherRecord:    "another record than was asked for",
	filterIgnored:  "records that the query excludes",
	wrongErrorBody: "the error's body",
	wrongState:     "not as written",
	more:           "other differences",
}

// String returns a finding as one line.
func (f finding) String() string {
	text := phrases[f.Kind]
	if f.Field != "" {
		text += " " + f.Field
	}
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	if f.Count > 1 {
		text += fmt.Sprintf(" (%d times)", f.Count)
	}
	return text
}
