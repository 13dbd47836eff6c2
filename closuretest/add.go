package closuretest

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/closurehealth/closure-go"
)

// What a test adds is visible at once, also if reads lag. A record replaces an earlier one
// with the same id.

// AddPatient adds a patient, and returns it as it was added: a missing id and
// missing timestamps are made.
func (s *Server) AddPatient(p closure.Patient) closure.Patient {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.ID == "" {
		p.ID = makeID(s.seed, "pt_", s.store.patients.has, p.FirstName, p.LastName, p.DOB.String())
	}
	s.stamp(&p.CreatedAt, &p.UpdatedAt)
	s.store.patients.put(p.ID, patientRecord{p, always})
	return p
}

// AddAppointment adds an appointment, such as somebody else's that takes a slot, and
// returns it as it was added: a missing id, status, duration (30 minutes) and timestamps
// are made. It is in the ledger like a booked one. The schedule need not offer a slot at
// its time.
func (s *Server) AddAppointment(a closure.Appointment) closure.Appointment {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.StartAt = instant(a.StartAt)
	a.Status = cmp.Or(a.Status, closure.AppointmentScheduled)
	a.Duration = cmp.Or(a.Duration, defaultMinutes)
	s.stamp(&a.CreatedAt, &a.UpdatedAt)
	if a.ID == "" {
		a.ID = s.appointmentID(a)
	}
	s.store.appointments.put(a, always)
	return a
}

const defaultMinutes closure.Minutes = 30

// AddSlots adds slots to those that a schedule offers. The slots' own ScheduleID is
// ignored. A slot with a duration of zero is sent without one, and takes no time beyond
// its start. A slot that is offered already is not offered twice. Reads show the slots
// once the schedule has been added, with a scheduling method: see [Index.AddSchedule].
func (s *Server) AddSlots(id closure.ScheduleID, slots ...closure.Slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	more := make([]offer, len(slots))
	for i, slot := range slots {
		more[i] = newOffer(slot.StartAt, slot.Duration)
	}
	s.store.offersOf(id).add(more...)
}

// AddPractitioner adds a practitioner to the standard index. See
// [Index.AddPractitioner].
func (s *Server) AddPractitioner(p closure.Practitioner) closure.Practitioner {
	return s.Index(closure.IndexStandard).AddPractitioner(p)
}

// AddSchedule adds a schedule to the standard index. Its slots can be seen and booked only
// if its SchedulingMethod is [closure.SchedulingDirectAPI]. A booking with
// [closure.RequireAccepted] also needs the patient's insurance among its Insurances. See
// [Index.AddSchedule].
func (s *Server) AddSchedule(sch closure.Schedule) closure.Schedule {
	return s.Index(closure.IndexStandard).AddSchedule(sch)
}

// AddSpecialty adds a specialty to the standard index. See
// [Index.AddSpecialty].
func (s *Server) AddSpecialty(sp closure.Specialty) closure.Specialty {
	return s.Index(closure.IndexStandard).AddSpecialty(sp)
}

// AddInsurance adds an insurance to the standard index. See
// [Index.AddInsurance].
func (s *Server) AddInsurance(i closure.Insurance) closure.Insurance {
	return s.Index(closure.IndexStandard).AddInsurance(i)
}

// AddLocation adds a location to the standard index. See [Index.AddLocation].
func (s *Server) AddLocation(l closure.Location) closure.Location {
	return s.Index(closure.IndexStandard).AddLocation(l)
}

// AddAppointmentType adds a type of appointment to the standard index. See
// [Index.AddAppointmentType].
func (s *Server) AddAppointmentType(t closure.AppointmentType) closure.AppointmentType {
	return s.Index(closure.IndexStandard).AddAppointmentType(t)
}

// An Index is one copy of the directory data: [closure.IndexStandard], or what
// POST /index_version made. What is added to one is not in the others.
type Index struct {
	server *Server
	id     closure.IndexVersionID
}

// Index returns the copy with the given id. If there is none yet, it is made, as a copy of
// the standard index as it is now.
func (s *Server) Index(id closure.IndexVersionID) *Index {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.store.versions.has(id) {
		info := closure.IndexVersion{ID: id, Name: string(id)}
		s.stamp(&info.CreatedAt, &info.UpdatedAt)
		s.store.versions.put(id, s.store.standard().copy(info, always))
	}
	return &Index{server: s, id: id}
}

// change runs fn on the index's own data, under the server's lock.
func (x *Index) change(fn func(*directory)) {
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	v, _ := x.server.store.versions.get(x.id)
	fn(v.forWriting())
}

// AddPractitioner adds a practitioner, and returns it as it was added: a
// missing id and missing timestamps are made.
func (x *Index) AddPractitioner(p closure.Practitioner) closure.Practitioner {
	p.Specialties, p.Languages = slices.Clone(p.Specialties), slices.Clone(p.Languages)
	x.change(func(d *directory) {
		x.server.stamp(&p.CreatedAt, &p.UpdatedAt)
		if p.ID == "" {
			p.ID = makeID(x.server.seed, "prac_", d.practitioners.has, p.NPI, p.FirstName, p.LastName)
		}
		d.practitioners.put(p.ID, p)
	})
	p.Specialties, p.Languages = slices.Clone(p.Specialties), slices.Clone(p.Languages)
	return p
}

// AddSchedule adds a schedule, and returns it as it was added: a missing id and missing
// timestamps are made. A missing scheduling method is not made: without one, a schedule
// shows no slots and takes no bookings, like the API's null. Of its references only the
// ids are kept; the objects in them are not added.
func (x *Index) AddSchedule(sch closure.Schedule) closure.Schedule {
	sch = withoutObjects(sch)
	x.change(func(d *directory) {
		x.server.stamp(&sch.CreatedAt, &sch.UpdatedAt)
		if sch.ID == "" {
			sch.ID = makeID(x.server.seed, "sch_", d.schedules.has, string(sch.Practitioner.ID), string(sch.Location.ID), string(sch.AppointmentType.ID))
		}
		d.schedules.put(sch.ID, sch)
	})
	sch.Insurances = slices.Clone(sch.Insurances)
	return sch
}

func withoutObjects(sch closure.Schedule) closure.Schedule {
	sch.Practitioner.ID = cmp.Or(sch.Practitioner.ID, idOf(sch.Practitioner.Object, func(p *closure.Practitioner) closure.PractitionerID { return p.ID }))
	sch.Location.ID = cmp.Or(sch.Location.ID, idOf(sch.Location.Object, func(l *closure.Location) closure.LocationID { return l.ID }))
	sch.AppointmentType.ID = cmp.Or(sch.AppointmentType.ID, idOf(sch.AppointmentType.Object, func(t *closure.AppointmentType) closure.AppointmentTypeID { return t.ID }))
	sch.Practitioner.Object, sch.Location.Object, sch.AppointmentType.Object = nil, nil, nil
	sch.Insurances = slices.Clone(sch.Insurances)
	for i := range sch.Insurances {
		ref := &sch.Insurances[i]
		ref.ID = cmp.Or(ref.ID, idOf(ref.Object, func(i *closure.Insurance) closure.InsuranceID { return i.ID }))
		ref.Object = nil
	}
	return sch
}

func idOf[ID ~string, T any](object *T, id func(*T) ID) ID {
	if object == nil {
		return ""
	}
	return id(object)
}

// AddSpecialty adds a specialty, and returns it as it was added: a missing id
// and missing timestamps are made.
func (x *Index) AddSpecialty(sp closure.Specialty) closure.Specialty {
	x.change(func(d *directory) {
		x.server.stamp(&sp.CreatedAt, &sp.UpdatedAt)
		if sp.ID == "" {
			sp.ID = makeID(x.server.seed, "sp_", d.specialties.has, sp.TaxonomyCode, sp.Classification)
		}
		d.specialties.put(sp.ID, sp)
	})
	return sp
}

// AddInsurance adds an insurance, and returns it as it was added: a missing id
// and missing timestamps are made.
func (x *Index) AddInsurance(i closure.Insurance) closure.Insurance {
	x.change(func(d *directory) {
		x.server.stamp(&i.CreatedAt, &i.UpdatedAt)
		if i.ID == "" {
			i.ID = makeID(x.server.seed, "ins_", d.insurances.has, i.DisplayName)
		}
		d.insurances.put(i.ID, i)
	})
	return i
}

// AddLocation adds a location, and returns it as it was added: a missing id and
// missing timestamps are made.
func (x *Index) AddLocation(l closure.Location) closure.Location {
	x.change(func(d *directory) {
		x.server.stamp(&l.CreatedAt, &l.UpdatedAt)
		if l.ID == "" {
			l.ID = makeID(x.server.seed, "loc_", d.locations.has, l.Name)
		}
		d.locations.put(l.ID, l)
	})
	return l
}

// AddAppointmentType adds a type of appointment, and returns it as it was
// added: a missing id and missing timestamps are made.
func (x *Index) AddAppointmentType(t closure.AppointmentType) closure.AppointmentType {
	x.change(func(d *directory) {
		x.server.stamp(&t.CreatedAt, &t.UpdatedAt)
		if t.ID == "" {
			t.ID = makeID(x.server.seed, "aptp_", d.appointmentTypes.has, t.Name)
		}
		d.appointmentTypes.put(t.ID, t)
	})
	return t
}

// stamp fills in missing timestamps.
func (s *Server) stamp(created, updated *time.Time) {
	if created.IsZero() {
		*created = s.timeline.at(s.timeline.elapsed())
	}
	if updated.IsZero() {
		*updated = *created
	}
}

// appointmentID makes the id of a new appointment from what is booked.
func (s *Server) appointmentID(a closure.Appointment) closure.AppointmentID {
	start := strconv.FormatInt(a.StartAt.UnixMilli(), 10)
	return makeID(s.seed, "appt_", s.store.appointments.has, string(a.ScheduleID), string(a.PatientID), start)
}
