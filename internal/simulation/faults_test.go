package simulation

import "time"

// A fault is what goes wrong with one request between the client and the API.
type fault int

const (
	none          fault = iota
	refusedConn         // no connection, so provably nothing was sent
	lostBefore          // connection lost, nothing done
	failedBefore        // a gateway's 5xx, nothing done
	throttled           // 429 with Retry-After, nothing done
	hungBefore          // no answer, nothing done
	refusedBefore       // a gateway's 4xx, nothing done
	otherAnswer         // 200 with somebody else's record, nothing done
	refusedAfter        // done, then a gateway's 4xx
	lostAfter           // done, then connection lost; from here on it can be done late
	halfBody            // done, then half of the answer
	failedAfter         // done, then a gateway's 5xx
	hungAfter           // done, no answer
	html                // done, then 200 with a page of HTML
)

var faultNames = [...]string{"none", "connection refused", "lost before", "5xx before", "429", "timeout before",
	"4xx before", "somebody else's answer", "4xx after", "lost after", "half a body", "5xx after", "timeout after",
	"HTML after"}

func (f fault) String() string { return faultNames[f] }

// faultRate is the share of writes, and of reads, that have a fault.
const faultRate = 0.3

// How often each fault comes, in percent of all faults.
var (
	writeFaults = []share{
		{refusedConn, 6}, {lostBefore, 10}, {failedBefore, 8}, {throttled, 5}, {hungBefore, 6}, {refusedBefore, 4},
		{otherAnswer, 4}, {refusedAfter, 8},
		{lostAfter, 15}, {halfBody, 10}, {failedAfter, 12}, {hungAfter, 9}, {html, 3},
	}
	readFaults = []share{
		{refusedConn, 8}, {lostBefore, 25}, {failedBefore, 30}, {throttled, 7}, {hungBefore, 5}, {halfBody, 20}, {html, 5},
	}
)

type share struct {
	fault   fault
	percent int
}

// lateShare is the share of writes with a lost response that are carried out late, if commits
// can be late.
const lateShare = 0.7

// A fate is everything that is drawn for one request.
type fate struct {
	fault   fault
	out     time.Duration // until the request arrives
	back    time.Duration // until the response arrives
	late    time.Duration // until the request is carried out, in addition to out
	status  int           // of the gateway's 5xx
	refusal int           // of the gateway's 4xx
	written bool          // it is a write
}

const (
	leastLatency = 2 * time.Millisecond
	mostLatency  = 40 * time.Millisecond
)

func drawFate(d *dice, written bool, c cell) fate {
	f := fate{
		written: written,
		out:     d.between(leastLatency, mostLatency),
		back:    d.between(leastLatency, mostLatency),
		status:  pick(d, []int{500, 502, 503, 504}),
		refusal: pick(d, []int{400, 401, 403, 404, 409, 422, 429}),
	}
	shares := readFaults
	if written {
		shares = writeFaults
	}
	if !d.chance(faultRate) {
		return f
	}
	f.fault = drawShare(d, shares)
	// If reads lag for longer than a booking looks, they confirm a gateway's lie, and after a 429
	// it looks only until it may send again: limits, in limits_test.go.
	switch {
	case c.stale == 0, c.stale == shortLag && f.refusal != 429:
	case f.fault == refusedAfter:
		f.fault = failedAfter
	case f.fault == refusedBefore && c.behaviour == changing:
		f.fault = failedBefore // an earlier move may have been carried out
	}
	if written && f.fault >= lostAfter && c.late > 0 && d.chance(lateShare) {
		f.late = d.between(c.late/2, c.late)
	}
	return f
}

func drawShare(d *dice, shares []share) fault {
	at := d.below(100)
	for _, s := range shares {
		if at -= s.percent; at < 0 {
			return s.fault
		}
	}
	return none
}
