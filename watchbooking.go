package closure

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A BookingEvent reports one whole booking, change or resolution, and how it ended, to an
// observer ([WithBookingObserver]). It holds nothing about a patient: only names of this
// package, numbers and a random id.
type BookingEvent struct {
	ID       string        // random; the BookingID of the events of its calls
	Op       string        // the method: "BookSlot", "BookFirstAvailable", "RescheduleBooking", "CancelBooking" or "ResolveBooking"
	Ending   Ending        // what the caller was told
	Reason   Reason        // why it is not confirmed or recovered; else empty
	Duration time.Duration // from the call of the method to its return
	Calls    int           // calls of the API, before and after the write too
	Attempts int           // attempts of these calls

	// JournalFailed is "finish" or "release" if that method of the [Journal] failed to
	// record the ending. The ending is true all the same. After "finish",
	// [Client.ResolvePending] settles the attempt that stays pending.
	JournalFailed string
}

// An Ending says how a booking, a change or a resolution ended. The zero Ending is
// [EndingUnknown], so that one that nobody set doesn't read "confirmed".
type Ending int

const (
	EndingUnknown   Ending = iota // it may have been carried out: somebody has to settle it
	EndingConfirmed               // the answer to the write shows it
	EndingRecovered               // a read showed it, before the write or after
	EndingRejected                // the API or the SDK said no: nothing changed
	EndingNotSent                 // something failed before the write: nothing changed
)

// String returns "confirmed", "recovered", "rejected", "not sent" or "unknown".
func (e Ending) String() string {
	switch e {
	case EndingConfirmed:
		return "confirmed"
	case EndingRecovered:
		return "recovered"
	case EndingRejected:
		return "rejected"
	case EndingNotSent:
		return "not sent"
	default:
		return "unknown"
	}
}

// A Reason says why a booking was neither confirmed nor recovered. It is one of the
// constants, or empty.
type Reason string

// Reasons for a definite no.
const (
	ReasonSlotUnavailable Reason = "slot_unavailable" // [ErrSlotUnavailable]
	ReasonNoSlot          Reason = "no_slot"          // [ErrNoSlot]
	ReasonNotBookable     Reason = "not_bookable"     // [ErrNotBookable]
	ReasonInsurance       Reason = "insurance"        // an [InsuranceError]
	ReasonNotBooked       Reason = "not_booked"       // [ErrNotBooked]
	ReasonInvalid         Reason = "invalid"          // an [InputError], or the API's 400 or 422
	ReasonUnauthorized    Reason = "unauthorized"     // 401 or 403
	ReasonNotFound        Reason = "not_found"        // 404
	ReasonRefused         Reason = "refused"          // another 4xx
)

// Reasons for a failure.
const (
	ReasonRateLimited Reason = "rate_limited"       // 429; of the write: a no, or unknown
	ReasonServer      Reason = "server_error"       // 5xx, a redirect, or 408
	ReasonNoAnswer    Reason = "no_answer"          // the connection failed, or an attempt took too long
	ReasonMalformed   Reason = "malformed_response" // [ErrMalformedResponse] or [ErrResponseTooLarge]
	ReasonContext     Reason = "context_ended"      // the caller's context ended
	ReasonJournal     Reason = "journal"            // a [JournalError]
	ReasonStatus      Reason = "unknown_status"     // the API shows the appointment with a status that this version doesn't know, or without its patient, schedule, start or duration
	ReasonNotShown    Reason = "not_shown"          // the API doesn't show the appointment, or shows it at another start than the journal
)

// A watchedBooking counts what a booking does, for the observers; nil: there are none. The
// booking's calls find it in their context.
type watchedBooking struct {
	watcher  *watcher
	ctx      context.Context // the caller's
	op       string
	id       string
	start    time.Time
	calls    atomic.Int64
	attempts atomic.Int64
	ended    atomic.Bool

	mu            sync.Mutex
	journalFailed string
}

type watchedBookingKey struct{}

// watchBooking begins to watch a booking, and returns the context for its calls.
func (c *core) watchBooking(ctx context.Context, by method) (context.Context, *watchedBooking) {
	if c == nil || ctx == nil || c.watcher == nil || !c.watcher.bookings() {
		return ctx, nil
	}
	b := &watchedBooking{watcher: c.watcher, ctx: ctx, op: by.name(), id: rand.Text(), start: time.Now()}
	return context.WithValue(ctx, watchedBookingKey{}, b), b
}

// watchedBookingOf returns the booking to which the context belongs; nil: to none, or to one
// that has ended, because somebody kept its context.
func watchedBookingOf(ctx context.Context) *watchedBooking {
	b, _ := ctx.Value(watchedBookingKey{}).(*watchedBooking)
	if b == nil || b.ended.Load() {
		return nil
	}
	return b
}

// end reports how the booking ended. After a panic there is neither a booking nor an error,
// and the ending stays unknown.
func (b *watchedBooking) end(booking *Booking, err error) {
	if b == nil {
		return
	}
	b.ended.Store(true)
	event := BookingEvent{
		ID:       b.id,
		Op:       b.op,
		Duration: time.Since(b.start),
		Calls:    int(b.calls.Load()),
		Attempts: int(b.attempts.Load()),
	}
	switch {
	case booking != nil && booking.Recovered:
		event.Ending = EndingRecovered
	case booking != nil:
		event.Ending = EndingConfirmed
	case err != nil:
		event.Ending, event.Reason = b.endingOf(err)
	}
	b.mu.Lock()
	event.JournalFailed = b.journalFailed
	b.mu.Unlock()
	for _, observe := range b.watcher.bookingObservers {
		observe(b.ctx, event)
	}
}

// noteJournal notes whether the booking's ending could be recorded.
func noteJournal(ctx context.Context, method string, err error) {
	b := watchedBookingOf(ctx)
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil:
		b.journalFailed = method
	case b.journalFailed == method:
		b.journalFailed = "" // a later call of the method succeeded
	}
}

func (b *watchedBooking) endingOf(err error) (Ending, Reason) {
	reason := b.reasonOf(err)
	switch outcome := OutcomeOf(err); {
	case outcome == OutcomeUnknown:
		return EndingUnknown, reason
	case outcome == OutcomeRejected || reason.isDefinite():
		return EndingRejected, reason
	default:
		return EndingNotSent, reason
	}
}

// isDefinite reports whether the reason is a no, of the API or of the SDK.
func (r Reason) isDefinite() bool {
	switch r {
	case ReasonSlotUnavailable, ReasonNoSlot, ReasonNotBookable, ReasonInsurance, ReasonNotBooked,
		ReasonInvalid, ReasonUnauthorized, ReasonNotFound, ReasonRefused:
		return true
	default:
		return false
	}
}

func (b *watchedBooking) reasonOf(err error) Reason {
	if errors.Is(err, errMovedAway) {
		return ReasonNotShown
	}
	if errors.Is(err, errDoubtful) || errors.Is(err, errIncomplete) {
		return ReasonStatus
	}
	if _, ok := errors.AsType[*JournalError](err); ok {
		return b.unlessEnded(ReasonJournal) // whatever the journal's own error says
	}
	if _, ok := errors.AsType[*TransportError](err); ok {
		return b.reasonOfTransport(err)
	}
	for _, v := range []struct {
		verdict error
		reason  Reason
	}{
		{ErrNoSlot, ReasonNoSlot},
		{ErrSlotUnavailable, ReasonSlotUnavailable},
		{ErrNotBookable, ReasonNotBookable},
		{ErrInsuranceNotAccepted, ReasonInsurance},
		{ErrInsuranceUnknown, ReasonInsurance},
		{ErrInvalidInput, ReasonInvalid},
		{ErrNotBooked, ReasonNotBooked},
		{ErrMalformedResponse, ReasonMalformed},
	} {
		if errors.Is(err, v.verdict) {
			return v.reason
		}
	}
	if e, ok := errors.AsType[*APIError](err); ok {
		return reasonOfStatus(e.StatusCode)
	}
	return ReasonNotShown
}

func (b *watchedBooking) reasonOfTransport(err error) Reason {
	if errors.Is(err, ErrMalformedResponse) || errors.Is(err, ErrResponseTooLarge) {
		return ReasonMalformed
	}
	return b.unlessEnded(ReasonNoAnswer)
}

// unlessEnded returns the reason, or ReasonContext if the caller's context has ended.
func (b *watchedBooking) unlessEnded(reason Reason) Reason {
	if b.ctx.Err() != nil {
		return ReasonContext
	}
	return reason
}

func reasonOfStatus(status int) Reason {
	switch {
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		return ReasonInvalid
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return ReasonUnauthorized
	case status == http.StatusNotFound:
		return ReasonNotFound
	case status == http.StatusTooManyRequests:
		return ReasonRateLimited
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		return ReasonRefused
	default:
		return ReasonServer
	}
}
