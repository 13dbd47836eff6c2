package closure_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

const (
	create = "appointments.create"
	lists  = "appointments.list"
)

// longer is past the 10 s that a booking reads back for.
const longer = 12 * time.Second

// A desk is a server with a client, in process or over a socket. Tests of
// the booking calls run at both.
type desk struct {
	*closuretest.Server
	client   *closure.Client
	loopback bool

	// tamper stands between client and server, if there is one.
	tamper func(req *http.Request, next http.RoundTripper) (*http.Response, error)
	next   http.RoundTripper
	giveUp context.CancelFunc // soon after a write

	took time.Duration // by the last call
}

func (d *desk) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	if d.tamper == nil {
		resp, err = d.next.RoundTrip(req)
	} else {
		resp, err = d.tamper(req, d.next)
	}
	if req.Method != http.MethodGet && d.giveUp != nil {
		time.AfterFunc(150*time.Millisecond, d.giveUp)
	}
	return resp, err
}

// atDesks runs a test in process, in a bubble of its own, where waiting costs
// nothing, and over a real connection.
func atDesks(t *testing.T, name string, test func(t *testing.T, d *desk), opts ...closuretest.Option) {
	t.Run(name+", in process", func(t *testing.T) {
		t.Parallel()
		inBubble(t, test, opts...)
	})
	t.Run(name+", loopback", func(t *testing.T) {
		t.Parallel()
		pool := &http.Transport{MaxIdleConnsPerHost: 100}
		t.Cleanup(pool.CloseIdleConnections)
		d := &desk{Server: newTestServer(t, opts), next: pool, loopback: true}
		d.client = newClient(t, d, closure.WithBaseURL(d.baseURL()))
		test(t, d)
	})
}

func inBubble(t *testing.T, test func(t *testing.T, d *desk), opts ...closuretest.Option) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{Server: newTestServer(t, opts)}
		d.next = d.Transport()
		d.client = newClient(t, d, closure.WithBaseURL(d.baseURL()))
		test(t, d)
	})
}

func newTestServer(t *testing.T, opts []closuretest.Option) *closuretest.Server {
	return closuretest.New(append([]closuretest.Option{closuretest.ReportTo(t)}, opts...)...)
}

// patience is a context for a call that looks for an appointment that never shows. Over a
// socket it ends soon after the write; in a bubble there is time.
func (d *desk) patience(t *testing.T) context.Context {
	if !d.loopback {
		return t.Context()
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	d.giveUp = cancel
	return ctx
}

// inTheMiddle ends the context of a request that is about to leave, before its
// answer comes: in a bubble after 10 ms, over a socket once the server has done
// what it was asked, however slow the machine.
func (d *desk) inTheMiddle(done func() bool, end context.CancelFunc) {
	if !d.loopback {
		time.AfterFunc(10*time.Millisecond, end)
		return
	}
	go func() {
		for !done() {
			time.Sleep(time.Millisecond)
		}
		end()
	}()
}

// tookInBubble checks how long the last call took: exactly, in the bubble.
func (d *desk) tookInBubble(t *testing.T, want time.Duration) {
	t.Helper()
	if !d.loopback && d.took != want {
		t.Errorf("took %s, want %s", d.took, want)
	}
}

// count is how many requests of the operation arrived.
func (d *desk) count(op string) (n int) {
	for _, r := range d.Requests() {
		if r.Op == op {
			n++
		}
	}
	return n
}

// sent checks how many requests to book arrived, and how many bookings there
// are now, in the ledger.
func (d *desk) sent(t *testing.T, posts, booked int) {
	t.Helper()
	if got := d.count(create); got != posts {
		t.Errorf("%d requests to book arrived, want %d", got, posts)
	}
	if got := len(d.Appointments()); got != booked {
		t.Errorf("the ledger holds %d appointments, want %d", got, booked)
	}
}

// slot are the params for the guide's slot, with the guide's duration.
func slot() closure.BookSlotParams {
	return closure.BookSlotParams{ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: guide.start, Duration: 30}
}

func attemptAt(age time.Duration) closure.BookingAttempt {
	return closure.BookingAttempt{
		ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: guide.start, Duration: 30,
		AttemptedAt: time.Now().Add(-age),
	}
}

// bookSlot books and checks what holds of every booking.
func (d *desk) bookSlot(ctx context.Context, t *testing.T, params closure.BookSlotParams, opts ...closure.CallOption) (*closure.Booking, error) {
	t.Helper()
	begin := time.Now()
	booking, err := d.client.BookSlot(ctx, params, opts...)
	d.took = time.Since(begin)
	checkBooking(t, booking, err)
	if booking != nil {
		a := booking.Appointment
		if a.PatientID != params.PatientID || a.ScheduleID != params.ScheduleID || !a.StartAt.Equal(params.StartAt) || a.Status == closure.AppointmentCancelled {
			t.Errorf("booked something else: %s", show(a))
		}
		if !slices.Contains(d.Appointments(), a) {
			t.Errorf("not in the ledger: %s", show(a))
		}
	}
	return booking, err
}

func checkBooking(t *testing.T, booking *closure.Booking, err error) {
	t.Helper()
	if (booking == nil) == (err == nil) {
		t.Errorf("booking %v and error %v: want exactly one", booking, err)
	}
	checkEnding(t, err)
}

// checkEnding checks that an error is one that a booking may end in, and that
// its text says nothing about the patient.
func checkEnding(t *testing.T, err error) {
	t.Helper()
	var unknown *closure.OutcomeUnknownError
	if isUnknown := errors.As(err, &unknown); isUnknown != (closure.OutcomeOf(err) == closure.OutcomeUnknown) {
		t.Errorf("outcome %v, and *OutcomeUnknownError is %t: %v", closure.OutcomeOf(err), isUnknown, err)
	}
	if err == nil {
		return
	}
	text := fmt.Sprintf("%v %+v %#v %q", err, err, err, err)
	for _, secret := range []string{"pt_s", "sch_u", "appt_", "ins_8", "2022", "17:0", "Trisha", "?"} {
		if strings.Contains(text, secret) {
			t.Errorf("the error shows %q: %s", secret, text)
		}
	}
}

// ending names how a booking ended.
func ending(booking *closure.Booking, err error) string {
	switch {
	case err == nil && booking.Recovered:
		return "recovered"
	case err == nil:
		return "booked"
	default:
		return closure.OutcomeOf(err).String()
	}
}

func isErrors(t *testing.T, err error, want ...error) {
	t.Helper()
	for _, target := range want {
		if !errors.Is(err, target) {
			t.Errorf("%v is not %v", err, target)
		}
	}
}

func isNoErrors(t *testing.T, err error, not ...error) {
	t.Helper()
	for _, target := range not {
		if errors.Is(err, target) {
			t.Errorf("%v is %v", err, target)
		}
	}
}

// always strikes for ever.
func always(f closuretest.Fault) closuretest.Fault { return f.Times(0) }

// somebodyElse is another patient.
func (d *desk) somebodyElse() closure.PatientID {
	return d.AddPatient(closure.Patient{FirstName: "Some", LastName: "Body", Insurance: closure.PatientInsurance{ID: guide.insurance}}).ID
}

// takenBy puts an appointment on the guide's slot.
func (d *desk) takenBy(patient closure.PatientID) closure.Appointment {
	return d.AddAppointment(closure.Appointment{ScheduleID: guide.schedule, PatientID: patient, StartAt: guide.start})
}

// How a booking ends, by what happens to its request.
func TestBookSlotAfterTheRequest(t *testing.T) {
	t.Parallel()
	quick := closure.WithTimeout(500 * time.Millisecond)
	for _, test := range []struct {
		name   string
		server []closuretest.Option
		faults []closuretest.Fault
		taken  bool // by somebody else
		opts   []closure.CallOption

		want    string // how it ends
		is      []error
		isNot   []error
		posts   int // zero: one
		booked  int // of all, in the ledger
		took    time.Duration
		open    string // whether an unknown outcome says that the slot is open
		noReads bool   // after the request
	}{
		{name: "confirmed", want: "booked", booked: 1, noReads: true},
		{name: "lost before", faults: []closuretest.Fault{closuretest.DropBefore(create)}, want: "unknown", took: 10 * time.Second, open: "open"},
		{name: "lost after", faults: []closuretest.Fault{closuretest.DropAfter(create)}, want: "recovered", booked: 1},
		{name: "500", faults: []closuretest.Fault{closuretest.Status(create, 500)}, want: "unknown", is: []error{closure.ErrServer}, took: 10 * time.Second, open: "open"},
		{name: "503", faults: []closuretest.Fault{closuretest.Status(create, 503, "Retry-After", "0")}, want: "unknown", is: []error{closure.ErrServer}, took: 10 * time.Second, open: "open"},
		{name: "408", faults: []closuretest.Fault{closuretest.Status(create, 408)}, want: "unknown", took: 10 * time.Second, open: "open"},
		{name: "302", faults: []closuretest.Fault{closuretest.Status(create, 302, "Location", "/")}, want: "unknown", is: []error{closure.ErrRedirect}, took: 10 * time.Second, open: "open"},
		{name: "done, then 500", faults: []closuretest.Fault{closuretest.StatusAfter(create, 500)}, want: "recovered", booked: 1},
		{name: "done, then 502", faults: []closuretest.Fault{closuretest.StatusAfter(create, 502)}, want: "recovered", booked: 1},
		{name: "done, then 408", faults: []closuretest.Fault{closuretest.StatusAfter(create, 408)}, want: "recovered", booked: 1},
		{name: "done, then 302", faults: []closuretest.Fault{closuretest.StatusAfter(create, 302)}, want: "recovered", booked: 1},
		{name: "done, then 204", faults: []closuretest.Fault{closuretest.StatusAfter(create, 204)}, want: "recovered", booked: 1},
		{name: "truncated", faults: []closuretest.Fault{closuretest.Truncate(create)}, want: "recovered", booked: 1},
		{name: "malformed", faults: []closuretest.Fault{closuretest.Malformed(create)}, want: "recovered", booked: 1},
		{name: "huge", faults: []closuretest.Fault{closuretest.Huge(create, 11<<20)}, want: "recovered", booked: 1},
		{name: "late answer", faults: []closuretest.Fault{closuretest.Delay(create, time.Minute)}, opts: []closure.CallOption{quick}, want: "recovered", booked: 1, took: 500 * time.Millisecond},
		// Looks come at 0, 250 ms and later.
		{name: "carried out late", faults: []closuretest.Fault{closuretest.CommitLate(create, 100*time.Millisecond)}, want: "recovered", booked: 1, took: 250 * time.Millisecond},

		// Rejections, which the reads after them bear out.
		{name: "401", faults: []closuretest.Fault{closuretest.Status(create, 401)}, want: "rejected", is: []error{closure.ErrUnauthorized}},
		{name: "403", faults: []closuretest.Fault{closuretest.Status(create, 403)}, want: "rejected", is: []error{closure.ErrForbidden}},
		{name: "429 once", faults: []closuretest.Fault{closuretest.Status(create, 429)}, want: "booked", posts: 2, booked: 1, noReads: true},
		{name: "429 for ever", faults: []closuretest.Fault{always(closuretest.Status(create, 429))}, want: "rejected", is: []error{closure.ErrRateLimited}, posts: 3},
		{name: "429, then lost", faults: []closuretest.Fault{closuretest.Status(create, 429), closuretest.DropBefore(create)}, want: "unknown", posts: 2, took: 10 * time.Second, open: "open"},
		{name: "400, slot open", faults: []closuretest.Fault{closuretest.Status(create, 400)}, want: "rejected", is: []error{closure.ErrInvalidRequest}, isNot: []error{closure.ErrSlotUnavailable}},
		{name: "409, slot open", faults: []closuretest.Fault{closuretest.Status(create, 409)}, want: "rejected", is: []error{closure.ErrConflict}, isNot: []error{closure.ErrSlotUnavailable}},
		{name: "409, slot gone", taken: true, want: "rejected", is: []error{closure.ErrConflict, closure.ErrSlotUnavailable}, booked: 1},
		{name: "422, slot gone", taken: true, faults: []closuretest.Fault{closuretest.Status(create, 422)}, want: "rejected", is: []error{closure.ErrSlotUnavailable}, booked: 1},
		{name: "409, slots not known", taken: true, faults: []closuretest.Fault{always(closuretest.Status("availabilities.list", 500))}, want: "rejected", is: []error{closure.ErrConflict}, isNot: []error{closure.ErrSlotUnavailable}, booked: 1},
		{name: "done, then 409", faults: []closuretest.Fault{closuretest.StatusAfter(create, 409)}, want: "recovered", booked: 1},
		{name: "done, then 400", faults: []closuretest.Fault{closuretest.StatusAfter(create, 400)}, want: "recovered", booked: 1},
		{name: "done, then 404", faults: []closuretest.Fault{closuretest.StatusAfter(create, 404)}, want: "recovered", booked: 1},

		// Somebody else's appointment at that start is never ours.
		{name: "lost before, slot gone", taken: true, faults: []closuretest.Fault{closuretest.DropBefore(create)}, want: "unknown", booked: 1, took: 10 * time.Second, open: "gone"},
		{name: "taken twice", taken: true, server: []closuretest.Option{closuretest.AllowDuplicates()}, want: "booked", booked: 2, noReads: true},

		// An API without the list of appointments.
		{name: "404 on the list", faults: []closuretest.Fault{always(closuretest.Status(lists, 404))}, want: "booked", booked: 1, noReads: true},
		{name: "405 on the list", faults: []closuretest.Fault{always(closuretest.Status(lists, 405))}, want: "booked", booked: 1, noReads: true},
		{name: "404 on the list, lost after", faults: []closuretest.Fault{always(closuretest.Status(lists, 404)), closuretest.DropAfter(create)}, want: "unknown", booked: 1, open: "gone"},
		{name: "405 on the list, lost before", faults: []closuretest.Fault{always(closuretest.Status(lists, 405)), closuretest.DropBefore(create)}, want: "unknown", open: "open"},
		{name: "404 on the list, slot gone", taken: true, faults: []closuretest.Fault{always(closuretest.Status(lists, 404))}, want: "rejected", is: []error{closure.ErrConflict, closure.ErrSlotUnavailable}, booked: 1},
	} {
		atDesks(t, test.name, func(t *testing.T, d *desk) {
			if test.taken {
				d.takenBy(d.somebodyElse())
			}
			d.Inject(test.faults...)
			ctx := t.Context()
			if test.want == "unknown" {
				ctx = d.patience(t)
			}
			booking, err := d.bookSlot(ctx, t, slot(), test.opts...)
			if got := ending(booking, err); got != test.want {
				t.Errorf("%s, want %s: %v", got, test.want, err)
			}
			isErrors(t, err, test.is...)
			isNoErrors(t, err, test.isNot...)
			d.sent(t, max(test.posts, 1), test.booked)
			if test.want != "rejected" && test.posts < 2 {
				d.tookInBubble(t, test.took)
			}
			checkUnknown(t, err, test.open)
			if last := d.Requests()[len(d.Requests())-1]; test.noReads && last.Op != create {
				t.Errorf("after the request, there was a read: %s", last.Op)
			}
		}, test.server...)
	}
}

// checkUnknown checks the attempt that an unknown outcome leaves.
func checkUnknown(t *testing.T, err error, open string) {
	t.Helper()
	var unknown *closure.OutcomeUnknownError
	if !errors.As(err, &unknown) {
		return
	}
	a := unknown.Attempt
	if a.ScheduleID != guide.schedule || a.PatientID != guide.patient || !a.StartAt.Equal(guide.start) || a.Duration != 30 || time.Since(a.AttemptedAt) > longer || a.AttemptedAt.After(time.Now()) {
		t.Errorf("attempt %s at %s", show(a), a.AttemptedAt)
	}
	got := "not known"
	if unknown.SlotOpen != nil {
		got = map[bool]string{true: "open", false: "gone"}[*unknown.SlotOpen]
	}
	if got != open {
		t.Errorf("the slot is %s, want %s", got, open)
	}
	if unknown.Err == nil {
		t.Error("no cause")
	}
}

// A 2xx that shows another appointment than was asked for is not a success.
func TestBookSlotAnsweredWithAnotherAppointment(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*closure.Appointment){
		"other patient":  func(a *closure.Appointment) { a.PatientID = "pt_other" },
		"no patient":     func(a *closure.Appointment) { a.PatientID = "" },
		"other schedule": func(a *closure.Appointment) { a.ScheduleID = "sch_other" },
		"other start":    func(a *closure.Appointment) { a.StartAt = a.StartAt.Add(15 * time.Minute) },
		"cancelled":      func(a *closure.Appointment) { a.Status = closure.AppointmentCancelled },
		"no id":          func(a *closure.Appointment) { a.ID = "" },
	} {
		for _, made := range []bool{true, false} {
			atDesks(t, fmt.Sprintf("%s, made %t", name, made), func(t *testing.T, d *desk) {
				if !made {
					d.Inject(closuretest.Status(create, 500))
				}
				wrong := appointment
				change(&wrong)
				d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
					resp, err := next.RoundTrip(req)
					if req.Method == http.MethodPost && err == nil {
						return replace(resp, wrong), nil
					}
					return resp, err
				}
				booking, err := d.bookSlot(d.patience(t), t, slot())
				if made {
					if got := ending(booking, err); got != "recovered" {
						t.Errorf("%s, want recovered: %v", got, err)
					}
					d.sent(t, 1, 1)
					return
				}
				isErrors(t, err, closure.ErrOutcomeUnknown, closure.ErrMalformedResponse)
				checkUnknown(t, err, "open")
				d.tookInBubble(t, 10*time.Second)
				d.sent(t, 1, 0)
			})
		}
	}
}

// replace is the response with another status and body.
func replace(resp *http.Response, body any) *http.Response {
	_ = resp.Body.Close()
	text := []byte(show(body))
	resp.StatusCode, resp.Status = http.StatusOK, "200 OK"
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return resp
}

// If the patient has the appointment already, that is the booking, and nothing is sent.
// An appointment that differs doesn't count.
func TestBookSlotFindsTheEarlierAppointment(t *testing.T) {
	t.Parallel()
	other := closuretest.GuideSlot().StartAt.Add(2 * time.Hour)
	for _, test := range []struct {
		name string
		have func(d *desk, a closure.Appointment) // a is at the guide's slot
		want string
	}{
		{"scheduled", func(d *desk, a closure.Appointment) { d.AddAppointment(a) }, "recovered"},
		{"moved here", func(d *desk, a closure.Appointment) {
			a.Status = closure.AppointmentRescheduled
			d.AddAppointment(a)
		}, "recovered"},
		{"booked anew after cancelling", func(d *desk, a closure.Appointment) {
			cancelled := a
			cancelled.Status = closure.AppointmentCancelled
			d.AddAppointment(cancelled)
			d.AddAppointment(a)
		}, "recovered"},
		{"cancelled", func(d *desk, a closure.Appointment) {
			a.Status = closure.AppointmentCancelled
			d.AddAppointment(a)
		}, "booked"},
		{"moved away", func(d *desk, a closure.Appointment) {
			a.Status, a.StartAt = closure.AppointmentRescheduled, other
			d.AddAppointment(a)
		}, "booked"},
		{"other start", func(d *desk, a closure.Appointment) {
			a.StartAt = other
			d.AddAppointment(a)
		}, "booked"},
		{"somebody else's", func(d *desk, a closure.Appointment) {
			a.PatientID = d.somebodyElse()
			d.AddAppointment(a)
		}, "booked"},
		{"other schedule", func(d *desk, a closure.Appointment) {
			a.ScheduleID = "sch_other"
			d.AddAppointment(a)
		}, "booked"},
	} {
		// Here the API accepts every slot twice: only the SDK can prevent it. And
		// its list, being inferred, may ignore what it is asked for.
		for _, filters := range []bool{true, false} {
			atDesks(t, fmt.Sprintf("%s, list filters %t", test.name, filters), func(t *testing.T, d *desk) {
				test.have(d, closure.Appointment{ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: guide.start})
				if !filters {
					d.tamper = withoutQuery
				}
				had := len(d.Appointments())
				booking, err := d.bookSlot(t.Context(), t, slot())
				if got := ending(booking, err); got != test.want {
					t.Errorf("%s, want %s: %v", got, test.want, err)
				}
				if test.want == "recovered" {
					d.sent(t, 0, had)
				} else {
					d.sent(t, 1, had+1)
				}
				if booking != nil && (booking.Schedule == nil || booking.Patient == nil) {
					t.Error("schedule or patient are missing")
				}
			}, closuretest.AllowDuplicates())
		}
	}
}

// withoutQuery is a list of appointments that ignores its filters but the patient's:
// a list that shows somebody else's appointments is not believed.
func withoutQuery(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	if strings.HasSuffix(req.URL.Path, "/appointments") && req.Method == http.MethodGet {
		req = req.Clone(req.Context())
		req.URL.RawQuery = url.Values{"patient_id": req.URL.Query()["patient_id"]}.Encode()
	}
	return next.RoundTrip(req)
}

// A program crashed while it booked, and is run again.
func TestBookSlotAgainAfterACrash(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]closuretest.Option{"slots once": nil, "slots twice": {closuretest.AllowDuplicates()}} {
		atDesks(t, name, func(t *testing.T, d *desk) {
			d.Inject(closuretest.DropAfter(create))
			ctx, crash := context.WithCancel(t.Context())
			d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if req.Method == http.MethodPost {
					crash()
				}
				return resp, err
			}
			first, err := d.bookSlot(ctx, t, slot())
			isErrors(t, err, closure.ErrOutcomeUnknown)
			for range 2 {
				d.client = newClient(t, d.next, closure.WithBaseURL(d.baseURL())) // another process
				again, err := d.bookSlot(t.Context(), t, slot())
				if got := ending(again, err); got != "recovered" {
					t.Errorf("%v, then %s: %v", first, got, err)
				}
			}
			d.sent(t, 1, 1)
		}, opts...)
	}
}

func (d *desk) baseURL() string {
	if d.loopback {
		return d.Start()
	}
	return closure.DefaultBaseURL
}

// A read that fails before the request ends the booking, with nothing sent.
func TestBookSlotReadFails(t *testing.T) {
	t.Parallel()
	params := slot()
	params.Duration = 0 // so that all four are read
	for _, op := range []string{lists, "schedules.get", "patients.get", "availabilities.list"} {
		for what, test := range map[string]struct {
			fault closuretest.Fault
			is    error
		}{
			"500":       {closuretest.Status(op, 500), closure.ErrServer},
			"400":       {closuretest.Status(op, 400), closure.ErrInvalidRequest},
			"401":       {closuretest.Status(op, 401), closure.ErrUnauthorized},
			"lost":      {closuretest.DropBefore(op), nil},
			"truncated": {closuretest.Truncate(op), nil},
			"malformed": {closuretest.Malformed(op), closure.ErrMalformedResponse},
			"404":       {closuretest.Status(op, 404), closure.ErrNotFound},
		} {
			if op == lists && what == "404" {
				continue // no list: see TestBookSlotAfterTheRequest
			}
			atDesks(t, op+" "+what, func(t *testing.T, d *desk) {
				d.Inject(always(test.fault))
				booking, err := d.bookSlot(t.Context(), t, params)
				if got := ending(booking, err); got != "not sent" {
					t.Errorf("%s, want not sent: %v", got, err)
				}
				if test.is != nil {
					isErrors(t, err, test.is)
				}
				d.sent(t, 0, 0)
			})
		}
	}
}

// What is booked already is said, also if other reads fail.
func TestBookSlotRecoveredDespiteFailures(t *testing.T) {
	t.Parallel()
	atDesks(t, "recovered", func(t *testing.T, d *desk) {
		d.takenBy(guide.patient)
		for _, op := range []string{"schedules.get", "patients.get", "availabilities.list"} {
			d.Inject(always(closuretest.Status(op, 500)))
		}
		params := slot()
		params.Duration = 0
		booking, err := d.bookSlot(t.Context(), t, params)
		if got := ending(booking, err); got != "recovered" {
			t.Fatalf("%s, want recovered: %v", got, err)
		}
		if booking.Schedule != nil || booking.Patient != nil {
			t.Error("a schedule or patient that could not be read")
		}
	})
}

// Which insurance is checked, and what it comes to.
func TestBookSlotInsurance(t *testing.T) {
	t.Parallel()
	const other = closure.InsuranceID("ins_other")
	for _, test := range []struct {
		name    string
		listed  []closure.InsuranceID // by the schedule
		method  closure.SchedulingMethod
		own     closure.InsuranceID // the patient's
		given   closure.InsuranceID
		check   closure.InsuranceCheck
		want    error
		patient bool // is read
	}{
		{name: "accepted", listed: []closure.InsuranceID{other, guide.insurance}, own: guide.insurance, patient: true},
		{name: "not accepted", listed: []closure.InsuranceID{other}, own: guide.insurance, want: closure.ErrInsuranceNotAccepted, patient: true},
		{name: "not accepted, unknown allowed", listed: []closure.InsuranceID{other}, own: guide.insurance, check: closure.AllowUnknown, want: closure.ErrInsuranceNotAccepted, patient: true},
		{name: "nothing listed", own: guide.insurance, want: closure.ErrInsuranceUnknown, patient: true},
		{name: "nothing listed, unknown allowed", own: guide.insurance, check: closure.AllowUnknown, patient: true},
		{name: "none on file", listed: []closure.InsuranceID{other}, want: closure.ErrInsuranceUnknown, patient: true},
		{name: "none on file, unknown allowed", listed: []closure.InsuranceID{other}, check: closure.AllowUnknown, patient: true},
		{name: "given, accepted", listed: []closure.InsuranceID{other}, own: guide.insurance, given: other},
		{name: "given, not accepted", listed: []closure.InsuranceID{guide.insurance}, own: guide.insurance, given: other, want: closure.ErrInsuranceNotAccepted},
		{name: "given, nothing listed", given: other, want: closure.ErrInsuranceUnknown},
		{name: "self-pay", listed: []closure.InsuranceID{other}, own: guide.insurance, check: closure.SkipInsuranceCheck},
		{name: "self-pay, given", listed: []closure.InsuranceID{guide.insurance}, given: other, check: closure.SkipInsuranceCheck},
		{name: "open slots only", listed: []closure.InsuranceID{other}, own: guide.insurance, method: closure.SchedulingOpenSlotsOnly, want: closure.ErrNotBookable, patient: true},
		{name: "no method", own: guide.insurance, method: "none", check: closure.SkipInsuranceCheck, want: closure.ErrNotBookable},
	} {
		atDesks(t, test.name, func(t *testing.T, d *desk) {
			schedule := closure.Schedule{ID: guide.schedule, SchedulingMethod: closure.SchedulingDirectAPI}
			if test.method != "" {
				schedule.SchedulingMethod = test.method
			}
			for _, id := range test.listed {
				schedule.Insurances = append(schedule.Insurances, closure.Ref[closure.InsuranceID, closure.Insurance]{ID: id})
			}
			d.AddSchedule(schedule)
			d.AddPatient(closure.Patient{ID: guide.patient, Insurance: closure.PatientInsurance{ID: test.own}})
			params := slot()
			params.InsuranceID, params.InsuranceCheck = test.given, test.check
			booking, err := d.bookSlot(t.Context(), t, params)
			if (d.count("patients.get") == 1) != test.patient || (booking != nil && (booking.Patient != nil) != test.patient) {
				t.Errorf("the patient was read %d times", d.count("patients.get"))
			}
			if test.want == nil {
				noError(t, err)
				d.sent(t, 1, 1)
				return
			}
			isErrors(t, err, test.want)
			if got := closure.OutcomeOf(err); got != closure.OutcomeNotSent {
				t.Errorf("outcome %v", got)
			}
			d.sent(t, 0, 0)
			if refusal := (*closure.InsuranceError)(nil); errors.As(err, &refusal) {
				equal(t, "accepted", append([]closure.InsuranceID{}, refusal.Accepted...), append([]closure.InsuranceID{}, test.listed...))
				if want := cmp.Or(test.given, test.own); refusal.InsuranceID != want {
					t.Error("another insurance was checked")
				}
			}
		})
	}
}

// Without a duration, the open slot's own is booked.
func TestBookSlotDuration(t *testing.T) {
	t.Parallel()
	at := guide.start.Add(3 * time.Hour)
	params := closure.BookSlotParams{ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: at}
	atDesks(t, "the slot's", func(t *testing.T, d *desk) {
		d.AddSlots(guide.schedule, closure.Slot{StartAt: at, Duration: 45})
		booking, err := d.bookSlot(t.Context(), t, params)
		noError(t, err)
		if booking.Appointment.Duration != 45 || booking.Recovered {
			t.Errorf("booked %d minutes, recovered %t", booking.Appointment.Duration, booking.Recovered)
		}
		d.sent(t, 1, 1)
	})
	for name, faults := range map[string][]closuretest.Fault{"not offered": nil, "not offered, no list": {always(closuretest.Status(lists, 404))}} {
		atDesks(t, name, func(t *testing.T, d *desk) {
			d.Inject(faults...)
			_, err := d.bookSlot(t.Context(), t, params)
			isErrors(t, err, closure.ErrSlotUnavailable)
			if got := closure.OutcomeOf(err); got != closure.OutcomeNotSent {
				t.Errorf("outcome %v", got)
			}
			d.sent(t, 0, 0)
		})
	}
}

// The reads run concurrently, so that a booking made meanwhile shows in one of them only.
func TestBookSlotMadeBetweenTheReads(t *testing.T) {
	t.Parallel()
	// listThenSlots lets the list be read first, then the slot be taken, and then
	// the slots be read.
	listThenSlots := func(d *desk, take func()) {
		listed := make(chan struct{})
		var once, taken sync.Once
		d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
			if strings.HasSuffix(req.URL.Path, "/slots") {
				<-listed
				taken.Do(take)
			}
			resp, err := next.RoundTrip(req)
			if strings.HasSuffix(req.URL.Path, "/appointments") && req.Method == http.MethodGet {
				once.Do(func() { close(listed) })
			}
			return resp, err
		}
	}
	params := slot()
	params.Duration = 0
	atDesks(t, "slot gone, ours", func(t *testing.T, d *desk) {
		listThenSlots(d, func() { d.takenBy(guide.patient) })
		booking, err := d.bookSlot(t.Context(), t, params)
		if got := ending(booking, err); got != "recovered" {
			t.Errorf("%s, want recovered: %v", got, err)
		}
		d.sent(t, 0, 1)
	})
	atDesks(t, "slot gone, somebody else's", func(t *testing.T, d *desk) {
		listThenSlots(d, func() { d.takenBy(d.somebodyElse()) })
		_, err := d.bookSlot(t.Context(), t, params)
		isErrors(t, err, closure.ErrSlotUnavailable)
		d.sent(t, 0, 1)
	})
	atDesks(t, "slot gone, and then the list fails", func(t *testing.T, d *desk) {
		listThenSlots(d, func() {
			d.takenBy(guide.patient)
			d.Inject(always(closuretest.Status(lists, 500)))
		})
		_, err := d.bookSlot(t.Context(), t, params)
		isErrors(t, err, closure.ErrServer)
		isNoErrors(t, err, closure.ErrSlotUnavailable)
		d.sent(t, 0, 1)
	})
	// The same after a rejection.
	atDesks(t, "rejected, ours", func(t *testing.T, d *desk) {
		d.Inject(closuretest.Status(create, 409))
		d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if req.Method == http.MethodPost {
				listThenSlots(d, func() { d.takenBy(guide.patient) })
			}
			return resp, err
		}
		booking, err := d.bookSlot(t.Context(), t, slot())
		if got := ending(booking, err); got != "recovered" {
			t.Errorf("%s, want recovered: %v", got, err)
		}
		d.sent(t, 1, 1)
	})
}

// A booking costs two round trips of waiting, whatever it has to read.
func TestBookSlotTakesTwoRoundTrips(t *testing.T) {
	t.Parallel()
	const roundTrip = 80 * time.Millisecond
	for name, test := range map[string]struct {
		change func(*closure.BookSlotParams)
		reads  int
	}{
		"all":             {func(p *closure.BookSlotParams) { p.Duration = 0 }, 4},
		"duration given":  {func(*closure.BookSlotParams) {}, 3},
		"insurance given": {func(p *closure.BookSlotParams) { p.InsuranceID = guide.insurance }, 2},
		"self-pay":        {func(p *closure.BookSlotParams) { p.InsuranceCheck = closure.SkipInsuranceCheck }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, d *desk) {
				d.Inject(always(closuretest.Delay(closuretest.AnyOperation, roundTrip)))
				params := slot()
				test.change(&params)
				_, err := d.bookSlot(t.Context(), t, params)
				noError(t, err)
				d.tookInBubble(t, 2*roundTrip)
				if got := len(d.Requests()) - 1; got != test.reads {
					t.Errorf("%d reads, want %d", got, test.reads)
				}
			})
		})
	}
}

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
					params := slot()
					params.Duration = 0
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
		if got := ending(booking, err); got != "not sent" {
			t.Errorf("%s: %v", got, err)
		}
		isErrors(t, err, context.Canceled)
		d.sent(t, 0, 0)
	})
}

// One read that hangs does not use up the time for reading back.
func TestBookSlotHangingRead(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d *desk) {
		d.Inject(closuretest.DropAfter(create))
		d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if req.Method == http.MethodPost {
				d.Inject(closuretest.Delay(lists, time.Hour))
			}
			return resp, err
		}
		booking, err := d.bookSlot(t.Context(), t, slot())
		if got := ending(booking, err); got != "recovered" {
			t.Errorf("%s, want recovered: %v", got, err)
		}
		d.tookInBubble(t, 3*time.Second+250*time.Millisecond)
	})
}

// The time of an attempt is when the request had left at the latest: what waited
// before it left is not as old as it seems.
func TestBookSlotAttemptedAt(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d *desk) {
		begin := time.Now()
		d.Inject(closuretest.Status(create, 429, "Retry-After", "40"), closuretest.DropBefore(create))
		_, err := d.bookSlot(t.Context(), t, slot())
		var unknown *closure.OutcomeUnknownError
		if !errors.As(err, &unknown) || unknown.Attempt.AttemptedAt.Sub(begin) < 40*time.Second {
			t.Fatalf("%v", err)
		}
		_, err = d.client.ResolveBooking(t.Context(), unknown.Attempt, closure.AssumeLostAfter(15*time.Second))
		isErrors(t, err, closure.ErrOutcomeUnknown)
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
			params := slot()
			params.Duration = 0
			_, _ = d.bookSlot(t.Context(), t, params, opts...)
			if captured.StatusCode != test.status || captured.Attempts != 1 {
				t.Errorf("captured %v, want the answer to the booking, status %d", captured, test.status)
			}
			if opts[2] != nil || spare[3] == nil || slices.ContainsFunc(spare[4:], func(o closure.CallOption) bool { return o != nil }) || untouched.StatusCode != 0 {
				t.Error("the caller's options were changed")
			}
			for _, r := range d.Requests() {
				if directory := strings.HasPrefix(r.Path, "/schedules"); directory != (r.Header.Get("Closure-Index-Version") == "idx_mine") {
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
		bad = append(bad, badInput{test.field + " " + test.name, func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.BookSlot(ctx, params, opts...)
		}, create, test.field})
	}
	testBadInputs(t, bad)
}

// Concurrent calls for the same thing make one request and share one booking.
func TestTwoClicksMakeOneBooking(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		faults []closuretest.Fault
		server []closuretest.Option
		first  string // the one call that sends
		others string
		booked int
	}{
		"confirmed":        {first: "booked", others: "recovered", booked: 1},
		"slots twice":      {server: []closuretest.Option{closuretest.AllowDuplicates()}, first: "booked", others: "recovered", booked: 1},
		"stale reads":      {server: []closuretest.Option{closuretest.AllowDuplicates(), closuretest.StaleReads(time.Hour)}, first: "booked", others: "recovered", booked: 1},
		"lost after":       {faults: []closuretest.Fault{closuretest.DropAfter(create)}, first: "recovered", others: "recovered", booked: 1},
		"unknown":          {faults: []closuretest.Fault{closuretest.DropBefore(create)}, first: "unknown", others: "unknown"},
		"unknown, no list": {faults: []closuretest.Fault{closuretest.DropAfter(create), always(closuretest.Status(lists, 404))}, first: "unknown", others: "unknown", booked: 1},
		"unknown, stale":   {faults: []closuretest.Fault{closuretest.DropAfter(create)}, server: []closuretest.Option{closuretest.AllowDuplicates(), closuretest.StaleReads(time.Hour)}, first: "unknown", others: "unknown", booked: 1},
	} {
		atDesks(t, name, func(t *testing.T, d *desk) {
			d.Inject(append(test.faults, closuretest.Delay(create, 20*time.Millisecond))...)
			const clicks = 64
			ctx := t.Context()
			if test.first == "unknown" {
				ctx = d.patience(t)
			}
			var mu sync.Mutex
			endings := make(map[string]int)
			made := make(map[closure.AppointmentID]bool)
			var group sync.WaitGroup
			begin := time.Now()
			for range clicks {
				group.Go(func() {
					params := slot()
					params.StartAt = params.StartAt.In(time.FixedZone("", 3600)) // the same instant
					booking, err := d.client.BookSlot(ctx, params)
					mu.Lock()
					defer mu.Unlock()
					checkBooking(t, booking, err)
					checkUnknownAttempt(t, err)
					endings[ending(booking, err)]++
					if booking != nil {
						made[booking.Appointment.ID] = true
					}
				})
			}
			group.Wait()
			want := map[string]int{test.first: 1}
			want[test.others] += clicks - 1
			equal(t, "endings", endings, want)
			d.sent(t, 1, test.booked)
			if len(made) > 1 {
				t.Error("more than one appointment was returned")
			}
			if n := closure.OpenTurns(d.client); n != 0 {
				t.Errorf("%d keys leaked", n)
			}
			if took := time.Since(begin); !d.loopback && took > 21*time.Second {
				t.Errorf("took %s: those who waited must read back concurrently", took)
			}
		}, test.server...)
	}
}

func checkUnknownAttempt(t *testing.T, err error) {
	t.Helper()
	var unknown *closure.OutcomeUnknownError
	if errors.As(err, &unknown) && (unknown.Attempt.ScheduleID != guide.schedule || unknown.Attempt.PatientID != guide.patient || !unknown.Attempt.StartAt.Equal(guide.start)) {
		t.Errorf("attempt %s", show(unknown.Attempt))
	}
}

// How calls end that waited for a call that ended early.
func TestBookSlotWaitsForAnotherCall(t *testing.T) {
	t.Parallel()
	type result struct {
		ending string
		err    error
		at     time.Duration
	}
	// run lets the calls start at the given times, with contexts that end at the
	// given times (zero: never), and returns how they end.
	run := func(t *testing.T, d *desk, calls ...[2]time.Duration) []result {
		begin := time.Now()
		results := make([]result, len(calls))
		var group sync.WaitGroup
		for i, call := range calls {
			group.Go(func() {
				time.Sleep(call[0])
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if call[1] != 0 {
					ctx, cancel = context.WithTimeout(ctx, call[1]-call[0])
				}
				defer cancel()
				booking, err := d.client.BookSlot(ctx, slot())
				checkBooking(t, booking, err)
				results[i] = result{ending(booking, err), err, time.Since(begin)}
			})
		}
		group.Wait()
		if n := closure.OpenTurns(d.client); n != 0 {
			t.Errorf("%d keys leaked", n)
		}
		return results
	}
	check := func(t *testing.T, got []result, want ...string) {
		t.Helper()
		for i, r := range got {
			if text := r.ending + " " + r.at.String(); text != want[i] {
				t.Errorf("call %d: %s, want %s: %v", i, text, want[i], r.err)
			}
		}
	}
	const ms = time.Millisecond
	second := closuretest.Delay(create, time.Second)
	readsTake := always(closuretest.Delay("schedules.get", 100*ms))
	for name, test := range map[string]struct {
		faults []closuretest.Fault
		calls  [][2]time.Duration
		want   []string
		posts  int
		booked int
	}{
		"the first gives up before it sends": {
			[]closuretest.Fault{second, readsTake},
			[][2]time.Duration{{0, 50 * ms}, {10 * ms, 0}},
			[]string{"not sent 50ms", "booked 1.15s"}, 1, 1,
		},
		"the first gives up while it sends": {
			[]closuretest.Fault{second, readsTake},
			[][2]time.Duration{{0, 500 * ms}, {10 * ms, 0}},
			[]string{"unknown 500ms", "recovered 500ms"}, 1, 1,
		},
		"the second gives up before the first sends": {
			[]closuretest.Fault{second, readsTake},
			[][2]time.Duration{{0, 0}, {10 * ms, 50 * ms}},
			[]string{"booked 1.1s", "not sent 50ms"}, 1, 1,
		},
		"the second gives up while the first sends": {
			[]closuretest.Fault{second, readsTake},
			[][2]time.Duration{{0, 0}, {10 * ms, 500 * ms}},
			[]string{"booked 1.1s", "unknown 500ms"}, 1, 1,
		},
		"the first is rejected": {
			[]closuretest.Fault{closuretest.Status(create, 401), readsTake},
			[][2]time.Duration{{0, 0}, {10 * ms, 0}},
			[]string{"rejected 100ms", "booked 200ms"}, 2, 1,
		},
		"it is found late": {
			[]closuretest.Fault{closuretest.CommitLate(create, 12*time.Second)},
			[][2]time.Duration{{0, 0}, {ms, 0}, {2 * ms, 11 * time.Second}},
			[]string{"unknown 10s", "recovered 13.75s", "unknown 11s"}, 1, 1,
		},
		"one comes while others still look": {
			[]closuretest.Fault{closuretest.DropBefore(create)},
			[][2]time.Duration{{0, 0}, {ms, 0}, {11 * time.Second, 0}},
			[]string{"unknown 10s", "unknown 20s", "unknown 21s"}, 1, 0,
		},
		"one comes after all": {
			[]closuretest.Fault{closuretest.DropBefore(create)},
			[][2]time.Duration{{0, 0}, {11 * time.Second, 0}},
			[]string{"unknown 10s", "booked 11s"}, 2, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, d *desk) {
				d.Inject(test.faults...)
				check(t, run(t, d, test.calls...), test.want...)
				d.sent(t, test.posts, test.booked)
			})
		})
	}
	// Two patients who want the same slot are not two clicks: nobody is handed
	// somebody else's booking.
	t.Run("other things don't wait", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(t *testing.T, d *desk) {
			d.Inject(always(closuretest.Delay(create, time.Second)))
			other := d.somebodyElse()
			schedule := d.AddSchedule(closure.Schedule{SchedulingMethod: closure.SchedulingDirectAPI})
			d.AddSlots(schedule.ID, closuretest.GuideSlot())
			d.AddSlots(guide.schedule, closure.Slot{StartAt: guide.start.Add(time.Hour), Duration: 30})
			var group sync.WaitGroup
			for _, change := range []func(*closure.BookSlotParams){
				func(*closure.BookSlotParams) {},
				func(p *closure.BookSlotParams) { p.ScheduleID = schedule.ID },
				func(p *closure.BookSlotParams) { p.PatientID = other },
				func(p *closure.BookSlotParams) { p.StartAt = p.StartAt.Add(time.Hour) },
			} {
				group.Go(func() {
					params := slot()
					params.InsuranceCheck = closure.SkipInsuranceCheck
					change(&params)
					own := &desk{Server: d.Server, client: d.client} // its own clock
					booking, err := own.bookSlot(t.Context(), t, params)
					if got := ending(booking, err); got != "booked" || own.took != time.Second {
						t.Errorf("%s after %s: %v", got, own.took, err)
					}
				})
			}
			group.Wait()
			d.sent(t, 4, 4)
		}, closuretest.AllowDuplicates())
	})
}

// An observer may panic. Calls that wait for the one that it ended don't wait for ever, and
// don't send what that one may have sent.
func TestBookSlotEndedByAPanic(t *testing.T) {
	t.Parallel()
	atDesks(t, "panic", func(t *testing.T, d *desk) {
		var once sync.Once
		d.client = newClient(t, d.next, closure.WithBaseURL(d.baseURL()), closure.WithObserver(func(_ context.Context, e closure.Event) {
			if e.Op == create {
				once.Do(func() { panic("observer") })
			}
		}))
		d.Inject(closuretest.DropBefore(create), closuretest.Delay(create, 50*time.Millisecond))
		ctx := d.patience(t)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				defer func() { _ = recover() }()
				booking, err := d.client.BookSlot(ctx, slot())
				if got := ending(booking, err); got != "unknown" {
					t.Errorf("%s, want unknown: %v", got, err)
				}
			})
		}
		group.Wait()
		d.sent(t, 1, 0)
		if n := closure.OpenTurns(d.client); n != 0 {
			t.Errorf("%d keys leaked", n)
		}
	})
}

// Calls that share a booking share no memory.
func TestBookSlotSharesNoMemory(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d *desk) {
		d.Inject(closuretest.Delay(create, time.Second))
		bookings := make([]*closure.Booking, 2)
		var group sync.WaitGroup
		for i := range bookings {
			group.Go(func() {
				var err error
				if bookings[i], err = d.client.BookSlot(t.Context(), slot()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if t.Failed() {
			return
		}
		equal(t, "booking", bookings[0].Appointment, bookings[1].Appointment)
		if bookings[0] == bookings[1] || bookings[0].Schedule == bookings[1].Schedule || bookings[0].Patient == bookings[1].Patient {
			t.Error("two callers were given the same pointer")
		}
	})
}

// An error of a change has no attempt to resolve.
func TestResolveBookingRefusesAnEmptyAttempt(t *testing.T) {
	t.Parallel()
	_, err := serveAlways(t, 200, "[]").client(t).ResolveBooking(t.Context(), closure.BookingAttempt{})
	refused(t, "no attempt", err, "appointments.list", "Attempt")
}

func TestResolveBooking(t *testing.T) {
	t.Parallel()
	lost := closure.AssumeLostAfter(time.Minute)
	for _, test := range []struct {
		name   string
		age    time.Duration
		opts   []closure.CallOption
		faults []closuretest.Fault
		have   func(d *desk)
		want   string
		is     []error
		open   string
	}{
		{name: "booked", have: func(d *desk) { d.takenBy(guide.patient) }, want: "recovered"},
		{name: "booked, assumed lost", age: time.Hour, opts: []closure.CallOption{lost}, have: func(d *desk) { d.takenBy(guide.patient) }, want: "recovered"},
		{name: "booked, slots fail", faults: []closuretest.Fault{always(closuretest.Status("availabilities.list", 500))}, have: func(d *desk) { d.takenBy(guide.patient) }, want: "recovered"},
		{name: "not shown", age: time.Hour, want: "unknown", open: "open"},
		{name: "not shown, slots fail", faults: []closuretest.Fault{always(closuretest.Status("availabilities.list", 500))}, want: "unknown", open: "not known"},
		{name: "somebody else's", have: func(d *desk) { d.takenBy(d.somebodyElse()) }, want: "unknown", open: "gone"},
		{name: "cancelled", have: func(d *desk) {
			d.AddAppointment(closure.Appointment{ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: guide.start, Status: closure.AppointmentCancelled})
		}, want: "unknown", open: "open"},
		{name: "young", age: 59 * time.Second, opts: []closure.CallOption{lost}, want: "unknown", open: "open"},
		{name: "old", age: 61 * time.Second, opts: []closure.CallOption{lost}, want: "rejected", is: []error{closure.ErrNotBooked}},
		{name: "old, slot gone", age: time.Hour, opts: []closure.CallOption{lost}, have: func(d *desk) { d.takenBy(d.somebodyElse()) }, want: "rejected", is: []error{closure.ErrNotBooked}},
		{name: "from the future", age: -time.Hour, opts: []closure.CallOption{lost}, want: "unknown", open: "open"},
		{name: "old, list fails", age: time.Hour, opts: []closure.CallOption{lost}, faults: []closuretest.Fault{always(closuretest.Status(lists, 500))}, want: "unknown", is: []error{closure.ErrServer}, open: "open"},
		{name: "old, no list", age: time.Hour, opts: []closure.CallOption{lost}, faults: []closuretest.Fault{always(closuretest.Status(lists, 404))}, want: "unknown", is: []error{closure.ErrNotFound}, open: "open"},
		{name: "old, list malformed", age: time.Hour, opts: []closure.CallOption{lost}, faults: []closuretest.Fault{always(closuretest.Malformed(lists))}, want: "unknown", is: []error{closure.ErrMalformedResponse}, open: "open"},
	} {
		atDesks(t, test.name, func(t *testing.T, d *desk) {
			if test.have != nil {
				test.have(d)
			}
			d.Inject(test.faults...)
			stored, err := json.Marshal(attemptAt(test.age))
			noError(t, err)
			var attempt closure.BookingAttempt
			noError(t, json.Unmarshal(stored, &attempt))
			booking, err := d.client.ResolveBooking(t.Context(), attempt, test.opts...)
			checkBooking(t, booking, err)
			if got := ending(booking, err); got != test.want {
				t.Errorf("%s, want %s: %v", got, test.want, err)
			}
			isErrors(t, err, test.is...)
			if unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err); ok {
				equal(t, "attempt", unknown.Attempt, attempt)
				unknown.Attempt.AttemptedAt = time.Now()
				checkUnknown(t, err, test.open)
			}
			if booking != nil && (booking.Schedule != nil || booking.Patient != nil) {
				t.Error("something was read that it did not have to")
			}
			if d.count(create) != 0 {
				t.Error("it booked")
			}
		})
	}
	atDesks(t, "context ended", func(t *testing.T, d *desk) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := d.client.ResolveBooking(ctx, attemptAt(time.Hour), lost)
		isErrors(t, err, closure.ErrOutcomeUnknown, context.Canceled)
	})
}

// What a booking leaves open is settled later, in another process.
func TestResolveBookingLater(t *testing.T) {
	t.Parallel()
	t.Run("carried out late", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(t *testing.T, d *desk) {
			d.Inject(closuretest.CommitLate(create, time.Minute))
			_, err := d.bookSlot(t.Context(), t, slot())
			var unknown *closure.OutcomeUnknownError
			if !errors.As(err, &unknown) {
				t.Fatal(err)
			}
			d.tookInBubble(t, 10*time.Second)
			_, err = d.client.ResolveBooking(t.Context(), unknown.Attempt)
			isErrors(t, err, closure.ErrOutcomeUnknown)
			time.Sleep(time.Minute)
			booking, err := d.client.ResolveBooking(t.Context(), unknown.Attempt, closure.AssumeLostAfter(time.Second))
			if got := ending(booking, err); got != "recovered" {
				t.Errorf("%s, want recovered: %v", got, err)
			}
			d.sent(t, 1, 1)
		})
	})
}

func TestResolveBookingInput(t *testing.T) {
	t.Parallel()
	var bad []badInput
	for field, change := range map[string]func(*closure.BookingAttempt){
		"ScheduleID":  func(a *closure.BookingAttempt) { a.ScheduleID = "pt_x" },
		"PatientID":   func(a *closure.BookingAttempt) { a.PatientID = "" },
		"StartAt":     func(a *closure.BookingAttempt) { a.StartAt = time.Time{} },
		"AttemptedAt": func(a *closure.BookingAttempt) { a.AttemptedAt = time.Time{} },
	} {
		attempt := attemptAt(time.Hour)
		change(&attempt)
		bad = append(bad, badInput{field, func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.ResolveBooking(ctx, attempt, append(opts, closure.AssumeLostAfter(time.Minute))...)
		}, lists, field})
	}
	testBadInputs(t, bad)
	atDesks(t, "the time does not matter without AssumeLostAfter", func(t *testing.T, d *desk) {
		d.takenBy(guide.patient)
		_, err := d.client.ResolveBooking(t.Context(), closure.BookingAttempt{ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: guide.start})
		noError(t, err)
	})
}
