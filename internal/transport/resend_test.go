package transport

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// How long a write that was answered 429 waits, and that it waits no longer than it may.
func TestResendWait(t *testing.T) {
	t.Parallel()
	policy := Policy{MinWait: time.Second, MaxWait: 8 * time.Second, MaxRetryAfter: 30 * time.Second, Budget: 100}
	for _, tt := range []struct {
		name        string
		asked       time.Duration
		sent        int
		deadline    time.Duration // 0: none
		least, most time.Duration
		refused     bool
	}{
		{name: "nothing was asked for", sent: 1, most: time.Second},
		{name: "after a second request", sent: 2, most: 2 * time.Second},
		{name: "after many", sent: 9, most: 8 * time.Second},
		{name: "what was asked for, and a little more", asked: 9 * time.Second, sent: 1, least: 9 * time.Second, most: 10 * time.Second},
		{name: "at least the backoff", asked: time.Nanosecond, sent: 4, most: 8 * time.Second},
		{name: "as long as the policy allows", asked: 30 * time.Second, sent: 1, least: 30 * time.Second, most: 31 * time.Second},
		{name: "longer", asked: 30*time.Second + 1, sent: 1, refused: true},
		{name: "past the deadline", asked: 9 * time.Second, sent: 1, deadline: 9 * time.Second, refused: true},
		{name: "before the deadline", asked: 9 * time.Second, sent: 1, deadline: 11 * time.Second, least: 9 * time.Second, most: 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var longest time.Duration
				for range 100 { // the backoff is random
					tr := New(Config{Policy: policy})
					ctx := t.Context()
					if tt.deadline > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, tt.deadline)
						defer cancel()
					}
					wait, ok := tr.ResendWait(ctx, tt.asked, tt.sent)
					if ok == tt.refused || ok && (wait < tt.least || wait > tt.most) {
						t.Fatalf("%v, %t", wait, ok)
					}
					if paid := tr.budget.used > 0; paid != ok {
						t.Fatalf("allowed %t, and paid for %t", ok, paid)
					}
					longest = max(longest, wait)
				}
				if span := tt.most - tt.least; longest < tt.least+span*3/4 {
					t.Errorf("never more than %v", longest)
				}
			})
		})
	}
}

func TestResendNeedsTheBudget(t *testing.T) {
	t.Parallel()
	tr := New(Config{Policy: Policy{Budget: retryCost}})
	if _, ok := tr.ResendWait(t.Context(), 0, 1); !ok {
		t.Error("the first is refused")
	}
	if _, ok := tr.ResendWait(t.Context(), 0, 1); ok {
		t.Error("the second has nothing that pays for it")
	}
}

// Which failures are of a connection that had been made.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		lost bool
	}{
		{nil, false},
		{context.DeadlineExceeded, false},
		{syscall.ECONNREFUSED, false},
		{errProxy, false},
		{opError("dial", syscall.EHOSTUNREACH), false},
		{opError("read", syscall.ECONNRESET), true},
		{opError("write", syscall.EPIPE), true},
		{&net.DNSError{Err: "no such host"}, false},
		{x509.UnknownAuthorityError{}, false},
		{io.EOF, true},
		{errSecondConn, true},
		{errors.New("anything else"), true},
	} {
		if lost := connectionLost(tt.err); lost != tt.lost {
			t.Errorf("%v: lost %t", tt.err, lost)
		}
	}
}

// A window counts ten seconds back, near enough: of those before them it takes what is not over.
func TestWindowCountsBack(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for after, want := range map[time.Duration]int{
		0: 100, windowLength - 1: 100, windowLength: 100, windowLength * 5 / 4: 75, windowLength * 3 / 2: 50,
		2*windowLength - 1: 0, 2 * windowLength: 0, 3 * windowLength: 0,
	} {
		var w window
		for range 100 {
			w.add(begin)
		}
		if got := w.count(begin.Add(after)); got != want {
			t.Errorf("%v later: %d, want %d", after, got, want)
		}
		w.add(begin.Add(after))
		if got := w.count(begin.Add(after)); got != want+1 {
			t.Errorf("%v later, and one more: %d, want %d", after, got, want+1)
		}
	}
}
