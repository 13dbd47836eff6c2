package transport

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// The moves: b and e, a call begins and ends; r, a retry that is paid for, and n, one
// that is not; R and N the same with credit, after a lost connection; s, a success.
func TestBudget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		capacity int
		moves    string
		want     int // tokens left
	}{
		{"full", 100, "", 100},
		{"a retry costs ten", 100, "r", 90},
		{"until it is empty", 30, "rrrnn", 0},
		{"what does not suffice is kept", 15, "rn", 5},
		{"smaller than a retry", 9, "n", 9},
		{"nothing", 0, "nsn", 0},
		{"a success refunds one", 20, "rs", 11},
		{"never above the capacity", 20, "sss", 20},
		{"ten successes pay for a retry", 10, "rnsssssssssnsr", 0},
		{"what is in flight has credit", 20, "bbbRRR", 20},
		{"and a quarter more", 10, "bbbbRRRRRRN", 0},
		{"then tokens pay", 20, "bbbRRRRRN", 0},
		{"credit counts the calls in flight at once", 10, "bbbReReRRN", 0},
		{"and those that came since", 10, "bbRRbRRN", 0},
		{"nothing but a lost connection has credit", 10, "bbbrnR", 0},
		{"successes fill the tokens before they pay credit back", 10, "bRrssssssssssRN", 0},
		{"credit is renewed", 10, "bRssssssssssRRN", 0},
		{"credit is not renewed by less", 10, "bRsssssssssRN", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBudget(tt.capacity)
			for i, move := range tt.moves {
				switch move {
				case 'b':
					b.begin()
				case 'e':
					b.end()
				case 's':
					b.refund()
				default:
					credit := move == 'R' || move == 'N'
					if got := b.withdraw(credit); got != (move == 'r' || move == 'R') {
						t.Fatalf("move %d (%c): paid %t", i, move, got)
					}
				}
			}
			if got := b.tokens; got != tt.want {
				t.Errorf("tokens = %d, want %d", got, tt.want)
			}
		})
	}
}

func TestBudgetIsExactUnderContention(t *testing.T) {
	t.Parallel()
	const goroutines, retries = 4, 400_000
	const capacity = retries * retryCost
	b := newBudget(capacity)
	var paid atomic.Int64
	together(goroutines, func() {
		for b.withdraw(false) {
			paid.Add(1)
		}
	})
	if got := paid.Load(); got != retries {
		t.Errorf("%d retries paid for, want %d", got, retries)
	}
	together(goroutines, func() {
		for range retries / goroutines {
			b.refund()
		}
	})
	if got := b.tokens; got != retries {
		t.Errorf("tokens = %d after %d refunds", got, retries)
	}
}

// together starts all at the same moment, and waits for them.
func together(goroutines int, f func()) {
	var wg sync.WaitGroup
	var ready atomic.Int64
	for range goroutines {
		wg.Go(func() {
			for ready.Add(1); ready.Load() < int64(goroutines); {
				runtime.Gosched() // spin: one that is woken up comes too late
			}
			f()
		})
	}
	wg.Wait()
}
