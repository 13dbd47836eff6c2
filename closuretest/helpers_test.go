package closuretest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// noRetries keeps a test's faults from being smoothed over.
func noRetries() closure.Option { return closure.WithMaxAttempts(1) }

// guideBooking is the booking of the guide.
func guideBooking() closure.AppointmentCreateParams {
	return booking(closuretest.GuideSlot().StartAt)
}

func booking(start time.Time) closure.AppointmentCreateParams {
	return closure.AppointmentCreateParams{
		ScheduleID: closuretest.GuideScheduleID,
		PatientID:  closuretest.GuidePatientID,
		StartAt:    start,
		Duration:   30,
	}
}

// guideStart is the start of the guide's slots, by number: 0, 1 and 2.
func guideStart(n int) time.Time {
	return closuretest.GuideSlot().StartAt.Add(time.Duration(n-1) * 15 * time.Minute)
}

// starts lists when the guide's schedule has open slots, as "16:45".
func starts(t testing.TB, client *closure.Client, opts ...closure.CallOption) string {
	t.Helper()
	slots, err := client.Availabilities.List(context.Background(), closuretest.GuideScheduleID,
		closure.AvailabilityListParams{}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	texts := make([]string, len(slots))
	for i, slot := range slots {
		texts[i] = slot.StartAt.Format("15:04")
	}
	return strings.Join(texts, " ")
}

func wantStarts(t testing.TB, client *closure.Client, want string) {
	t.Helper()
	if got := starts(t, client); got != want {
		t.Errorf("open slots: %q, want %q", got, want)
	}
}

// status is the status of an error's answer; 0: there was no answer, 200: no
// error.
func status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	if e, ok := errors.AsType[*closure.APIError](err); ok {
		return e.StatusCode
	}
	return 0
}

// A reply is an answer as it came.
type reply struct {
	*http.Response
	body []byte
}

func (r reply) decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(r.body, into); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
}

// detail returns the error object's detail, joined.
func (r reply) detail(t testing.TB) string {
	t.Helper()
	var object struct {
		Type    string   `json:"error_type"`
		Message string   `json:"error_message"`
		Detail  []string `json:"detail"`
	}
	r.decode(t, &object)
	if object.Type == "" || object.Message == "" {
		t.Errorf("error object lacks error_type or error_message: %s", r.body)
	}
	return strings.Join(object.Detail, "\n")
}

// newRequest is a request with the quickstart key. Headers are names and values
// in turn; an empty value removes one.
func newRequest(t testing.TB, method, path, body string, header ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://double.test"+path,
		strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(closure.QuickstartKey, "")
	req.Header.Set("Closure-API-Version", closure.DefaultAPIVersion)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Del(header[i])
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	return req
}

// send sends a request in process and reads the answer.
func send(t testing.TB, s *closuretest.Server, req *http.Request) reply {
	t.Helper()
	resp, err := s.Transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp, body}
}

func get(t testing.TB, s *closuretest.Server, path string, header ...string) reply {
	t.Helper()
	return send(t, s, newRequest(t, http.MethodGet, path, "", header...))
}

func post(t testing.TB, s *closuretest.Server, path, body string, header ...string) reply {
	t.Helper()
	return send(t, s, newRequest(t, http.MethodPost, path, body, header...))
}

// eachWay runs a test in process and over loopback: both must behave the same.
func eachWay(t *testing.T, opts []closuretest.Option,
	test func(t *testing.T, s *closuretest.Server, c *closure.Client)) {
	t.Helper()
	t.Run("in process", func(t *testing.T) {
		t.Parallel()
		s := closuretest.New(append(opts, closuretest.ReportTo(t))...)
		test(t, s, s.Client(noRetries()))
	})
	t.Run("loopback", func(t *testing.T) {
		t.Parallel()
		s := closuretest.New(append(opts, closuretest.ReportTo(t))...)
		pool := &http.Transport{}
		t.Cleanup(pool.CloseIdleConnections)
		test(t, s,
			must(closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(s.Start()), noRetries(),
				closure.WithHTTPClient(&http.Client{Transport: pool}))))
	})
}

func headerText(h http.Header) string {
	names := slices.Sorted(maps.Keys(h))
	for i, name := range names {
		names[i] = name + ": " + strings.Join(h[name], ", ")
	}
	return strings.Join(names, "; ")
}
