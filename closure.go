package closure

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-querystring/query"

	"github.com/closurehealth/closure-go/internal/transport"
	"github.com/closurehealth/closure-go/internal/wire"
)

const (
	DefaultBaseURL    = "https://api.closurehealth.com" // source: guide
	DefaultAPIVersion = "2022-04-01"                    // source: guide
	QuickstartKey     = "ch_sk_test_quickstart"         // public test-mode key, works without registering (source: reference)
)

// Version is the SDK's own, sent in the User-Agent header.
const Version = "0.1.0"

// A Mode says what a key is for: simulated data or real patients.
type Mode string

const (
	ModeTest Mode = "test" // simulated data: nothing real is booked
	ModeLive Mode = "live" // real patients
)

// A Client calls the API. It is immutable and safe for concurrent use: make one
// with [NewClient] and share it. The calls of a zero Client, and the methods of a nil one, end
// in an [InputError]; a nil Client has no services. A Client prints its mode and nothing else.
type Client struct {
	Patients         *PatientsService
	Practitioners    *PractitionersService
	Schedules        *SchedulesService
	Availabilities   *AvailabilitiesService
	Appointments     *AppointmentsService
	Specialties      *SpecialtiesService
	Insurances       *InsurancesService
	Locations        *LocationsService
	AppointmentTypes *AppointmentTypesService
	IndexVersions    *IndexVersionsService

	core *core
}

// NewClient returns a client for the given secret key, which starts with
// ch_sk_test or ch_sk_live. If the key or an option can't be right, the error is an
// [InputError], which never repeats the value. NewClient sends nothing.
func NewClient(apiKey string, opts ...Option) (*Client, error) {
	return newClientAs("NewClient", "apiKey", apiKey, opts)
}

// newClientAs is NewClient with the names that an error gives the function and its key.
func newClientAs(op, field, apiKey string, opts []Option) (*Client, error) {
	mode, problem := keyMode(apiKey)
	if problem != "" {
		return nil, &InputError{Op: op, Field: field, Reason: problem}
	}
	cfg, err := newClientConfig(opts)
	if err == nil {
		err = cfg.checkScheme(mode)
	}
	if err != nil {
		return nil, err
	}
	if cfg.mode != "" && cfg.mode != mode {
		return nil, &InputError{Op: op, Field: field, Reason: "is not a key of " + string(cfg.mode) + " mode"}
	}
	return newClient(newCore(apiKey, mode, cfg)), nil
}

// NewClientFromEnv is [NewClient] with the key from CLOSURE_API_KEY, which must
// be set, and the base URL, API version and index version from
// CLOSURE_BASE_URL, CLOSURE_API_VERSION and CLOSURE_INDEX_VERSION, if they are set and
// not empty. CLOSURE_ROUTES holds routes as for [WithRoute], separated by
// commas: "availabilities.list=/appointments/{id}/slots". An option wins over the
// environment, but a variable that can't be used is an error all the same.
func NewClientFromEnv(opts ...Option) (*Client, error) {
	key := os.Getenv(keyVariable)
	if key == "" {
		return nil, &InputError{Op: opFromEnv, Field: keyVariable, Reason: "is not set"}
	}
	return newClientAs(opFromEnv, keyVariable, key, append([]Option{
		fromVariable(baseURLVariable, WithBaseURL),
		fromVariable("CLOSURE_API_VERSION", WithAPIVersion),
		fromVariable("CLOSURE_INDEX_VERSION", func(v string) Option { return WithIndexVersion(IndexVersionID(v)) }),
		fromVariable("CLOSURE_ROUTES", routesFromEnv),
	}, opts...))
}

const (
	opFromEnv       = "NewClientFromEnv"
	keyVariable     = "CLOSURE_API_KEY"
	baseURLVariable = "CLOSURE_BASE_URL"
)

// fromVariable is the option that an environment variable stands for, if it is set. A
// refusal names the variable, because nobody called the option.
func fromVariable(name string, option func(value string) Option) Option {
	value := os.Getenv(name)
	if value == "" {
		return nil
	}
	return clientOption(func(c *clientConfig) error {
		err := option(value).applyToClient(c)
		if refused, ok := errors.AsType[*InputError](err); ok {
			return &InputError{Op: opFromEnv, Field: name, Reason: refused.Reason}
		}
		c.baseURLFromEnv = c.baseURLFromEnv || name == baseURLVariable
		return err
	})
}

func keyMode(key string) (mode Mode, problem string) {
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) {
		return "", "holds a space, a line break, a colon or another character that is in no key"
	}
	test, isTest := strings.CutPrefix(key, "ch_sk_test")
	live, isLive := strings.CutPrefix(key, "ch_sk_live")
	switch {
	case key == "":
		return "", "is empty"
	case !isTest && !isLive:
		return "", "does not start with ch_sk_test or ch_sk_live"
	case strings.Trim(test, "_") == "" || strings.Trim(live, "_") == "": // the text must not show the prefix: it is the key
		return "", "is only the beginning of a key: nothing follows its mode"
	case isTest:
		return ModeTest, ""
	default:
		return ModeLive, ""
	}
}

func newClientConfig(opts []Option) (clientConfig, error) {
	cfg := clientConfig{
		apiVersion: DefaultAPIVersion,
		policy:     RetryPolicy{}.withDefaults(),
		call:       callConfig{timeout: 30 * time.Second},
	}
	if err := Options(WithBaseURL(DefaultBaseURL), Options(opts...)).applyToClient(&cfg); err != nil {
		return cfg, err
	}
	if cfg.http2 && cfg.roundTripper != nil {
		return cfg, refuseOption("WithHTTP2", "sets up the SDK's own pool, and WithHTTPClient replaces that")
	}
	cfg.call.maxAttempts = cmp.Or(cfg.call.maxAttempts, cfg.policy.MaxAttempts)
	return cfg, nil
}

func newClient(c *core) *Client {
	s := service{c}
	return &Client{
		Patients:         &PatientsService{s},
		Practitioners:    &PractitionersService{s},
		Schedules:        &SchedulesService{s},
		Availabilities:   &AvailabilitiesService{s},
		Appointments:     &AppointmentsService{s},
		Specialties:      &SpecialtiesService{s},
		Insurances:       &InsurancesService{s},
		Locations:        &LocationsService{s},
		AppointmentTypes: &AppointmentTypesService{s},
		IndexVersions:    &IndexVersionsService{s},
		core:             c,
	}
}

// Mode returns the mode that the client's key is for, or "" for a nil or zero Client.
func (c *Client) Mode() Mode {
	if core := c.use(); core != nil {
		return core.mode
	}
	return ""
}

// use returns the client's core, or nil if NewClient didn't make the client.
func (c *Client) use() *core {
	if c == nil {
		return nil
	}
	return c.core
}

// A holder is any of the services. As a *holder, a nil service can be asked for its core.
type holder = struct{ service }

// coreOf returns the service's core, or nil if no client made the service.
func coreOf(s *holder) *core {
	if s == nil {
		return nil
	}
	return s.core
}

// name returns the operation's name. It needs no client.
func (r request) name() string {
	if r.endpoint != nil {
		return r.endpoint.name
	}
	return r.op.name()
}

func noClient(op string) error {
	return &InputError{Op: op, Field: "Client", Reason: "is nil or zero: make one with NewClient"}
}

func noContext(op string) error {
	return &InputError{Op: op, Field: "ctx", Reason: "is nil"}
}

func (c Client) redacted() string {
	if c.core == nil {
		return "closure.Client{}"
	}
	return "closure.Client{mode: " + string(c.core.mode) + "}"
}

// Format prints the mode and nothing else, under every verb.
func (c Client) Format(f fmt.State, _ rune) { printAs(f, c.redacted()) }

// LogValue shows the mode and nothing else.
func (c Client) LogValue() slog.Value { return slog.StringValue(c.redacted()) }

// A service is what all services have in common.
type service struct{ core *core }

// A core is what the services of a client share. All calls go through it.
//
// If a caller prints a service, or a struct with a client in an unexported field, with a
// verb that doesn't fit, fmt follows one pointer and prints these fields. So none of them
// may be, or hold by value, what must not be seen. Such values are behind one more pointer,
// and the key is behind a function.
type core struct {
	mode      Mode
	baseURL   *url.URL
	header    func(hasBody bool) http.Header // holds the key; nobody changes it
	defaults  callConfig
	transport *transport.Transport
	endpoints []endpoint // by operation
	watcher   *watcher   // nil: there is no logger and no observer
	turns     *turns
	journal   Journal // nil: there is none
}

func newCore(apiKey string, mode Mode, cfg clientConfig) *core {
	c := &core{
		mode:      mode,
		baseURL:   cfg.baseURL,
		header:    newHeader(apiKey, cfg),
		defaults:  cfg.call,
		watcher:   newWatcher(cfg),
		endpoints: newEndpoints(cfg.endpoints),
		journal:   cfg.journal,
	}
	c.turns = &turns{create: c.endpoint(opAppointmentsCreate)}
	c.transport = transport.New(transport.Config{
		Base:    cfg.roundTripper,
		HTTP2:   cfg.http2,
		Jar:     cfg.jar,
		Limiter: cfg.limiter,
		Policy: transport.Policy{
			MinWait:       cfg.policy.MinWait,
			MaxWait:       cfg.policy.MaxWait,
			MaxRetryAfter: cfg.policy.MaxRetryAfter,
			Budget:        cfg.policy.Budget,
		},
	})
	return c
}

// newHeader returns the header of a request with or without a body.
func newHeader(apiKey string, cfg clientConfig) func(hasBody bool) http.Header {
	userAgent := "closure-go/" + Version
	if cfg.product != "" {
		userAgent = cfg.product + " " + userAgent
	}
	header := http.Header{
		"Accept":              {"application/json"},
		"Authorization":       {"Basic " + base64.StdEncoding.EncodeToString([]byte(apiKey+":"))},
		"Closure-Api-Version": {cfg.apiVersion},
		"User-Agent":          {userAgent},
	}
	withBody := maps.Clone(header)
	withBody["Content-Type"] = []string{"application/json"}
	return func(hasBody bool) http.Header {
		if hasBody {
			return withBody
		}
		return header
	}
}

// A request says what a method wants to send.
type request struct {
	op       operation
	endpoint *endpoint // nil: the client's endpoint of op
	id       string    // the value of the route's one parameter; empty: the route has none
	values   []string  // the values of several parameters
	query    any       // a struct with url tags, url.Values or nil
	body     any       // is written as JSON; nil: there is none
}

// get makes a call that reads one record.
func get[T record, ID identifier](ctx context.Context, c *core, op operation, id ID, opts []CallOption) (*T, error) {
	if err := checkID(op, "ID", id); err != nil {
		return nil, err
	}
	return object[T](ctx, c, request{op: op, id: string(id)}, opts)
}

// object makes a call that is answered with one record.
func object[T record](ctx context.Context, c *core, r request, opts []CallOption) (*T, error) {
	return objectOf[T](ctx, c, r, nil, opts)
}

// objectOf is object, and also checks that the record is the one asked for.
func objectOf[T record](ctx context.Context, c *core, r request, asked func(*T) bool, opts []CallOption) (*T, error) {
	answer := one[T]{asked: asked}
	if err := c.do(ctx, r, &answer, opts); err != nil {
		return nil, err
	}
	return &answer.record, nil
}

// list makes a call that is answered with many records.
func list[T record](ctx context.Context, c *core, r request, opts []CallOption) ([]T, error) {
	return listOf[T](ctx, c, r, nil, opts)
}

// listOf is list, and also checks that each record is one of those asked for.
func listOf[T record](ctx context.Context, c *core, r request, asked func(*T) bool, opts []CallOption) ([]T, error) {
	answer := many[T]{asked: asked}
	if err := c.do(ctx, r, &answer, opts); err != nil {
		return nil, err
	}
	return answer.records, nil
}

// A reader reads the body of an answer. It returns an error if the body doesn't hold what
// was asked for.
type reader interface {
	read(ctx context.Context, r request, answer transport.Answer) error
}

type one[T record] struct {
	record T
	asked  func(*T) bool // nil: any record is right
}

var errNotAsked = errors.New("closure: not the record that was asked for")

func (a *one[T]) read(ctx context.Context, r request, answer transport.Answer) error {
	if err := wire.Read(ctx, answer.Body, &a.record, lenient); err != nil {
		return err
	}
	if id := idOf(&a.record); id == "" || r.id != "" && id != r.id || a.asked != nil && !a.asked(&a.record) {
		return errNotAsked
	}
	return nil
}

type many[T record] struct {
	records []T
	asked   func(*T) bool // nil: any record is right
}

// errOnePage is the error of a list that goes on elsewhere: what isn't on the first page would
// be taken for what isn't there.
var errOnePage = errors.New("closure: the answer is one page of a list")

func (a *many[T]) read(ctx context.Context, _ request, answer transport.Answer) (err error) {
	if hasNextPage(answer.Header) {
		return errOnePage
	}
	a.records, err = wire.ReadList(ctx, answer.Body, lenient, func(record *T) bool {
		return idOf(record) != "" && (a.asked == nil || a.asked(record))
	})
	return err
}

// hasNextPage reports whether a Link header (RFC 8288) names a next page.
func hasNextPage(header http.Header) bool {
	for _, links := range header["Link"] {
		for parameter := range strings.SplitSeq(strings.ToLower(links), ";") {
			name, value, _ := strings.Cut(parameter, "=")
			value, _, _ = strings.Cut(value, ",") // then the next link begins
			relations := strings.Fields(strings.Trim(strings.TrimSpace(value), `"`))
			if strings.TrimSpace(name) == "rel" && slices.Contains(relations, "next") {
				return true
			}
		}
	}
	return false
}

// do is the one path that every call takes.
func (c *core) do(ctx context.Context, r request, into reader, opts []CallOption) error {
	if c == nil {
		return noClient(r.name())
	}
	if r.endpoint == nil {
		r.endpoint = c.endpoint(r.op)
	}
	cfg, err := c.prepare(ctx, r.endpoint.name, opts)
	if err != nil {
		return err
	}
	call, err := c.newCall(r, cfg)
	if err != nil {
		return err
	}
	watched := c.watcher.begin(ctx, r.endpoint, call)
	answer, err := c.transport.Do(ctx, call)
	err = interpret(ctx, r, answer, err, into)
	watched.end(answer, err)
	if cfg.capture != nil && answer.Attempts > 0 {
		*cfg.capture = Response{
			StatusCode: answer.StatusCode,
			Header:     answer.Header,
			RequestID:  requestID(answer.Header),
			Body:       answer.Body,
			Attempts:   answer.Attempts,
		}
	}
	return err
}

func (c *core) prepare(ctx context.Context, op string, opts []CallOption) (callConfig, error) {
	if c == nil {
		return callConfig{}, noClient(op)
	}
	if ctx == nil {
		return callConfig{}, noContext(op)
	}
	if len(opts) == 0 {
		return c.defaults, nil // applying an option would move the copy to the heap
	}
	cfg := c.defaults
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt.applyToCall(&cfg); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

func (c *core) newCall(r request, cfg callConfig) (*transport.Call, error) {
	target, err := c.url(r, cfg)
	if err != nil {
		return nil, err
	}
	call := &transport.Call{
		Method:      r.endpoint.method,
		URL:         target,
		Header:      c.callHeader(r, cfg),
		Timeout:     cfg.timeout,
		MaxAttempts: cfg.maxAttempts,
	}
	if r.body == nil {
		return call, nil
	}
	if call.Body, err = wire.Marshal(r.body); err != nil {
		// The encoder's error could quote a part of the body.
		return nil, &InputError{Op: r.endpoint.name, Field: "params", Reason: "can't be written as JSON: is all text valid UTF-8, and has each type a form in JSON?"}
	}
	return call, nil
}

// url joins base URL, route and query without parsing them.
func (c *core) url(r request, cfg callConfig) (*url.URL, error) {
	u := *c.baseURL
	switch {
	case r.values != nil:
		r.endpoint.route.appendTo(&u, r.values...)
	case r.id != "":
		r.endpoint.route.appendTo(&u, r.id)
	default:
		r.endpoint.route.appendTo(&u)
	}
	values, err := queryValues(r, cfg)
	if err != nil {
		return nil, err
	}
	// The guide writes blanks as %20. A plus sign in a value is %2B by now.
	u.RawQuery = strings.ReplaceAll(values.Encode(), "+", "%20")
	return &u, nil
}

func queryValues(r request, cfg callConfig) (url.Values, error) {
	var values url.Values
	if own, ok := r.query.(url.Values); ok {
		values = maps.Clone(own)
	} else if r.query != nil {
		var err error
		if values, err = query.Values(r.query); err != nil {
			return nil, &InputError{Op: r.endpoint.name, Field: "params", Reason: "can't be written as a query"}
		}
	}
	if cfg.expand != "" && r.endpoint.expand && !values.Has("expand") {
		if values == nil {
			values = url.Values{}
		}
		values.Set("expand", cfg.expand)
	}
	return values, nil
}

// callHeader returns a header that calls share; the transport clones it before anything
// writes to it. A call that needs another header gets a map of its own.
func (c *core) callHeader(r request, cfg callConfig) http.Header {
	h := c.header(r.body != nil)
	if cfg.indexVersion == "" || !r.endpoint.directory {
		return h
	}
	h = maps.Clone(h)
	h["Closure-Index-Version"] = []string{string(cfg.indexVersion)}
	return h
}

func requestID(h http.Header) string { return h.Get("X-Request-Id") }

// interpret reads an answer into a value, or returns one of the error types.
func interpret(ctx context.Context, r request, answer transport.Answer, err error, into reader) error {
	if err != nil {
		return newTransportError(r.endpoint, answer, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode >= 300 {
		return newAPIError(ctx, r.endpoint, answer)
	}
	switch err := into.read(ctx, r, answer); {
	case err == nil:
		return nil
	case errors.Is(err, wire.ErrContextEnded):
		return newTransportError(r.endpoint, answer, transport.NewCause(ctx, err))
	case errors.Is(err, wire.ErrTooLarge):
		return newTransportError(r.endpoint, answer, ErrResponseTooLarge)
	default: // the decoder's error would quote the body
		return newTransportError(r.endpoint, answer, malformed(answer, err))
	}
}

func malformed(answer transport.Answer, err error) error {
	where := "closure: status " + strconv.Itoa(answer.StatusCode)
	if errors.Is(err, errOnePage) {
		where += ", one page of a list"
	}
	if id := requestID(answer.Header); id != "" {
		where += ", request id " + printableRequestID(id)
	}
	return because(errors.New(where), ErrMalformedResponse)
}
