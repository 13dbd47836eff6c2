package closuretest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strconv"
	"syscall"
)

// Transport returns the server as an http.RoundTripper, which ignores the host of a
// request. It behaves like net/http's own, but there is no socket and no goroutine: the
// request is served in the caller's goroutine. If a fault loses the connection, the error
// is like that of a real reset. After [Server.Close], connections are refused.
func (s *Server) Transport() http.RoundTripper { return inProcess{s, closedConn()} }

type inProcess struct {
	server *Server
	conn   net.Conn // for its addresses
}

var errNoURL = errors.New("closuretest: the request has no URL")

// RoundTrip serves the request.
func (t inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }() // a RoundTripper must close it; nothing depends on the error
	}
	if req.URL == nil {
		return nil, errNoURL
	}
	ctx := req.Context()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	trace := httptrace.ContextClientTrace(ctx)
	if err := t.connect(req, trace); err != nil {
		return nil, err
	}
	w := &recorder{header: http.Header{}}
	in, unpack := incoming(req)
	body := &requestBody{source: in.Body}
	in.Body = body
	tell(trace)
	t.server.serve(w, in)
	switch {
	case w.lost && body.failure != nil:
		return nil, body.failure
	case w.lost && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case w.lost:
		return nil, connectionError("read", syscall.ECONNRESET)
	}
	if trace != nil && trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	return w.response(req, unpack), nil
}

// connect calls the hooks of httptrace as if a connection were made: a client watches them
// to know whether its request can have left.
func (t inProcess) connect(req *http.Request, trace *httptrace.ClientTrace) error {
	if trace != nil && trace.GetConn != nil {
		trace.GetConn(req.URL.Host)
	}
	if t.server.closed.Load() {
		return connectionError("dial", syscall.ECONNREFUSED)
	}
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: t.conn, Reused: true})
	}
	return nil
}

// closedConn is a connection that has addresses, and does nothing else.
func closedConn() net.Conn {
	conn, other := net.Pipe()
	_ = conn.Close() // a pipe's never fails
	_ = other.Close()
	return conn
}

// tell tells httptrace that the request was written.
func tell(trace *httptrace.ClientTrace) {
	if trace == nil {
		return
	}
	if trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
}

func connectionError(op string, errno syscall.Errno) error {
	call := op
	if op == "dial" {
		call = "connect"
	}
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(call, errno)}
}

// incoming is the request as a server sees it, with what net/http's transport adds to it.
// unpack reports that the transport asked for gzip by itself, so that it unpacks the answer.
func incoming(req *http.Request) (in *http.Request, unpack bool) {
	header := req.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "Go-http-client/1.1")
	}
	if header.Get("Accept-Encoding") == "" && header.Get("Range") == "" && req.Method != http.MethodHead {
		header.Set("Accept-Encoding", "gzip")
		unpack = true
	}
	if req.ContentLength > 0 {
		header.Set("Content-Length", strconv.FormatInt(req.ContentLength, 10))
	}
	plain := http.Request{
		Method:        req.Method,
		URL:           &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery},
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		Body:          req.Body,
		ContentLength: req.ContentLength,
		Host:          req.URL.Host,
		RemoteAddr:    "127.0.0.1:0",
		RequestURI:    req.URL.RequestURI(),
	}
	if plain.Method == "" {
		plain.Method = http.MethodGet
	}
	if plain.Body == nil {
		plain.Body = http.NoBody
	}
	in = plain.WithContext(req.Context())
	if user := req.URL.User; user != nil && header.Get("Authorization") == "" {
		password, _ := user.Password()
		in.SetBasicAuth(user.Username(), password)
	}
	return in, unpack
}

// A requestBody remembers the error with which reading it failed, because net/http's transport
// returns that error.
type requestBody struct {
	source  io.ReadCloser
	failure error
}

// Read reads from the source.
func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.failure = err
	}
	return n, err
}

// Close closes the source.
func (b *requestBody) Close() error { return b.source.Close() }

// A recorder is the http.ResponseWriter of a request without a socket.
type recorder struct {
	header  http.Header
	status  int
	content bytes.Buffer
	source  io.Reader // instead of content, if the answer is too large to hold
	lost    bool
}

// Header returns the header to be sent.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader sets the status, once.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write adds to the body.
func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.content.Write(p)
}

// lose breaks the connection.
func (w *recorder) lose() { w.lost = true }

// stream answers with what is read from a source, as the client reads the answer.
func (w *recorder) stream(status int, source io.Reader) {
	w.WriteHeader(status)
	w.source = source
}

func (w *recorder) response(req *http.Request, unpack bool) *http.Response {
	w.WriteHeader(http.StatusOK)
	resp := &http.Response{
		Status:        strconv.Itoa(w.status) + " " + http.StatusText(w.status),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.header,
		ContentLength: -1,
		Request:       req,
	}
	body := &inProcessBody{ctx: req.Context(), source: w.source, promised: -1}
	if body.source == nil {
		body.source = &w.content
		resp.ContentLength = int64(w.content.Len())
	}
	if promised, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil {
		resp.ContentLength, body.promised = promised, promised
	}
	resp.Body = body
	if unpack && w.header.Get("Content-Encoding") == "gzip" {
		w.header.Del("Content-Encoding")
		w.header.Del("Content-Length")
		resp.ContentLength, resp.Uncompressed = -1, true
		resp.Body = &gzipBody{packed: body}
	}
	return resp
}

// An inProcessBody is a response's body. Reading it fails like net/http's if it is shorter
// than promised, or if the request's context has ended.
type inProcessBody struct {
	ctx      context.Context
	source   io.Reader
	promised int64 // negative: nothing
	read     int64
	closed   bool
}

// Read reads from the source.
func (b *inProcessBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.ctx.Err() != nil {
		return 0, context.Cause(b.ctx)
	}
	n, err := b.source.Read(p)
	b.read += int64(n)
	if errors.Is(err, io.EOF) && b.read < b.promised {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close ends the reading.
func (b *inProcessBody) Close() error {
	b.closed = true
	return nil
}

// A gzipBody unpacks a body as it is read.
type gzipBody struct {
	packed *inProcessBody
	reader *gzip.Reader
}

// Read reads the unpacked body.
func (b *gzipBody) Read(p []byte) (n int, err error) {
	if b.reader == nil {
		if b.reader, err = gzip.NewReader(b.packed); err != nil {
			return 0, err
		}
	}
	if b.packed.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.reader.Read(p)
}

// Close ends the reading.
func (b *gzipBody) Close() error { return b.packed.Close() }
