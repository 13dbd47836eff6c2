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
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	tls  *tls.Config

	places chan struct{} // one for each connection that is not closed yet
	turns  chan struct{} // one for each connection that is made at once; nil: any number
	shared atomic.Int64  // connections of HTTP/2 that were made
}

func newDialer() *dialer {
	return &dialer{
		dial: (&net.Dialer{
			Timeout:         dialTimeout,
			KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3},
			Control:         endUnacknowledged,
		}).DialContext,
		tls:    &tls.Config{MinVersion: tls.VersionTLS12},
		places: make(chan struct{}, maxConns),
	}
}

// silence is how long the other end's kernel may acknowledge nothing. A connection whose
// path is gone ends then, and a read gets through on another one; how long the
// API takes to answer does not matter, because kernels acknowledge meanwhile.
const silence = 10 * time.Second

// newPool is net/http's transport with these differences from its default one:
//   - It keeps more than 2 idle connections, or 64 goroutines would open thousands
//     in 10,000 calls. It opens no more than it keeps: dials that lose the race
//     against a connection that becomes free would pile up.
//   - It speaks HTTP/1.1 only, unless asked. Over HTTP/2 one lost connection strikes
//     every call on it.
//   - It sends a request once (once), and its connections know whether anything of
//     it was written (watchedConn) and where its answer ends (answerConn).
func newPool(d *dialer, http2 bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(http2)
	d.tls.NextProtos = []string{"http/1.1"}
	if http2 {
		d.tls.NextProtos = []string{"h2", "http/1.1"}
		d.turns = make(chan struct{}, 2)
	}
	return &http.Transport{
		Proxy:                 once(http.ProxyFromEnvironment, http2),
		DialContext:           d.plain,
		DialTLSContext:        d.secure,
		TLSClientConfig:       d.tls, // of connections through a proxy
		Protocols:             protocols,
		MaxConnsPerHost:       maxConns,
		MaxIdleConns:          maxConns,
		MaxIdleConnsPerHost:   maxConns,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   handshakeTimeout,
		ExpectContinueTimeout: time.Second,
		// HTTP/2 goes on using a connection whose other end is silently gone, for
		// minutes: every read would time out on it, and every write end as unknown.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
}

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
)

// once refuses a second connection to an attempt, and notes a proxy. net/http asks for
// the proxy each time before it takes a connection, also when it sends a request
// again by itself because a kept connection turned out dead. HTTP/2 asks again
// where nothing was sent: there, the guard counts connections.
func once(proxy func(*http.Request) (*url.URL, error), http2 bool) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		a := traceOf(req.Context())
		if a == nil {
			return proxy(req)
		}
		if !http2 && a.askedConn.Swap(true) {
			return nil, errSecondConn
		}
		address, err := proxy(req)
		a.proxied = address != nil || err != nil
		return address, err
	}
}

func (d *dialer) plain(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.watched(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return toServer(ctx, conn), nil
}

// watched makes a connection when there is a place for one. net/http counts too, but lets
// the next one begin before it has closed the last.
func (d *dialer) watched(ctx context.Context, network, address string) (*watchedConn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	select {
	case d.places <- struct{}{}:
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
	}
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		<-d.places
		return nil, err
	}
	return &watchedConn{Conn: conn, release: func() { <-d.places }}, nil
}

func (d *dialer) secure(ctx context.Context, network, address string) (net.Conn, error) {
	secured, err := d.inTurn(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if isHTTP2(secured) {
		return secured, nil // net/http wants to see it, and reads frames
	}
	return toServer(ctx, secured), nil
}

// errNotNeeded ends a connection in the making, because one of HTTP/2 has come that carries all.
var errNotNeeded = errors.New("transport: another connection was made")

// inTurn keeps HTTP/2 from making a connection for each call that waits for one. net/http
// starts as many, keeps the first, and takes one that came late for a new connection
// when the first is lost, although it may have been lost with it.
func (d *dialer) inTurn(ctx context.Context, network, address string) (*tls.Conn, error) {
	if d.turns == nil {
		return d.connect(ctx, network, address)
	}
	before := d.shared.Load()
	select {
	case d.turns <- struct{}{}:
		defer func() { <-d.turns }()
	case <-time.After(time.Second): // those before may hang
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if d.shared.Load() != before {
		return nil, errNotNeeded
	}
	conn, err := d.connect(ctx, network, address)
	if err == nil && isHTTP2(conn) {
		d.shared.Add(1)
	}
	return conn, err
}

func (d *dialer) connect(ctx context.Context, network, address string) (*tls.Conn, error) {
	conn, err := d.watched(ctx, network, address)
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

// toServer is the connection for net/http. What is read from a proxy may be the
// encrypted bytes of another connection.
func toServer(ctx context.Context, conn net.Conn) net.Conn {
	if a := traceOf(ctx); a == nil || a.proxied {
		return conn
	}
	return newAnswerConn(conn)
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
