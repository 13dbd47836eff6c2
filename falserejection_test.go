package closure_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A liar is a gateway in front of the double: it answers the first write in the API's place.
type liar struct {
	api        *closuretest.Server
	status     int
	retryAfter string
	passesOn   bool // the API carries the write out all the same
	honest     bool // for now it only passes on
	lied       bool
	refuses    bool // the API refuses the next write, because the first one was carried out
	slotsOnce  bool // after that it shows the open slots once, and then not any more
	shown      atomic.Bool
}

func (l *liar) RoundTrip(req *http.Request) (*http.Response, error) {
	if l.honest {
		return l.api.Transport().RoundTrip(req)
	}
	if l.slotsOnce && l.lied && strings.HasSuffix(req.URL.Path, "/slots") && l.shown.Swap(true) {
		return &http.Response{StatusCode: http.StatusNotImplemented, Body: http.NoBody}, nil
	}
	if l.refuses && l.lied && req.Method != http.MethodGet {
		return &http.Response{StatusCode: http.StatusConflict, Body: io.NopCloser(strings.NewReader(ownWord))}, nil
	}
	if req.Method == http.MethodGet || l.lied {
		return l.api.Transport().RoundTrip(req)
	}
	l.lied = true
	if l.passesOn {
		if _, err := l.api.Transport().RoundTrip(req); err != nil {
			return nil, err
		}
	}
	answer := &http.Response{StatusCode: l.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<html>no</html>"))}
	if l.retryAfter != "" {
		answer.Header.Set("Retry-After", l.retryAfter)
	}
	return answer, nil
}

// lieTo runs a test with a gateway that lies to its client. The API accepts duplicates.
func lieTo(t *testing.T, l *liar, test func(t *testing.T, l *liar, c *closure.Client), faults ...closuretest.Fault) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l.api = closuretest.New(closuretest.ReportTo(t), closuretest.AllowDuplicates())
		l.api.Inject(faults...)
		c, err := closure.NewClient(closure.QuickstartKey, closure.WithHTTPClient(&http.Client{Transport: l}),
			closure.WithJournal(closuretest.NewJournal()))
		noError(t, err)
		test(t, l, c)
	})
}

// before makes what must be there before the write, for a client behind the gateway. From then on
// the gateway lies, and reads lag.
func (l *liar) before(t *testing.T, write testedWrite, by time.Duration, opts ...closure.Option) (*closure.Client, closure.AppointmentID) {
	t.Helper()
	l.api, l.honest = closuretest.New(closuretest.ReportTo(t)), true
	c, err := closure.NewClient(closure.QuickstartKey, append(opts, closure.WithHTTPClient(&http.Client{Transport: l}))...)
	noError(t, err)
	existing := write.prepare(t, c)
	time.Sleep(time.Minute)
	l.api.Inject(lag(by)...)
	l.honest = false
	return c, existing
}

func lag(d time.Duration) []closuretest.Fault {
	return []closuretest.Fault{
		closuretest.Stale("appointments.list", d).Times(0),
		closuretest.Stale("appointments.get", d).Times(0),
		closuretest.Stale("availabilities.list", d).Times(0),
	}
}

func guideSlotParams() closure.BookSlotParams {
	slot := closuretest.GuideSlot()
	return closure.BookSlotParams{
		ScheduleID: closuretest.GuideScheduleID, PatientID: closuretest.GuidePatientID,
		StartAt: slot.StartAt, Duration: slot.Duration,
	}
}

func guideFirstParams() closure.BookFirstParams {
	start := closuretest.GuideSlot().StartAt
	return closure.BookFirstParams{
		PatientID: closuretest.GuidePatientID, IdempotencyKey: "order 17",
		Search: closure.SlotSearch{
			Schedules: []closure.ScheduleID{closuretest.GuideScheduleID}, From: start.Add(-time.Hour), To: start.Add(time.Hour),
		},
	}
}

var bookings = map[string]func(*testing.T, *closure.Client) error{
	"BookSlot": func(t *testing.T, c *closure.Client) error {
		_, err := c.BookSlot(t.Context(), guideSlotParams())
		return err
	},
	"BookFirstAvailable": func(t *testing.T, c *closure.Client) error {
		_, err := c.BookFirstAvailable(t.Context(), guideFirstParams())
		return err
	},
}

// The API booked, a gateway said no, and reads lag by less than BookSlot looks.
func TestGatewaysRejectionWhileReadsLag(t *testing.T) {
	t.Parallel()
	for _, status := range slices.DeleteFunc(slices.Clone(rejections), func(s int) bool { return s == 429 }) {
		lieTo(t, &liar{status: status, passesOn: true}, func(t *testing.T, l *liar, c *closure.Client) {
			booking, err := c.BookSlot(t.Context(), guideSlotParams())
			if err != nil || !booking.Recovered || len(l.api.Appointments()) != 1 {
				t.Errorf("%d: %v, %v, %d appointments", status, booking, err, len(l.api.Appointments()))
			}
		}, lag(5*time.Second)...)
	}
}

// A change was made, a gateway said no, and reads lag.
func TestGatewaysRejectionOfAChangeWhileReadsLag(t *testing.T) {
	t.Parallel()
	for change := range changesOf(nil) {
		lieTo(t, &liar{status: 403, passesOn: true, honest: true}, func(t *testing.T, l *liar, c *closure.Client) {
			booking, err := c.BookSlot(t.Context(), guideSlotParams())
			noError(t, err)
			time.Sleep(time.Minute)
			l.honest = false
			if change == "cancel" {
				_, err = c.CancelBooking(t.Context(), booking.Appointment.ID)
			} else {
				to := closure.AppointmentRescheduleParams{StartAt: booking.Appointment.StartAt.Add(15 * time.Minute)}
				_, err = c.RescheduleBooking(t.Context(), booking.Appointment.ID, to)
			}
			noError(t, err)
		}, lag(5*time.Second)...)
	}
}

// Nothing was booked, and a gateway said no: the rejection is definite when the looking is over.
func TestGatewaysTrueRejection(t *testing.T) {
	t.Parallel()
	lieTo(t, &liar{status: 403}, func(t *testing.T, l *liar, c *closure.Client) {
		start := time.Now()
		_, err := c.BookSlot(t.Context(), guideSlotParams())
		if closure.OutcomeOf(err) != closure.OutcomeRejected || time.Since(start) > 11*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// After a 429 the request may be sent again: it is looked for before the wait and after it.
func TestLooksAfterTheWaitToo(t *testing.T) {
	t.Parallel()
	lieTo(t, &liar{status: 429, passesOn: true, retryAfter: "20"}, func(t *testing.T, l *liar, c *closure.Client) {
		booking, err := c.BookSlot(t.Context(), guideSlotParams())
		if err != nil || !booking.Recovered || len(l.api.Appointments()) != 1 {
			t.Errorf("%v, %v, %d appointments", booking, err, len(l.api.Appointments()))
		}
	}, lag(time.Second)...)
}

// The API booked, a gateway said 429, and when the wait is over reads still lag. The request is
// sent again, and the API refuses it, because the slot is taken: by this booking.
func TestConflictWithOnesOwn429(t *testing.T) {
	t.Parallel()
	for name, book := range bookings {
		synctest.Test(t, func(t *testing.T) {
			api := closuretest.New(closuretest.ReportTo(t))
			api.Inject(lag(8 * time.Second)...)
			c, err := closure.NewClient(closure.QuickstartKey, closure.WithJournal(closuretest.NewJournal()),
				closure.WithHTTPClient(&http.Client{Transport: &liar{api: api, status: 429, passesOn: true}}))
			noError(t, err)
			if err := book(t, c); err != nil || len(api.Appointments()) != 1 {
				t.Errorf("%s: %v, %d appointments", name, err, len(api.Appointments()))
			}
		})
	}
}

// The slot is gone after a 429, and the list doesn't show who has it: the patient may. Another
// slot must not be booked.
func TestGoneAfterA429(t *testing.T) {
	t.Parallel()
	for listLags, want := range map[time.Duration]closure.Outcome{
		5 * time.Second: closure.OutcomeApplied,
		time.Hour:       closure.OutcomeUnknown,
	} {
		for name, book := range bookings {
			lieTo(t, &liar{status: 429, passesOn: true, slotsOnce: true}, func(t *testing.T, l *liar, c *closure.Client) {
				err := book(t, c)
				if closure.OutcomeOf(err) != want || len(l.api.Appointments()) != 1 {
					t.Errorf("%s, list lags by %v: %v, %d appointments", name, listLags, err, len(l.api.Appointments()))
				}
				if e, ok := errors.AsType[*closure.OutcomeUnknownError](err); ok && (e.SlotOpen == nil || *e.SlotOpen) {
					t.Errorf("%s: the error doesn't say that the slot is gone", name)
				}
			}, closuretest.Stale("appointments.list", listLags).Times(0))
		}
	}
}

// A gateway said 429 after the API had acted, and the second request gets no connection: that one
// was not sent, but the first one was.
func TestNotSentAfterOnesOwn429(t *testing.T) {
	t.Parallel()
	for name, write := range allWrites {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := closuretest.New(closuretest.ReportTo(t))
			gate := &liar{api: api, honest: true, passesOn: true, status: 429}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				resp, err := gate.RoundTrip(r)
				if err != nil {
					panic(http.ErrAbortHandler)
				}
				defer resp.Body.Close()
				w.WriteHeader(resp.StatusCode)
				_, _ = io.Copy(w, resp.Body)
			}))
			t.Cleanup(server.Close)
			c, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(server.URL),
				closure.WithHTTPClient(&http.Client{Transport: &http.Transport{Proxy: func(r *http.Request) (*url.URL, error) {
					if r.Method != http.MethodGet && gate.lied {
						return nil, errors.New("there is no way") // net/http has sent nothing then
					}
					return nil, nil
				}}}))
			noError(t, err)
			existing := write.prepare(t, c)
			time.Sleep(500 * time.Millisecond)
			api.Inject(lag(500 * time.Millisecond)...)
			gate.honest = false
			if err := write.do(t.Context(), c, existing); closure.OutcomeOf(err) != closure.OutcomeApplied {
				t.Error(err)
			}
		})
	}
}

// The same, and the second request is refused by the API, because the first one was carried out.
func TestRefusedAfterOnesOwn429(t *testing.T) {
	t.Parallel()
	for name, write := range allWrites {
		synctest.Test(t, func(t *testing.T) {
			gate := &liar{status: 429, passesOn: true, refuses: true}
			c, existing := gate.before(t, write, 5*time.Second)
			if err := write.do(t.Context(), c, existing); closure.OutcomeOf(err) != closure.OutcomeApplied {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// A gateway said no, and one of many looks shows an appointment with a status that this version does
// not know. That the later looks show none doesn't make the gateway's word true.
func TestDoubtInOneOfManyLooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := &liar{status: 403, api: closuretest.New(closuretest.ReportTo(t))}
		params, doubtful := guideSlotParams(), show(closure.Appointment{
			ID: "appt_1", PatientID: closuretest.GuidePatientID, ScheduleID: closuretest.GuideScheduleID,
			StartAt: closuretest.GuideSlot().StartAt, Duration: 30, Status: "pending",
		})
		var looks atomic.Int32
		transport := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if gate.lied && strings.HasSuffix(req.URL.Path, "/appointments") && looks.Add(1) == 2 {
				return newResponse(http.StatusOK, "["+doubtful+"]"), nil
			}
			return gate.RoundTrip(req)
		})
		c, err := closure.NewClient(closure.QuickstartKey, closure.WithHTTPClient(&http.Client{Transport: transport}))
		noError(t, err)
		_, err = c.BookSlot(t.Context(), params)
		isErrors(t, err, closure.ErrOutcomeUnknown)
		if looks.Load() < 3 {
			t.Errorf("%d looks", looks.Load())
		}
	})
}

// A last 429 of a gateway is looked into as long as any of its answers.
func TestLast429(t *testing.T) {
	t.Parallel()
	for name, write := range allWrites {
		synctest.Test(t, func(t *testing.T) {
			gate := &liar{status: 429, passesOn: true}
			c, existing := gate.before(t, write, time.Second, closure.WithMaxAttempts(1))
			if err := write.do(t.Context(), c, existing); closure.OutcomeOf(err) != closure.OutcomeApplied {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// While it is looked, the caller's time is up, or reads begin to fail: nobody knows.
func TestLookThatIsCutShort(t *testing.T) {
	t.Parallel()
	for name, write := range allWrites {
		for how, fails := range map[string]bool{"the context ends": false, "reads fail": true} {
			synctest.Test(t, func(t *testing.T) {
				gate := &liar{status: 403, passesOn: true}
				c, existing := gate.before(t, write, 8*time.Second)
				most := 7 * time.Second
				if fails {
					most = time.Minute
					time.AfterFunc(2*time.Second, func() {
						gate.api.ClearFaults()
						gate.api.Inject(closuretest.Status(closuretest.AnyOperation, 500).Times(0))
					})
				}
				ctx, cancel := context.WithTimeout(t.Context(), most)
				defer cancel()
				if err := write.do(ctx, c, existing); closure.OutcomeOf(err) != closure.OutcomeUnknown {
					t.Errorf("%s, %s: %v", name, how, err)
				}
			})
		}
	}
}

// The API's own word is enough: a lost race ends at once, also after the API's own 429.
func TestLostRaceEndsAtOnce(t *testing.T) {
	t.Parallel()
	for _, earlier := range []int{0, 1} {
		posts := 0
		p, c := openPractice(t, func(g *gateway) {
			if !g.books() {
				return
			}
			if posts++; posts <= earlier {
				g.say(429, ownWord)
				return
			}
			g.practice.slots = "[]"
			g.say(409, ownWord)
		})
		begun := time.Now()
		_, err := c.BookSlot(t.Context(), bookingParams())
		if !errors.Is(err, closure.ErrSlotUnavailable) || time.Since(begun) > 5*time.Second {
			t.Errorf("after %d times 429: %v, in %v", earlier, err, time.Since(begun))
		}
		p.sent(t, earlier+1, 0)
	}
}

// A testedWrite is a write, and what must be there before it.
type testedWrite struct {
	prepare func(*testing.T, *closure.Client) closure.AppointmentID
	do      func(context.Context, *closure.Client, closure.AppointmentID) error
}

var allWrites = map[string]testedWrite{
	"book": {
		func(*testing.T, *closure.Client) closure.AppointmentID { return "" },
		func(ctx context.Context, c *closure.Client, _ closure.AppointmentID) error {
			_, err := c.BookSlot(ctx, guideSlotParams())
			return err
		},
	},
	"move": {anAppointment, func(ctx context.Context, c *closure.Client, id closure.AppointmentID) error {
		to := closure.AppointmentRescheduleParams{StartAt: guideSlotParams().StartAt.Add(15 * time.Minute)}
		_, err := c.RescheduleBooking(ctx, id, to)
		return err
	}},
	"cancel": {anAppointment, func(ctx context.Context, c *closure.Client, id closure.AppointmentID) error {
		_, err := c.CancelBooking(ctx, id)
		return err
	}},
}

func anAppointment(t *testing.T, c *closure.Client) closure.AppointmentID {
	booking, err := c.BookSlot(t.Context(), guideSlotParams())
	noError(t, err)
	return booking.Appointment.ID
}
