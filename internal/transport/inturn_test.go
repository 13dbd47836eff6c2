package transport

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// With WithHTTP2, many calls at once make few connections to a server that speaks HTTP/2, and
// one each to a server that doesn't.
func TestHTTP2MakesFewConnections(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/2": true, "HTTP/1.1": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const calls = 64
			var arrived sync.WaitGroup
			arrived.Add(calls)
			s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) {
				arrived.Done()
				arrived.Wait() // until all are in flight
				ok(w)
			})
			s.EnableHTTP2 = http2
			s.startTLS()
			tr, _ := s.clientWith(t, true, asIs)
			failed, attempts := callAll(t, tr, s.URL, calls)
			opened := s.opened.Load()
			t.Logf("%d connections", opened)
			if failed != 0 || attempts != calls || http2 && opened > 4 || !http2 && opened != calls {
				t.Errorf("%d failed, %d attempts, %d connections", failed, attempts, opened)
			}
		})
	}
}

// Handshakes that hang don't delay the others for long.
func TestHTTP2HandshakesThatHang(t *testing.T) {
	t.Parallel()
	s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) { ok(w) })
	s.startHTTP2()
	tr, dialer := s.clientWith(t, true, asIs)
	for range cap(dialer.handshakes) {
		dialer.handshakes <- struct{}{}
	}
	begin := time.Now()
	if _, err := tr.Do(t.Context(), get(s.URL)); err != nil || time.Since(begin) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}
