package transport

import (
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rotates speaks HTTP/2 like a gateway that allows so many requests on a connection: with the
// last one it sends GOAWAY, and it drops the requests after that.
func rotates(conn net.Conn, limit int, answer func()) {
	defer func() { _ = conn.Close() }()
	_, _ = io.CopyN(io.Discard, conn, 24) // preface
	var writing sync.Mutex
	write := func(kind byte, flags byte, stream uint32, payload ...byte) {
		frame := append([]byte{0, 0, byte(len(payload)), kind, flags}, binary.BigEndian.AppendUint32(nil, stream)...)
		writing.Lock()
		defer writing.Unlock()
		_, _ = conn.Write(append(frame, payload...))
	}
	write(4, 0, 0) // SETTINGS
	taken, last := 0, uint32(0)
	for head := make([]byte, 9); ; {
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		_, _ = io.CopyN(io.Discard, conn, int64(head[0])<<16|int64(head[1])<<8|int64(head[2]))
		stream := binary.BigEndian.Uint32(head[5:])
		if head[3] == 1 && taken < limit { // HEADERS
			taken, last = taken+1, stream
			if taken == limit {
				write(7, 0, 0, append(binary.BigEndian.AppendUint32(nil, last), 0, 0, 0, 0)...) // GOAWAY
			}
		}
		isRequest := head[3] <= 1 && head[4]&1 == 1 // END_STREAM
		if isRequest && stream <= last {
			go func() {
				answer()
				write(1, 5, stream, 0x88) // HEADERS with END_STREAM: status 200
			}()
		}
	}
}

// A gateway that closes each connection after a few requests makes almost no call fail,
// although many are in flight. Without learning, half of them fail.
func TestRotation(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodPatch} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			const goroutines, calls = 64, 10
			var answered, failed, attempts atomic.Int64
			certificate := newLoopback(t, nil).startTLS().TLS.Certificates[0]
			tr, address := http2Peer(t, certificate, true, func(conn net.Conn) {
				rotates(conn, 20, func() {
					time.Sleep(20 * time.Millisecond)
					answered.Add(1)
				})
			})
			tr.policy, tr.budget = byDefault, newBudget(byDefault.Budget)
			together(goroutines, func() {
				for range calls {
					call := newTestCall(method, address)
					if method == http.MethodPatch {
						call.Body = []byte("{}")
					}
					got, err := tr.Do(t.Context(), call)
					attempts.Add(int64(got.Attempts))
					if err != nil && got.MaybeSent {
						t.Log(err.(*Cause).all)
					}
					if err != nil && !got.MaybeSent {
						failed.Add(1)
					}
				}
			})
			t.Logf("%d not sent, %d attempts, %d answered", failed.Load(), attempts.Load(), answered.Load())
			if answered.Load()+failed.Load() != goroutines*calls || failed.Load() > goroutines*calls/10 {
				t.Errorf("of %d calls; want each answered or not sent, and few of the latter", goroutines*calls)
			}
		})
	}
}

// The limit is a quarter of what a connection took, less if another connection took less, and
// it grows with each connection that the client closes.
func TestRotationLearns(t *testing.T) {
	t.Parallel()
	var r rotation
	until := func() (requests int) {
		for requests = 1; !r.last(); requests++ {
			if requests == 1000 {
				return 0
			}
		}
		return requests
	}
	one, other := new(watchedConn), new(watchedConn)
	if got := until(); got != 0 {
		t.Errorf("a connection is left after %d requests, and nothing is known", got)
	}
	r.compare(&requestTrace{stream: one, number: 41}, &requestTrace{stream: one})
	if got := until(); got != 0 {
		t.Errorf("left after %d: it took another, so it was only full", got)
	}
	r.compare(&requestTrace{stream: one, number: 41}, &requestTrace{stream: other})
	r.compare(&requestTrace{stream: one, number: 81}, &requestTrace{stream: other})
	if first, second := until(), until(); first != 10 || second != 11 {
		t.Errorf("left after %d and %d, want 10 and 11", first, second)
	}
	r.compare(&requestTrace{stream: one, number: 9}, &requestTrace{stream: other})
	if got := until(); got != 2 {
		t.Errorf("left after %d, want 2", got)
	}
}
