package closure_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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

	tamper tamper // may be nil
	next   http.RoundTripper
	giveUp context.CancelFunc // soon after the first look that follows a write

	wrote   atomic.Bool
	reading atomic.Int32

	took time.Duration // by the last call
}

// A tamper stands between client and server.
type tamper func(req *http.Request, next http.RoundTripper) (*http.Response, error)

func (d *desk) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	isRead := req.Method == http.MethodGet
	if isRead {
		d.reading.Add(1)
	}
	if d.tamper == nil {
		resp, err = d.next.RoundTrip(req)
	} else {
		resp, err = d.tamper(req, d.next)
	}
	switch {
	case !isRead:
		d.wrote.Store(true)
	case d.reading.Add(-1) == 0 && d.wrote.Load() && d.giveUp != nil: // what was read has still to be taken in
		go afterTurns(150, d.giveUp)
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

// afterTurns calls then after as many milliseconds, and later on a busy machine: each turn takes
// longer there, and so does what has to be done meanwhile.
func afterTurns(milliseconds int, then func()) {
	for range milliseconds {
		time.Sleep(time.Millisecond)
	}
	then()
}

// patience is a context for a call that looks for an appointment that never shows. Over a
// socket it ends soon after the first look; in a bubble there is time.
func (d *desk) patience(t *testing.T) context.Context {
	if !d.loopback {
		return t.Context()
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	d.giveUp = cancel
	return ctx
}

// patienceFor is patience if the call will end unknown, and otherwise a context that doesn't end.
func (d *desk) patienceFor(t *testing.T, ending string) context.Context {
	if ending != "unknown" {
		return t.Context()
	}
	return d.patience(t)
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
	return closure.BookSlotParams{
		ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: guide.start, Duration: 30,
	}
}

// anyLength are the params for the guide's slot, whatever its duration: all four reads are made.
func anyLength() closure.BookSlotParams {
	params := slot()
	params.Duration = 0
	return params
}

func attemptAt(age time.Duration) closure.BookingAttempt {
	return closure.BookingAttempt{
		ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: guide.start, Duration: 30,
		AttemptedAt: time.Now().Add(-age),
	}
}

// bookSlot books and checks what holds of every booking.
func (d *desk) bookSlot(
	ctx context.Context, t *testing.T, params closure.BookSlotParams, opts ...closure.CallOption,
) (*closure.Booking, error) {
	t.Helper()
	begin := time.Now()
	booking, err := d.client.BookSlot(ctx, params, opts...)
	d.took = time.Since(begin)
	checkBooking(t, booking, err)
	if booking != nil {
		a := booking.Appointment
		if a.PatientID != params.PatientID || a.ScheduleID != params.ScheduleID ||
			!a.StartAt.Equal(params.StartAt) || a.Status == closure.AppointmentCancelled {
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
	isUnknown := errors.As(err, &unknown)
	if isUnknown != (closure.OutcomeOf(err) == closure.OutcomeUnknown) {
		t.Errorf("outcome %v, and *OutcomeUnknownError is %t: %v", closure.OutcomeOf(err), isUnknown, err)
	}
	if err == nil {
		return
	}
	text := fmt.Sprintf("%v %+v %#v %q", err, err, err, err)
	for _, secret := range []string{"pt_s", "sch_u", "appt_", "ins_8", "2022", "17:0", "Trisha", "?", "nil"} {
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

// endsIn checks how a booking ended.
func endsIn(t *testing.T, want string, booking *closure.Booking, err error) {
	t.Helper()
	if got := ending(booking, err); got != want {
		t.Errorf("%s, want %s: %v", got, want, err)
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

func faults(all ...closuretest.Fault) []closuretest.Fault { return all }

// afterPosts returns a tamper that does something after each answer to a POST.
func afterPosts(do func()) tamper {
	return func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if req.Method == http.MethodPost {
			do()
		}
		return resp, err
	}
}

// somebodyElse is another patient.
func (d *desk) somebodyElse() closure.PatientID {
	return d.AddPatient(closure.Patient{
		FirstName: "Some", LastName: "Body", Insurance: closure.PatientInsurance{ID: guide.insurance},
	}).ID
}

// takenBy puts an appointment on the guide's slot.
func (d *desk) takenBy(patient closure.PatientID) closure.Appointment {
	return d.AddAppointment(closure.Appointment{ScheduleID: guide.schedule, PatientID: patient, StartAt: guide.start})
}

// checkUnknown checks the attempt that an unknown outcome leaves.
func checkUnknown(t *testing.T, err error, open string) {
	t.Helper()
	var unknown *closure.OutcomeUnknownError
	if !errors.As(err, &unknown) {
		return
	}
	a := unknown.Attempt
	checkUnknownAttempt(t, err)
	if a.Duration != 30 || time.Since(a.AttemptedAt) > longer || a.AttemptedAt.After(time.Now()) {
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

// replace is the response with another status and body.
func replace(resp *http.Response, body any) *http.Response {
	_ = resp.Body.Close()
	text := []byte(show(body))
	resp.StatusCode, resp.Status = http.StatusOK, "200 OK"
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return resp
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

func (d *desk) baseURL() string {
	if d.loopback {
		return d.Start()
	}
	return closure.DefaultBaseURL
}

// checkUnknownAttempt checks that an unknown outcome is about the guide's slot.
func checkUnknownAttempt(t *testing.T, err error) {
	t.Helper()
	var unknown *closure.OutcomeUnknownError
	if !errors.As(err, &unknown) {
		return
	}
	a := unknown.Attempt
	if a.ScheduleID != guide.schedule || a.PatientID != guide.patient || !a.StartAt.Equal(guide.start) {
		t.Errorf("attempt %s", show(a))
	}
}
