package closure

import "time"

// A BookingAttempt is what is left of a booking whose outcome is unknown: enough
// to settle it later, in another process or on another machine. It is plain
// JSON: store it where patients' data may be stored, for it says who wanted to
// see which doctor when. It prints the schedule's id and nothing else.
type BookingAttempt struct {
	ScheduleID  ScheduleID `json:"schedule_id"`
	PatientID   PatientID  `json:"patient_id"`
	StartAt     time.Time  `json:"start_at"`
	Duration    Minutes    `json:"duration"`
	AttemptedAt time.Time  `json:"attempted_at"` // when the request left, by this machine's clock
}
