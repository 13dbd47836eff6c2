package main

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A check is one call and what its answer must hold.
type check struct {
	op       operation
	variant  string
	id       string
	query    url.Values
	body     json.RawMessage
	index    string            // the index version to send
	want     map[string]string // members that each record must have with this value
	wantKind string            // the kind of the finding, if a record has another value
	expanded []string          // references that must be objects
	unknown  bool              // no record has the id: the right answer is 404
}

// A result is what a check found. It holds no value of a record.
type result struct {
	Call         string            `json:"call"`
	Variant      string            `json:"variant,omitempty"`
	Source       string            `json:"source"`
	Method       string            `json:"method"`
	Route        string            `json:"route"`
	NotAsked     string            `json:"not_asked,omitempty"` // why the call was not made
	Answered     bool              `json:"answered"`
	Status       int               `json:"status,omitempty"`
	Milliseconds int64             `json:"milliseconds"`
	Records      int               `json:"records"`
	Differences  []finding         `json:"differences"`
	Unseen       []string          `json:"unseen,omitempty"`  // optional fields that no record had
	Headers      map[string]string `json:"headers,omitempty"` // "present", or a number
	Tried        []attempt         `json:"tried,omitempty"`   // other routes, because this one isn't there
	Option       string            `json:"option,omitempty"`  // what to write in a program
	Notes        []string          `json:"notes,omitempty"`
}

// An attempt is another route that was tried for an operation.
type attempt struct {
	route
	Status int  `json:"status,omitempty"`
	Fits   bool `json:"fits"`
}

func newResult(op operation, variant string) result {
	return result{
		Call: op.name, Variant: variant, Source: op.source, Method: op.method, Route: op.route,
		Differences: []finding{},
	}
}

// run makes the call of a check and returns the records of the answer.
func (d *doctor) run(ctx context.Context, c check) []json.RawMessage {
	res := newResult(c.op, c.variant)
	if reason := cmp.Or(d.stopped, interrupted(ctx)); reason != "" {
		res.NotAsked = reason
		d.results = append(d.results, res)
		return nil
	}
	at := cmp.Or(d.moved[c.op.name], route{c.op.method, c.op.route})
	res.Method, res.Route = at.Method, at.Template
	r := d.send(ctx, c, at, &res)
	// A write may have been carried out: the report shows that it had no answer.
	if r.failure != "" && at.Method == http.MethodGet {
		res.NotAsked = interrupted(ctx)
	}
	if res.NotAsked != "" {
		d.results = append(d.results, res)
		return nil
	}
	records := d.judge(c, r, &res)
	if !c.unknown && noSuchRoute(r.status) {
		records = d.tryElsewhere(ctx, c, &res)
	}
	d.results = append(d.results, res)
	return records
}

func interrupted(ctx context.Context) string {
	if ctx.Err() != nil {
		return "interrupted"
	}
	return ""
}

func noSuchRoute(status int) bool {
	return status == http.StatusNotFound || status == http.StatusMethodNotAllowed
}

func (d *doctor) send(ctx context.Context, c check, at route, res *result) reply {
	q := question{route: at, id: c.id, query: c.query, body: c.body, index: c.index}
	if at.Method != http.MethodGet {
		return d.ask(ctx, q) // once, whatever the answer
	}
	r, limited := d.askRead(ctx, q)
	if limited {
		res.Notes = append(res.Notes, "it was answered 429 first; the doctor waited as Retry-After says")
	}
	return r
}

// judge compares a reply with what was expected, and fills in the result.
func (d *doctor) judge(c check, r reply, res *result) []json.RawMessage {
	in := &inspector{seen: map[string]bool{}}
	defer func() { res.Differences = append(res.Differences, in.findings...) }()
	res.Answered, res.Status = r.status != 0, r.status
	res.Milliseconds = r.took.Milliseconds()
	res.Headers = interesting(r.header)
	if r.took >= d.slow {
		in.add(slow, "", r.took.Round(time.Millisecond).String())
	}
	switch {
	case r.failure != "":
		in.add(noAnswer, "", r.failure)
		return nil
	case c.unknown && r.status == http.StatusNotFound:
		in.errorBody(r)
		return nil
	case c.unknown || r.status < 200 || r.status > 299:
		in.status(r)
		return nil
	}
	return d.inspect(c, in, r, res)
}

// inspect looks at the body of a success.
func (d *doctor) inspect(c check, in *inspector, r reply, res *result) []json.RawMessage {
	if reason := notReadable(r.header, r.body); reason != "" {
		in.add(notJSON, "", reason)
		return nil
	}
	if pages := pagingHeaders(r.header); len(pages) > 0 && c.op.lists() {
		in.add(paging, "", "headers "+strings.Join(pages, ", "))
	}
	s := d.shapes[c.op.recordsOf()]
	records := in.records(r.body, c.op.lists())
	for _, record := range records {
		if absent(record) {
			in.add(notARecord, "", "null in the place of a record")
		}
		in.value(s, "", record)
		m := members(record)
		for _, name := range slices.Sorted(maps.Keys(c.want)) {
			if !holds(m[name], c.want[name]) {
				in.add(c.wantKind, name, "")
			}
		}
		for _, name := range c.expanded {
			if !allObjects(m[name]) {
				in.add(notExpanded, name, "")
			}
		}
	}
	res.Records = len(records)
	if len(records) > 0 {
		res.Unseen = in.unseen(s)
	} else if len(in.findings) == 0 {
		res.Notes = append(res.Notes, "the list is empty: its records were not seen")
	}
	return records
}

// holds reports whether a value equals the text, is the same instant, or is an object with that
// id.
func holds(raw json.RawMessage, want string) bool {
	if m := members(raw); m != nil {
		raw = m["id"]
	}
	var got string
	if json.Unmarshal(raw, &got) != nil {
		return false
	}
	at, err := time.Parse(time.RFC3339, got)
	wantAt, wantErr := time.Parse(time.RFC3339, want)
	return got == want || err == nil && wantErr == nil && at.Equal(wantAt)
}

func allObjects(raw json.RawMessage) bool {
	if absent(raw) {
		return true
	}
	all, isList := elements(raw)
	if !isList {
		return members(raw) != nil
	}
	return !slices.ContainsFunc(all, func(item json.RawMessage) bool { return members(item) == nil })
}

// status reports an answer that is not a success.
func (in *inspector) status(r reply) {
	if r.status >= 300 && r.status <= 399 {
		in.add(redirected, "", strconv.Itoa(r.status)+"; the SDK follows none")
		return
	}
	detail := strings.TrimSpace(strconv.Itoa(r.status) + " " + http.StatusText(r.status))
	if allow := r.header.Get("Allow"); methods.MatchString(allow) {
		detail += ", it allows " + allow
	}
	in.add(wrongStatus, "", detail)
	if r.status != http.StatusNotFound && r.status != http.StatusMethodNotAllowed {
		in.errorBody(r)
	}
}

var methods = func() *regexp.Regexp {
	const one = `(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)`
	return regexp.MustCompile(`^` + one + `(?:, ?` + one + `){0,6}$`)
}()

// errorBody compares the body of an error with the published form.
func (in *inspector) errorBody(r reply) {
	if reason := notReadable(r.header, r.body); reason != "" {
		in.add(wrongErrorBody, "", reason)
		return
	}
	body := &inspector{seen: map[string]bool{}}
	body.value(shapeOfError(), "", r.body)
	for _, f := range body.findings {
		in.add(wrongErrorBody, f.Field, strings.TrimSuffix(f.Kind+": "+f.Detail, ": "))
	}
}

// tryElsewhere tries other routes. The first one that answers with what was asked for is
// reported as the option to write, and the walk goes on with it.
func (d *doctor) tryElsewhere(ctx context.Context, c check, res *result) []json.RawMessage {
	for _, at := range c.op.elsewhere() {
		found := newResult(c.op, c.variant)
		r := d.send(ctx, c, at, &found)
		records := d.judge(c, r, &found)
		fits := r.status >= 200 && r.status <= 299 && !slices.ContainsFunc(found.Differences, disqualifies)
		res.Tried = append(res.Tried, attempt{at, r.status, fits})
		if fits {
			d.moved[c.op.name] = at
			res.Option = option(c.op, at)
			res.Records, res.Unseen = found.Records, found.Unseen
			res.Differences = append(res.Differences, found.Differences...)
			return records
		}
	}
	return nil
}

// disqualifies reports whether a finding shows that the route belongs to another call.
func disqualifies(f finding) bool {
	return slices.Contains([]string{noAnswer, notJSON, notARecord, missingField, otherRecord, wrongState}, f.Kind)
}

// option is the code that makes the SDK use another route.
func option(op operation, at route) string {
	template := at.Template
	if at.Method != op.method {
		template = at.Method + " " + template
	}
	return "closure.WithRoute(" + strconv.Quote(op.name) + ", " + strconv.Quote(template) + ")"
}

var (
	headerName = regexp.MustCompile(`(?i)^(x-)?(request-?id|correlation-id|amzn-requestid|trace-id|` +
		`rate-?limit[a-z-]*|retry-after)$|^cf-ray$`)
	number = regexp.MustCompile(`^[0-9]{1,10}$`)
)

// interesting returns the headers worth reporting, by name. A value is shown only if it is a
// small number.
func interesting(header http.Header) map[string]string {
	found := map[string]string{}
	for name := range header {
		if !headerName.MatchString(name) {
			continue
		}
		found[name] = "present"
		lower := strings.ToLower(name)
		if value := header.Get(name); number.MatchString(value) &&
			(strings.Contains(lower, "limit") || lower == "retry-after") {
			found[name] = value
		}
	}
	return found
}

var pagingHeader = regexp.MustCompile(
	`(?i)^x-(total|next|prev|page|per-page|total-count|total-pages|next-page|next-cursor)$`)

func pagingHeaders(header http.Header) (names []string) {
	for name := range header {
		isLink := name == "Link" && strings.Contains(strings.ToLower(header.Get(name)), "next")
		if isLink || pagingHeader.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
