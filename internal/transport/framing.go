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

// An answerReader reads a connection of HTTP/1.1 and hands on one answer for each
// request, and no byte behind it.
//
// net/http prints what follows an answer to the standard logger, and that is a
// patient's data as often as not. Worse, it may take it for the answer to the
// next request. The framing here decides nothing else: where it and net/http
// disagree about the end of an answer, the attempt fails or net/http judges.
type answerReader struct {
	source *bufio.Reader
	step   step
	left   int64  // of the body or the chunk
	line   []byte // the rest of a line that has been read and not yet handed on
	// partial is the line as far as it has been read. net/http bounds its length.
	partial []byte
	head    head
	strict  bool // the line before ended in CR LF

	expecting atomic.Bool // a request has been sent and not yet answered
	surplus   atomic.Bool // more came than was asked for: the connection is of no use
}

// A step is what an answerReader expects next.
type step int

const (
	betweenAnswers step = iota
	inHead
	inBody
	inChunkSize
	inChunk
	afterChunk
	inTrailer
	untilClosed // the end of the connection is the end of the answer
)

func newAnswerReader(r io.Reader) *answerReader {
	return &answerReader{source: bufio.NewReader(r)}
}

// write notes what is about to be sent: the beginning of a request, or more of one
// that may have been answered already. It reports whether an answer can still be told
// from what came before.
func (a *answerReader) write(p []byte) bool {
	if a.surplus.Load() {
		return false
	}
	if beginsRequest(p) {
		a.expecting.Store(true)
	}
	return true
}

// beginsRequest goes by the method: net/http writes a request from its beginning.
func beginsRequest(p []byte) bool {
	for _, method := range []string{"GET ", "POST ", "PATCH ", "PUT ", "DELETE "} {
		if len(p) >= len(method) && string(p[:len(method)]) == method {
			return true
		}
	}
	return false
}

// Read hands on as much as is there, up to the end of the answer.
func (a *answerReader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if n > 0 && (a.step == betweenAnswers || len(a.line) == 0 && a.source.Buffered() == 0) {
			return n, nil
		}
		read, err := a.next(p[n:])
		n += read
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (a *answerReader) next(p []byte) (int, error) {
	if len(a.line) > 0 {
		n := copy(p, a.line)
		a.line = a.line[n:]
		a.settle()
		return n, nil
	}
	switch a.step {
	case betweenAnswers:
		return 0, a.begin()
	case inBody, inChunk:
		return a.readBody(p)
	case untilClosed:
		return a.source.Read(p)
	default:
		return 0, a.readLine()
	}
}

// begin waits for the first byte of an answer.
func (a *answerReader) begin() error {
	if _, err := a.source.Peek(1); err != nil {
		return err
	}
	if !a.expecting.Load() {
		a.surplus.Store(true)
		return io.EOF
	}
	a.step, a.head = inHead, head{field: a.head.field[:0]}
	return nil
}

func (a *answerReader) readBody(p []byte) (int, error) {
	n, err := a.source.Read(p[:min(int64(len(p)), a.left)])
	a.left -= int64(n)
	if a.left > 0 {
		return n, err
	}
	if a.step == inChunk {
		a.step = afterChunk
		return n, err
	}
	a.end()
	return n, err
}

// readLine takes the next line, or as much of it as the buffer holds, and moves
// on. The last line of an answer ends it only when it has been handed on.
func (a *answerReader) readLine() error {
	line, err := a.source.ReadSlice('\n')
	if len(line) == 0 {
		return err
	}
	a.line = line
	whole := line[len(line)-1] == '\n'
	switch {
	case whole && len(a.partial) == 0:
		a.advance(line)
	case whole:
		a.advance(append(a.partial, line...))
		a.partial = nil
	default:
		a.partial = append(a.partial, line...)
	}
	return nil
}

func withoutEnd(line []byte) []byte {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	return line
}

func (a *answerReader) advance(whole []byte) {
	line := withoutEnd(whole)
	switch a.step {
	case inHead:
		if len(line) > 0 || !a.head.begun {
			a.head.add(line)
			return
		}
		a.step, a.left = a.head.next()
	case inChunkSize:
		a.left = chunkSize(line)
		switch {
		case a.left < 0:
			a.step = untilClosed
		case a.left == 0:
			a.step, a.strict = inTrailer, true
		default:
			a.step = inChunk
		}
	case afterChunk:
		a.step = inChunkSize
	case inTrailer:
		strict := bytes.HasSuffix(whole, []byte("\r\n"))
		if a.strict && len(whole) == len("\r\n") && strict { // as net/http looks for it
			a.step, a.left = inBody, 0
		}
		a.strict = strict
	}
}

// settle ends an answer whose last line has been handed on.
func (a *answerReader) settle() {
	if len(a.line) == 0 && a.step == inBody && a.left == 0 {
		a.end()
	}
}

func (a *answerReader) end() {
	a.step = betweenAnswers
	if a.source.Buffered() > 0 {
		a.surplus.Store(true)
	}
	a.expecting.Store(false)
}

// A head is what the head of an answer says of its end.
type head struct {
	begun     bool   // the status line has been read
	field     []byte // the last field, if it says where the end is: the next line may go on with it
	status    int
	old       bool // before HTTP/1.1, which brought chunks
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
	switch goesOn := line[0] == ' ' || line[0] == '\t'; {
	case goesOn && len(h.field) > 0:
		h.field = append(append(h.field, ' '), bytes.TrimSpace(line)...)
	case goesOn:
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

// saysEnd reports whether the field says where the answer ends.
func saysEnd(line []byte) bool {
	i := bytes.IndexByte(line, ':')
	return i == len(contentLength) && equalFold(line[:i], contentLength) ||
		i == len(transferEncoding) && equalFold(line[:i], transferEncoding)
}

func equalFold(b []byte, s string) bool { return len(b) == len(s) && strings.EqualFold(string(b), s) }

// next is what follows the head.
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

// chunkSize is negative for a line that holds none.
func chunkSize(line []byte) int64 {
	digits, _, _ := bytes.Cut(line, []byte(";"))
	size, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 63)
	if err != nil {
		return -1
	}
	return int64(size)
}
