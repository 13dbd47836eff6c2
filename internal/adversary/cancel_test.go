package adversary

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// TestCancels cancels bookings at random instants. Nobody may be told "not sent" about a
// request that arrived, whole or in part.
func TestCancels(t *testing.T) {
	number := 300
	if full() {
		number = 10_000
	}
	for _, p := range []protocol{
		{name: "HTTP/1.1, caller's transport"},
		{name: "HTTP/1.1, own pool", own: true},
		{name: "HTTP/1.1 over TLS, caller's transport", tls: true},
		{name: "HTTP/1.1 over TLS, own pool", tls: true, own: true},
		{name: "HTTP/2 over TLS, own pool", tls: true, h2: true, own: true},
		{name: "HTTP/2 over TLS, caller's transport", tls: true, h2: true},
	} {
		t.Run(p.name, func(t *testing.T) {
			c := &cancels{world: &world{
				protocol:   p,
				family:     &family{late: []fault{after("a while", all, hesitate)}},
				duplicates: true,
				seed:       runSeed,
				ledger:     &ledger{duplicates: true},
			}}
			c.run(t, number)
		})
	}
	noLeaks(t)
}

// hesitate answers after a while, and sometimes closes the connection, so that some calls are
// cancelled while they wait for a new one.
func hesitate(x *exchange, r reply) {
	time.Sleep(time.Duration(x.dice.IntN(1000)) * time.Microsecond)
	x.answer(r)
	if x.dice.IntN(10) == 0 {
		x.wire.fin()
	}
}

// cancels are many bookings in one world.
type cancels struct {
	world   *world
	clients func(*call) (*closure.Client, error)
}

func (c *cancels) run(t *testing.T, number int) {
	w := c.world
	for i := range number {
		w.calls = append(w.calls, newCall(i, create))
	}
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	transport := w.protocol.transport()
	transport.MaxIdleConnsPerHost = 100
	if err := c.connect(transport); err != nil {
		t.Fatal(err)
	}
	// The others are cancelled within the time that a call takes.
	usual := c.book(t, w.calls[0], time.Minute)
	for _, call := range w.calls[1:20] {
		usual = max(usual, c.book(t, call, time.Minute))
	}
	var group sync.WaitGroup
	gate := make(chan struct{}, 16)
	for i, call := range w.calls[20:] {
		gate <- struct{}{}
		group.Go(func() {
			defer func() { <-gate }()
			dice := newDice(w.seed, uint64(i))
			c.book(t, call, time.Duration(dice.Int64N(int64(min(usual, 20*time.Millisecond)))))
		})
	}
	group.Wait()
	transport.CloseIdleConnections()
	w.close()
	c.audit(t)
}

// connect sets up the clients. With a caller's transport, each booking has a client and a base
// path of its own, so that even a part of a request shows whose it is. With the SDK's own
// pool, all share one client.
func (c *cancels) connect(transport *http.Transport) error {
	client := func(url string, more ...closure.Option) (*closure.Client, error) {
		return closure.NewClient("ch_sk_test_adversary", append(more,
			closure.WithBaseURL(url), closure.WithMaxAttempts(1), closure.WithObserver(observe))...)
	}
	if !c.world.protocol.own {
		c.clients = func(call *call) (*closure.Client, error) {
			return client(c.world.server.url()+"/"+call.tag(), closure.WithHTTPClient(&http.Client{Transport: transport}))
		}
		return nil
	}
	var more []closure.Option
	if c.world.protocol.h2 {
		more = append(more, closure.WithHTTP2())
	}
	one, err := client(c.world.server.url(), more...)
	c.clients = func(*call) (*closure.Client, error) { return one, nil }
	return err
}

// book makes the call and cancels it after a while.
func (c *cancels) book(t *testing.T, call *call, within time.Duration) (took time.Duration) {
	client, err := c.clients(call)
	if err != nil {
		t.Error(err)
		return 0
	}
	ctx, stop := context.WithCancel(context.WithValue(t.Context(), callKey{}, call))
	defer stop()
	timer := time.AfterFunc(within, stop)
	defer timer.Stop()
	began := time.Now()
	e := call.do(ctx, client)
	e.took = time.Since(began)
	call.mu.Lock()
	call.ending = e
	call.mu.Unlock()
	return e.took
}

func (c *cancels) audit(t *testing.T) {
	outcomes := map[closure.Outcome]int{}
	lies := 0
	for _, call := range c.world.calls {
		outcome := closure.OutcomeOf(call.ending.err)
		outcomes[outcome]++
		if outcome == closure.OutcomeNotSent && len(call.arrived) > 0 {
			lies++
		}
		if outcome == closure.OutcomeRejected {
			t.Errorf("rejected: %v", call.ending.err)
		}
	}
	begun := int(c.world.requests.Load())
	t.Logf("%d applied, %d unknown, %d not sent; %d requests",
		outcomes[closure.OutcomeApplied], outcomes[closure.OutcomeUnknown], outcomes[closure.OutcomeNotSent], begun)
	if lies > 0 {
		t.Errorf("ZERO VIOLATED: not sent, yet arrived: %d times", lies)
	}
	// With the SDK's own pool, a part of a request doesn't show whose it is.
	if beyond := begun + outcomes[closure.OutcomeNotSent] - len(c.world.calls); beyond > 0 {
		t.Errorf("ZERO VIOLATED: not sent, yet arrived, at least: %d times", beyond)
	}
	for _, outcome := range []closure.Outcome{closure.OutcomeApplied, closure.OutcomeUnknown, closure.OutcomeNotSent} {
		if outcomes[outcome] == 0 {
			t.Errorf("none is %s: the instants are badly chosen", outcome)
		}
	}
}
