package closuretest_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

const create = "appointments.create"

// Each fault, in process and over loopback: what the client sees, what the SDK
// makes of it, and what is really done.
func TestFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault   closuretest.Fault
		text    string
		status  int // of the answer; 0: none
		is      error
		outcome closure.Outcome
		booked  int
	}{
		{
			closuretest.DropBefore(create), "appointments.create: connection lost before anything is done, once", 0,
			syscall.ECONNRESET, closure.OutcomeUnknown, 0,
		},
		{
			closuretest.DropAfter(create), "appointments.create: done, then connection lost, once", 0, syscall.ECONNRESET,
			closure.OutcomeUnknown, 1,
		},
		{
			closuretest.CommitLate(create, time.Hour), "appointments.create: connection lost, done 1h0m0s later, once", 0,
			syscall.ECONNRESET, closure.OutcomeUnknown, 0,
		},
		{
			closuretest.CommitLate(create, 0), "appointments.create: connection lost, done 0s later, once", 0,
			syscall.ECONNRESET, closure.OutcomeUnknown, 1,
		},
		{
			closuretest.Status(create, 429, "Retry-After", "2"),
			"appointments.create: answered 429 Too Many Requests (Retry-After: 2) before anything is done, once", 429,
			closure.ErrRateLimited, closure.OutcomeRejected, 0,
		},
		{
			closuretest.Status(create, 500),
			"appointments.create: answered 500 Internal Server Error before anything is done, once", 500, closure.ErrServer,
			closure.OutcomeUnknown, 0,
		},
		{
			closuretest.StatusAfter(create, 502), "appointments.create: done, then answered 502 Bad Gateway, once", 502,
			closure.ErrServer, closure.OutcomeUnknown, 1,
		},
		{
			closuretest.Delay(create, time.Millisecond), "appointments.create: done, then answered 1ms later, once", 200, nil,
			closure.OutcomeApplied, 1,
		},
		{
			closuretest.Truncate(create), "appointments.create: done, then half of the answer, once", 0, io.ErrUnexpectedEOF,
			closure.OutcomeUnknown, 1,
		},
		{
			closuretest.Malformed(create), "appointments.create: done, then answered with HTML, once", 0,
			closure.ErrMalformedResponse, closure.OutcomeUnknown, 1,
		},
		{
			closuretest.Huge(create, 64<<20), "appointments.create: done, then answered with 67108864 bytes, once", 0,
			closure.ErrResponseTooLarge, closure.OutcomeUnknown, 1,
		},
		{
			closuretest.Huge(create, 1<<20), "appointments.create: done, then answered with 1048576 bytes, once", 200, nil,
			closure.OutcomeApplied, 1,
		},
		{
			closuretest.Huge(create, 1), "appointments.create: done, then answered with 1 bytes, once", 200, nil,
			closure.OutcomeApplied, 1,
		},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			eachWay(t, nil, func(t *testing.T, s *closuretest.Server, c *closure.Client) {
				if got := test.fault.String(); got != test.text {
					t.Errorf("String: %q, want %q", got, test.text)
				}
				s.Inject(test.fault)
				_, err := c.Appointments.Create(t.Context(), guideBooking())
				if status(err) != test.status || (test.is != nil && !errors.Is(err, test.is)) {
					t.Errorf("error %v (status %d), want %v (status %d)", err, status(err), test.is, test.status)
				}
				if got := closure.OutcomeOf(err); got != test.outcome {
					t.Errorf("outcome %s, want %s", got, test.outcome)
				}
				if got := len(s.Appointments()); got != test.booked {
					t.Errorf("%d booked, want %d", got, test.booked)
				}
				if arrived := len(s.Requests()); arrived != 1 {
					t.Errorf("%d requests arrived, want 1", arrived)
				}
				if struck := s.Injected(); len(struck) != 1 || struck[0].Struck != 1 {
					t.Errorf("injected: %v", struck)
				}
				// Once is once.
				if _, err := c.Appointments.Get(t.Context(), "appt_unknown"); status(err) != 404 {
					t.Errorf("the next call: %v, want 404", err)
				}
				_, err = c.Appointments.Create(t.Context(), guideBooking())
				if want := map[int]int{0: 200, 1: 409}[test.booked]; status(err) != want {
					t.Errorf("the next booking: %v, want %d", err, want)
				}
			})
		})
	}
}

func TestRetryAfterArrives(t *testing.T) {
	t.Parallel()
	eachWay(t, nil, func(t *testing.T, s *closuretest.Server, c *closure.Client) {
		for _, fault := range []func(string, int, ...string) closuretest.Fault{closuretest.Status, closuretest.StatusAfter} {
			s.Inject(fault("patients.list", 429, "Retry-After", "2", "X-Other", "a: b"))
			var response closure.Response
			_, err := c.Patients.List(t.Context(), closure.PatientListParams{}, closure.CaptureResponse(&response))
			if e, ok := errors.AsType[*closure.APIError](err); !ok || e.RetryAfter != 2*time.Second ||
				response.Header.Get("X-Other") != "a: b" {
				t.Errorf("%v, header %v", err, response.Header)
			}
		}
	})
}

// A drop in process is what net/http makes of a reset.
func TestDropLooksLikeAReset(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	s.Inject(closuretest.DropBefore("patients.list"))
	_, err := s.Transport().RoundTrip(newRequest(t, "GET", "/patients", ""))
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "read" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%T %v", err, err)
	}
}

func TestTimesAndOrder(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	c := s.Client(noRetries())
	s.Inject(
		closuretest.Status("patients.list", 500).Times(2),
		closuretest.Status("insurances.list", 501),
		closuretest.Delay(closuretest.AnyOperation, time.Nanosecond).Times(0),
		closuretest.Status("patients.list", 503),
		closuretest.Status(closuretest.AnyOperation, 418).Probability(0),
	)
	var got []int
	for range 5 {
		_, err := c.Patients.List(t.Context(), closure.PatientListParams{})
		got = append(got, status(err))
	}
	_, err := c.Insurances.List(t.Context())
	if got = append(got, status(err)); !slices.Equal(got, []int{500, 500, 503, 200, 200, 501}) {
		t.Errorf("statuses %v", got)
	}
	want := `closuretest.Server{seed: 1; patients.list: answered 500 Internal Server Error before anything is done,` +
		` 2 times (struck: 2); ` +
		`insurances.list: answered 501 Not Implemented before anything is done, once (struck: 1); ` +
		`*: done, then answered 1ns later, for ever (struck: 6); ` +
		`patients.list: answered 503 Service Unavailable before anything is done, once (struck: 1); ` +
		`*: answered 418 I'm a teapot before anything is done, for ever, with probability 0 (struck: 0)}`
	if s.String() != want {
		t.Errorf("server: %s, want %s", s, want)
	}
}

func TestFaultsAreValues(t *testing.T) {
	t.Parallel()
	header := []string{"Retry-After", "2"}
	once := closuretest.Status("patients.list", 429, header...)
	header[1] = "9"
	always := once.Times(0)
	half := always.Probability(0.5)
	for fault, want := range map[*closuretest.Fault]string{
		&once:   "patients.list: answered 429 Too Many Requests (Retry-After: 2) before anything is done, once",
		&always: "patients.list: answered 429 Too Many Requests (Retry-After: 2) before anything is done, for ever",
		&half: "patients.list: answered 429 Too Many Requests (Retry-After: 2) before anything is done, for ever, with " +
			"probability 0.5",
	} {
		if fault.String() != want {
			t.Errorf("%s, want %s", fault, want)
		}
	}
	got := closuretest.DropAfter("x").Times(3).Probability(0.5).String()
	if !strings.Contains(got, "3 times, with probability 0.5") {
		t.Errorf("Times before Probability: %s", got)
	}
}

// A fault that can't do what it is for must not go unnoticed.
func TestMisuseIsLoud(t *testing.T) {
	t.Parallel()
	const list = "patients.list"
	for _, test := range []struct {
		fault closuretest.Fault
		want  string // after "closuretest: Inject: "
	}{
		{closuretest.DropAfter("appointment.create"), `there is no operation "appointment.create"`},
		{closuretest.DropAfter(""), "a fault names no operation"},
		{
			closuretest.Stale(create, time.Second),
			"appointments.create: a read shows the state of 1s ago, once: it is no read",
		},
		{
			closuretest.Status(list, 99),
			"patients.list: answered 99 before anything is done, once: the status is not from 200 to 599",
		},
		{
			closuretest.Status(list, 500, "X"),
			"patients.list: answered 500 Internal Server Error before anything is done, once: a header has no value",
		},
		{
			closuretest.DropAfter(list).Probability(1.5),
			"patients.list: done, then connection lost, for ever, with probability 1.5: " +
				"the probability is not from 0 to 1",
		},
		{
			closuretest.StatusAfter(list, 500, "X"),
			"patients.list: done, then answered 500 Internal Server Error, once: a header has no value",
		},
	} {
		want := "closuretest: Inject: " + test.want
		s := closuretest.New()
		s.Inject(test.fault)
		_, err := s.Client().Patients.List(t.Context(), closure.PatientListParams{})
		if e, ok := errors.AsType[*closure.APIError](err); !ok || e.Message != want || e.Code != "closuretest_misuse" ||
			e.Attempts != 1 {
			t.Errorf("%v, want %s", err, want)
		}
	}
	s := closuretest.New()
	_, err := s.Client(closure.WithTimeout(-1)).Patients.List(t.Context(), closure.PatientListParams{})
	if e, ok := errors.AsType[*closure.APIError](err); !ok || !strings.Contains(e.Message, "WithTimeout") {
		t.Errorf("a wrong option: %v", err)
	}
}

// The same seed strikes the same requests, whatever the order they come in.
func TestProbabilityIsOfTheRequest(t *testing.T) {
	t.Parallel()
	const patients = 300
	run := func(seed uint64, workers int) (struck []int) {
		s := closuretest.New(closuretest.WithSeed(seed), closuretest.KeepRequests(0))
		s.Inject(closuretest.Status("patients.list", 500).Probability(0.3))
		c := s.Client(noRetries())
		var mu sync.Mutex
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := w; i < patients; i += workers {
					if _, err := c.Patients.List(t.Context(), closure.PatientListParams{Name: fmt.Sprint(i)}); err != nil {
						mu.Lock()
						struck = append(struck, i)
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		slices.Sort(struck)
		return struck
	}
	one := run(7, 1)
	if len(one) < patients/5 || len(one) > patients*2/5 {
		t.Errorf("%d of %d struck, want about 30%%", len(one), patients)
	}
	if many := run(7, 8); !slices.Equal(one, many) {
		t.Errorf("another order, other requests: %v and %v", one, many)
	}
	if other := run(8, 1); slices.Equal(one, other) {
		t.Error("another seed, the same requests")
	}
}

// The same request draws anew each time it comes.
func TestProbabilityOfRepeatedRequests(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	s.Inject(closuretest.Status("patients.list", 500).Probability(0.5))
	c := s.Client(noRetries())
	struck := 0
	for range 200 {
		if _, err := c.Patients.List(t.Context(), closure.PatientListParams{}); err != nil {
			struck++
		}
	}
	if struck < 70 || struck > 130 {
		t.Errorf("%d of 200 struck, want about half", struck)
	}
}

func TestClearFaults(t *testing.T) {
	t.Parallel()
	server := closuretest.New(closuretest.ReportTo(t))
	server.Inject(closuretest.Status(create, 503).Times(0), closuretest.DropBefore(create))
	server.ClearFaults()
	if _, err := server.Client().Appointments.Create(t.Context(), guideBooking()); err != nil ||
		len(server.Injected()) > 0 {
		t.Errorf("%v, %v", err, server.Injected())
	}
	server.Inject(closuretest.Status(create, 503))
	if _, err := server.Client().Appointments.Create(t.Context(), guideBooking()); status(err) != 503 {
		t.Errorf("%v: a fault that is added later does not strike", err)
	}
}
