package wire

import (
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Lenient says how to read values that have one plain meaning, though not in the
// form that is promised. It is for the second try, for it slows reading down.
type Lenient struct{ options json.Options }

// NewLenient reads instants and numbers in the place of text leniently, and what
// types of the caller's say of themselves.
func NewLenient(types ...*json.Unmarshalers) *Lenient {
	return &Lenient{json.JoinOptions(reading, json.WithUnmarshalers(json.JoinUnmarshalers(append(types,
		Scalar(`"`, ParseInstant),
		Scalar(`0`, digits),
	)...)))}
}

// Scalar reads a T from the text of a JSON string or number: kinds holds '"',
// '0' or both. Other values are read as ever.
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
			raw, _ = jsontext.AppendUnquote(nil, raw) // the error is invalid UTF-8, which is replaced
		}
		*v, err = parse(string(raw))
		return err
	})
}

// Nested reads a T by what it says of itself, its parts leniently.
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

// digits is a number that stands for a text, such as a member's: as it is
// written. A sign, a fraction or an exponent makes it another text than was meant.
func digits(text string) (string, error) {
	if strings.Trim(text, "0123456789") != "" {
		return "", errDigits
	}
	return text, nil
}

var errInstant = errors.New("wire: not an instant")

// ParseInstant reads what RFC 3339 or ISO 8601 lets stand for an instant, always
// with an offset. The empty text is the zero time.
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

// strictInstant is the text as strict reading wants it, as far as it is one.
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
