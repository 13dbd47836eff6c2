package closure

import (
	"cmp"
	"context"
	"net/url"
	"time"

	operations "github.com/closurehealth/closure-go/internal/operation"
	"github.com/closurehealth/closure-go/internal/wire"
)

// A Slot is a time that is open for booking. Slots of one schedule can overlap:
// booking one closes the others that share time with it (source: guide).
type Slot struct {
	ScheduleID ScheduleID `json:"schedule_id,omitzero"` // filled in by the SDK: the schedule that was asked
	StartAt    time.Time  `json:"start_at"`
	Duration   Minutes    `json:"duration,omitzero"` // zero: the API doesn't say how long
}

// recordID takes the start for the id, because a slot has no id.
func (s Slot) recordID() (id, prefix string) { //nolint:unparam // others have a prefix
	if s.StartAt.IsZero() {
		return "", ""
	}
	return "slot", ""
}

// EndAt is the instant at which the slot ends. For a slot without a duration it is
// StartAt, because the slot's length isn't known.
func (s Slot) EndAt() time.Time { return s.StartAt.Add(s.Duration.Duration()) }

// AvailabilityListParams is the range to list: slots that start at From or later, and
// before To. If From or To is zero, the range is open at that end.
type AvailabilityListParams struct {
	From, To time.Time // sent in UTC, cut to milliseconds
}

func (p AvailabilityListParams) check(op operation) error {
	if !p.From.IsZero() && !p.To.IsZero() && p.To.Before(p.From) {
		return &InputError{Op: op.name(), Field: "To", Reason: "is before From"}
	}
	return cmp.Or(checkYear(op, "From", p.From), checkYear(op, "To", p.To))
}

// query needs no reflection, like that of [AppointmentListParams].
func (p AvailabilityListParams) query() url.Values {
	query := make(url.Values, 2)
	setInstant(query, "start_at", p.From)
	setInstant(query, "end_at", p.To)
	return query
}

func setInstant(query url.Values, name string, t time.Time) {
	if !t.IsZero() {
		query.Set(name, string(wire.AppendInstant(nil, t)))
	}
}

const opAvailabilitiesList = operation(operations.AvailabilitiesList)

// AvailabilitiesService reads the open slots of schedules.
type AvailabilitiesService struct{ service }

// List returns the open slots of one schedule, in the API's order. To look
// through several schedules or to filter by the time of day, use Search.
//
// GET /schedules/{id}/slots (source: inferred; the reference says that slots
// are read through a …/slots endpoint). A read: safe to call again.
func (s *AvailabilitiesService) List(ctx context.Context, id ScheduleID, params AvailabilityListParams, opts ...CallOption) ([]Slot, error) {
	op := opAvailabilitiesList
	if err := cmp.Or(checkID(op, "ScheduleID", id), params.check(op)); err != nil {
		return nil, err
	}
	slots, err := list[Slot](ctx, coreOf((*holder)(s)), request{op: op, id: string(id), query: params.query()}, opts)
	for i := range slots {
		slots[i].ScheduleID = id
	}
	return slots, err
}
