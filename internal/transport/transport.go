// Package transport carries one API call: it sends it, tries again where that
// is safe, and reads the answer. It knows nothing of the API's resources.
//
// A call runs through these links, each in a file of its own:
//
//	retry      go-retryablehttp's loop around the rest, with our policy (retry.go, backoff.go, budget.go)
//	observe    one report an attempt (in exchange.go)
//	rate limit (ratelimit.go)
//	timeout    for each attempt, its body included (in exchange.go)
//	once       at most one request on the wire, and whether it may have left this machine (attempt.go)
//	send       the caller's http.RoundTripper or our pool (pool.go, conn.go, answers.go)
//	read       the body, under a cap (body.go)
package transport

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"golang.org/x/time/rate"
)

// Config is what all calls of a client share.
type Config struct {
	Base    http.RoundTripper // nil: a pool of our own
	HTTP2   bool              // our own pool prefers HTTP/2
	Jar     http.CookieJar
	Policy  Policy
	Limiter *rate.Limiter // nil: no limit

	dialer *dialer // nil: the network's
}

// Policy says when and how often a call is tried again.
type Policy struct {
	MinWait       time.Duration
	MaxWait       time.Duration
	MaxRetryAfter time.Duration
	Budget        int
}

// A Call is one request.
type Call struct {
	Method      string
	URL         *url.URL
	Header      http.Header // sent as it is; never changed
	Body        []byte      // nil: none
	Timeout     time.Duration
	MaxAttempts int
	Observe     func(Attempt) // nil: nobody looks
}

func (c *Call) writes() bool { return c.Method != http.MethodGet }

// reader is the body from its beginning.
func (c *Call) reader() io.ReadCloser { return io.NopCloser(bytes.NewReader(c.Body)) }

// An Answer is what came of a call.
type Answer struct {
	StatusCode int // 0: no answer
	Header     http.Header
	Body       []byte
	Attempts   int
	MaybeSent  bool // of a write: the last attempt may have left this machine
}

// An Attempt is reported after each attempt.
type Attempt struct {
	Number int // from 1
	Answer
	Duration time.Duration
	Err      error // not fit for showing
}

// Transport is safe for concurrent use.
type Transport struct {
	base     http.RoundTripper
	pool     *http.Transport // base, if it is our own over HTTP/1.1
	resends  bool            // base may take a second connection by itself
	jar      http.CookieJar
	foreign  bool // base or jar are the caller's
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
		foreign:  cfg.Base != nil || cfg.Jar != nil,
		resends:  cfg.Base != nil || cfg.HTTP2,
		policy:   cfg.Policy,
		budget:   newBudget(cfg.Policy.Budget),
		limiter:  cfg.Limiter,
		maxBytes: maxBytes,
	}
	if t.base == nil {
		pool := newPool(cmp.Or(cfg.dialer, newDialer()), cfg.HTTP2)
		t.base = pool
		if !cfg.HTTP2 {
			t.pool = pool
		}
	}
	return t
}

// distrustIdle keeps a retry from the connections that our pool keeps: where one was
// lost, they may all be dead, and each attempt would meet another. A caller's
// transport is the caller's; over HTTP/2 one connection carries all, and net/http may
// end a new one that has not got its first request yet.
func (t *Transport) distrustIdle() {
	if t.pool != nil {
		t.pool.CloseIdleConnections()
	}
}

// Do sends the call. An error is a *Cause: there is no usable answer. Any
// answer, whatever its status, is no error.
func (t *Transport) Do(ctx context.Context, call *Call) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, NewCause(ctx, err)
	}
	t.budget.begin()
	defer t.budget.end()
	x := &exchange{transport: t, call: call}
	x.client = http.Client{Transport: x, Jar: t.jar, CheckRedirect: neverFollow}
	x.loop = retryablehttp.Client{
		HTTPClient:   &x.client,
		RetryMax:     call.MaxAttempts, // one more than ever used: checkRetry counts
		CheckRetry:   x.checkRetry,
		Backoff:      x.backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	req := newRequest(ctx, call)
	if t.foreign {
		x.loop.PrepareRetry = x.prepare
		_ = x.prepare(req.Request) // never fails
	}
	// The answer is in x: what Do hands back has been through http.Client.
	if _, err := x.loop.Do(req); err != nil {
		return Answer{Attempts: x.attempts, MaybeSent: x.answer.MaybeSent}, NewCause(ctx, err)
	}
	x.answer.Attempts = x.attempts
	return x.answer, nil
}

// newRequest is what go-retryablehttp and http.Client see: no more of the call
// than they need.
func newRequest(ctx context.Context, call *Call) *retryablehttp.Request {
	plain := http.Request{
		Method:     call.Method,
		URL:        call.URL,
		Header:     noHeader,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
	}
	return &retryablehttp.Request{Request: plain.WithContext(ctx)}
}
