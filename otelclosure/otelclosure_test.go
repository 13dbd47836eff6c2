package otelclosure_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/otelclosure"
)

// A backend keeps what is reported to it.
type backend struct {
	spans   *tracetest.InMemoryExporter
	tracers *trace.TracerProvider
	metrics *metric.ManualReader
	meters  *metric.MeterProvider
}

func newBackend() *backend {
	spans, metrics := tracetest.NewInMemoryExporter(), metric.NewManualReader()
	return &backend{
		spans:   spans,
		tracers: trace.NewTracerProvider(trace.WithSyncer(spans)),
		metrics: metrics,
		meters:  metric.NewMeterProvider(metric.WithReader(metrics)),
	}
}

func (b *backend) option(opts ...otelclosure.Option) closure.Option {
	return otelclosure.New(append([]otelclosure.Option{
		otelclosure.WithTracerProvider(b.tracers), otelclosure.WithMeterProvider(b.meters),
	}, opts...)...)
}

func (b *backend) collect(t *testing.T) (metrics []metricdata.Metrics) {
	t.Helper()
	var collected metricdata.ResourceMetrics
	if err := b.metrics.Collect(t.Context(), &collected); err != nil {
		t.Fatal(err)
	}
	for _, scope := range collected.ScopeMetrics {
		metrics = append(metrics, scope.Metrics...)
	}
	return metrics
}

func (b *backend) histograms(t *testing.T) map[string][]metricdata.HistogramDataPoint[float64] {
	t.Helper()
	points := map[string][]metricdata.HistogramDataPoint[float64]{}
	for _, m := range b.collect(t) {
		data, ok := m.Data.(metricdata.Histogram[float64])
		if !ok {
			continue
		}
		if m.Unit != "s" {
			t.Errorf("%s is in %q, want seconds", m.Name, m.Unit)
		}
		points[m.Name] = data.DataPoints
	}
	return points
}

// text is all that the backend was told.
func (b *backend) text(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for _, s := range b.spans.GetSpans() {
		fmt.Fprintln(&text, s.Name, s.Attributes, s.Events, s.Links, s.Status, s.Resource)
	}
	for _, m := range b.collect(t) {
		switch data := m.Data.(type) {
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				fmt.Fprintln(&text, m.Name, p.Attributes.ToSlice(), p.Exemplars)
			}
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				fmt.Fprintln(&text, m.Name, p.Attributes.ToSlice(), p.Exemplars)
			}
		default:
			t.Errorf("%s is a %T", m.Name, data)
		}
	}
	return text.String()
}

// line is a span in one line, its attributes in order of name.
func line(s tracetest.SpanStub) string {
	attributes := make([]string, len(s.Attributes))
	for i, a := range s.Attributes {
		attributes[i] = fmt.Sprintf("%s=%s", a.Key, a.Value.String())
	}
	slices.Sort(attributes)
	return fmt.Sprintf("%s %s %s: %s", s.SpanKind, s.Name, s.Status.Code, strings.Join(attributes, " "))
}

// masked hides the request id, which goes by the order of arrival.
func masked(line string) string {
	words := strings.Fields(line)
	for i, word := range words {
		if strings.HasPrefix(word, "http.response.header.x-request-id=") {
			words[i] = "request-id"
		}
	}
	return strings.Join(words, " ")
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault []closuretest.Fault
		call  func(context.Context, *closure.Client) error
		want  []string // in the order in which they end
	}{
		{
			name: "success",
			call: findTrisha,
			want: []string{
				"client GET /patients Unset: closure.operation=patients.list closure.outcome=applied http.request.method=GET " +
					"request-id http.response.status_code=200 server.address=api.closurehealth.com server.port=443 " +
					"url.template=/patients",
				"internal patients.list Unset: closure.operation=patients.list closure.outcome=applied http.request.method=GET " +
					"request-id http.response.status_code=200 url.template=/patients",
			},
		}, {
			name:  "second attempt, after no answer",
			fault: []closuretest.Fault{closuretest.DropBefore("patients.get")},
			call: func(ctx context.Context, c *closure.Client) error {
				_, err := c.Patients.Get(ctx, closuretest.GuidePatientID)
				return err
			},
			want: []string{
				"client GET /patients/{id} Error: closure.operation=patients.get closure.outcome=not sent error.type=no_response " +
					"http.request.method=GET server.address=api.closurehealth.com server.port=443 url.template=/patients/{id}",
				"client GET /patients/{id} Unset: closure.operation=patients.get closure.outcome=applied http.request.method=GET " +
					"http.request.resend_count=1 request-id http.response.status_code=200 server.address=api.closurehealth.com " +
					"server.port=443 url.template=/patients/{id}",
				"internal patients.get Unset: closure.operation=patients.get closure.outcome=applied http.request.method=GET " +
					"request-id http.response.status_code=200 url.template=/patients/{id}",
			},
		}, {
			name:  "a write whose outcome is unknown",
			fault: []closuretest.Fault{closuretest.StatusAfter("appointments.create", 502)},
			call:  bookDirectly,
			want: []string{
				"client POST /appointments Error: closure.operation=appointments.create closure.outcome=unknown error.type=502 " +
					"http.request.method=POST request-id http.response.status_code=502 server.address=api.closurehealth.com " +
					"server.port=443 url.template=/appointments",
				"internal appointments.create Error: closure.operation=appointments.create closure.outcome=unknown " +
					"error.type=502 http.request.method=POST request-id http.response.status_code=502 url.template=/appointments",
			},
		}, {
			name:  "a success that is none",
			fault: []closuretest.Fault{closuretest.Malformed("appointments.create")},
			call:  bookDirectly,
			want: []string{
				"client POST /appointments Unset: closure.operation=appointments.create closure.outcome=applied " +
					"http.request.method=POST request-id http.response.status_code=200 server.address=api.closurehealth.com " +
					"server.port=443 url.template=/appointments",
				"internal appointments.create Error: closure.operation=appointments.create closure.outcome=unknown " +
					"error.type=malformed_response http.request.method=POST request-id http.response.status_code=200 " +
					"url.template=/appointments",
			},
		}, {
			name: "no attempt",
			call: func(ctx context.Context, c *closure.Client) error {
				ctx, cancel := context.WithCancel(ctx)
				cancel()
				return findTrisha(ctx, c)
			},
			want: []string{
				"internal patients.list Error: closure.operation=patients.list closure.outcome=not sent error.type=no_response " +
					"http.request.method=GET url.template=/patients",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, server := newBackend(), closuretest.New()
			server.Inject(tt.fault...)
			ctx, caller := b.tracers.Tracer("test").Start(t.Context(), "caller")
			_ = tt.call(ctx, server.Client(b.option()))

			spans := b.spans.GetSpans()
			var got []string
			for _, s := range spans {
				got = append(got, masked(line(s)))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("spans\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tt.want, "\n     "))
			}
			call := spans[len(spans)-1]
			if call.Parent.SpanID() != caller.SpanContext().SpanID() {
				t.Error("the call is not below the caller's span")
			}
			for _, s := range spans[:len(spans)-1] {
				if s.Parent.SpanID() != call.SpanContext.SpanID() {
					t.Errorf("%s is not below the call", s.Name)
				}
			}
		})
	}
}

func findTrisha(ctx context.Context, c *closure.Client) error {
	_, err := c.Patients.Find(ctx, closure.PatientListParams{
		Name: "Trisha Pandit", DOB: closure.NewDate(1994, time.December, 22),
	})
	return err
}

func bookDirectly(ctx context.Context, c *closure.Client) error {
	slot := closuretest.GuideSlot()
	_, err := c.Appointments.Create(ctx, closure.AppointmentCreateParams{
		ScheduleID: slot.ScheduleID, PatientID: closuretest.GuidePatientID, StartAt: slot.StartAt, Duration: slot.Duration,
	})
	return err
}

// Spans are made when the call is over, and lie where it was.
func TestTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, server := newBackend(), closuretest.New()
		server.Inject(closuretest.Delay("patients.list", 3*time.Second),
			closuretest.Status("patients.list", 503, "Retry-After", "7"))
		// So short a wait has no jitter to speak of; the API asks for seven seconds.
		client := server.Client(b.option(), closure.WithRetryPolicy(closure.RetryPolicy{MinWait: 1, MaxWait: 1}))
		start := time.Now()
		if err := findTrisha(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		type interval struct{ from, to time.Duration }
		var got []interval
		for _, s := range b.spans.GetSpans() {
			got = append(got, interval{
				s.StartTime.Sub(start).Round(time.Millisecond), s.EndTime.Sub(start).Round(time.Millisecond),
			})
		}
		want := []interval{{0, 3 * time.Second}, {10 * time.Second, 10 * time.Second}, {0, 10 * time.Second}}
		if !slices.Equal(got, want) {
			t.Errorf("spans lie at %v, want %v", got, want)
		}
	})
}

// Calls that share a context keep their own attempts.
func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	b, server := newBackend(), closuretest.New()
	client := server.Client(b.option())
	const calls = 20
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() { _ = findTrisha(t.Context(), client) })
	}
	wg.Wait()
	children := map[oteltrace.SpanID]int{}
	for _, s := range b.spans.GetSpans() {
		if s.SpanKind == oteltrace.SpanKindClient {
			children[s.Parent.SpanID()]++
		}
	}
	if len(children) != calls {
		t.Errorf("attempts below %d calls, want %d", len(children), calls)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	b, server := newBackend(), closuretest.New()
	server.Inject(closuretest.Status("patients.list", 503, "Retry-After", "0"))
	if err := findTrisha(t.Context(), server.Client(b.option(otelclosure.WithServer("localhost", 8080)))); err != nil {
		t.Fatal(err)
	}
	points := b.histograms(t)
	var got []string
	for _, name := range []string{"http.client.request.duration", "closure.call.duration"} {
		for _, p := range points[name] {
			text, err := json.Marshal(p.Attributes.MarshalLog())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(name, " ", p.Count, " ", string(text)))
			if len(p.Bounds) != 14 || p.Bounds[0] != 0.005 || p.Bounds[13] != 10 {
				t.Errorf("%s has the boundaries %v", name, p.Bounds)
			}
		}
	}
	slices.Sort(got)
	want := []string{
		`closure.call.duration 1 {"closure.operation":"patients.list","closure.outcome":"applied",` +
			`"http.response.status_code":"200"}`,
		`http.client.request.duration 1 {"error.type":"503","http.request.method":"GET","http.response.status_code":"503",` +
			`"server.address":"localhost","server.port":"8080","url.template":"/patients"}`,
		`http.client.request.duration 1 {"http.request.method":"GET","http.response.status_code":"200",` +
			`"server.address":"localhost","server.port":"8080","url.template":"/patients"}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("measured\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// personal is what a trace must not hold of the guide's patient.
var personal = []string{
	"Trisha", "Pandit", "1994-12-22", "2022-05-20", "pt_", "sch_", "appt_", "ins_", "http://", "https://", "?",
}

// A whole booking, with faults, tells nothing of the patient; the stock
// instrumentation below the same client does.
func TestPrivacy(t *testing.T) {
	t.Parallel()
	ours, stock, server := newBackend(), newBackend(), closuretest.New()
	transport := otelhttp.NewTransport(server.Transport(), otelhttp.WithTracerProvider(stock.tracers),
		otelhttp.WithMeterProvider(stock.meters))
	client := server.Client(ours.option(), closure.WithHTTPClient(&http.Client{Transport: transport}))

	if err := findTrisha(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	server.Inject(closuretest.DropAfter("appointments.create"), closuretest.Status("schedules.get", 500),
		closuretest.Malformed("patients.get").Times(2))
	for range 3 {
		_, _ = client.BookSlot(t.Context(), closure.BookSlotParams{
			ScheduleID: closuretest.GuideScheduleID, PatientID: closuretest.GuidePatientID,
			StartAt: closuretest.GuideSlot().StartAt,
		})
	}
	if len(server.Appointments()) != 1 {
		t.Fatal("not booked")
	}

	text := ours.text(t)
	for _, leak := range personal {
		if strings.Contains(text, leak) {
			t.Errorf("%q is reported:\n%s", leak, text)
		}
	}
	full := ""
	for _, s := range stock.spans.GetSpans() {
		for _, a := range s.Attributes {
			if a.Key == attribute.Key("url.full") {
				full += a.Value.AsString() + "\n"
			}
		}
	}
	for _, leak := range []string{"Trisha", "Pandit", "1994-12-22", "pt_"} {
		if !strings.Contains(full, leak) {
			t.Errorf("otelhttp does not report %q any more: the warning in README.md can go", leak)
		}
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A server may call a request by a patient's name.
func TestRequestIDsOfOtherShapesAreNotReported(t *testing.T) {
	t.Parallel()
	backend := newBackend()
	hostile := roundTripFunc(func(*http.Request) (*http.Response, error) {
		header := http.Header{"X-Request-Id": {"Trisha_Pandit"}, "Retry-After": {"0"}}
		return &http.Response{StatusCode: http.StatusConflict, Header: header, Body: http.NoBody}, nil
	})
	client := closuretest.New().Client(backend.option(), closure.WithHTTPClient(&http.Client{Transport: hostile}))
	if err := findTrisha(t.Context(), client); err == nil {
		t.Fatal("want an error")
	}
	text := backend.text(t)
	if !strings.Contains(text, "(unprintable)") || strings.Contains(text, "Trisha") {
		t.Errorf("reported:\n%s", text)
	}
}

// Without options the global providers are used, which report nothing unless
// they are set.
func TestDefaults(t *testing.T) {
	t.Parallel()
	if err := findTrisha(t.Context(), closuretest.New().Client(otelclosure.New())); err != nil {
		t.Fatal(err)
	}
}

// What is nil changes nothing, as with the client's own options.
func TestNil(t *testing.T) {
	t.Parallel()
	var noTracers *trace.TracerProvider
	var noMeters *metric.MeterProvider
	for _, option := range []closure.Option{
		otelclosure.New(nil, otelclosure.WithTracerProvider(nil), otelclosure.WithMeterProvider(nil)),
		otelclosure.New(otelclosure.WithTracerProvider(noTracers), otelclosure.WithMeterProvider(noMeters)),
	} {
		if _, err := closuretest.New().Client(option).Specialties.List(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
