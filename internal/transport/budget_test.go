package transport

import (
	"math"
	"math/big"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The letters: b, a call begins; e, a call ends; r, a retry that is paid for; n, a retry that
// is refused; R and N, the same with credit, after a lost connection; s, a success; t, ten
// calls that begin and end; w, ten seconds pass; f, the client is new.
func TestBudget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		capacity int
		moves    string
		want     int // tokens used
	}{
		{"full", 100, "", 0},
		{"a retry costs ten", 100, "r", 10},
		{"until it is empty", 20, "rrnn", 20},
		{"what does not suffice is kept", 15, "rn", 10},
		{"smaller than a retry", 9, "n", 0},
		{"nothing", 0, "nsn", 0},
		{"a success refunds one", 20, "rs", 9},
		{"never above the capacity", 20, "sss", 0},
		{"ten successes pay for a retry", 10, "rnsssssssssnsr", 10},
		{"two retries without traffic", 100, "rrn", 20},
		{"two at one call a second", 100, "trrn", 20},
		{"three at one and a half", 100, "tttrrrn", 30},
		{"ten at ten a second", 100, "ttttttttttrrrrrrrrrrn", 100},
		{"no more at more", 100, "ttttttttttttttrrrrrrrrrrn", 100},
		{"all of it in the first second", 100, "frrrrrrrrrrn", 100},
		{"in proportion to the capacity", 400, "tttrrrrrrrrrrrrn", 120},
		{"traffic that is over does not count", 100, "ttttttttttwwrrn", 20},
		{"nor half over", 100, "ttttttttttwrrrrrrrrrrn", 100},
		{"traffic makes room", 100, "rrntttr", 30},
		{"what more traffic used is not to be made up for", 100, "ttttttttttrrrrrrrrrrwwnssssssssssrn", 20},
		{"what is in flight has credit", 20, "bbbRRR", 0},
		{"and a quarter more", 10, "bbbbRRRRRRN", 10},
		{"then tokens pay", 20, "bbbRRRRRN", 20},
		{"credit counts the calls in flight at once", 10, "bbbReReRRN", 10},
		{"and those that came since", 10, "bbRRbRRN", 10},
		{"nothing but a lost connection has credit", 10, "bbbrnR", 10},
		{"successes fill the tokens before they pay credit back", 10, "bRrssssssssssRN", 10},
		{"credit is renewed", 10, "bRssssssssssRRN", 10},
		{"credit is not renewed by less", 10, "bRsssssssssRN", 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBudget(tt.capacity)
				b.first = time.Now().Add(-warmUp)
				for i, move := range tt.moves {
					switch move {
					case 'b':
						b.begin()
					case 'e':
						b.end()
					case 's':
						b.refund()
					case 't':
						for range 10 {
							b.begin()
							b.end()
						}
					case 'f':
						b.first = time.Now()
					case 'w':
						time.Sleep(windowLength)
					default:
						credit := move == 'R' || move == 'N'
						if got := b.withdraw(3, credit); got != (move == 'r' || move == 'R') {
							t.Fatalf("move %d (%c): paid %t", i, move, got)
						}
					}
				}
				if b.used != tt.want {
					t.Errorf("tokens used = %d, want %d", b.used, tt.want)
				}
			})
		})
	}
}

// A budget may be any number, on 32-bit machines too, and so may a call's attempts.
func TestBudgetOfAnySize(t *testing.T) {
	t.Parallel()
	for _, capacity := range []int{0, 1, 99, 100, 101, math.MaxInt32 - 1, math.MaxInt32, math.MaxInt - 1, math.MaxInt} {
		for _, calls := range []int{0, 1, 2, 99, 100, 101, 100_000} {
			for _, attempts := range []int{1, 3, math.MaxInt32, math.MaxInt} {
				synctest.Test(t, func(t *testing.T) {
					b := newBudget(capacity)
					b.begin()
					b.end()
					time.Sleep(3 * windowLength)
					for range calls {
						b.begin()
						b.end()
					}
					big := func(n int) *big.Int { return big.NewInt(int64(n)) }
					want := big(max(calls, 1)) // the call itself
					want.Mul(want, big(capacity)).Div(want, big(fullTraffic))
					if one := big(attempts - 1); want.Cmp(one.Mul(one, big(retryCost))) < 0 {
						want = one
					}
					if want.Cmp(big(capacity)) > 0 {
						want = big(capacity)
					}
					if got := b.tokens(attempts); big(got).Cmp(want) != 0 {
						t.Errorf("Budget %d, %d calls, %d attempts: %d tokens, want %d", capacity, calls, attempts, got, want)
					}
				})
			}
		}
	}
}

// With the largest budget, no retry is refused, whether there is traffic or not.
func TestPracticallyNoBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(math.MaxInt)
		b.begin()
		for range 100 {
			time.Sleep(windowLength)
			for range 100 {
				if !b.withdraw(usualAttempts, false) {
					t.Fatalf("refused after %d tokens", b.used)
				}
			}
		}
	})
}

func TestBudgetIsExactUnderContention(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // no time passes, however busy the machine is
		const goroutines, retries = 4, 400_000
		const capacity = retries * retryCost
		b := newBudget(capacity)
		for range fullTraffic {
			b.begin()
		}
		var paid atomic.Int64
		together(goroutines, func() {
			for b.withdraw(3, false) {
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
		if got := capacity - b.used; got != retries {
			t.Errorf("%d tokens after as many refunds as there were retries", got)
		}
	})
}

// together starts all at the same moment, and waits for them.
func together(goroutines int, f func()) {
	var wg sync.WaitGroup
	var ready atomic.Int64
	for range goroutines {
		wg.Go(func() {
			for ready.Add(1); ready.Load() < int64(goroutines); {
				runtime.Gosched() // it spins, because a goroutine that has to be woken comes too late
			}
			f()
		})
	}
	wg.Wait()
}
