package outside

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	closure "github.com/closurehealth/closure-go"
)

// secret matches what no error, log or event may show: parts of ids, keys, names and times.
var secret = []string{"CANARY", "2030-05", "09:00:00", "appt_1", "appt_P", "10:00:00"}

// wantNoSecret prints v in every way that a program may.
func wantNoSecret(t *testing.T, what string, v error) {
	t.Helper()
	var all bytes.Buffer
	for _, err := range append(chain(v), v) {
		fmt.Fprintf(&all, "%v|%+v|%#v|%s|%q|%x|%t|%d", err, err, err, err, err, err, err, err)
	}
	text, _ := json.Marshal(map[string]any{"e": v})
	all.Write(text)
	fmt.Fprintf(&all, "%+v", struct{ E any }{v})
	slog.New(slog.NewTextHandler(&all, nil)).Info("x", "e", v)
	slog.New(slog.NewJSONHandler(&all, nil)).Info("x", "e", v)
	wantNoSecretIn(t, what, all.String())
}

func wantNoSecretIn(t *testing.T, what, text string) {
	t.Helper()
	for _, s := range secret {
		if i := strings.Index(text, s); i >= 0 {
			t.Errorf("%s shows %q: …%s…", what, s, text[max(0, i-150):min(len(text), i+100)])
		}
	}
}

// chain returns what err wraps. It leaves out the cause of a JournalError, which is the
// application's.
func chain(err error) (out []error) {
	if err == nil {
		return nil
	}
	switch x := err.(type) {
	case *closure.JournalError:
		return []error{err}
	case interface{ Unwrap() []error }:
		for _, u := range x.Unwrap() {
			out = append(out, chain(u)...)
		}
	case interface{ Unwrap() error }:
		out = chain(x.Unwrap())
	}
	return append(out, err)
}

type trouble struct {
	name    string
	api     func(op string, n int) *fault
	journal func(method string, n int, act func()) (error, bool)
}

func troubles() (all []trouble) {
	errShown := errors.New("CANARY journal: key CANARYKEY pt_CANARYPATIENT")
	for _, method := range []string{"begin", "find", "findappt", "finish", "release", "pending"} {
		all = append(all,
			trouble{"each " + method, nil, func(m string, _ int, _ func()) (error, bool) { return errShown, m == method }},
			trouble{"second " + method, nil, func(m string, n int, _ func()) (error, bool) {
				return errShown, m == method && n == 2
			}})
	}
	for _, op := range []string{"create", "move", "cancel", "list", "get", "slots", "schedule"} {
		for i, f := range []fault{
			{drop: true},
			{drop: true, after: true},
			{status: 400, body: `{"error_type":"CANARY x","error_message":"CANARY","detail":["CANARY"]}`},
			{status: 500, body: "CANARY", header: map[string]string{"X-Request-Id": "CANARY pt_CANARYPATIENT"}},
			{status: 200, body: `{"id":"CANARY"}`, after: true},
			{status: 302, header: map[string]string{"Location": "http://CANARY/"}},
			{status: 429, after: true, header: map[string]string{"Retry-After": "1"}},
		} {
			all = append(all, trouble{fmt.Sprintf("%s, fault %d", op, i), func(o string, _ int) *fault {
				if o != op {
					return nil
				}
				g := f
				return &g
			}, nil})
		}
	}
	return all
}

func TestNoErrorLogOrEventShowsWhatIsSecretWhateverFails(t *testing.T) {
	t.Parallel()
	for _, of := range troubles() {
		t.Run(of.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, j := newAPI(), newJournal()
				a.bookedByPhone(hour(4))
				a.bookedByPhone(hour(0))
				seen := &watched{t: t, ops: map[uint64]string{}, ended: map[string]bool{}}
				c := client(t, a, j, closure.WithLogger(slog.New(slog.NewTextHandler(seen, nil))),
					closure.WithObserver(seen.call), closure.WithBookingObserver(seen.booking))
				a.hook, j.hook = of.api, of.journal
				callEverything(t, c)
				time.Sleep(time.Hour)
				wantNoSecretIn(t, "a log or an event", seen.text())
			})
		})
	}
}

func callEverything(t *testing.T, c *closure.Client) {
	t.Helper()
	cx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	for _, params := range []closure.BookSlotParams{
		slot(0, "CANARYKEY0"), slot(1, "CANARYKEY1"), slot(1, ""), slot(2, "CANARYKEY1"), slot(1, "CANARYKEY2"),
	} {
		_, err := c.BookSlot(cx, params)
		wantNoSecret(t, "BookSlot", err)
	}
	_, err := c.BookFirstAvailable(cx, first("CANARYKEY9"))
	wantNoSecret(t, "BookFirstAvailable", err)
	for _, id := range []closure.AppointmentID{"appt_P1", "appt_CANARY", "CANARY"} {
		_, err = c.RescheduleBooking(cx, id, to(3))
		wantNoSecret(t, "RescheduleBooking", err)
		_, err = c.CancelBooking(cx, id)
		wantNoSecret(t, "CancelBooking", err)
	}
	for r, err := range c.ResolvePending(cx, closure.AssumeLostAfter(time.Second)) {
		wantNoSecret(t, "ResolvePending", err)
		wantNoSecret(t, "a Resolution", r.Err)
	}
	ended, end := context.WithCancelCause(t.Context())
	end(errors.New("CANARY cause"))
	_, err = c.BookSlot(ended, slot(3, "CANARYKEY5"))
	wantNoSecret(t, "BookSlot, ended", err)
}

// watched keeps what is logged and reported. It checks that each event is reported once, and
// that a booking's counts match its events.
type watched struct {
	t      *testing.T
	mu     sync.Mutex
	buffer bytes.Buffer
	ops    map[uint64]string
	ended  map[string]bool
	events []closure.Event
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buffer.Write(p)
}

func (w *watched) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buffer.String()
}

func (w *watched) call(_ context.Context, e closure.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if op, ok := w.ops[e.CallID]; ok && op != e.Op {
		w.t.Errorf("one CallID for %s and %s", op, e.Op)
	}
	w.ops[e.CallID] = e.Op
	w.events = append(w.events, e)
	fmt.Fprintf(&w.buffer, "%+v\n", e)
}

func (w *watched) booking(_ context.Context, e closure.BookingEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended[e.ID] {
		w.t.Error("a booking ended twice")
	}
	w.ended[e.ID] = true
	calls, attempts := 0, 0
	for _, x := range w.events {
		switch {
		case x.BookingID != e.ID:
		case x.Attempt == 0:
			calls++
		default:
			attempts++
		}
	}
	if calls != e.Calls || attempts != e.Attempts {
		w.t.Errorf("%+v, and there were %d calls and %d attempts", e, calls, attempts)
	}
	fmt.Fprintf(&w.buffer, "%+v\n", e)
}
