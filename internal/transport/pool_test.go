package transport

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"
)

func TestPool(t *testing.T) {
	t.Parallel()
	p := newPool(newDialer(), false)
	for _, tt := range []struct {
		name string
		ok   bool
	}{
		{"as many idle connections to one host as at all", p.MaxIdleConnsPerHost == 100 && p.MaxIdleConns == 100},
		{"never more than are kept", p.MaxConnsPerHost == p.MaxIdleConnsPerHost},
		{"keep-alives", !p.DisableKeepAlives},
		{"compression", !p.DisableCompression},
		{"HTTP/1.1 and nothing else", p.Protocols.HTTP1() && !p.Protocols.HTTP2() && !p.Protocols.UnencryptedHTTP2()},
		{"TLS 1.2 at least", p.TLSClientConfig.MinVersion == tls.VersionTLS12},
		{"certificates checked", !p.TLSClientConfig.InsecureSkipVerify},
		{"proxy from the environment", p.Proxy != nil},
		{"dials are bounded", p.TLSHandshakeTimeout > 0 && p.TLSHandshakeTimeout <= 30*time.Second},
	} {
		if !tt.ok {
			t.Errorf("no: %s", tt.name)
		}
	}
	if p == newPool(newDialer(), false) || http.RoundTripper(p) == http.DefaultTransport {
		t.Error("the pool is shared with others")
	}
}
