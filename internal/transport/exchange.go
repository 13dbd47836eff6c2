package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// An exchange is the state of one call over all its attempts. It is the
// http.RoundTripper below go-retryablehttp's loop, for the loop's hooks get no
// request. It has no CloseIdleConnections on purpose: the loop calls that after
// every failure, and it would throw away everybody's connections.
type exchange struct {
	transport *Transport
	call      *Call
	client    http.Client
	loop      retryablehttp.Client

	attempts int
	answer   Answer   // of the last attempt
	left     *attempt // the last one, if its connection seems to take no more
	wait     time.Duration
}

// noHeader is never written to: http.Client does that only for a jar, and then
// prepare has set another.
var noHeader = http.Header{}

var errSwitched = errors.New("transport: the server switched protocols")

var errNoResponse = errors.New("transport: RoundTripper returned neither response nor error")

// RoundTrip makes one attempt.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	x.attempts++
	x.answer = Answer{}
	if x.call.Observe == nil {
		return x.attempt(req)
	}
	start := time.Now()
	resp, err := x.attempt(req)
	x.call.Observe(Attempt{
		Number:   x.attempts,
		Answer:   x.answer,
		Duration: time.Since(start),
		Err:      err,
	})
	return resp, err
}

func (x *exchange) attempt(req *http.Request) (*http.Response, error) {
	if err := waitForTurn(req.Context(), x.transport.limiter); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(req.Context(), x.call.Timeout)
	defer cancel()
	for taken := 1; ; taken++ {
		a := &attempt{Context: ctx, reads: !x.call.writes()}
		resp, err := x.send(req, a)
		if err == nil || !a.takesAnother(x.transport.base, err) || taken == maxTaken || !pause(ctx, taken) {
			return resp, err
		}
	}
}

// maxTaken is how many connections an attempt may take over HTTP/2 until its request is
// written. After a loss the pool of net/http goes on handing out the dead connection
// until its reader has seen the end.
const maxTaken = 10

// pause lets the reader see it. It reports whether there is time left.
func pause(ctx context.Context, taken int) bool {
	select {
	case <-time.After(jitter(ceiling(10*time.Millisecond, 200*time.Millisecond, taken-1))):
		return true
	case <-ctx.Done():
		return false
	}
}

func (x *exchange) send(req *http.Request, a *attempt) (*http.Response, error) {
	ctx, stop := x.watch(a)
	defer stop()
	out := x.outgoing(ctx, req, a)
	resp, err := x.transport.base.RoundTrip(out)
	x.transport.rotation.compare(x.left, a)
	x.left = nil
	if err == nil && resp == nil {
		err = errNoResponse
	}
	if err != nil {
		return nil, x.failed(a, out, resp, err)
	}
	x.answer.MaybeSent = x.call.writes()
	return x.read(resp)
}

// watch keeps the attempt to one request on the wire.
func (x *exchange) watch(a *attempt) (context.Context, context.CancelFunc) {
	switch {
	case x.transport.resends:
		return a.guard(x.call.URL, x.transport.base)
	case x.call.writes():
		return a.watchConnection(), func() {}
	default:
		return a, func() {}
	}
}

// failed says what came of an attempt without an answer.
func (x *exchange) failed(a *attempt, out *http.Request, resp *http.Response, err error) error {
	if resp != nil {
		closeBody(resp)
	}
	if x.call.writes() {
		x.answer.MaybeSent = resp != nil || a.maybeSent(x.transport.base, out, x.call.Body != nil, err)
	}
	if a.drained(x.transport.base, err) {
		x.left = a
	}
	switch {
	case a.again.Load():
		return errAgain // not the context that it was ended by
	case a.proxied && !a.given.Load() && !isTLS(err):
		return errors.Join(errProxy, err)
	default:
		return err
	}
}

// outgoing is the request that is sent. http.Client has seen neither header nor
// host nor body: it copies header and URL for redirects that are never followed.
func (x *exchange) outgoing(ctx context.Context, req *http.Request, a *attempt) *http.Request {
	out := req.WithContext(ctx)
	out.Host = x.call.URL.Host
	out.Close = x.transport.rotation.last()
	if !x.transport.foreign { // else prepare has set it, and the jar has written to it
		out.Header = x.call.Header
	}
	if x.call.Body == nil {
		return out
	}
	out.ContentLength = int64(len(x.call.Body))
	if !x.transport.resends { // our pool knows by its connections
		out.Body = x.call.reader()
		return out
	}
	body := func() io.ReadCloser { return &watchedBody{bytes.NewReader(x.call.Body), a} }
	out.Body = body()
	// With GetBody, net/http's HTTP/2 would send the body again. A RoundTripper of
	// another make may need it, to sign the request for example.
	if _, plain := x.transport.base.(*http.Transport); !plain {
		out.GetBody = func() (io.ReadCloser, error) {
			a.touched.Store(true)
			if a.given.Load() {
				return nil, errAgain
			}
			return body(), nil
		}
	}
	return out
}

// read takes the body inside the attempt, so that its timeout holds for it and
// a body cut short counts as a failed attempt.
func (x *exchange) read(resp *http.Response) (*http.Response, error) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		closeBody(resp) // it is the connection, which nobody else ends
		return nil, errSwitched
	}
	body, err := readBody(resp, x.transport.maxBytes)
	success := resp.StatusCode >= 200 && resp.StatusCode < 300
	if err != nil && success {
		return nil, err
	}
	// The status alone is evidence enough of a failure: its body may be missing.
	x.answer.StatusCode = resp.StatusCode
	x.answer.Header = resp.Header
	x.answer.Body = body
	return forClient(resp), nil
}

func closeBody(resp *http.Response) {
	if resp.Body != nil {
		_ = resp.Body.Close() // nothing depends on how it went
	}
}

// forClient is the response for http.Client and the retry loop: without body,
// which is read already, and without Location, which http.Client must not even
// parse (its error would show it).
func forClient(resp *http.Response) *http.Response {
	seen := *resp
	seen.Body = http.NoBody
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		seen.Header = resp.Header.Clone()
		seen.Header.Del("Location")
	}
	return &seen
}

// prepare is go-retryablehttp's hook before each attempt but the first. A
// cookie jar and a caller's RoundTripper write to the request that they get:
// each attempt has its own, or the second one would carry every cookie twice.
func (x *exchange) prepare(req *http.Request) error {
	target := *x.call.URL
	req.URL = &target
	req.Header = x.call.Header.Clone()
	return nil
}

func neverFollow(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
