package closuretest_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// What is added is made whole, is what calls return, and is nobody else's.
func TestAdd(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	c, ctx := s.Client(), t.Context()
	type record struct {
		prefix, id         string
		added, twin, found any
		created            time.Time
	}
	var made []record
	add := func(prefix, id string, added, twin, found any, created time.Time) {
		made = append(made, record{prefix, id, added, twin, found, created})
	}
	patient := s.AddPatient(closure.Patient{FirstName: "A"})
	add("pt_", string(patient.ID), patient, s.AddPatient(closure.Patient{FirstName: "A"}),
		*must(c.Patients.Get(ctx, patient.ID)), patient.CreatedAt)
	languages := []string{"English"}
	practitioner := s.AddPractitioner(closure.Practitioner{NPI: "9000000000", Languages: languages})
	languages[0] = "Klingon"
	add("prac_", string(practitioner.ID), practitioner, s.AddPractitioner(closure.Practitioner{NPI: "9000000000"}),
		*must(c.Practitioners.Get(ctx, practitioner.ID)), practitioner.CreatedAt)
	specialty := s.AddSpecialty(closure.Specialty{Classification: "A"})
	add("sp_", string(specialty.ID), specialty, s.AddSpecialty(closure.Specialty{Classification: "A"}),
		*must(c.Specialties.Get(ctx, specialty.ID)), specialty.CreatedAt)
	insurance := s.AddInsurance(closure.Insurance{DisplayName: "A"})
	add("ins_", string(insurance.ID), insurance, s.AddInsurance(closure.Insurance{DisplayName: "A"}),
		*must(c.Insurances.Get(ctx, insurance.ID)), insurance.CreatedAt)
	location := s.AddLocation(closure.Location{Name: "A"})
	add("loc_", string(location.ID), location, s.AddLocation(closure.Location{Name: "A"}),
		*must(c.Locations.Get(ctx, location.ID)), location.CreatedAt)
	kind := s.AddAppointmentType(closure.AppointmentType{Name: "A"})
	add("aptp_", string(kind.ID), kind, s.AddAppointmentType(closure.AppointmentType{Name: "A"}),
		*must(c.AppointmentTypes.Get(ctx, kind.ID)), kind.CreatedAt)
	insurances := []closure.InsuranceRef{{Object: &insurance}}
	schedule := s.AddSchedule(closure.Schedule{
		Practitioner:    closure.PractitionerRef{Object: &practitioner},
		Location:        closure.LocationRef{Object: &location},
		AppointmentType: closure.AppointmentTypeRef{Object: &kind},
		Insurances:      insurances,
	})
	insurances[0].ID = "ins_changed"
	add("sch_", string(schedule.ID), schedule, s.AddSchedule(closure.Schedule{}), *must(c.Schedules.Get(ctx, schedule.ID)),
		schedule.CreatedAt)
	appointment := s.AddAppointment(closure.Appointment{
		ScheduleID: schedule.ID, PatientID: patient.ID, StartAt: guideStart(0),
	})
	second := s.AddAppointment(closure.Appointment{
		ScheduleID: schedule.ID, PatientID: patient.ID, StartAt: guideStart(0),
	})
	add("appt_", string(appointment.ID), appointment, second,
		*must(c.Appointments.Get(ctx, appointment.ID)), appointment.CreatedAt)

	for _, m := range made {
		if !strings.HasPrefix(m.id, m.prefix) || len(m.id) != len(m.prefix)+22 {
			t.Errorf("id %q", m.id)
		}
		if !reflect.DeepEqual(m.added, m.found) {
			t.Errorf("%s: added %#v, found %#v", m.prefix, m.added, m.found)
		}
		if reflect.DeepEqual(m.added, m.twin) {
			t.Errorf("%s: two records are one", m.prefix)
		}
		if !m.created.Equal(time.Date(2022, 5, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: created %s", m.prefix, m.created)
		}
	}
	if schedule.Practitioner.ID != practitioner.ID || schedule.Insurances[0].ID != insurance.ID ||
		schedule.Location.Object != nil {
		t.Errorf("references: %+v", schedule)
	}
}

// An appointment that is added in the place of another moves the time it takes.
func TestAddAppointmentInPlace(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.ReportTo(t))
	c := s.Client()
	a := s.AddAppointment(closure.Appointment{
		ScheduleID: closuretest.GuideScheduleID, PatientID: closuretest.GuidePatientID, StartAt: guideStart(0), Duration: 15,
	})
	wantStarts(t, c, "17:00 17:15")
	a.StartAt = guideStart(3)
	s.AddAppointment(a)
	wantStarts(t, c, "16:45 17:00")
	a.ScheduleID = "sch_other"
	s.AddAppointment(a)
	wantStarts(t, c, "16:45 17:00 17:15")
	if len(s.Appointments()) != 1 || s.Appointments()[0] != a {
		t.Errorf("ledger: %+v", s.Appointments())
	}
}

// A record that can't be written is the test's mistake, and is told as such.
func TestUnwritableRecord(t *testing.T) {
	t.Parallel()
	s := closuretest.New()
	s.AddPatient(closure.Patient{ID: "pt_unwritable", DOB: closure.NewDate(1994, time.February, 30)})
	answer := get(t, s, "/patients/pt_unwritable")
	if answer.StatusCode != 400 || !strings.Contains(string(answer.body), "closuretest_misuse") {
		t.Errorf("%d %s", answer.StatusCode, answer.body)
	}
}

func TestLogNamesFaults(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := closuretest.New(closuretest.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	s.Inject(closuretest.Delay("patients.list", time.Nanosecond),
		closuretest.Status("patients.list", http.StatusNoContent), closuretest.Delay("patients.list", time.Nanosecond))
	if answer := get(t, s, "/patients?name=Trisha"); answer.StatusCode != 204 || len(answer.body) > 0 {
		t.Errorf("%d %s", answer.StatusCode, answer.body)
	}
	want := `fault="answered 204 No Content before anything is done, delayed by 2ns"`
	if text := log.String(); !strings.Contains(text, want) || strings.Contains(text, "Trisha") {
		t.Errorf("log: %s", text)
	}
}
