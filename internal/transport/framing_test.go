package transport

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// wholeResponses are HTTP/1.1 responses that say where they end.
var wholeResponses = []string{
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
	"HTTP/1.1 200 OK\r\ncontent-length:2 \r\n\r\n[]",
	"HTTP/1.1 200 OK\nContent-Length: 2\n\n[]",
	"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 204\r\n\r\n",
	"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
	"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1;x=y\r\n[\r\n1\r\n]\r\n0\r\nExpires: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\nA\r\n[         \r\n01\r\n]\r\n0\r\n\r\n",
	"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n[]",
	"HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 9000) + "\r\nContent-Length: 2\r\n\r\n[]",
	"HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\n[]",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\tchunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
	"HTTP/1.1 200 " + strings.Repeat("x", 9000) + "\r\nContent-Length: 2\r\n\r\n[]",
	"HTTP/1.1 200 OK\r\nContent-Length: " + strings.Repeat(" ", 9000) + "2\r\n\r\n[]",
	"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("x", 9000),
}

// The reader returns the whole response and nothing that follows it, however the bytes arrive
// and however they are read.
func TestResponseReaderEndsWithTheAnswer(t *testing.T) {
	t.Parallel()
	for _, answer := range wholeResponses {
		for _, surplus := range []string{"", "\n", `{"last_name":"Doe"}`, wholeResponses[0], answer} {
			for _, arrives := range []func(io.Reader) io.Reader{all, iotest.OneByteReader, iotest.HalfReader} {
				for _, size := range []int{1, 7, 4096} {
					a := newResponseReader(arrives(strings.NewReader(answer + surplus)))
					if !a.write([]byte("GET /")) {
						t.Fatal("the first request is refused")
					}
					got := readBy(a, size)
					if got != answer {
						t.Fatalf("%.60q and %.30q, by %d: returned %.90q", answer, surplus, size, got)
					}
					if surplus != "" && a.write([]byte("GET /")) {
						t.Errorf("%.60q and %.30q: the next request is sent", answer, surplus)
					}
				}
			}
		}
	}
}

func all(r io.Reader) io.Reader { return r }

func readBy(r io.Reader, size int) string {
	var got []byte
	p := make([]byte, size)
	for {
		n, err := r.Read(p)
		got = append(got, p[:n]...)
		if err != nil {
			return string(got)
		}
	}
}

// Responses are read one after the other, each to its own request.
func TestResponseReaderGoesOn(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	a := newResponseReader(r)
	for _, answer := range wholeResponses {
		if !a.write([]byte("GET /")) {
			t.Fatalf("refused before %.60q", answer)
		}
		go func() { _, _ = io.WriteString(w, answer) }()
		got := make([]byte, len(answer))
		if _, err := io.ReadFull(a, got); err != nil || string(got) != answer {
			t.Fatalf("got %.60q, %v; want %.60q", got, err, answer)
		}
	}
}

// A response that ends with the connection is returned to its end.
func TestResponseReaderUntilClosed(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\n\r\n[]",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 1\r\n\r\nxyz",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n[]",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n[]",
		"HTTP/1.1 200 OK\r\nContent-Le",
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[]",
		"SSH-2.0-OpenSSH_9.6\r\n",
	} {
		a := newResponseReader(strings.NewReader(answer))
		a.write([]byte("GET /"))
		if got := readBy(a, 7); got != answer {
			t.Errorf("returned %q of %q", got, answer)
		}
	}
}

// If net/http can read a whole response, it reads the same one through a responseReader: the
// framing takes nothing away from it.
func FuzzResponseReader(f *testing.F) {
	for _, answer := range wholeResponses {
		f.Add([]byte(answer))
		f.Add([]byte(answer + "surplus"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want, ok := readResponse(bytes.NewReader(data))
		if !ok {
			return
		}
		a := newResponseReader(bytes.NewReader(data))
		a.write([]byte("GET /"))
		got, ok := readResponse(a)
		if !ok || got != want {
			t.Errorf("%q: body %q, %t; want %q", data, got, ok, want)
		}
	})
}

// readResponse reads one response as net/http's transport does.
func readResponse(r io.Reader) (body string, ok bool) {
	source := bufio.NewReader(r)
	for {
		resp, err := http.ReadResponse(source, nil)
		if err != nil {
			return "", false
		}
		if resp.StatusCode >= 100 && resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		data, err := io.ReadAll(resp.Body)
		return string(data), err == nil
	}
}
