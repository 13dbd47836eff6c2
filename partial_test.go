package closure_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/closurehealth/closure-go"
)

// A list that goes on in another page shows only a part of what is there.
func TestOnePageOfAList(t *testing.T) {
	t.Parallel()
	for header, refused := range map[string]bool{
		`<https://railway.test/patients?page=2>; rel="next"`:              true,
		`<https://railway.test/patients?page=2>; rel=next`:                true,
		`</patients?page=2>; title="more"; REL="last Next"`:               true,
		`</patients?page=0>; rel="prev", </patients?page=2>; rel="next"`:  true,
		`</patients?page=2>; rel=next, </patients?page=9>; rel=last`:      true,
		`</patients?page=1>; rel="first", </patients?page=1>; rel="last"`: false,
		`</docs/next>; rel="help"`:                                        false,
		`</patients>; rel="nextish"`:                                      false,
		``:                                                                false,
	} {
		c := newClient(t, roundTripFunc(func(*http.Request) (*http.Response, error) {
			resp := newResponse(200, "[]")
			resp.Header.Set("Link", header)
			return resp, nil
		}))
		patients, err := c.Patients.List(t.Context(), closure.PatientListParams{Name: "Trisha"})
		if !refused {
			if err != nil || patients == nil {
				t.Errorf("%s: %v", header, err)
			}
			continue
		}
		if !errors.Is(err, closure.ErrMalformedResponse) || !strings.Contains(err.Error(), "status 200, one page of a list") || patients != nil {
			t.Errorf("%s: %v", header, err)
		}
		var raw []closure.Patient // who makes the call looks at the header
		noError(t, c.Call(t.Context(), closure.CallRequest{Method: http.MethodGet, Route: "/patients"}, &raw))
	}
}

// What isn't on the first page isn't lost.
func TestBookingOnTheSecondPage(t *testing.T) {
	t.Parallel()
	p, c := openPractice(t, func(g *gateway) {
		switch {
		case g.books():
			g.api()
			g.say(0, "")
		case g.lists() && g.practice.count("POST /appointments") > 0:
			g.ResponseWriter.Header().Set("Link", `</appointments?page=2>; rel="next"`)
			g.say(200, "[]")
		}
	})
	_, err := c.BookSlot(soon(t), bookingParams())
	unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err)
	if !ok {
		t.Fatalf("it may be on the second page: %v", err)
	}
	unknown.Attempt.AttemptedAt = time.Now().Add(-time.Hour)
	_, err = c.ResolveBooking(soon(t), unknown.Attempt, closure.AssumeLostAfter(time.Minute))
	if closure.OutcomeOf(err) != closure.OutcomeUnknown {
		t.Errorf("settled by the first page: %v", err)
	}
	p.sent(t, 1, 1)
}

// An appointment of the patient may be the booking, as long as it doesn't say otherwise.
func TestListThatLeavesOutWhereOrWhen(t *testing.T) {
	t.Parallel()
	whole := map[string]string{
		"id": "appt_1", "status": "scheduled", "patient_id": string(guide.patient), "schedule_id": string(guide.schedule),
		"start_at": guide.start.Format(time.RFC3339),
	}
	for _, test := range []struct{ field, value, want string }{
		{"schedule_id", "", "unknown"},
		{"start_at", "", "unknown"},
		{"patient_id", "", "not sent"},
		{"schedule_id", "sch_another", "booked"},
		{"start_at", guide.start.Add(time.Hour).Format(time.RFC3339), "booked"},
		{"id", "appt_1", "recovered"}, // nothing is left out
	} {
		t.Run(test.field+" "+test.value, func(t *testing.T) {
			t.Parallel()
			shown := maps.Clone(whole)
			if shown[test.field] = test.value; test.value == "" {
				delete(shown, test.field)
			}
			p, c := openPractice(t, func(g *gateway) {
				if g.answered = g.lists(); g.answered {
					writeJSON(g.ResponseWriter, []any{shown})
				}
			})
			booking, err := c.BookSlot(soon(t), bookingParams())
			ends(t, booking, err, test.want)
			if sent := p.count("POST /appointments"); (sent == 1) != (test.want == "booked") {
				t.Errorf("%d requests to book", sent)
			}
		})
	}
}

// The booking is found behind an appointment that might have been it.
func TestListThatLeavesOutWhereAndThenShowsTheBooking(t *testing.T) {
	t.Parallel()
	where := `"schedule_id":"` + string(guide.schedule) + `",`
	appointment := `{"id":"appt_1","status":"scheduled","patient_id":"` + string(guide.patient) + `",` + where +
		`"start_at":"` + guide.start.Format(time.RFC3339) + `"}`
	other := strings.NewReplacer("appt_1", "appt_2", where, "").Replace(appointment)
	p, c := openPractice(t, func(g *gateway) {
		if g.lists() {
			g.say(200, "["+other+","+appointment+"]")
		}
	})
	booking, err := c.BookSlot(soon(t), bookingParams())
	ends(t, booking, err, "recovered")
	p.sent(t, 0, 0)
}

// A rejected move is undecided while the API doesn't say where the appointment is, or how long.
func TestMoveOfAnIncompleteAppointment(t *testing.T) {
	t.Parallel()
	there := guide.start.Add(time.Hour)
	shows := func(status string, start time.Time) string {
		return `{"id":"appt_1","status":"` + status + `","start_at":"` + start.Format(time.RFC3339) + `"}`
	}
	for shown, want := range map[string]closure.Outcome{
		`{"id":"appt_1","status":"scheduled"}`: closure.OutcomeUnknown,
		shows("rescheduled", there):            closure.OutcomeUnknown,
		shows("waitlisted", there):             closure.OutcomeUnknown,
		shows("scheduled", guide.start):        closure.OutcomeRejected,
		shows("waitlisted", guide.start):       closure.OutcomeRejected,
	} {
		p, c := openPractice(t, func(g *gateway) {
			switch g.Method + " " + g.URL.Path {
			case "PATCH /appointments/appt_1":
				g.api()
				g.say(409, ownWord)
			case "GET /appointments/appt_1":
				if g.practice.count("PATCH /appointments/appt_1") > 0 {
					g.say(200, shown)
				}
			}
		})
		p.hold("scheduled")
		_, err := c.RescheduleBooking(t.Context(), "appt_1", closure.AppointmentRescheduleParams{StartAt: there, Duration: 30})
		if got := closure.OutcomeOf(err); got != want {
			t.Errorf("%v by %s, want %v: %v", got, shown, want, err)
		}
	}
}

// Only the API's list says that no patient matches, and that one may be created.
func TestFindAnsweredByA404(t *testing.T) {
	t.Parallel()
	c := serveAlways(t, 404, errorJSON).client(t)
	_, err := c.Patients.Find(t.Context(), closure.PatientListParams{DOB: guide.dob})
	if e := (*closure.APIError)(nil); errors.Is(err, closure.ErrNotFound) || !errors.As(err, &e) || e.StatusCode != 404 {
		t.Errorf("a gateway's 404 says that nobody matches: %v", err)
	}
}

// What another call of an errgroup came to says nothing of this one.
func TestVerdictOfAnotherCall(t *testing.T) {
	t.Parallel()
	for _, verdict := range []error{closure.ErrSlotUnavailable, closure.ErrNotBooked, closure.ErrNoSlot} {
		group, ctx := errgroup.WithContext(t.Context())
		group.Go(func() error { return verdict })
		_ = group.Wait()
		_, c := openPractice(t, nil)
		_, slotErr := c.BookSlot(ctx, bookingParams())
		_, firstErr := c.BookFirstAvailable(ctx, closure.BookFirstParams{PatientID: guide.patient, Search: closure.SlotSearch{
			Schedules: []closure.ScheduleID{guide.schedule}, From: guide.start.Add(-time.Hour), To: guide.start.Add(time.Hour),
		}})
		for _, err := range []error{slotErr, firstErr} {
			if errors.Is(err, verdict) || !errors.Is(err, context.Canceled) {
				t.Errorf("%v, although the other call's %v ended it", err, verdict)
			}
		}
	}
}

// The hooks of a caller's own trace are called, but for the one that would show the path and
// the key.
func TestTraceOfTheCallerShowsNoHeader(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, protocol string }{{"our pool", "http/1.1"}, {"a transport", "http/1.1"}, {"a transport", "h2"}} {
		t.Run(test.name+" "+test.protocol, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if want := test.protocol == "h2"; r.ProtoAtLeast(2, 0) != want {
					t.Errorf("spoke %s", r.Proto)
				}
				writeJSON(w, []int{})
			}))
			var opts []closure.Option
			if test.name == "our pool" {
				server.Start()
			} else {
				server.EnableHTTP2 = test.protocol == "h2"
				server.StartTLS()
				opts = append(opts, closure.WithHTTPClient(server.Client()))
			}
			t.Cleanup(server.Close)
			c, err := closure.NewClient(closure.QuickstartKey, append(opts, closure.WithBaseURL(server.URL))...)
			noError(t, err)
			var connections, fields atomic.Int32
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn:          func(httptrace.GotConnInfo) { connections.Add(1) },
				WroteHeaderField: func(string, []string) { fields.Add(1) },
			})
			_, err = c.Patients.List(ctx, closure.PatientListParams{Name: "KANARI"})
			noError(t, err)
			if connections.Load() != 1 || fields.Load() != 0 {
				t.Errorf("%d connections, and %d fields of the header", connections.Load(), fields.Load())
			}
		})
	}
}
