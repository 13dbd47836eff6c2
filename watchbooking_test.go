package closure_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A witness sees what a client reports.
type witness struct {
	mu       sync.Mutex
	calls    []closure.Event // whole calls and attempts
	bookings []closure.BookingEvent
}

func (w *witness) option() closure.Option {
	return closure.Options(
		closure.WithObserver(func(_ context.Context, e closure.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.calls = append(w.calls, e)
		}),
		closure.WithBookingObserver(func(_ context.Context, e closure.BookingEvent) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.bookings = append(w.bookings, e)
		}),
	)
}

// said is each booking's operation, ending and reason.
func (w *witness) said() []string {
	texts := []string{}
	for _, b := range w.bookings {
		text := strings.TrimSpace(fmt.Sprint(b.Op, " ", b.Ending, " ", b.Reason))
		if b.JournalFailed != "" {
			text += ", the journal failed: " + b.JournalFailed
		}
		texts = append(texts, text)
	}
	return texts
}

// ties checks that all calls are those of the one booking, and counted.
func (w *witness) ties(t *testing.T) {
	t.Helper()
	if len(w.bookings) != 1 {
		return
	}
	booking, calls, attempts := w.bookings[0], 0, 0
	for _, e := range w.calls {
		if e.BookingID != booking.ID || e.BookingID == "" {
			t.Errorf("%s is of booking %q, want %q", e.Op, e.BookingID, booking.ID)
		}
		if e.Attempt == 0 {
			calls++
		} else {
			attempts++
		}
	}
	if booking.Calls != calls || booking.Attempts != attempts {
		t.Errorf("%d calls and %d attempts, want %d and %d", booking.Calls, booking.Attempts, calls, attempts)
	}
}

type bookingAct func(context.Context, *closure.Client) error

func bookSlotAct(ctx context.Context, c *closure.Client) error {
	_, err := c.BookSlot(ctx, slotParamsFor("order 1"))
	return err
}

func bookFirstAct(ctx context.Context, c *closure.Client) error {
	_, err := c.BookFirstAvailable(ctx, firstParamsFor("order 1"))
	return err
}

func cancelAct(ctx context.Context, c *closure.Client) error {
	_, err := c.CancelBooking(ctx, "appt_there")
	return err
}

func moveAct(ctx context.Context, c *closure.Client) error {
	_, err := c.RescheduleBooking(ctx, "appt_there", closure.AppointmentRescheduleParams{StartAt: clinicSlot(10)})
	return err
}

func TestEndings(t *testing.T) {
	t.Parallel()
	drop, lost := closuretest.DropAfter, closuretest.DropBefore
	status := closuretest.Status
	unreadable := func(op string) closuretest.Fault { return status(op, 500).Times(0) }
	for _, tt := range []struct {
		name   string
		act    bookingAct
		faults []closuretest.Fault
		fails  []closuretest.JournalFault
		want   string
	}{
		{"confirmed", bookSlotAct, nil, nil, "BookSlot confirmed"},
		{"first", bookFirstAct, nil, nil, "BookFirstAvailable confirmed"},
		{"moved", moveAct, nil, nil, "RescheduleBooking confirmed"},
		{"cancelled", cancelAct, nil, nil, "CancelBooking confirmed"},

		{"healed", bookSlotAct, []closuretest.Fault{drop(create)}, nil, "BookSlot recovered"},
		{"first healed", bookFirstAct, []closuretest.Fault{drop(create)}, nil, "BookFirstAvailable recovered"},
		{"move healed", moveAct, []closuretest.Fault{drop(moves)}, nil, "RescheduleBooking recovered"},
		{"cancelling healed", cancelAct, []closuretest.Fault{drop(cancels)}, nil, "CancelBooking recovered"},
		{"done, then 409", cancelAct, []closuretest.Fault{closuretest.StatusAfter(cancels, 409)}, nil,
			"CancelBooking recovered"},

		{"lost", bookSlotAct, []closuretest.Fault{lost(create)}, nil, "BookSlot unknown no_answer"},
		{"502", bookFirstAct, []closuretest.Fault{status(create, 502)}, nil, "BookFirstAvailable unknown server_error"},
		{"move lost", moveAct, []closuretest.Fault{lost(moves)}, nil, "RescheduleBooking unknown no_answer"},
		{"cancelling lost", cancelAct, []closuretest.Fault{lost(cancels)}, nil, "CancelBooking unknown no_answer"},

		{"400", bookSlotAct, []closuretest.Fault{status(create, 400)}, nil, "BookSlot rejected invalid"},
		{"401", bookSlotAct, []closuretest.Fault{status("schedules.get", 401)}, nil, "BookSlot rejected unauthorized"},
		{"404", cancelAct, []closuretest.Fault{status(cancels, 404)}, nil, "CancelBooking rejected not_found"},
		{"410", cancelAct, []closuretest.Fault{status(cancels, 410)}, nil, "CancelBooking rejected refused"},
		{"429", cancelAct, []closuretest.Fault{status(cancels, 429).Times(0)}, nil, "CancelBooking rejected rate_limited"},

		{"500 before", bookSlotAct, []closuretest.Fault{unreadable("schedules.get")}, nil, "BookSlot not sent server_error"},
		{"429 before", bookSlotAct, []closuretest.Fault{status("schedules.get", 429).Times(0)}, nil,
			"BookSlot not sent rate_limited"},
		{"lost before", bookSlotAct, []closuretest.Fault{lost("schedules.get").Times(0)}, nil, "BookSlot not sent no_answer"},
		{"nonsense before", bookSlotAct, []closuretest.Fault{closuretest.Malformed("schedules.get").Times(0)}, nil,
			"BookSlot not sent malformed_response"},
		{"no journal", bookSlotAct, nil, []closuretest.JournalFault{closuretest.JournalFailsBefore("begin")},
			"BookSlot not sent journal"},

		{"finish fails", bookSlotAct, nil, []closuretest.JournalFault{closuretest.JournalFailsBefore("finish")},
			"BookSlot confirmed, the journal failed: finish"},
		{"finish fails after healing", bookSlotAct, []closuretest.Fault{drop(create)},
			[]closuretest.JournalFault{closuretest.JournalFailsBefore("finish")},
			"BookSlot recovered, the journal failed: finish"},
		{"release fails", cancelAct, nil, []closuretest.JournalFault{closuretest.JournalFailsBefore("release")},
			"CancelBooking confirmed, the journal failed: release"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inClinic(t, func(t *testing.T, c *sharedClinic) {
				var w witness
				c.AddAppointment(closure.Appointment{ID: "appt_there", ScheduleID: clinicIDs[1], PatientID: guide.patient,
					Status: closure.AppointmentScheduled, StartAt: clinicSlot(15), Duration: 20})
				c.Inject(tt.faults...)
				c.journal.Inject(tt.fails...)
				start := time.Now()
				err := tt.act(t.Context(), c.process(w.option()))
				equal(t, "bookings", w.said(), []string{tt.want})
				if w.bookings[0].Duration != time.Since(start) {
					t.Errorf("took %s, and says %s", time.Since(start), w.bookings[0].Duration)
				}
				if done := strings.Contains(tt.want, "confirmed") || strings.Contains(tt.want, "recovered"); done != (err == nil) {
					t.Errorf("the caller got %v", err)
				}
				w.ties(t)
			})
		})
	}
}

// The endings of bookings that were refused before anything was sent, and of one that
// knows only what another call found.
func TestEndingsOfRefusals(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		var w witness
		client := c.process(w.option())
		ended, end := context.WithCancel(t.Context())
		end()
		params := slotParamsFor("")
		c.AddSchedule(closure.Schedule{ID: "sch_byPhone"})
		for _, step := range []struct {
			ctx    context.Context
			change func(*closure.BookSlotParams)
			want   string
		}{
			{t.Context(), func(p *closure.BookSlotParams) { p.PatientID = "" }, "BookSlot rejected invalid"},
			{t.Context(), func(p *closure.BookSlotParams) { p.InsuranceID = "ins_other" }, "BookSlot rejected insurance"},
			{t.Context(), func(p *closure.BookSlotParams) { p.ScheduleID = "sch_byPhone" }, "BookSlot rejected not_bookable"},
			{t.Context(), func(p *closure.BookSlotParams) { p.StartAt, p.Duration = clinicSlot(20), 0 },
				"BookSlot rejected slot_unavailable"},
			{ended, func(*closure.BookSlotParams) {}, "BookSlot not sent context_ended"},
			{t.Context(), func(*closure.BookSlotParams) {}, "BookSlot confirmed"},
			{t.Context(), func(*closure.BookSlotParams) {}, "BookSlot recovered"},
			{t.Context(), func(p *closure.BookSlotParams) { p.PatientID = "pt_other" }, "BookSlot rejected slot_unavailable"},
		} {
			w.bookings = nil
			p := params
			step.change(&p)
			_, _ = client.BookSlot(step.ctx, p)
			equal(t, "booking", w.said(), []string{step.want})
		}
		w.bookings = nil
		_, _ = c.Client(w.option()).BookSlot(ended, params) // no journal that sees it first
		equal(t, "booking", w.said(), []string{"BookSlot not sent context_ended"})
		w.bookings = nil
		first := firstParamsFor("")
		first.PatientID = "pt_other"
		first.Search.NotBefore = &closure.ClockTime{Hour: 23}
		_, _ = client.BookFirstAvailable(t.Context(), first)
		equal(t, "booking", w.said(), []string{"BookFirstAvailable rejected no_slot"})
	})
}

func TestEndingsOfResolutions(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		var w witness
		client := c.process(w.option())
		resolve := func(want string, opts ...closure.CallOption) {
			t.Helper()
			w.bookings = nil
			for resolution, err := range client.ResolvePending(t.Context(), opts...) {
				noError(t, err)
				if text := fmt.Sprint(resolution); !strings.HasSuffix(text, ", Ending: "+strings.Fields(want)[1]+"}") {
					t.Errorf("%s is printed of %q", text, want)
				}
			}
			equal(t, "resolution", w.said(), []string{want})
		}
		c.Inject(closuretest.DropBefore(create))
		_ = bookSlotAct(t.Context(), client)
		resolve("ResolveBooking unknown not_shown")
		c.Inject(closuretest.Status(lists, 500).Times(3))
		resolve("ResolveBooking unknown server_error")
		time.Sleep(time.Hour)
		c.journal.Inject(closuretest.JournalFailsBefore("finish"))
		resolve("ResolveBooking rejected not_booked, the journal failed: finish", closure.AssumeLostAfter(time.Minute))
		resolve("ResolveBooking rejected not_booked", closure.AssumeLostAfter(time.Minute))

		c.journal.Inject(closuretest.JournalFailsBefore("finish"))
		noError(t, bookSlotAct(t.Context(), client))
		resolve("ResolveBooking recovered")
	})
}

// Those who share a booking report one each, and only the one that sent it has the
// request among its calls.
func TestEndingsOfSharedBookings(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		var w witness
		client := c.process(w.option())
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() { noError(t, bookSlotAct(t.Context(), client)) })
		}
		group.Wait()
		endings, requests := map[string]int{}, map[string]int{}
		for _, b := range w.bookings {
			endings[b.Ending.String()]++
		}
		for _, e := range w.calls {
			if e.Op == create && e.Attempt > 0 {
				requests[e.BookingID]++
			}
		}
		if endings["confirmed"] != 1 || endings["recovered"] != 2 || len(requests) != 1 {
			t.Errorf("endings %v, requests %v", endings, requests)
		}
	})
}

// A look that nobody needs any more is cut short, and so are the schedules of a
// search that has failed: neither is a failure.
func TestAbandonedCallsAreNotFailures(t *testing.T) {
	check := func(t *testing.T, w *witness, op string) {
		t.Helper()
		abandoned := 0
		for _, e := range w.calls {
			if e.Abandoned != (e.Op == op && e.StatusCode == 0) {
				t.Errorf("%s, attempt %d, status %d: abandoned %t", e.Op, e.Attempt, e.StatusCode, e.Abandoned)
			}
			if e.Abandoned {
				abandoned++
			}
		}
		if abandoned != 2 { // the attempt and the call
			t.Errorf("%d events of what was cut short, want 2", abandoned)
		}
	}
	t.Run("look", func(t *testing.T) {
		inClinic(t, func(t *testing.T, c *sharedClinic) {
			var w witness
			c.Inject(closuretest.StatusAfter(create, 409), closuretest.Delay("availabilities.list", time.Minute),
				closuretest.Delay(lists, time.Second).Times(2))
			noError(t, bookSlotAct(t.Context(), c.process(w.option())))
			equal(t, "bookings", w.said(), []string{"BookSlot recovered"})
			check(t, &w, "availabilities.list")
		})
	})
	t.Run("look that hangs", func(t *testing.T) {
		inClinic(t, func(t *testing.T, c *sharedClinic) {
			var w witness
			hangs := withTransport(func(req *http.Request) (*http.Response, error) {
				if strings.HasSuffix(req.URL.Path, "/cancel") {
					return nil, io.ErrUnexpectedEOF
				}
				<-req.Context().Done()
				return nil, req.Context().Err()
			})
			_ = cancelAct(t.Context(), c.process(w.option(), hangs))
			equal(t, "bookings", w.said(), []string{"CancelBooking unknown no_answer"})
			for _, e := range w.calls {
				if e.Abandoned != (e.Op == gets) {
					t.Errorf("%s: abandoned %t", e.Op, e.Abandoned)
				}
			}
		})
	})
	t.Run("search", func(t *testing.T) {
		inClinic(t, func(t *testing.T, c *sharedClinic) {
			var w witness
			search := firstParams().Search
			search.Schedules = clinicIDs[:2]
			slow := roundTripFunc(func(req *http.Request) (*http.Response, error) {
				if strings.Contains(req.URL.Path, string(clinicIDs[0])) {
					<-req.Context().Done()
					return nil, req.Context().Err()
				}
				time.Sleep(time.Second) // in the bubble
				return newResponse(401, "", "X-Request-Id", "req_1"), nil
			})
			client := c.process(w.option(), closure.WithHTTPClient(&http.Client{Transport: slow}))
			_, err := client.Availabilities.First(t.Context(), search)
			if !errors.Is(err, closure.ErrUnauthorized) {
				t.Errorf("%v", err)
			}
			check(t, &w, "availabilities.list")
		})
	})
	t.Run("the caller's own end is one", func(t *testing.T) {
		inClinic(t, func(t *testing.T, c *sharedClinic) {
			var w witness
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			c.Inject(closuretest.Delay("availabilities.list", time.Minute))
			_, _ = c.process(w.option()).Availabilities.First(ctx, firstParams().Search)
			for _, e := range w.calls {
				if e.Abandoned {
					t.Errorf("%s is abandoned", e.Op)
				}
			}
		})
	})
}

// A RoundTripper may keep the context of a booking. Calls with it after the booking has
// ended don't count as the booking's.
func TestCallsWithTheContextOfAnEndedBooking(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		var w witness
		var kept context.Context
		keeps := withTransport(func(req *http.Request) (*http.Response, error) {
			if req.Method != http.MethodGet {
				kept = context.WithoutCancel(req.Context())
			}
			return c.Transport().RoundTrip(req)
		})
		client := c.process(w.option(), keeps)
		noError(t, bookSlotAct(t.Context(), client))
		w.ties(t)
		w.calls = nil
		_, err := client.Specialties.List(kept)
		noError(t, err)
		for _, e := range w.calls {
			if e.BookingID != "" {
				t.Errorf("%s is of a booking that has ended", e.Op)
			}
		}
	})
}

// A panic of a call's observer leaves the ending unknown, and one of a booking's
// observer keeps nobody waiting.
func TestBookingObserverPanics(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		var w witness
		panics := closure.WithObserver(func(_ context.Context, e closure.Event) {
			if e.Op == create {
				panic("observer")
			}
		})
		act := func(client *closure.Client) {
			defer func() { _ = recover() }()
			_ = bookSlotAct(t.Context(), client)
		}
		act(c.process(w.option(), panics))
		equal(t, "bookings", w.said(), []string{"BookSlot unknown"})

		client := c.process(closure.WithBookingObserver(func(context.Context, closure.BookingEvent) { panic("observer") }))
		for range 2 {
			act(client)
		}
		if n := closure.OpenTurns(client); n != 0 {
			t.Errorf("%d keys leaked", n)
		}
		c.standing(1)
	})
}
