// Package otelclosure reports the calls of package closure to OpenTelemetry, by
// the semantic conventions for HTTP clients.
//
//	client, err := closure.NewClientFromEnv(otelclosure.New())
//
// # Spans
//
// A call is an internal span with the operation's name, "patients.list", below
// the span of the call's context. Each attempt is a client span below it, "GET
// /patients", and carries http.request.resend_count from the second on. Spans
// are made when the call ends, and nothing is added to what is sent.
//
// # Metrics
//
// http.client.request.duration is of attempts, their wait for the rate limit
// included. closure.call.duration is of whole calls, with closure.operation and
// closure.outcome: "unknown" of a write is what to alert on.
//
// # Privacy
//
// URLs appear as route templates, "/patients/{id}", in url.template. There is no
// url.full, no query, no id and no error text: where the attributes of spans go,
// patients' data doesn't. Don't put the stock otelhttp under the same client
// (closure.WithHTTPClient): it writes each patient's name and birth date into
// url.full.
package otelclosure

import (
	"context"
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
	OperationKey = attribute.Key("closure.operation") // "appointments.create"
	OutcomeKey   = attribute.Key("closure.outcome")   // [closure.Outcome]: "applied", "not sent", "rejected", "unknown"
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
// global one.
func WithTracerProvider(p trace.TracerProvider) Option { return func(c *config) { c.tracers = p } }

// WithMeterProvider measures with another provider than OpenTelemetry's global
// one.
func WithMeterProvider(p metric.MeterProvider) Option { return func(c *config) { c.meters = p } }

// WithServer says which server.address and server.port to report, for clients
// with another base URL than [closure.DefaultBaseURL].
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
	if cfg.tracers == nil {
		cfg.tracers = otel.GetTracerProvider()
	}
	if cfg.meters == nil {
		cfg.meters = otel.GetMeterProvider()
	}
	return closure.WithObserver(newReporter(cfg).observe)
}

// A reporter turns events into spans and measurements.
type reporter struct {
	tracer   trace.Tracer
	requests httpconv.ClientRequestDuration
	calls    metric.Float64Histogram
	config   config
	underway sync.Map // the call's context → its attempts so far
}

// An attempt is an event and when it came.
type attempt struct {
	event closure.Event
	end   time.Time
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
	return &reporter{
		tracer:   cfg.tracers.Tracer(scope, trace.WithInstrumentationVersion(closure.Version), trace.WithSchemaURL(semconv.SchemaURL)),
		requests: requests,
		calls:    calls,
		config:   cfg,
	}
}

// handle reports as instrumentation should: without failing the program.
func handle(err error) {
	if err != nil {
		otel.Handle(err)
	}
}

// observe keeps the attempts of a call until its end, for a span's children are
// made after it. The context is the call's own.
func (r *reporter) observe(ctx context.Context, e closure.Event) {
	now := time.Now()
	if e.Attempt > 0 {
		earlier, _ := r.underway.Load(ctx)
		attempts, _ := earlier.([]attempt)
		r.underway.Store(ctx, append(attempts, attempt{e, now}))
		return
	}
	kept, _ := r.underway.LoadAndDelete(ctx)
	attempts, _ := kept.([]attempt)
	r.report(ctx, e, now, attempts)
}

func (r *reporter) report(ctx context.Context, call closure.Event, end time.Time, attempts []attempt) {
	ctx, span := r.start(ctx, call.Op, trace.SpanKindInternal, call, end)
	defer span.End(trace.WithTimestamp(end))
	for _, a := range attempts {
		r.reportAttempt(ctx, a)
	}
	r.calls.Record(ctx, call.Duration.Seconds(), metric.WithAttributes(append(failure(call),
		OperationKey.String(call.Op),
		OutcomeKey.String(call.Outcome.String()),
	)...))
}

func (r *reporter) reportAttempt(ctx context.Context, a attempt) {
	e := a.event
	more := []attribute.KeyValue{semconv.ServerAddress(r.config.serverAddress), semconv.ServerPort(r.config.serverPort)}
	if e.Attempt > 1 {
		more = append(more, semconv.HTTPRequestResendCount(e.Attempt-1))
	}
	ctx, span := r.start(ctx, e.Method+" "+e.Route, trace.SpanKindClient, e, a.end, more...)
	defer span.End(trace.WithTimestamp(a.end))
	r.requests.Record(ctx, e.Duration.Seconds(), httpconv.RequestMethodAttr(e.Method), r.config.serverAddress, r.config.serverPort,
		append(failure(e), semconv.URLTemplate(e.Route))...)
}

// start starts a span in the past.
func (r *reporter) start(ctx context.Context, name string, kind trace.SpanKind, e closure.Event, end time.Time, more ...attribute.KeyValue) (context.Context, trace.Span) {
	attributes := append(failure(e),
		OperationKey.String(e.Op),
		OutcomeKey.String(e.Outcome.String()),
		semconv.HTTPRequestMethodKey.String(e.Method),
		semconv.URLTemplate(e.Route),
	)
	if e.RequestID != "" {
		attributes = append(attributes, semconv.HTTPResponseHeader("x-request-id", e.RequestID))
	}
	ctx, span := r.tracer.Start(ctx, name,
		trace.WithSpanKind(kind),
		trace.WithTimestamp(end.Add(-e.Duration)),
		trace.WithAttributes(append(attributes, more...)...),
	)
	if e.Outcome != closure.OutcomeApplied {
		span.SetStatus(codes.Error, "") // error.type says which
	}
	return ctx, span
}

// failure is the status, and what kind of error it is if it is one.
func failure(e closure.Event) (attributes []attribute.KeyValue) {
	if e.StatusCode != 0 {
		attributes = append(attributes, semconv.HTTPResponseStatusCode(e.StatusCode))
	}
	switch {
	case e.Outcome == closure.OutcomeApplied:
		return attributes
	case e.StatusCode == 0:
		return append(attributes, semconv.ErrorTypeKey.String("no_response"))
	case e.StatusCode < 300:
		return append(attributes, semconv.ErrorTypeKey.String("malformed_response"))
	default:
		return append(attributes, semconv.ErrorTypeKey.String(strconv.Itoa(e.StatusCode)))
	}
}
