package closure

import "time"

// These checks refuse arguments before anything is sent. A reason never repeats the value.

// A caller is what an InputError names, so that its reader finds the call: an operation, or
// a method that makes several calls.
type caller interface{ name() string }

type method string

func (m method) name() string { return string(m) }

const (
	methodBookSlot           method = "BookSlot"
	methodBookFirstAvailable method = "BookFirstAvailable"
	methodRescheduleBooking  method = "RescheduleBooking"
	methodCancelBooking      method = "CancelBooking"
	methodResolveBooking     method = "ResolveBooking"
	methodResolvePending     method = "ResolvePending"
	methodSearch             method = "Availabilities.Search"
	methodFirst              method = "Availabilities.First"
	methodFind               method = "Patients.Find"
)

func checkDate(by caller, field string, d Date) error {
	if d.IsZero() || d.valid() {
		return nil
	}
	return &InputError{Op: by.name(), Field: field, Reason: "is not a date of the calendar"}
}

// checkYear refuses instants that RFC 3339 can't express.
func checkYear(by caller, field string, t time.Time) error {
	if y := t.UTC().Year(); y < 0 || y > 9999 {
		return &InputError{Op: by.name(), Field: field, Reason: "is outside of the years 0 to 9999"}
	}
	return nil
}

func checkStart(by caller, start time.Time) error {
	if start.IsZero() {
		return &InputError{Op: by.name(), Field: "StartAt", Reason: "is zero"}
	}
	// If it were cut silently, no appointment that is read back could match it.
	if start.Nanosecond()%int(time.Millisecond) != 0 {
		return &InputError{Op: by.name(), Field: "StartAt", Reason: "is not a whole number of milliseconds"}
	}
	return checkYear(by, "StartAt", start)
}

func checkDuration(by caller, field string, m Minutes) error {
	if m.valid() {
		return nil
	}
	return &InputError{Op: by.name(), Field: field, Reason: "is not from 0 to 10080 minutes"}
}
