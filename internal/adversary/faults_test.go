package adversary

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A place is where in an exchange a fault happens.
type place int

const (
	inHead place = iota // within the request's headers
	afterHead
	inBody       // within the request's body
	beforeCommit // the whole request was read
	afterCommit
	inAnswerHead
	inAnswerBody
	afterAnswer
)

func (p place) String() string {
	return [...]string{
		"in the request's head", "after the request's head", "in the request's body", "before the commit",
		"after the commit", "in the answer's head", "in the answer's body", "after the answer",
	}[p]
}

// only says which protocols something is for.
type only int

const (
	all only = iota
	http1
	http2
	overTLS
)

func (o only) fits(p protocol) bool {
	switch o {
	case http1:
		return !p.h2
	case http2:
		return p.h2
	case overTLS:
		return p.tls
	default:
		return true
	}
}

// A fault is something that the server does instead of answering as it should.
type fault struct {
	only
	name  string
	place place
	stays bool // the connection stays open
	do    func(x *exchange)
	dice  *rand.Rand // if it was drawn as an early one
}

// An end is a way to end an exchange.
type end struct {
	only
	name   string
	stream bool // ends the stream, with whole frames before it
	stays  bool // the connection stays open
	do     func(x *exchange)
}

// The ways in which a connection ends.
var connectionEnds = []end{
	{name: "FIN", do: func(x *exchange) { x.wire.fin() }},
	{name: "RST", do: func(x *exchange) { x.wire.rst() }},
	{name: "close_notify", only: overTLS, do: func(x *exchange) { x.wire.closeNotify() }},
	{name: "fatal alert", only: overTLS, do: func(x *exchange) { x.wire.fatalAlert() }},
	{name: "bad record", only: overTLS, do: func(x *exchange) { x.wire.writeBelowTLS(badRecord) }},
	{name: "alert in the clear", only: overTLS, do: func(x *exchange) { x.wire.writeBelowTLS(clearAlert) }},
	{name: "no TLS any more", only: overTLS, do: func(x *exchange) { x.wire.writeBelowTLS(noTLS) }},
}

const refusedStream = 7

// resets are RST_STREAM with each code of RFC 9113.
func resets(without ...uint32) []end {
	var ends []end
	for code := range uint32(14) {
		if len(without) == 0 || code != without[0] {
			ends = append(ends, reset(code))
		}
	}
	// The codes that load balancers send when they give up come more often than the others.
	return append(ends, reset(1), reset(1), reset(2))
}

func reset(code uint32) end {
	return end{name: fmt.Sprintf("RST_STREAM(%d)", code), only: http2, stream: true, stays: true, do: func(x *exchange) {
		x.out.(*http2Response).reset(code)
	}}
}

// A last chooses the last stream that a GOAWAY names.
type last struct {
	name string
	of   func(stream uint32) uint32
}

var (
	lastZero  = last{"0", func(uint32) uint32 { return 0 }}
	lastBelow = last{"below", func(stream uint32) uint32 { return max(stream, 2) - 2 }}
	lastSame  = last{"the stream", func(stream uint32) uint32 { return stream }}
	lastMax   = last{"max", func(uint32) uint32 { return 1<<31 - 1 }}
)

// goAways are GOAWAY frames with the codes that servers send, with and without a FIN after
// them.
func goAways(lies bool, lasts ...last) []end {
	var ends []end
	for _, last := range lasts {
		for _, code := range []uint32{0, 1, 11} { // NO_ERROR, PROTOCOL_ERROR, ENHANCE_YOUR_CALM
			for _, closes := range []bool{false, true} {
				name := fmt.Sprintf("GOAWAY(last %s, code %d)", last.name, code)
				if closes {
					name += ", FIN"
				}
				ends = append(ends, end{name: name, only: http2, stream: true, stays: !closes, do: func(x *exchange) {
					a := x.out.(*http2Response)
					a.goAway(last.of(a.stream), code, lies)
					if closes {
						x.wire.fin()
					}
				}})
			}
		}
	}
	return ends
}

// cuts combines all ends with all places.
func cuts(places []place, ends []end) []fault {
	var faults []fault
	for _, p := range places {
		for _, e := range ends {
			if p == inAnswerHead && e.stream || p == inHead && e.stream {
				continue // it would be in the middle of a frame
			}
			f := fault{only: e.only, name: e.name + " " + p.String(), place: p, stays: e.stays}
			f.do = func(x *exchange) {
				x.upTo(p, e.stream)
				e.do(x)
			}
			faults = append(faults, f)
		}
	}
	return faults
}

// upTo does everything that comes before a place.
func (x *exchange) upTo(p place, wholeFrames bool) {
	switch p {
	case afterCommit:
		x.carryOutLost()
	case inAnswerHead:
		head := x.out.head(x.carryOut())
		x.out.write(head[:1+x.dice.IntN(len(head)-1)])
	case inAnswerBody:
		r := x.carryOut()
		if wholeFrames {
			x.out.write(x.out.half(r))
			return
		}
		body := x.out.body(r)
		x.out.write(append(x.out.head(r), body[:x.dice.IntN(max(1, len(body)))]...))
	case afterAnswer:
		x.answer(x.carryOut())
		if x.dice.IntN(2) == 0 { // otherwise the end may come together with the next request
			time.Sleep(time.Duration(x.dice.IntN(20)) * time.Millisecond)
		}
	}
}

// both returns two faults: one after the commit, and one before it.
func both(name string, do func(x *exchange, r reply)) []fault {
	return []fault{
		after(name+" after the commit", all, do),
		{name: name + " before the commit", place: beforeCommit, stays: true, do: func(x *exchange) { do(x, ok("{}")) }},
	}
}

// after returns a fault after the commit; r is the reply that would have been sent.
func after(name string, only only, do func(x *exchange, r reply)) fault {
	f := fault{name: name, only: only, place: afterCommit, stays: true}
	f.do = func(x *exchange) { do(x, x.carryOut()) }
	return f
}

// early answers before the whole request was read, and then may carry it out.
func early(name string, status int, commits bool) fault {
	return fault{name: name, place: afterHead, stays: true, do: func(x *exchange) {
		x.answered, x.commits = true, commits
		x.answer(reply{status: status, body: `{"error_type":"server_error"}`})
	}}
}
