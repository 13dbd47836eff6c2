package closure_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// Whenever the context ends: as long as nothing was sent the booking says so;
// from then on it is either definite or unknown, and at once.
func TestBookSlotContextEnds(t *testing.T) {
	t.Parallel()
	const roundTrip = 100 * time.Millisecond
	for name, fault := range map[string]closuretest.Fault{
		"answered":    closuretest.Delay(create, 0),
		"lost before": closuretest.DropBefore(create),
		"lost after":  closuretest.DropAfter(create),
		"502":         closuretest.Status(create, 502),
		"late":        closuretest.CommitLate(create, 3*time.Second),
		"429":         closuretest.Status(create, 429, "Retry-After", "1"),
		"taken":       closuretest.Status(create, 409),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for after := 10 * time.Millisecond; after < longer; after += max(20*time.Millisecond, after/8) {
				inBubble(t, func(t *testing.T, d *desk) {
					d.Inject(fault, always(closuretest.Delay(closuretest.AnyOperation, roundTrip)))
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(after, cancel)
					params := anyLength()
					booking, err := d.bookSlot(ctx, t, params)
					cancel()
					posts, rejected := d.count(create), name == "429" || name == "taken"
					got := ending(booking, err)
					switch {
					case d.took > after:
						t.Errorf("after %s: ended %s late", after, d.took-after)
					case posts == 0 && got != "not sent":
						t.Errorf("after %s: %s, though nothing was sent: %v", after, got, err)
					case posts > 0 && (got == "not sent" || got == "rejected") && (posts > 1 || !rejected):
						t.Errorf("after %s: %s, though it was sent: %v", after, got, err)
					}
				})
			}
		})
	}
	atDesks(t, "in the middle", func(t *testing.T, d *desk) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
			if req.Method == http.MethodPost {
				d.inTheMiddle(func() bool { return len(d.Appointments()) == 1 }, cancel)
			}
			return next.RoundTrip(req)
		}
		d.Inject(closuretest.Delay(create, time.Minute))
		_, err := d.bookSlot(ctx, t, slot())
		isErrors(t, err, closure.ErrOutcomeUnknown, context.Canceled)
		d.tookInBubble(t, 10*time.Millisecond)
		d.sent(t, 1, 1)
	})
	atDesks(t, "before", func(t *testing.T, d *desk) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		booking, err := d.bookSlot(ctx, t, slot())
		endsIn(t, "not sent", booking, err)
		isErrors(t, err, context.Canceled)
		d.sent(t, 0, 0)
	})
}

// Options hold for all requests of a booking, but what is captured is the answer
// to the one that books. The caller's slice stays as it is.
func TestBookSlotOptions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault  closuretest.Fault
		status int
	}{
		"booked":    {closuretest.Delay(create, 0), 200},
		"recovered": {closuretest.StatusAfter(create, 502), 502},
		"rejected":  {closuretest.Status(create, 409), 409},
	} {
		atDesks(t, name, func(t *testing.T, d *desk) {
			d.Inject(test.fault)
			var captured, untouched closure.Response
			opts := make([]closure.CallOption, 3, 16)
			opts[0], opts[1] = closure.CaptureResponse(&captured), closure.WithIndexVersion("idx_mine")
			d.Index("idx_mine")
			spare := opts[:cap(opts)]
			spare[3] = closure.CaptureResponse(&untouched)
			params := anyLength()
			_, _ = d.bookSlot(t.Context(), t, params, opts...)
			if captured.StatusCode != test.status || captured.Attempts != 1 {
				t.Errorf("captured %v, want the answer to the booking, status %d", captured, test.status)
			}
			isSet := func(o closure.CallOption) bool { return o != nil }
			if isSet(opts[2]) || !isSet(spare[3]) || slices.ContainsFunc(spare[4:], isSet) || untouched.StatusCode != 0 {
				t.Error("the caller's options were changed")
			}
			for _, r := range d.Requests() {
				directory := strings.HasPrefix(r.Path, "/schedules")
				if directory != (r.Header.Get("Closure-Index-Version") == "idx_mine") {
					t.Errorf("%s: the options don't hold for it", r.Op)
				}
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		s := serveAlways(t, 500, "")
		_, err := s.client(t).BookSlot(t.Context(), slot(), closure.WithMaxAttempts(0))
		isErrors(t, err, closure.ErrInvalidInput)
		var none context.Context
		_, err = s.client(t).BookSlot(none, slot())
		isErrors(t, err, closure.ErrInvalidInput)
		if len(s.seen) != 0 {
			t.Error("sent all the same")
		}
	})
}

func TestBookSlotInput(t *testing.T) {
	t.Parallel()
	var bad []badInput
	for _, test := range []struct {
		field, name string
		change      func(*closure.BookSlotParams)
	}{
		{"ScheduleID", "missing", func(p *closure.BookSlotParams) { p.ScheduleID = "" }},
		{"PatientID", "of another kind", func(p *closure.BookSlotParams) { p.PatientID = "sch_x" }},
		{"StartAt", "missing", func(p *closure.BookSlotParams) { p.StartAt = time.Time{} }},
		{"StartAt", "too fine", func(p *closure.BookSlotParams) { p.StartAt = p.StartAt.Add(time.Microsecond) }},
		{"Duration", "negative", func(p *closure.BookSlotParams) { p.Duration = -1 }},
		{"Duration", "huge", func(p *closure.BookSlotParams) { p.Duration = closure.MaxMinutes + 1 }},
		{"InsuranceID", "of another kind", func(p *closure.BookSlotParams) { p.InsuranceID = "pt_x" }},
		{"InsuranceCheck", "none", func(p *closure.BookSlotParams) { p.InsuranceCheck = 3 }},
		{"InsuranceCheck", "negative", func(p *closure.BookSlotParams) { p.InsuranceCheck = -1 }},
	} {
		params := slot()
		test.change(&params)
		book := func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.BookSlot(ctx, params, opts...)
		}
		bad = append(bad, badInput{test.field + " " + test.name, book, "BookSlot", test.field})
	}
	testBadInputs(t, bad)
}
