package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// Which failures of reads and of writes are tried again.
func TestRetry(t *testing.T) {
	t.Parallel()
	refused := opError("dial", syscall.ECONNREFUSED)
	cut := func(code int) roundTrip {
		return func(*http.Request) (*http.Response, error) {
			resp := response(code, "")
			resp.ContentLength, resp.Body = 9, io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
			return resp, nil
		}
	}
	huge := func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(endless{})}, nil
	}

	for _, tt := range []struct {
		name                string
		step                roundTrip
		readAgain, postedOn bool
	}{
		{"connection lost", failsWith(io.EOF), true, false},
		{"reset", failsWith(opError("read", syscall.ECONNRESET)), true, false},
		{"unknown error", failsWith(errors.New("?")), true, false},
		{"neither response nor error", func(*http.Request) (*http.Response, error) { return nil, nil }, true, false},
		{"attempt timed out", stalls, true, false},
		{"not connected", notConnected, true, true},
		{"not connected, by one that reports nothing", failsWith(refused), true, false},
		{"body cut short", cut(200), true, false},
		{"too large", huge, false, false},
		{"200", responds(200, ""), false, false},
		{"201", responds(201, ""), false, false},
		{"204", responds(204, ""), false, false},
		{"301", responds(301, ""), false, false},
		{"304", responds(304, ""), false, false},
		{"400", responds(400, ""), false, false},
		{"401", responds(401, ""), false, false},
		{"403", responds(403, ""), false, false},
		{"404", responds(404, ""), false, false},
		{"404, cut short", cut(404), false, false},
		{"408", responds(408, ""), true, false},
		{"409", responds(409, ""), false, false},
		{"425", responds(425, ""), false, false},
		{"429", responds(429, ""), true, false},
		{"429, cut short", cut(429), true, false},
		{"500", responds(500, ""), true, false},
		{"500, cut short", cut(500), true, false},
		{"501", responds(501, ""), false, false},
		{"502", responds(502, ""), true, false},
		{"503", responds(503, ""), true, false},
		{"503 that says when to come back", responds(503, "", "Retry-After", "1"), true, false},
		{"504", responds(504, ""), true, false},
		{"505", responds(505, ""), false, false},
		{"999", responds(999, ""), false, false},
	} {
		for method, again := range map[string]bool{
			http.MethodGet:    tt.readAgain,
			http.MethodPost:   tt.postedOn,
			http.MethodPut:    tt.postedOn,
			http.MethodPatch:  tt.postedOn,
			http.MethodDelete: tt.postedOn,
		} {
			t.Run(method+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					want := int64(1)
					if again {
						want = 3
					}
					var count atomic.Int64
					tr := New(Config{Policy: exact, Base: script(&count, tt.step)})
					tr.maxBytes = 100
					call := newTestCall(method, api)
					if call.writes() {
						call.Body = []byte("{}")
					}
					answer, _ := tr.Do(t.Context(), call)
					if count.Load() != want || answer.Attempts != int(want) {
						t.Errorf("sent %d times and reported %d, want %d", count.Load(), answer.Attempts, want)
					}
				})
			})
		}
	}
}

func TestMaxAttempts(t *testing.T) {
	t.Parallel()
	for _, attempts := range []int{1, 2, 7} {
		var count atomic.Int64
		tr := New(Config{Policy: exact, Base: script(&count, responds(503, ""))})
		call := get(api)
		call.MaxAttempts = attempts
		if _, err := tr.Do(t.Context(), call); err != nil {
			t.Error(err)
		}
		if got := count.Load(); got != int64(attempts) {
			t.Errorf("sent %d times, want %d", got, attempts)
		}
	}
}

func TestAnswerAfterRetries(t *testing.T) {
	t.Parallel()
	var count atomic.Int64
	tr := New(Config{Policy: exact, Base: script(&count, responds(503, "busy"), failsWith(io.EOF), responds(200, "{}"))})
	answer, err := tr.Do(t.Context(), get(api))
	if err != nil || answer.StatusCode != 200 || string(answer.Body) != "{}" || answer.Attempts != 3 {
		t.Errorf("answer = %+v, %v; want the third one", answer, err)
	}
}

// The call returns the last answer, with status, header and body. If the last attempt failed,
// it returns an error.
func TestWhenAttemptsRunOut(t *testing.T) {
	t.Parallel()
	var count atomic.Int64
	tr := New(Config{Policy: exact, Base: script(&count, failsWith(io.EOF), responds(500, "first"), responds(503, "last", "X-Request-Id", "r3"))})
	answer, err := tr.Do(t.Context(), get(api))
	if err != nil || answer.StatusCode != 503 || string(answer.Body) != "last" || answer.Header.Get("X-Request-Id") != "r3" {
		t.Errorf("answer = %+v, %v; want the last one", answer, err)
	}
	count.Store(0)
	tr = New(Config{Policy: exact, Base: script(&count, responds(500, "first"), failsWith(io.EOF))})
	answer, err = tr.Do(t.Context(), get(api))
	if !errors.Is(err, io.EOF) || answer.StatusCode != 0 || answer.Body != nil || answer.Attempts != 3 {
		t.Errorf("answer = %+v, %v; want none, and the last error", answer, err)
	}
}

// Whether a write may have been sent depends on its last attempt: the ones before it were not
// sent.
func TestMaybeSentAfterRetries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		steps []roundTrip
		count int64
		sent  bool
	}{
		{"never", []roundTrip{notConnected}, 3, false},
		{"lost", []roundTrip{notConnected, failsWith(io.EOF)}, 2, true},
		{"timed out", []roundTrip{notConnected, stalls}, 2, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var count atomic.Int64
				tr := New(Config{Policy: exact, Base: script(&count, tt.steps...)})
				answer, err := tr.Do(t.Context(), post(api))
				if err == nil || answer.MaybeSent != tt.sent || count.Load() != tt.count {
					t.Errorf("%d requests, %+v, %v; want %d requests, maybe sent %t", count.Load(), answer, err, tt.count, tt.sent)
				}
			})
		})
	}
}

func TestWaits(t *testing.T) {
	t.Parallel()
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for _, tt := range []struct {
		name       string
		retryAfter func() string
		deadline   time.Duration // 0: none
		count      int64
		elapsed    time.Duration
	}{
		{"seconds", func() string { return "5" }, 0, 3, 10 * time.Second},
		{"zero", func() string { return "0" }, 0, 3, 0},
		{"date", func() string { return date(5 * time.Second) }, 0, 3, 10 * time.Second},
		{"date in the past", func() string { return date(-time.Hour) }, 0, 3, 0},
		{"as long as allowed", func() string { return "60" }, 0, 3, 2 * time.Minute},
		{"longer than allowed", func() string { return "61" }, 0, 1, 0},
		{"date beyond what is allowed", func() string { return date(2 * time.Minute) }, 0, 1, 0},
		{"484289 hours", func() string { return "1743440400" }, 0, 1, 0},
		{"overflows a duration", func() string { return "9223372037" }, 0, 1, 0},
		{"overflows an int64", func() string { return "99999999999999999999" }, 0, 1, 0},
		// A value that can't be read is ignored: the wait is the policy's own, which is zero
		// here.
		{"negative", func() string { return "-5" }, 0, 3, 0},
		{"nonsense", func() string { return "soon" }, 0, 3, 0},
		{"before the deadline", func() string { return "5" }, time.Minute, 3, 10 * time.Second},
		{"past the deadline: at once", func() string { return "5" }, 4 * time.Second, 1, 0},
		{"on the deadline: at once", func() string { return "5" }, 5 * time.Second, 1, 0},
		{"the second one past the deadline", func() string { return "5" }, 9 * time.Second, 2, 5 * time.Second},
	} {
		for _, code := range []int{429, 503} {
			t.Run(tt.name+" "+strconv.Itoa(code), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					if tt.deadline != 0 {
						ctx, cancel = context.WithTimeout(t.Context(), tt.deadline)
					}
					defer cancel()
					var count atomic.Int64
					tr := New(Config{Policy: exact, Base: roundTrip(func(*http.Request) (*http.Response, error) {
						count.Add(1)
						return response(code, "wait", "Retry-After", tt.retryAfter()), nil
					})})
					start := time.Now()
					answer, err := tr.Do(ctx, get(api))
					if err != nil || answer.StatusCode != code || string(answer.Body) != "wait" {
						t.Errorf("answer = %+v, %v; want the last response", answer, err)
					}
					if elapsed := time.Since(start); elapsed != tt.elapsed || count.Load() != tt.count {
						t.Errorf("%d requests in %v, want %d in %v", count.Load(), elapsed, tt.count, tt.elapsed)
					}
				})
			})
		}
	}
}

// Without Retry-After, the waits are full jitter below a doubling ceiling.
func TestWaitsOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		policy := Policy{MinWait: 100 * time.Millisecond, MaxWait: 250 * time.Millisecond, Budget: 1e6}
		ceilings := []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 250 * time.Millisecond, 250 * time.Millisecond}
		longest := make([]time.Duration, len(ceilings))
		for range 200 {
			var at []time.Time
			tr := New(Config{Policy: policy, Base: roundTrip(func(*http.Request) (*http.Response, error) {
				at = append(at, time.Now())
				return nil, io.EOF
			})})
			call := get(api)
			call.MaxAttempts = len(ceilings) + 1
			_, _ = tr.Do(t.Context(), call)
			for i, ceiling := range ceilings {
				wait := at[i+1].Sub(at[i])
				if wait >= ceiling {
					t.Fatalf("wait %d was %v, want it below %v", i, wait, ceiling)
				}
				longest[i] = max(longest[i], wait)
			}
		}
		for i, ceiling := range ceilings {
			if longest[i] < ceiling*3/4 {
				t.Errorf("the longest of 200 waits %d was %v, ceiling %v: jitter is not full", i, longest[i], ceiling)
			}
		}
	})
}

// Clients that were told the same Retry-After come back spread out, and never early.
func TestRetryAfterIsSpread(t *testing.T) {
	t.Parallel()
	x := &retryLoop{transport: New(Config{Policy: Policy{MinWait: time.Second, MaxRetryAfter: time.Minute}}), execution: &execution{attempts: 1}}
	x.answer.Header = http.Header{"Retry-After": {"5"}}
	waits := map[time.Duration]bool{}
	for range 100 {
		wait, ok := x.nextWait()
		if !ok || wait < 5*time.Second || wait >= 6*time.Second {
			t.Fatalf("nextWait = %v, %t; want it in [5s, 6s)", wait, ok)
		}
		waits[wait] = true
	}
	if len(waits) < 50 {
		t.Errorf("%d different waits of 100", len(waits))
	}
}

func TestCancelDuringAWait(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		call *Call
		step roundTrip
		wait time.Duration
	}{
		{get(api), responds(429, "", "Retry-After", "30"), 0},
		{post(api), notConnected, 10_000 * time.Hour}, // full jitter: hardly ever below 2 s
	} {
		call := tt.call
		t.Run(call.Method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				policy := exact
				policy.MinWait, policy.MaxWait = max(tt.wait, 1), max(tt.wait, 1)
				why := errors.New("the user went away")
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(2*time.Second, func() { cancel(why) })
				var count atomic.Int64
				tr := New(Config{Policy: policy, Base: script(&count, tt.step)})
				start := time.Now()
				answer, err := tr.Do(ctx, call)
				if elapsed := time.Since(start); elapsed != 2*time.Second || count.Load() != 1 {
					t.Errorf("%d requests in %v, want 1 in 2s", count.Load(), elapsed)
				}
				if !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
					t.Errorf("err = %v, want the context's error and its cause", err)
				}
				if answer.MaybeSent {
					t.Error("reported as maybe sent")
				}
			})
		})
	}
}

// A context that ends while the body is being read doesn't discard the answer, above all not
// the confirmation of a booking.
func TestAnswerInHandWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	for _, code := range []int{201, 400, 404, 429, 503} {
		for _, call := range []*Call{get(api), post(api)} {
			ctx, cancel := context.WithCancel(t.Context())
			tr := New(Config{Policy: exact, Base: roundTrip(func(*http.Request) (*http.Response, error) {
				cancel()
				return response(code, "{}"), nil
			})})
			answer, err := tr.Do(ctx, call)
			if err != nil || answer.StatusCode != code || string(answer.Body) != "{}" {
				t.Errorf("%s %d: answer = %+v, %v", call.Method, code, answer, err)
			}
			if tr.budget.used != 0 {
				t.Errorf("%s %d: paid for a retry that isn't made", call.Method, code)
			}
		}
	}
}

// An answer says that the API can take another request, unless it says that it can't.
func TestAnswersThatRefillTheBudget(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		step roundTrip
		want int // tokens used, of ten
	}{
		"201":           {responds(201, ""), 9},
		"404":           {responds(404, ""), 9},
		"408":           {responds(408, ""), 10},
		"429":           {responds(429, ""), 10},
		"500":           {responds(500, ""), 10},
		"501":           {responds(501, ""), 10},
		"no connection": {failsWith(io.ErrUnexpectedEOF), 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := New(Config{Policy: exact, Base: tt.step})
			tr.budget.used = 10
			_, _ = tr.Do(t.Context(), post(api))
			if tr.budget.used != tt.want {
				t.Errorf("%d tokens used, want %d", tr.budget.used, tt.want)
			}
		})
	}
}

// In a total outage, the whole client runs out of retries.
func TestBudgetInAnOutage(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]roundTrip{
		"no connection": notConnected,
		"503":           responds(503, ""),
		"429":           responds(429, ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const calls = 10_000
			policy := exact
			policy.Budget = 100 // the default of the SDK
			var count atomic.Int64
			tr := New(Config{Policy: policy, Base: script(&count, step)})
			for i := range calls {
				call := get(api)
				if i%2 == 0 && name == "no connection" {
					call = post(api)
				}
				_, _ = tr.Do(t.Context(), call)
			}
			if got := count.Load(); got != calls+10 {
				t.Errorf("%d requests, want %d and the 10 retries of the budget", got, calls)
			}
		})
	}
}

func TestBudgetRecovers(t *testing.T) {
	t.Parallel()
	policy := exact
	policy.Budget = 20
	var count atomic.Int64
	var code atomic.Int64
	tr := New(Config{Policy: policy, Base: roundTrip(func(*http.Request) (*http.Response, error) {
		count.Add(1)
		return response(int(code.Load()), ""), nil
	})})
	do := func(answer int, times int, call *Call) int64 {
		t.Helper()
		before := count.Load()
		code.Store(int64(answer))
		for range times {
			if _, err := tr.Do(t.Context(), call); err != nil {
				t.Error(err)
			}
		}
		return count.Load() - before
	}
	for i, step := range []struct {
		answer, times int
		call          *Call
		want          int64
	}{
		{503, 1, get(api), 3},    // two retries, and the budget is empty
		{503, 5, get(api), 5},    // no retries left
		{500, 50, post(api), 50}, // no success, so there is no refund
		{503, 1, get(api), 1},
		{429, 50, post(api), 50}, // nor is this one
		{408, 50, post(api), 50},
		{503, 1, get(api), 1},
		{200, 9, get(api), 9}, // not enough
		{503, 1, get(api), 1},
		{404, 1, get(api), 1}, // the API works, so there is a refund
		{503, 1, get(api), 2}, // one retry
		{201, 100, post(api), 100},
		{503, 3, get(api), 5}, // full again, and not more than full
	} {
		if got := do(step.answer, step.times, step.call); got != step.want {
			t.Errorf("step %d: %d calls answered with %d took %d requests, want %d", i, step.times, step.answer, got, step.want)
		}
	}
}
