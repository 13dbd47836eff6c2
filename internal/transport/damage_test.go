package transport

import (
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A damagedConn fails at random before, in or after a write, or is slow.
type damagedConn struct {
	net.Conn
	writes atomic.Int64
}

func (c *damagedConn) Write(p []byte) (n int, err error) {
	if c.writes.Add(1) < 6 { // TLS, and the first request
		return c.Conn.Write(p)
	}
	pause := func() { time.Sleep(rand.N(5 * time.Millisecond)) }
	switch rand.IntN(100) {
	case 0:
		pause()
		_ = c.Conn.Close()
	case 1:
		n, _ = c.Conn.Write(p[:rand.IntN(len(p))])
	case 2:
		_, _ = c.Conn.Write(p)
	case 3:
		pause()
		return c.Conn.Write(p)
	case 4:
		defer pause()
		return c.Conn.Write(p)
	default:
		return c.Conn.Write(p)
	}
	return n, io.ErrClosedPipe
}

// Whatever happens to HTTP/2 connections that calls share, no write arrives twice, and none that is
// said not to be sent arrives. Run it often with -count: the order of events is never the same.
func TestHTTP2WritesOnDamagedConnections(t *testing.T) {
	t.Parallel()
	const callers, calls = 24, 20
	var arrived [callers * calls]atomic.Int64
	s := newLoopback(t, func(w http.ResponseWriter, r *http.Request, _ int64) {
		if id, err := strconv.Atoi(r.URL.Path[1:]); err == nil {
			arrived[id].Add(1)
		}
		switch rand.IntN(10) {
		case 0:
			w.Header().Set("Content-Length", "5") // without a body
		case 1:
			panic(http.ErrAbortHandler)
		default:
			ok(w)
		}
	})
	s.startHTTP2()
	client := s.clientOver(t, func(conn net.Conn) net.Conn { return &damagedConn{Conn: conn} })
	var notSent [callers * calls]bool
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for n := range calls {
				id := caller*calls + n
				call := post(s.URL + "/" + strconv.Itoa(id))
				call.Timeout = rand.N(400*time.Millisecond) + time.Millisecond
				answer, err := client.Do(t.Context(), call)
				notSent[id] = err != nil && !answer.MaybeSent
			}
		})
	}
	all.Wait()
	s.hangUp() // what is on its way has arrived then
	for id := range arrived {
		if n := arrived[id].Load(); n > 1 || n == 1 && notSent[id] {
			t.Errorf("write %d arrived %d times; said not to be sent: %t", id, n, notSent[id])
		}
	}
}
