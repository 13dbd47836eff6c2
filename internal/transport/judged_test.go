package transport

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var errGaveUp = errors.New("the RoundTripper gave up")

// A RoundTripper may return while another goroutine of its own still sends. So a body that wasn't
// read when the request was said to be not sent can't be read any more.
func TestWhatWasNotSentCannotLeaveLater(t *testing.T) {
	t.Parallel()
	var late []func() (io.ReadCloser, error)
	client := New(Config{Policy: exact, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
		httptrace.ContextClientTrace(req.Context()).GetConn("api.test:443")
		late = append(late, func() (io.ReadCloser, error) { return req.Body, nil }, req.GetBody)
		return nil, errGaveUp
	})})
	call := post("https://api.test/")
	call.Body = []byte("{}")
	answer, err := client.Do(t.Context(), call)
	if !errors.Is(err, errGaveUp) || answer.MaybeSent || answer.Attempts != 3 {
		t.Fatalf("%+v, %v; want 3 attempts, not sent", answer, err)
	}
	for _, body := range late {
		opened, err := body()
		if err != nil {
			continue
		}
		if read, err := io.ReadAll(opened); err == nil || len(read) > 0 {
			t.Errorf("%q left after the attempt", read)
		}
	}
}

// Protocols that a caller registers in an *http.Transport may send a request without reporting
// their connections, and without asking for the proxy.
func TestRegisteredProtocolsAreNotTakenForHTTP(t *testing.T) {
	t.Parallel()
	for name, reports := range map[string]bool{"that report no connection": false, "that report one when it is asked for": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived := 0
			http1 := new(http.Protocols)
			http1.SetHTTP1(true) // else net/http would register its own protocol too
			base := &http.Transport{
				Protocols: http1,
				Proxy:     func(*http.Request) (*url.URL, error) { return nil, errors.New("no such proxy") },
			}
			base.RegisterProtocol("https", roundTrip(func(req *http.Request) (*http.Response, error) {
				if reports {
					httptrace.ContextClientTrace(req.Context()).GetConn("api.test:443")
				}
				if _, err := io.ReadAll(req.Body); err != nil {
					return nil, err
				}
				arrived++
				return nil, io.ErrUnexpectedEOF // the answer was lost
			}))
			call := post("https://api.test/")
			call.Body = []byte("{}")
			answer, err := New(Config{Policy: exact, Base: base}).Do(t.Context(), call)
			if err == nil || !answer.MaybeSent || arrived != 1 {
				t.Errorf("%+v, %v; %d requests arrived", answer, err, arrived)
			}
		})
	}
}

// A quicConn is what HTTP/3 of quic-go shows for its connections.
type quicConn struct{ net.Conn }

func (quicConn) LocalAddr() net.Addr { return &net.UDPAddr{} }
func (quicConn) Close() error        { panic("connection operation prohibited") }

// Like HTTP/2, HTTP/3 checks the context before it writes, and other requests use the connection.
func TestGuardLeavesConnectionsOfHTTP3Open(t *testing.T) {
	t.Parallel()
	a := &requestTrace{Context: t.Context()}
	ctx, cancel := a.guard(&url.URL{Scheme: "https", Host: "api.test"}, roundTrip(nil))
	defer cancel()
	trace := httptrace.ContextClientTrace(ctx)
	for range 2 {
		trace.GetConn("api.test:443")
		trace.GotConn(httptrace.GotConnInfo{Conn: quicConn{}})
		trace.GotConn(httptrace.GotConnInfo{}) // another HTTP/3 may show none
	}
	if !errors.Is(ctx.Err(), context.Canceled) || !a.secondConn.Load() {
		t.Error("the second connection doesn't end the attempt")
	}
}

// A RoundTripper may report from goroutines of its own, together and late.
func TestHooksMayBeCalledTogether(t *testing.T) {
	t.Parallel()
	conn, other := net.Pipe()
	defer func() { _, _ = conn.Close(), other.Close() }()
	reported := make(chan struct{}, 2)
	client := New(Config{Policy: exact, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
		trace := httptrace.ContextClientTrace(req.Context())
		trace.GetConn("api.test:443")
		for range 2 {
			go func() {
				trace.GotConn(httptrace.GotConnInfo{Conn: conn})
				trace.WroteHeaders()
				reported <- struct{}{}
			}()
		}
		return nil, errGaveUp
	})})
	call := post("https://api.test/")
	call.MaxAttempts = 1
	if _, err := client.Do(t.Context(), call); !strings.Contains(err.Error(), "connection") {
		t.Error(err)
	}
	<-reported
	<-reported
}

// A RoundTripper that gave up may still be given a connection. Of the request no more leaves then
// than a header that announces a body, and over HTTP/1.1 nothing does.
func TestConnectionsThatComeTooLateCarryNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		http2 bool
		body  []byte
	}{
		"HTTP/1.1, with a body":    {false, []byte("{}")},
		"HTTP/1.1, without a body": {false, nil},
		"HTTP/2, with a body":      {true, []byte("{}")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var whole atomic.Int64
			s := &loopback{Server: httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if _, err := io.ReadAll(r.Body); err == nil {
					whole.Add(1)
				}
			}))}
			t.Cleanup(s.Close)
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.EnableHTTP2 = tt.http2
			s.startTLS()
			inner := s.Client().Transport.(*http.Transport)
			gaveUp := make(chan struct{})
			inner.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				<-gaveUp
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			var late sync.WaitGroup
			client := New(Config{Policy: exact, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
				asked := make(chan struct{}, 1)
				ctx := httptrace.WithClientTrace(context.WithoutCancel(req.Context()), &httptrace.ClientTrace{
					GetConn: func(string) { asked <- struct{}{} },
				})
				late.Go(func() {
					if resp, err := inner.RoundTrip(req.WithContext(ctx)); err == nil {
						_ = resp.Body.Close()
					}
				})
				<-asked
				return nil, errGaveUp
			})})
			call := post(s.URL)
			call.Body = tt.body
			answer, err := client.Do(t.Context(), call)
			if !errors.Is(err, errGaveUp) || answer.MaybeSent || answer.Attempts != 3 {
				t.Errorf("%+v, %v; want 3 attempts, not sent", answer, err)
			}
			close(gaveUp)
			late.Wait()
			s.Close() // waits for what arrived
			if whole.Load() != 0 {
				t.Errorf("%d whole requests arrived", whole.Load())
			}
		})
	}
}
