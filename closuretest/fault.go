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

// A Fault is one way in which a server fails: at which operation, how often and how likely.
// It is a value: [Fault.Times] and [Fault.Probability] return a changed copy. It prints
// what it does.
type Fault struct {
	op     string
	kind   faultKind
	code   int
	header []string // names and values, in turn
	wait   time.Duration
	size   int64

	times    int  // 0: always
	timesSet bool // by Times

	probability float64 // that it strikes a request
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

// CommitLate loses the connection at once, and carries a write out when the time after has
// passed: by the server's clock if that moves (see [WithClock]), else by real time. Until
// then, reads don't show it. Only then is it decided whether the write succeeds: the slot
// may be taken by that time. If it strikes a read, only the connection is lost.
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
	f.code, f.header = code, slices.Clone(header)
	return f
}

// StatusAfter carries the request out and then answers with the given status, from 200 to
// 599: for example a gateway's 502 although the API carried the request out. header is as
// in [Status].
func StatusAfter(op string, code int, header ...string) Fault {
	f := newFault(op, kindStatusAfter)
	f.code, f.header = code, slices.Clone(header)
	return f
}

// Delay holds an answer back for d, by the time package: inside a testing/synctest bubble
// that costs no time. The request is carried out at once, also if the client then gives up
// waiting. Delay is the only fault that can strike a request together with others.
func Delay(op string, d time.Duration) Fault {
	f := newFault(op, kindDelay)
	f.wait = max(d, 0)
	return f
}

// Stale answers a read with the state as it was lag ago, by the same clock as
// [StaleReads], which it overrides. With [Fault.Probability] reads jump back and
// forth, as between replicas. With [AnyOperation] it doesn't change how writes are carried
// out and answered; for an operation that writes it is refused.
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

// Times says how many requests the fault strikes. The default is one. 0 or less means
// always: all requests of its operation.
func (f Fault) Times(n int) Fault {
	f.times, f.timesSet = max(n, 0), true
	return f
}

// Probability makes the fault strike each request of its operation with the given
// probability, from 0 to 1, however many there are, unless Times sets a bound.
//
// The draw is made from the server's seed and from the request itself, and not from its
// time: the same seed strikes the same requests again, also if many goroutines send them
// in another order. For this the server remembers how often each request came, in a few
// bytes for every different one.
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

// problem says why the fault can never strike, or returns "".
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
