// Package otelclosure reports the calls of package closure to OpenTelemetry, by
// the semantic conventions for HTTP clients.
//
//	client, err := closure.NewClientFromEnv(otelclosure.New())
//
// # Spans
//
// A booking, a change or a resolution is an internal span with its method's name,
// "BookSlot", below the span of the caller's context. A call is an internal span with
// the operation's name, "patients.list", below its booking or the span of its context.
// Each attempt is a client span below the call, "GET /patients", and carries
// http.request.resend_count from the second on. Spans are made when the booking or
// the call ends, and nothing is added to what is sent.
//
// # Metrics
//
// closure.bookings counts bookings, changes and resolutions by closure.booking.ending:
// alert on "unknown". closure.journal.failures counts endings that the journal could not
// record. Both are reported as 0 from the start, so that the first one shows as an
// increase. closure.booking.duration is how long bookings took, also by
// closure.booking.reason. http.client.request.duration is how long attempts took, with
// their wait for the rate limit. closure.call.duration is how long whole calls took, by
// closure.operation and closure.outcome. If the outcome of a booking's write is "unknown"
// there, don't alert: reading back may have shown how the booking ended.
//
// # Privacy
//
// URLs appear as route templates, "/patients/{id}", in url.template. There is no
// url.full, no query, no id of a record and no error text, so that wherever spans are
// sent, no patient's data is. Don't put the stock otelhttp under the same client
// (closure.WithHTTPClient): it writes each patient's name and birth date into
// url.full.
package otelclosure

import (
	"context"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/closurehealth/closure-go"
)

const scope = "github.com/closurehealth/closure-go/otelclosure"

// What the semantic conventions have no name for.
const (
	OperationKey = attribute.Key("closure.operation")         // "appointments.create"
	OutcomeKey   = attribute.Key("closure.outcome")           // [closure.Outcome]: "applied", "not sent", "rejected", "unknown"; or "abandoned": the SDK cut it short, which is no failure
	BookingKey   = attribute.Key("closure.booking.operation") // the method that books, changes or resolves: "BookSlot"
	BookingIDKey = attribute.Key("closure.booking.id")        // random; of spans only
	EndingKey    = attribute.Key("closure.booking.ending")    // [closure.Ending]: "confirmed", "recovered", "rejected", "not sent", "unknown"
	ReasonKey    = attribute.Key("closure.booking.reason")    // [closure.Reason]: "slot_unavailable"
	JournalKey   = attribute.Key("closure.journal.method")    // the journal's that failed: "finish", "release"
)

// An Option configures [New].
type Option func(*config)

type config struct {
	tracers       trace.TracerProvider
	meters        metric.MeterProvider
	serverAddress string
	serverPort    int
}

// WithTracerProvider makes spans with another provider than OpenTelemetry's
// global one. Nil is the global one.
func WithTracerProvider(p trace.TracerProvider) Option { return func(c *config) { c.tracers = p } }

// WithMeterProvider measures with another provider than OpenTelemetry's global
// one. Nil is the global one.
func WithMeterProvider(p metric.MeterProvider) Option { return func(c *config) { c.meters = p } }

// WithServer says which server.address and server.port to report, for clients
// with another base URL than [closure.DefaultBaseURL], also one from CLOSURE_BASE_URL:
// the client doesn't tell it. Without it the vendor's host and port are reported.
func WithServer(address string, port int) Option {
	return func(c *config) { c.serverAddress, c.serverPort = address, port }
}

// New returns the option that makes a client report its calls.
func New(opts ...Option) closure.Option {
	cfg := config{
		serverAddress: strings.TrimPrefix(closure.DefaultBaseURL, "https://"),
		serverPort:    443,
	}
	for _, opt := range opts {
		if opt != nil {
			opt(&cfg)
		}
	}
	if isNil(cfg.tracers) {
		cfg.tracers = otel.GetTracerProvider()
	}
	if isNil(cfg.meters) {
		cfg.meters = otel.GetMeterProvider()
	}
	r := newReporter(cfg)
	return closure.Options(closure.WithObserver(r.observe), closure.WithBookingObserver(r.observeBooking))
}

// isNil also finds a nil pointer in an interface: that of a program which makes its provider
// only where it traces.
func isNil(provider any) bool {
	v := reflect.ValueOf(provider)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

// What counters count by.
var (
	operations = []string{"BookSlot", "BookFirstAvailable", "RescheduleBooking", "CancelBooking", "ResolveBooking"}
	endings    = []closure.Ending{
		closure.EndingConfirmed, closure.EndingRecovered, closure.EndingRejected, closure.EndingNotSent, closure.EndingUnknown,
	}
	journalMethods = []string{"finish", "release"} // those that record an ending
)

func endingOf(op string, ending closure.Ending) []attribute.KeyValue {
	return []attribute.KeyValue{BookingKey.String(op), EndingKey.String(ending.String())}
}

func failureOf(op, method string) []attribute.KeyValue {
	return []attribute.KeyValue{BookingKey.String(op), JournalKey.String(method)}
}

// A reporter turns events into spans and measurements.
type reporter struct {
	tracer   trace.Tracer
	requests httpconv.ClientRequestDuration
	calls    metric.Float64Histogram
	bookings metric.Int64Counter
	took     metric.Float64Histogram // bookings
	failures metric.Int64Counter
	config   config

	mu       sync.Mutex
	attempts map[uint64][]attempt // of calls that have not ended, by their ids
	ended    map[string][]call    // calls of bookings that have not ended, by the bookings' ids
}

// An attempt is an event and when it came.
type attempt struct {
	event closure.Event
	end   time.Time
}

// A call that ended, and its attempts.
type call struct {
	attempt
	attempts []attempt
}

func newReporter(cfg config) *reporter {
	meter := cfg.meters.Meter(scope, metric.WithInstrumentationVersion(closure.Version), metric.WithSchemaURL(semconv.SchemaURL))
	// The conventions' boundaries for durations of requests.
	buckets := metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
	requests, err := httpconv.NewClientRequestDuration(meter, buckets)
	handle(err)
	calls, err := meter.Float64Histogram("closure.call.duration", buckets, metric.WithUnit("s"),
		metric.WithDescription("Duration of calls, with all attempts and the waits between them."))
	handle(err)
	bookings, err := meter.Int64Counter("closure.bookings", metric.WithUnit("{booking}"),
		metric.WithDescription("Bookings, changes and resolutions by how they ended."))
	handle(err)
	took, err := meter.Float64Histogram("closure.booking.duration", buckets, metric.WithUnit("s"),
		metric.WithDescription("Duration of bookings, changes and resolutions, by how they ended."))
	handle(err)
	failures, err := meter.Int64Counter("closure.journal.failures", metric.WithUnit("{booking}"),
		metric.WithDescription("Bookings whose ending the journal could not record."))
	handle(err)
	startAtZero(bookings, failures)
	return &reporter{
		tracer:   cfg.tracers.Tracer(scope, trace.WithInstrumentationVersion(closure.Version), trace.WithSchemaURL(semconv.SchemaURL)),
		requests: requests,
		calls:    calls,
		bookings: bookings,
		took:     took,
		failures: failures,
		config:   cfg,
		attempts: make(map[uint64][]attempt),
		ended:    make(map[string][]call),
	}
}

// startAtZero reports every series of the counters as 0, so that the first one of a kind
// shows as an increase.
func startAtZero(bookings, failures metric.Int64Counter) {
	ctx := context.Background()
	for _, op := range operations {
		for _, ending := range endings {
			bookings.Add(ctx, 0, metric.WithAttributes(endingOf(op, ending)...))
		}
		for _, method := range journalMethods {
			failures.Add(ctx, 0, metric.WithAttributes(failureOf(op, method)...))
		}
	}
}

// handle reports as instrumentation should: without failing the program.
func handle(err error) {
	if err != nil {
		otel.Handle(err)
	}
}

func (r *reporter) observe(ctx context.Context, e closure.Event) {
	if c, now := r.keep(attempt{e, time.Now()}); now {
		r.reportCall(ctx, c)
	}
}

// keep keeps the attempts of a call until its end, and the calls of a booking until
// the booking's, because a parent span is made first. now reports whether the call has
// ended and belongs to no booking.
func (r *reporter) keep(a attempt) (c call, now bool) {
	e := a.event
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Attempt > 0 {
		r.attempts[e.CallID] = append(r.attempts[e.CallID], a)
		return call{}, false
	}
	c = call{a, r.attempts[e.CallID]}
	delete(r.attempts, e.CallID)
	if e.BookingID != "" {
		r.ended[e.BookingID] = append(r.ended[e.BookingID], c)
	}
	return c, e.BookingID == ""
}

func (r *reporter) observeBooking(ctx context.Context, e closure.BookingEvent) {
	end := time.Now()
	r.mu.Lock()
	calls := r.ended[e.ID]
	delete(r.ended, e.ID)
	r.mu.Unlock()

	attributes := endingOf(e.Op, e.Ending)
	r.bookings.Add(ctx, 1, metric.WithAttributes(attributes...))
	if e.Reason != "" {
		attributes = append(attributes, ReasonKey.String(string(e.Reason)))
	}
	ctx, span := r.tracer.Start(ctx, e.Op,
		trace.WithTimestamp(end.Add(-e.Duration)),
		trace.WithAttributes(attributes...),
		trace.WithAttributes(BookingIDKey.String(e.ID)),
	)
	defer span.End(trace.WithTimestamp(end))
	if e.Ending == closure.EndingUnknown || e.Ending == closure.EndingNotSent {
		span.SetStatus(codes.Error, "") // closure.booking.reason says which
	}
	for _, c := range calls {
		r.reportCall(ctx, c, BookingKey.String(e.Op))
	}
	r.took.Record(ctx, e.Duration.Seconds(), metric.WithAttributes(attributes...))
	if e.JournalFailed != "" {
		span.SetAttributes(JournalKey.String(e.JournalFailed))
		r.failures.Add(ctx, 1, metric.WithAttributes(failureOf(e.Op, e.JournalFailed)...))
	}
}

// reportCall reports a call with its attempts; more is the booking that it is of.
func (r *reporter) reportCall(ctx context.Context, c call, more ...attribute.KeyValue) {
	e := c.event
	ctx, span := r.start(ctx, e.Op, trace.SpanKindInternal, c.attempt, more...)
	defer span.End(trace.WithTimestamp(c.end))
	for _, a := range c.attempts {
		r.reportAttempt(ctx, a)
	}
	attributes := append(failure(e), OperationKey.String(e.Op), OutcomeKey.String(outcome(e)))
	r.calls.Record(ctx, e.Duration.Seconds(), metric.WithAttributes(append(attributes, more...)...))
}

func (r *reporter) reportAttempt(ctx context.Context, a attempt) {
	e := a.event
	more := []attribute.KeyValue{semconv.ServerAddress(r.config.serverAddress), semconv.ServerPort(r.config.serverPort)}
	if e.Attempt > 1 {
		more = append(more, semconv.HTTPRequestResendCount(e.Attempt-1))
	}
	ctx, span := r.start(ctx, e.Method+" "+e.Route, trace.SpanKindClient, a, more...)
	defer span.End(trace.WithTimestamp(a.end))
	r.requests.Record(ctx, e.Duration.Seconds(), httpconv.RequestMethodAttr(e.Method), r.config.serverAddress, r.config.serverPort,
		append(failure(e), semconv.URLTemplate(e.Route))...)
}

// start starts a span in the past.
func (r *reporter) start(ctx context.Context, name string, kind trace.SpanKind, a attempt, more ...attribute.KeyValue) (context.Context, trace.Span) {
	e := a.event
	attributes := append(failure(e),
		OperationKey.String(e.Op),
		OutcomeKey.String(outcome(e)),
		semconv.HTTPRequestMethodKey.String(e.Method),
		semconv.URLTemplate(e.Route),
	)
	if e.RequestID != "" {
		attributes = append(attributes, semconv.HTTPResponseHeader("x-request-id", e.RequestID))
	}
	ctx, span := r.tracer.Start(ctx, name,
		trace.WithSpanKind(kind),
		trace.WithTimestamp(a.end.Add(-e.Duration)),
		trace.WithAttributes(append(attributes, more...)...),
	)
	if e.Outcome != closure.OutcomeApplied && !e.Abandoned {
		span.SetStatus(codes.Error, "") // error.type says which
	}
	return ctx, span
}

func outcome(e closure.Event) string {
	if e.Abandoned {
		return "abandoned"
	}
	return e.Outcome.String()
}

// failure is the status, and what kind of error it is if it is one.
func failure(e closure.Event) (attributes []attribute.KeyValue) {
	if e.StatusCode != 0 {
		attributes = append(attributes, semconv.HTTPResponseStatusCode(e.StatusCode))
	}
	switch {
	case e.Outcome == closure.OutcomeApplied, e.Abandoned:
		return attributes
	case e.StatusCode == 0:
		return append(attributes, semconv.ErrorTypeKey.String("no_response"))
	case e.StatusCode < 300:
		return append(attributes, semconv.ErrorTypeKey.String("malformed_response"))
	default:
		return append(attributes, semconv.ErrorTypeKey.String(strconv.Itoa(e.StatusCode)))
	}
}
