package closure

import (
	"context"
	"errors"
	"net/http"
)

// A write is the request of one booking, or of one change of an appointment, and the reads
// that find out what came of it.
type write interface {
	// send sends the request.
	send(ctx context.Context, maxAttempts int) (*Appointment, error)

	// shows reports whether the appointment shows that the write was carried out.
	shows(Appointment) bool

	confirmed(appointment *Appointment, recovered bool) *Booking

	// readBack looks for what may have been carried out.
	readBack(ctx context.Context, cause error) (*Booking, error)

	// explain reads what is there after a rejection, and returns what the rejection means.
	// doubted reports whether an earlier request may have been carried out.
	explain(ctx context.Context, rejection *APIError, doubted bool) (*Booking, error)

	// lookLonger ends a write that a gateway may have rejected after the API had carried it
	// out. gone reports whether a read showed that the slot is gone.
	lookLonger(ctx context.Context, rejection *APIError, gone bool) (*Booking, error)
}

// carryOut sends the request of a write, and finds out what came of it. After a 429 it may
// send the request again.
func (c *core) carryOut(ctx context.Context, w write, window sendWindow, maxAttempts int) (*Booking, error) {
	if window.late() {
		return nil, &JournalError{Op: "begin", Err: errTooLate}
	}
	doubted := false // a gateway answered an earlier request, which may have been carried out
	for left := maxAttempts; ; {
		shown, err := w.send(ctx, left)
		rejection, rejected := rejectionIn(err)
		switch {
		case err == nil && w.shows(*shown):
			return w.confirmed(shown, false), nil
		case err == nil:
			return w.readBack(ctx, errNotConfirmed)
		case OutcomeOf(err) == OutcomeUnknown, !rejected && doubted:
			return w.readBack(ctx, err)
		case !rejected:
			return nil, err
		}
		left -= rejection.Attempts
		rejection.Attempts = maxAttempts - left // those before earlier 429s, too
		booking, verdict := w.explain(ctx, rejection, doubted)
		if mayResend(verdict) && c.waitToResend(ctx, window, rejection, left) {
			// By now, reads may show what they didn't show before the wait.
			booking, verdict = w.explain(ctx, rejection, doubted)
			if mayResend(verdict) && !window.late() {
				doubted = doubted || !rejection.isOfAPI()
				continue
			}
		}
		if OutcomeOf(verdict) == OutcomeRejected && (doubted || !rejection.isOfAPI()) {
			return w.lookLonger(ctx, rejection, errors.Is(verdict, ErrSlotUnavailable))
		}
		return booking, verdict
	}
}

// errNotConfirmed is the error of a 2xx that shows another appointment than was asked for,
// or one whose status doesn't say that it is booked.
var errNotConfirmed = because(errors.New("closure: the answer does not show the appointment as it was asked for"), ErrMalformedResponse)

// rejectionIn returns the rejection of a write, which may be the API's or a gateway's.
func rejectionIn(err error) (rejection *APIError, ok bool) {
	rejection, ok = errors.AsType[*APIError](err)
	return rejection, ok && rejection.outcome() == OutcomeRejected
}

// isOfAPI reports whether the answer holds the API's own error object. A gateway's answer
// doesn't.
func (e *APIError) isOfAPI() bool { return e.Type != "" || e.Code != "" }

// mayResend reports whether the reads after a rejection showed no more than the rejection says.
func mayResend(verdict error) bool {
	return OutcomeOf(verdict) == OutcomeRejected && !errors.Is(verdict, ErrSlotUnavailable)
}

// waitToResend waits until a write that was answered 429 may be sent again. It returns
// false if the write may not be sent again: it was another rejection, no attempts are left, or
// the wait would be too long.
func (c *core) waitToResend(ctx context.Context, window sendWindow, rejection *APIError, left int) bool {
	if rejection.StatusCode != http.StatusTooManyRequests || left < 1 {
		return false
	}
	ctx, cancel := window.resend(ctx)
	defer cancel()
	wait, ok := c.transport.ResendWait(ctx, rejection.RetryAfter, rejection.Attempts)
	return ok && sleep(ctx, wait) && !window.late()
}
