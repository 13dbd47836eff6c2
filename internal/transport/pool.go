package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

const maxConns = 100

// A dialer makes the pool's connections.
type dialer struct {
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	tls   *tls.Config
	proxy func(*http.Request) (*url.URL, error)

	open       chan struct{} // a semaphore: connections that are not closed yet
	handshakes chan struct{} // a semaphore: TLS connections being made; nil: any number
	madeHTTP2  atomic.Int64  // HTTP/2 connections made so far
}

func newDialer() *dialer {
	return &dialer{
		dial: (&net.Dialer{
			Timeout:         dialTimeout,
			KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3},
			Control:         endUnacknowledged,
		}).DialContext,
		tls:   &tls.Config{MinVersion: tls.VersionTLS12},
		proxy: http.ProxyFromEnvironment,
		open:  make(chan struct{}, maxConns),
	}
}

// ackTimeout is how long the other end's kernel may acknowledge nothing of what was sent. A
// connection whose path is gone ends after that, and a retry is made on another one. A slow
// API doesn't matter, because its kernel acknowledges the request at once.
const ackTimeout = 10 * time.Second

// newPool is net/http's transport with these differences from its default one:
//   - It keeps more than 2 idle connections, or 64 goroutines would open thousands in 10,000
//     calls. It opens no more than it keeps: net/http dials while it waits for a connection to
//     become free, and dials that come too late would pile up.
//   - It speaks HTTP/1.1 only, unless HTTP/2 is asked for: there, a lost connection fails every
//     call on it.
//   - It sends a request once (refuseSecondConn), and its connections know whether anything of
//     the request was written (watchedConn) and where the response ends (responseConn).
func newPool(d *dialer, http2 bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(http2)
	d.tls.NextProtos = []string{"http/1.1"}
	proxy := refuseSecondConn(d.proxy)
	if http2 {
		d.tls.NextProtos = []string{"h2", "http/1.1"}
		d.handshakes = make(chan struct{}, 2)
		proxy = d.proxy
	}
	return &http.Transport{
		Proxy:               proxy,
		DialContext:         d.dialPlain,
		DialTLSContext:      d.dialTLS,
		TLSClientConfig:     d.tls, // for connections through a proxy
		Protocols:           protocols,
		MaxConnsPerHost:     maxConns,
		MaxIdleConns:        maxConns,
		MaxIdleConnsPerHost: maxConns,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: handshakeTimeout,
		// Without pings, HTTP/2 goes on using a connection for minutes after its other end is
		// gone: every read would time out on it, and every write would end as unknown.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
}

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
)

// refuseSecondConn keeps an attempt to one connection. net/http asks for the proxy each time
// before it takes a connection, also when it sends a request again by itself because an idle
// connection turned out to be dead. HTTP/2 may ask again although nothing was sent: there, the
// trace's guard counts connections.
func refuseSecondConn(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		if a := traceOf(req.Context()); a != nil && a.askedConn.Swap(true) {
			return nil, errSecondConn
		}
		return proxy(req)
	}
}

func (d *dialer) dialPlain(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.dialWatched(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return withFraming(ctx, conn), nil
}

// dialWatched makes a connection as soon as fewer than maxConns are open. net/http counts them
// too, but starts a new one before it has closed the old one.
func (d *dialer) dialWatched(ctx context.Context, network, address string) (*watchedConn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	select {
	case d.open <- struct{}{}:
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
	}
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		<-d.open
		return nil, err
	}
	return &watchedConn{Conn: conn, release: func() { <-d.open }}, nil
}

func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	secured, err := d.connectInTurn(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if isHTTP2(secured) {
		return secured, nil // net/http finds HTTP/2 by the type, and its frames need no framing by us
	}
	return withFraming(ctx, secured), nil
}

// errNotNeeded ends the making of a connection, because an HTTP/2 connection was made
// meanwhile, and it carries all requests.
var errNotNeeded = errors.New("transport: another connection was made")

// connectInTurn keeps HTTP/2 from making a connection for each call that waits for one.
// net/http starts that many and keeps the first. When the first is lost, it takes a later one
// for a new connection, although that one may have been lost too.
func (d *dialer) connectInTurn(ctx context.Context, network, address string) (*tls.Conn, error) {
	if d.handshakes == nil {
		return d.connectTLS(ctx, network, address)
	}
	before := d.madeHTTP2.Load()
	select {
	case d.handshakes <- struct{}{}:
		defer func() { <-d.handshakes }()
	case <-time.After(time.Second): // the handshakes in progress may hang
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if d.madeHTTP2.Load() != before {
		return nil, errNotNeeded
	}
	conn, err := d.connectTLS(ctx, network, address)
	if err == nil && isHTTP2(conn) {
		d.madeHTTP2.Add(1)
	}
	return conn, err
}

func (d *dialer) connectTLS(ctx context.Context, network, address string) (*tls.Conn, error) {
	conn, err := d.dialWatched(ctx, network, address)
	if err != nil {
		return nil, err
	}
	secured, err := handshake(ctx, conn, d.tls, address)
	if err != nil {
		_ = conn.Close() // the handshake's error says more
		return nil, err
	}
	return secured, nil
}

// withFraming returns the connection that net/http gets. Through a proxy there is no framing,
// because what is read may be the encrypted bytes of another connection.
func withFraming(ctx context.Context, conn net.Conn) net.Conn {
	if a := traceOf(ctx); a == nil || a.proxied {
		return conn
	}
	return newResponseConn(conn)
}

func handshake(ctx context.Context, conn net.Conn, config *tls.Config, address string) (*tls.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	config = config.Clone()
	config.ServerName = host
	secured := tls.Client(conn, config)
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	return secured, secured.HandshakeContext(ctx)
}
