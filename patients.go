package closure

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	operations "github.com/closurehealth/closure-go/internal/operation"
)

// A Patient is a person who is treated. Fields that the API leaves out or sends
// as null are zero (source: reference).
//
// A Patient prints redacted, in logs too; its fields don't.
type Patient struct {
	ID                   PatientID            `json:"id,omitzero"`
	FirstName            string               `json:"first_name,omitzero"`
	LastName             string               `json:"last_name,omitzero"`
	MiddleName           string               `json:"middle_name,omitzero"`
	PreferredName        string               `json:"preferred_name,omitzero"`
	DOB                  Date                 `json:"dob,omitzero"`
	GenderIdentity       GenderIdentity       `json:"gender_identity,omitzero"`
	AdministrativeGender AdministrativeGender `json:"administrative_gender,omitzero"`
	Email                string               `json:"email,omitzero"`
	MobilePhoneNumber    string               `json:"mobile_phone_number,omitzero"` // E.164, "+14155550123"
	HomePhoneNumber      string               `json:"home_phone_number,omitzero"`   // E.164
	Timezone             string               `json:"timezone,omitzero"`            // IANA name, "America/New_York"; see Zone
	Address              Address              `json:"address,omitzero"`
	Insurance            PatientInsurance     `json:"insurance,omitzero"`
	CreatedAt            time.Time            `json:"created_at,omitzero"`
	UpdatedAt            time.Time            `json:"updated_at,omitzero"`
}

// Format prints no more than the type, under every verb.
func (p Patient) Format(f fmt.State, _ rune) { printAs(f, redacted(p)) }

// LogValue shows no more than the type.
func (p Patient) LogValue() slog.Value { return slog.StringValue(redacted(p)) }

// An Address is a postal address in the United States (source: reference).
type Address struct {
	StreetLine1 string `json:"street_line1,omitzero"`
	StreetLine2 string `json:"street_line2,omitzero"`
	City        string `json:"city,omitzero"`
	State       string `json:"state,omitzero"` // two letters
	PostalCode  string `json:"postal_code,omitzero"`
}

// Format prints no more than the type, under every verb.
func (a Address) Format(f fmt.State, _ rune) { printAs(f, redacted(a)) }

// LogValue shows no more than the type.
func (a Address) LogValue() slog.Value { return slog.StringValue(redacted(a)) }

// A PatientInsurance is the insurance a patient has on file: the insurance, and
// the patient's numbers with it (source: reference).
type PatientInsurance struct {
	ID           InsuranceID `json:"id,omitzero"`
	MemberID     string      `json:"member_id,omitzero"`
	SubscriberID string      `json:"subscriber_id,omitzero"`
	GroupNumber  string      `json:"group_number,omitzero"`
}

// Format prints no more than the type, under every verb.
func (i PatientInsurance) Format(f fmt.State, _ rune) { printAs(f, redacted(i)) }

// LogValue shows no more than the type.
func (i PatientInsurance) LogValue() slog.Value { return slog.StringValue(redacted(i)) }

// Zone returns the patient's time zone, or UTC if the patient has none. If the system's
// zone database does not know the name, the error is an [InputError].
func (p Patient) Zone() (*time.Location, error) {
	zone, err := time.LoadLocation(p.Timezone)
	if err != nil || p.Timezone == "Local" {
		return nil, &InputError{Op: "Patient.Zone", Field: "Timezone", Reason: "is not a known IANA time zone"}
	}
	return zone, nil
}

func (p Patient) recordID() (id, prefix string) { return string(p.ID), p.ID.prefix() }

// PatientListParams says which patients to look for. An empty field is not a filter. It
// prints redacted.
type PatientListParams struct {
	Name string `url:"name,omitempty"` // first and last name
	DOB  Date   `url:"dob,omitempty"`  // birth date
}

// Format prints no more than the type, under every verb.
func (p PatientListParams) Format(f fmt.State, _ rune) { printAs(f, redacted(p)) }

// LogValue shows no more than the type.
func (p PatientListParams) LogValue() slog.Value { return slog.StringValue(redacted(p)) }

func (p PatientListParams) check(by caller) error {
	if !utf8.ValidString(p.Name) {
		return &InputError{Op: by.name(), Field: "Name", Reason: "is not valid UTF-8"}
	}
	return checkDate(by, "DOB", p.DOB)
}

// PatientCreateParams holds a new patient's data: the fields of [Patient] without id and
// timestamps. The API decides which are required. It prints redacted.
type PatientCreateParams struct {
	FirstName            string               `json:"first_name,omitzero"`
	LastName             string               `json:"last_name,omitzero"`
	MiddleName           string               `json:"middle_name,omitzero"`
	PreferredName        string               `json:"preferred_name,omitzero"`
	DOB                  Date                 `json:"dob,omitzero"`
	GenderIdentity       GenderIdentity       `json:"gender_identity,omitzero"`
	AdministrativeGender AdministrativeGender `json:"administrative_gender,omitzero"`
	Email                string               `json:"email,omitzero"`
	MobilePhoneNumber    string               `json:"mobile_phone_number,omitzero"` // E.164, "+14155550123"
	HomePhoneNumber      string               `json:"home_phone_number,omitzero"`   // E.164
	Timezone             string               `json:"timezone,omitzero"`            // IANA name
	Address              Address              `json:"address,omitzero"`
	Insurance            PatientInsurance     `json:"insurance,omitzero"`
}

// Format prints no more than the type, under every verb.
func (p PatientCreateParams) Format(f fmt.State, _ rune) { printAs(f, redacted(p)) }

// LogValue shows no more than the type.
func (p PatientCreateParams) LogValue() slog.Value { return slog.StringValue(redacted(p)) }

func (p PatientCreateParams) check(op operation) error {
	if err := checkDate(op, "DOB", p.DOB); err != nil {
		return err
	}
	return checkOptionalID(op, "Insurance.ID", p.Insurance.ID)
}

const (
	opPatientsList   = operation(operations.PatientsList)
	opPatientsCreate = operation(operations.PatientsCreate)
	opPatientsGet    = operation(operations.PatientsGet)
)

// PatientsService finds and creates patients.
type PatientsService struct{ service }

// List returns the patients with the given name and birth date, in the API's order. If
// there is none, the slice is empty, without an error. The API does the matching. For
// exactly one patient use [PatientsService.Find].
//
// GET /patients (source: guide). A read: safe to call again.
func (s *PatientsService) List(ctx context.Context, params PatientListParams, opts ...CallOption) ([]Patient, error) {
	if err := params.check(opPatientsList); err != nil {
		return nil, err
	}
	return list[Patient](ctx, coreOf((*holder)(s)), request{op: opPatientsList, query: params}, opts)
}

// Find returns the one patient with the given name and birth date, of which at least one
// is needed. If no patient matches, the error is [ErrNotFound]; if several do,
// [ErrAmbiguous]. A 404, which may be a gateway's, is an [*APIError] and not ErrNotFound.
//
// GET /patients (source: guide). A read: safe to call again.
func (s *PatientsService) Find(ctx context.Context, params PatientListParams, opts ...CallOption) (*Patient, error) {
	if strings.TrimSpace(params.Name) == "" && params.DOB.IsZero() {
		return nil, &InputError{Op: methodFind.name(), Field: "Name", Reason: "is empty, and so is DOB"}
	}
	// For its errors, which name Find: those of List would name patients.list.
	_, err := coreOf((*holder)(s)).prepare(ctx, methodFind.name(), opts)
	if err = cmp.Or(err, params.check(methodFind)); err != nil {
		return nil, err
	}
	found, err := s.List(ctx, params, opts...)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, because(fmt.Errorf("closure: %s: no patient matches", opPatientsList.name()), ErrNotFound)
	case len(found) > 1:
		return nil, because(fmt.Errorf("closure: %s: %d patients match", opPatientsList.name(), len(found)), ErrAmbiguous)
	default:
		return &found[0], nil
	}
}

// Get returns one patient; an unknown id is [ErrNotFound].
//
// GET /patients/{id} (source: inferred). A read: safe to call again.
func (s *PatientsService) Get(ctx context.Context, id PatientID, opts ...CallOption) (*Patient, error) {
	return get[Patient](ctx, coreOf((*holder)(s)), opPatientsGet, id, opts)
}

// Create registers a new patient. Look for the patient with [PatientsService.Find] first:
// the API publishes nothing that prevents a second record of the same person, and with two
// records Find is [ErrAmbiguous] from then on. After an error whose [OutcomeOf] is
// [OutcomeUnknown], wait for longer than the API's reads may lag, and look again before you
// call Create again.
//
// POST /patients (source: guide names it; the body is inferred).
func (s *PatientsService) Create(ctx context.Context, params PatientCreateParams, opts ...CallOption) (*Patient, error) {
	if err := params.check(opPatientsCreate); err != nil {
		return nil, err
	}
	return object[Patient](ctx, coreOf((*holder)(s)), request{op: opPatientsCreate, body: params}, opts)
}
