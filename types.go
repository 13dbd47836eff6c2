package closure

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/closurehealth/closure-go/internal/wire"
	"github.com/closurehealth/closure-go/internal/zones"
)

// A Date is a day in the calendar without time or zone, such as a birth date.
// The API writes it "2022-05-20" (source: guide). The zero Date means that there is
// none.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// NewDate returns the date of the given year, month and day. It does not
// normalize: a day that does not exist is refused where the date is used.
func NewDate(year int, month time.Month, day int) Date {
	return Date{Year: year, Month: month, Day: day}
}

func notDate() error {
	return &InputError{Op: "Date", Field: "text", Reason: "is not a valid date of the form YYYY-MM-DD"}
}

// ParseDate reads a date of the form "2022-05-20". Its error, an [InputError], does not
// repeat the text, which may be a birth date.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Date{}, notDate()
	}
	return Date{Year: t.Year(), Month: t.Month(), Day: t.Day()}, nil
}

// String returns the date as "2022-05-20", and "" for the zero Date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day)
}

// IsZero reports whether there is no date.
func (d Date) IsZero() bool { return d == Date{} }

// In returns the first instant of the date in the given zone. That is midnight. If the
// clocks go back over midnight, there are two, and it is the first. If they skip midnight,
// or the whole date, it is the first instant after the gap. A date that doesn't exist is
// counted on, as by [time.Date]: 31 February is 3 March, or 2 March in a leap year. A nil
// zone is UTC. For the zero Date it is the zero time.
func (d Date) In(zone *time.Location) time.Time {
	if d.IsZero() {
		return time.Time{}
	}
	zone = cmp.Or(zone, time.UTC)
	midnight := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
	// Go from one change of the zone's offset to the next. Begin a day early: no zone is
	// that far from UTC.
	for t := midnight.Add(-24 * time.Hour).In(zone); ; {
		start, end := zones.Bounds(t)
		_, offset := t.Zone()
		first := midnight.Add(-time.Duration(offset) * time.Second).In(zone)
		if end.IsZero() || first.Before(end) {
			if !start.IsZero() && first.Before(start) {
				return start
			}
			return first
		}
		t = end
	}
}

func (d Date) valid() bool {
	t := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
	return d.Year >= 0 && d.Year <= 9999 && t.Year() == d.Year && t.Month() == d.Month && t.Day() == d.Day
}

// MarshalText writes "2022-05-20", or nothing for the zero Date. A date that
// does not exist is an error.
func (d Date) MarshalText() ([]byte, error) {
	if !d.IsZero() && !d.valid() {
		return nil, notDate()
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads "2022-05-20"; an empty text is the zero Date.
func (d *Date) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	*d, err = ParseDate(string(text))
	return err
}

// EncodeValues puts the date into a query.
func (d Date) EncodeValues(key string, v *url.Values) error {
	if !d.IsZero() {
		v.Set(key, d.String())
	}
	return nil
}

// Minutes is a duration in whole minutes, as the API measures visits. The number 30 and
// the string "30" can be read, because the guide shows one and the reference names the
// other; the number is written. null is read as zero: the length isn't known. It is an
// error if the value is negative, a fraction, or more than [MaxMinutes].
type Minutes int

// MaxMinutes is the longest duration that is accepted: a week.
const MaxMinutes Minutes = 7 * 24 * 60

// Duration converts to the standard library's type.
func (m Minutes) Duration() time.Duration { return time.Duration(m) * time.Minute }

func (m Minutes) valid() bool { return m >= 0 && m <= MaxMinutes }

func notMinutes() error {
	return &InputError{Op: "Minutes", Field: "value", Reason: "is not a whole number of minutes from 0 to 10080"}
}

// UnmarshalJSON reads a number, a number in a string, or null as zero.
func (m *Minutes) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*m = 0
		return nil
	}
	if len(data) >= 2 && data[0] == '"' && data[len(data)-1] == '"' {
		data = data[1 : len(data)-1]
	}
	n, err := parseMinutes(string(data))
	if err == nil {
		*m = n
	}
	return err
}

func parseMinutes(text string) (Minutes, error) {
	// ParseUint refuses signs, fractions and exponents.
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > uint64(MaxMinutes) {
		return 0, notMinutes()
	}
	return Minutes(n), nil
}

// A ClockTime is a time of day, 00:00 to 23:59. Where it is used says in which zone, as
// [SlotSearch] does.
type ClockTime struct {
	Hour, Minute int
}

// String returns the time as "17:05".
func (c ClockTime) String() string { return fmt.Sprintf("%02d:%02d", c.Hour, c.Minute) }

func notClockTime() error {
	return &InputError{Op: "ClockTime", Field: "text", Reason: "is not a time of day of the form HH:MM"}
}

func (c ClockTime) valid() bool {
	return c.Hour >= 0 && c.Hour < 24 && c.Minute >= 0 && c.Minute < 60
}

// MarshalText writes "17:05".
func (c ClockTime) MarshalText() ([]byte, error) {
	if !c.valid() {
		return nil, notClockTime()
	}
	return []byte(c.String()), nil
}

// UnmarshalText reads "17:05".
func (c *ClockTime) UnmarshalText(text []byte) error {
	t, err := time.Parse("15:04", string(text))
	if err != nil || len(text) != len("15:04") {
		return notClockTime()
	}
	*c = ClockTime{Hour: t.Hour(), Minute: t.Minute()}
	return nil
}

// A Ref is a record that another record refers to. It always has the id, and the whole
// object if the call asked for it with [Expand].
type Ref[ID ~string, T any] struct {
	ID     ID
	Object *T // nil unless expanded
}

// What a [Schedule] refers to.
type (
	PractitionerRef    = Ref[PractitionerID, Practitioner]
	LocationRef        = Ref[LocationID, Location]
	AppointmentTypeRef = Ref[AppointmentTypeID, AppointmentType]
	InsuranceRef       = Ref[InsuranceID, Insurance]
)

// MarshalJSON writes the object if there is one, else the id, else null.
func (r Ref[ID, T]) MarshalJSON() ([]byte, error) {
	switch {
	case r.Object != nil:
		return wire.Marshal(r.Object)
	case r.ID == "":
		return []byte("null"), nil
	default:
		return wire.Marshal(r.ID)
	}
}

var errRef = errors.New("closure: the object has no id")

// UnmarshalJSON reads an id, an object or null. An object without an id is an
// error.
func (r *Ref[ID, T]) UnmarshalJSON(data []byte) error { return r.read(data, wire.Unmarshal) }

func (r *Ref[ID, T]) read(data []byte, unmarshal func([]byte, any) error) error {
	*r = Ref[ID, T]{}
	if len(data) == 0 || data[0] != '{' {
		return unmarshal(data, &r.ID)
	}
	var id ID
	object := new(T)
	if err := unmarshal(data, object); err != nil {
		return err
	}
	if record, ok := any(object).(record); ok {
		own, _ := record.recordID()
		id = ID(own)
	} else { // T is the caller's own type
		var head struct {
			ID ID `json:"id"`
		}
		if err := unmarshal(data, &head); err != nil {
			return err
		}
		id = head.ID
	}
	if id == "" {
		return errRef
	}
	r.ID, r.Object = id, object
	return nil
}

// SchedulingMethod says how a schedule's appointments can be booked. The empty value is the
// API's null: it shows no slots and can't be booked. Values that this version doesn't
// know are kept (source: reference).
type SchedulingMethod string

const (
	SchedulingDirectAPI     SchedulingMethod = "direct_api"      // slots are shown, booking works
	SchedulingOpenSlotsOnly SchedulingMethod = "open_slots_only" // slots are shown, booking is refused
)

// AppointmentStatus is the state of an appointment. Values that this version doesn't know
// are kept (source: reference).
type AppointmentStatus string

// The published statuses.
const (
	AppointmentScheduled   AppointmentStatus = "scheduled"
	AppointmentRescheduled AppointmentStatus = "rescheduled" // moved: StartAt is the new start
	AppointmentCancelled   AppointmentStatus = "cancelled"
)

// IsCancelled reports whether the appointment was cancelled: "cancelled", as the API publishes it,
// or "canceled". A status that this version doesn't know says neither that it was nor that it wasn't.
func (s AppointmentStatus) IsCancelled() bool {
	return s == AppointmentCancelled || s == "canceled"
}

// AdministrativeGender is the gender on file with the insurance. Values that
// this version doesn't know are kept (source: reference).
type AdministrativeGender string

// The published values.
const (
	AdministrativeMale   AdministrativeGender = "Male"
	AdministrativeFemale AdministrativeGender = "Female"
)

// GenderIdentity is the gender a patient states. Values that this version
// doesn't know are kept (source: reference).
type GenderIdentity string

// The published values.
const (
	GenderMale              GenderIdentity = "Male"
	GenderFemale            GenderIdentity = "Female"
	GenderNonBinary         GenderIdentity = "Non Binary"
	GenderOther             GenderIdentity = "Other"
	GenderTransgenderMale   GenderIdentity = "Transgender Male"
	GenderTransgenderFemale GenderIdentity = "Transgender Female"
	GenderUndisclosed       GenderIdentity = "Undisclosed"
)
