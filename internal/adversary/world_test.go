package adversary

import (
	"crypto/tls"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/closurehealth/closure-go"
)

// A protocol is how the SDK talks to the API.
type protocol struct {
	name         string
	tls, h2, own bool // own: the SDK's own pool; else a caller's *http.Transport
}

var protocols = []protocol{
	{name: "HTTP/1.1, own pool", own: true},
	{name: "HTTP/1.1, caller's transport"},
	{name: "HTTP/1.1 over TLS, own pool", tls: true, own: true},
	{name: "HTTP/2 over TLS, own pool", tls: true, h2: true, own: true},
	{name: "HTTP/2 over TLS, caller's transport", tls: true, h2: true},
	{name: "HTTP/2 without TLS, caller's transport", h2: true},
}

// transport is a transport as a caller would give it to the SDK.
func (p protocol) transport() *http.Transport {
	t := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: authority.pool, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}
	if p.h2 && !p.tls {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	return t
}

// A world is one server, one client and its calls: everything in it has the
// same protocol, behaviour of the server and family of faults.
type world struct {
	protocol   protocol
	family     *family
	duplicates bool // a slot can be taken again
	late       bool // what is lost may be carried out late
	seed       uint64
	wrap       func(http.RoundTripper) http.RoundTripper // wraps the caller's transport in a mutant; or nil

	calls    []*call
	ledger   *ledger
	server   *server
	trap     *trap
	requests atomic.Int64 // whose first byte arrived
	pending  sync.WaitGroup

	visitors int // connections to the trap
}

// timing is the timeouts of attempts and calls, and how much longer than its context a call may
// take.
type timing struct{ attempt, call, grace time.Duration }

// run makes n calls, as many at once as gate has room for, and waits until late requests have
// been carried out.
func (w *world) run(n int, t timing, machine *stallMeter, gate chan struct{}) error {
	w.ledger = &ledger{duplicates: w.duplicates}
	for i := range n {
		// Each pair of calls is of one kind, and for one slot.
		call := newCall(i, mix[i/2%len(mix)])
		w.calls = append(w.calls, call)
		if call.op == cancel || call.op == get {
			w.ledger.open(call)
		}
	}
	if err := w.open(); err != nil {
		return err
	}
	client, closeIdle, err := w.client(t)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	for _, call := range w.calls {
		gate <- struct{}{}
		machine.keepUp()
		group.Go(func() {
			defer func() { <-gate }()
			call.run(client, t, machine, w.server.cut)
		})
	}
	group.Wait()
	closeIdle()
	w.close()
	return nil
}

// open starts the servers.
func (w *world) open() (err error) {
	if w.trap, err = newTrap(); err != nil {
		return err
	}
	w.server, err = listen(w)
	return err
}

// close closes the servers when late requests have been carried out.
func (w *world) close() {
	w.pending.Wait()
	w.server.close()
	w.visitors = w.trap.close()
}

// mix is the mix of calls.
var mix = []callKind{bookSlot, create, bookSlot, cancel, bookSlot, get, bookSlot, create}

func (w *world) client(t timing) (client *closure.Client, closeIdle func(), err error) {
	options := []closure.Option{
		closure.WithBaseURL(w.server.url()),
		closure.WithTimeout(t.attempt),
		closure.WithObserver(observe),
		// Otherwise the first few calls would use up the budget of all.
		closure.WithRetryPolicy(closure.RetryPolicy{
			MinWait: 5 * time.Millisecond,
			MaxWait: 40 * time.Millisecond,
			Budget:  1 << 20,
		}),
	}
	closeIdle = func() {}
	if !w.protocol.own || w.wrap != nil {
		transport := w.protocol.transport()
		closeIdle = transport.CloseIdleConnections
		var base http.RoundTripper = transport
		if w.wrap != nil {
			base = w.wrap(base)
		}
		options = append(options, closure.WithHTTPClient(&http.Client{Transport: base}))
	} else if w.protocol.h2 {
		options = append(options, closure.WithHTTP2())
	}
	client, err = closure.NewClient("ch_sk_test_adversary", options...)
	return client, closeIdle, err
}

// begin counts a request whose first byte has arrived, and draws its early fault. At that
// point, it can't be told whose it is.
func (w *world) begin() *fault {
	dice := newDice(w.seed, 1<<41+uint64(w.requests.Add(1)))
	if len(w.family.early) == 0 || dice.IntN(6) > 0 {
		return nil
	}
	return w.pick(dice, w.family.early)
}

// draw draws the fault of a request of which all has arrived. Most writes have one, and few of
// a booking's reads, because otherwise no booking would get as far as its write.
func (w *world) draw(dice *rand.Rand, op string) *fault {
	percent := 15
	if writes(op) || op == "appointments.get" {
		percent = 65
	}
	if len(w.family.late) == 0 || dice.IntN(100) >= percent {
		return nil
	}
	return w.pick(dice, w.family.late)
}

func (w *world) pick(dice *rand.Rand, faults []fault) *fault {
	for {
		if f := faults[dice.IntN(len(faults))]; f.fits(w.protocol) {
			f.dice = dice
			return &f
		}
	}
}

func (w *world) later(d time.Duration, f func()) {
	w.pending.Add(1)
	time.AfterFunc(d, func() {
		defer w.pending.Done()
		f()
	})
}

func (w *world) behaviour() string {
	name := "refuses taken slots"
	if w.duplicates {
		name = "accepts duplicates"
	}
	if w.late {
		name += ", late"
	}
	return name
}
