package closuretest

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/internal/operation"
	"github.com/closurehealth/closure-go/internal/wire"
)

func patientHandlers() map[operation.ID]handler {
	return map[operation.ID]handler{
		operation.PatientsList:   (*Server).patientsList,
		operation.PatientsCreate: (*Server).patientsCreate,
		operation.PatientsGet:    (*Server).patientsGet,
	}
}

func (s *Server) patientsList(c *call, m moment) answer {
	var p problems
	dob := dateParam(c.query, &p, "dob")
	if len(p) > 0 {
		return invalid(p...)
	}
	name := strings.Join(strings.Fields(c.query.Get("name")), " ")
	found := []closure.Patient{}
	for _, record := range s.store.patients.records {
		if record.since <= m.seen && (dob.IsZero() || record.patient.DOB == dob) && (name == "" || called(record.patient, name)) {
			found = append(found, record.patient)
		}
	}
	return ok(found)
}

// called reports whether a patient has the given first and last name.
func called(p closure.Patient, name string) bool {
	for _, first := range []string{p.FirstName, p.PreferredName, p.FirstName + " " + p.MiddleName} {
		if first != "" && strings.EqualFold(first+" "+p.LastName, name) {
			return true
		}
	}
	return false
}

func (s *Server) patientsGet(c *call, m moment) answer {
	record, found := s.store.patients.get(closure.PatientID(c.id))
	if !found || record.since > m.seen {
		return notFound("patient")
	}
	return ok(record.patient)
}

func (s *Server) patientsCreate(c *call, m moment) answer {
	patient, p := decodePatient(c.fields)
	if id := patient.Insurance.ID; id != "" && len(p) == 0 && !s.store.standard().data.insurances.has(id) {
		p.add("insurance.id", "is not a known insurance")
	}
	if dob := patient.DOB; !dob.IsZero() && dob.In(time.UTC).After(m.now) {
		p.add("dob", "lies in the future")
	}
	if len(p) > 0 {
		return invalid(p...)
	}
	patient.ID = makeID(s.seed, "pt_", s.store.patients.has, patient.FirstName, patient.LastName, patient.DOB.String())
	patient.CreatedAt, patient.UpdatedAt = m.now, m.now
	s.store.patients.put(patient.ID, patientRecord{patient, m.at})
	return ok(patient)
}

// decodePatient reads a new patient field by field, so that one answer names everything that
// is wrong. Which fields the API requires is inferred.
func decodePatient(fields map[string]json.RawMessage) (patient closure.Patient, p problems) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		one, err := wire.Marshal(map[string]json.RawMessage{name: fields[name]})
		if err == nil {
			err = wire.Unmarshal(one, &patient)
		}
		if err != nil {
			p.add(name, "is not a value of this field")
		}
	}
	patient.ID, patient.CreatedAt, patient.UpdatedAt = "", time.Time{}, time.Time{} // the caller can't choose them
	for _, required := range []struct {
		name    string
		missing bool
	}{
		{"first_name", patient.FirstName == ""},
		{"last_name", patient.LastName == ""},
		{"dob", patient.DOB.IsZero()},
	} {
		if required.missing && !slices.ContainsFunc(p, func(problem string) bool { return strings.HasPrefix(problem, required.name+":") }) {
			p.add(required.name, isRequired)
		}
	}
	checkPatient(patient, &p)
	return patient, p
}

// checkPatient checks what the reference says of a patient's fields.
func checkPatient(patient closure.Patient, p *problems) {
	oneOf(p, "gender_identity", patient.GenderIdentity,
		closure.GenderMale, closure.GenderFemale, closure.GenderNonBinary, closure.GenderOther,
		closure.GenderTransgenderMale, closure.GenderTransgenderFemale, closure.GenderUndisclosed)
	oneOf(p, "administrative_gender", patient.AdministrativeGender, closure.AdministrativeMale, closure.AdministrativeFemale)
	fits(p, "email", patient.Email, `^[^@\s]+@[^@\s]+$`, "is not an e-mail address")
	fits(p, "mobile_phone_number", patient.MobilePhoneNumber, `^\+[1-9][0-9]{1,14}$`, "is not in the form of E.164")
	fits(p, "home_phone_number", patient.HomePhoneNumber, `^\+[1-9][0-9]{1,14}$`, "is not in the form of E.164")
	fits(p, "address.state", patient.Address.State, `^[A-Z]{2}$`, "is not a state in two letters")
	fits(p, "insurance.id", string(patient.Insurance.ID), `^ins_.`, "is not an id that starts with ins_")
	if _, err := patient.Zone(); err != nil {
		p.add("timezone", "is not an IANA time zone")
	}
}

func oneOf[T ~string](p *problems, name string, value T, known ...T) {
	if value != "" && !slices.Contains(known, value) {
		p.add(name, "is not one of the published values")
	}
}

// fits compiles its pattern each time: new patients are rare.
func fits(p *problems, name, value, pattern, reason string) {
	if value != "" && !regexp.MustCompile(pattern).MatchString(value) {
		p.add(name, reason)
	}
}
