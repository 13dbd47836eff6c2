package closure_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
)

// A talkingContext is a context of the caller's own, whose error is a text with
// the canary in it.
type talkingContext struct {
	context.Context
	done chan struct{}
	err  error
}

func (c *talkingContext) Done() <-chan struct{} { return c.done }

func (c *talkingContext) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// talksAfter ends after the time, at once if that is zero.
func talksAfter(ctx context.Context, d time.Duration, err error) *talkingContext {
	c := &talkingContext{ctx, make(chan struct{}), err}
	if d == 0 {
		close(c.done)
	} else {
		time.AfterFunc(d, func() { close(c.done) })
	}
	return c
}

func talksAtOnce(ctx context.Context) context.Context { return talksAfter(ctx, 0, textError(leak)) }

func talksLater(ctx context.Context) context.Context {
	return talksAfter(ctx, time.Millisecond, textError(leak))
}

// untilEnd is a server that answers nobody before the context ends.
var untilEnd = fails(func(req *http.Request) error {
	<-req.Context().Done()
	return req.Context().Err()
})

// A wait is a call that waits for something while its context ends.
type wait struct {
	server http.RoundTripper
	opts   []closure.Option
	before func(context.Context, *closure.Client) // what it waits for, if that is another call
	call   func(context.Context, *closure.Client) error
}

func waits() map[string]wait {
	slot := closure.BookSlotParams{
		ScheduleID: canary.schedule, PatientID: canary.patient, StartAt: canary.start, Duration: 30,
	}
	search := closure.SlotSearch{
		Schedules: []closure.ScheduleID{canary.schedule},
		From:      canary.start.Add(-time.Hour), To: canary.start.Add(time.Hour),
	}
	get := func(ctx context.Context, c *closure.Client) error {
		_, err := c.Patients.Get(ctx, canary.patient)
		return err
	}
	book := func(ctx context.Context, c *closure.Client) error {
		_, err := c.BookSlot(ctx, slot)
		return err
	}
	first := func(ctx context.Context, c *closure.Client) error {
		_, err := c.Availabilities.First(ctx, search)
		return err
	}
	slowLoop := func(ctx context.Context, c *closure.Client) (last error) {
		for _, err := range c.Availabilities.Search(ctx, search) {
			<-ctx.Done()
			last = err
		}
		return last
	}
	slots := says(200, show([]closure.Slot{{StartAt: canary.start, Duration: 30}, {StartAt: canary.start, Duration: 45}}))
	patient := show(closure.Patient{ID: canary.patient})
	slow := []closure.Option{closure.WithRateLimit(0.01, 1)}
	return map[string]wait{
		"an answer":       {server: untilEnd, call: get},
		"the next try":    {server: says(503, leak, "Retry-After", "50"), call: get},
		"the rate limit":  {server: says(200, patient), opts: slow, before: ignoring(get), call: get},
		"a turn to book":  {server: untilEnd, before: ignoring(book), call: book},
		"slots":           {server: untilEnd, call: first},
		"a loop's body":   {server: slots, call: slowLoop},
		"what was booked": {server: bookedUnknown, call: book},
	}
}

// bookedUnknown has all that a booking needs, and drops the booking itself.
var bookedUnknown = roundTripFunc(func(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet {
		return nil, textError(leak)
	}
	return newResponse(200, canaryRecord(req)), nil
})

func ignoring(call func(context.Context, *closure.Client) error) func(context.Context, *closure.Client) {
	return func(ctx context.Context, c *closure.Client) { _ = call(ctx, c) }
}

// Whatever a call waits for while its context ends: the text is one of ours, and
// errors.Is still finds the context's own error.
func TestContextsErrorIsNotShown(t *testing.T) {
	t.Parallel()
	for waitsFor, w := range waits() {
		for text, contextErr := range map[string]error{
			"context ended":             textError(leak),
			"context canceled":          fmt.Errorf("%s: %w", leak, context.Canceled),
			"context deadline exceeded": fmt.Errorf("%s: %w", leak, context.DeadlineExceeded),
		} {
			t.Run(waitsFor+", "+text, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { w.test(t, contextErr, text) })
			})
		}
	}
}

func (w wait) test(t *testing.T, contextErr error, text string) {
	client := newClient(t, w.server, w.opts...)
	if w.before != nil {
		ctx, end := context.WithCancel(t.Context())
		defer end()
		go w.before(ctx, client)
		synctest.Wait()
	}
	err := w.call(talksAfter(t.Context(), time.Second, contextErr), client)
	if err == nil {
		t.Fatal("the call doesn't fail")
	}
	checkError(t, "error", err)
	_, unknown := errors.AsType[*closure.OutcomeUnknownError](err) // its cause is the booking's, not the context's
	if !unknown && (!errors.Is(err, contextErr) || !strings.Contains(err.Error(), text)) {
		t.Errorf("%v, want %q in it, and errors.Is to find the context's error", err, text)
	}
}
