package closure

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/closurehealth/closure-go/internal/transport"
)

// An Event is one attempt, or one whole call, as an observer sees it. It holds
// nothing of a patient: no id, no value, no URL.
type Event struct {
	Op         string        // the operation, "appointments.create"
	Method     string        // "POST"
	Route      string        // the route's template, "/appointments/{id}"
	StatusCode int           // 0: no answer
	Attempt    int           // from 1; 0: the whole call
	Duration   time.Duration // of the attempt, its wait for the rate limit included, or of the whole call with its waits
	Outcome    Outcome       // what is known of it, as by [OutcomeOf]
	RequestID  string        // the API's name for the request
}

// A watcher reports to logger and observers. A nil watcher reports nothing.
type watcher struct {
	logger    *slog.Logger
	observers []func(context.Context, Event)
}

func newWatcher(logger *slog.Logger, observers []func(context.Context, Event)) *watcher {
	if logger == nil && len(observers) == 0 {
		return nil
	}
	return &watcher{logger, observers}
}

// A watched call is one that somebody looks at; nil: nobody does.
type watchedCall struct {
	watcher  *watcher
	ctx      *callContext
	endpoint *endpoint
	start    time.Time
}

// A callContext is the caller's context with an identity: callers give one
// context to many calls, and an observer must be able to tell them apart.
type callContext struct{ context.Context }

func (w *watcher) begin(ctx context.Context, e *endpoint, call *transport.Call) *watchedCall {
	if w == nil {
		return nil
	}
	c := &watchedCall{watcher: w, ctx: &callContext{ctx}, endpoint: e, start: time.Now()}
	call.Observe = c.attempt
	return c
}

func (c *watchedCall) attempt(a transport.Attempt) {
	event := newEvent(c.endpoint, a.Answer)
	event.Attempt = a.Number
	event.Duration = a.Duration
	event.Outcome = attemptOutcome(c.endpoint, a)
	c.watcher.log(c.ctx, event)
	c.watcher.report(c.ctx, event)
}

func (c *watchedCall) end(answer transport.Answer, err error) {
	if c == nil {
		return
	}
	event := newEvent(c.endpoint, answer)
	event.Duration = time.Since(c.start)
	event.Outcome = OutcomeOf(err)
	c.watcher.report(c.ctx, event)
}

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

func newEvent(e *endpoint, answer transport.Answer) Event {
	return Event{
		Op:         e.name,
		Method:     e.method,
		Route:      e.route.text,
		StatusCode: answer.StatusCode,
		RequestID:  printableRequestID(requestID(answer.Header)),
	}
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
	if event.StatusCode == 0 || event.StatusCode >= http.StatusBadRequest {
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
