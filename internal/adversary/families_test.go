package adversary

import (
	"fmt"
	"strings"
	"time"
)

// A family is faults of one kind: onConnect happen before there is a request, early ones
// before the whole request was read, and late ones after that.
type family struct {
	only
	name      string
	onConnect []fault
	early     []fault
	late      []fault
}

// families returns all faults that are tried.
func families() []*family {
	whole := []place{beforeCommit}
	return []*family{
		{name: "no fault"},
		{name: "dead connections", onConnect: connectFaults,
			late: cuts([]place{afterAnswer}, append(goAways(false, lastSame), connectionEnds...))},
		{name: "cut in the request", early: cuts([]place{inHead, afterHead, inBody}, connectionEnds)},
		{name: "cut before the commit", late: cuts(whole, connectionEnds)},
		{name: "cut after the commit", late: cuts([]place{afterCommit}, connectionEnds)},
		{name: "cut in the answer", late: cuts([]place{inAnswerHead, inAnswerBody}, connectionEnds)},
		{name: "RST_STREAM", only: http2,
			early: cuts([]place{afterHead}, resets()),
			late:  append(cuts(whole, resets()), cuts([]place{afterCommit, inAnswerBody}, resets(refusedStream))...)},
		{name: "GOAWAY", only: http2,
			early: cuts([]place{afterHead}, goAways(false, lastZero, lastBelow, lastSame, lastMax)),
			late: append(append(cuts(whole, goAways(false, lastZero, lastBelow, lastSame, lastMax)),
				cuts([]place{afterCommit, inAnswerBody}, goAways(false, lastSame, lastMax))...), graceful)},
		{name: "not processed, a lie", only: http2,
			late: cuts([]place{afterCommit, inAnswerBody}, append(goAways(true, lastZero, lastBelow), reset(refusedStream)))},
		{name: "1xx", late: interims},
		{name: "early", early: premature},
		{name: "twice or slipped", late: repeats},
		{name: "lengths and chunks", only: http1, late: rawAnswers()},
		{name: "bad frames", only: http2, late: frameFaults()},
		{name: "slow", late: slow},
		{name: "2xx without a record", late: empties()},
		{name: "wrong records", late: wrongRecords()},
		{name: "3xx", late: statuses(codes(300, 308), 399)},
		{name: "4xx", late: statuses(codes(400, 431), 429, 429, 429, 451, 499)},
		{name: "5xx", late: statuses(codes(500, 511), 520, 522, 524, 599)},
	}
}

func codes(from, to int) (codes []int) {
	for code := from; code <= to; code++ {
		codes = append(codes, code)
	}
	return codes
}

// Connections that fail before there is a request.
var connectFaults = []fault{
	{name: "FIN at once", do: func(x *exchange) { x.wire.fin() }},
	{name: "RST at once", do: func(x *exchange) { x.wire.rst() }},
	{name: "silence from the start", do: func(x *exchange) { x.wait() }},
	{name: "handshake failure", only: overTLS, do: func(x *exchange) { x.wire.writeBelowTLS(handshakeNot) }},
	{name: "no TLS at all", only: overTLS, do: func(x *exchange) { x.wire.writeBelowTLS(noTLS) }},
}

// graceful is how a well-behaved server shuts down.
var graceful = after("GOAWAY(last max, code 0), then the answer", http2, func(x *exchange, r reply) {
	x.out.(*http2Response).goAway(lastMax.of(0), 0, false)
	x.answer(r)
})

func flood(code, times int) func(*exchange, reply) {
	return func(x *exchange, r reply) {
		for range times {
			x.out.write(x.out.interim(code))
			if x.wire.broken.Load() {
				return
			}
		}
		x.answer(r)
	}
}

var interims = []fault{
	after("one 100", all, flood(100, 1)),
	after("three 103", all, flood(103, 3)),
	after("40 × 100", all, flood(100, 40)),
	after("40 × 102", all, flood(102, 40)),
	after("2000 × 103", all, flood(103, 2000)),
	after("20000 × 100", all, flood(100, 20000)),
	after("101, then silence", all, func(x *exchange, _ reply) { x.out.write(x.out.interim(101)); x.wait() }),
	after("101 with an upgrade, then silence", http1, func(x *exchange, _ reply) { x.out.write(upgrade); x.wait() }),
	after("101 with an upgrade, then FIN", http1, func(x *exchange, _ reply) { x.out.write(upgrade); x.wire.fin() }),
	after("101, then the answer", all, flood(101, 1)),
	after("199, then the answer", all, flood(199, 1)),
}

var upgrade = []byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")

// A 4xx before the commit has to be true, so no 4xx here is carried out after all.
var premature = []fault{
	early("503 early, the request thrown away", 503, false),
	early("503 early, carried out all the same", 503, true),
	early("200 early, the request thrown away", 200, false),
	early("200 early, carried out all the same", 200, true),
	early("302 early, carried out all the same", 302, true),
	early("409 early, the request thrown away", 409, false),
	early("413 early, the request thrown away", 413, false),
	early("429 early, the request thrown away", 429, false),
}

var repeats = []fault{
	after("twice", all, func(x *exchange, r reply) { x.answer(r); x.answer(r) }),
	after("twice, at once", all, func(x *exchange, r reply) {
		one := append(x.out.head(r), x.out.body(r)...)
		x.out.write(append(one, one...))
	}),
	after("twice, the second time after a while", all, func(x *exchange, r reply) {
		x.answer(r)
		time.Sleep(10 * time.Millisecond)
		x.answer(r)
	}),
	after("200, then 409", all, func(x *exchange, r reply) { x.answer(r); x.answer(problem(409, x.q.call)) }),
	after("slipped by one from now on", all, func(x *exchange, r reply) { x.wire.desyncFrom(othersReply(x)); x.answer(r) }),
}

// othersReply is the reply to somebody else's same request.
func othersReply(x *exchange) reply {
	other := x.world.calls[x.q.call.number^1]
	switch x.q.op {
	case "patients.get":
		return ok(other.patientJSON())
	case "schedules.get":
		return ok(fmt.Sprintf(`{"id":%q,"scheduling_method":"direct_api","insurances":["ins_1"]}`, other.schedule))
	case "appointments.list", "availabilities.list":
		return ok("[" + othersAppointment(x) + "]")
	default:
		return ok(othersAppointment(x))
	}
}

// othersAppointment is somebody else's appointment.
func othersAppointment(x *exchange) string {
	other := x.world.calls[x.q.call.number^1]
	return (&appointment{id: other.appointment, call: other}).json()
}

func trickle(pause time.Duration, withHead bool) func(*exchange, reply) {
	return func(x *exchange, r reply) {
		body := []byte(r.body)
		if withHead {
			body = append(x.out.head(r), body...)
		} else {
			x.out.write(x.out.head(r))
		}
		for i := range body {
			x.out.write(x.out.piece(body[i : i+1]))
			if x.wire.broken.Load() {
				return
			}
			time.Sleep(pause)
		}
		x.out.write(x.out.body(reply{}))
	}
}

var slow = []fault{
	after("a byte each 2 ms", all, trickle(2*time.Millisecond, false)),
	after("a byte each 10 ms", all, trickle(10*time.Millisecond, false)),
	after("a byte each 30 ms, the head too", http1, trickle(30*time.Millisecond, true)),
	after("silence after the commit", all, func(x *exchange, _ reply) { x.wait() }),
	after("silence after half the answer", all, func(x *exchange, r reply) { x.out.write(x.out.half(r)); x.wait() }),
	{name: "silence before the commit", place: beforeCommit, stays: true, do: func(x *exchange) { x.wait() }},
	{name: "silence, and the commit", place: afterCommit, stays: true,
		do: func(x *exchange) { x.carryOutLost(); x.wait() }},
	after("the answer after 200 ms", all, func(x *exchange, r reply) { time.Sleep(200 * time.Millisecond); x.answer(r) }),
	after("the answer after 400 ms", all, func(x *exchange, r reply) { time.Sleep(400 * time.Millisecond); x.answer(r) }),
}

func empties() (faults []fault) {
	for _, status := range []int{200, 201, 202, 203, 204, 205, 206, 226, 299} {
		faults = append(faults, both(fmt.Sprintf("%d without a body", status), func(x *exchange, _ reply) {
			x.answer(reply{status: status})
		})...)
	}
	return append(faults,
		after("201 with the record", all, func(x *exchange, r reply) { r.status = max(201, r.status); x.answer(r) }),
		after("204 with a body", all, func(x *exchange, r reply) { r.status = 204; x.answer(r) }),
	)
}

// wrongRecords are successes that show something else. A list of appointments may hold too
// much, but it always holds the patient's own.
func wrongRecords() (faults []fault) {
	for _, body := range []string{
		`null`, `{}`, `""`, `0`, `true`, `[null]`, `[{}]`, `{"data":{}}`, `{"id":""}`, `{"error_message":"maintenance"}`,
		`<html>please wait</html>`, `{"id":"appt_`, ` `, `[[[[[[[[[[[[[[`,
	} {
		faults = append(faults, both("200 with "+body, func(x *exchange, _ reply) { x.answer(ok(body)) })...)
	}
	for _, status := range []string{"declined", "failed", "canceled", "cancelled", "", "DECLINED"} {
		faults = append(faults, both("a record with status "+status, func(x *exchange, r reply) {
			if x.q.op != "appointments.create" {
				x.answer(ok(`{}`))
				return
			}
			x.answer(ok((&appointment{id: "appt_D" + x.q.call.tag(), call: x.q.call}).jsonAs(status)))
		})...)
	}
	return append(faults, both("somebody else's record", func(x *exchange, _ reply) {
		if x.q.op != "appointments.list" {
			x.answer(othersReply(x))
			return
		}
		own := strings.Trim(x.world.ledger.carryOut(x.q).body, "[]")
		x.answer(ok("[" + strings.Trim(othersAppointment(x)+","+own, ",") + "]"))
	})...)
}

// statuses are responses that aren't a success, after the commit and before it.
func statuses(codes []int, more ...int) (faults []fault) {
	for _, code := range append(codes, more...) {
		faults = append(faults, both(fmt.Sprint(code), func(x *exchange, r reply) {
			x.answer(x.refusal(code, r))
		})...)
	}
	return faults
}

// refusal is the API's error, a gateway's page, an empty body, or the record itself with a
// status that contradicts it.
func (x *exchange) refusal(code int, r reply) reply {
	refusal := problem(code, x.q.call)
	switch x.dice.IntN(4) {
	case 0:
		refusal.body = ""
	case 1:
		refusal.body = "<html>no</html>"
	case 2:
		refusal.body = r.body
	}
	if code >= 300 && code < 400 {
		refusal.header = append(refusal.header, field{"location", x.world.trap.url()})
	}
	if code == 429 && x.dice.IntN(2) == 0 {
		refusal.header = append(refusal.header, field{"retry-after", "0"})
	}
	if code == 304 {
		refusal.body = ""
	}
	return refusal
}
