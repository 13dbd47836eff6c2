package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

var (
	errSealed  = errors.New("transport: the attempt has ended")
	errSurplus = errors.New("transport: the server sent more than was asked for")
)

// A watchedConn is a connection of our pool. It knows whether anything of the current request
// was written: an attempt that ended before that has sent nothing.
type watchedConn struct {
	net.Conn
	release func() // lets the dialer open another connection

	// Over HTTP/2:
	streams atomic.Int64 // how many requests were given the connection
	writes  atomic.Int64 // how many writes began until one failed
	failed  atomic.Bool  // a write failed: TLS writes no more than an alert after that

	mu       sync.Mutex
	lease    int       // over HTTP/1.1: the number of the request that has the connection
	notAfter time.Time // the first byte may not be written later; zero: at any time
	written  bool
	sealed   bool
}

// give notes that the next request has the connection, and returns its lease.
func (c *watchedConn) give(notAfter time.Time) (lease int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lease++
	c.notAfter = notAfter
	c.written = false
	return c.lease
}

// seal reports whether nothing of the lease's request has been written. From then on nothing
// can be: net/http writes in another goroutine, which may come late.
func (c *watchedConn) seal(lease int) (unwritten bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lease != lease || c.written {
		return false
	}
	c.sealed = true
	return true
}

// Write fails if the attempt has ended.
func (c *watchedConn) Write(p []byte) (int, error) {
	first, err := c.beforeWrite()
	if err != nil {
		return 0, err
	}
	if !c.failed.Load() {
		c.writes.Add(1)
	}
	n, err := c.Conn.Write(p)
	if err != nil {
		c.failed.Store(true)
	}
	if first && n == 0 && err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.written = false // the connection was already dead
	}
	return n, err
}

// Close closes the connection, and then lets the dialer open another one.
func (c *watchedConn) Close() error {
	err := c.Conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.release != nil {
		c.release()
		c.release = nil
	}
	return err
}

func (c *watchedConn) beforeWrite() (first bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first = !c.written
	if c.sealed || first && c.late() {
		return false, errSealed
	}
	c.written = true
	return first, nil
}

func (c *watchedConn) late() bool { return !c.notAfter.IsZero() && isOver(c.notAfter) }

// isOver compares wall clocks, which go on while the process is frozen or the machine sleeps: on
// waking, a write may come before anything notices that its context has ended.
func isOver(deadline time.Time) bool { return time.Now().Round(0).After(deadline.Round(0)) }

// isLate reports whether the context's deadline is over, even if the context doesn't know it yet.
func isLate(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && isOver(deadline)
}

// A responseConn is a connection to the API, without TLS or above it.
type responseConn struct {
	net.Conn
	responses *responseReader
}

func newResponseConn(conn net.Conn) *responseConn {
	return &responseConn{Conn: conn, responses: newResponseReader(conn)}
}

// Read reads no further than to the end of the response.
func (c *responseConn) Read(p []byte) (int, error) { return c.responses.Read(p) }

// Write fails if net/http could take what has already arrived for the response.
func (c *responseConn) Write(p []byte) (int, error) {
	if !c.responses.write(p) {
		return 0, errSurplus
	}
	return c.Conn.Write(p)
}

// watchedConnOf returns the connection of our pool below conn, or nil.
func watchedConnOf(conn net.Conn) *watchedConn {
	for {
		switch c := conn.(type) {
		case *watchedConn:
			return c
		case *responseConn:
			conn = c.Conn
		case *tls.Conn:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}
