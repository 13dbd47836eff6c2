package transport

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// A responseReader reads an HTTP/1.1 connection. It returns one response for each request, and
// none of the bytes after it.
//
// net/http prints bytes that follow a response to the standard logger, and they are often a
// patient's data. Worse, it may take them for the response to the next request. The framing
// decides nothing else: if it and net/http disagree about the end of a response, either the
// attempt fails or net/http decides.
type responseReader struct {
	source *bufio.Reader
	step   step
	left   int64  // how many bytes of the body or the chunk are still to come
	line   []byte // the rest of a line that has been read and not yet returned
	// partial is the beginning of a line that is longer than the buffer. net/http bounds its length.
	partial []byte
	head    head
	strict  bool // the previous line ended in CR LF

	expecting atomic.Bool // a request has been sent and not yet answered
	surplus   atomic.Bool // the server sent more than was asked for: no other request may be sent
}

// A step is what a responseReader expects next.
type step int

const (
	betweenResponses step = iota
	inHead
	inBody
	inChunkSize
	inChunk
	afterChunk
	inTrailer
	untilClosed // the response ends where the connection ends
)

func newResponseReader(source io.Reader) *responseReader {
	return &responseReader{source: bufio.NewReader(source)}
}

// write notes what is about to be sent: the beginning of a request, or more of one that may have
// been answered already. It reports false if a response could no longer be told from bytes
// that came before.
func (r *responseReader) write(p []byte) bool {
	if r.surplus.Load() {
		return false
	}
	if beginsRequest(p) {
		r.expecting.Store(true)
	}
	return true
}

// beginsRequest looks for a method, because net/http's first write begins with it.
func beginsRequest(p []byte) bool {
	for _, method := range []string{"GET ", "POST ", "PATCH ", "PUT ", "DELETE "} {
		if len(p) >= len(method) && string(p[:len(method)]) == method {
			return true
		}
	}
	return false
}

// Read returns what has arrived, up to the end of the response.
func (r *responseReader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if n > 0 && (r.step == betweenResponses || len(r.line) == 0 && r.source.Buffered() == 0) {
			return n, nil
		}
		read, err := r.next(p[n:])
		n += read
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (r *responseReader) next(p []byte) (int, error) {
	if len(r.line) > 0 {
		n := copy(p, r.line)
		r.line = r.line[n:]
		r.endAfterLastLine()
		return n, nil
	}
	switch r.step {
	case betweenResponses:
		return 0, r.begin()
	case inBody, inChunk:
		return r.readBody(p)
	case untilClosed:
		return r.source.Read(p)
	default:
		return 0, r.readLine()
	}
}

// begin waits for the first byte of a response.
func (r *responseReader) begin() error {
	if _, err := r.source.Peek(1); err != nil {
		return err
	}
	if !r.expecting.Load() {
		r.surplus.Store(true)
		return io.EOF
	}
	r.step, r.head = inHead, head{field: r.head.field[:0]}
	return nil
}

func (r *responseReader) readBody(p []byte) (int, error) {
	n, err := r.source.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if r.left > 0 {
		return n, err
	}
	if r.step == inChunk {
		r.step = afterChunk
		return n, err
	}
	r.end()
	return n, err
}

// readLine takes the next line, or as much of it as the buffer holds. If it is the last line of
// a response, the response ends when the line has been returned.
func (r *responseReader) readLine() error {
	line, err := r.source.ReadSlice('\n')
	if len(line) == 0 {
		return err
	}
	r.line = line
	whole := line[len(line)-1] == '\n'
	switch {
	case whole && len(r.partial) == 0:
		r.advance(line)
	case whole:
		r.advance(append(r.partial, line...))
		r.partial = nil
	default:
		r.partial = append(r.partial, line...)
	}
	return nil
}

func withoutEnd(line []byte) []byte {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	return line
}

func (r *responseReader) advance(whole []byte) {
	line := withoutEnd(whole)
	switch r.step {
	case inHead:
		if len(line) > 0 || !r.head.begun {
			r.head.add(line)
			return
		}
		r.step, r.left = r.head.next()
	case inChunkSize:
		r.left = chunkSize(line)
		switch {
		case r.left < 0:
			r.step = untilClosed
		case r.left == 0:
			r.step, r.strict = inTrailer, true
		default:
			r.step = inChunk
		}
	case afterChunk:
		r.step = inChunkSize
	case inTrailer:
		strict := bytes.HasSuffix(whole, []byte("\r\n"))
		if r.strict && len(whole) == len("\r\n") && strict { // net/http looks for two CR LF too
			r.step, r.left = inBody, 0
		}
		r.strict = strict
	}
}

func (r *responseReader) endAfterLastLine() {
	if len(r.line) == 0 && r.step == inBody && r.left == 0 {
		r.end()
	}
}

func (r *responseReader) end() {
	r.step = betweenResponses
	if r.source.Buffered() > 0 {
		r.surplus.Store(true)
	}
	r.expecting.Store(false)
}

// A head is what the status line and the header say about the end of the response.
type head struct {
	begun     bool   // the status line has been read
	field     []byte // the last field, if it says where the end is: the next line may continue it
	status    int
	old       bool // older than HTTP/1.1, so that it has no chunks
	chunked   bool
	length    int64
	hasLength bool
}

func (h *head) add(line []byte) {
	if !h.begun {
		h.begun = true
		protocol, rest, _ := bytes.Cut(line, []byte(" "))
		code, _, _ := bytes.Cut(bytes.TrimLeft(rest, " "), []byte(" "))
		h.status, _ = strconv.Atoi(string(code))
		major, minor, _ := http.ParseHTTPVersion(string(protocol))
		h.old = major < 1 || major == 1 && minor < 1
		return
	}
	switch continues := line[0] == ' ' || line[0] == '\t'; {
	case continues && len(h.field) > 0:
		h.field = append(append(h.field, ' '), bytes.TrimSpace(line)...)
	case continues:
		return
	case !saysEnd(line):
		h.field = h.field[:0]
		return
	default:
		h.field = append(h.field[:0], line...)
	}
	name, value, _ := bytes.Cut(h.field, []byte(":"))
	if value = bytes.TrimSpace(value); equalFold(name, contentLength) {
		length, err := strconv.ParseUint(string(value), 10, 63)
		h.length, h.hasLength = int64(length), err == nil
		return
	}
	h.chunked = equalFold(value, "chunked")
}

const (
	contentLength    = "Content-Length"
	transferEncoding = "Transfer-Encoding"
)

// saysEnd reports whether the field says where the response ends.
func saysEnd(line []byte) bool {
	i := bytes.IndexByte(line, ':')
	return i == len(contentLength) && equalFold(line[:i], contentLength) ||
		i == len(transferEncoding) && equalFold(line[:i], transferEncoding)
}

func equalFold(b []byte, s string) bool { return len(b) == len(s) && strings.EqualFold(string(b), s) }

// next is what follows the head, and how long that is.
func (h *head) next() (step, int64) {
	switch {
	case h.status == http.StatusSwitchingProtocols:
		return untilClosed, 0
	case h.status >= 100 && h.status < 200:
		*h = head{}
		return inHead, 0
	case h.status == http.StatusNoContent || h.status == http.StatusNotModified:
		return inBody, 0
	case h.chunked && !h.old:
		return inChunkSize, 0
	case h.hasLength:
		return inBody, h.length
	default:
		return untilClosed, 0
	}
}

// chunkSize is negative if the line holds no size.
func chunkSize(line []byte) int64 {
	digits, _, _ := bytes.Cut(line, []byte(";"))
	size, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 63)
	if err != nil {
		return -1
	}
	return int64(size)
}
