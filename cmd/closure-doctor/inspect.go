package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/closurehealth/closure-go"
)

// A finding says how an answer differs from what the SDK expects. It holds names of fields,
// never a value.
type finding struct {
	Kind   string `json:"kind"`
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail,omitempty"`
	Count  int    `json:"count"` // how many records or values
}

// The kinds of findings.
const (
	noAnswer       = "no_answer"
	slow           = "slow"
	wrongStatus    = "status"
	redirected     = "redirect"
	notJSON        = "not_json"
	envelope       = "envelope"
	paging         = "paging"
	notARecord     = "not_a_record"
	unknownField   = "unknown_field"
	missingField   = "missing_field"
	otherForm      = "other_form"
	unknownValue   = "unknown_value"
	notExpanded    = "not_expanded"
	otherRecord    = "other_record"
	filterIgnored  = "filter_ignored"
	wrongErrorBody = "error_body"
	wrongState     = "wrong_state"
	more           = "more"
)

// maxFindings is how many different findings of one answer are kept.
const maxFindings = 100

// An inspector collects the findings of one answer.
type inspector struct {
	findings []finding
	seen     map[string]bool // fields, by their path
}

func (in *inspector) add(kind, field, detail string) {
	for i, f := range in.findings {
		if f.Kind == kind && f.Field == field && f.Detail == detail {
			in.findings[i].Count++
			return
		}
	}
	if len(in.findings) >= maxFindings && kind != more {
		in.add(more, "", "")
		return
	}
	in.findings = append(in.findings, finding{kind, field, detail, 1})
}

// members returns the members of a JSON object, or nil if the value is not an object.
func members(raw json.RawMessage) (m map[string]json.RawMessage) {
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	return m
}

func elements(raw json.RawMessage) (all []json.RawMessage, ok bool) {
	err := json.Unmarshal(raw, &all)
	return all, err == nil && all != nil
}

// records returns the records of a body. If they are in an envelope, it takes them out.
func (in *inspector) records(body []byte, wantList bool) []json.RawMessage {
	all, isList := elements(body)
	m := members(body)
	switch {
	case wantList && isList:
		return all
	case !wantList && m["id"] != nil:
		return []json.RawMessage{body}
	case m == nil && !isList:
		in.add(notARecord, "", "neither an object nor a list")
		return nil
	case isList:
		in.add(notARecord, "", "a list")
		return all
	}
	return in.unwrap(m, wantList)
}

// unwrap looks for the records among the members of an object.
func (in *inspector) unwrap(m map[string]json.RawMessage, wantList bool) []json.RawMessage {
	for _, name := range sortedNames(m) {
		all, isList := elements(m[name])
		switch {
		case wantList && isList && name != "detail":
			in.add(envelope, printable(name), beside(m, name))
			if pages := pagingNames(m); len(pages) > 0 {
				in.add(paging, "", strings.Join(pages, ", "))
			}
			return all
		case !wantList && members(m[name])["id"] != nil:
			in.add(envelope, printable(name), beside(m, name))
			return []json.RawMessage{m[name]}
		}
	}
	if wantList {
		in.add(notARecord, "", "an object without a list in it")
	} else {
		in.add(notARecord, "", "an object without an id")
	}
	return nil
}

func beside(m map[string]json.RawMessage, name string) string {
	var others []string
	for _, other := range sortedNames(m) {
		if other != name {
			others = append(others, printable(other))
		}
	}
	if len(others) == 0 {
		return ""
	}
	return "beside " + strings.Join(others, ", ")
}

var pagingName = regexp.MustCompile(
	`(?i)^(.*(next|prev|cursor|page|offset|total|has_?more).*|count|limit|links?|meta)$`)

func pagingNames(m map[string]json.RawMessage) (names []string) {
	for _, name := range sortedNames(m) {
		if pagingName.MatchString(name) {
			names = append(names, printable(name))
		}
	}
	return names
}

func sortedNames(m map[string]json.RawMessage) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var (
	fieldName = regexp.MustCompile(`^[a-z][A-Za-z]*(_[a-z]+[0-9]?){0,5}$`)
	idName    = regexp.MustCompile(`^(pt|prac|sch|appt|ins|loc|sp|aptp|idx|req)_`)
)

// printable returns a member's name, unless it looks like an id or other data: an object can be
// a map whose keys are ids.
func printable(name string) string {
	if len(name) > 40 || !fieldName.MatchString(name) || idName.MatchString(name) {
		return "(unprintable)"
	}
	return name
}

// value compares one value with its shape.
func (in *inspector) value(s *shape, path string, raw json.RawMessage) {
	raw = bytes.TrimSpace(raw)
	if string(raw) == "null" {
		return // the field is absent
	}
	switch s.kind {
	case object:
		in.object(s, path, raw)
	case reference:
		if raw[0] == '{' {
			in.object(s, path, raw)
			return
		}
		in.text(s, path, raw)
	case list:
		all, ok := elements(raw)
		if !ok {
			in.add(otherForm, path, "not a list")
		}
		for _, item := range all {
			in.value(s.items, path, item)
		}
	case minutes:
		in.minutes(path, raw)
	default:
		in.text(s, path, raw)
	}
}

func (in *inspector) object(s *shape, path string, raw json.RawMessage) {
	m := members(raw)
	if m == nil {
		in.add(otherForm, path, "not an object")
		return
	}
	for _, name := range sortedNames(m) {
		of := s.fields[name]
		if of == nil {
			in.add(unknownField, join(path, printable(name)), "")
			continue
		}
		in.seen[join(path, name)] = true
		in.value(of, join(path, name), m[name])
	}
	for _, name := range s.needed {
		if absent(m[name]) {
			in.add(missingField, join(path, name), "")
		}
	}
}

func absent(raw json.RawMessage) bool { return raw == nil || string(bytes.TrimSpace(raw)) == "null" }

func join(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

func (in *inspector) minutes(path string, raw json.RawMessage) {
	if raw[0] == '"' {
		in.add(otherForm, path, "a string in the place of a number (the SDK reads it)")
		return
	}
	n, err := strconv.ParseUint(string(raw), 10, 32)
	if err != nil || n > uint64(closure.MaxMinutes) {
		in.add(otherForm, path, "not a whole number of minutes up to a week")
	}
}

// text compares a JSON string with its shape.
func (in *inspector) text(s *shape, path string, raw json.RawMessage) {
	var value string
	if json.Unmarshal(raw, &value) != nil {
		in.add(otherForm, path, "not a string")
		return
	}
	switch s.kind {
	case identifier, reference:
		if !strings.HasPrefix(value, s.prefix) {
			in.add(otherForm, path, "an id that does not start with "+s.prefix)
		}
	case enum:
		if !slices.Contains(s.values, value) {
			in.add(unknownValue, path, "")
		}
	case date:
		if _, err := time.Parse(time.DateOnly, value); err != nil {
			in.add(otherForm, path, "not a date of the form YYYY-MM-DD")
		}
	case instant:
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			in.add(otherForm, path, "not an instant of RFC 3339")
		}
	}
}

// unseen returns the expected fields that no record had.
func (in *inspector) unseen(s *shape) (names []string) {
	for _, name := range s.names {
		if !in.seen[name] && !slices.Contains(s.needed, name) {
			names = append(names, name)
		}
	}
	return names
}

// notReadable says why a body isn't JSON, or "".
func notReadable(header http.Header, body []byte) string {
	trimmed := bytes.TrimSpace(body)
	switch {
	case json.Valid(body):
		return ""
	case len(trimmed) == 0:
		return "an empty body"
	case trimmed[0] == '<' || strings.Contains(header.Get("Content-Type"), "html"):
		return "HTML"
	default:
		return "a body that is cut short or not JSON"
	}
}
