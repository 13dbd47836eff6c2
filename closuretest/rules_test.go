package closuretest_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

func TestAuthentication(t *testing.T) {
	t.Parallel()
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	tests := []struct {
		name, header string
		want         int
	}{
		{"the quickstart key", "Basic Y2hfc2tfdGVzdF9xdWlja3N0YXJ0Og==", 200},
		{"another test key", basic("ch_sk_test_mine:"), 200},
		{"no key", "", 401},
		{"an empty key", basic(":"), 401},
		{"some key", basic("sk_test_123:"), 401},
		{"a key with a blank", basic("ch_sk_test mine:"), 401},
		{"a key as password", basic(":ch_sk_test_quickstart"), 401},
		{"a key with a password", basic("ch_sk_test_quickstart:x"), 401},
		{"a bearer token", "Bearer ch_sk_test_quickstart", 401},
		{"not base64", "Basic %%%", 401},
		{"a live key", basic("ch_sk_live_secret:"), 403},
		{"a live key as password", basic("x:ch_sk_live_secret"), 403},
		{"a live bearer token", "Bearer ch_sk_live_secret", 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := closuretest.New(closuretest.ReportTo(t))
			answer := get(t, s, "/patients", "Authorization", test.header)
			if answer.StatusCode != test.want {
				t.Errorf("status %d, want %d", answer.StatusCode, test.want)
			}
			if test.want != 200 {
				answer.detail(t) // an error object
			}
		})
	}
}

// Wherever a live key turns up, nothing of the request is kept.
func TestLiveKeyIsNeverStored(t *testing.T) {
	t.Parallel()
	const key, name = "ch_sk_live_hush", "Real Person"
	patient := `{"first_name":"Real Person","last_name":"X","dob":"1990-01-01","email":"ch_sk_live_hush@example.com"}`
	requests := map[string]*http.Request{
		"user": newRequest(t, "POST", "/patients", `{"first_name":"Real Person"}`, "Authorization",
			"Basic "+base64.StdEncoding.EncodeToString([]byte(key+":"))),
		"query":  newRequest(t, "GET", "/patients?name=Real%20Person&key="+key, ""),
		"header": newRequest(t, "GET", "/patients?name=Real%20Person", "", "X-Api-Key", key),
		"body":   newRequest(t, "POST", "/patients", patient),
		"path":   newRequest(t, "GET", "/patients/"+key, ""),
	}
	requests["URL"] = newRequest(t, "GET", "/patients?name=Real%20Person", "", "Authorization", "")
	requests["URL"].URL.User = url.UserPassword(key, "")
	for where, req := range requests {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			s := closuretest.New(closuretest.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), closuretest.ReportTo(t))
			answer := send(t, s, req)
			if answer.StatusCode != 403 {
				t.Errorf("status %d, want 403", answer.StatusCode)
			}
			if len(s.Requests()) != 1 || s.Requests()[0].Method != req.Method {
				t.Errorf("that a request came should be seen: %+v", s.Requests())
			}
			for surface, text := range map[string]string{
				"Requests": fmt.Sprintf("%+v %q", s.Requests(), s.Requests()),
				"answer":   fmt.Sprint(answer.Header) + string(answer.body),
				"log":      log.String(),
				"String":   s.String(),
			} {
				if strings.Contains(text, key) || strings.Contains(text, name) || strings.Contains(text, "Real") {
					t.Errorf("%s shows the key or the patient: %s", surface, text)
				}
			}
		})
	}
}

func TestRequestsKeepNoAuthorization(t *testing.T) {
	t.Parallel()
	eachWay(t, nil, func(t *testing.T, s *closuretest.Server, c *closure.Client) {
		if _, err := c.Appointments.Create(t.Context(), guideBooking()); err != nil {
			t.Fatal(err)
		}
		request := s.Requests()[0]
		if text := fmt.Sprintf("%+v", request.Header); request.Header.Get("Authorization") != "" ||
			strings.Contains(text, "Basic") {
			t.Errorf("header kept: %s", text)
		}
		want := `POST /appointments {"schedule_id":"sch_u5oQnnMdSbyb83xgqgkUgX","patient_id":"pt_sxKCbaoVdBXHBGWywcBETm",` +
			`"start_at":"2022-05-20T17:00:00.000Z","duration":30}`
		if request.String() != want || request.Op != "appointments.create" ||
			request.Header.Get("Closure-API-Version") != "2022-04-01" {
			t.Errorf("request: %s %s, want %s", request.Op, request, want)
		}
		request.Body[0], request.Header["Accept"] = 'x', nil
		if s.Requests()[0].String() != want || s.Requests()[0].Header.Get("Accept") == "" {
			t.Error("what Requests returns is not the caller's own")
		}
	})
}

func TestKeepRequests(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.KeepRequests(3), closuretest.ReportTo(t))
	for i := range 20 {
		get(t, s, fmt.Sprintf("/patients?name=%d", i))
		want := fmt.Sprintf("GET /patients?name=%d", i)
		requests := s.Requests()
		if len(requests) != min(i+1, 3) || requests[len(requests)-1].String() != want {
			t.Errorf("after %d: %v", i, requests)
		}
	}
}

func TestValidation(t *testing.T) {
	t.Parallel()
	const (
		sch   = `"schedule_id":"sch_u5oQnnMdSbyb83xgqgkUgX"`
		pt    = `"patient_id":"pt_sxKCbaoVdBXHBGWywcBETm"`
		start = `"start_at":"2022-05-20T17:00:00.000Z"`
	)
	person := `"first_name":"A","last_name":"B","dob":"1990-01-01"`
	tests := []struct {
		method, path, body string
		want               []string // fields that detail names
	}{
		{"GET", "/patients?dob=22.12.1994", "", []string{"dob"}},
		{"GET", "/patients?name=%zz", "", []string{"query"}},
		{"GET", "/practitioners?npis=123", "", []string{"npis"}},
		{
			"GET", "/schedules?practitioner_id=x&location_id=sch_1&insurance_id=ins_", "",
			[]string{"practitioner_id", "location_id", "insurance_id"},
		},
		{
			"GET", "/schedules/sch_u5oQnnMdSbyb83xgqgkUgX/slots?start_at=2022-05-20&end_at=2022-05-20T17:00:00", "",
			[]string{"start_at", "end_at"},
		},
		{
			"GET", "/schedules/sch_u5oQnnMdSbyb83xgqgkUgX/slots?start_at=2022-05-20T17:00:00Z&end_at=2022-05-20T16:00:00Z", "",
			[]string{"end_at"},
		},
		{
			"GET", "/appointments?patient_id=sch_1&schedule_id=pt_1&status=done", "",
			[]string{"patient_id", "schedule_id", "status"},
		},
		{"POST", "/appointments", ``, []string{"body"}},
		{"POST", "/appointments", `null`, []string{"body"}},
		{"POST", "/appointments", `[]`, []string{"body"}},
		{"POST", "/appointments", `{`, []string{"body"}},
		{"POST", "/appointments", `{}`, []string{"schedule_id", "patient_id", "start_at"}},
		{
			"POST", "/appointments", `{"schedule_id":7,"patient_id":"sch_1","start_at":"2022-05-20T17:00:00","duration":-30}`,
			[]string{"schedule_id", "patient_id", "start_at", "duration"},
		},
		{"POST", "/appointments", `{` + sch + `,` + pt + `,` + start + `,"duration":0}`, []string{"duration"}},
		{"POST", "/appointments", `{` + sch + `,` + pt + `,` + start + `,"duration":1.5}`, []string{"duration"}},
		{"POST", "/appointments", `{` + sch + `,` + pt + `,` + start + `,"duration":15}`, []string{"duration"}},
		{
			"POST", "/appointments", `{` + sch + `,` + pt + `,"start_at":"2022-05-20T17:00:00.0001Z","duration":30}`,
			[]string{"start_at"},
		},
		{"POST", "/appointments", `{` + strings.Repeat(" ", 1<<20) + `}`, []string{"body"}},
		{"PATCH", "/appointments/appt_1", `{"duration":"x"}`, []string{"start_at", "duration"}},
		{"POST", "/patients", `{}`, []string{"first_name", "last_name", "dob"}},
		{"POST", "/patients", `{"first_name":5,"last_name":"B","dob":"1990-13-01"}`, []string{"dob", "first_name"}},
		{"POST", "/patients", `{"first_name":"A","last_name":"B","dob":"2022-05-02"}`, []string{"dob"}},
		{"POST", "/patients", `{` + person + `,"gender_identity":"X","administrative_gender":"Other",` +
			`"email":"no","mobile_phone_number":"555","home_phone_number":"+0",
			"timezone":"Mars/Olympus","address":{"state":"New York"},"insurance":{"id":"pt_1"}}`,
			[]string{
				"gender_identity", "administrative_gender", "email", "mobile_phone_number", "home_phone_number",
				"address.state", "insurance.id", "timezone",
			}},
		{"POST", "/patients", `{` + person + `,"insurance":{"id":"ins_unknown"}}`, []string{"insurance.id"}},
		{"POST", "/index_version", `{}`, []string{"name"}},
		{"POST", "/index_version", `{"name":""}`, []string{"name"}},
		{"POST", "/index_version", `{"name":{}}`, []string{"name"}},
	}
	s := closuretest.New(closuretest.ReportTo(t))
	for _, test := range tests {
		answer := send(t, s, newRequest(t, test.method, test.path, test.body))
		if answer.StatusCode != 400 {
			t.Errorf("%s %s %.80s: status %d, want 400", test.method, test.path, test.body, answer.StatusCode)
			continue
		}
		var got []string
		for line := range strings.SplitSeq(answer.detail(t), "\n") {
			field, _, _ := strings.Cut(line, ":")
			got = append(got, field)
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s %s %.80s: detail names %v, want %v", test.method, test.path, test.body, got, test.want)
		}
	}
	if len(s.Appointments()) != 0 || len(must(s.Client().Patients.List(t.Context(), closure.PatientListParams{}))) != 1 {
		t.Error("a refused request has changed something")
	}
	if answer := get(t, s, "/patients", "Closure-API-Version", "1"); answer.StatusCode != 400 {
		t.Errorf("API version 1: status %d, want 400", answer.StatusCode)
	}
	if answer := post(t, s, "/index_version", `{"name":"x"}`, "Content-Type",
		"application/x-www-form-urlencoded"); answer.StatusCode != 400 {
		t.Errorf("a form: status %d, want 400", answer.StatusCode)
	}
}

func TestUnknownResources(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	for _, path := range []string{
		"/patients/pt_x", "/practitioners/prac_x", "/schedules/sch_x", "/schedules/sch_x/slots", "/appointments/appt_x",
		"/specialties/sp_x", "/insurances/ins_x", "/locations/loc_x", "/appointment_types/aptp_x", "/", "/patients/",
		"/patients/a/b", "/schedules//slots", "/index_version/idx_standard", "/patients/%2F",
	} {
		want := 404
		if answer := get(t, s, path); answer.StatusCode != want {
			t.Errorf("GET %s: status %d, want %d", path, answer.StatusCode, want)
		}
	}
	const start = `"start_at":"2022-05-20T17:00:00.000Z","duration":30}`
	for path, body := range map[string]string{
		"/appointments/appt_x/cancel": "",
		"/appointments?schedule":      `{"schedule_id":"sch_x","patient_id":"pt_sxKCbaoVdBXHBGWywcBETm",` + start,
		"/appointments?patient":       `{"schedule_id":"sch_u5oQnnMdSbyb83xgqgkUgX","patient_id":"pt_x",` + start,
	} {
		if answer := post(t, s, path, body); answer.StatusCode != 404 {
			t.Errorf("POST %s: status %d, want 404", path, answer.StatusCode)
		}
	}
	if answer := send(t, s, newRequest(t, "PATCH", "/appointments/appt_x", `{`+start)); answer.StatusCode != 404 {
		t.Errorf("PATCH: status %d, want 404", answer.StatusCode)
	}
	answer := send(t, s, newRequest(t, "DELETE", "/appointments", ""))
	if answer.StatusCode != 405 || answer.Header.Get("Allow") != "POST, GET" {
		t.Errorf("DELETE: status %d, Allow %q", answer.StatusCode, answer.Header.Get("Allow"))
	}
	if get(t, s, "/nowhere"); s.Requests()[len(s.Requests())-1].Op != "" {
		t.Error("a request without route has an operation")
	}
}

func TestBookingClosesOverlappingSlots(t *testing.T) {
	t.Parallel()
	eachWay(t, nil, func(t *testing.T, s *closuretest.Server, c *closure.Client) {
		later := closuretest.GuideSlot()
		later.StartAt = later.StartAt.Add(30 * 60e9)
		s.AddSlots(closuretest.GuideScheduleID, later, later)
		wantStarts(t, c, "16:45 17:00 17:15 17:30")
		first := must(c.Appointments.Create(t.Context(), guideBooking()))
		wantStarts(t, c, "17:30") // touches, but does not overlap
		for n := range 3 {
			if _, err := c.Appointments.Create(t.Context(), booking(guideStart(n))); status(err) != 409 {
				t.Errorf("slot %d: %v, want 409", n, err)
			}
		}
		must(c.Appointments.Create(t.Context(), booking(guideStart(3))))
		ledger := s.Appointments()
		if len(ledger) != 2 || ledger[0] != *first {
			t.Errorf("ledger: %v", ledger)
		}
		if _, err := c.Appointments.Create(t.Context(), booking(guideStart(4))); status(err) != 409 {
			t.Errorf("a start that nothing is offered at: %v, want 409", err)
		}
	})
}

// The duration is optional: the slot's own is meant, and a slot may have none.
func TestBookingWithoutDuration(t *testing.T) {
	t.Parallel()
	eachWay(t, nil, func(t *testing.T, s *closuretest.Server, c *closure.Client) {
		ctx := t.Context()
		s.AddSlots(closuretest.GuideScheduleID, closure.Slot{StartAt: guideStart(5)}, closure.Slot{StartAt: guideStart(6)})
		slots := must(c.Availabilities.List(ctx, closuretest.GuideScheduleID, closure.AvailabilityListParams{}))
		if len(slots) != 5 || slots[2].Duration != 30 || slots[3].Duration != 0 || !slots[3].EndAt().Equal(guideStart(5)) {
			t.Errorf("slots: %v", slots)
		}
		for start, want := range map[int]closure.Minutes{1: 30, 5: 0} {
			params := booking(guideStart(start))
			params.Duration = 0
			made := must(c.Appointments.Create(ctx, params))
			if made.Duration != want || !made.StartAt.Equal(guideStart(start)) {
				t.Errorf("slot %d: booked as %+v, want %d minutes", start, made, want)
			}
			if _, err := c.Appointments.Create(ctx, params); status(err) != 409 {
				t.Errorf("slot %d again: %v, want 409", start, err)
			}
			if start == 5 {
				wanted := closure.AppointmentRescheduleParams{StartAt: guideStart(6)}
				if moved := must(c.Appointments.Reschedule(ctx, made.ID, wanted)); moved.Duration != 0 {
					t.Errorf("moved as %+v, want it without a duration", moved)
				}
			}
		}
		wantStarts(t, c, "18:00")
		if _, err := c.Appointments.Create(ctx, booking(guideStart(5))); status(err) != 400 {
			t.Errorf("30 minutes of a slot that says none: %v, want 400", err)
		}
	})
}

func TestRescheduleAndCancel(t *testing.T) {
	t.Parallel()
	eachWay(t, nil, func(t *testing.T, s *closuretest.Server, c *closure.Client) {
		ctx := t.Context()
		for _, n := range []int{5, 6} {
			slot := closuretest.GuideSlot()
			slot.StartAt = guideStart(n)
			s.AddSlots(closuretest.GuideScheduleID, slot)
		}
		a := must(c.Appointments.Create(ctx, guideBooking()))
		wantStarts(t, c, "18:00 18:15")

		// over its own time
		moved := must(c.Appointments.Reschedule(ctx, a.ID, closure.AppointmentRescheduleParams{StartAt: guideStart(2)}))
		if moved.ID != a.ID || moved.Status != closure.AppointmentRescheduled || !moved.StartAt.Equal(guideStart(2)) ||
			moved.Duration != 30 {
			t.Errorf("rescheduled: %+v", moved)
		}
		wantStarts(t, c, "16:45 18:00 18:15")
		must(c.Appointments.Reschedule(ctx, a.ID, closure.AppointmentRescheduleParams{StartAt: guideStart(6), Duration: 30}))
		wantStarts(t, c, "16:45 17:00 17:15")

		other := must(c.Appointments.Create(ctx, guideBooking()))
		for start, want := range map[int]int{
			5: 409, // overlaps the first
			6: 409, // is the first's
			9: 409, // nothing there
			1: 200, // where it is
		} {
			_, err := c.Appointments.Reschedule(ctx, other.ID, closure.AppointmentRescheduleParams{StartAt: guideStart(start)})
			if status(err) != want {
				t.Errorf("rescheduling to slot %d: %v, want %d", start, err, want)
			}
		}
		if _, err := c.Appointments.Reschedule(ctx, other.ID,
			closure.AppointmentRescheduleParams{StartAt: guideStart(0), Duration: 45}); status(err) != 400 {
			t.Errorf("rescheduling to another duration: %v, want 400", err)
		}

		for range 2 { // again does no harm
			cancelled := must(c.Appointments.Cancel(ctx, other.ID))
			if cancelled.Status != closure.AppointmentCancelled {
				t.Errorf("cancelled: %+v", cancelled)
			}
		}
		wantStarts(t, c, "16:45 17:00 17:15")
		if _, err := c.Appointments.Reschedule(ctx, other.ID,
			closure.AppointmentRescheduleParams{StartAt: guideStart(0)}); status(err) != 409 {
			t.Errorf("rescheduling what is cancelled: %v, want 409", err)
		}
		again := must(c.Appointments.Create(ctx, guideBooking()))
		if again.ID == other.ID {
			t.Error("two appointments with the same id")
		}
		ledger := s.Appointments()
		if len(ledger) != 3 || ledger[0].Status != closure.AppointmentRescheduled ||
			ledger[1].Status != closure.AppointmentCancelled || ledger[2].Status != closure.AppointmentScheduled {
			t.Errorf("ledger: %+v", ledger)
		}
	})
}

func TestSchedulingMethods(t *testing.T) {
	t.Parallel()
	for method, want := range map[closure.SchedulingMethod]struct{ slots, book int }{
		closure.SchedulingDirectAPI:     {1, 200},
		closure.SchedulingOpenSlotsOnly: {1, 400},
		"":                              {0, 400},
		"carrier_pigeon":                {1, 400},
	} {
		t.Run(string(method), func(t *testing.T) {
			t.Parallel()
			s := closuretest.New(closuretest.ReportTo(t))
			c := s.Client()
			schedule := s.AddSchedule(closure.Schedule{SchedulingMethod: method})
			s.AddSlots(schedule.ID, closure.Slot{StartAt: guideStart(1), Duration: 30})
			slots := must(c.Availabilities.List(t.Context(), schedule.ID, closure.AvailabilityListParams{}))
			if len(slots) != want.slots {
				t.Errorf("%d slots, want %d", len(slots), want.slots)
			}
			params := guideBooking()
			params.ScheduleID = schedule.ID
			if _, err := c.Appointments.Create(t.Context(), params); status(err) != want.book {
				t.Errorf("booking: %v, want %d", err, want.book)
			}
		})
	}
}

func TestIndexVersionsAreCopies(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	c, ctx := s.Client(), t.Context()
	mine := must(c.IndexVersions.Create(ctx, closure.IndexVersionCreateParams{Name: "mine"}))
	same := must(c.IndexVersions.Create(ctx, closure.IndexVersionCreateParams{Name: "mine"}))
	if mine.ID == same.ID || mine.Name != "mine" || !strings.HasPrefix(string(mine.ID), "idx_") {
		t.Errorf("index versions: %+v, %+v", mine, same)
	}
	s.Index(mine.ID).AddPractitioner(closure.Practitioner{
		ID: closuretest.GuidePractitionerID, NPI: "4321098765", FirstName: "Changed",
	})
	s.Index(mine.ID).AddSchedule(closure.Schedule{ID: "sch_mine", SchedulingMethod: closure.SchedulingDirectAPI})
	s.AddPractitioner(closure.Practitioner{ID: "prac_later", NPI: "1111111111"})
	names := map[closure.IndexVersionID]string{closure.IndexStandard: "Deepika", mine.ID: "Changed", same.ID: "Deepika"}
	for id, want := range names {
		in := closure.WithIndexVersion(id)
		for _, found := range [][]closure.Practitioner{
			must(c.Practitioners.List(ctx, closure.PractitionerListParams{NPIs: []string{"4321098765"}}, in)),
			{*must(c.Practitioners.Get(ctx, closuretest.GuidePractitionerID, in))},
			{
				*must(c.Schedules.Get(ctx, closuretest.GuideScheduleID, in,
					closure.Expand(closure.ExpandPractitioner))).Practitioner.Object,
			},
		} {
			if len(found) != 1 || found[0].FirstName != want || found[0].ID != closuretest.GuidePractitionerID {
				t.Errorf("%s: %+v, want %s", id, found, want)
			}
		}
		_, err := c.Practitioners.Get(ctx, "prac_later", in)
		if wantStatus := map[bool]int{true: 200, false: 404}[id == closure.IndexStandard]; status(err) != wantStatus {
			t.Errorf("%s: a later practitioner: %v, want %d", id, err, wantStatus)
		}
		_, err = c.Availabilities.List(ctx, "sch_mine", closure.AvailabilityListParams{}, in)
		if wantStatus := map[bool]int{true: 200, false: 404}[id == mine.ID]; status(err) != wantStatus {
			t.Errorf("%s: a schedule of one copy: %v, want %d", id, err, wantStatus)
		}
		if got := starts(t, c, in); got != "16:45 17:00 17:15" {
			t.Errorf("%s: slots %q", id, got)
		}
	}
	if _, err := c.Practitioners.List(ctx, closure.PractitionerListParams{},
		closure.WithIndexVersion("idx_unknown")); status(err) != 404 {
		t.Errorf("unknown index version: %v, want 404", err)
	}
	if answer := get(t, s, "/practitioners", "Closure-Index-Version", "standard"); answer.StatusCode != 400 {
		t.Errorf("not an index version: status %d, want 400", answer.StatusCode)
	}
	if answer := get(t, s, "/patients", "Closure-Index-Version", "idx_unknown"); answer.StatusCode != 200 {
		t.Errorf("patients are not of the directory: status %d, want 200", answer.StatusCode)
	}
	s.AddSlots("sch_mine", closuretest.GuideSlot())
	params := guideBooking()
	params.ScheduleID = "sch_mine"
	must(c.Appointments.Create(ctx, params)) // bookings know all copies
}

func TestAllowDuplicates(t *testing.T) {
	t.Parallel()
	opts := []closuretest.Option{closuretest.AllowDuplicates()}
	eachWay(t, opts, func(t *testing.T, s *closuretest.Server, c *closure.Client) {
		first := must(c.Appointments.Create(t.Context(), guideBooking()))
		second := must(c.Appointments.Create(t.Context(), guideBooking()))
		if first.ID == second.ID || len(s.Appointments()) != 2 {
			t.Errorf("ledger: %v", s.Appointments())
		}
		wantStarts(t, c, "")
	})
}

func TestCreatePatient(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	c := s.Client()
	guide := must(c.Patients.Get(t.Context(), closuretest.GuidePatientID))
	params := closure.PatientCreateParams{
		FirstName: "Ravi", LastName: "Pandit", MiddleName: "T", PreferredName: "Rav", DOB: closure.NewDate(2020, 2, 29),
		GenderIdentity: closure.GenderUndisclosed, AdministrativeGender: closure.AdministrativeMale,
		Email:             "ravi@example.com",
		MobilePhoneNumber: guide.MobilePhoneNumber, HomePhoneNumber: guide.HomePhoneNumber, Timezone: "America/Denver",
		Address: guide.Address, Insurance: guide.Insurance,
	}
	made := must(c.Patients.Create(t.Context(), params))
	found := must(c.Patients.Find(t.Context(), closure.PatientListParams{Name: "Ravi Pandit", DOB: params.DOB}))
	if *made != *found || made.Insurance != guide.Insurance || made.CreatedAt.IsZero() ||
		!strings.HasPrefix(string(made.ID), "pt_") {
		t.Error("the patient made is not the one found, or is not whole")
	}
	twin := must(c.Patients.Create(t.Context(), params))
	if twin.ID == made.ID {
		t.Error("the same patient twice got the same id")
	}
}
