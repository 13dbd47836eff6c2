package closure

import (
	"strings"
	"time"

	"github.com/closurehealth/closure-go/internal/wire"
)

// lenient is the second try at reading a body. It accepts forms that the API didn't promise
// but that can mean only one thing. docs/reading.md lists them.
var lenient = wire.NewLenient(
	wire.Scalar(`"`, readDate),
	wire.Scalar(`"0`, readMinutes),
	wire.Nested((*PractitionerRef).read),
	wire.Nested((*LocationRef).read),
	wire.Nested((*AppointmentTypeRef).read),
	wire.Nested((*InsuranceRef).read),
)

// readDate also reads a date with a time, if the time adds nothing: it is midnight, and the
// day is the same in UTC.
func readDate(text string) (date Date, err error) {
	if date.UnmarshalText([]byte(text)) == nil {
		return date, nil
	}
	t, err := wire.ParseInstant(text)
	if err != nil {
		t, err = wire.ParseInstant(text + "Z")
	}
	written, inUTC := dateOf(t), dateOf(t.UTC())
	if err != nil || written != inUTC || !t.Equal(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())) {
		return Date{}, notDate()
	}
	return written, nil
}

func dateOf(t time.Time) Date { return NewDate(t.Date()) }

// readMinutes also reads 30.0, and an empty text as zero.
func readMinutes(text string) (Minutes, error) {
	if text == "" {
		return 0, nil
	}
	whole, zeros, found := strings.Cut(text, ".")
	if found && (zeros == "" || strings.Trim(zeros, "0") != "") {
		return 0, notMinutes()
	}
	return parseMinutes(whole)
}
