package closuretest_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// The SDK decides by these hooks whether a write may have left.
func TestTransportReportsItsConnection(t *testing.T) {
	t.Parallel()
	s := closuretest.New()
	var events []string
	trace := &httptrace.ClientTrace{
		GetConn: func(hostPort string) { events = append(events, "get "+hostPort) },
		GotConn: func(info httptrace.GotConnInfo) {
			events = append(events, "got "+info.Conn.RemoteAddr().Network())
		},
		WroteHeaders:         func() { events = append(events, "headers") },
		WroteRequest:         func(httptrace.WroteRequestInfo) { events = append(events, "request") },
		GotFirstResponseByte: func() { events = append(events, "response") },
	}
	traced := func() *http.Request {
		events = nil
		req := newRequest(t, "GET", "/patients", "")
		return req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
	}
	send(t, s, traced())
	if got := strings.Join(events, ", "); got != "get double.test, got pipe, headers, request, response" {
		t.Errorf("events: %s", got)
	}
	s.Inject(closuretest.DropBefore("patients.list"))
	if _, err := s.Transport().RoundTrip(traced()); err == nil ||
		strings.Join(events, ", ") != "get double.test, got pipe, headers, request" {
		t.Errorf("%v, events: %v", err, events)
	}
	s.Close()
	_, err := s.Transport().RoundTrip(traced())
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "dial" || !errors.Is(err, syscall.ECONNREFUSED) || strings.Join(events, ", ") != "get double.test" {
		t.Errorf("closed: %v, events: %v", err, events)
	}
	_, err = s.Client(noRetries()).Appointments.Create(t.Context(), guideBooking())
	if closure.OutcomeOf(err) != closure.OutcomeNotSent {
		t.Errorf("closed: %v, outcome %s, want not sent", err, closure.OutcomeOf(err))
	}
}

// A watchedBody reports whether it was closed, and can fail.
type watchedBody struct {
	io.Reader
	closed bool
}

func (b *watchedBody) Close() error {
	b.closed = true
	return nil
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

func TestTransportClosesTheRequestBody(t *testing.T) {
	t.Parallel()
	s := closuretest.New()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	broken := errors.New("broken")
	tests := map[string]struct {
		ctx  context.Context
		body io.Reader
		want error
	}{
		"served":    {t.Context(), strings.NewReader("{}"), nil},
		"cancelled": {cancelled, strings.NewReader("{}"), context.Canceled},
		"broken":    {t.Context(), failingReader{broken}, broken},
	}
	for name, test := range tests {
		body := &watchedBody{Reader: test.body}
		req := newRequest(t, "POST", "/appointments", "{}").WithContext(test.ctx)
		req.Body = body
		if _, err := s.Transport().RoundTrip(req); !errors.Is(err, test.want) || !body.closed {
			t.Errorf("%s: error %v, want %v; closed: %t", name, err, test.want, body.closed)
		}
	}
	if _, err := s.Transport().RoundTrip(&http.Request{}); err == nil {
		t.Error("a request without URL was served")
	}
}

// The answer is what net/http makes of the same handler.
func TestTransportIsLikeNetHTTP(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	base := s.Start()
	pool := &http.Transport{}
	t.Cleanup(pool.CloseIdleConnections)
	for _, path := range []string{"/patients", "/patients/pt_x", "/insurances", "/locations"} {
		s.Inject(closuretest.Huge("insurances.list", 100_000).Times(2), closuretest.Truncate("locations.list").Times(2))
		var seen []string
		for _, transport := range []http.RoundTripper{s.Transport(), pool} {
			req := must(http.NewRequestWithContext(t.Context(), "GET", base+path, nil))
			req.SetBasicAuth(closure.QuickstartKey, "")
			resp, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			if resp.Request != req {
				t.Error("the response lacks its request")
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if _, after := resp.Body.Read(make([]byte, 1)); after == nil || errors.Is(after, io.EOF) {
				t.Errorf("%s: reading after Close: %v", path, after)
			}
			resp.Header.Del("X-Request-Id")
			seen = append(seen,
				fmt.Sprintln(resp.Status, resp.Proto, headerText(resp.Header), err, string(body),
					resp.Uncompressed, resp.ContentLength))
		}
		if seen[0] != seen[1] {
			t.Errorf("%s: in process\n%.500s\nover loopback\n%.500s", path, seen[0], seen[1])
		}
	}
	requests := s.Requests()
	for i := 0; i < len(requests); i += 2 {
		if in, over := headerText(requests[i].Header), headerText(requests[i+1].Header); in != over {
			t.Errorf("in process, %s arrives; over loopback, %s", in, over)
		}
	}
}

// Whoever asks for gzip gets a bomb, and whoever asks for none does not.
func TestHugeIsABomb(t *testing.T) {
	t.Parallel()
	const size = 32<<20 + 12345
	s := closuretest.New(closuretest.ReportTo(t))
	s.Inject(closuretest.Huge("patients.list", size).Times(0))
	packed := send(t, s, newRequest(t, "GET", "/patients", "", "Accept-Encoding", "gzip"))
	if len(packed.body) > size/500 || packed.Header.Get("Content-Encoding") != "gzip" || packed.Uncompressed {
		t.Errorf("%d bytes, header %v", len(packed.body), packed.Header)
	}
	for _, encoding := range []string{"gzip", "identity", ""} {
		resp := must(s.Transport().RoundTrip(newRequest(t, "GET", "/patients", "", "Accept-Encoding", encoding)))
		body := io.Reader(resp.Body)
		if encoding == "gzip" {
			body = must(gzip.NewReader(resp.Body))
		}
		if n, err := io.Copy(io.Discard, body); n != size || err != nil {
			t.Errorf("Accept-Encoding %q: %d bytes, %v, want %d", encoding, n, err, size)
		}
	}
}

func TestBodyEndsWithTheContext(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	ctx, cancel := context.WithCancel(t.Context())
	resp := must(s.Transport().RoundTrip(newRequest(t, "GET", "/patients", "").WithContext(ctx)))
	cancel()
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("reading on: %v", err)
	}
}

func TestStartAndClose(t *testing.T) {
	t.Parallel()
	s := closuretest.New()
	url := s.Start()
	if !strings.HasPrefix(url, "http://127.0.0.1:") || s.Start() != url {
		t.Errorf("URL %q, again %q", url, s.Start())
	}
	c := must(closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(url), noRetries()))
	must(c.Appointments.Create(t.Context(), guideBooking()))
	s.Close()
	s.Close()
	if _, err := c.Patients.List(t.Context(), closure.PatientListParams{}); status(err) != 0 {
		t.Errorf("closed: %v", err)
	}
	if len(s.Appointments()) != 1 || len(s.Requests()) != 1 || s.Start() != "" {
		t.Error("after Close, the ledger and the requests stay, and nothing starts")
	}
}

// A test that brings its own transport and forgets the double calls nobody, least of all the vendor.
func TestClientOfAnotherTransportKnowsNoHost(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	var hosts []string
	own := closure.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		hosts = append(hosts, r.URL.Host)
		return s.Transport().RoundTrip(r)
	})})
	if _, err := s.Client(own).Patients.List(t.Context(), closure.PatientListParams{}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"closuretest.invalid"}; !slices.Equal(hosts, want) {
		t.Errorf("%q were called, want %q", hosts, want)
	}
	server := closuretest.New(closuretest.ReportTo(t))
	client := server.Client(closure.WithHTTPClient(&http.Client{}), closure.WithBaseURL(server.Start()))
	if _, err := client.Patients.List(t.Context(), closure.PatientListParams{}); err != nil || len(server.Requests()) != 1 {
		t.Errorf("a base URL of the test's own: %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Over HTTP/2 a connection can't be hijacked: a drop is a reset of the stream.
func TestDropOverHTTP2(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	s.Inject(closuretest.DropAfter(create), closuretest.Truncate("patients.list"))
	listener := httptest.NewUnstartedServer(s.Handler())
	listener.EnableHTTP2 = true
	listener.StartTLS()
	defer listener.Close()
	c := must(closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(listener.URL),
		closure.WithHTTPClient(listener.Client()), noRetries()))
	if _, err := c.Appointments.Create(t.Context(), guideBooking()); closure.OutcomeOf(err) != closure.OutcomeUnknown ||
		len(s.Appointments()) != 1 {
		t.Errorf("%v, ledger %v", err, s.Appointments())
	}
	if _, err := c.Patients.List(t.Context(), closure.PatientListParams{}); err == nil || status(err) != 0 {
		t.Errorf("truncated: %v", err)
	}
}
