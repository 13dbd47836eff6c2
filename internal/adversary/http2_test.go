package adversary

import (
	"encoding/binary"
	"io"
	"strconv"
	"sync"
)

// The frames of HTTP/2 (RFC 9113) that are read or written.
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

// An http2Line is one connection of HTTP/2.
type http2Line struct {
	world *world
	line  *line
	hpack hpackReader
	group sync.WaitGroup

	mu        sync.Mutex
	committed uint32 // the highest stream that was, or may be, carried out
	limit     uint32 // streams above are promised not to be
}

func newHTTP2(w *world, l *line) *http2Line {
	return &http2Line{world: w, line: l, limit: 1<<31 - 1}
}

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	head := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	return append(binary.BigEndian.AppendUint32(head, stream), payload...)
}

func (c *http2Line) write(bytes []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line.write(bytes)
}

// serve reads frames until the connection ends.
func (c *http2Line) serve() {
	defer c.group.Wait()
	defer c.line.fin()
	if _, err := io.CopyN(io.Discard, c.line.conn, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	c.write(frame(frameSettings, 0, 0, nil))
	open := map[uint32]*http2Request{}
	for header := make([]byte, 9); ; {
		if _, err := io.ReadFull(c.line.conn, header); err != nil {
			return
		}
		stream := binary.BigEndian.Uint32(header[5:])
		length := int(binary.BigEndian.Uint32(header) >> 8)
		if !c.read(header[3], header[4], stream, length, open) {
			return
		}
	}
}

// read handles one frame; false: the connection is over.
func (c *http2Line) read(kind, flags byte, stream uint32, length int, open map[uint32]*http2Request) bool {
	var early *fault
	if kind == frameHeaders {
		early = c.world.begin()
		x := &exchange{world: c.world, line: c.line}
		x.out = &http2Answer{c, stream}
		open[stream] = &http2Request{x: x, early: early}
		if early != nil && early.place == inHead {
			return c.strikeInHead(x, early, flags, length) && forget(open, stream)
		}
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(c.line.conn, payload); err != nil {
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

// strikeInHead reads a part of the headers and strikes. If the connection stays, the
// rest is read, because the headers to come refer to it; false: it is over.
func (c *http2Line) strikeInHead(x *exchange, early *fault, flags byte, length int) bool {
	payload := make([]byte, length)
	n := early.dice.IntN(length)
	_, _ = io.ReadFull(c.line.conn, payload[:n])
	x.strike(early)
	if !early.stays {
		return false
	}
	if _, err := io.ReadFull(c.line.conn, payload[n:]); err != nil {
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
func (c *http2Line) part(
	r *http2Request, kind, flags byte, stream uint32, payload []byte, open map[uint32]*http2Request,
) bool {
	place := inBody
	var text string
	if kind == frameHeaders {
		var err error
		if r.op, text, err = c.request(flags, payload); err != nil {
			// Seen once in some thousand connections, and not understood: the server
			// gives up the connection, and the audit goes on.
			return false
		}
		place = afterHead
	} else {
		r.body = append(r.body, payload...)
		text = string(r.body)
	}
	if r.x.q.wish == nil && r.x.identify(r.op, text) && !r.x.arrived() {
		return false
	}
	if r.early != nil && r.early.place == place && !r.x.strike(r.early) {
		delete(open, stream)
		return r.early.stays
	}
	if flags&flagEndStream == 0 {
		return true
	}
	delete(open, stream)
	if kind == frameHeaders && r.early != nil && r.early.place == inBody && !r.x.strike(r.early) { // it has none
		return r.early.stays
	}
	c.group.Go(r.x.run)
	return true
}

// request reads method and path.
func (c *http2Line) request(flags byte, payload []byte) (op, path string, err error) {
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

// credit gives back the connection's window.
func (c *http2Line) credit(n int) {
	if n > 0 {
		c.write(frame(frameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, uint32(n))))
	}
}

// http2Answer writes the answer on one stream.
type http2Answer struct {
	conn   *http2Line
	stream uint32
}

func (a *http2Answer) write(bytes []byte) { a.conn.write(bytes) }

// mayCommit is the promise of a GOAWAY: what is above is not carried out.
func (a *http2Answer) mayCommit() bool {
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	if a.stream > a.conn.limit {
		return false
	}
	a.conn.committed = max(a.conn.committed, a.stream)
	return true
}

// block is the header block of an answer.
func block(r reply) []byte {
	b := appendText([]byte{8}, strconv.Itoa(r.status)) // 8: :status
	b = appendField(b, "content-type", "application/json")
	for _, f := range r.header {
		b = appendField(b, f.name, f.value)
	}
	return b
}

func (a *http2Answer) head(r reply) []byte {
	return frame(frameHeaders, flagEndHeaders, a.stream, block(r))
}

func (a *http2Answer) body(r reply) []byte {
	return frame(frameData, flagEndStream, a.stream, []byte(r.body))
}

func (a *http2Answer) piece(b []byte) []byte { return frame(frameData, 0, a.stream, b) }

func (a *http2Answer) half(r reply) []byte {
	return append(a.head(r), frame(frameData, 0, a.stream, []byte(r.body[:len(r.body)/2]))...)
}

func (a *http2Answer) interim(code int) []byte {
	return frame(frameHeaders, flagEndHeaders, a.stream, appendText([]byte{8}, strconv.Itoa(code)))
}

func (a *http2Answer) reset(code uint32) {
	a.write(frame(frameRST, 0, a.stream, binary.BigEndian.AppendUint32(nil, code)))
}

// goAway says that streams above last were not carried out. Unless it is to lie,
// that becomes true: last is raised to what was, and what is above won't be.
func (a *http2Answer) goAway(last, code uint32, lies bool) {
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	if !lies {
		last = max(last, a.conn.committed)
		a.conn.limit = min(a.conn.limit, last)
	}
	payload := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), code)
	a.conn.line.write(frame(frameGoAway, 0, 0, payload))
}
