package adversary

import (
	"encoding/binary"
	"io"
	"strconv"
	"sync"
)

// The HTTP/2 frames (RFC 9113) that are read or written.
const (
	frameData         = 0
	frameHeaders      = 1
	framePriority     = 2
	frameRST          = 3
	frameSettings     = 4
	framePushPromise  = 5
	framePing         = 6
	frameGoAway       = 7
	frameWindowUpdate = 8
	frameContinuation = 9

	flagEndStream  = 1
	flagAck        = 1
	flagEndHeaders = 4
	flagPadded     = 8
	flagPriority   = 32
)

// An http2Conn is one HTTP/2 connection.
type http2Conn struct {
	world *world
	wire  *wireConn
	hpack hpackReader
	group sync.WaitGroup

	mu        sync.Mutex
	committed uint32 // the highest stream that was, or may be, carried out
	limit     uint32 // a GOAWAY promised that streams above aren't carried out
}

func newHTTP2(w *world, l *wireConn) *http2Conn {
	return &http2Conn{world: w, wire: l, limit: 1<<31 - 1}
}

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	head := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	return append(binary.BigEndian.AppendUint32(head, stream), payload...)
}

func (c *http2Conn) write(bytes []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wire.write(bytes)
}

// serve reads frames until the connection ends.
func (c *http2Conn) serve() {
	defer c.group.Wait()
	defer c.wire.fin()
	if _, err := io.CopyN(io.Discard, c.wire.conn, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	c.write(frame(frameSettings, 0, 0, nil))
	open := map[uint32]*http2Request{}
	for header := make([]byte, 9); ; {
		if _, err := io.ReadFull(c.wire.conn, header); err != nil {
			return
		}
		stream := binary.BigEndian.Uint32(header[5:])
		length := int(binary.BigEndian.Uint32(header) >> 8)
		if !c.read(header[3], header[4], stream, length, open) {
			return
		}
	}
}

// read handles one frame. It reports false if the connection is over.
func (c *http2Conn) read(kind, flags byte, stream uint32, length int, open map[uint32]*http2Request) bool {
	var early *fault
	if kind == frameHeaders {
		early = c.world.begin()
		x := &exchange{world: c.world, wire: c.wire}
		x.out = &http2Response{c, stream}
		open[stream] = &http2Request{x: x, early: early}
		if early != nil && early.place == inHead {
			return c.injectInHead(x, early, flags, length) && forget(open, stream)
		}
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(c.wire.conn, payload); err != nil {
		return false
	}
	switch kind {
	case frameSettings:
		if flags&flagAck == 0 {
			c.write(frame(frameSettings, flagAck, 0, nil))
		}
	case framePing:
		if flags&flagAck == 0 {
			c.write(frame(framePing, flagAck, 0, payload))
		}
	case frameHeaders, frameData:
		if kind == frameData {
			c.credit(length)
		}
		r := open[stream]
		if r == nil {
			return true
		}
		return c.part(r, kind, flags, stream, payload, open)
	}
	return true
}

// injectInHead reads a part of the headers and does what the fault does. If the connection
// stays open, it reads the rest, because later headers refer to it. It reports false if the
// connection is over.
func (c *http2Conn) injectInHead(x *exchange, early *fault, flags byte, length int) bool {
	payload := make([]byte, length)
	n := early.dice.IntN(length)
	_, _ = io.ReadFull(c.wire.conn, payload[:n])
	x.inject(early)
	if !early.stays {
		return false
	}
	if _, err := io.ReadFull(c.wire.conn, payload[n:]); err != nil {
		return false
	}
	_, _, err := c.request(flags, payload)
	return err == nil
}

func forget(open map[uint32]*http2Request, stream uint32) bool {
	delete(open, stream)
	return true
}

// An http2Request is a request that is being read.
type http2Request struct {
	x     *exchange
	early *fault
	op    string
	body  []byte
}

// part handles a part of a request: its headers, or some of its body.
func (c *http2Conn) part(
	r *http2Request, kind, flags byte, stream uint32, payload []byte, open map[uint32]*http2Request,
) bool {
	place := inBody
	var text string
	if kind == frameHeaders {
		var err error
		if r.op, text, err = c.request(flags, payload); err != nil {
			// This happened once in some thousand connections, for a reason that isn't known:
			// the server closes the connection, and the audit goes on.
			return false
		}
		place = afterHead
	} else {
		r.body = append(r.body, payload...)
		text = string(r.body)
	}
	if r.x.q.call == nil && r.x.identify(r.op, text) && !r.x.arrived() {
		return false
	}
	if r.early != nil && r.early.place == place && !r.x.inject(r.early) {
		delete(open, stream)
		return r.early.stays
	}
	if flags&flagEndStream == 0 {
		return true
	}
	delete(open, stream)
	if kind == frameHeaders && r.early != nil && r.early.place == inBody && !r.x.inject(r.early) { // the request has no body
		return r.early.stays
	}
	c.group.Go(r.x.run)
	return true
}

// request reads method and path.
func (c *http2Conn) request(flags byte, payload []byte) (op, path string, err error) {
	if flags&flagPadded != 0 {
		payload = payload[1 : len(payload)-int(payload[0])]
	}
	if flags&flagPriority != 0 {
		payload = payload[5:]
	}
	fields, err := c.hpack.fields(payload)
	var method string
	for _, f := range fields {
		switch f.name {
		case ":method":
			method = f.value
		case ":path":
			path = f.value
		}
	}
	return operation(method, path), path, err
}

// credit enlarges the connection's window by n bytes.
func (c *http2Conn) credit(n int) {
	if n > 0 {
		c.write(frame(frameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, uint32(n))))
	}
}

// http2Response writes the response on one stream.
type http2Response struct {
	conn   *http2Conn
	stream uint32
}

func (a *http2Response) write(bytes []byte) { a.conn.write(bytes) }

// mayCommit keeps the promise of a GOAWAY: streams above the last one aren't carried out.
func (a *http2Response) mayCommit() bool {
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	if a.stream > a.conn.limit {
		return false
	}
	a.conn.committed = max(a.conn.committed, a.stream)
	return true
}

// block is the header block of a response.
func block(r reply) []byte {
	b := appendText([]byte{8}, strconv.Itoa(r.status)) // 8: :status
	b = appendField(b, "content-type", "application/json")
	for _, f := range r.header {
		b = appendField(b, f.name, f.value)
	}
	return b
}

func (a *http2Response) head(r reply) []byte {
	return frame(frameHeaders, flagEndHeaders, a.stream, block(r))
}

func (a *http2Response) body(r reply) []byte {
	return frame(frameData, flagEndStream, a.stream, []byte(r.body))
}

func (a *http2Response) piece(b []byte) []byte { return frame(frameData, 0, a.stream, b) }

func (a *http2Response) half(r reply) []byte {
	return append(a.head(r), frame(frameData, 0, a.stream, []byte(r.body[:len(r.body)/2]))...)
}

func (a *http2Response) interim(code int) []byte {
	return frame(frameHeaders, flagEndHeaders, a.stream, appendText([]byte{8}, strconv.Itoa(code)))
}

func (a *http2Response) reset(code uint32) {
	a.write(frame(frameRST, 0, a.stream, binary.BigEndian.AppendUint32(nil, code)))
}

// goAway says that streams above last were not carried out. Unless it is meant to lie, it
// makes that true: it raises last to the highest stream that was carried out, and later ones
// won't be.
func (a *http2Response) goAway(last, code uint32, lies bool) {
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	if !lies {
		last = max(last, a.conn.committed)
		a.conn.limit = min(a.conn.limit, last)
	}
	payload := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), code)
	a.conn.wire.write(frame(frameGoAway, 0, 0, payload))
}
