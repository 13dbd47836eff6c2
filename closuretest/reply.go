package closuretest

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/closurehealth/closure-go/internal/wire"
)

const malformedPage = "<!DOCTYPE html>\n<html><head><title>Service</title></head><body>Please try again.</body></html>\n"

// write sends an answer, as the fault changes it.
func (x *exchange) write(a answer) {
	body, err := wire.Marshal(a.body)
	if err != nil {
		a = misuse("closuretest: a record that was added can't be written as JSON: " + err.Error())
		body, _ = wire.Marshal(a.body) // plain texts
	}
	header := x.w.Header()
	maps.Copy(header, a.header)
	header["Content-Type"] = []string{"application/json; charset=utf-8"}
	header["X-Request-Id"] = []string{x.id}
	header["Date"] = []string{x.server.date()}
	x.log(a.status)
	x.send(a.status, body)
}

func (x *exchange) send(status int, body []byte) {
	switch x.plan.kind() {
	case kindTruncate:
		x.sendBody(status, len(body), body[:len(body)/2])
	case kindMalformed:
		x.w.Header()["Content-Type"] = []string{"text/html; charset=utf-8"}
		x.sendBody(http.StatusOK, len(malformedPage), []byte(malformedPage))
	case kindHuge:
		x.sendHuge(status, body, x.plan.fault.size)
	default:
		x.sendBody(status, len(body), body)
	}
}

// sendBody sends a body with the given Content-Length. If the body is shorter, net/http closes
// the connection.
func (x *exchange) sendBody(status, length int, body []byte) {
	if status == http.StatusNoContent || status == http.StatusNotModified {
		x.w.WriteHeader(status) // has no body
		return
	}
	x.w.Header()["Content-Length"] = []string{strconv.Itoa(length)}
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body) // the client may be gone
}

// date is the Date header by the server's clock, so that the same seed gives the same bytes.
func (s *Server) date() string {
	return s.timeline.at(s.timeline.elapsed()).Format(http.TimeFormat)
}

// lose ends the exchange without an answer.
func (x *exchange) lose() {
	x.log(0)
	if inProcess, ok := x.w.(interface{ lose() }); ok {
		inProcess.lose()
		return
	}
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2: net/http resets the stream
	}
	reset(conn)
}

// reset closes a connection with a TCP reset.
func reset(conn net.Conn) {
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn()
	}
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0) // if that fails, the connection ends without a reset
	}
	_ = conn.Close() // it is being discarded
}

// sendHuge sends the body, followed by blanks up to the given size.
func (x *exchange) sendHuge(status int, body []byte, size int64) {
	blanks := max(size-int64(len(body)), 0)
	header := x.w.Header()
	var content io.Reader
	if acceptsGzip(x.r) {
		header["Content-Encoding"] = []string{"gzip"}
		content = bomb(body, blanks)
	} else {
		header["Content-Length"] = []string{strconv.FormatInt(int64(len(body))+blanks, 10)}
		content = io.MultiReader(bytes.NewReader(body), io.LimitReader(blankReader{}, blanks))
	}
	if inProcess, ok := x.w.(interface{ stream(int, io.Reader) }); ok {
		inProcess.stream(status, content)
		return
	}
	x.w.WriteHeader(status)
	_, _ = io.Copy(x.w, content) // the client will probably give up
}

func acceptsGzip(r *http.Request) bool {
	return strings.Contains(strings.ToLower(r.Header.Get("Accept-Encoding")), "gzip")
}

// bombBlock is how many blanks one piece of a bomb unpacks to.
const bombBlock = 64 << 10

// bomb is a gzip stream of the body and the given number of blanks. Gzip streams can follow
// each other: every block repeats the same bytes, so that a bomb of any size is made at
// once.
func bomb(body []byte, blanks int64) io.Reader {
	block := pack(bytes.Repeat([]byte{' '}, bombBlock))
	rest := pack(bytes.Repeat([]byte{' '}, int(blanks%bombBlock)))
	return io.MultiReader(
		bytes.NewReader(pack(body)),
		&repeatReader{block: block, left: blanks / bombBlock},
		bytes.NewReader(rest),
	)
}

func pack(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data) // a buffer never fails
	_ = w.Close()
	return b.Bytes()
}

// A repeatReader reads the same block again and again.
type repeatReader struct {
	block []byte
	at    int
	left  int64 // blocks, the current one included
}

func (r *repeatReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.block[r.at:])
	if r.at += n; r.at == len(r.block) {
		r.at, r.left = 0, r.left-1
	}
	return n, nil
}

// A blankReader reads blanks without end.
type blankReader struct{}

func (blankReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
