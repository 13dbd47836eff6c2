package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
)

var errSwitched = errors.New("transport: the server switched protocols")

var errNoResponse = errors.New("transport: RoundTripper returned neither response nor error")

// send is the end of the chain: it hands the request to net/http or to the caller's
// RoundTripper, and reads the response.
func (t *Transport) send(ctx context.Context, x *execution) error {
	if isLate(ctx) { // the machine slept, while the request waited for the rate limit for example
		return context.DeadlineExceeded
	}
	req := t.noteProxy(t.newRequest(ctx, x), x)
	resp, err := t.base.RoundTrip(req)
	t.rotation.compare(x.refused, x.trace)
	x.refused = nil
	if err == nil && resp == nil {
		err = errNoResponse
	}
	if err != nil {
		return t.failed(x, req, resp, err)
	}
	x.trace.wrote.Store(true) // net/http may say so only later
	x.answer.MaybeSent = x.call.writes()
	return t.read(x, resp)
}

// newRequest is the request that is sent.
func (t *Transport) newRequest(ctx context.Context, x *execution) *http.Request {
	plain := http.Request{
		Method:     x.call.Method,
		URL:        x.call.URL,
		Host:       x.call.URL.Host,
		Header:     x.call.Header,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Close:      t.rotation.last(),
	}
	req := plain.WithContext(ctx)
	if t.copies {
		target := *req.URL
		req.URL, req.Header = &target, req.Header.Clone()
		for _, cookie := range x.cookies {
			req.AddCookie(cookie)
		}
	}
	if x.call.Body != nil {
		t.addBody(req, x)
	}
	return req
}

// noteProxy notes whether the request goes through our pool's proxy. Of a read it is then
// noted, too, whether a connection was given: only without one, the proxy has failed. Other
// reads don't pay for that.
func (t *Transport) noteProxy(req *http.Request, x *execution) *http.Request {
	if t.proxy == nil {
		return req
	}
	address, err := t.proxy(req)
	x.trace.proxied = address != nil || err != nil
	if !x.trace.proxied || t.resends || x.call.writes() { // the others' traces note it anyway
		return req
	}
	return req.WithContext(x.trace.noteGotConn())
}

func (t *Transport) addBody(req *http.Request, x *execution) {
	req.ContentLength = int64(len(x.call.Body))
	if !t.resends { // then our pool's connections know what was written
		req.Body = io.NopCloser(bytes.NewReader(x.call.Body))
		return
	}
	trace := x.trace
	body := func() io.ReadCloser { return &watchedBody{bytes.NewReader(x.call.Body), trace} }
	req.Body = body()
	// With GetBody, net/http's HTTP/2 would send the body again. Another RoundTripper may
	// need it, to sign the request for example.
	if _, plain := t.base.(*http.Transport); plain {
		return
	}
	req.GetBody = func() (io.ReadCloser, error) {
		if !trace.openBody() {
			return nil, errSealed
		}
		if trace.gotConn.Load() {
			return nil, errSecondConn
		}
		return body(), nil
	}
}

// failed notes what is known of a request without a usable response, and returns the
// attempt's error.
func (t *Transport) failed(x *execution, req *http.Request, resp *http.Response, err error) error {
	trace := x.trace
	if resp != nil {
		closeBody(resp)
	}
	if x.call.writes() {
		x.answer.MaybeSent = resp != nil || trace.maybeSent(t.base, req, x.call.Body != nil, err)
	}
	if trace.refused(t.base, err) {
		x.refused = trace
	}
	switch {
	case trace.secondConn.Load():
		return errSecondConn // err says only that the context was ended
	case trace.proxied && !trace.gotConn.Load() && !isTLS(err):
		return errors.Join(errProxy, err)
	default:
		return err
	}
}

// read reads the body as part of the attempt: the attempt's timeout holds for it, and a
// body that is cut short is a failed attempt.
func (t *Transport) read(x *execution, resp *http.Response) error {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		closeBody(resp) // the body is the connection, which nothing else closes
		return errSwitched
	}
	body, err := readBody(resp, t.maxBytes)
	success := resp.StatusCode >= 200 && resp.StatusCode < 300
	if err != nil && success {
		return err
	}
	// Without its body, the status still proves the failure.
	x.answer.StatusCode = resp.StatusCode
	x.answer.Header = resp.Header
	x.answer.Body = body
	return nil
}

func closeBody(resp *http.Response) {
	if resp.Body != nil {
		_ = resp.Body.Close() // nothing depends on how it went
	}
}
