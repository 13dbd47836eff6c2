package wire

import (
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Lenient says how to read values that don't have the documented form but can mean only one
// thing. It is for a second try, because it is slower.
type Lenient struct{ options json.Options }

// NewLenient returns a Lenient for instants, for numbers in place of strings, and for the
// caller's types, each by its own rules.
func NewLenient(types ...*json.Unmarshalers) *Lenient {
	return &Lenient{json.JoinOptions(reading, json.WithUnmarshalers(json.JoinUnmarshalers(append(types,
		Scalar(`"`, ParseInstant),
		Scalar(`0`, digits),
	)...)))}
}

// Scalar reads a T from the text of a JSON string or number: kinds holds '"', '0' or both. Other
// values are read as usual.
func Scalar[T any](kinds string, parse func(text string) (T, error)) *json.Unmarshalers {
	return json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *T) error {
		kind := dec.PeekKind()
		if !strings.Contains(kinds, string(rune(kind))) {
			return errors.ErrUnsupported
		}
		raw, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if kind == '"' {
			raw, _ = jsontext.AppendUnquote(nil, raw) // the only error is invalid UTF-8, which is replaced
		}
		*v, err = parse(string(raw))
		return err
	})
}

// Nested reads a T by its own function, and what is inside it leniently.
func Nested[T any](read func(v *T, data []byte, unmarshal func([]byte, any) error) error) *json.Unmarshalers {
	return json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *T) error {
		data, err := dec.ReadValue()
		if err != nil {
			return err
		}
		opts := dec.Options()
		return read(v, data, func(data []byte, v any) error { return json.Unmarshal(data, v, opts) })
	})
}

var errDigits = errors.New("wire: not digits")

// digits reads a number in place of a string, such as a member id: its digits become the
// string. It refuses a number with a sign, a fraction or an exponent, because it isn't known
// which string was meant.
func digits(text string) (string, error) {
	if strings.Trim(text, "0123456789") != "" {
		return "", errDigits
	}
	return text, nil
}

var errInstant = errors.New("wire: not an instant")

// ParseInstant reads the forms of an instant in RFC 3339 and ISO 8601 that have an offset. The
// empty text is the zero time.
func ParseInstant(text string) (t time.Time, err error) {
	if text == "" {
		return t, nil
	}
	quoted, _ := jsontext.AppendQuote(nil, strictInstant(text))
	if Unmarshal(quoted, &t) != nil {
		return time.Time{}, errInstant
	}
	return t, nil
}

// strictInstant rewrites the text to the form that strict reading accepts, if it can.
func strictInstant(text string) string {
	const date, seconds = len(time.DateOnly), len("2006-01-02T15:04:05")
	if len(text) <= seconds {
		return text
	}
	if sep := text[date]; sep == 't' || sep == ' ' {
		text = text[:date] + "T" + text[date+1:]
	}
	if local, found := strings.CutSuffix(text, "z"); found {
		return local + "Z"
	}
	sign := strings.LastIndexAny(text, "+-")
	if sign < seconds {
		return text
	}
	local, offset := strings.TrimSuffix(text[:sign], " "), text[sign:]
	switch len(offset) {
	case len("+00"):
		offset += ":00"
	case len("+0000"):
		offset = offset[:3] + ":" + offset[3:]
	}
	return local + offset
}
