package transport

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func TestBudget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		capacity int
		moves    string // r: a retry that is paid for; n: one that is not; s: a success
		want     int64  // tokens left
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
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBudget(tt.capacity)
			for i, move := range tt.moves {
				if move == 's' {
					b.refund()
					continue
				}
				if got := b.withdraw(); got != (move == 'r') {
					t.Fatalf("move %d (%c): paid %t", i, move, got)
				}
			}
			if got := b.tokens.Load(); got != tt.want {
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
		for b.withdraw() {
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
	if got := b.tokens.Load(); got != retries {
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
