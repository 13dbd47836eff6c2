package transport

import (
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

// A watchedConn is a connection of our pool. It knows whether anything of a request
// was written: an attempt that ended before that has sent nothing.
type watchedConn struct {
	net.Conn
	release func() // gives its place back

	streams atomic.Int64 // over HTTP/2: the requests that were given it

	mu       sync.Mutex
	lease    int       // counts the requests that were given the connection
	notAfter time.Time // the request's first byte; zero: at any time
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

// seal reports whether nothing of the lease's request has been written. Nothing is
// from then on: net/http writes in another goroutine, which may be late.
func (c *watchedConn) seal(lease int) (unwritten bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lease != lease || c.written {
		return false
	}
	c.sealed = true
	return true
}

// Write writes, unless the attempt has ended.
func (c *watchedConn) Write(p []byte) (int, error) {
	first, err := c.beforeWrite()
	if err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if first && n == 0 && err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.written = false // the connection was dead already
	}
	return n, err
}

// Close closes, and then gives the place back.
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

// late also counts the time for which this process was frozen or the machine slept:
// on waking, it may come to a write before its context is seen to have ended.
func (c *watchedConn) late() bool {
	return !c.notAfter.IsZero() && time.Now().Round(0).After(c.notAfter.Round(0))
}

// An answerConn is a connection to the API, in clear or above TLS.
type answerConn struct {
	net.Conn
	answers *answerReader
}

func newAnswerConn(conn net.Conn) *answerConn {
	return &answerConn{Conn: conn, answers: newAnswerReader(conn)}
}

// Read reads no further than to the end of the answer.
func (c *answerConn) Read(p []byte) (int, error) { return c.answers.Read(p) }

// Write writes, unless what is there already could pass for the answer.
func (c *answerConn) Write(p []byte) (int, error) {
	if !c.answers.write(p) {
		return 0, errSurplus
	}
	return c.Conn.Write(p)
}

// watched is the connection of ours that lies under conn.
func watched(conn net.Conn) *watchedConn {
	for {
		switch c := conn.(type) {
		case *watchedConn:
			return c
		case *answerConn:
			conn = c.Conn
		case *tls.Conn:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}
