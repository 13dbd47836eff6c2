package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/closurehealth/closure-go"
)

// maxBody is the longest body that the SDK reads.
const maxBody = 10 << 20

// A question is one request.
type question struct {
	route route
	id    string
	query url.Values
	body  json.RawMessage
	index string // the index version to send; "": none
}

// A reply is the answer to a question, or why there is none.
type reply struct {
	status  int // 0: no answer
	header  http.Header
	body    []byte
	took    time.Duration
	failure string // why there is no answer: never the error's own text, which holds the URL
}

// newHTTPClient makes a client that sends each request once: a connection for each request, no
// HTTP/2, no redirects.
func newHTTPClient(timeout time.Duration) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Client{
		Timeout:       timeout,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, Protocols: protocols},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask sends one request.
func (d *doctor) ask(ctx context.Context, q question) reply {
	address := d.base + strings.Replace(q.route.Template, "{id}", url.PathEscape(q.id), 1)
	if len(q.query) > 0 {
		address += "?" + q.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, q.route.Method, address, bytes.NewReader(q.body))
	if err != nil {
		return reply{failure: "the request can't be made"}
	}
	req.SetBasicAuth(d.key, "")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Closure-API-Version", closure.DefaultAPIVersion)
	req.Header.Set("User-Agent", "closure-doctor")
	if q.index != "" {
		req.Header.Set("Closure-Index-Version", q.index)
	}
	if len(q.body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	start := time.Now()
	resp, err := d.client.Do(req)
	if err != nil {
		return reply{took: time.Since(start), failure: why(err)}
	}
	defer func() { _ = resp.Body.Close() }() // it has been read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	r := reply{status: resp.StatusCode, header: resp.Header, body: body, took: time.Since(start)}
	switch {
	case err != nil:
		r.failure = "the body broke off: " + why(err)
	case len(body) > maxBody:
		r.failure = "the body is longer than 10 MiB"
	}
	return r
}

// why names the kind of an error.
func why(err error) string {
	var dns *net.DNSError
	var unverified *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var network net.Error
	var operation *net.OpError
	switch {
	case errors.As(err, &operation) && operation.Op == "proxyconnect":
		return "the proxy could not be reached"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "the host answers http, not https"
	case errors.As(err, &dns):
		return "the host's name was not found"
	case errors.As(err, &unverified), errors.As(err, &authority):
		return "the host's certificate is not trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.As(err, &network) && network.Timeout():
		return "it took too long"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	default:
		return "the connection was lost"
	}
}

// longestWait is the longest Retry-After that the doctor waits for.
const longestWait = 30 * time.Second

// askRead sends a read, and sends it once more after a 429 that says how long to wait.
func (d *doctor) askRead(ctx context.Context, q question) (r reply, limited bool) {
	r = d.ask(ctx, q)
	seconds, err := strconv.Atoi(r.header.Get("Retry-After"))
	wait := time.Duration(seconds) * time.Second
	if r.status != http.StatusTooManyRequests || err != nil || wait < 0 || wait > longestWait {
		return r, false
	}
	select {
	case <-ctx.Done():
		return r, true
	case <-time.After(wait):
		return d.ask(ctx, q), true
	}
}
