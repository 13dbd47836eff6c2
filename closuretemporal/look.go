package closuretemporal

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/closurehealth/closure-go"
)

type lookInput struct {
	input
	Attempt   closure.BookingAttempt `json:"attempt"`
	Order     order                  `json:"wish"`
	Lost      bool                   `json:"lost,omitempty"` // if a clean look doesn't show it
	LostAfter time.Duration          `json:"lost_after,omitempty"`
}

// look asks the API once, and the journal, if there is one, what it knows. A look that
// fails ends nothing.
func (a *activities) look(ctx context.Context, in lookInput) (ending, error) {
	return a.lookOnce(ctx, in), nil
}

func (a *activities) lookOnce(ctx context.Context, in lookInput) ending {
	if in.isUnread() {
		return ending{}
	}
	entry, err := a.held(ctx, in.Attempt, in.Order)
	switch {
	case err != nil:
		return ending{} // a look without the journal could contradict it
	case entry != nil && entry.State == closure.JournalBooked:
		end, err := a.booked(ctx, *entry, in.Order)
		if err != nil {
			return ending{}
		}
		return end
	}
	attempt, opts := in.attempt(entry)
	booking, err := a.api.ResolveBooking(ctx, attempt, append(opts, closure.KnownCancelled(in.Order.Cancelled...))...)
	if unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err); ok {
		return ending{SlotOpen: unknown.SlotOpen}
	}
	if booking == nil && !errors.Is(err, closure.ErrNotBooked) {
		return ending{} // this look failed, as by a key of the other mode
	}
	if booking != nil && entry == nil && a.keep(ctx, attempt, in.Order.Key, booking.Appointment.ID) != nil {
		return ending{}
	}
	return newEnding(booking, err)
}

// attempt is what to look for. The journal's has an ID and an age of its own: it may be
// a later one.
func (in lookInput) attempt(entry *closure.JournalEntry) (closure.BookingAttempt, []closure.CallOption) {
	switch {
	case !in.Lost && entry == nil:
		return in.Attempt, nil
	case !in.Lost:
		return entry.Attempt, nil
	case entry != nil:
		return entry.Attempt, []closure.CallOption{closure.AssumeLostAfter(in.LostAfter)}
	}
	// The workflow has measured the age by the server's clock.
	attempt := in.Attempt
	if past := time.Now().Add(-in.LostAfter - time.Second); attempt.AttemptedAt.After(past) {
		attempt.AttemptedAt = past
	}
	return attempt, []closure.CallOption{closure.AssumeLostAfter(in.LostAfter)}
}

// held is the journal's entry of the booking, chosen as [closure.Client.BookSlot] and
// BookFirstAvailable choose it. It is nil if there is no entry, or only one of another booking.
func (a *activities) held(ctx context.Context, attempt closure.BookingAttempt, o order) (*closure.JournalEntry, error) {
	if a.journal == nil {
		return nil, nil
	}
	attempt.IdempotencyKey = o.Key
	entry, err := a.journal.Find(ctx, attempt)
	if err != nil || entry == nil || entry.Attempt.PatientID != attempt.PatientID {
		return nil, err
	}
	pending, moves := entry.State == closure.JournalPending, entry.Attempt.AppointmentID != ""
	own := entry.Attempt.IdempotencyKey == o.Key && !(pending && moves)
	elsewhere := own && o.Key != "" && (o.Slot == nil || moves) // one key, one appointment, wherever that is
	switch {
	case !elsewhere && !sameSlot(entry.Attempt, attempt):
		return nil, nil
	case !own && (pending || o.Slot == nil):
		return nil, nil
	}
	return entry, nil
}

// booked is the ending by a booked entry. If its appointment was cancelled since, the
// journal has freed the key, and so does the workflow.
func (a *activities) booked(ctx context.Context, entry closure.JournalEntry, o order) (ending, error) {
	known, err := a.journal.FindAppointment(ctx, entry.Appointment)
	if err != nil {
		return ending{}, err
	}
	if known != nil && releasedLately(*known) || slices.Contains(o.Cancelled, entry.Appointment) {
		return ending{Failure: newFailure(closure.ErrNotBooked)}, a.journal.Release(ctx, entry.Appointment)
	}
	if entry.Attempt.IdempotencyKey != o.Key {
		err = a.share(ctx, entry, o.Key)
	}
	return ending{Appointment: appointmentOf(entry.Attempt, entry.Appointment)}, err
}

// longestLag is how long a read may lag behind a cancellation. An appointment that is booked after
// that was reinstated.
const longestLag = 24 * time.Hour

func releasedLately(known closure.JournalEntry) bool {
	if known.ReleasedAt.IsZero() {
		return known.State == closure.JournalReleased
	}
	return time.Since(known.ReleasedAt) <= longestLag
}

// share makes the key one more of those of a booked entry.
func (a *activities) share(ctx context.Context, entry closure.JournalEntry, key string) error {
	if key == "" {
		return nil
	}
	entry.Attempt.IdempotencyKey = key
	return a.journal.Finish(ctx, entry)
}

// keep records an appointment that the journal doesn't hold.
func (a *activities) keep(
	ctx context.Context, attempt closure.BookingAttempt, key string, id closure.AppointmentID,
) error {
	if a.journal == nil {
		return nil
	}
	attempt.ID, attempt.IdempotencyKey = rand.Text(), key
	entry, err := a.journal.Begin(ctx, attempt)
	switch {
	case err != nil:
		return err
	case entry == nil:
		return a.journal.Finish(ctx, closure.JournalEntry{
			Attempt: attempt, State: closure.JournalBooked, Appointment: id,
		})
	case entry.State == closure.JournalBooked && entry.Appointment == id:
		return a.share(ctx, *entry, key)
	default:
		return nil // of another booking, which settles it
	}
}

func sameSlot(a, b closure.BookingAttempt) bool {
	return a.PatientID == b.PatientID && a.ScheduleID == b.ScheduleID && a.StartAt.Equal(b.StartAt)
}

// appointmentOf is what is known about an appointment that the API may not show.
func appointmentOf(attempt closure.BookingAttempt, id closure.AppointmentID) *closure.Appointment {
	return &closure.Appointment{
		ID:         id,
		ScheduleID: attempt.ScheduleID,
		PatientID:  attempt.PatientID,
		Status:     closure.AppointmentScheduled,
		StartAt:    attempt.StartAt,
		Duration:   attempt.Duration,
	}
}

type recordInput struct {
	input
	Attempt closure.BookingAttempt `json:"attempt"`
	Order   order                  `json:"wish"`
	Verdict Verdict                `json:"verdict"`
}

// record tells the journal, if there is one, what a person found out. If the journal knows
// an appointment, that is the ending, whatever the person said. It may run again.
func (a *activities) record(ctx context.Context, in recordInput) (ending, error) {
	if in.isUnread() {
		return ending{}, errNotSent(noKey)
	}
	entry, err := a.held(ctx, in.Attempt, in.Order)
	if err != nil || a.journal == nil {
		return ending{}, err
	}
	if entry != nil && entry.State == closure.JournalBooked {
		end, err := a.booked(ctx, *entry, in.Order)
		if err != nil || end.Appointment != nil {
			return end, err
		}
		entry = nil // its appointment was cancelled since
	}
	told := closure.JournalEntry{State: closure.JournalNotBooked}
	if !in.Verdict.notBooked {
		told.State, told.Appointment = closure.JournalBooked, in.Verdict.appointment
	}
	switch {
	case entry != nil:
		told.Attempt = entry.Attempt
		return ending{}, a.journal.Finish(ctx, told)
	case in.Verdict.notBooked:
		return ending{}, nil
	}
	attempt, err := a.place(ctx, in.Attempt, told.Appointment)
	if err == nil {
		err = a.keep(ctx, attempt, in.Order.Key, told.Appointment)
	}
	return ending{}, err
}

// place is the attempt with the slot of the appointment, if its own isn't known.
func (a *activities) place(
	ctx context.Context, attempt closure.BookingAttempt, id closure.AppointmentID,
) (closure.BookingAttempt, error) {
	if attempt.ScheduleID != "" {
		return attempt, nil
	}
	shown, err := a.api.Appointments.Get(ctx, id)
	if err != nil {
		return attempt, err
	}
	attempt.ScheduleID, attempt.StartAt, attempt.Duration = shown.ScheduleID, shown.StartAt, shown.Duration
	return attempt, nil
}
