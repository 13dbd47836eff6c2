//go:build !race

// The race detector allocates for itself; what is counted here is the SDK's.

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

// What reading an answer may allocate, by docs/reading.md: a multiple of its size
// for each reading, and some more.
const (
	maxMultiple = 64
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

func hostileBodies() []hostileBody {
	const (
		patients      = `{"id":"pt_sxKCbaoVdBXHBGWywcBETm",`
		practitioners = `{"id":"prac_j3uc7oA7FYMtXhGZi2rbt9",`
		schedules     = `{"id":"sch_u5oQnnMdSbyb83xgqgkUgX",`
		old           = `"updated_at":""`
		all           = `"practitioner":{"id":"p"},"location":{"id":"l"},"appointment_type":{"id":"a"}`
	)
	malformed, tooLarge, refused := closure.ErrMalformedResponse, closure.ErrResponseTooLarge, closure.ErrInvalidRequest
	return []hostileBody{
		{"empty objects", "patients.list", 200, "[", `{}`, "]", malformed},
		{"an id, then empty objects", "patients.list", 200, `[{"id":"pt_1"},`, `{}`, "]", tooLarge},
		{"nulls", "appointments.list", 200, "[", `null`, "]", malformed},
		{"patients of 14 bytes", "patients.list", 200, "[", `{"id":"pt_1"}`, "]", tooLarge},
		{"patients of 25 bytes", "patients.list", 200, "[", `{"id":"pt_1","x":123456}`, "]", nil},
		{"patients with an id", "patients.list", 200, "[", patients + `"x":0}`, "]", nil},
		{"patients, leniently", "patients.list", 200, "[", `{"id":"pt_1",` + old + `}`, "]", nil},
		{
			"patients, the last leniently", "patients.list", 200, "[", `{"id":"pt_1","x":123456}`, `,{"id":"pt_1",` + old + `}]`,
			nil,
		},
		{"practitioners", "practitioners.list", 200, "[", `{"id":"prac_1"}`, "]", nil},
		{"schedules", "schedules.list", 200, "[", `{"id":"sch_1"}`, "]", nil},
		{"slots", "availabilities.list", 200, "[", `{"start_at":"2022-05-20T17:00:00Z"}`, "]", nil},
		{"appointments", "appointments.list", 200, "[", `{"id":"appt_1","patient_id":"pt_sxKCbaoVdBXHBGWywcBETm"}`, "]", nil},
		{"specialties", "specialties.list", 200, "[", `{"id":"sp_1"}`, "]", nil},
		{"insurances", "insurances.list", 200, "[", `{"id":"ins_1"}`, "]", nil},
		{"languages", "practitioners.get", 200, practitioners + `"languages":[`, `""`, "]}", nil},
		{"languages, then leniently", "practitioners.get", 200, practitioners + `"languages":[`, `""`, "]," + old + "}", nil},
		{"languages that are numbers", "practitioners.get", 200, practitioners + `"languages":[`, `7`, "]}", nil},
		{"specialties of one", "practitioners.get", 200, practitioners + `"specialties":[`, `"ab"`, "]}", nil},
		{"insurances of one", "schedules.get", 200, schedules + `"insurances":[`, `"ab"`, "]}", nil},
		{
			"insurances of one, then leniently", "schedules.get", 200, schedules + `"insurances":[`, `"ab"`, "]," + old + "}",
			nil,
		},
		{"empty insurances", "schedules.get", 200, schedules + `"insurances":[`, `""`, "]}", malformed},
		{"null insurances", "schedules.get", 200, schedules + `"insurances":[`, `null`, "]}", malformed},
		{"empty objects for insurances", "schedules.get", 200, schedules + `"insurances":[`, `{}`, "]}", malformed},
		{"expanded insurances", "schedules.get", 200, schedules + `"insurances":[`, `{"id":"i"}`, "]}", nil},
		{
			"expanded insurances, then leniently", "schedules.get", 200, schedules + `"insurances":[`, `{"id":"i"}`,
			"]," + old + "}", nil,
		},
		{"expanded schedules", "schedules.list", 200, `[`, `{"id":"sch_1",` + all + "}", "]", nil},
		{"expanded schedules, leniently", "schedules.list", 200, `[`, `{"id":"sch_1",` + all + "," + old + "}", "]", nil},
		{"a field again and again", "schedules.get", 200, schedules, `"practitioner":{"id":"p"}`, "}", nil},
		{"details", "patients.get", 400, `{"detail":[`, `""`, "]}", refused},
		{"details that are objects", "patients.get", 400, `{"detail":[`, `{}`, "]}", refused},
		{"details that are numbers", "patients.get", 400, `{"detail":[`, `7`, "]}", refused},
		{"a long text", "patients.get", 200, patients + `"first_name":"`, `\u00e9`, `"}`, nil},
		{"an unknown field", "patients.get", 200, patients + `"x":[`, `{"x":[[]]}`, `]}`, nil},
	}
}

func answerer(t testing.TB, status int, body []byte) *closure.Client {
	return newClient(t, roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
		}, nil
	}), closure.WithMaxAttempts(1), closure.WithTimeout(time.Minute))
}

// Not parallel, because it counts what the whole process allocates.
func TestReadingAllocatesAMultipleOfTheBody(t *testing.T) {
	size := 1 << 19
	if long() {
		size = 10 << 20
	}
	for _, h := range hostileBodies() {
		body := h.text(size)
		call, c := callNamed(t, h.op), answerer(t, h.status, body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		_, err := call(t.Context(), c, guide)
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, h.want) {
			t.Errorf("%s: %v, want %v", h.name, err, h.want)
		}
		multiple := (float64(after.TotalAlloc-before.TotalAlloc) - spare) / float64(len(body))
		t.Logf("%5.1f bytes for each, %4d ms: %s", max(0, multiple), took.Milliseconds(), h.name)
		times := 1
		if strings.Contains(h.name, "leniently") {
			times = 2
		}
		if multiple > float64(times*maxMultiple) {
			t.Errorf("%s: %.1f bytes allocated for each of the body, want %d at most", h.name, multiple, times*maxMultiple)
		}
	}
}

func BenchmarkReadingHostileBodies(b *testing.B) {
	for _, h := range hostileBodies() {
		b.Run(h.name, func(b *testing.B) {
			body := h.text(10 << 20)
			call, c := callNamed(b, h.op), answerer(b, h.status, body)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := call(b.Context(), c, guide); !errors.Is(err, h.want) {
					b.Fatal(err)
				}
			}
		})
	}
}

// A lateContext ends once it was asked for its error often enough.
type lateContext struct {
	context.Context
	asked, ends int
}

func (c *lateContext) Err() error {
	if c.asked++; c.asked > c.ends {
		return context.Canceled
	}
	return nil
}

// The context is heard while the records are read, and long after the answer came.
func TestReadingHearsTheContext(t *testing.T) {
	t.Parallel()
	for _, h := range hostileBodies() {
		if h.want != nil || h.name == "a long text" { // which is read in a dozen steps
			continue
		}
		call, c := callNamed(t, h.op), answerer(t, h.status, h.text(2<<20))
		ctx := &lateContext{Context: t.Context(), ends: 200}
		_, err := call(ctx, c, guide)
		var e *closure.TransportError
		if !errors.As(err, &e) || !errors.Is(err, context.Canceled) || closure.OutcomeOf(err) != closure.OutcomeNotSent {
			t.Errorf("%s: %v, want the context's error", h.name, err)
		}
		if ctx.asked > ctx.ends+20 {
			t.Errorf("%s: asked %d times, want it to end at %d", h.name, ctx.asked, ctx.ends)
		}
	}
}
