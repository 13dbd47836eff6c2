package transport

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// Heads and bodies that look like another end of the answer than they have.
var misleadingAnswers = map[string]string{
	"an empty line in a chunk":                       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n[\r\n\r\n]\r\n1\r\n \r\n0\r\n\r\n",
	"a field of as many letters as Content-Length":   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Content-Kind: chunked\r\n\r\n[]",
	"one of as many letters as Transfer-Encoding":    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Transfer-Coding: chunked\r\n\r\n[]",
	"a field that says nothing, and goes on":         "HTTP/1.1 200 OK\r\nX-Folded: 1\r\n x: chunked\r\nContent-Length: 2\r\n\r\n[]",
	"a line without a colon":                         "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\n[]",
	"a field longer than the buffer, a field inside": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + longField + "\r\n\r\n[]",
	"a version after 1.1":                            "HTTP/2.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
}

// The buffer holds 4,096 bytes of a line, and the next piece of it begins like a field.
var longField = "X-Long: " + strings.Repeat("x", 4096-len("X-Long: ")) + "Content-Length: 9"

func TestMisleadingAnswersEndWhereTheyEnd(t *testing.T) {
	t.Parallel()
	for fact, answer := range misleadingAnswers {
		t.Run(fact, func(t *testing.T) {
			t.Parallel()
			for _, arrives := range []func(io.Reader) io.Reader{all, iotest.OneByteReader} {
				a := newResponseReader(arrives(strings.NewReader(answer + "surplus")))
				a.write([]byte("GET /"))
				if got := readBy(a, 4096); got != answer {
					t.Errorf("handed on %q of %q", got, answer)
				}
			}
		})
	}
}

// What has no end but that of the connection is handed on, even behind what looks like one.
func TestAnswersWithoutAnEndGoOnUntilClosed(t *testing.T) {
	t.Parallel()
	for fact, head := range map[string]string{
		"chunks before HTTP/1.1":     "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
		"another transfer encoding":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: deflate\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
		"a chunk without a size":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n[]\r\n0\r\n\r\n",
		"a chunk of a negative size": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n[]\r\n0\r\n\r\n",
	} {
		t.Run(fact, func(t *testing.T) {
			t.Parallel()
			answer := head + "and more"
			a := newResponseReader(strings.NewReader(answer))
			a.write([]byte("GET /"))
			if got := readBy(a, 7); got != answer {
				t.Errorf("handed on %q of %q", got, answer)
			}
		})
	}
}

// A request that goes on after its answer is no new one: what comes then belongs to nobody.
func TestTheRestOfARequestAwaitsNoAnswer(t *testing.T) {
	t.Parallel()
	const answer = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\n{}"
	for _, rest := range []string{"{", `{"last_name":"Doe"}`, "GET", "GETS /", "post /"} {
		r, w := io.Pipe()
		a := newResponseReader(r)
		a.write([]byte("POST / HTTP/1.1\r\n\r\n"))
		go func() {
			_, _ = io.WriteString(w, answer)
			_, _ = io.WriteString(w, answer)
		}()
		if _, err := io.ReadFull(a, make([]byte, len(answer))); err != nil {
			t.Fatal(err)
		}
		a.write([]byte(rest))
		if n, err := a.Read(make([]byte, 99)); n != 0 || err != io.EOF {
			t.Errorf("after %q: %d bytes of a second answer, %v", rest, n, err)
		}
		_ = r.Close()
	}
}
