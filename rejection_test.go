package closure_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

var rejections = []int{400, 401, 402, 403, 404, 405, 409, 410, 422, 429, 451}

// ownWord is the API's error object.
const ownWord = `{"error_type":"invalid_request","error_message":"no"}`

// The API booked, and a gateway said no: the list shows the appointment.
func TestRejectedThoughBooked(t *testing.T) {
	t.Parallel()
	for _, status := range rejections {
		for _, body := range []string{"", "<html>no</html>", ownWord} {
			p, c := openPractice(t, func(g *gateway) {
				if g.books() {
					g.api()
					g.say(status, body)
				}
			})
			booking, err := c.BookSlot(t.Context(), bookingParams())
			ends(t, booking, err, "recovered")
			p.sent(t, 1, 1)
		}
	}
}

// A rejection with nothing to bear it out is no rejection: the list, which could
// be read before, can't be any more.
func TestRejectedAndTheListFails(t *testing.T) {
	t.Parallel()
	for _, status := range rejections {
		for _, list := range []struct {
			status int
			body   string
		}{
			{401, ownWord}, {403, ""}, {404, ownWord}, {405, ""}, {429, ""},
			{500, ""}, {503, "{}"}, {200, "{}"}, {200, `"`}, {0, ""},
		} {
			p, c := openPractice(t, func(g *gateway) {
				switch {
				case g.books():
					g.api()
					g.say(status, ownWord)
				case g.lists() && g.practice.count("POST /appointments") > 0:
					g.say(list.status, list.body)
				}
			})
			booking, err := c.BookSlot(t.Context(), bookingParams())
			ends(t, booking, err, "unknown")
			if e := (*closure.APIError)(nil); !errors.As(err, &e) || e.StatusCode != status {
				t.Errorf("%d, list %d: the cause is not the rejection: %v", status, list.status, err)
			}
			p.sent(t, 1, 1)
		}
	}
}

// Nothing was booked, the API says so, and the list shows it: the rejection is definite.
func TestRejected(t *testing.T) {
	t.Parallel()
	for _, status := range rejections {
		for _, gone := range []bool{false, true} {
			if gone && status == http.StatusTooManyRequests {
				continue // it doesn't say who took the slot: see TestGoneAfterA429
			}
			p, c := openPractice(t, func(g *gateway) {
				if g.books() {
					if gone {
						g.practice.slots = "[]"
					}
					g.ResponseWriter.Header().Set("Retry-After", "3600") // more than the policy waits for
					g.say(status, ownWord)
				}
			})
			booking, err := c.BookSlot(t.Context(), bookingParams())
			ends(t, booking, err, "rejected")
			if errors.Is(err, closure.ErrSlotUnavailable) != gone {
				t.Errorf("%d, slot gone %t: %v", status, gone, err)
			}
			if e := (*closure.APIError)(nil); !errors.As(err, &e) || e.StatusCode != status {
				t.Errorf("%d: not in the error: %v", status, err)
			}
			p.sent(t, 1, 0)
			if p.count("GET /appointments") < 2 {
				t.Errorf("%d: it was not looked at", status)
			}
		}
	}
}

// Without a list, only the API's own error object is believed.
func TestRejectedByAnAPIWithoutAList(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"":                           "unknown",
		"<html>no</html>":            "unknown",
		`{"message":"Unauthorized"}`: "unknown",
		ownWord:                      "rejected",
		`{"error_code":"no"}`:        "rejected",
	} {
		for _, status := range rejections {
			for _, list := range []int{404, 405} {
				p, c := openPractice(t, func(g *gateway) {
					switch {
					case g.books():
						g.ResponseWriter.Header().Set("Retry-After", "3600")
						g.say(status, body)
					case g.lists():
						g.say(list, "")
					}
				})
				booking, err := c.BookSlot(t.Context(), bookingParams())
				ends(t, booking, err, want)
				p.sent(t, 1, 0)
			}
		}
	}
}

// throttle answers the first requests to book with 429, each with that header.
func throttle(times int, retryAfter string) func(*gateway) {
	return func(g *gateway) {
		if g.Method != http.MethodGet && g.number <= times {
			if retryAfter != "" {
				g.ResponseWriter.Header().Set("Retry-After", retryAfter)
			}
			g.say(429, ownWord)
		}
	}
}

// After a 429 a booking looks, waits and sends again.
func TestBookSlotAfterA429(t *testing.T) {
	t.Parallel()
	t.Run("looks before it sends again", func(t *testing.T) {
		t.Parallel()
		p, c := openPractice(t, throttle(2, ""))
		booking, err := c.BookSlot(t.Context(), bookingParams())
		ends(t, booking, err, "booked")
		p.sent(t, 3, 1)
		posts, looked := 0, 0
		for _, request := range p.log {
			switch request {
			case "POST /appointments":
				posts++
				if looked < 1 {
					t.Errorf("request %d to book without a look before it: %v", posts, p.log)
				}
				looked = 0
			case "GET /appointments":
				looked++
			}
		}
	})
	for name, test := range map[string]struct {
		retryAfter string
		policy     closure.RetryPolicy
		timeout    time.Duration
		posts      int
	}{
		"attempts in total":      {"0", closure.RetryPolicy{MaxAttempts: 2}, time.Hour, 2},
		"no retries":             {"0", closure.RetryPolicy{MaxAttempts: 1}, time.Hour, 1},
		"budget":                 {"0", closure.RetryPolicy{MaxAttempts: 9, Budget: 10}, time.Hour, 2},
		"longer than the policy": {"2", closure.RetryPolicy{MaxRetryAfter: time.Second}, time.Hour, 1},
		"past the deadline":      {"20", closure.RetryPolicy{}, 10 * time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &practice{slots: openSlot, status: "scheduled", gateway: throttle(99, test.retryAfter)}
			server := httptest.NewServer(p)
			t.Cleanup(server.Close)
			test.policy.MinWait, test.policy.MaxWait = 1, 1
			c := p.client(t, server.URL, closure.WithRetryPolicy(test.policy))
			ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
			defer cancel()
			begin := time.Now()
			booking, err := c.BookSlot(ctx, bookingParams())
			ends(t, booking, err, "rejected", closure.ErrRateLimited)
			if e, ok := errors.AsType[*closure.APIError](err); !ok || e.Attempts != test.posts {
				t.Errorf("%v: want %d attempts", err, test.posts)
			}
			p.sent(t, test.posts, 0)
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("it waited %s for nothing", took)
			}
		})
	}
	t.Run("waits as long as asked", func(t *testing.T) {
		t.Parallel()
		p, c := openPractice(t, throttle(1, "1"))
		begin := time.Now()
		booking, err := c.BookSlot(t.Context(), bookingParams())
		ends(t, booking, err, "booked")
		p.sent(t, 2, 1)
		if took := time.Since(begin); took < time.Second {
			t.Errorf("it came back after %s", took)
		}
	})
}

// changesOf are the two changes of the appointment that the practice holds.
func changesOf(c *closure.Client) map[string]func(context.Context) (*closure.Appointment, error) {
	return map[string]func(context.Context) (*closure.Appointment, error){
		"move": func(ctx context.Context) (*closure.Appointment, error) {
			return c.RescheduleBooking(ctx, "appt_1", closure.AppointmentRescheduleParams{StartAt: guide.start.Add(time.Hour)})
		},
		"cancel": func(ctx context.Context) (*closure.Appointment, error) { return c.CancelBooking(ctx, "appt_1") },
	}
}

// The same care for a change: what is told of a rejection is what the
// appointment shows.
func TestChangeRejected(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		done bool
		body string
		read int // status of the read, 200: the API's answer
		want closure.Outcome
	}{
		"done":                           {true, "", 200, closure.OutcomeApplied},
		"done, can't be read":            {true, ownWord, 500, closure.OutcomeUnknown},
		"done, read is forbidden":        {true, ownWord, 403, closure.OutcomeUnknown},
		"not done":                       {false, ownWord, 200, closure.OutcomeRejected},
		"no such call, a gateway's word": {true, "", 404, closure.OutcomeUnknown},
		"no such call, the API's word":   {false, ownWord, 404, closure.OutcomeRejected},
	} {
		for _, status := range rejections {
			for change := range changesOf(nil) {
				p, c := openPractice(t, func(g *gateway) {
					switch read := strings.HasPrefix(g.URL.Path, "/appointments/") && g.Method == http.MethodGet; {
					case read && test.read != 200:
						g.say(test.read, "")
					case g.Method != http.MethodGet:
						if test.done {
							g.api()
						}
						g.ResponseWriter.Header().Set("Retry-After", "3600")
						g.say(status, test.body)
					}
				})
				p.hold("scheduled").slots = `[{"start_at":"2022-05-20T18:00:00Z","duration":30}]`
				changed, err := changesOf(c)[change](t.Context())
				checkEnding(t, err)
				what := fmt.Sprintf("%s, %s, %d", name, change, status)
				if got := closure.OutcomeOf(err); got != test.want || (changed == nil) == (err == nil) {
					t.Errorf("%s: %v, want %v: %v", what, got, test.want, err)
				}
				if len(p.bodies) != 1 {
					t.Errorf("%s: sent %d times", what, len(p.bodies))
				}
			}
		}
	}
}

// After a 429 a change reads the appointment before the wait and after it, and then sends again.
func TestChangeAfterA429(t *testing.T) {
	t.Parallel()
	for change := range changesOf(nil) {
		p, c := openPractice(t, throttle(2, ""))
		p.hold("scheduled").slots = `[{"start_at":"2022-05-20T18:00:00Z","duration":30}]`
		_, err := changesOf(c)[change](t.Context())
		noError(t, err)
		if len(p.bodies) != 3 || p.count("GET /appointments/appt_1") != 4 {
			t.Errorf("%s: %v", change, p.log)
		}
	}
}
