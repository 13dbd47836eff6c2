package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/closurehealth/closure-go"
)

// A wish is one appointment that a patient wants. Whatever calls it takes, it
// must not become two.
type wish struct {
	patient *patient
	slot    slot // that is asked for at the moment
	first   bool // with BookFirstAvailable
	key     string
	booked  bool
	made    int // appointments that requests of this wish made
}

// A call is one call of the SDK. Requests carry it in their context, so that
// the ledger's entries can be traced back to it.
type call struct {
	number uint64 // among the patient's
	wish   *wish
	made   int // what its requests did

	pending   bool      // it settles what another process may have begun
	consulted time.Time // when the journal last told it what there is
}

// several reports whether other calls may book for the same wish at the same time.
func (c *call) several() bool {
	clinic := c.wish.patient.clinic
	return clinic.journal != nil && (clinic.cell.severalProcesses() || c.wish.first || c.pending)
}

// newCall numbers a call. No two of a patient begin at the same instant.
func (p *patient) newCall(w *wish) *call {
	p.clinic.mu.Lock()
	defer p.clinic.mu.Unlock()
	p.calls++
	return &call{number: p.calls, wish: w}
}

type callKey struct{}

// context is the call's: it ends with the process, and often sooner.
func (c *call) context(p *process, d *dice) (context.Context, context.CancelFunc) {
	ctx := context.WithValue(p.ctx, callKey{}, c)
	switch {
	case d.chance(0.12):
		return context.WithTimeout(ctx, d.between(20*time.Millisecond, 300*time.Millisecond))
	case d.chance(0.12):
		return context.WithTimeout(ctx, d.between(300*time.Millisecond, 15*time.Second))
	default:
		return context.WithCancel(ctx)
	}
}

// An ending is how a call that books ended.
type ending int

const (
	endsConfirmed ending = iota
	endsTaken
	endsRefused
	endsNotSent
	endsNoSlot
	endsUnknown
	endsLost
)

func (e ending) column() column {
	return [...]column{confirmed, taken, refused, notSent, noSlot, unknownBefore, lost}[e]
}

// endingOf goes by what the documentation tells users to go by.
func endingOf(err error) ending {
	switch {
	case err == nil:
		return endsConfirmed
	case errors.Is(err, closure.ErrNotBooked):
		return endsLost
	case closure.OutcomeOf(err) == closure.OutcomeUnknown:
		return endsUnknown
	case errors.Is(err, closure.ErrSlotUnavailable):
		return endsTaken
	case errors.Is(err, closure.ErrNoSlot):
		return endsNoSlot
	case closure.OutcomeOf(err) == closure.OutcomeNotSent:
		return endsNotSent
	default:
		return endsRefused
	}
}

// A result is what a call told, and where that leaves the patient.
type result struct {
	ending  ending
	booking *closure.Booking
	attempt *closure.BookingAttempt // of an unknown outcome
	slot    slot                    // booked or asked for
}

func newResult(booking *closure.Booking, err error, asked slot) result {
	r := result{ending: endingOf(err), booking: booking, slot: asked}
	if unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err); ok {
		r.attempt = &unknown.Attempt
	}
	if booking != nil && asked == (slot{}) {
		r.slot = slot{booking.Appointment.ScheduleID, booking.Appointment.StartAt}
	}
	return r
}
