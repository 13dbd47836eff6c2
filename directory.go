package closure

import (
	"context"
	"time"

	operations "github.com/closurehealth/closure-go/internal/operation"
)

// A Specialty is a field of medicine, by the NUCC taxonomy (source: reference).
type Specialty struct {
	ID                        SpecialtyID `json:"id,omitzero"`
	TaxonomyCode              string      `json:"taxonomy_code,omitzero"` // NUCC, "207RC0000X"
	Classification            string      `json:"classification,omitzero"`
	Specialization            string      `json:"specialization,omitzero"`
	NonStandardClassification string      `json:"non_standard_classification,omitzero"`
	NonStandardSpecialization string      `json:"non_standard_specialization,omitzero"`
	CreatedAt                 time.Time   `json:"created_at,omitzero"`
	UpdatedAt                 time.Time   `json:"updated_at,omitzero"`
}

func (s Specialty) recordID() (id, prefix string) { return string(s.ID), s.ID.prefix() }

// An Insurance is a plan that schedules accept and patients have. Its id and its
// name for display are published (source: reference); the timestamps are inferred.
// [UnknownMembers] shows what else the API sends.
type Insurance struct {
	ID          InsuranceID `json:"id,omitzero"`
	DisplayName string      `json:"display_name,omitzero"`
	CreatedAt   time.Time   `json:"created_at,omitzero"`
	UpdatedAt   time.Time   `json:"updated_at,omitzero"`
}

func (i Insurance) recordID() (id, prefix string) { return string(i.ID), i.ID.prefix() }

// A Location is a place where patients are seen. The reference says that it holds
// a name, a facility type, an address and coordinates, but not what these fields
// are called: that the name's is "name" is inferred, as are the timestamps, and
// [UnknownMembers] shows what else the API sends.
type Location struct {
	ID        LocationID `json:"id,omitzero"`
	Name      string     `json:"name,omitzero"`
	CreatedAt time.Time  `json:"created_at,omitzero"`
	UpdatedAt time.Time  `json:"updated_at,omitzero"`
}

func (l Location) recordID() (id, prefix string) { return string(l.ID), l.ID.prefix() }

// An AppointmentType is a kind of visit. Only its id is published; the other
// fields are inferred, and [UnknownMembers] shows what else the API sends.
type AppointmentType struct {
	ID        AppointmentTypeID `json:"id,omitzero"`
	Name      string            `json:"name,omitzero"`
	CreatedAt time.Time         `json:"created_at,omitzero"`
	UpdatedAt time.Time         `json:"updated_at,omitzero"`
}

func (t AppointmentType) recordID() (id, prefix string) { return string(t.ID), t.ID.prefix() }

const (
	opSpecialtiesList = operation(operations.SpecialtiesList)
	opSpecialtiesGet  = operation(operations.SpecialtiesGet)
)

// SpecialtiesService reads the directory of specialties.
type SpecialtiesService struct{ service }

// List returns all specialties.
//
// GET /specialties (source: inferred). A read: safe to call again.
func (s *SpecialtiesService) List(ctx context.Context, opts ...CallOption) ([]Specialty, error) {
	return list[Specialty](ctx, coreOf((*holder)(s)), request{op: opSpecialtiesList}, opts)
}

// Get returns one specialty; an unknown id is [ErrNotFound].
//
// GET /specialties/{id} (source: inferred). A read: safe to call again.
func (s *SpecialtiesService) Get(ctx context.Context, id SpecialtyID, opts ...CallOption) (*Specialty, error) {
	return get[Specialty](ctx, coreOf((*holder)(s)), opSpecialtiesGet, id, opts)
}

const (
	opInsurancesList = operation(operations.InsurancesList)
	opInsurancesGet  = operation(operations.InsurancesGet)
)

// InsurancesService reads the directory of insurances.
type InsurancesService struct{ service }

// List returns all insurances.
//
// GET /insurances (source: inferred). A read: safe to call again.
func (s *InsurancesService) List(ctx context.Context, opts ...CallOption) ([]Insurance, error) {
	return list[Insurance](ctx, coreOf((*holder)(s)), request{op: opInsurancesList}, opts)
}

// Get returns one insurance; an unknown id is [ErrNotFound].
//
// GET /insurances/{id} (source: inferred). A read: safe to call again.
func (s *InsurancesService) Get(ctx context.Context, id InsuranceID, opts ...CallOption) (*Insurance, error) {
	return get[Insurance](ctx, coreOf((*holder)(s)), opInsurancesGet, id, opts)
}

const (
	opLocationsList = operation(operations.LocationsList)
	opLocationsGet  = operation(operations.LocationsGet)
)

// LocationsService reads the directory of locations.
type LocationsService struct{ service }

// List returns all locations.
//
// GET /locations (source: inferred). A read: safe to call again.
func (s *LocationsService) List(ctx context.Context, opts ...CallOption) ([]Location, error) {
	return list[Location](ctx, coreOf((*holder)(s)), request{op: opLocationsList}, opts)
}

// Get returns one location; an unknown id is [ErrNotFound].
//
// GET /locations/{id} (source: inferred). A read: safe to call again.
func (s *LocationsService) Get(ctx context.Context, id LocationID, opts ...CallOption) (*Location, error) {
	return get[Location](ctx, coreOf((*holder)(s)), opLocationsGet, id, opts)
}

const (
	opAppointmentTypesList = operation(operations.AppointmentTypesList)
	opAppointmentTypesGet  = operation(operations.AppointmentTypesGet)
)

// AppointmentTypesService reads the directory of appointment types.
type AppointmentTypesService struct{ service }

// List returns all appointment types.
//
// GET /appointment_types (source: inferred). A read: safe to call again.
func (s *AppointmentTypesService) List(ctx context.Context, opts ...CallOption) ([]AppointmentType, error) {
	return list[AppointmentType](ctx, coreOf((*holder)(s)), request{op: opAppointmentTypesList}, opts)
}

// Get returns one appointment type; an unknown id is [ErrNotFound].
//
// GET /appointment_types/{id} (source: inferred). A read: safe to call again.
func (s *AppointmentTypesService) Get(ctx context.Context, id AppointmentTypeID, opts ...CallOption) (*AppointmentType, error) {
	return get[AppointmentType](ctx, coreOf((*holder)(s)), opAppointmentTypesGet, id, opts)
}
