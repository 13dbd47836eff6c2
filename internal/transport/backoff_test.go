package transport

import (
	"math"
	"net/http"
	"testing"
	"time"
)

func TestCeiling(t *testing.T) {
	t.Parallel()
	const forever = time.Duration(math.MaxInt64)
	for _, tt := range []struct {
		name     string
		min, max time.Duration
		retry    int
		want     time.Duration
	}{
		{"first", 100 * time.Millisecond, 10 * time.Second, 0, 100 * time.Millisecond},
		{"doubles", 100 * time.Millisecond, 10 * time.Second, 3, 800 * time.Millisecond},
		{"last below max", 100 * time.Millisecond, 10 * time.Second, 6, 6400 * time.Millisecond},
		{"max", 100 * time.Millisecond, 10 * time.Second, 7, 10 * time.Second},
		{"stays at max", 100 * time.Millisecond, 10 * time.Second, 1e6, 10 * time.Second},
		{"min is max", time.Second, time.Second, 5, time.Second},
		{"no overflow", time.Second, forever, 1e6, forever},
		{"no overflow from the largest", forever, forever, 3, forever},
		{"no wait", 0, time.Second, 10, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ceiling(tt.min, tt.max, tt.retry); got != tt.want {
				t.Errorf("ceiling = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestJitterIsFull(t *testing.T) {
	t.Parallel()
	const top = time.Second
	var low, high bool
	for range 1000 {
		wait := jitter(top)
		if wait < 0 || wait >= top {
			t.Fatalf("jitter = %v, want it in [0, %v)", wait, top)
		}
		low = low || wait < top/4
		high = high || wait > 3*top/4
	}
	if !low || !high {
		t.Errorf("1000 waits: below a quarter %t, above three quarters %t; want both", low, high)
	}
	for _, none := range []time.Duration{0, -1, math.MinInt64} {
		if got := jitter(none); got != 0 {
			t.Errorf("jitter(%d) = %v, want 0", none, got)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2022, 5, 20, 17, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, value string
		want        time.Duration
		ok          bool
	}{
		{"absent", "", 0, false},
		{"seconds", "7", 7 * time.Second, true},
		{"zero", "0", 0, true},
		{"blanks around", " 7 ", 7 * time.Second, true},
		{"leading zeros", "0007", 7 * time.Second, true},
		{"484289 hours", "1743440400", maxRetryAfter, true},
		{"overflows a duration", "9223372037", maxRetryAfter, true},
		{"overflows an int64", "99999999999999999999", maxRetryAfter, true},
		{"largest", "31536000", maxRetryAfter, true},
		{"negative", "-5", 0, false},
		{"signed", "+5", 0, false},
		{"fraction, rounded up", "1.5", 2 * time.Second, true},
		{"fraction of nothing", "2.0", 2 * time.Second, true},
		{"fraction without a whole", ".5", 0, false},
		{"two fractions", "1.5.5", 0, false},
		{"hexadecimal", "0x10", 0, false},
		{"other digits", "٣", 0, false},
		{"word", "soon", 0, false},
		{"date", "Fri, 20 May 2022 17:00:30 GMT", 30 * time.Second, true},
		{"RFC 850 date", "Friday, 20-May-22 17:00:30 GMT", 30 * time.Second, true},
		{"asctime date", "Fri May 20 17:00:30 2022", 30 * time.Second, true},
		{"date in the past", "Fri, 20 May 2022 16:00:00 GMT", 0, true},
		{"date far away", "Fri, 31 Dec 9999 23:59:59 GMT", maxRetryAfter, true},
		{"date long gone", "Mon, 01 Jan 0001 00:00:00 GMT", 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			if tt.value != "" {
				h.Set("Retry-After", tt.value)
			}
			got, ok := RetryAfter(h, now)
			if got != tt.want || ok != tt.ok {
				t.Errorf("RetryAfter = %v, %t; want %v, %t", got, ok, tt.want, tt.ok)
			}
		})
	}
	// A date is compared with the response's Date: this machine's clock may be an hour off.
	h := http.Header{"Retry-After": {"Fri, 20 May 2022 18:00:30 GMT"}, "Date": {"Fri, 20 May 2022 18:00:00 GMT"}}
	if got, ok := RetryAfter(h, now); got != 30*time.Second || !ok {
		t.Errorf("RetryAfter of a server an hour ahead = %v, %t; want 30s", got, ok)
	}
	if _, ok := RetryAfter(nil, now); ok {
		t.Error("RetryAfter of no header: ok")
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"", "0", "7", " 7 ", "-5", "1743440400", "99999999999999999999",
		"Fri, 20 May 2022 17:00:30 GMT", "Friday, 20-May-22 17:00:30 GMT",
		"Fri May 20 17:00:30 2022", "Fri, 31 Dec 9999 23:59:59 GMT",
	} {
		f.Add(seed)
	}
	now := time.Date(2022, 5, 20, 17, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		wait, ok := RetryAfter(http.Header{"Retry-After": {value}}, now)
		if wait < 0 || wait > maxRetryAfter || !ok && wait != 0 {
			t.Fatalf("%q: %v, %t", value, wait, ok)
		}
	})
}
