package adversary

import (
	"io"
	"math/rand/v2"
	"time"
)

// An exchange is one request and what is done to it.
type exchange struct {
	world *world
	line  *line
	out   answerer
	q     request
	fault *fault // nil: it is spared
	dice  *rand.Rand

	answered bool // before it was read whole
	commits  bool // although it was answered
}

// An answerer is how a protocol writes an answer.
type answerer interface {
	head(r reply) []byte     // the headers
	body(r reply) []byte     // the body, and the end of the answer
	half(r reply) []byte     // the headers and half of the body
	interim(code int) []byte // a 1xx
	piece(b []byte) []byte   // some of the body
	write(bytes []byte)
	mayCommit() bool // false: it was promised that this would not be carried out
}

// maxRequests is how often one wish may send one operation before its
// connections are cut: whoever sends again without end must not keep the test busy.
const maxRequests = 50

// identify says whose request this is, as soon as that can be seen, and counts it.
func (x *exchange) identify(op, text string) (known bool) {
	if x.q.wish != nil {
		return true
	}
	number, found := tagged(text)
	if !found || number >= len(x.world.wishes) {
		return false
	}
	x.q = request{op: op, wish: x.world.wishes[number]}
	return true
}

// arrived counts the request and draws its fate; false: there were too many.
func (x *exchange) arrived() (welcome bool) {
	times := x.q.wish.arrive(x.q.op)
	if x.q.op == "" { // cut before it could be told what it was
		return true
	}
	if times > maxRequests {
		x.line.rst()
		return false
	}
	x.dice = newDice(x.world.seed, uint64(x.q.wish.number), hash(x.q.op), uint64(times))
	x.fault = x.world.draw(x.dice, x.q.op)
	if x.fault != nil {
		x.q.wish.note("%s #%d: %s", x.q.op, times, x.fault.name)
	}
	return true
}

// run answers a request that was read whole.
func (x *exchange) run() {
	switch {
	case x.answered && x.commits:
		x.carryOut()
	case x.answered:
	case x.q.wish == nil:
		x.answer(reply{status: 404, body: "{}"})
	case x.fault == nil:
		x.answer(x.carryOut())
	default:
		x.fault.do(x)
	}
}

// carryOut does what was asked for, and hands over what to answer. If the other
// end of a GOAWAY was promised that it would not be done, it isn't.
func (x *exchange) carryOut() reply {
	if !x.out.mayCommit() {
		return problem(503, x.q.wish)
	}
	return x.world.ledger.carryOut(x.q)
}

// carryOutLost is carryOut where the answer tells nothing of it: a server that is
// late may do it later.
func (x *exchange) carryOutLost() {
	if x.world.late && writes(x.q.op) && x.dice.IntN(2) == 0 {
		if !x.out.mayCommit() {
			return
		}
		x.q.wish.note("  carried out late")
		x.world.later(time.Duration(50+x.dice.IntN(1200))*time.Millisecond, func() { x.world.ledger.carryOut(x.q) })
		return
	}
	x.carryOut()
}

func (x *exchange) answer(r reply) {
	r = x.line.slipped(r)
	x.out.write(append(x.out.head(r), x.out.body(r)...))
}

// wait is for silence: it ends when the other end has gone.
func (x *exchange) wait() {
	if _, http2 := x.out.(*http2Answer); !http2 {
		_, _ = io.Copy(io.Discard, x.line.conn)
		x.line.fin()
	}
}
