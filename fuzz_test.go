package closure_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/internal/wire"
)

// stable checks that what was read is written and read again as the same, by
// the SDK and by encoding/json.
func stable[T any](t *testing.T, v T) {
	t.Helper()
	first, err := wire.Marshal(v)
	noError(t, err)
	for writer, marshal := range marshalers {
		text, err := marshal(v)
		noError(t, err)
		for reader, unmarshal := range unmarshalers {
			var again T
			if err := unmarshal(text, &again); err != nil {
				t.Fatalf("%s doesn't read what %s writes: %s: %v", reader, writer, text, err)
			}
			second, err := wire.Marshal(again)
			noError(t, err)
			if string(first) != string(second) {
				t.Fatalf("%s reads what %s writes as\n%s\nwant\n%s", reader, writer, second, first)
			}
		}
	}
}

// fuzzDecoder checks a decoder of one JSON value: all libraries agree on what
// they refuse and on what they read.
func fuzzDecoder[T comparable](f *testing.F, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var v, v1 T
		err, v1Err := wire.Unmarshal(text, &v), json.Unmarshal(text, &v1)
		if (err == nil) != (v1Err == nil) {
			t.Fatalf("%q: the SDK says %v, encoding/json %v", text, err, v1Err)
		}
		if err != nil {
			return
		}
		if v != v1 {
			t.Fatalf("%q: the SDK reads %v, encoding/json %v", text, v, v1)
		}
		stable(t, v)
	})
}

func FuzzDate(f *testing.F) {
	fuzzDecoder[closure.Date](f, `"1994-12-22"`, `""`, `null`, `"2023-02-29"`, `"0000-01-01"`, `"\u0031994-12-22"`,
		`19941222`, `{}`, ``, `"`)
}

func FuzzMinutes(f *testing.F) {
	fuzzDecoder[closure.Minutes](f, `30`, `"30"`, `null`, `-1`, `30.5`, `3e1`, `"3e1"`, `99999999999999999999`, `10081`,
		`""`, `"\u00330"`, ` 30 `, `[30]`)
}

func FuzzClockTime(f *testing.F) {
	fuzzDecoder[closure.ClockTime](f, `"17:05"`, `"24:00"`, `"7:05"`, `"00:00"`, `null`, `""`, `"17:05:00"`, `1705`)
}

func FuzzRef(f *testing.F) {
	for _, seed := range []string{`"loc_1"`, `{"id":"loc_1","name":"Albany"}`, `null`, `""`, `{}`, `{"id":null}`,
		`{"id":"a","id":"b"}`, `{"ID":"x"}`, `7`, `["loc_1"]`, ` {"id":"x"} `, "\"\xff\"",
		`{"created_at":"2022-04-01T00:00:00Z"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var v, v1 locationRef
		err, v1Err := wire.Unmarshal(text, &v), json.Unmarshal(text, &v1)
		if (err == nil) != (v1Err == nil) {
			t.Fatalf("%q: the SDK says %v, encoding/json %v", text, err, v1Err)
		}
		if err != nil {
			return
		}
		equal(t, "by encoding/json", v1, v)
		if v.Object != nil && v.ID != v.Object.ID {
			t.Fatalf("%q: id %q, but that of the object is %q", text, v.ID, v.Object.ID)
		}
		if _, err := wire.Marshal(v); err == nil { // an instant at the end of time may have no form in UTC
			stable(t, v)
		}
	})
}

// fuzzBody sends the body through a client: a call ends in a record that is
// written and read as the same, or in one of the SDK's errors.
func fuzzBody[T any](f *testing.F, op string, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	var call apiCall
	for _, c := range allCalls() {
		if c.op == op && c.note == "" {
			call = c
		}
	}
	var body []byte
	c := newClient(f, roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(body)))}, nil
	}))
	f.Fuzz(func(t *testing.T, text []byte) {
		body = text
		got, err := call.call(t.Context(), c, guide)
		if err != nil {
			if !errors.Is(err, closure.ErrMalformedResponse) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if _, err := wire.Marshal(got); err != nil {
			return // an instant at the end of time may have no form in UTC
		}
		if record, ok := got.(*T); ok {
			stable(t, *record)
			return
		}
		stable(t, got.(T))
	})
}

func FuzzPatientBody(f *testing.F) {
	fuzzBody[closure.Patient](f, "patients.get", trishaJSON, `{}`, `null`, `[]`, ``, `{"dob":"1994-02-30"}`,
		`{"address":null}`, `{"first_name":"A","first_name":"B"}`, "{\"first_name\":\"\xff\"}",
		`{"created_at":"0000-01-01T00:00:00+01:00"}`, `{"created_at":"9999-12-31T23:59:59.9999999-01:00"}`,
		`{"created_at":"2022-04-01T00:00:00"}`)
}

func FuzzScheduleBody(f *testing.F) {
	fuzzBody[closure.Schedule](f, "schedules.get", scheduleJSON, expandedJSON,
		`{"insurances":[]}`, `{"insurances":[null]}`,
		`{"insurances":null,"practitioner":{}}`, `{"practitioner":7}`,
		`{"practitioner":{"specialties":[],"languages":null}}`)
}

func FuzzAppointmentBody(f *testing.F) {
	fuzzBody[closure.Appointment](f, "appointments.create", appointmentJSON, `{"id":"appt_1"}`,
		`{"id":"appt_1","duration":"30"}`, `{"id":""}`, `{"duration":-1}`,
		`{"id":"x","start_at":"2022-05-20T13:00:00-04:00"}`)
}

func FuzzPractitionerBody(f *testing.F) {
	fuzzBody[closure.Practitioner](f, "practitioners.get", deepikaJSON, `{}`, `{"specialties":["sp_1",7]}`,
		`{"languages":[null]}`, `{"npi":1234567890}`)
}

func FuzzSpecialtiesBody(f *testing.F) {
	fuzzBody[[]closure.Specialty](f, "specialties.list", `[]`, `null`, `[null]`, `{}`, `[`+specialtyJSON+`]`,
		`[{"id":"sp_1"},{"id":"sp_1"}]`, `[[]]`, `[{"id":"sp_1"}`)
}

func FuzzSlotsBody(f *testing.F) {
	fuzzBody[[]closure.Slot](f, "availabilities.list", `[]`, `null`, `[null]`, `{"slots":[]}`,
		`[{"start_at":"2022-05-20T17:00:00Z","duration":"30"}]`,
		`[{"start_at":"2022-05-20T17:00:00Z","duration":10080},{"start_at":"2022-05-20T17:00:00+14:00"}]`,
		`[{"start_at":"2022-05-20"}]`, `[{"duration":-30}]`)
}

// What was stored of a booking may have been changed since: it is refused, or
// settled by asking, and nothing is ever booked by it.
func FuzzStoredAttempt(f *testing.F) {
	for _, seed := range []string{
		`{"schedule_id":"sch_1","patient_id":"pt_1","start_at":"2022-05-20T17:00:00Z","duration":30,` +
			`"attempted_at":"2022-05-20T16:00:00Z"}`,
		`{}`, `null`, `{"duration":"30"}`, `{"schedule_id":"../x","patient_id":"?"}`,
		`{"start_at":"9999-12-31T23:59:59.9999999-01:00","attempted_at":"0000-01-01T00:00:00+01:00"}`,
	} {
		f.Add([]byte(seed))
	}
	c := newClient(f, roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if req.Method != http.MethodGet {
			panic("a request to change something")
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`[]`))}, nil
	}))
	f.Fuzz(func(t *testing.T, text []byte) {
		var attempt closure.BookingAttempt
		if json.Unmarshal(text, &attempt) != nil {
			return
		}
		booking, err := c.ResolveBooking(t.Context(), attempt, closure.AssumeLostAfter(time.Minute))
		var input *closure.InputError
		if booking != nil ||
			!errors.As(err, &input) && !errors.Is(err, closure.ErrOutcomeUnknown) && !errors.Is(err, closure.ErrNotBooked) {
			t.Fatalf("%q: %v, %v", text, booking, err)
		}
	})
}

// Whatever an error's body is, it ends in an APIError that shows none of it.
func FuzzErrorBody(f *testing.F) {
	for _, seed := range []string{
		errorJSON, ``, `null`, `<html>`, `{"detail":"x"}`, `{"detail":[{"x":1}]}`, `{"error_type":7,"error_code":"x"}`,
		`{"error_message":"Trisha`, "\xff", `{"error_type":"a","error_type":null}`,
	} {
		f.Add([]byte(seed))
	}
	var body []byte
	c := newClient(f, roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 400, Body: io.NopCloser(strings.NewReader(string(body)))}, nil
	}))
	f.Fuzz(func(t *testing.T, text []byte) {
		body = text
		_, err := c.Patients.Get(t.Context(), guide.patient)
		var e *closure.APIError
		if !errors.As(err, &e) || e.StatusCode != 400 || !errors.Is(err, closure.ErrInvalidRequest) {
			t.Fatalf("%q: %v, want an APIError", text, err)
		}
		for _, r := range err.Error() {
			if r < ' ' || r > '~' {
				t.Fatalf("%q: the text %q shows more than words", text, err)
			}
		}
		if len(err.Error()) > 600 {
			t.Fatalf("%q: a text of %d bytes", text, len(err.Error()))
		}
	})
}
