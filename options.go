package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
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
	baseURLFromEnv   bool
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
	endpoints        map[operation]endpoint // those whose route the caller replaced
	call             callConfig             // the options of every call
}

type callConfig struct {
	indexVersion    IndexVersionID
	timeout         time.Duration
	maxAttempts     int
	expand          string // the query parameter
	capture         *Response
	assumeLostAfter time.Duration
	cancelled       *knownCancelled // nil: none
}

type clientOption func(*clientConfig) error

func (o clientOption) applyToClient(c *clientConfig) error { return o(c) }

type callOption func(*callConfig) error

func (o callOption) applyToClient(c *clientConfig) error { return o(&c.call) }
func (o callOption) applyToCall(c *callConfig) error     { return o(c) }

func refuse(option, reason string) error {
	return &InputError{Op: option, Field: "argument", Reason: reason}
}

// refuseOption refuses an option that has no argument, or where it doesn't belong.
func refuseOption(option, reason string) error {
	return &InputError{Op: option, Field: "option", Reason: reason}
}

// holdsNil finds an interface that is not nil, but holds a nil pointer or function, and
// would panic when it is first used.
func holdsNil(value any) bool {
	v := reflect.ValueOf(value)
	return (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func) && v.IsNil()
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
		c.baseURL, c.baseURLFromEnv = parsed, false
		return nil
	})
}

func parseBaseURL(text string) (parsed *url.URL, problem string) {
	if text == "" {
		return nil, "is empty"
	}
	if !hasWebScheme(text) {
		return nil, "does not begin with https://, or with http:// for a loopback host"
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, "is not a URL" // the error would repeat it
	case u.Hostname() == "":
		return nil, "has no host"
	case !validPort(u.Port()):
		return nil, "has a port that is not from 1 to 65535"
	case u.User != nil:
		return nil, "holds user info: the key is given apart from the URL"
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

func hasWebScheme(text string) bool {
	scheme, _, found := strings.Cut(text, "://")
	return found && (strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http"))
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

// WithPlainHTTP allows a base URL with http on a host that is not a loopback host, such as
// a sandbox in a container. The key and all data go over the network unencrypted, so it
// is for keys of test mode: [NewClient] refuses it with a live key.
func WithPlainHTTP() Option {
	return clientOption(func(c *clientConfig) error {
		c.plainHTTP = true
		return nil
	})
}

// checkScheme needs all options, in whatever order they were given.
func (c *clientConfig) checkScheme(mode Mode) error {
	switch {
	case c.plainHTTP && mode != ModeTest:
		return refuseOption("WithPlainHTTP", "is for keys of test mode")
	case c.baseURL.Scheme == "http" && !loopback(c.baseURL.Hostname()) && !c.plainHTTP:
		const problem = "is http on a host that is not a loopback host: use https, or WithPlainHTTP with a test key"
		if c.baseURLFromEnv {
			return &InputError{Op: opFromEnv, Field: baseURLVariable, Reason: problem}
		}
		return refuse("WithBaseURL", problem)
	default:
		return nil
	}
}

// WithRoute replaces the route of one operation, which is named like
// "availabilities.list". Use it if one of this version's guesses turns out wrong. The
// README's table says which routes are inferred, and cmd/closure-doctor finds out which
// are right. The new route is a template like the one it replaces, such as
// "/appointments/{id}/slots", with as many parameters; or it is a method and a template
// ("DELETE /appointments/{id}"). A read stays a read, and a write stays a write. Texts
// and events show the new route.
//
// For an unknown operation, and for a route that is not a path of lower-case words and
// {parameters}, the error is an [InputError].
func WithRoute(name, route string) Option {
	return clientOption(func(c *clientConfig) error {
		op, found := operationNamed(name)
		if !found {
			return refuse("WithRoute", "names an unknown operation")
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
			return refuse("WithRoute", "turns a read into a write, or a write into a read")
		case len(parsed.names) != parameters:
			return refuse("WithRoute", "doesn't have as many parameters as the route that it replaces")
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
func routesFromEnv(text string) Option {
	var opts []Option
	for i, entry := range strings.Split(text, ",") {
		opts = append(opts, numbered(i+1, routeFromEnv(entry)))
	}
	return Options(opts...)
}

func routeFromEnv(entry string) Option {
	name, route, found := strings.Cut(entry, "=")
	if !found {
		return clientOption(func(*clientConfig) error { return refuse("WithRoute", "is not operation=route") })
	}
	return WithRoute(strings.TrimSpace(name), strings.TrimSpace(route))
}

// numbered tells which entry of a list is refused, because the reason doesn't repeat it.
func numbered(n int, option Option) Option {
	return clientOption(func(c *clientConfig) error {
		err := option.applyToClient(c)
		if refused, ok := errors.AsType[*InputError](err); ok {
			refused.Reason += fmt.Sprintf(" (entry %d)", n)
		}
		return err
	})
}

// WithAPIVersion replaces [DefaultAPIVersion].
func WithAPIVersion(version string) Option {
	return clientOption(func(c *clientConfig) error {
		if !headerSafe(version) {
			return refuse("WithAPIVersion", "is empty or can't be sent in a header")
		}
		c.apiVersion = version
		return nil
	})
}

// headerSafe reports whether s is printable ASCII that is not empty and neither begins
// nor ends with a blank.
func headerSafe(s string) bool {
	return s != "" && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// WithHTTPClient uses the Transport and the Jar of c, and nothing else of it: timeouts,
// redirects and retries stay the SDK's own. The value is not changed. A nil Transport
// means the SDK's own pool.
//
// An *http.Transport can send a request again by itself. The SDK keeps it to one request
// an attempt, because it reports to [net/http/httptrace]; so does a RoundTripper that
// wraps one and passes on the context. If a Transport reports nothing, its error proves
// nothing: a write that fails in it is [OutcomeUnknown]. Unlike the SDK's own pool,
// *http.Transport prints bytes that follow an answer to the standard logger.
//
// A RoundTripper that makes requests of its own, to get a token for example, gives them the context
// [OwnRequest] returns. With the request's context, the SDK takes them for a second sending, and
// ends the attempt.
//
// RoundTrip must not return while the request may still leave. To enforce that, the SDK refuses
// reads of the body after RoundTrip has returned, and closes an HTTP/1.1 connection that is given
// later. One case stays open: a cancellation has no body, so over HTTP/2 it could leave late and
// yet count as not sent.
func WithHTTPClient(httpClient *http.Client) Option {
	return clientOption(func(c *clientConfig) error {
		switch {
		case httpClient == nil:
			return refuse("WithHTTPClient", "is nil")
		case holdsNil(httpClient.Transport):
			return refuse("WithHTTPClient", "has a Transport whose value is nil: set none, for the SDK's own pool")
		case holdsNil(httpClient.Jar):
			return refuse("WithHTTPClient", "has a Jar whose value is nil: set none, for no cookies")
		}
		c.roundTripper, c.jar = httpClient.Transport, httpClient.Jar
		return nil
	})
}

// WithHTTP2 lets the SDK's own pool speak HTTP/2 if the server offers it. Without it the
// pool speaks HTTP/1.1, because over HTTP/2 one lost connection hits every call in flight,
// and the writes among them end as unknown. docs/retries.md has the figures. It is refused
// together with a Transport of [WithHTTPClient], which decides for itself.
func WithHTTP2() Option {
	return clientOption(func(c *clientConfig) error {
		c.http2 = true
		return nil
	})
}

// WithLogger logs one record for each attempt: operation, route, status, duration,
// attempt and request id, and nothing else. Attempts answered with a status below 400, and
// those that the SDK itself ended early, are logged at [slog.LevelInfo], the others at
// [slog.LevelWarn]. A status of 0 means that no answer came. A nil logger turns logging off.
func WithLogger(logger *slog.Logger) Option {
	return clientOption(func(c *clientConfig) error {
		if logger != nil && (logger.Handler() == nil || holdsNil(logger.Handler())) {
			return refuse("WithLogger", "has no handler: make it with slog.New")
		}
		c.logger = logger
		return nil
	})
}

// WithObserver calls fn after each attempt, and once more at the end of each call, for
// metrics, traces and audit. fn must not panic, and must be safe for concurrent use: calls
// run concurrently, even the reads of one [Client.BookSlot]. If the option is given several
// times, all functions are called.
//
// The context is the call's, and has the caller's values. The CallID and the BookingID of
// the [Event] say what belongs together. Module otelclosure makes OpenTelemetry's spans and
// metrics of the events.
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
// [Client.ResolveBooking], for alerts and metrics. fn is called after the events of their
// calls, and for each attempt that [Client.ResolvePending] settles. Somebody has to settle
// a booking whose ending is unknown. One that the SDK settled itself ends confirmed or
// recovered. fn must not panic, and must be safe for concurrent use. The context is the
// caller's. If the option is given several times, all functions are called.
func WithBookingObserver(fn func(context.Context, BookingEvent)) Option {
	return clientOption(func(c *clientConfig) error {
		if fn == nil {
			return refuse("WithBookingObserver", "is nil")
		}
		c.bookingObservers = append(slices.Clip(c.bookingObservers), fn)
		return nil
	})
}

// Options makes one option of several, for packages that offer one, as otelclosure does.
// They are applied in order; nil ones are ignored.
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

// WithRateLimit makes attempts wait, so that on average no more than perSecond are sent
// each second, and no more than burst at once. If the wait would last longer than the
// context's deadline, the call ends at once.
func WithRateLimit(perSecond float64, burst int) Option {
	return clientOption(func(c *clientConfig) error {
		if !(perSecond > 0) || math.IsInf(perSecond, 1) || burst < 1 {
			return refuse("WithRateLimit", "is not a positive rate and a burst of at least 1")
		}
		c.limiter = rate.NewLimiter(rate.Limit(perSecond), burst)
		return nil
	})
}

// RetryPolicy says when a call is tried again. A read is tried again after any failure of
// the connection, after a body that was cut short, and after statuses 408, 429, 500, 502,
// 503 and 504. A write is tried again only if nothing left this machine, or if the server says
// by HTTP/2's own means (REFUSED_STREAM, GOAWAY) that it did not process it; the SDK's own pool
// speaks HTTP/1.1 unless asked. [Client.BookSlot] and the other booking calls also send again
// after a 429, by the same policy, if a look shows that nothing was carried out. Zero fields
// take the default.
type RetryPolicy struct {
	MaxAttempts   int           // default 3; 1 turns retries off
	MinWait       time.Duration // default 100 ms; doubled after each attempt; the wait is a random part of it (full jitter)
	MaxWait       time.Duration // default 10 s, or MinWait if that is longer
	MaxRetryAfter time.Duration // default 60 s: a longer Retry-After ends the call at once, with that answer
	// Budget is the number of tokens of the whole client, default 100. [math.MaxInt] is
	// practically no budget: then only MaxAttempts limits the retries.
	//
	//   - A retry costs 10 tokens. Without them there are no retries.
	//   - A call that the API answered gives 1 token back, unless with 408, 429 or 5xx.
	//   - From ten calls a second on, there are all tokens. With less traffic there are fewer,
	//     in proportion to the calls of the last 10 s, but never fewer than the retries
	//     of one call cost.
	//   - In the client's first second there are all tokens, too.
	//   - A retry after a lost connection or a 502 is free, for as many calls as are in
	//     flight at once, and a quarter more.
	//   - Successful calls give back all tokens first. Then 10 of them renew one free retry.
	Budget int
}

// WithRetryPolicy replaces the policy. Negative fields, and a MaxWait below MinWait, are
// refused. A zero MaxAttempts keeps what [WithMaxAttempts] said.
func WithRetryPolicy(p RetryPolicy) Option {
	return clientOption(func(c *clientConfig) error {
		if p.MaxAttempts < 0 || p.MinWait < 0 || p.MaxWait < 0 || p.MaxRetryAfter < 0 || p.Budget < 0 {
			return refuse("WithRetryPolicy", "holds a negative field")
		}
		if p.MaxAttempts != 0 {
			c.call.maxAttempts = 0 // newClientConfig takes the policy's
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

// WithUserAgent puts a product such as "myapp/1.2" before the SDK's own User-Agent.
func WithUserAgent(product string) Option {
	return clientOption(func(c *clientConfig) error {
		if !headerSafe(product) {
			return refuse("WithUserAgent", "is empty or can't be sent in a header")
		}
		c.product = product
		return nil
	})
}

// WithMode makes [NewClient] fail if the key is of another mode. Use WithMode(ModeTest) in
// a program that must never touch real patients.
func WithMode(m Mode) Option {
	return clientOption(func(c *clientConfig) error {
		if m != ModeTest && m != ModeLive {
			return refuse("WithMode", "is neither ModeTest nor ModeLive")
		}
		c.mode = m
		return nil
	})
}

// WithIndexVersion reads another copy of the directory data than the API's default. It is
// sent with the calls that read the directory: practitioners, schedules, availabilities,
// specialties, insurances, locations and appointment types (source: reference; which
// calls take it is inferred).
func WithIndexVersion(id IndexVersionID) CallOption {
	return callOption(func(c *callConfig) error {
		problem := idProblem(id)
		if problem == "" && !headerSafe(string(id)) {
			problem = "can't be sent in a header"
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
		c.timeout = min(perAttempt, math.MaxInt64/2) // the journal's rules double it
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

// Expand asks for whole objects where a schedule names ids. Only the calls of
// [SchedulesService] and [Client.Call] send it (source: the fields are in the reference, the query
// parameter is inferred).
func Expand(fields ...ExpandField) CallOption {
	var names []string
	for _, field := range fields {
		if field == "" || strings.ContainsFunc(string(field), func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
			return callOption(func(*callConfig) error {
				return refuse("Expand", "holds a value that is not the name of a field")
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

// A Response is an answer as it was received. The body and the headers can hold a person's data;
// a printed Response shows neither.
type Response struct {
	StatusCode int // 0: no answer
	Header     http.Header
	RequestID  string
	Body       []byte
	Attempts   int // how many attempts were made; one attempt sends at most one request
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

// CaptureResponse copies the call's last answer into r, even if the call fails. With it you
// can read fields that the SDK doesn't know: see [UnknownMembers]. If there is no attempt, r
// stays as it was: use a new Response for each call. It is for one call, so that
// [NewClient] refuses it. A booking or a change captures the answer to its write; a
// search captures nothing.
func CaptureResponse(r *Response) CallOption {
	return captureOption(func() *Response { return r })
}

// A captureOption keeps the Response behind a function, so that it isn't printed.
type captureOption func() *Response

func (o captureOption) applyToClient(*clientConfig) error {
	return refuseOption("CaptureResponse", "belongs to one call, not to a client")
}

func (o captureOption) applyToCall(c *callConfig) error {
	if c.capture = o(); c.capture == nil {
		return refuse("CaptureResponse", "is nil")
	}
	return nil
}

// AssumeLostAfter makes [Client.ResolveBooking] return [ErrNotBooked] for an attempt that
// is older than age and that the API doesn't show. It is off by default, because no client
// can know how late an appointment may still appear. Choose age by what you know of the
// API: minutes rather than seconds.
//
// With a journal ([WithJournal]) it also makes [Client.BookSlot],
// [Client.BookFirstAvailable], [Client.RescheduleBooking] and [Client.ResolvePending] give
// up a pending entry of that age. An entry younger than twice the timeout of the client or
// of the call, whichever is longer, is never given up, because another process may still
// send its request. From that age on a read that contradicts a move is believed, too;
// without this option, after a day. Other calls ignore the option. 0 turns it off, for one call of
// a client that has it.
func AssumeLostAfter(age time.Duration) CallOption {
	return callOption(func(c *callConfig) error {
		if age < 0 {
			return refuse("AssumeLostAfter", "is negative")
		}
		c.assumeLostAfter = age
		return nil
	})
}

// KnownCancelled names appointments that the caller knows to be cancelled. A read that
// shows one of them as booked lags behind, and [Client.BookSlot],
// [Client.BookFirstAvailable] and [Client.ResolveBooking] don't take it for the booking:
// give it to book anew what was cancelled a moment ago. To [Client.ResolveBooking] it also says of an
// appointment that was moved that it isn't the one that was attempted. Given several times, or to
// the client and to a call, the ids add up. A client with a journal
// ([WithJournal]) that cancelled it needs no such option. Other calls ignore it.
func KnownCancelled(ids ...AppointmentID) CallOption {
	return callOption(func(c *callConfig) error {
		for _, id := range ids {
			if problem := idProblem(id); problem != "" {
				return refuse("KnownCancelled", problem)
			}
		}
		c.cancelled = c.cancelled.and(ids)
		return nil
	})
}

// knownCancelled are the ids of [KnownCancelled].
type knownCancelled struct{ ids []AppointmentID }

func (k *knownCancelled) has(id AppointmentID) bool { return k != nil && slices.Contains(k.ids, id) }

func (k *knownCancelled) and(ids []AppointmentID) *knownCancelled {
	all := &knownCancelled{slices.Clone(ids)}
	if k != nil {
		all.ids = append(all.ids, k.ids...)
	}
	return all
}

// withoutCapture keeps the reads of a booking, which run concurrently, from writing to one
// Response.
func withoutCapture(opts []CallOption) []CallOption {
	if len(opts) == 0 {
		return nil
	}
	return append(slices.Clip(opts), callOption(func(c *callConfig) error {
		c.capture = nil
		return nil
	}))
}
