package closure

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"
)

// A Journal remembers bookings beyond the process: across crashes, and between
// the machines that share it. It holds one entry for each patient, schedule and
// start, and at most one for each idempotency key; an entry can have several keys.
// What it holds says who sees which doctor when: it is patients' data.
//
// All methods must be safe for concurrent use and end when their context ends.
// Package closuretest has one in memory and a test for your own,
// closuretest.TestJournal.
type Journal interface {
	// Begin records that the attempt is about to be sent and returns nil. If Find
	// would return an entry, Begin returns that one and changes nothing. It is
	// atomic among all who share the journal, and durable when it returns.
	Begin(ctx context.Context, attempt BookingAttempt) (*JournalEntry, error)

	// Find returns the entry with the attempt's idempotency key if it has one, which
	// is then the key of the attempt returned; or else the entry with its patient,
	// schedule and start; nil: there is none. It sees all that was recorded before it
	// was called.
	Find(ctx context.Context, attempt BookingAttempt) (*JournalEntry, error)

	// FindAppointment returns the booked entry of an appointment; or, if Release was
	// called with it, an entry with that appointment and the state JournalReleased;
	// nil: the journal doesn't know it.
	FindAppointment(ctx context.Context, id AppointmentID) (*JournalEntry, error)

	// Finish records how the attempt of the entry ended; the journal's entry is the
	// one whose attempt has that ID. Booked: if that is pending, it becomes booked,
	// with the appointment's id. Other booked entries of that appointment are removed,
	// and it takes over their idempotency keys: the appointment moved. If it is booked
	// with that appointment now, an idempotency key of the attempt given that no entry
	// has becomes one more of its keys. Not booked: it is removed, with its keys, if
	// its Appointment is that of the entry given, which of a pending one is empty.
	// Otherwise Finish changes nothing. It is atomic and durable, as Begin is.
	Finish(ctx context.Context, entry JournalEntry) error

	// Pending yields the entries whose outcome isn't known, oldest first.
	Pending(ctx context.Context) iter.Seq2[JournalEntry, error]

	// Release removes the booked entries of an appointment, and the pending ones
	// whose attempt is to move it: it was cancelled, so what it held is free. It
	// remembers the appointment's id for as long as a read can lag behind, also if
	// there was no entry: a day is more than enough.
	Release(ctx context.Context, id AppointmentID) error
}

// A JournalState is what a [Journal] knows of an attempt. The zero state is
// pending: one that nobody set must not free a slot.
type JournalState int

// The states. A journal keeps entries that are pending or booked.
const (
	JournalPending   JournalState = iota // it may have been sent, and may have been booked
	JournalBooked                        // it was booked
	JournalNotBooked                     // it was not: its entry is removed
	JournalReleased                      // its appointment was cancelled: its entry is removed
)

// A JournalEntry is what a [Journal] holds of one attempt. It prints what its
// attempt does.
type JournalEntry struct {
	Attempt     BookingAttempt `json:"attempt"`
	State       JournalState   `json:"state"`
	Appointment AppointmentID  `json:"appointment,omitempty"` // of a booked or released one
}

func (e JournalEntry) redacted() string {
	return "closure.JournalEntry{Attempt: " + showing(e.Attempt, "ScheduleID", e.Attempt.ScheduleID) + "}"
}

// Format prints the schedule's id and nothing else, under every verb.
func (e JournalEntry) Format(f fmt.State, _ rune) { printAs(f, e.redacted()) }

// LogValue shows the schedule's id and nothing else.
func (e JournalEntry) LogValue() slog.Value { return slog.StringValue(e.redacted()) }

// WithJournal makes all bookings of the client go through a journal: no write is
// sent that it doesn't hold, and none while it holds another attempt for the same
// thing. Without one, what protects several processes from each other, and a
// process from its own crash, is only that a slot can be taken once. All clients
// that book for the same patients should share one journal.
func WithJournal(journal Journal) Option {
	return clientOption(func(c *clientConfig) error {
		if journal == nil {
			return refuse("WithJournal", "is nil")
		}
		c.journal = journal
		return nil
	})
}

// NewBookingAttempt is an attempt that is about to be made, with a random ID and
// the time now: for those who keep a store of their own, and for tests of a
// [Journal].
func NewBookingAttempt(params BookSlotParams) BookingAttempt {
	return BookingAttempt{
		ID:             rand.Text(),
		IdempotencyKey: params.IdempotencyKey,
		ScheduleID:     params.ScheduleID,
		PatientID:      params.PatientID,
		StartAt:        params.StartAt,
		Duration:       params.Duration,
		AttemptedAt:    time.Now(),
	}
}

// A JournalError is a failure of the [Journal] before a write: nothing was sent,
// and it is safe to call again. Its text doesn't show the cause, which may hold a
// patient's data.
type JournalError struct {
	Op  string // the journal's method: "begin", "find", "finish", "release" or "pending"
	Err error  // the journal's, or what is wrong with its answer
}

func (e JournalError) text() string {
	return "closure: the journal failed (" + e.Op + "): nothing was sent"
}

// Error says which method failed, and nothing of the cause.
func (e *JournalError) Error() string { return e.text() }

// Unwrap returns the cause.
func (e *JournalError) Unwrap() error { return e.Err }

// Format prints the same as Error under every verb.
func (e JournalError) Format(f fmt.State, _ rune) { printAs(f, e.text()) }

// LogValue shows the same as Error.
func (e JournalError) LogValue() slog.Value { return slog.StringValue(e.text()) }

// MarshalText is Error's text, for whatever encodes an error inside a struct.
func (e JournalError) MarshalText() ([]byte, error) { return []byte(e.text()), nil }

// What a journal must not answer, and what it must not take.
var (
	errForeignEntry = errors.New("closure: the journal's entry is not of this booking")
	errBadEntry     = errors.New("closure: the journal's entry is neither pending nor booked")
	errUnsteady     = errors.New("closure: the journal's answers contradict each other")
	errTooLate      = errors.New("closure: too much time passed since the journal recorded the attempt")
)

// checkKey refuses a key that nothing would look at.
func (c *core) checkKey(key string) error {
	if key == "" || c == nil || c.journal != nil { // without a client, that is what is wrong
		return nil
	}
	return &InputError{Op: opAppointmentsCreate.name(), Field: "IdempotencyKey", Reason: "needs a client with a journal"}
}
