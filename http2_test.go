package closure_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/closurehealth/closure-go"
)

// What a real handshake offers is what the pool speaks: HTTP/2 only when asked.
func TestWithHTTP2(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		opts []closure.Option
		want []string
	}{
		"by default": {nil, []string{"http/1.1"}},
		"asked for":  {[]closure.Option{closure.WithHTTP2()}, []string{"h2", "http/1.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, offered := handshakes(t)
			opts := append(tt.opts, closure.WithBaseURL("https://"+address), closure.WithMaxAttempts(1))
			c, err := closure.NewClient(closure.QuickstartKey, opts...)
			noError(t, err)
			if _, err := c.Specialties.List(t.Context()); err == nil {
				t.Error("a server without a certificate was trusted")
			}
			if got := <-offered; !slices.Equal(got, tt.want) {
				t.Errorf("offered %q, want %q", got, tt.want)
			}
		})
	}
}

// handshakes listens, and tells what the first handshake offers.
func handshakes(t *testing.T) (address string, offered <-chan []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	protocols := make(chan []string, 1)
	config := &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		protocols <- hello.SupportedProtos
		return nil, http.ErrAbortHandler
	}}
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_ = tls.Server(conn, config).Handshake()
		_ = conn.Close()
	}()
	return listener.Addr().String(), protocols
}

func TestWithHTTP2AndATransport(t *testing.T) {
	t.Parallel()
	own := closure.WithHTTPClient(&http.Client{Transport: new(http.Transport)})
	for _, opts := range [][]closure.Option{{own, closure.WithHTTP2()}, {closure.WithHTTP2(), own}} {
		_, err := closure.NewClient(closure.QuickstartKey, opts...)
		refused(t, "both", err, "WithHTTP2", "option")
	}
	_, err := closure.NewClient(closure.QuickstartKey, closure.WithHTTP2(), closure.WithHTTPClient(new(http.Client)))
	noError(t, err)
}
