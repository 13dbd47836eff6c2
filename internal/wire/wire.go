// Package wire is the one place that knows which JSON library the SDK uses and
// how the API writes an instant.
package wire

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// instantLayout is how the API writes an instant, which must be in UTC.
const instantLayout = "2006-01-02T15:04:05.000Z07:00"

var errYear = errors.New("year outside of 0 to 9999")

// Options are values, safe for concurrent use; building them once keeps them
// out of every call.
var (
	reading = json.JoinOptions(
		// A patient's booking must not fail on a stray byte of a server's text.
		jsontext.AllowDuplicateNames(true),
		jsontext.AllowInvalidUTF8(true),
	)
	writing = json.WithMarshalers(json.MarshalToFunc(writeInstant))
)

// Marshal writes v as the API wants it.
func Marshal(v any) ([]byte, error) { return json.Marshal(v, writing) }

// Unmarshal reads exactly one JSON value, strictly: what a type reads by itself
// and nothing else. What the API sends is read by [Read] and [ReadList].
func Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v, reading) }

// AppendInstant appends t in the API's form.
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
