package closure_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

const (
	// trishaJSON has every published field, in the order of the reference.
	trishaJSON = `{"id":"pt_sxKCbaoVdBXHBGWywcBETm","first_name":"Trisha","last_name":"Pandit","middle_name":"K",` +
		`"preferred_name":"Trish","dob":"1994-12-22","gender_identity":"Non Binary","administrative_gender":"Female",` +
		`"email":"trisha@example.com","mobile_phone_number":"+14155550123","home_phone_number":"+14155550124",` +
		`"timezone":"America/New_York","address":{"street_line1":"1 Main St","street_line2":"Apt 2","city":"Albany",` +
		`"state":"NY","postal_code":"12207"},"insurance":{"id":"ins_8rdzjCQtD1VLg9aLRwARNF","member_id":"M123",` +
		`"subscriber_id":"S123","group_number":"G123"},"created_at":"2022-04-01T00:00:00.000Z",` +
		`"updated_at":"2022-04-02T00:00:00.000Z"}`

	trishaParamsJSON = `{"first_name":"Trisha","last_name":"Pandit","dob":"1994-12-22","address":{"city":"Albany"},` +
		`"insurance":{"id":"ins_8rdzjCQtD1VLg9aLRwARNF","member_id":"M123"}}`
)

var trisha = closure.Patient{
	ID:                   guide.patient,
	FirstName:            "Trisha",
	LastName:             "Pandit",
	MiddleName:           "K",
	PreferredName:        "Trish",
	DOB:                  guide.dob,
	GenderIdentity:       closure.GenderNonBinary,
	AdministrativeGender: closure.AdministrativeFemale,
	Email:                "trisha@example.com",
	MobilePhoneNumber:    "+14155550123",
	HomePhoneNumber:      "+14155550124",
	Timezone:             "America/New_York",
	Address: closure.Address{
		StreetLine1: "1 Main St", StreetLine2: "Apt 2", City: "Albany", State: "NY", PostalCode: "12207",
	},
	Insurance: closure.PatientInsurance{
		ID: guide.insurance, MemberID: "M123", SubscriberID: "S123", GroupNumber: "G123",
	},
	CreatedAt: utc(2022, time.April, 1, 0, 0),
	UpdatedAt: utc(2022, time.April, 2, 0, 0),
}

func listPatients(name string, dob closure.Date) callFunc {
	return func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
		return c.Patients.List(ctx, closure.PatientListParams{Name: name, DOB: dob}, opts...)
	}
}

var patientCalls = []apiCall{
	{
		op: "patients.list",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Patients.List(ctx, closure.PatientListParams{Name: in.name, DOB: in.dob}, opts...)
		},
		url:    "/patients?dob=1994-12-22&name=Trisha%20Pandit", // as in the guide
		answer: "[" + trishaJSON + "]",
		want:   []closure.Patient{trisha},
	}, {
		op:   "patients.list",
		note: "find",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Patients.Find(ctx, closure.PatientListParams{Name: in.name, DOB: in.dob}, opts...)
		},
		url:    "/patients?dob=1994-12-22&name=Trisha%20Pandit",
		answer: "[" + trishaJSON + "]",
		want:   &trisha,
	}, {
		op:     "patients.list",
		note:   "without params",
		call:   listPatients("", closure.Date{}),
		url:    "/patients",
		answer: "[]",
		want:   []closure.Patient{},
	}, {
		op:     "patients.list",
		note:   "name to be escaped",
		call:   listPatients("Zoë O'Neil+1 & co=#?/%20", closure.Date{}),
		url:    "/patients?name=Zo%C3%AB%20O%27Neil%2B1%20%26%20co%3D%23%3F%2F%2520",
		answer: "[]",
		want:   []closure.Patient{},
	}, {
		op:     "patients.list",
		note:   "birth date alone",
		call:   listPatients("", closure.NewDate(2004, time.February, 29)),
		url:    "/patients?dob=2004-02-29",
		answer: `[{"id":"pt_1"}]`,
		want:   []closure.Patient{{ID: "pt_1"}},
	}, {
		op: "patients.get",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Patients.Get(ctx, in.patient, opts...)
		},
		url:    "/patients/pt_sxKCbaoVdBXHBGWywcBETm",
		answer: trishaJSON,
		want:   &trisha,
	}, {
		op: "patients.create",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			first, last, _ := strings.Cut(in.name, " ")
			return c.Patients.Create(ctx, closure.PatientCreateParams{
				FirstName: first,
				LastName:  last,
				DOB:       in.dob,
				Address:   closure.Address{City: "Albany"},
				Insurance: closure.PatientInsurance{ID: in.insurance, MemberID: in.memberID},
			}, opts...)
		},
		url:    "/patients",
		body:   trishaParamsJSON,
		answer: trishaJSON,
		want:   &trisha,
	},
}

func TestPatients(t *testing.T) {
	t.Parallel()
	testCalls(t, patientCalls)
	create := func(params closure.PatientCreateParams) callFunc {
		return func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.Patients.Create(ctx, params, opts...)
		}
	}
	find := func(params closure.PatientListParams) callFunc {
		return func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.Patients.Find(ctx, params, opts...)
		}
	}
	testBadInputs(t, []badInput{
		{"list: no such date", listPatients("x", closure.NewDate(1994, time.February, 30)), "patients.list", "DOB"},
		{"list: half a date", listPatients("x", closure.Date{Year: 1994}), "patients.list", "DOB"},
		{"list: year of five digits", listPatients("x", closure.NewDate(19940, 1, 1)), "patients.list", "DOB"},
		{
			"create: no such date", create(closure.PatientCreateParams{DOB: closure.NewDate(1994, 13, 1)}), "patients.create",
			"DOB",
		},
		{
			"create: insurance id", create(closure.PatientCreateParams{Insurance: closure.PatientInsurance{ID: "pt_x"}}),
			"patients.create", "Insurance.ID",
		},
		{"create: not UTF-8", create(closure.PatientCreateParams{FirstName: "\xff"}), "patients.create", "params"},
		{"find: nothing to go by", find(closure.PatientListParams{}), "Patients.Find", "Name"},
		{"find: not a date", find(closure.PatientListParams{DOB: closure.NewDate(1994, 13, 1)}), "Patients.Find", "DOB"},
		{"find: nil context", func(_ context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			var none context.Context
			return c.Patients.Find(none, closure.PatientListParams{Name: in.name}, opts...)
		}, "Patients.Find", "ctx"},
		{"nil context", func(_ context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			var none context.Context
			return c.Patients.Get(none, in.patient, opts...)
		}, "patients.get", "ctx"},
	})
}

func TestFindWantsExactlyOnePatient(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]error{
		"[]":                            closure.ErrNotFound,
		"null":                          closure.ErrMalformedResponse,
		`[{},{}]`:                       closure.ErrMalformedResponse,
		`[{"id":"pt_1"},{"id":"pt_2"}]`: closure.ErrAmbiguous,
		`[{"id":"pt_1"},{"id":"pt_2"},{"id":"pt_3"}]`: closure.ErrAmbiguous,
	} {
		got, err := serveAlways(t, 200, body).client(t).Patients.Find(t.Context(), closure.PatientListParams{DOB: guide.dob})
		if got != nil || !errors.Is(err, want) || closure.OutcomeOf(err) != closure.OutcomeNotSent {
			t.Errorf("%s: %v, want %v", body, err, want)
		}
	}
}

func TestPatientZone(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": "UTC", "UTC": "UTC", "America/New_York": "America/New_York"} {
		zone, err := closure.Patient{Timezone: name}.Zone()
		noError(t, err)
		if zone.String() != want {
			t.Errorf("%q: zone %s, want %s", name, zone, want)
		}
	}
	for _, name := range []string{"Local", "Nowhere/At All", "../etc/passwd"} {
		_, err := closure.Patient{Timezone: name}.Zone()
		refused(t, name, err, "Patient.Zone", "Timezone")
	}
}

func ExamplePatientsService_List() {
	client := closuretest.New().Client()

	patients, err := client.Patients.List(context.Background(), closure.PatientListParams{
		DOB: closure.NewDate(1994, time.December, 22),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(patients)              // prints redacted, in logs too
	fmt.Println(patients[0].FirstName) // a field is what it is
	// Output:
	// [closure.Patient{redacted}]
	// Trisha
}

func ExamplePatientsService_Find() {
	client := closuretest.New().Client()
	ctx := context.Background()
	params := closure.PatientListParams{Name: "Trisha Pandit", DOB: closure.NewDate(1994, time.December, 22)}

	patient, err := client.Patients.Find(ctx, params)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(patient.ID)

	params.Name = "Nobody Here"
	_, err = client.Patients.Find(ctx, params)
	fmt.Println(errors.Is(err, closure.ErrNotFound))
	// Output:
	// pt_sxKCbaoVdBXHBGWywcBETm
	// true
}

func ExamplePatientsService_Get() {
	client := closuretest.New().Client()

	patient, err := client.Patients.Get(context.Background(), "pt_sxKCbaoVdBXHBGWywcBETm")
	if err != nil {
		log.Fatal(err)
	}
	zone, err := patient.Zone()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(zone, patient.Insurance.ID)
	// Output: America/New_York ins_8rdzjCQtD1VLg9aLRwARNF
}

func ExamplePatientsService_Create() {
	client := closuretest.New().Client()
	ctx := context.Background()
	dob := closure.NewDate(1990, time.May, 4)

	patient, err := client.Patients.Find(ctx, closure.PatientListParams{Name: "Ana Example", DOB: dob})
	if errors.Is(err, closure.ErrNotFound) {
		patient, err = client.Patients.Create(ctx, closure.PatientCreateParams{
			FirstName: "Ana",
			LastName:  "Example",
			DOB:       dob,
			Timezone:  "America/Chicago",
			Insurance: closure.PatientInsurance{ID: "ins_8rdzjCQtD1VLg9aLRwARNF", MemberID: "EXM000000001"},
		})
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(patient.ID != "", patient.DOB)
	// Output: true 1990-05-04
}
