package transport

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ceiling doubles from min with each retry (counted from 0), up to max, without
// overflow.
func ceiling(min, max time.Duration, retry int) time.Duration {
	for range retry {
		if min >= max/2 {
			return max
		}
		min *= 2
	}
	return min
}

// jitter is a random wait below the ceiling ("full jitter").
func jitter(ceiling time.Duration) time.Duration {
	if ceiling <= 0 {
		return 0
	}
	return rand.N(ceiling)
}

// maxRetryAfter replaces every longer wait, so that nothing overflows.
const maxRetryAfter = 365 * 24 * time.Hour

// RetryAfter is how long the response asks to wait. The header holds seconds or a date. A date
// is compared with the response's Date, if there is one, because the clock of this machine may
// differ from the server's.
func RetryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0, false
	}
	if seconds, ok := wholeSeconds(value); ok {
		return min(seconds, maxRetryAfter), true
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if sent, err := http.ParseTime(h.Get("Date")); err == nil {
		now = sent
	}
	return min(max(date.Sub(now), 0), maxRetryAfter), true
}

// wholeSeconds reads decimal seconds, such as 2 or 1.5, and rounds up.
func wholeSeconds(value string) (wait time.Duration, ok bool) {
	whole, fraction, _ := strings.Cut(value, ".")
	if whole == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, false
	}
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds >= int64(maxRetryAfter/time.Second) {
		return maxRetryAfter, true
	}
	if strings.Trim(fraction, "0") != "" {
		seconds++
	}
	return time.Duration(seconds) * time.Second, true
}
