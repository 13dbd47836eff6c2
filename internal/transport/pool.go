package transport

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const maxConns = 100

// newPool is net/http's default transport but for the size of its pool: with 2
// idle connections a host, 64 goroutines open thousands in 10,000 calls. No
// more are opened than are kept: on a busy machine dials that lose the race
// against a connection that becomes free would pile up (121 seen).
func newPool() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxConnsPerHost:       maxConns,
		MaxIdleConns:          maxConns,
		MaxIdleConnsPerHost:   maxConns,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		// HTTP/2 goes on using a connection whose other end is silently gone, for
		// minutes: every read would time out on it, and every write end as unknown.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
}
