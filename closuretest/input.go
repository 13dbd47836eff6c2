package closuretest

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/internal/wire"
)

// problems are the detail of a 400. They name fields and never repeat values.
type problems []string

func (p *problems) add(field, reason string) { *p = append(*p, field+": "+reason) }

// What fields must be.
const (
	isInstant  = "is not an instant such as 2022-05-20T17:00:00.000Z"
	isDate     = "is not a date such as 1994-12-22"
	isMinutes  = "is not a number of minutes from 1 to 10080"
	isText     = "is not a text"
	isRequired = "is required"
)

// parseFields reads a body, which must be one JSON object.
func parseFields(body []byte) (fields map[string]json.RawMessage, problem string) {
	if wire.Unmarshal(body, &fields) != nil || fields == nil {
		return nil, "body: is not a JSON object"
	}
	return fields, ""
}

// field reads one field of a body; null counts as absent.
func field[T any](fields map[string]json.RawMessage, p *problems, name, want string, required bool) (value T) {
	raw, found := fields[name]
	if !found || string(raw) == "null" {
		if required {
			p.add(name, isRequired)
		}
		return value
	}
	if wire.Unmarshal(raw, &value) != nil {
		p.add(name, want)
		var zero T
		return zero
	}
	return value
}

// idField reads a field that holds the id of a record.
func idField[ID ~string](fields map[string]json.RawMessage, p *problems, name, prefix string) ID {
	before := len(*p)
	id := field[ID](fields, p, name, isText, true)
	if len(*p) == before {
		checkID(p, name, prefix, string(id))
	}
	return id
}

// idParam reads a parameter that holds the id of a record; absent is "".
func idParam[ID ~string](query url.Values, p *problems, name, prefix string) ID {
	if query.Has(name) {
		checkID(p, name, prefix, query.Get(name))
	}
	return ID(query.Get(name))
}

func checkID(p *problems, name, prefix, id string) {
	if !strings.HasPrefix(id, prefix) || len(id) == len(prefix) {
		p.add(name, "is not an id that starts with "+prefix)
	}
}

// instantParam reads a parameter that holds an instant, and reports whether there is one.
func instantParam(query url.Values, p *problems, name string) (at time.Time, set bool) {
	text := query.Get(name)
	if text == "" {
		return at, false
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		p.add(name, isInstant)
		return at, false
	}
	return at, true
}

// dateParam reads a parameter that holds a date. It is zero if there is none.
func dateParam(query url.Values, p *problems, name string) closure.Date {
	text := query.Get(name)
	if text == "" {
		return closure.Date{}
	}
	date, err := closure.ParseDate(text)
	if err != nil {
		p.add(name, isDate)
	}
	return date
}
