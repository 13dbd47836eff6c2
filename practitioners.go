package closure

import (
	"context"
	"strconv"
	"strings"
	"time"

	operations "github.com/closurehealth/closure-go/internal/operation"
)

// A Practitioner is a person who treats patients (source: reference).
type Practitioner struct {
	ID                   PractitionerID       `json:"id,omitzero"`
	NPI                  string               `json:"npi,omitzero"` // National Provider Identifier, ten digits
	FirstName            string               `json:"first_name,omitzero"`
	LastName             string               `json:"last_name,omitzero"`
	MiddleName           string               `json:"middle_name,omitzero"`
	PreferredName        string               `json:"preferred_name,omitzero"`
	AdministrativeGender AdministrativeGender `json:"administrative_gender,omitzero"`
	Type                 string               `json:"type,omitzero"` // such as Physician
	Specialties          []SpecialtyID        `json:"specialties,omitzero"`
	PrimarySpecialty     SpecialtyID          `json:"primary_specialty,omitzero"`
	Languages            []string             `json:"languages,omitzero"` // names, such as English
	CreatedAt            time.Time            `json:"created_at,omitzero"`
	UpdatedAt            time.Time            `json:"updated_at,omitzero"`
}

func (p Practitioner) recordID() (id, prefix string) { return string(p.ID), p.ID.prefix() }

// PractitionerListParams says which practitioners to look for. An empty field is not a
// filter.
type PractitionerListParams struct {
	// NPIs are National Provider Identifiers of ten digits. They are sent separated by
	// commas (inferred: the reference shows one).
	NPIs []string `url:"npis,comma,omitempty"`
}

func (p PractitionerListParams) check(op operation) error {
	for i, npi := range p.NPIs {
		if len(npi) != 10 || strings.Trim(npi, "0123456789") != "" {
			return &InputError{Op: op.name(), Field: "NPIs[" + strconv.Itoa(i) + "]", Reason: "is not ten digits"}
		}
	}
	return nil
}

const (
	opPractitionersList = operation(operations.PractitionersList)
	opPractitionersGet  = operation(operations.PractitionersGet)
)

// PractitionersService finds practitioners.
type PractitionersService struct{ service }

// List returns the practitioners with the given NPIs.
//
// GET /practitioners (source: reference). A read: safe to call again.
func (s *PractitionersService) List(ctx context.Context, params PractitionerListParams, opts ...CallOption) ([]Practitioner, error) {
	if err := params.check(opPractitionersList); err != nil {
		return nil, err
	}
	return list[Practitioner](ctx, coreOf((*holder)(s)), request{op: opPractitionersList, query: params}, opts)
}

// Get returns one practitioner; an unknown id is [ErrNotFound].
//
// GET /practitioners/{id} (source: inferred). A read: safe to call again.
func (s *PractitionersService) Get(ctx context.Context, id PractitionerID, opts ...CallOption) (*Practitioner, error) {
	return get[Practitioner](ctx, coreOf((*holder)(s)), opPractitionersGet, id, opts)
}
