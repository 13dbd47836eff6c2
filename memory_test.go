package closure_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// maxMultiple is docs/reading.md's bound: what reading an answer may allocate,
// as a multiple of its size, beyond spare.
const (
	maxMultiple = 48
	spare       = 2 << 20
)

// A hostileBody is an answer of any size that takes as much memory as it can.
type hostileBody struct {
	name, op            string
	status              int
	start, element, end string // start, element,element,…,element, end
	want                error
}

func (h hostileBody) text(size int) []byte {
	n := max(1, (size-len(h.start)-len(h.end))/(len(h.element)+1))
	return []byte(h.start + strings.Repeat(h.element+",", n-1) + h.element + h.end)
}

const (
	noTypes = `{"id":"sch_1","insurances":[`
	tooMany = `the records of a list`
)

func hostileBodies() []hostileBody {
	malformed, tooLarge := closure.ErrMalformedResponse, closure.ErrResponseTooLarge
	bodies := []hostileBody{
		{"empty objects", "patients.list", 200, "[", `{}`, "]", malformed},
		{"an id, then empty objects", "patients.list", 200, `[{"id":"pt_1"},`, `{}`, "]", tooLarge},
		{"nulls", "appointments.list", 200, "[", `null`, "]", malformed},
		{"patients", "patients.list", 200, "[", `{"id":"pt_1"}`, "]", tooLarge},
		{"patients, as long as they may pass", "patients.list", 200, "[", `{"id":"pt_1","k":1}`, "]", nil},
		{"patients, read leniently", "patients.list", 200, "[", `{"id":"pt_1","dob":"1994-12-22T00:00:00Z"}`, "]", nil},
		{"practitioners", "practitioners.list", 200, "[", `{"id":"prac_1"}`, "]", nil},
		{"schedules", "schedules.list", 200, "[", `{"id":"sch_1"}`, "]", nil},
		{"slots", "availabilities.list", 200, "[", `{"start_at":"2022-05-20T17:00:00Z"}`, "]", nil},
		{"appointments", "appointments.list", 200, "[", `{"id":"appt_1","patient_id":"` + string(guide.patient) + `"}`, "]", nil},
		{"specialties", "specialties.list", 200, "[", `{"id":"sp_1"}`, "]", nil},
		{"insurances", "insurances.list", 200, "[", `{"id":"ins_1"}`, "]", nil},
		{"languages", "practitioners.get", 200, `{"id":"` + string(guide.practitioner) + `","languages":[`, `""`, "]}", nil},
		{"languages, read leniently", "practitioners.get", 200, `{"npi":7,"id":"` + string(guide.practitioner) + `","languages":[`, `""`, "]}", nil},
		{"languages that are numbers", "practitioners.get", 200, `{"id":"` + string(guide.practitioner) + `","languages":[`, `7`, "]}", nil},
		{"specialties of one", "practitioners.get", 200, `{"id":"` + string(guide.practitioner) + `","specialties":[`, `"ab"`, "]}", nil},
		{"references", "schedules.get", 200, `{"id":"` + string(guide.schedule) + `","insurances":[`, `"ab"`, "]}", nil},
		{"references, read leniently", "schedules.get", 200, `{"updated_at":"","id":"` + string(guide.schedule) + `","insurances":[`, `"ab"`, "]}", nil},
		{"empty references", "schedules.get", 200, `{"id":"` + string(guide.schedule) + `","insurances":[`, `""`, "]}", malformed},
		{"null references", "schedules.get", 200, `{"id":"` + string(guide.schedule) + `","insurances":[`, `null`, "]}", malformed},
		{"empty objects for references", "schedules.get", 200, `{"id":"` + string(guide.schedule) + `","insurances":[`, `{}`, "]}", malformed},
		{"expanded references", "schedules.get", 200, `{"id":"` + string(guide.schedule) + `","insurances":[`, `{"id":"i"}`, "]}", nil},
		{"expanded references, read leniently", "schedules.get", 200, `{"updated_at":"","id":"` + string(guide.schedule) + `","insurances":[`, `{"id":"i"}`, "]}", nil},
		{"expanded references to nothing, read leniently", "schedules.list", 200, `[`, `{"updated_at":"","id":"sch_1","practitioner":{"id":"p"},"location":{"id":"l"},"appointment_type":{"id":"a"}}`, "]", nil},
		{"practitioner again and again", "schedules.get", 200, `{"id":"` + string(guide.schedule) + `",`, `"practitioner":{"id":"p"}`, "}", nil},
		{"details", "patients.get", 400, `{"detail":[`, `""`, "]}", closure.ErrInvalidRequest},
		{"details of one letter", "patients.get", 400, `{"detail":[`, `"ab"`, "]}", closure.ErrInvalidRequest},
		{"details that are objects", "patients.get", 400, `{"detail":[`, `{}`, "]}", closure.ErrInvalidRequest},
		{"details that are numbers", "patients.get", 400, `{"detail":[`, `7`, "]}", closure.ErrInvalidRequest},
		{"a long text", "patients.get", 200, `{"id":"` + string(guide.patient) + `","first_name":"`, `\u00e9`, `"}`, nil},
		{"an unknown field", "patients.get", 200, `{"id":"` + string(guide.patient) + `","x":[`, `{"x":[[]]}`, `]}`, nil},
	}
	return bodies
}

func callNamed(t testing.TB, op string) callFunc {
	t.Helper()
	for _, call := range allCalls() {
		if call.op == op && call.note == "" {
			return call.call
		}
	}
	t.Fatalf("no call %q", op)
	panic("not reached")
}

func answerer(t testing.TB, status int, body []byte) *closure.Client {
	return newClient(t, roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}, nil
	}), closure.WithMaxAttempts(1), closure.WithTimeout(time.Minute))
}

// Not parallel: it counts what the whole process allocates.
func TestReadingAllocatesAMultipleOfTheBody(t *testing.T) {
	for _, h := range hostileBodies() {
		body := h.text(10 << 20)
		call, c := callNamed(t, h.op), answerer(t, h.status, body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		_, err := call(context.Background(), c, guide)
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, h.want) {
			t.Errorf("%s: %v, want %v", h.name, err, h.want)
		}
		multiple := (float64(after.TotalAlloc-before.TotalAlloc) - spare) / float64(len(body))
		t.Logf("%5.1f %6.1f ms %s", multiple, took.Seconds()*1000, h.name)
		if multiple > maxMultiple {
			t.Errorf("%s: %.1f bytes allocated for each of the body, want %d at most", h.name, multiple, maxMultiple)
		}
	}
}
