package closuretest

import (
	"cmp"
	"slices"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/internal/operation"
)

func appointmentHandlers() map[operation.ID]handler {
	return map[operation.ID]handler{
		operation.AppointmentsCreate:     (*Server).appointmentsCreate,
		operation.AppointmentsGet:        (*Server).appointmentsGet,
		operation.AppointmentsList:       (*Server).appointmentsList,
		operation.AppointmentsReschedule: (*Server).appointmentsReschedule,
		operation.AppointmentsCancel:     (*Server).appointmentsCancel,
	}
}

func (s *Server) appointmentsList(c *call, m moment) answer {
	var p problems
	patient := idParam[closure.PatientID](c.query, &p, "patient_id", "pt_")
	schedule := idParam[closure.ScheduleID](c.query, &p, "schedule_id", "sch_")
	status := closure.AppointmentStatus(c.query.Get("status"))
	oneOf(&p, "status", status, closure.AppointmentScheduled, closure.AppointmentRescheduled, closure.AppointmentCancelled)
	if len(p) > 0 {
		return invalid(p...)
	}
	entries := s.store.appointments.entries
	if schedule != "" {
		entries = s.store.appointments.bySchedule[schedule]
	}
	found := []closure.Appointment{}
	for _, e := range entries {
		a, there := e.asOf(m.seen)
		if there && (patient == "" || a.PatientID == patient) && (schedule == "" || a.ScheduleID == schedule) && (status == "" || a.Status == status) {
			found = append(found, a)
		}
	}
	return ok(found)
}

func (s *Server) appointmentsGet(c *call, m moment) answer {
	if e := s.store.appointments.byID[closure.AppointmentID(c.id)]; e != nil {
		if a, found := e.asOf(m.seen); found {
			return ok(a)
		}
	}
	return notFound("appointment")
}

func (s *Server) appointmentsCreate(c *call, m moment) answer {
	var p problems
	a := closure.Appointment{
		ScheduleID: idField[closure.ScheduleID](c.fields, &p, "schedule_id", "sch_"),
		PatientID:  idField[closure.PatientID](c.fields, &p, "patient_id", "pt_"),
		Status:     closure.AppointmentScheduled,
		StartAt:    field[time.Time](c.fields, &p, "start_at", isInstant, true),
		Duration:   durationField(c, &p),
		CreatedAt:  m.now,
		UpdatedAt:  m.now,
	}
	checkStart(&p, a.StartAt)
	if len(p) > 0 {
		return invalid(p...)
	}
	if !s.store.patients.has(a.PatientID) {
		return notFound("patient")
	}
	a.Duration = cmp.Or(a.Duration, s.offeredDuration(a))
	if refusal, no := s.refuses(a, nil, m); no {
		return refusal
	}
	a.StartAt = instant(a.StartAt)
	a.ID = s.appointmentID(a)
	s.store.appointments.put(a, m.at)
	return ok(a)
}

// durationField reads the duration, as a number or as a number in a string. It is zero if
// there is none.
func durationField(c *call, p *problems) closure.Minutes {
	before := len(*p)
	minutes := field[closure.Minutes](c.fields, p, "duration", isMinutes, false)
	if raw, found := c.fields["duration"]; found && minutes == 0 && len(*p) == before && string(raw) != "null" {
		p.add("duration", isMinutes)
	}
	return minutes
}

func checkStart(p *problems, start time.Time) {
	if start.Nanosecond()%int(time.Millisecond) != 0 {
		p.add("start_at", "is not a whole number of milliseconds")
	}
}

// offeredDuration is the duration of the slot at the appointment's start, of the shortest if
// there are several. It is zero if the slot has no duration, or there is no slot.
func (s *Server) offeredDuration(a closure.Appointment) closure.Minutes {
	start := a.StartAt.UnixMilli()
	offered := s.store.offersOf(a.ScheduleID).between(start, start+1)
	if len(offered) == 0 {
		return 0
	}
	return closure.Minutes(offered[0].minutes)
}

// refuses reports whether and why an appointment can't have the time that it asks for. If an
// appointment moves, except is its own entry.
func (s *Server) refuses(a closure.Appointment, except *entry, m moment) (refusal answer, no bool) {
	schedule, found := s.store.schedule(a.ScheduleID)
	if !found {
		return notFound("schedule"), true
	}
	if !schedule.Bookable() {
		return invalid("schedule_id: the schedule's scheduling_method does not allow booking"), true
	}
	if a.StartAt.Before(m.now) {
		return conflict("The slot lies in the past."), true
	}
	wanted := newOffer(a.StartAt, a.Duration)
	offered := s.store.offersOf(a.ScheduleID).between(wanted.start, wanted.start+1)
	if len(offered) == 0 {
		return conflict("The slot is not open: nothing is offered at this start."), true
	}
	if !slices.Contains(offered, wanted) {
		return invalid("duration: is not the duration of the slot at this start"), true
	}
	if !s.duplicates && anyOverlaps(s.store.appointments.taken(a.ScheduleID, latest, except), wanted) {
		return conflict("The slot is not open any more."), true
	}
	return answer{}, false
}

func (s *Server) appointmentsReschedule(c *call, m moment) answer {
	var p problems
	start := field[time.Time](c.fields, &p, "start_at", isInstant, true)
	duration := durationField(c, &p)
	checkStart(&p, start)
	if len(p) > 0 {
		return invalid(p...)
	}
	e := s.store.appointments.byID[closure.AppointmentID(c.id)]
	if e == nil {
		return notFound("appointment")
	}
	a := e.current()
	if a.Status == closure.AppointmentCancelled {
		return conflict("The appointment is cancelled.")
	}
	a.StartAt = instant(start)
	if duration != 0 {
		a.Duration = duration
	}
	a.Duration = cmp.Or(a.Duration, s.offeredDuration(a))
	if refusal, no := s.refuses(a, e, m); no {
		return refusal
	}
	a.Status, a.UpdatedAt = closure.AppointmentRescheduled, m.now
	e.change(a, m.at)
	return ok(a)
}

// appointmentsCancel answers with the appointment as it is if it is cancelled already.
func (s *Server) appointmentsCancel(c *call, m moment) answer {
	e := s.store.appointments.byID[closure.AppointmentID(c.id)]
	if e == nil {
		return notFound("appointment")
	}
	a := e.current()
	if a.Status != closure.AppointmentCancelled {
		a.Status, a.UpdatedAt = closure.AppointmentCancelled, m.now
		e.change(a, m.at)
	}
	return ok(a)
}
