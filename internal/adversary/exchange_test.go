package adversary

import (
	"io"
	"math/rand/v2"
	"time"
)

// An exchange is one request and its response, or what happens instead of one.
type exchange struct {
	world *world
	wire  *wireConn
	out   responseWriter
	q     request
	fault *fault // nil: none
	dice  *rand.Rand

	answered bool // before the whole request was read
	commits  bool // the request is carried out although it was answered early
}

// A responseWriter writes a response in one of the protocols.
type responseWriter interface {
	head(r reply) []byte     // the headers
	body(r reply) []byte     // the body, and the end of the response
	half(r reply) []byte     // the headers and half of the body
	interim(code int) []byte // a 1xx
	piece(b []byte) []byte   // a part of the body
	write(bytes []byte)
	mayCommit() bool // false: a GOAWAY promised that the request would not be carried out
}

// maxRequests is how often a call may send one operation before its connections are cut, so
// that a client that sends without end doesn't keep the test busy.
const maxRequests = 50

// identify finds out whose request this is, as soon as its bytes show that.
func (x *exchange) identify(op, text string) (known bool) {
	if x.q.call != nil {
		return true
	}
	number, found := tagged(text)
	if !found || number >= len(x.world.calls) {
		return false
	}
	x.q = request{op: op, call: x.world.calls[number]}
	return true
}

// arrived counts the request and draws its fault. It reports false if there were too many
// requests.
func (x *exchange) arrived() (welcome bool) {
	times := x.q.call.arrive(x.q.op)
	if x.q.op == "" { // it was cut before its operation could be seen
		return true
	}
	if times > maxRequests {
		x.wire.rst()
		return false
	}
	x.dice = newDice(x.world.seed, uint64(x.q.call.number), hash(x.q.op), uint64(times))
	x.fault = x.world.draw(x.dice, x.q.op)
	if x.fault != nil {
		x.q.call.note("%s #%d: %s", x.q.op, times, x.fault.name)
	}
	return true
}

// run answers a request after all of it was read.
func (x *exchange) run() {
	switch {
	case x.answered && x.commits:
		x.carryOut()
	case x.answered:
	case x.q.call == nil:
		x.answer(reply{status: 404, body: "{}"})
	case x.fault == nil:
		x.answer(x.carryOut())
	default:
		x.fault.do(x)
	}
}

// carryOut does what was asked for, and returns the reply. It does nothing if a GOAWAY
// promised the client that the request would not be carried out.
func (x *exchange) carryOut() reply {
	if !x.out.mayCommit() {
		return problem(503, x.q.call)
	}
	return x.world.ledger.carryOut(x.q)
}

// carryOutLost is carryOut for a request whose client isn't told: a late server may do it
// later.
func (x *exchange) carryOutLost() {
	if x.world.late && writes(x.q.op) && x.dice.IntN(2) == 0 {
		if !x.out.mayCommit() {
			return
		}
		x.q.call.note("  carried out late")
		x.world.later(time.Duration(50+x.dice.IntN(1200))*time.Millisecond, func() { x.world.ledger.carryOut(x.q) })
		return
	}
	x.carryOut()
}

func (x *exchange) answer(r reply) {
	r = x.wire.desynced(r)
	x.out.write(append(x.out.head(r), x.out.body(r)...))
}

// wait stays silent until the client has closed the connection.
func (x *exchange) wait() {
	if _, http2 := x.out.(*http2Response); !http2 {
		_, _ = io.Copy(io.Discard, x.wire.conn)
		x.wire.fin()
	}
}
