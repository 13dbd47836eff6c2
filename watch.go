package closure

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/closurehealth/closure-go/internal/transport"
)

// An Event reports one attempt, or one whole call, to an observer. It holds nothing about a
// patient: no id, no value, no URL.
type Event struct {
	CallID     uint64        // the same for all attempts of a call and the whole call; no other call has it
	BookingID  string        // the ID of the [BookingEvent] that the call belongs to; empty: to none
	Op         string        // the operation, "appointments.create"
	Method     string        // "POST"
	Route      string        // the route's template, "/appointments/{id}"
	StatusCode int           // 0: no answer
	Attempt    int           // from 1; 0: the whole call
	Duration   time.Duration // of the attempt and its wait for the rate limit, or of the whole call and all its waits
	Outcome    Outcome       // what is known, as [OutcomeOf] says it
	RequestID  string        // the API's name for the request

	// Abandoned says that the SDK itself ended it early, because another call had answered
	// the question, or the time for looking was up. Then a missing answer isn't a failure.
	Abandoned bool
}

// errAbandoned is the cause with which the SDK itself ends a context.
var errAbandoned = errors.New("closure: not needed any more")

// A watcher reports to the logger and the observers. A nil watcher reports nothing.
type watcher struct {
	logger           *slog.Logger
	observers        []func(context.Context, Event)
	bookingObservers []func(context.Context, BookingEvent)
	calls            atomic.Uint64 // the last call's id
}

func newWatcher(cfg clientConfig) *watcher {
	if cfg.logger == nil && len(cfg.observers) == 0 && len(cfg.bookingObservers) == 0 {
		return nil
	}
	w := &watcher{logger: cfg.logger, observers: cfg.observers, bookingObservers: cfg.bookingObservers}
	w.calls.Store(rand.Uint64()) // an observer may watch several clients, whose ids must differ
	return w
}

// bookings reports whether anybody wants to know to which booking a call belongs.
func (w *watcher) bookings() bool { return len(w.observers) > 0 || len(w.bookingObservers) > 0 }

// A watchedCall reports what a call does; nil: there is nobody to report to.
type watchedCall struct {
	watcher  *watcher
	ctx      context.Context
	endpoint *endpoint
	id       uint64
	booking  *watchedBooking // nil: the call belongs to none
	start    time.Time
}

func (w *watcher) begin(ctx context.Context, e *endpoint, call *transport.Call) *watchedCall {
	if w == nil {
		return nil
	}
	c := &watchedCall{
		watcher:  w,
		ctx:      ctx,
		endpoint: e,
		id:       w.calls.Add(1),
		booking:  watchedBookingOf(ctx),
		start:    time.Now(),
	}
	call.Observe = c.attempt
	return c
}

func (c *watchedCall) attempt(a transport.Attempt) {
	event := c.event(a.Answer)
	event.Attempt = a.Number
	event.Duration = a.Duration
	event.Outcome = attemptOutcome(c.endpoint, a)
	event.Abandoned = a.Err != nil && c.abandoned()
	if c.booking != nil {
		c.booking.attempts.Add(1)
	}
	c.watcher.log(c.ctx, event)
	c.watcher.report(c.ctx, event)
}

func (c *watchedCall) end(answer transport.Answer, err error) {
	if c == nil {
		return
	}
	event := c.event(answer)
	event.Duration = time.Since(c.start)
	event.Outcome = OutcomeOf(err)
	if _, ok := errors.AsType[*TransportError](err); ok {
		event.Abandoned = c.abandoned()
	}
	if c.booking != nil {
		c.booking.calls.Add(1)
	}
	c.watcher.report(c.ctx, event)
}

func (c *watchedCall) abandoned() bool { return errors.Is(context.Cause(c.ctx), errAbandoned) }

func attemptOutcome(e *endpoint, a transport.Attempt) Outcome {
	switch {
	case a.Err != nil && !a.MaybeSent:
		return OutcomeNotSent
	case a.Err != nil:
		return OutcomeUnknown
	case a.StatusCode < 300:
		return OutcomeApplied
	default:
		return (&APIError{Method: e.method, StatusCode: a.StatusCode}).outcome()
	}
}

func (c *watchedCall) event(answer transport.Answer) Event {
	event := Event{
		CallID:     c.id,
		Op:         c.endpoint.name,
		Method:     c.endpoint.method,
		Route:      c.endpoint.route.text,
		StatusCode: answer.StatusCode,
		RequestID:  printableRequestID(requestID(answer.Header)),
	}
	if c.booking != nil {
		event.BookingID = c.booking.id
	}
	return event
}

func (w *watcher) report(ctx context.Context, event Event) {
	for _, observe := range w.observers {
		observe(ctx, event)
	}
}

func (w *watcher) log(ctx context.Context, event Event) {
	if w.logger == nil {
		return
	}
	level := slog.LevelInfo
	failed := event.StatusCode == 0 || event.StatusCode >= http.StatusBadRequest
	if failed && !event.Abandoned {
		level = slog.LevelWarn
	}
	w.logger.LogAttrs(ctx, level, "closure: attempt",
		slog.String("operation", event.Op),
		slog.String("route", event.Route),
		slog.Int("status", event.StatusCode),
		slog.Duration("duration", event.Duration),
		slog.Int("attempt", event.Attempt),
		slog.String("request_id", event.RequestID),
	)
}
