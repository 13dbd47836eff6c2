package closure

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/closurehealth/closure-go/internal/transport"
)

// A Journal remembers bookings after a process has ended, and for all the machines that
// share it. It holds one entry for each patient, schedule and start, and at most one for
// each idempotency key; an entry can have several keys. Its entries are patients' data,
// because they say who sees which doctor when.
//
// All methods must be safe for concurrent use, and return when their context ends.
// Package closuretest has a Journal in memory, and closuretest.TestJournal tests your own.
type Journal interface {
	// Begin records that the attempt is about to be sent, and returns nil. If Find would
	// return an entry, Begin returns that entry and changes nothing. Begin is atomic for
	// all who share the journal. What it recorded is durable when it returns.
	Begin(ctx context.Context, attempt BookingAttempt) (*JournalEntry, error)

	// Find returns the entry with the attempt's idempotency key, if there is one; the
	// attempt in it then has that key. Otherwise it returns the entry with the attempt's
	// patient, schedule and start, or nil if there is none. It sees all that was recorded
	// before it was called.
	Find(ctx context.Context, attempt BookingAttempt) (*JournalEntry, error)

	// FindAppointment returns the booked entry of an appointment. If there is none, but
	// Release was called with the appointment, it returns an entry with that appointment and
	// the state JournalReleased. Either has the time of the latest such call, if there was one. If
	// the journal doesn't know the appointment, it returns nil.
	FindAppointment(ctx context.Context, id AppointmentID) (*JournalEntry, error)

	// Finish records how an attempt ended. The journal's own entry is the one whose attempt
	// has the same ID.
	//
	// JournalBooked: if the journal's entry is pending, it becomes booked, with the
	// appointment's id. Other booked entries of that appointment are removed, and the entry
	// takes over their idempotency keys, because the appointment moved. If the entry is now
	// booked with that appointment, and the attempt given has an idempotency key that no
	// entry has, the key becomes one more of the entry's.
	//
	// JournalNotBooked: the journal's entry is removed, with its keys, if its Appointment is
	// that of the entry given. A pending entry has none.
	//
	// Otherwise Finish changes nothing. It is atomic and durable, as Begin is.
	Finish(ctx context.Context, entry JournalEntry) error

	// Pending yields the entries whose outcome isn't known, oldest first.
	Pending(ctx context.Context) iter.Seq2[JournalEntry, error]

	// Release removes the booked entries of an appointment that was cancelled, and the
	// pending entries of attempts to move it. Even if there was no entry, it remembers the
	// appointment's id, and when it was called, for as long as a read can lag behind. A day is
	// more than enough: an appointment that a later read shows was reinstated.
	Release(ctx context.Context, id AppointmentID) error
}

// A JournalState says what a [Journal] knows of an attempt. The zero state is
// [JournalPending], so that one that nobody set doesn't free a slot. In JSON it is a number; the
// numbers don't change.
type JournalState int

// The states. The entries that a journal keeps are pending or booked.
const (
	JournalPending   JournalState = iota // it may have been sent, and may have been booked
	JournalBooked                        // it was booked
	JournalNotBooked                     // it was not booked: its entry is removed
	JournalReleased                      // its appointment was cancelled: its entry is removed
)

// String returns "pending", "booked", "not booked" or "released".
func (s JournalState) String() string {
	switch s {
	case JournalPending:
		return "pending"
	case JournalBooked:
		return "booked"
	case JournalNotBooked:
		return "not booked"
	case JournalReleased:
		return "released"
	default:
		return "invalid"
	}
}

// A JournalEntry is what a [Journal] holds of one attempt. It prints the schedule's id and
// nothing else.
type JournalEntry struct {
	Attempt     BookingAttempt `json:"attempt"`
	State       JournalState   `json:"state"`
	Appointment AppointmentID  `json:"appointment,omitempty"` // empty while pending
	ReleasedAt  time.Time      `json:"released_at,omitzero"`  // when Release was last called; from FindAppointment only
}

func (e JournalEntry) redacted() string {
	return "closure.JournalEntry{Attempt: " + showing(e.Attempt, "ScheduleID", e.Attempt.ScheduleID) + "}"
}

// Format prints the schedule's id and nothing else, under every verb.
func (e JournalEntry) Format(f fmt.State, _ rune) { printAs(f, e.redacted()) }

// LogValue shows the schedule's id and nothing else.
func (e JournalEntry) LogValue() slog.Value { return slog.StringValue(e.redacted()) }

// WithJournal makes all bookings of the client go through a journal. A write is sent only
// after the journal has recorded it, and only if the journal holds no other attempt for
// the same patient, schedule and start. Without a journal, several processes, or one
// process before and after a crash, are protected only because the API lets a slot be
// taken once. All clients that book for the same patients should share one journal.
func WithJournal(journal Journal) Option {
	return clientOption(func(c *clientConfig) error {
		if journal == nil || holdsNil(journal) {
			return refuse("WithJournal", "is nil")
		}
		c.journal = journal
		return nil
	})
}

// NewBookingAttempt returns an attempt that is about to be made, with a random ID and the
// current time. Use it to keep attempts in a store of your own, or to test a [Journal]. Its Mode
// is empty: set it to [Client.Mode], so that a client of the other mode refuses the attempt.
func NewBookingAttempt(params BookSlotParams) BookingAttempt {
	return BookingAttempt{
		ID:             rand.Text(),
		IdempotencyKey: params.IdempotencyKey,
		ScheduleID:     params.ScheduleID,
		PatientID:      params.PatientID,
		StartAt:        storable(params.StartAt),
		Duration:       params.Duration,
		AttemptedAt:    time.Now(),
	}
}

// A JournalError says that the [Journal] failed before a write. Nothing was booked or
// changed, and it is safe to call again. Its text doesn't show the journal's own error, which
// may hold a patient's data: that is in Err. If the context ended meanwhile, the text says so.
type JournalError struct {
	Op  string // the journal's method: "begin", "find", "find appointment", "finish", "release" or "pending"
	Err error  // the journal's error, or what is wrong with the entry that it returned
}

// journalFailed is the error of a journal's method that failed. A journal may return the cause of
// the context, which may be what another call came to: that is not handed out as this one's.
func journalFailed(ctx context.Context, method string, err error) error {
	err = transport.HideCallErrors(err)
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = errors.Join(ctx.Err(), err)
	}
	return &JournalError{Op: method, Err: err}
}

func (e JournalError) text() string {
	return "closure: " + e.what() + " (" + e.Op + "): nothing was booked or changed"
}

func (e JournalError) what() string {
	switch {
	case e.Err == nil:
		return "the journal failed"
	case errors.Is(e.Err, context.Canceled):
		return "the context was canceled while the journal was asked"
	case errors.Is(e.Err, context.DeadlineExceeded):
		return "the time was up while the journal was asked"
	case slices.Contains([]error{errForeignEntry, errBadEntry, errUnsteady, errTooLate, errTwoAppointments}, e.Err):
		return unprefixed(e.Err)
	default:
		return "the journal failed, and the cause is in Err"
	}
}

// Error says which method failed, and nothing of the journal's own error.
func (e *JournalError) Error() string { return e.text() }

// Unwrap returns the cause.
func (e *JournalError) Unwrap() error { return e.Err }

// Format prints the same as Error under every verb.
func (e JournalError) Format(f fmt.State, _ rune) { printAs(f, e.text()) }

// LogValue shows the same as Error.
func (e JournalError) LogValue() slog.Value { return slog.StringValue(e.text()) }

// MarshalText is Error's text, for whatever encodes an error inside a struct.
func (e JournalError) MarshalText() ([]byte, error) { return []byte(e.text()), nil }

// What can be wrong with a journal that reports no error.
var (
	errForeignEntry = errors.New("closure: the journal returned the entry of another booking")
	errBadEntry     = errors.New("closure: the journal returned an entry that is neither pending nor booked")
	errUnsteady     = errors.New("closure: the entries that the journal returned contradict each other")
	errTooLate      = errors.New("closure: too much time has passed since the journal recorded the attempt")
)

// checkKey refuses an idempotency key that no journal would record.
func (c *core) checkKey(by caller, key string) error {
	if key == "" || c == nil || c.journal != nil { // prepare reports a missing client
		return nil
	}
	return &InputError{Op: by.name(), Field: "IdempotencyKey", Reason: "needs a client with a journal"}
}
