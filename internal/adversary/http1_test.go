package adversary

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// serveHTTP1 reads requests from a connection.
func serveHTTP1(w *world, l *wireConn) {
	for r := bufio.NewReader(l.conn); ; {
		if _, err := r.Peek(1); err != nil {
			return
		}
		x := &exchange{world: w, wire: l, out: &http1Response{l}}
		if !readHTTP1(x, r, w.begin()) {
			return
		}
		x.run()
	}
}

// readHTTP1 reads one request. early may happen before all of it was read. It reports false if
// the connection is over.
func readHTTP1(x *exchange, r *bufio.Reader, early *fault) (whole bool) {
	limit := 1 << 20
	if early != nil && early.place == inHead {
		limit = 1 + early.dice.IntN(250)
	}
	head, err := readHead(r, limit)
	method, path, _ := strings.Cut(string(head), " ")
	path, _, _ = strings.Cut(path, " ")
	op := operation(method, path)
	if !bytes.Contains(head, []byte("\r\n")) {
		op = "" // the rest of the path is missing
	}
	if x.identify(op, path) && !x.arrived() || err == io.EOF {
		return false
	}
	if early != nil && early.place <= afterHead && !x.inject(early) {
		return false
	}
	known := x.q.call != nil
	body := make([]byte, contentLength(head))
	part := body
	if early != nil && early.place == inBody && len(body) > 0 {
		part = body[:1+early.dice.IntN(len(body))]
	}
	n, err := io.ReadFull(r, part)
	if !known && x.identify(op, string(body[:n])) && !x.arrived() || err != nil {
		return false
	}
	return early == nil || early.place != inBody || x.inject(early)
}

// inject does what an early fault does. It reports false if the connection is over.
func (x *exchange) inject(early *fault) (alive bool) {
	x.dice = early.dice
	if x.q.call != nil {
		x.q.call.note("%s: %s", x.q.op, early.name)
	}
	early.do(x)
	return x.answered
}

var errCut = fmt.Errorf("adversary: cut")

// readHead reads up to the empty line, or limit bytes.
func readHead(r *bufio.Reader, limit int) (head []byte, err error) {
	for len(head) < limit {
		b, err := r.ReadByte()
		if err != nil {
			return head, io.EOF
		}
		head = append(head, b)
		if bytes.HasSuffix(head, []byte("\r\n\r\n")) {
			return head, nil
		}
	}
	return head, errCut
}

func contentLength(head []byte) int {
	_, after, found := strings.Cut(strings.ToLower(string(head)), "\r\ncontent-length:")
	if !found {
		return 0
	}
	text, _, _ := strings.Cut(after, "\r\n")
	n, _ := strconv.Atoi(strings.TrimSpace(text)) // net/http's client sends valid numbers
	return n
}

// http1Response writes HTTP/1.1 responses.
type http1Response struct{ wire *wireConn }

func (a *http1Response) write(bytes []byte) { a.wire.write(bytes) }

func (a *http1Response) mayCommit() bool { return true }

func (a *http1Response) head(r reply) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n", r.status, http.StatusText(r.status))
	for _, f := range r.header {
		fmt.Fprintf(&b, "%s: %s\r\n", f.name, f.value)
	}
	if r.status != 204 && r.status != 304 {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

func (a *http1Response) body(r reply) []byte { return []byte(r.body) }

func (a *http1Response) piece(b []byte) []byte { return b }

func (a *http1Response) half(r reply) []byte {
	return append(a.head(r), r.body[:len(r.body)/2]...)
}

func (a *http1Response) interim(code int) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nLink: </x>\r\n\r\n", code, http.StatusText(code))
}
