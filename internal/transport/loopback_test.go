package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A loopback is a real server. Its handler is told the number of the request, from 1.
type loopback struct {
	*httptest.Server
	requests atomic.Int64
	opened   atomic.Int64 // connections
	open     atomic.Int64 // connections

	proxy string // the clients' proxy; "": the environment's

	mu     sync.Mutex
	dialed []*net.TCPConn // the clients' sides
	hungUp bool
}

func newLoopback(t testing.TB, handler func(w http.ResponseWriter, r *http.Request, n int64)) *loopback {
	s := new(loopback)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body) // only after that, net/http notices when a client closes the connection
		handler(w, r, n)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.opened.Add(1)
			s.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
		}
	}
	t.Cleanup(s.Close)
	return s
}

func (s *loopback) start() *loopback {
	s.Start()
	return s
}

func (s *loopback) startTLS() *loopback {
	s.StartTLS()
	return s
}

func (s *loopback) startHTTP2() *loopback {
	s.EnableHTTP2 = true
	return s.startTLS()
}

// client is a Transport with a pool of its own that trusts the server.
func (s *loopback) client(t testing.TB) *Transport {
	return s.clientOver(t, asIs)
}

func asIs(conn net.Conn) net.Conn { return conn }

// clientOver is a client whose connections are wrapped.
func (s *loopback) clientOver(t testing.TB, over func(net.Conn) net.Conn) *Transport {
	tr, _ := s.clientWith(t, s.EnableHTTP2, over)
	return tr
}

// clientWith is a client that may also ask for another protocol than the server's.
func (s *loopback) clientWith(t testing.TB, http2 bool, over func(net.Conn) net.Conn) (*Transport, *dialer) {
	d := newDialer()
	dial := d.dial
	d.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.dialed = append(s.dialed, conn.(*net.TCPConn))
		if s.hungUp { // a dial that took longer than the call that it was for
			_ = conn.Close()
		}
		return over(conn), nil
	}
	if s.proxy != "" {
		d.proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: s.proxy})
	}
	if s.Certificate() != nil {
		d.tls.RootCAs = x509.NewCertPool()
		d.tls.RootCAs.AddCert(s.Certificate())
	}
	tr := New(Config{Policy: exact, HTTP2: http2, dialer: d})
	t.Cleanup(tr.base.(*http.Transport).CloseIdleConnections)
	return tr, d
}

// hangUp closes all connections, and returns when the server has read all that was sent on
// them.
func (s *loopback) hangUp() {
	s.mu.Lock()
	s.hungUp = true
	for _, conn := range s.dialed {
		_ = conn.CloseWrite() // Close could discard what is still on its way
	}
	s.mu.Unlock()
	for s.open.Load() > 0 { // not a WaitGroup, because a late dial could add to it during Wait
		time.Sleep(time.Millisecond)
	}
}

func hijack(w http.ResponseWriter) *net.TCPConn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	return conn.(*net.TCPConn)
}

// drop closes the connection without a response.
func drop(w http.ResponseWriter) { _ = hijack(w).Close() }

// reset breaks the connection: the client gets an RST.
func reset(w http.ResponseWriter) {
	conn := hijack(w)
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// raw writes a response as it is, and closes the connection.
func raw(answer string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		conn := hijack(w)
		_, _ = io.WriteString(conn, answer)
		_ = conn.Close()
	}
}

func writeStatus(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

func ok(w http.ResponseWriter) { _, _ = io.WriteString(w, "{}") }

// Whatever the server does, a write isn't repeated, and a read is.
func TestLoopbackFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                 string
		fail                 func(http.ResponseWriter)
		readAgain, postAgain bool
	}{
		{"connection closed", drop, true, false},
		{"connection reset", reset, true, false},
		{"headers cut short", raw("HTTP/1.1 200 OK\r\nContent-Le"), true, false},
		{"no HTTP", raw("SSH-2.0-OpenSSH_9.6\r\n"), true, false},
		{"body cut short", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), true, false},
		{"body missing", raw("HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n"), true, false},
		{"chunk cut short", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{"), true, false},
		{"last chunk missing", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), true, false},
		{"gzip cut short", raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08"), true, false},
		{"408", writeStatus(408), true, false},
		{"429", writeStatus(429), true, false},
		{"500", writeStatus(500), true, false},
		{"500, cut short", raw("HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n{"), true, false},
		{"502", writeStatus(502), true, false},
		{"503", writeStatus(503), true, false},
		{"504", writeStatus(504), true, false},
		{"101", raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), true, false},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			again := tt.readAgain
			if method != http.MethodGet {
				again = tt.postAgain
			}
			t.Run(method+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, n int64) {
					if n == 1 {
						tt.fail(w)
						return
					}
					ok(w)
				}).start()
				call := newTestCall(method, s.URL)
				if method == http.MethodPost {
					call.Body = []byte("{}")
				}
				answer, err := s.client(t).Do(t.Context(), call)
				want := int64(1)
				if again {
					want = 2
				}
				if got := s.requests.Load(); got != want || int64(answer.Attempts) != want {
					t.Errorf("the server saw %d requests, reported %d, want %d", got, answer.Attempts, want)
				}
				if again && (err != nil || string(answer.Body) != "{}") {
					t.Errorf("answer = %+v, %v; want the second one", answer, err)
				}
				if !again && err != nil && !answer.MaybeSent {
					t.Error("reported as not sent, but the server got it")
				}
			})
		}
	}
}

// If an idle connection turns out to be dead, net/http itself sends a request again that it
// takes for idempotent.
func TestLoopbackDeadKeepAlive(t *testing.T) {
	t.Parallel()
	for _, fail := range []struct {
		name string
		how  func(http.ResponseWriter)
	}{{"closed", drop}, {"reset", reset}} {
		for _, tt := range []struct {
			method string
			body   []byte
			again  bool
		}{
			{http.MethodGet, nil, true},
			{http.MethodPost, []byte("{}"), false},
			{http.MethodPost, nil, false},
			{http.MethodPut, []byte("{}"), false},
			{http.MethodPatch, []byte("{}"), false},
			{http.MethodDelete, nil, false},
		} {
			t.Run(fmt.Sprintf("%s %s %d bytes", fail.name, tt.method, len(tt.body)), func(t *testing.T) {
				t.Parallel()
				s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, n int64) {
					if n == 2 {
						fail.how(w)
						return
					}
					ok(w)
				}).start()
				client := s.client(t)
				if _, err := client.Do(t.Context(), get(s.URL)); err != nil {
					t.Fatal(err)
				}
				call := newTestCall(tt.method, s.URL)
				call.Body = tt.body
				answer, err := client.Do(t.Context(), call)
				if tt.again {
					if err != nil || s.requests.Load() != 3 {
						t.Errorf("%d requests, %v; want the read repeated", s.requests.Load(), err)
					}
					return
				}
				if err == nil || !answer.MaybeSent || s.requests.Load() != 2 {
					t.Errorf("%d requests, answer = %+v, %v; want the write sent once, and maybe sent", s.requests.Load(), answer, err)
				}
				if s.opened.Load() != 1 {
					t.Errorf("%d connections: the write was not on the kept one", s.opened.Load())
				}
			})
		}
	}
}

// A write is tried again if nothing can have left this machine.
func TestLoopbackNotSent(t *testing.T) {
	t.Parallel()
	untrusted := newLoopback(t, func(http.ResponseWriter, *http.Request, int64) {}).startTLS()
	old := newLoopback(t, func(http.ResponseWriter, *http.Request, int64) {})
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.startTLS()
	plain := newLoopback(t, func(http.ResponseWriter, *http.Request, int64) {}).start()
	stranger := New(Config{Policy: exact})
	for _, tt := range []struct {
		name, url string
		client    *Transport
		want      string
	}{
		{"nobody listens", "http://" + noOne, stranger, "connection refused"},
		{"certificate of an unknown authority", untrusted.URL, stranger, "the server's certificate is of an unknown authority"},
		{"certificate of another host", strings.Replace(untrusted.URL, "127.0.0.1", "localhost", 1), untrusted.client(t), "the server's certificate is for another host"},
		{"TLS 1.1", old.URL, old.client(t), "TLS handshake failed"},
		{"no TLS", strings.Replace(plain.URL, "http:", "https:", 1), stranger, "the server answers http, not https"},
	} {
		for _, trace := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, traced %t", tt.name, trace), func(t *testing.T) {
				t.Parallel()
				client := tt.client
				if !trace { // a RoundTripper that reports nothing
					client = New(Config{Policy: exact, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
						ctx, cancel := context.WithCancel(context.Background())
						defer cancel()
						return tt.client.base.RoundTrip(req.WithContext(ctx))
					})})
				}
				answer, err := client.Do(t.Context(), post(tt.url))
				if trace && (err == nil || answer.MaybeSent || answer.Attempts != 3) {
					t.Errorf("answer = %+v, %v; want three attempts, not sent", answer, err)
				}
				if !trace && (err == nil || !answer.MaybeSent || answer.Attempts != 1) {
					t.Errorf("answer = %+v, %v; want one attempt, maybe sent: nothing is proven", answer, err)
				}
				if err != nil && err.Error() != tt.want {
					t.Errorf("err = %q, want %q", err, tt.want)
				}
			})
		}
	}
	t.Cleanup(func() {
		if n := untrusted.requests.Load() + old.requests.Load() + plain.requests.Load(); n != 0 {
			t.Errorf("%d requests arrived", n)
		}
	})
}

func TestLoopbackRedirects(t *testing.T) {
	t.Parallel()
	elsewhere := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) { ok(w) }).start()
	for _, code := range []int{301, 302, 303, 307, 308} {
		for name, location := range map[string]string{
			"other host": elsewhere.URL, "same host": "/other", "unparsable": "http://%zz/" + canary, "none": "",
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				t.Run(fmt.Sprintf("%d %s %s", code, name, method), func(t *testing.T) {
					t.Parallel()
					s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) {
						if location != "" {
							w.Header()["Location"] = []string{location}
						}
						w.WriteHeader(code)
					}).start()
					call := get(s.URL)
					if method == http.MethodPost {
						call = post(s.URL)
					}
					answer, err := s.client(t).Do(t.Context(), call)
					if err != nil || answer.StatusCode != code || s.requests.Load() != 1 {
						t.Errorf("%d requests, answer = %+v, %v; want the redirect itself", s.requests.Load(), answer, err)
					}
				})
			}
		}
	}
	t.Cleanup(func() { // after the parallel subtests
		if n := elsewhere.requests.Load(); n != 0 {
			t.Errorf("the other host saw %d requests", n)
		}
	})
}

// The jar's cookies are added to the request's header, also with our own pool.
func TestLoopbackCookieJar(t *testing.T) {
	t.Parallel()
	var got []string
	s := newLoopback(t, func(w http.ResponseWriter, r *http.Request, _ int64) {
		got = append(got, r.Header.Get("Cookie"))
		http.SetCookie(w, &http.Cookie{Name: "node", Value: "1"})
		w.WriteHeader(503)
	}).start()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	call := get(s.URL)
	if _, err := New(Config{Policy: exact, Jar: jar}).Do(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if want := []string{"", "node=1", "node=1"}; !slices.Equal(got, want) {
		t.Errorf("cookies %q, want %q: each attempt carries each cookie once", got, want)
	}
	if len(call.Header["Cookie"]) != 0 {
		t.Error("the call was changed")
	}
}

// hammer makes calls from 64 goroutines.
func hammer(t *testing.T, client *Transport, call *Call, calls int, check func(Answer, error)) {
	t.Helper()
	const goroutines = 64
	var next atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for next.Add(1) <= int64(calls) {
				check(client.Do(t.Context(), call))
			}
		})
	}
	wg.Wait()
}

// 64 goroutines need 64 connections, and some more for dials that finish after another
// connection became free.
func TestLoopbackPool(t *testing.T) {
	t.Parallel()
	// net/http closes a connection if the request isn't known to be written 50 ms after its
	// response came, which happens on a very busy machine.
	const most = maxConns + 10
	const calls = 3_000
	fine := func(w http.ResponseWriter, _ int64) { ok(w) }
	failing := func(fail func(http.ResponseWriter)) func(http.ResponseWriter, int64) {
		return func(w http.ResponseWriter, n int64) {
			if n%100 == 0 {
				fail(w)
				return
			}
			ok(w)
		}
	}
	const lost = calls / 100
	for _, tt := range []struct {
		name    string
		http2   bool
		call    func(url string) *Call
		handler func(w http.ResponseWriter, n int64)
		fail    int64 // calls
		most    int64 // connections
	}{
		{"HTTP/1.1", false, get, fine, 0, most},
		{"HTTP/1.1, one answer in a hundred is 500", false, post, failing(writeStatus(500)), lost, most},
		{"HTTP/1.1, one connection in a hundred is lost", false, post, failing(drop), lost, most + lost},
		{"HTTP/2", true, get, fine, 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newLoopback(t, func(w http.ResponseWriter, r *http.Request, n int64) {
				if (r.ProtoMajor == 2) != tt.http2 {
					w.WriteHeader(http.StatusHTTPVersionNotSupported)
					return
				}
				tt.handler(w, n)
			})
			if tt.http2 {
				s.startHTTP2()
			} else {
				s.start()
			}
			client := s.client(t)
			if tt.http2 { // before the first connection is made, it isn't known that one is enough
				if _, err := client.Do(t.Context(), get(s.URL)); err != nil {
					t.Fatal(err)
				}
			}
			var failed atomic.Int64
			hammer(t, client, tt.call(s.URL), calls, func(answer Answer, err error) {
				if err != nil || answer.StatusCode != 200 {
					failed.Add(1)
				}
			})
			opened := s.opened.Load()
			t.Logf("%d connections, %d requests", opened, s.requests.Load())
			if opened > tt.most {
				t.Errorf("%d connections, want %d at most", opened, tt.most)
			}
			if failed.Load() != tt.fail {
				t.Errorf("%d calls failed, want %d", failed.Load(), tt.fail)
			}
		})
	}
}

// The most important safety property: a write that reached the server is never reported as not
// sent, whenever it is cancelled, and never arrives twice.
func TestLoopbackCancelledWritesAreNeverLost(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %t", http2), func(t *testing.T) {
			t.Parallel()
			const goroutines, calls = 8, 250
			var arrived [goroutines * calls]atomic.Int64
			s := newLoopback(t, func(w http.ResponseWriter, r *http.Request, n int64) {
				id, err := strconv.Atoi(r.Header.Get("X-Id"))
				if err != nil {
					t.Error(err)
					return
				}
				arrived[id].Add(1)
				switch {
				case n%7 == 0:
					w.WriteHeader(429)
				case n%5 == 0:
					panic(http.ErrAbortHandler) // the connection or stream is lost
				default:
					ok(w)
				}
			})
			if http2 {
				s.startHTTP2()
			} else {
				s.start()
			}
			client := s.client(t)
			var answered, unknown, notSent atomic.Int64
			var silent [goroutines * calls]bool // reported as not sent
			var repeats [goroutines * calls]int64
			var wg sync.WaitGroup
			for g := range goroutines {
				wg.Go(func() {
					random := rand.New(rand.NewPCG(1994, uint64(g)))
					for i := range calls {
						id := g*calls + i
						call := post(s.URL)
						call.Header.Set("X-Id", strconv.Itoa(id))
						// The header is spread over many packets and buffers.
						call.Header.Set("X-Filler", strings.Repeat("x", random.IntN(20_000)))
						ctx, cancel := context.WithCancel(t.Context())
						stop := time.AfterFunc(time.Hour, cancel)
						if i%4 != 0 { // the others succeed, or fail as the server makes them
							stop.Reset(time.Duration(random.IntN(1000)) * time.Microsecond)
						}
						var rateLimited int64
						call.Observe = func(a Attempt) {
							if a.StatusCode == 429 {
								rateLimited++
							}
						}
						answer, err := client.Do(ctx, call)
						stop.Stop()
						cancel()
						repeats[id] = rateLimited
						switch {
						case err == nil:
							answered.Add(1)
						case answer.MaybeSent:
							unknown.Add(1)
						default:
							notSent.Add(1)
							silent[id] = true
						}
					}
				})
			}
			wg.Wait()
			s.hangUp()
			for id := range arrived {
				got := arrived[id].Load()
				if silent[id] && got > repeats[id] {
					t.Errorf("write %d: reported as not sent, but it arrived", id)
				}
				if got > repeats[id]+1 {
					t.Errorf("write %d: arrived %d times, answered with 429 %d times", id, got, repeats[id])
				}
			}
			t.Logf("%d answered, %d unknown, %d not sent", answered.Load(), unknown.Load(), notSent.Load())
			if answered.Load() == 0 || unknown.Load() == 0 {
				t.Error("want some of both")
			}
		})
	}
}
