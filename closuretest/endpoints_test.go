package closuretest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// An sdkCall is one method of the SDK that sends one request.
type sdkCall struct {
	op   string
	call func(ctx context.Context, c *closure.Client) error
}

// sdkCalls are the calls of all operations, in the table's order, found by
// reflection: "patients.list" is Client.Patients.List. Arguments are those below, by
// their type, or else zero.
func sdkCalls(s *closuretest.Server) (calls []sdkCall) {
	start := guideStart(2)
	appointment := s.AddAppointment(closure.Appointment{
		ScheduleID: closuretest.GuideScheduleID, PatientID: closuretest.GuidePatientID, StartAt: start,
	})
	arguments := map[reflect.Type]reflect.Value{}
	for _, argument := range []any{
		closuretest.GuidePatientID, closuretest.GuidePractitionerID, closuretest.GuideScheduleID,
		closuretest.GuideInsuranceID,
		appointment.ID,
		s.AddSpecialty(closure.Specialty{Classification: "Test"}).ID,
		s.AddLocation(closure.Location{Name: "Test"}).ID,
		s.AddAppointmentType(closure.AppointmentType{Name: "Test"}).ID,
		closure.PatientCreateParams{FirstName: "A", LastName: "B", DOB: closure.NewDate(2000, 1, 2)},
		booking(guideStart(0)),
		closure.AppointmentRescheduleParams{StartAt: start},
		closure.IndexVersionCreateParams{Name: "mine"},
	} {
		arguments[reflect.TypeOf(argument)] = reflect.ValueOf(argument)
	}
	for _, op := range closuretest.Operations() {
		calls = append(calls, sdkCall{op, func(ctx context.Context, c *closure.Client) error {
			method := methodOf(c, op)
			in := []reflect.Value{reflect.ValueOf(ctx)}
			for i := 1; i < method.Type().NumIn()-1; i++ { // the last are the CallOptions
				of := method.Type().In(i)
				argument, known := arguments[of]
				if !known {
					argument = reflect.Zero(of)
				}
				in = append(in, argument)
			}
			out := method.Call(in)
			err, _ := reflect.TypeAssert[error](out[len(out)-1])
			return err
		}})
	}
	return calls
}

// methodOf is the SDK's method of an operation.
func methodOf(c *closure.Client, op string) reflect.Value {
	resource, name, _ := strings.Cut(op, ".")
	var service string
	for word := range strings.SplitSeq(resource, "_") {
		service += strings.ToUpper(word[:1]) + word[1:]
	}
	return reflect.ValueOf(c).Elem().FieldByName(service).MethodByName(strings.ToUpper(name[:1]) + name[1:])
}

// A call whose arguments must not be zero may be answered 400: the handler said so.
func TestEveryMethodReachesItsHandler(t *testing.T) {
	t.Parallel()
	eachWay(t, nil, func(t *testing.T, s *closuretest.Server, c *closure.Client) {
		for _, call := range sdkCalls(s) {
			if err := call.call(t.Context(), c); err != nil && !errors.Is(err, closure.ErrInvalidRequest) {
				t.Errorf("%s: %v", call.op, err)
			}
			requests := s.Requests()
			last := requests[len(requests)-1]
			if last.Op != call.op || last.RequestID == "" {
				t.Errorf("%s arrived as %q, request id %q", call.op, last.Op, last.RequestID)
			}
		}
	})
}

func TestGuideData(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	tests := []struct {
		path string
		want string // a subset of the answer
	}{
		{
			"/patients/pt_sxKCbaoVdBXHBGWywcBETm",
			`{"id":"pt_sxKCbaoVdBXHBGWywcBETm","first_name":"Trisha","last_name":"Pandit","dob":"1994-12-22"}`,
		},
		{"/practitioners/prac_j3uc7oA7FYMtXhGZi2rbt9", `{
			"id":"prac_j3uc7oA7FYMtXhGZi2rbt9","npi":"4321098765",
			"first_name":"Deepika","middle_name":"K","last_name":"Sanon","preferred_name":"Deepika",
			"administrative_gender":"Female","type":"Physician",
			"specialties":["sp_c32Biop9tvoo1pR8JUZR55","sp_9FjLB5Xj497FAbVkazRRFr"],
			"primary_specialty":"sp_c32Biop9tvoo1pR8JUZR55","languages":["English","Hindi","Telugu"],
			"created_at":"2022-04-01T00:00:00.000Z","updated_at":"2022-04-01T00:00:00.000Z"}`},
		{
			"/schedules/sch_u5oQnnMdSbyb83xgqgkUgX",
			`{"id":"sch_u5oQnnMdSbyb83xgqgkUgX","practitioner":"prac_j3uc7oA7FYMtXhGZi2rbt9",` +
				`"insurances":["ins_8rdzjCQtD1VLg9aLRwARNF"],"scheduling_method":"direct_api"}`,
		},
	}
	for _, test := range tests {
		var got, want map[string]any
		answer := get(t, s, test.path)
		answer.decode(t, &got)
		if err := json.Unmarshal([]byte(test.want), &want); err != nil {
			t.Fatal(err)
		}
		for field, value := range want {
			if !reflect.DeepEqual(got[field], value) {
				t.Errorf("%s: %s is %v, want %v", test.path, field, got[field], value)
			}
		}
	}
	patient := must(s.Client().Patients.Get(t.Context(), closuretest.GuidePatientID))
	if patient.Insurance.ID != closuretest.GuideInsuranceID {
		t.Errorf("the patient's insurance is %s", patient.Insurance.ID)
	}
	const slots = `[{"start_at":"2022-05-20T16:45:00.000Z","duration":30},{"start_at":"2022-05-20T17:00:00.000Z",` +
		`"duration":30},{"start_at":"2022-05-20T17:15:00.000Z","duration":30}]`
	if got := string(get(t, s, "/schedules/sch_u5oQnnMdSbyb83xgqgkUgX/slots").body); got != slots {
		t.Errorf("slots on the wire:\n%s, want\n%s", got, slots)
	}
	const appointment = `{"schedule_id":"sch_u5oQnnMdSbyb83xgqgkUgX","patient_id":"pt_sxKCbaoVdBXHBGWywcBETm",` +
		`"start_at":"2022-05-20T17:00:00.000Z","duration":"30"}`
	got := post(t, s, "/appointments", appointment)
	var booked map[string]any
	got.decode(t, &booked)
	if booked["status"] != "scheduled" || booked["start_at"] != "2022-05-20T17:00:00.000Z" || booked["duration"] != 30.0 ||
		booked["created_at"] != "2022-05-01T00:00:00.000Z" {
		t.Errorf("booked: %s", got.body)
	}
}

// Every published field of every object is there at least once.
func TestEveryPublishedField(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.WithGenerated(3, 50, 4), closuretest.ReportTo(t))
	s.AddAppointment(closure.Appointment{
		ScheduleID: closuretest.GuideScheduleID, PatientID: closuretest.GuidePatientID, StartAt: guideStart(0),
	})
	published := map[string][]string{
		"/patients": {"id", "first_name", "last_name", "middle_name", "preferred_name", "dob", "gender_identity",
			"administrative_gender", "email", "mobile_phone_number",
			"home_phone_number", "timezone", "address", "insurance", "created_at", "updated_at"},
		"/practitioners": {"id", "npi", "first_name", "last_name", "middle_name", "preferred_name", "administrative_gender",
			"type", "specialties", "primary_specialty",
			"languages", "created_at", "updated_at"},
		"/schedules": {
			"id", "practitioner", "location", "appointment_type", "insurances", "estimated_earliest_slot", "scheduling_method",
			"created_at", "updated_at",
		},
		"/appointments": {"id", "schedule_id", "patient_id", "status", "start_at", "duration", "created_at", "updated_at"},
		"/specialties": {"id", "taxonomy_code", "classification", "specialization",
			"non_standard_classification", "non_standard_specialization",
			"created_at", "updated_at"},
		"/insurances":        {"id", "created_at", "updated_at"},
		"/locations":         {"id", "created_at", "updated_at"},
		"/appointment_types": {"id", "created_at", "updated_at"},
	}
	for path, fields := range published {
		var objects []map[string]any
		get(t, s, path).decode(t, &objects)
		for _, field := range fields {
			if !slices.ContainsFunc(objects, func(o map[string]any) bool { return o[field] != nil }) {
				t.Errorf("%s: no object has %s", path, field)
			}
		}
	}
}

func TestEveryAnswerHasARequestID(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	s.Inject(closuretest.Status("locations.list", 503), closuretest.Malformed("insurances.list"),
		closuretest.Huge("specialties.list", 1000))
	seen := map[string]bool{}
	for _, req := range []*http.Request{
		newRequest(t, "GET", "/patients", ""),
		newRequest(t, "GET", "/patients/pt_unknown", ""),
		newRequest(t, "GET", "/patients?dob=1", ""),
		newRequest(t, "GET", "/nowhere", ""),
		newRequest(t, "DELETE", "/patients", ""),
		newRequest(t, "GET", "/patients", "", "Authorization", ""),
		newRequest(t, "GET", "/patients", "", "Authorization", "Bearer ch_sk_live_x"),
		newRequest(t, "GET", "/locations", ""),
		newRequest(t, "GET", "/insurances", ""),
		newRequest(t, "GET", "/specialties", ""),
	} {
		id := send(t, s, req).Header.Get("X-Request-Id")
		if id == "" || seen[id] {
			t.Errorf("%s %s: request id %q", req.Method, req.URL, id)
		}
		seen[id] = true
	}
	for _, request := range s.Requests() {
		if !seen[request.RequestID] {
			t.Errorf("Requests has %q, which no answer had", request.RequestID)
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	s.AddPatient(closure.Patient{
		ID: "pt_other", FirstName: "Tri", LastName: "Pandit", PreferredName: "Trisha", MiddleName: "M",
		DOB: closure.NewDate(1994, 12, 22),
	})
	s.AddPractitioner(closure.Practitioner{ID: "prac_other", NPI: "1111111111"})
	s.AddSchedule(closure.Schedule{ID: "sch_other", Practitioner: closure.PractitionerRef{ID: "prac_other"},
		Location: closure.LocationRef{ID: "loc_other"}, SchedulingMethod: closure.SchedulingDirectAPI})
	s.AddAppointment(closure.Appointment{
		ID: "appt_1", ScheduleID: "sch_other", PatientID: "pt_other", StartAt: guideStart(0),
	})
	s.AddAppointment(closure.Appointment{
		ID: "appt_2", ScheduleID: "sch_other", PatientID: closuretest.GuidePatientID, StartAt: guideStart(0),
		Status: closure.AppointmentCancelled,
	})
	tests := []struct {
		path string
		want []string
	}{
		{"/patients", []string{"pt_sxKCbaoVdBXHBGWywcBETm", "pt_other"}},
		{"/patients?name=Trisha%20Pandit", []string{"pt_sxKCbaoVdBXHBGWywcBETm", "pt_other"}},
		{"/patients?name=trisha+pandit&dob=1994-12-22", []string{"pt_sxKCbaoVdBXHBGWywcBETm", "pt_other"}},
		{"/patients?name=Tri%20Pandit", []string{"pt_other"}},
		{"/patients?name=Tri%20M%20Pandit", []string{"pt_other"}},
		{"/patients?name=Trisha", nil},
		{"/patients?name=Trisha%20Pandit&dob=1994-12-23", nil},
		{"/practitioners", []string{"prac_j3uc7oA7FYMtXhGZi2rbt9", "prac_other"}},
		{"/practitioners?npis=1111111111", []string{"prac_other"}},
		{"/practitioners?npis=4321098765,1111111111", []string{"prac_j3uc7oA7FYMtXhGZi2rbt9", "prac_other"}},
		{"/practitioners?npis=2222222222", nil},
		{"/schedules", []string{"sch_u5oQnnMdSbyb83xgqgkUgX", "sch_other"}},
		{"/schedules?practitioner_id=prac_other", []string{"sch_other"}},
		{"/schedules?location_id=loc_other", []string{"sch_other"}},
		{"/schedules?insurance_id=ins_8rdzjCQtD1VLg9aLRwARNF", []string{"sch_u5oQnnMdSbyb83xgqgkUgX"}},
		{"/schedules?insurance_id=ins_8rdzjCQtD1VLg9aLRwARNF&practitioner_id=prac_other", nil},
		{"/appointments", []string{"appt_1", "appt_2"}},
		{"/appointments?patient_id=pt_other", []string{"appt_1"}},
		{"/appointments?schedule_id=sch_other&status=cancelled", []string{"appt_2"}},
		{"/appointments?schedule_id=sch_u5oQnnMdSbyb83xgqgkUgX", nil},
		{"/appointments?status=rescheduled", nil},
	}
	for _, test := range tests {
		var objects []struct{ ID string }
		answer := get(t, s, test.path)
		answer.decode(t, &objects)
		var got []string
		for _, object := range objects {
			got = append(got, object.ID)
		}
		if !slices.Equal(got, test.want) || objects == nil {
			t.Errorf("%s: %v, want %v (%s)", test.path, got, test.want, answer.body)
		}
	}
}

func TestSlotRange(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	at := func(hour, minute, nano int) time.Time { return time.Date(2022, 5, 20, hour, minute, 0, nano, time.UTC) }
	const path = "/schedules/sch_u5oQnnMdSbyb83xgqgkUgX/slots?"
	tests := []struct {
		query string
		want  int
	}{
		{"start_at=2022-05-20T17:00:00.000Z", 2},
		{"start_at=2022-05-20T17:00:00.001Z", 1},
		{"end_at=2022-05-20T17:00:00.000Z", 1},
		{"end_at=2022-05-20T17:00:00.0001Z", 2},
		{"start_at=2022-05-20T16:45:00.000Z&end_at=2022-05-20T17:15:00.000Z", 2},
		{"start_at=2022-05-20T17:00:00.000Z&end_at=2022-05-20T17:00:00.000Z", 0},
		{"start_at=2022-05-20T12:45:00.000-04:00", 3},
	}
	for _, test := range tests {
		var slots []closure.Slot
		get(t, s, path+test.query).decode(t, &slots)
		if len(slots) != test.want || slots == nil {
			t.Errorf("%s: %d slots, want %d", test.query, len(slots), test.want)
		}
	}
	clock := closuretest.NewClock(at(17, 0, 1))
	late := closuretest.New(closuretest.WithClock(clock.Now))
	wantStarts(t, late.Client(), "17:00 17:15") // the clock in milliseconds
	clock.Advance(time.Minute)
	wantStarts(t, late.Client(), "17:15")
	if _, err := late.Client().Appointments.Create(t.Context(), guideBooking()); status(err) != http.StatusConflict {
		t.Errorf("booking the past: %v, want 409", err)
	}
	clock.Set(at(18, 0, 0))
	wantStarts(t, late.Client(), "")
}

func TestExpansion(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	for _, field := range []closure.ExpandField{
		"", closure.ExpandPractitioner, closure.ExpandLocation, closure.ExpandInsurances, closure.ExpandAppointmentType,
	} {
		var opts []closure.CallOption
		if field != "" {
			opts = append(opts, closure.Expand(field))
		}
		one := must(s.Client().Schedules.Get(t.Context(), closuretest.GuideScheduleID, opts...))
		many := must(s.Client().Schedules.List(t.Context(), closure.ScheduleListParams{}, opts...))
		for _, schedule := range []closure.Schedule{*one, many[0]} {
			got := map[closure.ExpandField]bool{
				closure.ExpandPractitioner:    schedule.Practitioner.Object != nil,
				closure.ExpandLocation:        schedule.Location.Object != nil,
				closure.ExpandInsurances:      schedule.Insurances[0].Object != nil,
				closure.ExpandAppointmentType: schedule.AppointmentType.Object != nil,
			}
			for name, expanded := range got {
				if expanded != (name == field) {
					t.Errorf("expand=%s: %s expanded: %t", field, name, expanded)
				}
			}
		}
	}
	all := must(s.Client().Schedules.Get(t.Context(), closuretest.GuideScheduleID,
		closure.Expand(closure.ExpandPractitioner, closure.ExpandInsurances)))
	if all.Practitioner.Object.NPI != "4321098765" || all.Insurances[0].Object.DisplayName == "" {
		t.Errorf("expanded objects are empty: %+v", all)
	}
	if answer := get(t, s, "/schedules?expand=doctor"); answer.StatusCode != 400 || answer.detail(t) == "" {
		t.Errorf("unknown field: %d %s", answer.StatusCode, answer.body)
	}
	s.AddSchedule(closure.Schedule{ID: "sch_dangling", Location: closure.LocationRef{ID: "loc_gone"}})
	dangling := must(s.Client().Schedules.Get(t.Context(), "sch_dangling", closure.Expand(closure.ExpandLocation)))
	if dangling.Location.ID != "loc_gone" || dangling.Location.Object != nil {
		t.Errorf("a location that is not there: %+v", dangling.Location)
	}
}
