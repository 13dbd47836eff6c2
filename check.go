package closure

import "time"

// These checks refuse arguments before anything is sent. A reason never repeats the value.

func checkDate(op operation, field string, d Date) error {
	if d.IsZero() || d.valid() {
		return nil
	}
	return &InputError{Op: op.name(), Field: field, Reason: "is not a date of the calendar"}
}

// checkYear refuses instants that RFC 3339 can't express.
func checkYear(op operation, field string, t time.Time) error {
	if y := t.UTC().Year(); y < 0 || y > 9999 {
		return &InputError{Op: op.name(), Field: field, Reason: "is outside of the years 0 to 9999"}
	}
	return nil
}

func checkStart(op operation, start time.Time) error {
	if start.IsZero() {
		return &InputError{Op: op.name(), Field: "StartAt", Reason: "is zero"}
	}
	// If it were cut silently, no appointment that is read back could match it.
	if start.Nanosecond()%int(time.Millisecond) != 0 {
		return &InputError{Op: op.name(), Field: "StartAt", Reason: "is not a whole number of milliseconds"}
	}
	return checkYear(op, "StartAt", start)
}

func checkDuration(op operation, field string, m Minutes) error {
	if m.valid() {
		return nil
	}
	return &InputError{Op: op.name(), Field: field, Reason: "is not from 0 to 10080 minutes"}
}
