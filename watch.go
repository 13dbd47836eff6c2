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

// An Event is one attempt, or one whole call, as an observer sees it. It holds
// nothing of a patient: no id, no value, no URL.
type Event struct {
	CallID     uint64        // ties the attempts of a call to it: the same for them and the whole call, another for every other call
	BookingID  string        // ties calls to their booking: the ID of its [BookingEvent]; empty: of none that somebody observes
	Op         string        // the operation, "appointments.create"
	Method     string        // "POST"
	Route      string        // the route's template, "/appointments/{id}"
	StatusCode int           // 0: no answer
	Attempt    int           // from 1; 0: the whole call
	Duration   time.Duration // of the attempt, its wait for the rate limit included, or of the whole call with its waits
	Outcome    Outcome       // what is known of it, as by [OutcomeOf]
	RequestID  string        // the API's name for the request

	// Abandoned: the SDK ended it before its time, because another call had said all
	// that it was for, or the time for looking was up. That there is no answer is no
	// failure then.
	Abandoned bool
}

// errAbandoned is the cause of a context that the SDK itself ended.
var errAbandoned = errors.New("closure: not needed any more")

// A watcher reports to logger and observers. A nil watcher reports nothing.
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
	w.calls.Store(rand.Uint64()) // one observer may look at several clients
	return w
}

// bookings reports whether anybody wants to know which booking a call is of.
func (w *watcher) bookings() bool { return len(w.observers) > 0 || len(w.bookingObservers) > 0 }

// A watched call is one that somebody looks at; nil: nobody does.
type watchedCall struct {
	watcher  *watcher
	ctx      context.Context
	endpoint *endpoint
	id       uint64
	booking  *watchedBooking // nil: it is of none
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
