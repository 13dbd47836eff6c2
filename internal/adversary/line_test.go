package adversary

import (
	"crypto/tls"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A line is one connection, and how it can be made to end.
type line struct {
	raw    *rawConn
	conn   net.Conn // raw, or TLS over it
	broken atomic.Bool

	mu   sync.Mutex
	owed *reply // the answer that the next request gets instead of its own
}

func newLine(conn *net.TCPConn) *line {
	raw := &rawConn{TCPConn: conn}
	return &line{raw: raw, conn: raw}
}

// handshake makes it a TLS connection, with HTTP/2 if the protocol has it.
func (l *line) handshake(p protocol) error {
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

func (l *line) write(bytes []byte) {
	_ = l.conn.SetWriteDeadline(time.Now().Add(3 * time.Second))
	if _, err := l.conn.Write(bytes); err != nil {
		l.broken.Store(true) // whoever can't be written to has gone
	}
}

// slipFrom answers each request from now on as the one before it, and the next
// one with r.
func (l *line) slipFrom(r reply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owed == nil {
		l.owed = &r
	}
}

func (l *line) slipped(r reply) reply {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owed != nil {
		*l.owed, r = r, *l.owed
	}
	return r
}

// fin ends the connection without a word, also without TLS's.
func (l *line) fin() { _ = l.raw.Close() }

func (l *line) rst() {
	_ = l.raw.SetLinger(0)
	_ = l.raw.Close()
}

// closeNotify is the orderly end of TLS.
func (l *line) closeNotify() { _ = l.conn.Close() }

// fatalAlert makes crypto/tls send one, encrypted as it has to be, by letting it
// read what nobody has sent.
func (l *line) fatalAlert() {
	l.raw.poisoned.Store(true)
	_ = l.raw.SetReadDeadline(time.Now()) // wakes whoever is reading
	_ = l.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = l.conn.Read(make([]byte, 1))
	time.Sleep(5 * time.Millisecond) // for the alert not to be overtaken by a RST
	_ = l.raw.Close()
}

// Records that are no TLS at this point of a connection.
const (
	badRecord    = "\x17\x03\x03\x00\x20--------------------------------"
	clearAlert   = "\x15\x03\x03\x00\x02\x02\x50" // internal_error, not encrypted
	noTLS        = "HTTP/1.1 400 Bad Request\r\n\r\n"
	handshakeNot = "\x15\x03\x01\x00\x02\x02\x28" // handshake_failure, as it has to be
)

func (l *line) under(bytes string) {
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
