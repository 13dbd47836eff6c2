package closure_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A nil option is passed over, and those behind it are not.
func TestOptionsBehindANilOne(t *testing.T) {
	t.Parallel()
	_, err := closure.NewClient(closure.QuickstartKey, nil, closure.WithBaseURL("not a URL"))
	if !errors.Is(err, closure.ErrInvalidInput) {
		t.Errorf("%v, want the second option refused", err)
	}
}

func TestOptionsAtTheirEdges(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]closure.Option{
		"a policy of one field": closure.WithRetryPolicy(closure.RetryPolicy{MaxAttempts: 2}),
		"the default policy":    closure.WithRetryPolicy(closure.RetryPolicy{}),
		"a z in an expansion":   closure.Expand("zone", "a_z"),
	} {
		if _, err := closure.NewClient(closure.QuickstartKey, option); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The first status that isn't a success is none, and is a redirect.
func TestStatus300(t *testing.T) {
	t.Parallel()
	_, err := serveAlways(t, 300, "{}").client(t).Patients.Get(t.Context(), guide.patient)
	if !errors.Is(err, closure.ErrRedirect) {
		t.Errorf("%v", err)
	}
}

func TestMalformedSuccessNamesItsStatusAndRequest(t *testing.T) {
	t.Parallel()
	const id = "0123456789abcdef0123456789abcdef"
	_, err := serveAlways(t, 200, "[", "X-Request-Id", id).client(t).Patients.Get(t.Context(), guide.patient)
	var failed *closure.TransportError
	if !errors.As(err, &failed) || !strings.Contains(failed.Err.Error(), "status 200, request id "+id) {
		t.Errorf("%v", err)
	}
}

func TestDetailsThatSayNothing(t *testing.T) {
	t.Parallel()
	for _, detail := range []string{`[]`, `""`, `[""]`, `null`, `[null]`} {
		_, err := serveAlways(t, 400, `{"detail":`+detail+`}`).client(t).Patients.Get(t.Context(), guide.patient)
		var failed *closure.APIError
		if !errors.As(err, &failed) || failed.Detail != nil {
			t.Errorf("%s: %q, %v", detail, failed.Detail, err)
		}
	}
}

// A printed request shows neither an unknown method nor a route that isn't one.
func TestPrintedCallRequests(t *testing.T) {
	t.Parallel()
	for want, request := range map[string]closure.CallRequest{
		"closure.CallRequest{GET /patients}": {Method: "GET", Route: "/patients"},
		"closure.CallRequest{redacted}":      {Method: "Trisha", Route: "/patients"},
		"closure.CallRequest{redacted} ":     {Method: "GET", Route: "/patients/Trisha"},
	} {
		if got := fmt.Sprint(request); got != strings.TrimSpace(want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// After a 429 a booking, a move and a cancellation are sent as often as the policy
// allows, and no more; the waits double from the first on.
func TestSentAgainAsOftenAsAllowed(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(context.Context, *closure.Client, closure.AppointmentID) error{
		"booking": func(ctx context.Context, c *closure.Client, _ closure.AppointmentID) error {
			_, err := c.BookSlot(ctx, closure.BookSlotParams{
				ScheduleID: clinicIDs[1], PatientID: guide.patient, StartAt: clinicSlot(10), Duration: 20,
			})
			return err
		},
		"move": func(ctx context.Context, c *closure.Client, id closure.AppointmentID) error {
			_, err := c.RescheduleBooking(ctx, id, closure.AppointmentRescheduleParams{StartAt: clinicSlot(10)})
			return err
		},
		"cancellation": func(ctx context.Context, c *closure.Client, id closure.AppointmentID) error {
			_, err := c.CancelBooking(ctx, id)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inClinic(t, func(t *testing.T, c *sharedClinic) {
				booking, err := c.Client().BookSlot(t.Context(), slotParamsFor(""))
				noError(t, err)
				for range 10 { // the waits are random
					var sent []time.Time
					transport := roundTripFunc(func(req *http.Request) (*http.Response, error) {
						if req.Method == http.MethodGet {
							return c.Transport().RoundTrip(req)
						}
						sent = append(sent, time.Now())
						return newResponse(429, `{"error_type":"rate_limited"}`), nil
					})
					client := c.Client(closure.WithHTTPClient(&http.Client{Transport: transport}),
						closure.WithRetryPolicy(closure.RetryPolicy{MaxAttempts: 3, MinWait: time.Second, MaxWait: time.Hour}))
					err := call(t.Context(), client, booking.Appointment.ID)
					if !errors.Is(err, closure.ErrRateLimited) || len(sent) != 3 {
						t.Fatalf("%d requests, %v", len(sent), err)
					}
					for i, most := range []time.Duration{time.Second, 2 * time.Second} {
						if wait := sent[i+1].Sub(sent[i]); wait > most {
							t.Errorf("wait %d is %v", i+1, wait)
						}
					}
				}
			})
		})
	}
}

// A pendingJournal has its own list of what is pending.
type pendingJournal struct {
	closure.Journal
	entry closure.JournalEntry
}

func (j pendingJournal) Pending(context.Context) iter.Seq2[closure.JournalEntry, error] {
	return func(yield func(closure.JournalEntry, error) bool) { yield(j.entry, nil) }
}

func TestPendingEntriesThatAreNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempt := closure.NewBookingAttempt(slotParamsFor(""))
		nameless := attempt
		nameless.ID = ""
		for name, entry := range map[string]closure.JournalEntry{
			"booked":        {Attempt: attempt, State: closure.JournalBooked, Appointment: "appt_1"},
			"without an ID": {Attempt: nameless},
		} {
			server := closuretest.New()
			client := server.Client(closure.WithJournal(pendingJournal{closuretest.NewJournal(), entry}))
			resolved := 0
			for resolution, err := range client.ResolvePending(t.Context()) {
				resolved++
				var failed *closure.JournalError
				if !errors.As(err, &failed) || resolution.Booking != nil {
					t.Errorf("%s: %v, %v", name, resolution, err)
				}
			}
			if resolved != 1 || len(server.Requests()) != 0 {
				t.Errorf("%s: %d resolutions, %d requests; want one failure, and nothing sent", name, resolved, len(server.Requests()))
			}
		}
	})
}
