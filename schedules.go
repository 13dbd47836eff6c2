package closure

import (
	"cmp"
	"context"
	"slices"
	"time"

	operations "github.com/closurehealth/closure-go/internal/operation"
)

// A Schedule is one practitioner, at one location, for one type of appointment
// (source: guide, reference).
type Schedule struct {
	ID              ScheduleID         `json:"id,omitzero"`
	Practitioner    PractitionerRef    `json:"practitioner,omitzero"`
	Location        LocationRef        `json:"location,omitzero"`
	AppointmentType AppointmentTypeRef `json:"appointment_type,omitzero"`

	// Insurances are those that the schedule accepts. On the standard index they are best
	// effort and can be out of date (source: reference).
	Insurances []InsuranceRef `json:"insurances,omitzero"`

	EstimatedEarliestSlot Date             `json:"estimated_earliest_slot,omitzero"` // an estimate, not a promise
	SchedulingMethod      SchedulingMethod `json:"scheduling_method,omitzero"`
	CreatedAt             time.Time        `json:"created_at,omitzero"`
	UpdatedAt             time.Time        `json:"updated_at,omitzero"`
}

// recordID is also empty if one of the insurances has no id: [Schedule.CheckInsurance]
// would take an insurance for not accepted that is just not named.
func (s Schedule) recordID() (id, prefix string) {
	for _, insurance := range s.Insurances {
		if insurance.ID == "" {
			return "", ""
		}
	}
	return string(s.ID), s.ID.prefix()
}

// Bookable reports whether appointments on the schedule can be booked through
// the API: its scheduling method is [SchedulingDirectAPI].
func (s Schedule) Bookable() bool { return s.SchedulingMethod == SchedulingDirectAPI }

// InsuranceStatus says whether a schedule accepts an insurance.
type InsuranceStatus int

const (
	InsuranceUnknown     InsuranceStatus = iota // not known: the schedule lists no insurance, or there is no id to look for
	InsuranceAccepted                           // the schedule lists it
	InsuranceNotAccepted                        // the schedule lists others
)

// String returns "unknown", "accepted" or "not accepted".
func (s InsuranceStatus) String() string {
	switch s {
	case InsuranceAccepted:
		return "accepted"
	case InsuranceNotAccepted:
		return "not accepted"
	default:
		return "unknown"
	}
}

// CheckInsurance tells whether the schedule accepts the insurance. If the schedule lists no
// insurance, or the id is empty, it is [InsuranceUnknown].
func (s Schedule) CheckInsurance(id InsuranceID) InsuranceStatus {
	switch {
	case len(s.Insurances) == 0 || id == "":
		return InsuranceUnknown
	case slices.ContainsFunc(s.Insurances, func(r InsuranceRef) bool { return r.ID == id }):
		return InsuranceAccepted
	default:
		return InsuranceNotAccepted
	}
}

// ScheduleListParams says which schedules to look for. An empty field is not a filter.
type ScheduleListParams struct {
	PractitionerID PractitionerID `url:"practitioner_id,omitempty"`
	LocationID     LocationID     `url:"location_id,omitempty"`
	InsuranceID    InsuranceID    `url:"insurance_id,omitempty"` // accepted by the schedule
}

func (p ScheduleListParams) check(op operation) error {
	return cmp.Or(
		checkOptionalID(op, "PractitionerID", p.PractitionerID),
		checkOptionalID(op, "LocationID", p.LocationID),
		checkOptionalID(op, "InsuranceID", p.InsuranceID),
	)
}

const (
	opSchedulesList = operation(operations.SchedulesList)
	opSchedulesGet  = operation(operations.SchedulesGet)
)

// SchedulesService reads schedules. Both calls take [Expand].
type SchedulesService struct{ service }

// Get returns one schedule; an unknown id is [ErrNotFound].
//
// GET /schedules/{id} (source: guide). A read: safe to call again.
func (s *SchedulesService) Get(ctx context.Context, id ScheduleID, opts ...CallOption) (*Schedule, error) {
	return get[Schedule](ctx, coreOf((*holder)(s)), opSchedulesGet, id, opts)
}

// List returns the schedules that fit the params.
//
// GET /schedules (source: inferred). A read: safe to call again.
func (s *SchedulesService) List(ctx context.Context, params ScheduleListParams, opts ...CallOption) ([]Schedule, error) {
	if err := params.check(opSchedulesList); err != nil {
		return nil, err
	}
	return list[Schedule](ctx, coreOf((*holder)(s)), request{op: opSchedulesList, query: params}, opts)
}
