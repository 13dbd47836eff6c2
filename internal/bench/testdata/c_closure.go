package anchors

import (
	"context"

	"github.com/closurehealth/closure-go"
	jsonv2 "github.com/go-json-experiment/json"
)

// A patient has few tokens, a schedule with all its objects expanded has as many
// as the baseline's booking, and Refs, which are read through UnmarshalJSON.
const closurePatientTmpl = `{"id":"pt_01J9ZK4Q7M8N2P3R5S6T__ID__","first_name":"Annelise","last_name":"Brandt","middle_name":"Marie","preferred_name":"Anne","dob":"1984-03-12","gender_identity":"Female","administrative_gender":"Female","email":"annelise.brandt@example.com","mobile_phone_number":"+14155550123","home_phone_number":"+14155550188","timezone":"America/Los_Angeles",
"address":{"street_line1":"1200 Market Street","street_line2":"__PAD__","city":"San Francisco","state":"CA","postal_code":"94102"},"insurance":{"id":"ins_7Q2M8N4P","member_id":"W123456789","subscriber_id":"W123456780","group_number":"0083421"},"created_at":"2022-03-14T09:26:53.000Z","updated_at":"2022-05-15T11:02:10.712Z"}`

const closureScheduleTmpl = `{"id":"sch_01J9ZK4Q7M8N2P3R5S6T__ID__","practitioner":{"id":"prac_9F3K2L7Q","npi":"4321098765","first_name":"Mara","last_name":"Lindt","middle_name":"Jo","preferred_name":"__PAD__","administrative_gender":"Female","type":"Physician","specialties":["sp_2Q8M","sp_7K1P"],"primary_specialty":"sp_2Q8M","languages":["English","Spanish"],"created_at":"2022-03-14T09:26:53.000Z","updated_at":"2022-05-15T11:02:10.712Z"},
"location":{"id":"loc_7Q2M8N4P","name":"Market Street","created_at":"2022-03-14T09:26:53.000Z","updated_at":"2022-05-15T11:02:10.712Z"},"appointment_type":{"id":"aptp_4P7Q","name":"New patient","created_at":"2022-03-14T09:26:53.000Z","updated_at":"2022-05-15T11:02:10.712Z"},
"insurances":[{"id":"ins_7Q2M","name":"Blue","created_at":"2022-03-14T09:26:53.000Z","updated_at":"2022-05-15T11:02:10.712Z"},{"id":"ins_8N4P","name":"Green","created_at":"2022-03-14T09:26:53.000Z","updated_at":"2022-05-15T11:02:10.712Z"},{"id":"ins_3T5S","name":"Red","created_at":"2022-03-14T09:26:53.000Z","updated_at":"2022-05-15T11:02:10.712Z"}],
"estimated_earliest_slot":"2022-05-20","scheduling_method":"direct_api","created_at":"2022-03-14T09:26:53.000Z","updated_at":"2022-05-15T11:02:10.712Z"}`

func closureCreate() closure.PatientCreateParams {
	return closure.PatientCreateParams{
		FirstName: "Annelise", LastName: "Brandt", DOB: closure.NewDate(1984, 3, 12), Email: "annelise.brandt@example.com", MobilePhoneNumber: "+14155550123", Timezone: "America/Los_Angeles",
		Address:   closure.Address{StreetLine1: "1200 Market Street", City: "San Francisco", State: "CA", PostalCode: "94102"},
		Insurance: closure.PatientInsurance{ID: "ins_7Q2M8N4P", MemberID: "W123456789"},
	}
}

func closureDecode(data []byte, v any) error { return jsonv2.Unmarshal(data, v) }

func init() {
	Register(&Contender{
		Name: "closure-go", Kind: KindSDK, Module: "github.com/closurehealth/closure-go", Note: "patients",
		GetPath: "/patients/pt_01J9ZK4Q7M8N2P3R5S6T1000", ListPath: "/patients", PostPath: "/patients",
		Routes: []Route{
			{Method: "GET", Path: "/patients/pt_01J9ZK4Q7M8N2P3R5S6T1000", Body: item(closurePatientTmpl, 0)},
			{Method: "GET", Path: "/patients", Body: wrapList(`[%s]`, closurePatientTmpl)},
			{Method: "POST", Path: "/patients", Body: item(closurePatientTmpl, 0), Status: 201},
		},
		New: func(s Endpoints) (Ops, error) {
			c, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(s.Base))
			if err != nil {
				return Ops{}, err
			}
			return Ops{
				Get: func(ctx context.Context) error {
					_, err := c.Patients.Get(ctx, "pt_01J9ZK4Q7M8N2P3R5S6T1000")
					return err
				},
				List: func(ctx context.Context) (int, error) {
					l, err := c.Patients.List(ctx, closure.PatientListParams{Name: "Annelise Brandt"})
					return len(l), err
				},
				Create: func(ctx context.Context) error {
					_, err := c.Patients.Create(ctx, closureCreate())
					return err
				},
			}, nil
		},
		Pair: &Pair{
			Item: func() any { return new(closure.Patient) }, List: func() any { return new([]closure.Patient) },
			Req: func() (string, []byte, error) {
				b, err := jsonv2.Marshal(closureCreate())
				return "application/json", b, err
			},
			Decode: closureDecode,
		},
	})
	Register(&Contender{
		Name: "closure-go-schedules", Kind: KindSDK, Module: "github.com/closurehealth/closure-go", Note: "schedules, expanded",
		GetPath: "/schedules/sch_01J9ZK4Q7M8N2P3R5S6T1000", ListPath: "/schedules",
		Routes: []Route{
			{Method: "GET", Path: "/schedules/sch_01J9ZK4Q7M8N2P3R5S6T1000", Body: item(closureScheduleTmpl, 0)},
			{Method: "GET", Path: "/schedules", Body: wrapList(`[%s]`, closureScheduleTmpl)},
		},
		New: func(s Endpoints) (Ops, error) {
			c, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(s.Base))
			if err != nil {
				return Ops{}, err
			}
			expand := closure.Expand(closure.ExpandPractitioner, closure.ExpandLocation, closure.ExpandInsurances, closure.ExpandAppointmentType)
			return Ops{
				Get: func(ctx context.Context) error {
					_, err := c.Schedules.Get(ctx, "sch_01J9ZK4Q7M8N2P3R5S6T1000", expand)
					return err
				},
				List: func(ctx context.Context) (int, error) {
					l, err := c.Schedules.List(ctx, closure.ScheduleListParams{}, expand)
					return len(l), err
				},
			}, nil
		},
	})
}
