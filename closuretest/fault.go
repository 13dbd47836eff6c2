package closuretest

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Fault is one way in which a server fails, and at which operation, how often
// and how likely. It is a value: [Fault.Times] and [Fault.Probability] return
// another. It prints what it does.
type Fault struct {
	op     string
	kind   faultKind
	code   int
	header []string // names and values, in turn
	wait   time.Duration
	size   int64

	times    int  // 0: for ever
	timesSet bool // by Times

	probability float64 // of striking a request
}

type faultKind int

const (
	kindNone faultKind = iota
	kindDropBefore
	kindDropAfter
	kindCommitLate
	kindStatus
	kindStatusAfter
	kindDelay
	kindStale
	kindTruncate
	kindMalformed
	kindHuge
)

// AnyOperation is the operation of a fault that strikes all requests.
const AnyOperation = "*"

func newFault(op string, kind faultKind) Fault {
	return Fault{op: op, kind: kind, times: 1, probability: 1}
}

// DropBefore loses the connection before anything is done: the client gets no
// answer, and nothing has changed. op is the name of an operation, such as
// "appointments.create" (see [Operations]), or [AnyOperation].
func DropBefore(op string) Fault { return newFault(op, kindDropBefore) }

// DropAfter carries the request out and then loses the connection: the client
// gets no answer, and what it asked for is done.
func DropAfter(op string) Fault { return newFault(op, kindDropAfter) }

// CommitLate loses the connection at once, and carries a write out when after
// has passed by the server's clock (see [WithClock]): until then, reads don't
// show it. Whether the API accepts it is decided then; a slot may be taken by
// that time. Of a read, only the connection is lost.
func CommitLate(op string, after time.Duration) Fault {
	f := newFault(op, kindCommitLate)
	f.wait = max(after, 0)
	return f
}

// Status answers with the given status, from 200 to 599, instead of doing
// anything. header holds names and values in turn:
//
//	closuretest.Status("patients.list", 429, "Retry-After", "2")
func Status(op string, code int, header ...string) Fault {
	f := newFault(op, kindStatus)
	f.code, f.header = code, append([]string(nil), header...)
	return f
}

// StatusAfter carries the request out and then answers with the given status,
// from 200 to 599: a gateway's 502, say, though the API did what it was asked.
func StatusAfter(op string, code int) Fault {
	f := newFault(op, kindStatusAfter)
	f.code = code
	return f
}

// Delay holds an answer back for d, by the time package: inside a
// testing/synctest bubble that costs no time. What was asked for is done at
// once; a client that gives up waiting has done it all the same. Delay is the
// one fault that adds to others that strike the same request.
func Delay(op string, d time.Duration) Fault {
	f := newFault(op, kindDelay)
	f.wait = max(d, 0)
	return f
}

// Stale answers a read with the state as it was lag ago, by the same clock as
// [StaleReads], which it overrides. With [Fault.Probability] reads jump back and
// forth, as between replicas. Of [AnyOperation], writes are done and answered as
// ever; of one that writes it is refused.
//
//	closuretest.Stale("appointments.list", 20*time.Second).Probability(0.5)
func Stale(op string, lag time.Duration) Fault {
	f := newFault(op, kindStale)
	f.wait = max(lag, 0)
	return f
}

// Truncate carries the request out and sends half of the answer's body, though
// its Content-Length promises all of it.
func Truncate(op string) Fault { return newFault(op, kindTruncate) }

// Malformed carries the request out and answers 200 with a page of HTML, as a
// proxy in between might.
func Malformed(op string) Fault { return newFault(op, kindMalformed) }

// Huge carries the request out and fills the answer's body up with blanks,
// which JSON allows, to the given number of bytes. To a client that accepts
// gzip, as net/http's does by itself, it is sent as a gzip bomb: it is that large
// only after unpacking, and less than a five-hundredth of it before.
func Huge(op string, bytes int64) Fault {
	f := newFault(op, kindHuge)
	f.size = max(bytes, 0)
	return f
}

// Times says how many requests the fault strikes; the default is one, and 0 or
// less is no bound.
func (f Fault) Times(n int) Fault {
	f.times, f.timesSet = max(n, 0), true
	return f
}

// Probability makes the fault strike each request of its operation with the
// given probability, from 0 to 1. There is no bound then, unless Times sets
// one.
//
// The draw is made from the server's seed and from the request itself, not from
// when it comes: the same seed strikes the same requests again, also if many
// goroutines send them in another order. For that the server remembers how often
// it got each of them, a few bytes for every different request.
func (f Fault) Probability(p float64) Fault {
	f.probability = p
	if !f.timesSet {
		f.times = 0
	}
	return f
}

// String says in words what the fault does.
func (f Fault) String() string {
	return f.op + ": " + f.effect() + f.frequency()
}

func (f Fault) effect() string {
	switch f.kind {
	case kindDropBefore:
		return "connection lost before anything is done"
	case kindDropAfter:
		return "done, then connection lost"
	case kindCommitLate:
		return fmt.Sprintf("connection lost, done %s later", f.wait)
	case kindStatus:
		return "answered " + f.status() + " before anything is done"
	case kindStatusAfter:
		return "done, then answered " + f.status()
	case kindDelay:
		return fmt.Sprintf("done, then answered %s later", f.wait)
	case kindStale:
		return fmt.Sprintf("a read shows the state of %s ago", f.wait)
	case kindTruncate:
		return "done, then half of the answer"
	case kindMalformed:
		return "done, then answered with HTML"
	case kindHuge:
		return fmt.Sprintf("done, then answered with %d bytes", f.size)
	default:
		return "nothing"
	}
}

func (f Fault) status() string {
	text := strings.TrimSpace(strconv.Itoa(f.code) + " " + http.StatusText(f.code))
	for i := 0; i+1 < len(f.header); i += 2 {
		text += fmt.Sprintf(" (%s: %s)", f.header[i], f.header[i+1])
	}
	return text
}

func (f Fault) frequency() string {
	var text string
	switch f.times {
	case 0:
		text = ", for ever"
	case 1:
		text = ", once"
	default:
		text = fmt.Sprintf(", %d times", f.times)
	}
	if f.probability != 1 {
		text += ", with probability " + strconv.FormatFloat(f.probability, 'g', -1, 64)
	}
	return text
}

// problem says why the fault can't do what it is for, or nothing.
func (f Fault) problem(routes []route) string {
	switch {
	case f.op == "":
		return "a fault names no operation"
	case !known(routes, f.op):
		return fmt.Sprintf("there is no operation %q", f.op)
	case math.IsNaN(f.probability) || f.probability < 0 || f.probability > 1:
		return f.String() + ": the probability is not from 0 to 1"
	case f.kind == kindStale && writes(routes, f.op):
		return f.String() + ": it is no read"
	case f.kind != kindStatus && f.kind != kindStatusAfter:
		return ""
	case f.code < 200 || f.code > 599:
		return f.String() + ": the status is not from 200 to 599"
	case len(f.header)%2 != 0:
		return f.String() + ": a header has no value"
	default:
		return ""
	}
}

func writes(routes []route, op string) bool {
	return slices.ContainsFunc(routes, func(r route) bool { return r.op == op && r.writes() })
}

func known(routes []route, op string) bool {
	return op == AnyOperation || slices.ContainsFunc(routes, func(r route) bool { return r.op == op })
}
