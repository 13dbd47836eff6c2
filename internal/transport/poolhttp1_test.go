package transport

import (
	"crypto/x509"
	"net/http"
	"testing"
)

// A client that prefers HTTP/2 may get HTTP/1.1, where each call needs a connection of its own: no
// connection makes another one unnecessary.
func TestOnlyHTTP2MakesOthersUnnecessary(t *testing.T) {
	t.Parallel()
	s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) { ok(w) }).startTLS()
	client, dialer := s.clientWith(t, true, asIs)
	if got, err := client.Do(t.Context(), get(s.URL)); err != nil || string(got.Body) != "{}" {
		t.Fatalf("%+v, %v", got, err)
	}
	if n := dialer.madeHTTP2.Load(); n != 0 {
		t.Errorf("%d connections count as HTTP/2", n)
	}
	dialer.tls.RootCAs = x509.NewCertPool()
	client.base.(*http.Transport).CloseIdleConnections()
	if _, err := client.Do(t.Context(), get(s.URL)); !isTLS(err) {
		t.Errorf("a certificate that isn't trusted: %v", err)
	}
}

// net/http writes a request's line at once, but that it does isn't promised.
func TestMethodAloneBeginsARequest(t *testing.T) {
	t.Parallel()
	if !beginsRequest([]byte("GET ")) || beginsRequest([]byte("GET")) {
		t.Error("a method is not told from what isn't one")
	}
}
