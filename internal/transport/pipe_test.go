package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A pipe is a listener in memory, so that the test can run in a synctest bubble.
type pipe struct {
	conns  chan net.Conn
	closed chan struct{}
	dialed atomic.Int64
	wrap   func(net.Conn) net.Conn // the client's side
}

func newPipe() *pipe {
	return &pipe{conns: make(chan net.Conn), closed: make(chan struct{}), wrap: func(c net.Conn) net.Conn { return c }}
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error {
	close(p.closed)
	return nil
}

func (p *pipe) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipe) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		p.dialed.Add(1)
		return p.wrap(client), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve runs a server on the pipe until the test, in its bubble, is over.
func (p *pipe) serve(tlsConfig *tls.Config, handler http.HandlerFunc) (tr *Transport, stop func()) {
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0), TLSConfig: tlsConfig}
	d := newDialer()
	d.dial = p.dial
	d.tls.InsecureSkipVerify = true // the certificate isn't valid in a bubble's year 2000
	tr = New(Config{Policy: exact, HTTP2: tlsConfig != nil, dialer: d})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if tlsConfig == nil {
			_ = server.Serve(p)
		} else {
			_ = server.ServeTLS(p, "", "")
		}
	}()
	return tr, func() {
		tr.base.(*http.Transport).CloseIdleConnections()
		_ = server.Close()
		<-done
	}
}

// With the real http.Transport and virtual time: a write that times out arrived once, whether
// the response or only its body is missing.
func TestTimeoutOfARealTransport(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		handler func(http.ResponseWriter)
	}{
		{"no answer", func(http.ResponseWriter) {}},
		{"body stalls", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
			_ = http.NewResponseController(w).Flush()
		}},
		{"body of unknown length stalls", func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, "{")
			_ = http.NewResponseController(w).Flush()
		}},
	} {
		for method, want := range map[string]int64{http.MethodGet: 3, http.MethodPost: 1} {
			t.Run(method+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var requests atomic.Int64
					tr, stop := newPipe().serve(nil, func(w http.ResponseWriter, r *http.Request) {
						requests.Add(1)
						_, _ = io.Copy(io.Discard, r.Body)
						tt.handler(w)
						<-r.Context().Done()
					})
					defer stop()
					call := post("http://api.test/")
					call.Method = method
					start := time.Now()
					answer, err := tr.Do(t.Context(), call)
					if elapsed := time.Since(start); elapsed != time.Duration(want)*30*time.Second || requests.Load() != want {
						t.Errorf("%d requests in %v, want %d, 30s each", requests.Load(), elapsed, want)
					}
					if !errors.Is(err, context.DeadlineExceeded) || answer.MaybeSent != call.writes() {
						t.Errorf("answer = %+v, %v; want a timeout", answer, err)
					}
				})
			})
		}
	}
}

// A hole is a connection that, once silent, swallows what is written and delivers nothing, as
// if a router had forgotten it, without FIN or RST.
type hole struct {
	net.Conn
	silent <-chan struct{}
}

func (h hole) Write(p []byte) (int, error) {
	select {
	case <-h.silent:
		return len(p), nil
	default:
		return h.Conn.Write(p)
	}
}

func (h hole) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if err == nil {
		select {
		case <-h.silent:
			return h.Conn.Read(p) // returns when the other side is closed
		default:
		}
	}
	return n, err
}

// An HTTP/2 connection that went silent is closed within the attempt, and the next attempt is
// given another one.
func TestSilentHTTP2Connection(t *testing.T) {
	t.Parallel()
	certificate := newLoopback(t, nil).startTLS().TLS.Certificates[0]
	for method, want := range map[string]int64{http.MethodGet: 2, http.MethodPost: 1} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				silent := make(chan struct{})
				p := newPipe()
				p.wrap = func(c net.Conn) net.Conn {
					if p.dialed.Load() > 1 {
						return c
					}
					return hole{c, silent}
				}
				tr, stop := p.serve(&tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}}, func(w http.ResponseWriter, r *http.Request) {
					if r.ProtoMajor != 2 {
						t.Errorf("the server was asked by %s", r.Proto)
					}
					ok(w)
				})
				defer stop()
				if _, err := tr.Do(t.Context(), get("https://api.test/")); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				close(silent)
				call := newTestCall(method, "https://api.test/")
				start := time.Now()
				answer, err := tr.Do(t.Context(), call)
				if elapsed := time.Since(start); elapsed >= call.Timeout {
					t.Errorf("after %v", elapsed)
				}
				if int64(answer.Attempts) != want || (err == nil) != (want == 2) || (err != nil && !answer.MaybeSent) {
					t.Errorf("answer = %+v, %v; want %d attempts", answer, err, want)
				}
				if _, err := tr.Do(t.Context(), newTestCall(method, "https://api.test/")); err != nil {
					t.Errorf("the call after it: %v", err)
				}
			})
		})
	}
}
