package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/closurehealth/closure-go"
)

// An order is one appointment that a patient wants. However many calls it takes, they must not
// make two.
type order struct {
	patient *patient
	slot    slot // that is asked for now
	first   bool // with BookFirstAvailable
	key     string
	booked  bool
	told    closure.AppointmentID // the last that a call told, if there is a key
}

// A call is one call of the SDK. Its requests carry it in their context, so that each entry of
// the ledger shows which call made it.
type call struct {
	number uint64 // among the patient's calls
	order  *order
	began  time.Time
	made   int // appointments that its requests made

	moves     closure.AppointmentID // what it resolves is a move of this one
	pending   bool                  // it resolves what another process may have begun
	consulted time.Time             // when the journal last told it what it holds
}

// several reports whether other calls may book for the same order at the same time.
func (c *call) several() bool {
	clinic := c.order.patient.clinic
	return clinic.journal != nil && (clinic.cell.severalProcesses() || c.order.first || c.pending)
}

// newCall numbers a call. No two calls of a patient begin at the same instant.
func (p *patient) newCall(o *order) *call {
	p.clinic.mu.Lock()
	defer p.clinic.mu.Unlock()
	p.calls++
	return &call{number: p.calls, order: o, began: time.Now()}
}

type callKey struct{}

// context is the call's context. It ends with the process, and often sooner.
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

// endingOf checks errors the way that the documentation tells users to.
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

// A result is what a call returned.
type result struct {
	ending  ending
	booking *closure.Booking
	attempt *closure.BookingAttempt // if the outcome is unknown
	slot    slot                    // that was booked, or asked for
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

// newResolution is the result of resolving an attempt. If the attempt has a key, another call
// with the key may have booked another start since.
func newResolution(booking *closure.Booking, err error, attempt closure.BookingAttempt) result {
	asked := slot{attempt.ScheduleID, attempt.StartAt}
	if booking != nil && attempt.IdempotencyKey != "" {
		asked = slot{}
	}
	return newResult(booking, err, asked)
}
