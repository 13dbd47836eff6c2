package closuretest

import (
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/internal/operation"
)

func scheduleHandlers() map[operation.ID]handler {
	return map[operation.ID]handler{
		operation.SchedulesList:      (*Server).schedulesList,
		operation.SchedulesGet:       (*Server).schedulesGet,
		operation.AvailabilitiesList: (*Server).availabilitiesList,
	}
}

func (s *Server) schedulesList(c *call, m moment) answer {
	var p problems
	practitioner := idParam[closure.PractitionerID](c.query, &p, "practitioner_id", "prac_")
	location := idParam[closure.LocationID](c.query, &p, "location_id", "loc_")
	insurance := idParam[closure.InsuranceID](c.query, &p, "insurance_id", "ins_")
	expand := expandParam(c.query, &p)
	if len(p) > 0 {
		return invalid(p...)
	}
	return s.inDirectory(c, m, func(d *directory) answer {
		found := []closure.Schedule{}
		for _, schedule := range d.schedules.records {
			if (practitioner == "" || schedule.Practitioner.ID == practitioner) &&
				(location == "" || schedule.Location.ID == location) &&
				(insurance == "" || schedule.CheckInsurance(insurance) == closure.InsuranceAccepted) {
				found = append(found, expand.apply(d, schedule))
			}
		}
		return ok(found)
	})
}

func (s *Server) schedulesGet(c *call, m moment) answer {
	var p problems
	expand := expandParam(c.query, &p)
	if len(p) > 0 {
		return invalid(p...)
	}
	return s.inDirectory(c, m, func(d *directory) answer {
		schedule, found := d.schedules.get(closure.ScheduleID(c.id))
		if !found {
			return notFound("schedule")
		}
		return ok(expand.apply(d, schedule))
	})
}

// An expansion says which references of a schedule are shown as objects.
type expansion struct{ practitioner, location, insurances, appointmentType bool }

func expandParam(query url.Values, p *problems) (x expansion) {
	text := query.Get("expand")
	if text == "" {
		return x
	}
	for name := range strings.SplitSeq(text, ",") {
		switch closure.ExpandField(name) {
		case closure.ExpandPractitioner:
			x.practitioner = true
		case closure.ExpandLocation:
			x.location = true
		case closure.ExpandInsurances:
			x.insurances = true
		case closure.ExpandAppointmentType:
			x.appointmentType = true
		default:
			p.add("expand", "holds one that is not practitioner, location, insurances or appointment_type")
		}
	}
	return x
}

// apply puts objects in the place of a schedule's ids. An id that the directory does not
// hold stays an id.
func (x expansion) apply(d *directory, schedule closure.Schedule) closure.Schedule {
	if x.practitioner {
		expandRef(&schedule.Practitioner, &d.practitioners)
	}
	if x.location {
		expandRef(&schedule.Location, &d.locations)
	}
	if x.appointmentType {
		expandRef(&schedule.AppointmentType, &d.appointmentTypes)
	}
	if x.insurances {
		ids := schedule.Insurances
		schedule.Insurances = make([]closure.InsuranceRef, len(ids))
		for i, ref := range ids {
			expandRef(&ref, &d.insurances)
			schedule.Insurances[i] = ref
		}
	}
	return schedule
}

func expandRef[ID ~string, T any](ref *closure.Ref[ID, T], records *table[ID, T]) {
	if record, found := records.get(ref.ID); found {
		ref.Object = &record
	}
}

// slotBody is a slot as the API sends it: it does not name its schedule.
type slotBody struct {
	StartAt  time.Time       `json:"start_at"`
	Duration closure.Minutes `json:"duration,omitzero"`
}

func (s *Server) availabilitiesList(c *call, m moment) answer {
	var p problems
	from, hasFrom := instantParam(c.query, &p, "start_at")
	to, hasTo := instantParam(c.query, &p, "end_at")
	if hasFrom && hasTo && to.Before(from) {
		p.add("end_at", "is before start_at")
	}
	if len(p) > 0 {
		return invalid(p...)
	}
	first, last := m.now.UnixMilli(), int64(math.MaxInt64) // a slot in the past is not open
	if hasFrom {
		first = max(first, ceilMilli(from))
	}
	if hasTo {
		last = ceilMilli(to)
	}
	return s.inDirectory(c, m, func(d *directory) answer {
		id := closure.ScheduleID(c.id)
		schedule, found := d.schedules.get(id)
		if !found {
			return notFound("schedule")
		}
		slots := []slotBody{}
		if schedule.SchedulingMethod == "" {
			return ok(slots)
		}
		for _, o := range s.store.open(id, first, last, m.seen) {
			slots = append(slots, slotBody{o.slot().StartAt, closure.Minutes(o.minutes)})
		}
		return ok(slots)
	})
}

// ceilMilli is the first whole millisecond that is not before t.
func ceilMilli(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }
