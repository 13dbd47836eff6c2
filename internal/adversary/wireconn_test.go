package adversary

import (
	"crypto/tls"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A wireConn is a connection that can be ended in many ways.
type wireConn struct {
	raw    *rawConn
	conn   net.Conn // raw, or TLS over it
	broken atomic.Bool

	mu   sync.Mutex
	owed *reply // the reply that the next request gets instead of its own
}

func newWireConn(conn *net.TCPConn) *wireConn {
	raw := &rawConn{TCPConn: conn}
	return &wireConn{raw: raw, conn: raw}
}

// handshake makes it a TLS connection, with HTTP/2 if the protocol says so.
func (l *wireConn) handshake(p protocol) error {
	offered := "http/1.1"
	if p.h2 {
		offered = "h2"
	}
	conn := tls.Server(l.raw, &tls.Config{
		Certificates: []tls.Certificate{authority.certificate},
		NextProtos:   []string{offered},
		MinVersion:   tls.VersionTLS12,
	})
	l.conn = conn
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	defer func() { _ = conn.SetDeadline(time.Time{}) }()
	return conn.Handshake()
}

func (l *wireConn) write(bytes []byte) {
	_ = l.conn.SetWriteDeadline(time.Now().Add(3 * time.Second))
	if _, err := l.conn.Write(bytes); err != nil {
		l.broken.Store(true) // the client has gone
	}
}

// desyncFrom makes the connection answer the next request with r, and each one after that with
// the reply to the one before it.
func (l *wireConn) desyncFrom(r reply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owed == nil {
		l.owed = &r
	}
}

func (l *wireConn) desynced(r reply) reply {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owed != nil {
		*l.owed, r = r, *l.owed
	}
	return r
}

// fin closes the connection without TLS's close_notify.
func (l *wireConn) fin() { _ = l.raw.Close() }

func (l *wireConn) rst() {
	_ = l.raw.SetLinger(0)
	_ = l.raw.Close()
}

// closeNotify closes the connection with TLS's close_notify.
func (l *wireConn) closeNotify() { _ = l.conn.Close() }

// fatalAlert makes crypto/tls send an encrypted fatal alert, by letting it read a record that
// the client didn't send.
func (l *wireConn) fatalAlert() {
	l.raw.poisoned.Store(true)
	_ = l.raw.SetReadDeadline(time.Now()) // wakes the reader
	_ = l.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = l.conn.Read(make([]byte, 1))
	time.Sleep(5 * time.Millisecond) // so that an RST doesn't overtake the alert
	_ = l.raw.Close()
}

// What is written below TLS: bytes that aren't valid there.
const (
	badRecord    = "\x17\x03\x03\x00\x20--------------------------------"
	clearAlert   = "\x15\x03\x03\x00\x02\x02\x50" // internal_error, not encrypted
	noTLS        = "HTTP/1.1 400 Bad Request\r\n\r\n"
	handshakeNot = "\x15\x03\x01\x00\x02\x02\x28" // handshake_failure, in a valid record
)

func (l *wireConn) writeBelowTLS(bytes string) {
	_, _ = l.raw.Write([]byte(bytes))
	time.Sleep(5 * time.Millisecond)
	_ = l.raw.Close()
}

// A rawConn is a TCP connection whose next read can be poisoned.
type rawConn struct {
	*net.TCPConn
	poisoned atomic.Bool
}

func (c *rawConn) Read(b []byte) (int, error) {
	if !c.poisoned.Load() {
		n, err := c.TCPConn.Read(b)
		if n > 0 || !os.IsTimeout(err) || !c.poisoned.Load() {
			return n, err
		}
	}
	return copy(b, badRecord), nil
}
