package simulation

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// FuzzAnswer answers bookings with any status, Retry-After and body. Whatever they are, a call
// ends in time, uses bounded memory, and has one of the documented endings.
func FuzzAnswer(f *testing.F) {
	const booked = `{"id":"appt_1","schedule_id":"sch_u5oQnnMdSbyb83xgqgkUgX","patient_id":"pt_sxKCbaoVdBXHBGWywcBETm",` +
		`"status":"scheduled","start_at":"2022-05-20T17:00:00.000Z","duration":30}`
	for _, body := range []string{"", "{}", "null", "[]", "[null]", booked, "[" + booked + "]", booked[:60],
		`{"error_type":"server_error","detail":["x"]}`, `{"error_type":7,"detail":"x"}`, "<html>", strings.Repeat("[", 10001),
		`{"id":"appt_1","duration":1e999}`, "\xff\x00"} {
		f.Add(200, "", body)
		f.Add(409, "", body)
	}
	for _, retryAfter := range []string{"0", "-1", "1e9", "99999999999999999999", "Wed, 21 Oct 2115 07:28:00 GMT",
		"Mon, 01 Jan 0001 00:00:00 GMT", " 5 ", "5;x", "\x00"} {
		f.Add(429, retryAfter, "{}")
		f.Add(503, retryAfter, "{}")
	}
	for _, status := range []int{-1, 0, 99, 100, 101, 199, 204, 206, 301, 304, 307, 400, 404, 405, 408, 500, 599, 999,
		1 << 30} {
		f.Add(status, "1", booked)
	}
	f.Fuzz(func(t *testing.T, status int, retryAfter, body string) {
		synctest.Test(t, func(t *testing.T) { answerAll(t, status, retryAfter, body) })
	})
}

// answered answers every request the same way.
type answered struct {
	status           int
	retryAfter, body string
}

func (a answered) RoundTrip(*http.Request) (*http.Response, error) {
	resp := response(a.status, a.body)
	resp.Body = io.NopCloser(strings.NewReader(a.body))
	if a.retryAfter != "" {
		resp.Header["Retry-After"] = []string{a.retryAfter}
	}
	return resp, nil
}

func answerAll(t *testing.T, status int, retryAfter, body string) {
	client, err := closure.NewClient(closure.QuickstartKey,
		closure.WithHTTPClient(&http.Client{Transport: answered{status, retryAfter, body}}))
	noError(t, err)
	params := guideParams()
	attempt := closure.BookingAttempt{
		ScheduleID: params.ScheduleID, PatientID: params.PatientID, StartAt: params.StartAt, AttemptedAt: time.Now(),
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	booking, err := client.BookSlot(t.Context(), params)
	oneEnding(t, err, booking == nil)
	booking, err = client.ResolveBooking(t.Context(), attempt)
	oneEnding(t, err, booking == nil)
	appointment, err := client.RescheduleBooking(t.Context(), "appt_1",
		closure.AppointmentRescheduleParams{StartAt: params.StartAt})
	oneEnding(t, err, appointment == nil)
	appointment, err = client.CancelBooking(t.Context(), "appt_1")
	oneEnding(t, err, appointment == nil)
	appointment, err = client.Appointments.Create(t.Context(), closure.AppointmentCreateParams{
		ScheduleID: params.ScheduleID, PatientID: closuretest.GuidePatientID, StartAt: params.StartAt, Duration: slotMinutes,
	})
	oneEnding(t, err, appointment == nil)
	// There are about ten requests, and each may wait for a minute at most three times.
	if took := time.Since(began); took > 40*time.Minute {
		t.Errorf("took %s", took)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20+1000*uint64(len(body)) {
		t.Errorf("%d bytes for a body of %d", used, len(body))
	}
}

func oneEnding(t *testing.T, err error, none bool) {
	t.Helper()
	if (err != nil) != none {
		t.Errorf("%v, and a result: %t", err, !none)
	}
	if err != nil && closure.OutcomeOf(err) == closure.OutcomeApplied {
		t.Errorf("%v counts as applied", err)
	}
}
