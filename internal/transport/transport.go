// Package transport sends one API call, tries again where that is safe, and reads the
// response. It knows nothing of the API's resources.
//
// A call runs from the caller to the connection through these links:
//
//	caller → retry → cookies → observe → rate limit → timeout → reconnect → once → send → connection
//
// [Transport.Do] starts it, and chain puts the links together. The connection is made by
// the caller's http.RoundTripper or by our pool (pool.go), whose connections know what was
// written to them (conn.go) and where each response ends (framing.go).
package transport

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// Config is what all calls of a client share.
type Config struct {
	Base    http.RoundTripper // nil: a pool of our own
	HTTP2   bool              // our own pool prefers HTTP/2
	Jar     http.CookieJar
	Policy  Policy
	Limiter *rate.Limiter // nil: no limit

	dialer *dialer // nil: it dials the network
}

// Policy says when and how often a call is tried again.
type Policy struct {
	MinWait       time.Duration
	MaxWait       time.Duration
	MaxRetryAfter time.Duration
	Budget        int
}

// A Call is what is to be sent.
type Call struct {
	Method      string
	URL         *url.URL
	Header      http.Header // sent as it is; never changed
	Body        []byte      // nil: none
	Timeout     time.Duration
	MaxAttempts int
	Observe     func(Attempt) // nil: attempts aren't reported
}

func (c *Call) writes() bool { return c.Method != http.MethodGet }

// An Answer is the response to a call, and what it took to get it.
type Answer struct {
	StatusCode int // 0: there was no response
	Header     http.Header
	Body       []byte
	Attempts   int
	MaybeSent  bool // a write's last attempt may have left this machine
}

// An Attempt is reported after each attempt.
type Attempt struct {
	Number int // from 1
	Answer
	Duration time.Duration
	Err      error // may hold personal data: never show it
}

// Transport is safe for concurrent use.
type Transport struct {
	first    handler // of the chain
	base     http.RoundTripper
	pool     *http.Transport                       // base, if it is our own over HTTP/1.1
	proxy    func(*http.Request) (*url.URL, error) // of our own base; nil: base is the caller's
	resends  bool                                  // base may send a request again on a second connection by itself
	jar      http.CookieJar
	copies   bool // base or jar are the caller's: each attempt has its own URL and header
	policy   Policy
	budget   *budget
	limiter  *rate.Limiter
	maxBytes int64
	rotation rotation
}

// New returns a transport.
func New(cfg Config) *Transport {
	t := &Transport{
		base:     cfg.Base,
		jar:      cfg.Jar,
		copies:   cfg.Base != nil || cfg.Jar != nil,
		resends:  cfg.Base != nil || cfg.HTTP2,
		policy:   cfg.Policy,
		budget:   newBudget(cfg.Policy.Budget),
		limiter:  cfg.Limiter,
		maxBytes: maxBytes,
	}
	if t.base == nil {
		d := cmp.Or(cfg.dialer, newDialer())
		pool := newPool(d, cfg.HTTP2)
		t.base, t.proxy = pool, d.proxy
		if !cfg.HTTP2 {
			t.pool = pool
		}
	}
	t.first = t.chain()
	return t
}

// An execution is the state of one call on its way through the chain.
type execution struct {
	call     *Call
	cookies  []*http.Cookie // for the current attempt
	trace    *requestTrace  // of the current request
	refused  *requestTrace  // of the last request, if a GOAWAY left it out
	attempts int
	answer   Answer // to the current attempt
}

// A handler takes a call the rest of its way. If there is an error, the execution holds no
// response.
type handler func(context.Context, *execution) error

// A link returns a handler that does one part, and calls next for the rest.
type link func(next handler) handler

// chain puts the links together, from the caller to the connection.
func (t *Transport) chain() handler {
	links := []link{
		t.retry,     // sends again only what can't have changed anything: retry.go, budget.go, backoff.go, loop.go
		t.cookies,   // keeps the cookies of the caller's jar: attempt.go
		t.observe,   // reports the attempt: attempt.go
		t.rateLimit, // waits for the client's own rate limit: ratelimit.go
		t.timeout,   // bounds the attempt, its body included: attempt.go
		t.reconnect, // HTTP/2: gives a request that wasn't written another connection: reconnect.go
		t.once,      // keeps net/http from sending the request a second time: trace.go
	}
	rest := t.send // through the pool or the caller's RoundTripper, and reads the body: send.go, body.go
	for _, link := range slices.Backward(links) {
		rest = link(rest)
	}
	return rest
}

// Do sends the call. A response with any status is not an error. If there is no response
// that can be used, the error is a *Cause.
func (t *Transport) Do(ctx context.Context, call *Call) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, NewCause(ctx, err)
	}
	x := &execution{call: call}
	if err := t.first(ctx, x); err != nil {
		return Answer{Attempts: x.attempts, MaybeSent: x.answer.MaybeSent}, NewCause(ctx, err)
	}
	x.answer.Attempts = x.attempts
	return x.answer, nil
}
