package closure

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// An Option configures a [Client]. Where two options set the same thing, the
// later one wins.
type Option interface {
	applyToClient(*clientConfig) error
}

// A CallOption configures one call or, given to [NewClient], every call.
type CallOption interface {
	Option
	applyToCall(*callConfig) error
}

type clientConfig struct {
	baseURL          *url.URL
	apiVersion       string
	product          string
	roundTripper     http.RoundTripper
	http2            bool
	jar              http.CookieJar
	logger           *slog.Logger
	observers        []func(context.Context, Event)
	bookingObservers []func(context.Context, BookingEvent)
	limiter          *rate.Limiter
	policy           RetryPolicy
	mode             Mode
	plainHTTP        bool
	journal          Journal
	endpoints        map[operation]endpoint // by routes of the caller's
	call             callConfig             // what every call starts from
}

type callConfig struct {
	indexVersion    IndexVersionID
	timeout         time.Duration
	maxAttempts     int
	expand          string // the query parameter
	capture         *Response
	assumeLostAfter time.Duration
}

type clientOption func(*clientConfig) error

func (o clientOption) applyToClient(c *clientConfig) error { return o(c) }

type callOption func(*callConfig) error

func (o callOption) applyToClient(c *clientConfig) error { return o(&c.call) }
func (o callOption) applyToCall(c *callConfig) error     { return o(c) }

func refuse(option, reason string) error {
	return &InputError{Op: option, Field: "argument", Reason: reason}
}

// WithBaseURL replaces [DefaultBaseURL]: https, or http on a loopback host or with
// [WithPlainHTTP]. User info, a query and a fragment are refused; a
// path is kept and comes before every route.
func WithBaseURL(baseURL string) Option {
	return clientOption(func(c *clientConfig) error {
		parsed, problem := parseBaseURL(baseURL)
		if problem != "" {
			return refuse("WithBaseURL", problem)
		}
		c.baseURL = parsed
		return nil
	})
}

func parseBaseURL(text string) (parsed *url.URL, problem string) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, "is not a URL" // the error would echo it
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, "is not an https URL"
	case u.Hostname() == "" || u.Opaque != "":
		return nil, "has no host"
	case !validPort(u.Port()):
		return nil, "has a port that there is not"
	case u.User != nil:
		return nil, "holds user info: the key is an argument of its own"
	case u.RawQuery != "" || u.ForceQuery:
		return nil, "holds a query"
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, "holds a fragment"
	}
	return &url.URL{
		Scheme:  u.Scheme,
		Host:    u.Host,
		Path:    strings.TrimRight(u.Path, "/"),
		RawPath: strings.TrimRight(u.RawPath, "/"),
	}, ""
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// WithPlainHTTP lets the base URL be http on a host that is not a loopback host: a
// sandbox in a container, say. The key and all data go over the network in clear, so it
// is for keys of test mode: [NewClient] refuses it with a live one.
func WithPlainHTTP() Option {
	return clientOption(func(c *clientConfig) error {
		c.plainHTTP = true
		return nil
	})
}

// checkScheme is for when all options are known.
func (c *clientConfig) checkScheme(mode Mode) error {
	switch {
	case c.plainHTTP && mode != ModeTest:
		return refuse("WithPlainHTTP", "is for keys of test mode")
	case c.baseURL.Scheme == "http" && !loopback(c.baseURL.Hostname()) && !c.plainHTTP:
		return refuse("WithBaseURL", "is http on a host that is not a loopback host: use https, or WithPlainHTTP with a test key")
	default:
		return nil
	}
}

// WithRoute replaces the route of one operation, by its name such as
// "availabilities.list": for the day that one of this version's guesses does not fit. The
// README's table says which routes are inferred, and cmd/closure-doctor finds out. The
// route is a template like the one it replaces, such as "/appointments/{id}/slots",
// with as many parameters, or method and template ("DELETE /appointments/{id}"); a read
// stays a read and a write a write. Texts and events show the new one.
//
// An unknown operation, and a route that is not a path of lower-case words and
// {parameters}, is an [InputError].
func WithRoute(name, route string) Option {
	return clientOption(func(c *clientConfig) error {
		op, found := operationNamed(name)
		if !found {
			return refuse("WithRoute", "names an operation that there is not")
		}
		replaced := newEndpoint(op.spec())
		parameters, writes := len(replaced.route.names), replaced.writes()
		if method, template, both := strings.Cut(route, " "); both {
			replaced.method, route = method, template
		}
		parsed, err := parseRoute(route)
		replaced.route = parsed
		switch {
		case err != nil:
			return refuse("WithRoute", "is not a path of lower-case words and {parameters}")
		case !slices.Contains(callMethods, replaced.method):
			return refuse("WithRoute", "has a method that is not GET, POST, PUT, PATCH or DELETE")
		case replaced.writes() != writes:
			return refuse("WithRoute", "makes a write of a read, or a read of a write")
		case len(parsed.names) != parameters:
			return refuse("WithRoute", "has not as many parameters as the route that it replaces")
		}
		c.endpoints = maps.Clone(c.endpoints)
		if c.endpoints == nil {
			c.endpoints = make(map[operation]endpoint)
		}
		c.endpoints[op] = replaced
		return nil
	})
}

// routesFromEnv reads "availabilities.list=/appointments/{id}/slots,…".
func routesFromEnv(text string) (opts []Option) {
	for pair := range strings.SplitSeq(text, ",") {
		name, route, _ := strings.Cut(pair, "=")
		opts = append(opts, WithRoute(strings.TrimSpace(name), strings.TrimSpace(route)))
	}
	return opts
}

// WithAPIVersion replaces [DefaultAPIVersion].
func WithAPIVersion(version string) Option {
	return clientOption(func(c *clientConfig) error {
		if !headerSafe(version) {
			return refuse("WithAPIVersion", "is empty or not fit for a header")
		}
		c.apiVersion = version
		return nil
	})
}

// headerSafe reports whether s is a non-empty word of printable ASCII, blanks
// inside allowed.
func headerSafe(s string) bool {
	return s != "" && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// WithHTTPClient uses the Transport and the Jar of c, and nothing else of it:
// timeouts, redirects and retries stay the SDK's own. The value is not changed.
// A nil Transport means the SDK's own pool.
//
// A Transport that sends requests again by itself and reports to
// [net/http/httptrace], as *http.Transport does and what wraps one and passes on the
// context, is kept to one request an attempt. Of one that reports nothing, an error proves nothing: a write
// that fails in it is [OutcomeUnknown]. Unlike our own pool, *http.Transport prints
// what follows an answer to the standard logger.
func WithHTTPClient(httpClient *http.Client) Option {
	return clientOption(func(c *clientConfig) error {
		if httpClient == nil {
			return refuse("WithHTTPClient", "is nil")
		}
		c.roundTripper, c.jar = httpClient.Transport, httpClient.Jar
		return nil
	})
}

// WithHTTP2 lets the SDK's own pool speak HTTP/2 where the server offers it. Without
// it the pool speaks HTTP/1.1: over HTTP/2 one lost connection strikes every call
// in flight, and writes among them end as unknown. docs/retries.md has the figures.
// It is refused beside a Transport of [WithHTTPClient], which decides for itself.
func WithHTTP2() Option {
	return clientOption(func(c *clientConfig) error {
		c.http2 = true
		return nil
	})
}

// WithLogger logs one record an attempt: operation, route, status, duration,
// attempt and request id, and nothing else. Attempts answered with a status
// below 400 are logged at [slog.LevelInfo], the others at [slog.LevelWarn]; a
// status of 0 means that there was no answer. nil turns logging off.
func WithLogger(logger *slog.Logger) Option {
	return clientOption(func(c *clientConfig) error {
		c.logger = logger
		return nil
	})
}

// WithObserver calls fn after each attempt and once more at the end of the
// call, for metrics, traces and audit. fn must not panic, and must be safe for
// concurrent use: calls run side by side, also the reads of one
// [Client.BookSlot]. Given several times, all are called.
//
// The context is the call's and has the caller's values. What belongs together is
// told by the CallID and the BookingID of the [Event]. Module otelclosure builds
// OpenTelemetry's spans and metrics on it.
func WithObserver(fn func(context.Context, Event)) Option {
	return clientOption(func(c *clientConfig) error {
		if fn == nil {
			return refuse("WithObserver", "is nil")
		}
		c.observers = append(slices.Clip(c.observers), fn)
		return nil
	})
}

// WithBookingObserver calls fn once at the end of each [Client.BookSlot],
// [Client.BookFirstAvailable], [Client.RescheduleBooking], [Client.CancelBooking] and
// [Client.ResolveBooking], each that [Client.ResolvePending] makes among them, after
// the events of its calls: for alerts and metrics. An ending that is unknown is one
// that somebody has to settle; a booking that healed itself ends confirmed or
// recovered. fn must not panic, and must be safe for concurrent use. The context is
// the caller's. Given several times, all are called.
func WithBookingObserver(fn func(context.Context, BookingEvent)) Option {
	return clientOption(func(c *clientConfig) error {
		if fn == nil {
			return refuse("WithBookingObserver", "is nil")
		}
		c.bookingObservers = append(slices.Clip(c.bookingObservers), fn)
		return nil
	})
}

// Options is several options as one, applied in order; nil ones are passed over. It
// is for packages that offer one option made of several, as otelclosure does.
func Options(opts ...Option) Option {
	return clientOption(func(c *clientConfig) error {
		for _, opt := range opts {
			if opt == nil {
				continue
			}
			if err := opt.applyToClient(c); err != nil {
				return err
			}
		}
		return nil
	})
}

// WithRateLimit makes attempts wait, within their context, so that no more than
// perSecond are sent each second over time and burst at once. A wait that would
// pass the context's deadline ends the call at once.
func WithRateLimit(perSecond float64, burst int) Option {
	return clientOption(func(c *clientConfig) error {
		if !(perSecond > 0) || math.IsInf(perSecond, 1) || burst < 1 {
			return refuse("WithRateLimit", "is not a positive rate and a burst of at least 1")
		}
		c.limiter = rate.NewLimiter(rate.Limit(perSecond), burst)
		return nil
	})
}

// RetryPolicy says when a call is tried again. Reads are, after any failure of
// the connection, a body cut short, and statuses 408, 429, 500, 502, 503 and
// 504; writes only if nothing left this machine. [Client.BookSlot] and its
// siblings also send again after a 429 that a look bears out, within the same
// policy. Zero fields take the default.
type RetryPolicy struct {
	MaxAttempts   int           // default 3; 1 turns retries off
	MinWait       time.Duration // default 100 ms; doubles each time, and the wait is anything from 0 to it (full jitter)
	MaxWait       time.Duration // default 10 s
	MaxRetryAfter time.Duration // default 60 s: a longer Retry-After ends the call at once with the answer in hand
	// Budget is in tokens for the whole client, default 100; a retry costs 10, a success
	// refunds 1, and there are no retries once they are used up. Where a connection was
	// lost, retries are free for as many calls as are in flight at once, and a quarter
	// more; 10 successes a retry, on top of full tokens, renew that.
	Budget int
}

// WithRetryPolicy replaces the policy. Negative fields, and a MaxWait below
// MinWait, are refused. A zero MaxAttempts leaves a [WithMaxAttempts] standing.
func WithRetryPolicy(p RetryPolicy) Option {
	return clientOption(func(c *clientConfig) error {
		if p.MaxAttempts < 0 || p.MinWait < 0 || p.MaxWait < 0 || p.MaxRetryAfter < 0 || p.Budget < 0 {
			return refuse("WithRetryPolicy", "holds a negative field")
		}
		if p.MaxAttempts != 0 {
			c.call.maxAttempts = 0 // the policy's
		}
		policy := p.withDefaults()
		if policy.MaxWait < policy.MinWait {
			return refuse("WithRetryPolicy", "has a MaxWait below MinWait")
		}
		c.policy = policy
		return nil
	})
}

func (p RetryPolicy) withDefaults() RetryPolicy {
	p.MaxAttempts = cmp.Or(p.MaxAttempts, 3)
	p.MinWait = cmp.Or(p.MinWait, 100*time.Millisecond)
	p.MaxWait = cmp.Or(p.MaxWait, max(10*time.Second, p.MinWait))
	p.MaxRetryAfter = cmp.Or(p.MaxRetryAfter, time.Minute)
	p.Budget = cmp.Or(p.Budget, 100)
	return p
}

// WithUserAgent puts a product such as "myapp/1.2" before the SDK's own.
func WithUserAgent(product string) Option {
	return clientOption(func(c *clientConfig) error {
		if !headerSafe(product) {
			return refuse("WithUserAgent", "is empty or not fit for a header")
		}
		c.product = product
		return nil
	})
}

// WithMode makes [NewClient] fail unless the key is of that mode: a program
// that must never touch real patients says WithMode(ModeTest).
func WithMode(m Mode) Option {
	return clientOption(func(c *clientConfig) error {
		if m != ModeTest && m != ModeLive {
			return refuse("WithMode", "is neither ModeTest nor ModeLive")
		}
		c.mode = m
		return nil
	})
}

// WithIndexVersion reads another copy of the directory data than the API's
// default. It is sent with the calls that concern the directory:
// practitioners, schedules, availabilities, specialties, insurances, locations
// and appointment types (source: reference; which calls, inferred).
func WithIndexVersion(id IndexVersionID) CallOption {
	return callOption(func(c *callConfig) error {
		problem := idProblem(id)
		if problem == "" && !headerSafe(string(id)) {
			problem = "is not fit for a header"
		}
		if problem != "" {
			return refuse("WithIndexVersion", problem)
		}
		c.indexVersion = id
		return nil
	})
}

// WithTimeout bounds each attempt, its body included; the default is 30 s. The
// whole call is bounded by its context.
func WithTimeout(perAttempt time.Duration) CallOption {
	return callOption(func(c *callConfig) error {
		if perAttempt <= 0 {
			return refuse("WithTimeout", "is not positive")
		}
		c.timeout = perAttempt
		return nil
	})
}

// WithMaxAttempts bounds how often a call is sent; 1 turns retries off.
func WithMaxAttempts(n int) CallOption {
	return callOption(func(c *callConfig) error {
		if n < 1 {
			return refuse("WithMaxAttempts", "is below 1")
		}
		c.maxAttempts = n
		return nil
	})
}

// An ExpandField is a field of a schedule that can hold the whole object
// instead of its id.
type ExpandField string

// The fields that [Expand] takes (source: reference).
const (
	ExpandPractitioner    ExpandField = "practitioner"
	ExpandLocation        ExpandField = "location"
	ExpandInsurances      ExpandField = "insurances"
	ExpandAppointmentType ExpandField = "appointment_type"
)

// Expand asks for whole objects where a schedule names ids. It matters to the
// calls of [SchedulesService] and to no other (source: the fields are in the
// reference, the query parameter is inferred).
func Expand(fields ...ExpandField) CallOption {
	var names []string
	for _, field := range fields {
		if field == "" || strings.ContainsFunc(string(field), func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
			return callOption(func(*callConfig) error {
				return refuse("Expand", "holds something that is not the name of a field")
			})
		}
		names = append(names, string(field))
	}
	expand := strings.Join(names, ",")
	return callOption(func(c *callConfig) error {
		c.expand = expand
		return nil
	})
}

// A Response is an answer as it came. The body and the headers can hold a
// person's data; printing the value shows neither.
type Response struct {
	StatusCode int // 0: no answer
	Header     http.Header
	RequestID  string
	Body       []byte
	Attempts   int
}

func (r Response) redacted() string {
	return fmt.Sprintf("closure.Response{StatusCode: %d, Attempts: %d, RequestID: %q}",
		r.StatusCode, r.Attempts, printableRequestID(r.RequestID))
}

// Format prints status, attempts and request id, under every verb: the body
// and the headers can hold a person's data.
func (r Response) Format(f fmt.State, _ rune) { printAs(f, r.redacted()) }

// LogValue shows status, attempts and request id.
func (r Response) LogValue() slog.Value { return slog.StringValue(r.redacted()) }

// CaptureResponse copies the call's last answer into r, also when the call
// fails: for fields that the SDK doesn't know, see [UnknownMembers]. It belongs to one call, so
// [NewClient] refuses it. Helpers that make several calls capture the answer to
// the write, and a search captures nothing.
func CaptureResponse(r *Response) CallOption {
	return captureOption(func() *Response { return r })
}

// A captureOption keeps the Response behind a function: printed, it shows none.
type captureOption func() *Response

func (o captureOption) applyToClient(*clientConfig) error {
	return refuse("CaptureResponse", "belongs to one call, not to a client")
}

func (o captureOption) applyToCall(c *callConfig) error {
	if c.capture = o(); c.capture == nil {
		return refuse("CaptureResponse", "is nil")
	}
	return nil
}

// AssumeLostAfter lets [Client.ResolveBooking] end an attempt that is older
// than age and that no read shows in [ErrNotBooked]. It is off by default, for
// no client can know how late a booking may still appear: choose age by what
// you know of the API, minutes rather than seconds. Of a client with a journal
// ([WithJournal]) it also lets [Client.BookSlot], [Client.BookFirstAvailable],
// [Client.RescheduleBooking] and [Client.ResolvePending] take a pending entry for
// lost, but none younger than twice the client's timeout: a process that lives may
// send until then. Other calls ignore it.
func AssumeLostAfter(age time.Duration) CallOption {
	return callOption(func(c *callConfig) error {
		if age <= 0 {
			return refuse("AssumeLostAfter", "is not positive")
		}
		c.assumeLostAfter = age
		return nil
	})
}

// withoutCapture keeps the reads of a helper, which run side by side, from
// writing to one Response.
func withoutCapture(opts []CallOption) []CallOption {
	return append(slices.Clip(opts), callOption(func(c *callConfig) error {
		c.capture = nil
		return nil
	}))
}
