package main

import (
	"strings"
	"time"
)

const (
	recordSize = 1536 // bytes: the peers were measured with records of this size
	patientID  = "pt_01J9ZK4Q7M8N2P3R5S6T"
	scheduleID = "sch_01J9ZK4Q7M8N2P3R5S6T"
)

// patientJSON is a record with every field that the SDK knows. Its address is padded so that
// the record has the given size; 0: no padding.
func patientJSON(size int) string {
	const before = `{"id":"` + patientID + `","first_name":"Annelise","last_name":"Brandt","middle_name":"Marie",` +
		`"preferred_name":"Anne","dob":"1984-03-12","gender_identity":"Female","administrative_gender":"Female",` +
		`"email":"annelise.brandt@example.com","mobile_phone_number":"+14155550123","home_phone_number":"+14155550188",` +
		`"timezone":"America/Los_Angeles","address":{"street_line1":"1200 Market Street","street_line2":"Apartment 14`
	const after = `","city":"San Francisco","state":"CA","postal_code":"94102"},"insurance":{"id":"ins_7Q2M8N4P",` +
		`"member_id":"W123456789","subscriber_id":"W123456780","group_number":"0083421"},` +
		`"created_at":"2022-03-14T09:26:53.000Z","updated_at":"2022-05-15T11:02:10.712Z"}`
	return padded(before, after, size)
}

// scheduleJSON is a record with every field that the SDK knows, with the objects to which it
// refers, and with a name padded so that it has the given size.
func scheduleJSON(size int) string {
	const times = `"created_at":"2022-03-14T09:26:53.000Z","updated_at":"2022-05-15T11:02:10.712Z"}`
	const before = `{"id":"` + scheduleID + `","practitioner":{"id":"prac_9F3K2L7Q","npi":"4321098765","first_name":"Mara",` +
		`"last_name":"Lindt","middle_name":"Jo","preferred_name":"Mara`
	const after = `","administrative_gender":"Female","type":"Physician","specialties":["sp_2Q8M","sp_7K1P"],` +
		`"primary_specialty":"sp_2Q8M","languages":["English","Spanish"],` + times +
		`,"location":{"id":"loc_7Q2M8N4P","name":"Market Street",` + times +
		`,"appointment_type":{"id":"aptp_4P7Q","name":"New patient",` + times +
		`,"insurances":[{"id":"ins_7Q2M","display_name":"Blue",` + times + `,{"id":"ins_8N4P","display_name":"Green",` + times +
		`,{"id":"ins_3T5S","display_name":"Red",` + times + `],"estimated_earliest_slot":"2022-05-20","scheduling_method":"direct_api",` + times
	return padded(before, after, size)
}

func padded(before, after string, size int) string {
	padding := max(0, size-len(before)-len(after))
	return before + strings.Repeat(", ring the bell at the side entrance", padding)[:padding] + after
}

// patient is a type as you would write it by hand: the same fields, with plain types.
type patient struct {
	ID                   string    `json:"id,omitempty"`
	FirstName            string    `json:"first_name,omitempty"`
	LastName             string    `json:"last_name,omitempty"`
	MiddleName           string    `json:"middle_name,omitempty"`
	PreferredName        string    `json:"preferred_name,omitempty"`
	DOB                  string    `json:"dob,omitempty"`
	GenderIdentity       string    `json:"gender_identity,omitempty"`
	AdministrativeGender string    `json:"administrative_gender,omitempty"`
	Email                string    `json:"email,omitempty"`
	MobilePhoneNumber    string    `json:"mobile_phone_number,omitempty"`
	HomePhoneNumber      string    `json:"home_phone_number,omitempty"`
	Timezone             string    `json:"timezone,omitempty"`
	Address              address   `json:"address,omitzero"`
	Insurance            insurance `json:"insurance,omitzero"`
	CreatedAt            time.Time `json:"created_at,omitzero"`
	UpdatedAt            time.Time `json:"updated_at,omitzero"`
}

type address struct {
	StreetLine1 string `json:"street_line1,omitempty"`
	StreetLine2 string `json:"street_line2,omitempty"`
	City        string `json:"city,omitempty"`
	State       string `json:"state,omitempty"`
	PostalCode  string `json:"postal_code,omitempty"`
}

type insurance struct {
	ID           string `json:"id,omitempty"`
	MemberID     string `json:"member_id,omitempty"`
	SubscriberID string `json:"subscriber_id,omitempty"`
	GroupNumber  string `json:"group_number,omitempty"`
}

type schedule struct {
	ID                    string         `json:"id,omitempty"`
	Practitioner          *practitioner  `json:"practitioner,omitempty"`
	Location              *directoryItem `json:"location,omitempty"`
	AppointmentType       *directoryItem `json:"appointment_type,omitempty"`
	Insurances            []plan         `json:"insurances,omitempty"`
	EstimatedEarliestSlot string         `json:"estimated_earliest_slot,omitempty"`
	SchedulingMethod      string         `json:"scheduling_method,omitempty"`
	CreatedAt             time.Time      `json:"created_at,omitzero"`
	UpdatedAt             time.Time      `json:"updated_at,omitzero"`
}

func (s *schedule) expanded() bool {
	return s.Practitioner.NPI != "" && s.Insurances[len(s.Insurances)-1].DisplayName != ""
}

type practitioner struct {
	ID                   string    `json:"id,omitempty"`
	NPI                  string    `json:"npi,omitempty"`
	FirstName            string    `json:"first_name,omitempty"`
	LastName             string    `json:"last_name,omitempty"`
	MiddleName           string    `json:"middle_name,omitempty"`
	PreferredName        string    `json:"preferred_name,omitempty"`
	AdministrativeGender string    `json:"administrative_gender,omitempty"`
	Type                 string    `json:"type,omitempty"`
	Specialties          []string  `json:"specialties,omitempty"`
	PrimarySpecialty     string    `json:"primary_specialty,omitempty"`
	Languages            []string  `json:"languages,omitempty"`
	CreatedAt            time.Time `json:"created_at,omitzero"`
	UpdatedAt            time.Time `json:"updated_at,omitzero"`
}

type plan struct {
	ID          string    `json:"id,omitempty"`
	DisplayName string    `json:"display_name,omitempty"`
	CreatedAt   time.Time `json:"created_at,omitzero"`
	UpdatedAt   time.Time `json:"updated_at,omitzero"`
}

// A directoryItem is a location or an appointment type.
type directoryItem struct {
	ID        string    `json:"id,omitempty"`
	Name      string    `json:"name,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}
