// Package wire is the only package that knows which JSON library the SDK uses, and how the API
// writes an instant.
package wire

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// instantLayout is the API's form of an instant, which must be in UTC.
const instantLayout = "2006-01-02T15:04:05.000Z07:00"

var errYear = errors.New("year outside of 0 to 9999")

// Options are safe for concurrent use. They are built once, because building them in every
// call would cost time.
var (
	reading = json.JoinOptions(
		// A patient's booking must not fail because of a stray byte in a server's text.
		jsontext.AllowDuplicateNames(true),
		jsontext.AllowInvalidUTF8(true),
	)
	writing = json.WithMarshalers(json.MarshalToFunc(writeInstant))
)

// Marshal writes v in the API's form.
func Marshal(v any) ([]byte, error) { return json.Marshal(v, writing) }

// Unmarshal reads exactly one JSON value, strictly. Use [Read] and [ReadList] for what the API
// sends.
func Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v, reading) }

// AppendInstant appends t to a text in the API's form.
func AppendInstant(b []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(b, instantLayout)
}

func writeInstant(enc *jsontext.Encoder, t time.Time) error {
	if y := t.UTC().Year(); y < 0 || y > 9999 {
		return errYear
	}
	buf := append(enc.AvailableBuffer(), '"')
	buf = append(AppendInstant(buf, t), '"')
	return enc.WriteValue(buf)
}
