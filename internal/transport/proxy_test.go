package transport

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// behindAProxy is a server whose clients have a proxy, and the address that they use. Without
// TLS, the proxy is given each request; the server plays it, and the API behind it. With TLS,
// the proxy makes a tunnel to the server.
func behindAProxy(t *testing.T, tunnels bool, handler func(http.ResponseWriter, *http.Request, int64)) (s *loopback, address string) {
	t.Helper()
	s = newLoopback(t, handler)
	if !tunnels {
		s.start()
		s.proxy = s.Listener.Addr().String()
		return s, "http://api.test/"
	}
	s.startTLS()
	s.proxy = listen(t, func(conn net.Conn) { tunnel(conn, s.Listener.Addr().String()) })
	return s, s.URL
}

// What the API does behind a proxy that works is not the proxy's failure.
func TestFailuresOfTheAPIBehindAProxy(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]struct {
		how     func(http.ResponseWriter, *http.Request)
		timeout time.Duration
		want    string
	}{
		"is slow":              {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 200 * time.Millisecond, "the attempt timed out"},
		"loses the connection": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, time.Minute, "connection "},
	} {
		for _, tunnels := range []bool{false, true} {
			for _, method := range []string{http.MethodGet, http.MethodDelete} {
				t.Run(fmt.Sprintf("%s, %s, tunnel %t", name, method, tunnels), func(t *testing.T) {
					t.Parallel()
					s, address := behindAProxy(t, tunnels, func(w http.ResponseWriter, r *http.Request, n int64) {
						if n == 1 {
							ok(w)
							return
						}
						fails.how(w, r)
					})
					tr := s.client(t)
					if _, err := tr.Do(t.Context(), get(address)); err != nil {
						t.Fatal(err)
					}
					call := newTestCall(method, address)
					call.MaxAttempts = 1
					call.Timeout = fails.timeout
					answer, err := tr.Do(t.Context(), call)
					if err == nil || !strings.HasPrefix(err.Error(), fails.want) || errors.Is(err, errProxy) {
						t.Errorf("err = %v, want %q", err, fails.want)
					}
					if answer.MaybeSent != (method == http.MethodDelete) {
						t.Errorf("maybe sent: %t", answer.MaybeSent)
					}
				})
			}
		}
	}
}

// A proxy that can't reach the API says so in a response, which is the API's status for all
// the client knows, or it makes no tunnel, which is the proxy's failure.
func TestRefusedAPIBehindAProxy(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	refuses := listen(t, serveText(&requests, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"))
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		for address, want := range map[string]string{
			"http://api.test/":  "502 <nil>",
			"https://api.test/": "0 the proxy could not be reached or refused",
		} {
			d := newDialer()
			d.proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: refuses})
			answer, err := New(Config{Policy: exact, dialer: d}).Do(t.Context(), newTestCall(method, address))
			if got := fmt.Sprint(answer.StatusCode, " ", err); got != want {
				t.Errorf("%s %s: %s, want %s", method, address, got, want)
			}
		}
	}
}

// Without a proxy, a connection that is refused is the API's.
func TestRefusedAPIWithoutAProxy(t *testing.T) {
	t.Parallel()
	for name, base := range map[string]http.RoundTripper{"our pool": nil, "a caller's": &http.Transport{}} {
		call := get("http://" + noOne)
		call.MaxAttempts = 1
		if _, err := New(Config{Policy: exact, Base: base}).Do(t.Context(), call); err == nil || err.Error() != "connection refused" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// All idle connections die at once. A read is repeated on a new connection, as without a
// proxy, and lost connections have credit.
func TestBlipBehindAProxy(t *testing.T) {
	t.Parallel()
	const kept = 8
	for _, tunnels := range []bool{false, true} {
		t.Run(fmt.Sprintf("tunnel %t", tunnels), func(t *testing.T) {
			t.Parallel()
			var together sync.WaitGroup // waits for the first requests, so that each has its own connection
			together.Add(kept)
			var dead sync.Map // the clients' addresses on the server
			s, address := behindAProxy(t, tunnels, func(w http.ResponseWriter, r *http.Request, n int64) {
				if _, found := dead.Load(r.RemoteAddr); found {
					panic(http.ErrAbortHandler)
				}
				if n <= kept {
					dead.Store(r.RemoteAddr, nil)
					together.Done()
					together.Wait()
				}
				ok(w)
			})
			tr := s.client(t)
			tr.budget = newBudget(0)
			if failed, attempts := callAll(t, tr, address, kept); failed != 0 || attempts != kept {
				t.Fatalf("%d failed, %d attempts", failed, attempts)
			}
			answer, err := tr.Do(t.Context(), get(address))
			if err != nil || answer.Attempts != 2 {
				t.Errorf("%+v, %v; want the second attempt to succeed", answer, err)
			}
		})
	}
}
