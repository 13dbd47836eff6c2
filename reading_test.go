package closure_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/closurehealth/closure-go"
)

// A form is a line of the tables in docs/reading.md: a JSON text, and the strict
// one that means the same; none: it is refused.
type form struct{ value, sent, strict string }

// field is the member of a patient or an appointment that shows a value.
var formFields = map[string]string{
	"timestamp": "created_at", "date": "dob", "text": "first_name", "minutes": "duration", "id": "schedule_id",
}

func readForms(t testing.TB) (forms []form) {
	t.Helper()
	page, err := os.ReadFile("docs/reading.md")
	noError(t, err)
	lines := regexp.MustCompile("(?m)^\\| (\\w+) \\| `(.*?)` \\| (`(.*)`|.*) \\|$").FindAllStringSubmatch(string(page), -1)
	for _, line := range lines {
		if formFields[line[1]] == "" {
			t.Errorf("no field shows a %s", line[1])
		}
		forms = append(forms, form{line[1], line[2], line[4]})
	}
	if len(forms) < 45 {
		t.Errorf("only %d lines of the tables were found", len(forms))
	}
	return forms
}

// A seen is what both kinds of records show of one JSON text in a field.
type seen struct {
	Patient     closure.Patient
	Appointment closure.Appointment
}

// readField reads records that hold the text in the field, through a client: one
// alone, and the middle one of a list.
func readField(t testing.TB, field, text string) (seen, error) {
	t.Helper()
	body := func(id string) string { return `{"id":"` + id + `","` + field + `":` + text + `}` }
	respond := func(req *http.Request) (*http.Response, error) {
		one, plain := body(string(guide.patient)), `{"id":"pt_other"}`
		if strings.Contains(req.URL.Path, "appointments") {
			one, plain = body(string(guide.appointment)), `{"id":"appt_other"}`
		}
		if strings.Count(req.URL.Path, "/") == strings.Count("/booking/v1/patients", "/") {
			one = "[" + plain + "," + one + "," + plain + "]"
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(one))}, nil
	}
	c := newClient(t, roundTripFunc(respond))
	patient, err := c.Patients.Get(t.Context(), guide.patient)
	patients, listErr := c.Patients.List(t.Context(), closure.PatientListParams{})
	appointment, err2 := c.Appointments.Get(t.Context(), guide.appointment)
	appointments, listErr2 := c.Appointments.List(t.Context(), closure.AppointmentListParams{})
	if (err == nil) != (listErr == nil) || (err2 == nil) != (listErr2 == nil) {
		t.Fatalf("%s %s: alone %v, %v, in a list %v, %v", field, text, err, err2, listErr, listErr2)
	}
	for _, err := range []error{err, err2} {
		if err != nil && !errors.Is(err, closure.ErrMalformedResponse) {
			t.Fatalf("%s %s: %v", field, text, err)
		}
	}
	if err := errors.Join(err, err2); err != nil {
		return seen{}, err
	}
	equal(t, text+" in a list", patients[1], *patient)
	equal(t, text+" in a list", appointments[1], *appointment)
	return seen{*patient, *appointment}, nil
}

func TestFormsInReadingMd(t *testing.T) {
	t.Parallel()
	for _, f := range readForms(t) {
		got, err := readField(t, formFields[f.value], f.sent)
		if f.strict == "" {
			if err == nil {
				t.Errorf("%s %s is read as %s", f.value, f.sent, show(got))
			}
			continue
		}
		noError(t, err)
		want, err := readField(t, formFields[f.value], f.strict)
		noError(t, err)
		if show(got) != show(want) {
			t.Errorf("%s %s is read as\n%s\nwant\n%s", f.value, f.sent, show(got), show(want))
		}
	}
}

// Lenient reading reaches all that a record holds.
func TestLenientEverywhere(t *testing.T) {
	t.Parallel()
	insurance := closure.Insurance{ID: "ins_1", DisplayName: "7"}
	for body, want := range map[string]closure.Schedule{
		`"practitioner":{"id":"prac_1","npi":4321098765,"updated_at":"","languages":[1,"x"]}`: {
			Practitioner: closure.Ref[closure.PractitionerID, closure.Practitioner]{ID: "prac_1", Object: &closure.Practitioner{
				ID: "prac_1", NPI: "4321098765", Languages: []string{"1", "x"},
			}},
		},
		`"insurances":["ins_2",{"id":"ins_1","display_name":7}],"estimated_earliest_slot":"2022-05-20T00:00:00Z"`: {
			Insurances: []closure.Ref[closure.InsuranceID, closure.Insurance]{{ID: "ins_2"}, {ID: "ins_1", Object: &insurance}},

			EstimatedEarliestSlot: closure.NewDate(2022, time.May, 20),
		},
		`"location":{"id":"loc_1","name":1},"appointment_type":{"id":"aptp_1","created_at":""}`: {
			Location: closure.Ref[closure.LocationID, closure.Location]{
				ID: "loc_1", Object: &closure.Location{ID: "loc_1", Name: "1"},
			},
			AppointmentType: closure.Ref[closure.AppointmentTypeID, closure.AppointmentType]{
				ID: "aptp_1", Object: &closure.AppointmentType{ID: "aptp_1"},
			},
		},
	} {
		text := `{"id":"` + string(guide.schedule) + `",` + body + `}`
		got, err := serveAlways(t, 200, text).client(t).Schedules.Get(t.Context(), guide.schedule)
		noError(t, err)
		want.ID = guide.schedule
		equal(t, body, *got, want)
	}
	const bom = "\ufeff"
	c := serveAlways(t, 200, bom+"["+trishaJSON+"]").client(t)
	patients, err := c.Patients.List(t.Context(), closure.PatientListParams{})
	noError(t, err)
	equal(t, "list after a byte order mark", patients, []closure.Patient{trisha})
	patient, err := serveAlways(t, 200, bom+trishaJSON).client(t).Patients.Get(t.Context(), guide.patient)
	noError(t, err)
	equal(t, "record after a byte order mark", *patient, trisha)
}

// An instant in any of the lenient forms is the instant of the strict one.
func TestInstantsInAllForms(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		zone := time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(r, "offset"))
		at := time.UnixMilli(rapid.Int64Range(-62000000000000, 253000000000000).Draw(r, "ms")).In(zone)
		separator := rapid.SampledFrom([]string{"T", "t", " "}).Draw(r, "separator")
		offset := rapid.SampledFrom([]string{"-07:00", "-0700", " -07:00", " -0700"}).Draw(r, "offset form")
		text := at.Format("2006-01-02" + separator + "15:04:05.000" + offset)
		got, err := readField(t, "created_at", `"`+text+`"`)
		if err != nil || !got.Patient.CreatedAt.Equal(at) {
			r.Fatalf("%s is read as %v, %v", text, got.Patient.CreatedAt, err)
		}
	})
}

// FuzzForms: what strict reading takes is read so, and whatever is read is written
// and read again as the same.
func FuzzForms(f *testing.F) {
	for _, form := range readForms(f) {
		f.Add(formFields[form.value], form.sent)
	}
	f.Fuzz(func(t *testing.T, field, text string) {
		if known := strings.Contains(" created_at dob first_name duration schedule_id ", " "+field+" "); !known ||
			!json.Valid([]byte(text)) {
			return
		}
		got, err := readField(t, field, text)
		strict, strictErr := decode[seen](`{"Patient":{"id":"` + string(guide.patient) + `","` + field + `":` + text +
			`},"Appointment":{"id":"` + string(guide.appointment) + `","` + field + `":` + text + `}}`)
		switch {
		case strictErr == nil && err != nil:
			t.Fatalf("%s: %s is refused: %v", field, text, err)
		case strictErr == nil:
			equal(t, text, got, strict)
		}
		if err == nil {
			stable(t, got.Patient)
			stable(t, got.Appointment)
		}
	})
}

// An answer that is not a list is not read as records.
func TestListOfAnythingElseIsMalformed(t *testing.T) {
	t.Parallel()
	const other = `{"id":"appt_2","patient_id":"pt_other","schedule_id":"sch_u5oQnnMdSbyb83xgqgkUgX"}`
	for name, test := range map[string]struct {
		call callFunc
		body string
	}{
		"somebody else's":         {listAppointments, "[" + other + "]"},
		"somebody else's, second": {listAppointments, "[" + appointmentJSON + "," + other + "]"},
		"nobody's":                {listAppointments, `[{"id":"appt_1"}]`},
		"of another kind":         {listAppointments, `[{"id":"pt_1","patient_id":"` + string(guide.patient) + `"}]`},
		"one without id": {
			listAppointments, "[" + appointmentJSON + `,{"patient_id":"` + string(guide.patient) + `"}]`,
		},
		"a slot without start": {
			listSlots(time.Time{}, time.Time{}), `[{"start_at":"2022-05-20T17:00:00Z"},{"duration":30}]`,
		},
		"a slot whose start is empty":   {listSlots(time.Time{}, time.Time{}), `[{"start_at":""}]`},
		"another patient":               {callNamed(t, "patients.get"), `{"id":"pt_other"}`},
		"a created one of another kind": {callNamed(t, "appointments.create"), `{"id":"pt_1"}`},
		"insurances with a hole":        {getSchedule, `{"id":"` + string(guide.schedule) + `","insurances":["ins_1",null]}`},
		"an insurance without id":       {getSchedule, `{"id":"` + string(guide.schedule) + `","insurances":[{"name":"x"}]}`},
	} {
		_, err := test.call(t.Context(), serveAlways(t, 200, test.body).client(t), guide)
		var e *closure.TransportError
		if !errors.As(err, &e) || !errors.Is(err, closure.ErrMalformedResponse) {
			t.Errorf("%s: %v, want ErrMalformedResponse", name, err)
		}
	}
	// The schedule's filter is inferred: the API may ignore it.
	elsewhere := `[{"id":"appt_2","patient_id":"` + string(guide.patient) + `","schedule_id":"sch_other"}]`
	_, err := listAppointments(t.Context(), serveAlways(t, 200, elsewhere).client(t), guide)
	noError(t, err)
}

func listAppointments(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
	return c.Appointments.List(ctx, closure.AppointmentListParams{PatientID: in.patient, ScheduleID: in.schedule}, opts...)
}
