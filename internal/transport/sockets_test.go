package transport

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// listen has a function serve each connection, on a loopback socket.
func listen(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			go serve(conn)
		}
	})
	return listener.Addr().String()
}

// noOne is an address where nobody listens. The port of a server that was closed may soon be
// another test's.
const noOne = "127.0.0.1:1"

// serveText answers each request with the same text, and counts the requests.
func serveText(requests *atomic.Int64, text string) func(net.Conn) {
	return func(conn net.Conn) {
		for source := bufio.NewReader(conn); ; {
			req, err := http.ReadRequest(source)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			requests.Add(1)
			_, _ = io.WriteString(conn, text)
		}
	}
}

// Bytes that follow a response are printed nowhere, and are not taken for another response.
func TestSurplus(t *testing.T) { // not parallel, because other tests use the standard logger too
	var printed lockedBuffer
	log.SetOutput(&printed)
	defer log.SetOutput(io.Discard)
	const patient = `{"last_name":"Doe"}`
	for name, answer := range map[string]string{
		"length too short": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" + patient,
		"204 with a body":  "HTTP/1.1 204 No Content\r\n\r\n" + patient,
		"after the chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + patient,
		"sent twice":       strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n"+patient, 2),
	} {
		var requests atomic.Int64
		address := "http://" + listen(t, serveText(&requests, answer))
		tr := New(Config{Policy: exact})
		for range 20 {
			if _, err := tr.Do(t.Context(), get(address)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		tr.base.(*http.Transport).CloseIdleConnections()
		if requests.Load() < 20 {
			t.Errorf("%s: %d requests for 20 calls: a call got another one's response", name, requests.Load())
		}
	}
	time.Sleep(50 * time.Millisecond) // net/http prints from another goroutine
	if text := printed.String(); text != "" {
		t.Errorf("printed: %s", text)
	}
}

// A request that was answered before all of it was written expects no other response.
func TestLateWritesExpectNoAnswer(t *testing.T) {
	t.Parallel()
	a := newResponseReader(strings.NewReader(wholeResponses[0] + `{"last_name":"Doe"}`))
	if !a.write([]byte("POST /")) {
		t.Fatal("the request is refused")
	}
	got := make([]byte, len(wholeResponses[0]))
	if _, err := io.ReadFull(a, got); err != nil {
		t.Fatal(err)
	}
	a.write([]byte(`"more of the body"`))
	if n, err := a.Read(make([]byte, 100)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("returned %d more bytes, %v", n, err)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// If a connection switches protocols, the attempt ends at once.
func TestSwitchedProtocols(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	address := "http://" + listen(t, serveText(&requests, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"))
	for name, base := range map[string]http.RoundTripper{"our pool": nil, "the caller's": new(http.Transport)} {
		call := post(address)
		call.Timeout = 10 * time.Second
		start := time.Now()
		answer, err := New(Config{Policy: exact, Base: base}).Do(t.Context(), call)
		if !errors.Is(err, errSwitched) || !answer.MaybeSent || time.Since(start) > 5*time.Second {
			t.Errorf("%s: %+v, %v after %v", name, answer, err, time.Since(start))
		}
	}
	if requests.Load() != 2 {
		t.Errorf("%d requests, want 2", requests.Load())
	}
}

// These are the frames with which a server answers a whole request.
type frames func(stream []byte) []byte

func resetStream(code uint32) frames {
	return func(stream []byte) []byte {
		return binary.BigEndian.AppendUint32(append([]byte{0, 0, 4, 3, 0}, stream...), code)
	}
}

func goAway(last func(stream uint32) uint32, code uint32) frames {
	return func(stream []byte) []byte {
		frame := []byte{0, 0, 8, 7, 0, 0, 0, 0, 0}
		frame = binary.BigEndian.AppendUint32(frame, last(binary.BigEndian.Uint32(stream)))
		return binary.BigEndian.AppendUint32(frame, code)
	}
}

func below(stream uint32) uint32  { return max(stream, 2) - 2 }
func itself(stream uint32) uint32 { return stream }

// serveFrames speaks just enough HTTP/2 to fail.
func serveFrames(requests *atomic.Int64, answer frames) func(net.Conn) {
	return func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		_, _ = io.CopyN(io.Discard, conn, 24)                // preface
		_, _ = conn.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}) // SETTINGS
		for head := make([]byte, 9); ; {
			if _, err := io.ReadFull(conn, head); err != nil {
				return
			}
			_, _ = io.CopyN(io.Discard, conn, int64(head[0])<<16|int64(head[1])<<8|int64(head[2]))
			isRequest := head[3] == 0 || head[3] == 1 // DATA, HEADERS
			if !isRequest || head[4]&1 == 0 {         // END_STREAM
				continue
			}
			if requests.Add(1) > 100 {
				return // without this, net/http would go on forever
			}
			_, _ = conn.Write(answer(bytes.Clone(head[5:9])))
		}
	}
}

// An attempt sends at most one request, whatever HTTP/2 makes net/http do. If the server says
// that it didn't process the request, the retry loop sends it again.
func TestOneRequestAnAttemptOverHTTP2(t *testing.T) {
	t.Parallel()
	const noAnswer = "GOAWAY of the stream, and no answer"
	certificate := newLoopback(t, nil).startTLS().TLS.Certificates[0]
	for _, tt := range []struct {
		name         string
		answer       frames
		notProcessed string // the writes that are known not to have been processed
	}{
		{"RST_STREAM NO_ERROR", resetStream(0), ""},
		{"RST_STREAM PROTOCOL_ERROR", resetStream(1), ""},
		{"RST_STREAM INTERNAL_ERROR", resetStream(2), ""},
		{"RST_STREAM REFUSED_STREAM", resetStream(7), "PATCH"},
		{"RST_STREAM CANCEL", resetStream(8), ""},
		{"RST_STREAM ENHANCE_YOUR_CALM", resetStream(11), ""},
		{"RST_STREAM HTTP_1_1_REQUIRED", resetStream(13), ""},
		{"GOAWAY below the stream", goAway(below, 0), "PATCH"},
		{"GOAWAY below the stream, PROTOCOL_ERROR", goAway(below, 1), "PATCH POST"},
		{noAnswer, goAway(itself, 0), ""},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch} {
			for _, ours := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %s, our pool %t", method, tt.name, ours), func(t *testing.T) {
					t.Parallel()
					var requests, attempts atomic.Int64
					tr, address := http2Peer(t, certificate, ours, serveFrames(&requests, tt.answer))
					call := newTestCall(method, address)
					call.Timeout = time.Minute
					if tt.name == noAnswer {
						call.Timeout = time.Second // enough to connect on a busy machine
					}
					call.Observe = func(Attempt) { attempts.Add(1) }
					if method == http.MethodPatch { // POST stands for a write without a body
						call.Body = []byte("{}")
					}
					answer, err := tr.Do(t.Context(), call)
					if err == nil || requests.Load() != attempts.Load() || int64(answer.Attempts) != attempts.Load() {
						t.Errorf("%d requests, %d attempts, %v", requests.Load(), attempts.Load(), err)
					}
					want := int64(1)
					if method == http.MethodGet || strings.Contains(tt.notProcessed, method) {
						want = 3
					}
					if attempts.Load() != want || answer.MaybeSent != (want == 1) {
						t.Errorf("%d attempts, %+v, %v; want %d", attempts.Load(), answer, err, want)
					}
				})
			}
		}
	}
}

// http2Peer returns a client and the address of a server of frames: our pool over TLS, or a
// caller's transport without TLS.
func http2Peer(t *testing.T, certificate tls.Certificate, ours bool, serve func(net.Conn)) (*Transport, string) {
	if !ours {
		clear := new(http.Protocols)
		clear.SetUnencryptedHTTP2(true)
		base := &http.Transport{Protocols: clear}
		t.Cleanup(base.CloseIdleConnections)
		return New(Config{Policy: exact, Base: base}), "http://" + listen(t, serve)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}}
	address := listen(t, func(conn net.Conn) { serve(tls.Server(conn, config)) })
	d := newDialer()
	d.tls.InsecureSkipVerify = true
	tr := New(Config{Policy: exact, HTTP2: true, dialer: d})
	t.Cleanup(tr.base.(*http.Transport).CloseIdleConnections)
	return tr, "https://" + address
}

// An idle connection that turns out to be dead costs an attempt that is reported. net/http by
// itself would send a read again within the same attempt, on the next idle connection.
func TestOneRequestAnAttemptOnDeadConnections(t *testing.T) {
	t.Parallel()
	for name, base := range map[string]*http.Transport{"our pool": nil, "the caller's": {MaxIdleConnsPerHost: 100}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const kept = 50
			var requests, attempts atomic.Int64
			var together sync.WaitGroup // waits for the first requests, so that each has its own connection
			together.Add(kept)
			address := "http://" + listen(t, func(conn net.Conn) {
				defer func() { _ = conn.Close() }()
				source := bufio.NewReader(conn)
				if _, err := http.ReadRequest(source); err != nil {
					return
				}
				if requests.Add(1) <= kept {
					together.Done()
				}
				together.Wait()
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
				if _, err := http.ReadRequest(source); err == nil {
					requests.Add(1)
				}
			})
			config := Config{Policy: exact}
			if base != nil {
				config.Base = base
			}
			tr := New(config)
			do := func() {
				call := get(address)
				call.MaxAttempts = 100
				call.Observe = func(Attempt) { attempts.Add(1) }
				if _, err := tr.Do(t.Context(), call); err != nil {
					t.Error(err)
				}
			}
			var calls sync.WaitGroup
			for range kept {
				calls.Go(do)
			}
			calls.Wait()
			do()
			if requests.Load() != attempts.Load() {
				t.Errorf("%d requests, %d attempts; want as many", requests.Load(), attempts.Load())
			}
			// Our pool closes the other idle connections after the first dead one, and the
			// retry makes a new one.
			if ours := attempts.Load() == kept+2; ours != (base == nil) {
				t.Errorf("%d attempts", attempts.Load())
			}
		})
	}
}

// If the proxy fails, the error says so without its address and password, and a write that
// never got past it was not sent.
func TestProxyFailures(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	refuses := listen(t, serveText(&requests, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"))
	hangsUp := listen(t, func(conn net.Conn) { _ = conn.Close() })
	choose := func(address string) func(*http.Request) (*url.URL, error) {
		return http.ProxyURL(&url.URL{Scheme: "http", Host: address, User: url.UserPassword("user", "secret")})
	}
	fails := func(*http.Request) (*url.URL, error) { return nil, errors.New("secret") }
	for name, proxy := range map[string]func(*http.Request) (*url.URL, error){
		"nobody listens": choose(noOne), "refuses": choose(refuses), "hangs up": choose(hangsUp), "can't be chosen": fails,
	} {
		ours, http2 := newDialer(), newDialer()
		ours.proxy, http2.proxy = proxy, proxy
		for whose, tr := range map[string]*Transport{
			"ours":         New(Config{Policy: exact, dialer: ours}),
			"our HTTP/2":   New(Config{Policy: exact, dialer: http2, HTTP2: true}),
			"the caller's": New(Config{Policy: exact, Base: &http.Transport{Proxy: proxy}}),
		} {
			for _, call := range []*Call{get("https://api.test/"), post("https://api.test/")} {
				if whose == "the caller's" && name == "can't be chosen" && call.Method == http.MethodGet {
					continue // only for a write, the caller's function is asked again
				}
				answer, err := tr.Do(t.Context(), call)
				if err == nil || err.Error() != "the proxy could not be reached or refused" {
					t.Errorf("%s, %s, %s: %v", name, whose, call.Method, err)
				}
				if answer.MaybeSent || answer.Attempts != 3 {
					t.Errorf("%s, %s, %s: %+v; want 3 attempts, not sent", name, whose, call.Method, answer)
				}
			}
		}
	}
}

// Once a connection is sealed, net/http's goroutine can't write the request later.
func TestSealedConnectionWritesNothing(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	defer func() { _, _ = here.Close(), there.Close() }()
	c := &watchedConn{Conn: here}
	lease := c.give(time.Time{})
	if !c.seal(lease) {
		t.Fatal("nothing was written")
	}
	if _, err := c.Write([]byte("GET /")); !errors.Is(err, errSealed) {
		t.Errorf("Write after the attempt: %v", err)
	}
	other := c.give(time.Time{})
	if c.seal(lease) {
		t.Error("an earlier lease reports on the next request")
	}
	_ = other
}

// A process that was frozen wakes up while it sends: a request whose deadline has passed isn't
// begun, and a request that was begun is completed.
func TestNothingLeavesAfterTheDeadline(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	defer func() { _, _ = here.Close(), there.Close() }()
	go func() { _, _ = io.Copy(io.Discard, there) }()
	c := &watchedConn{Conn: here}
	lease := c.give(time.Now().Add(-time.Millisecond))
	if _, err := c.Write([]byte("GET /")); !errors.Is(err, errSealed) || !c.seal(lease) {
		t.Errorf("Write after the deadline: %v", err)
	}
	c = &watchedConn{Conn: here}
	c.give(time.Now().Add(time.Hour))
	_, first := c.Write([]byte("GET /"))
	c.notAfter = time.Now().Add(-time.Millisecond)
	_, second := c.Write([]byte("GET /"))
	if first != nil || second != nil {
		t.Errorf("%v, %v", first, second)
	}
}

// A request may have left as soon as one byte has been written. If the connection took none,
// it has not left.
func TestWatchedConnKnowsWhatWasWritten(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	c := &watchedConn{Conn: here}
	lease := c.give(time.Time{})
	go func() { _, _ = io.ReadFull(there, make([]byte, 1)); _ = there.Close() }()
	if n, _ := c.Write([]byte("GET /")); n != 1 || c.seal(lease) {
		t.Errorf("%d bytes were written, but the connection reports none", n)
	}
	lease = c.give(time.Time{})
	if _, err := c.Write([]byte("GET /")); err == nil || !c.seal(lease) {
		t.Errorf("%v: nothing was written, but the connection reports something", err)
	}
}

// net/http may have picked the second connection before it sees that the attempt is over. Over
// HTTP/1.1 it then writes at once, so the connection is closed.
func TestGuardEndsTheSecondConnection(t *testing.T) {
	t.Parallel()
	first, _ := net.Pipe()
	second, _ := net.Pipe()
	a := &requestTrace{Context: t.Context()}
	ctx, cancel := a.guard(&url.URL{Scheme: "https", Host: "api.test"}, new(http.Transport))
	defer cancel()
	trace := httptrace.ContextClientTrace(ctx)
	trace.GetConn("api.test:443")
	trace.GetConn("api.test:443") // HTTP/2 may ask once more before anything is sent
	trace.GotConn(httptrace.GotConnInfo{Conn: first})
	if ctx.Err() != nil || a.secondConn.Load() {
		t.Error("the first connection ends the attempt")
	}
	trace.GetConn("api.test:443")
	if ctx.Err() == nil || !a.secondConn.Load() {
		t.Error("asking for a second connection doesn't end the attempt")
	}
	trace.GotConn(httptrace.GotConnInfo{Conn: second})
	_ = second.SetDeadline(time.Unix(1, 0)) // because nobody reads from it
	if _, err := second.Write([]byte("GET /")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the second connection can be written to: %v", err)
	}
	if a.proxied {
		t.Error("the API is taken for a proxy")
	}
}

// Bytes that came before a request are not taken for its response.
func TestResponseConnRefusesAfterSurplus(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	c := newResponseConn(here)
	go func() {
		_, _ = io.ReadFull(there, make([]byte, len("GET /")))
		_, _ = io.WriteString(there, wholeResponses[0]+wholeResponses[1])
		_, _ = io.Copy(io.Discard, there)
	}()
	if _, err := c.Write([]byte("GET /")); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadFull(c, make([]byte, len(wholeResponses[0])))
	if _, err := c.Write([]byte("GET /")); !errors.Is(err, errSurplus) {
		t.Errorf("the next request is sent: %v", err)
	}
	_ = here.Close()
}
