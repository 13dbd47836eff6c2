package transport

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"
)

func TestPool(t *testing.T) {
	t.Parallel()
	p := newPool()
	for _, tt := range []struct {
		name string
		ok   bool
	}{
		{"as many idle connections to one host as at all", p.MaxIdleConnsPerHost == 100 && p.MaxIdleConns == 100},
		{"never more than are kept", p.MaxConnsPerHost == p.MaxIdleConnsPerHost},
		{"keep-alives", !p.DisableKeepAlives},
		{"compression", !p.DisableCompression},
		{"HTTP/2", p.ForceAttemptHTTP2},
		{"TLS 1.2 at least", p.TLSClientConfig.MinVersion == tls.VersionTLS12},
		{"certificates checked", !p.TLSClientConfig.InsecureSkipVerify},
		{"proxy from the environment", p.Proxy != nil},
		{"dials are bounded", p.TLSHandshakeTimeout > 0 && p.TLSHandshakeTimeout <= 30*time.Second},
		{"silent HTTP/2 connections found before an attempt times out", p.HTTP2 != nil &&
			p.HTTP2.SendPingTimeout > 0 && p.HTTP2.SendPingTimeout+p.HTTP2.PingTimeout < 30*time.Second},
	} {
		if !tt.ok {
			t.Errorf("no: %s", tt.name)
		}
	}
	if p == newPool() || http.RoundTripper(p) == http.DefaultTransport {
		t.Error("the pool is shared with others")
	}
}
