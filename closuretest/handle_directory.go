package closuretest

import (
	"slices"
	"strings"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/internal/operation"
)

func directoryHandlers() map[operation.ID]handler {
	return map[operation.ID]handler{
		operation.PractitionersList:    (*Server).practitionersList,
		operation.PractitionersGet:     (*Server).practitionersGet,
		operation.SpecialtiesList:      (*Server).specialtiesList,
		operation.SpecialtiesGet:       (*Server).specialtiesGet,
		operation.InsurancesList:       (*Server).insurancesList,
		operation.InsurancesGet:        (*Server).insurancesGet,
		operation.LocationsList:        (*Server).locationsList,
		operation.LocationsGet:         (*Server).locationsGet,
		operation.AppointmentTypesList: (*Server).appointmentTypesList,
		operation.AppointmentTypesGet:  (*Server).appointmentTypesGet,
		operation.IndexVersionsCreate:  (*Server).indexVersionsCreate,
	}
}

// inDirectory runs a handler on the copy of the directory data that the call names.
func (s *Server) inDirectory(c *call, m moment, handle func(*directory) answer) answer {
	if c.version == "" {
		return handle(s.store.standard().data)
	}
	if !strings.HasPrefix(c.version, "idx_") {
		return invalid("Closure-Index-Version: is not an id that starts with idx_")
	}
	v, found := s.store.versions.get(closure.IndexVersionID(c.version))
	if !found || v.since > m.seen {
		return notFound("index version")
	}
	return handle(v.data)
}

func (s *Server) practitionersList(c *call, m moment) answer {
	var npis []string
	if text := c.query.Get("npis"); text != "" {
		npis = strings.Split(text, ",")
	}
	for _, npi := range npis {
		if len(npi) != 10 || strings.Trim(npi, "0123456789") != "" {
			return invalid("npis: holds one that is not ten digits")
		}
	}
	return s.inDirectory(c, m, func(d *directory) answer {
		return objects(d.practitioners.records, func(p closure.Practitioner) bool {
			return len(npis) == 0 || slices.Contains(npis, p.NPI)
		})
	})
}

func (s *Server) practitionersGet(c *call, m moment) answer {
	return s.inDirectory(c, m, func(d *directory) answer {
		return object(&d.practitioners, closure.PractitionerID(c.id), "practitioner")
	})
}

func (s *Server) specialtiesList(c *call, m moment) answer {
	return s.inDirectory(c, m, func(d *directory) answer { return allObjects(d.specialties.records) })
}

func (s *Server) specialtiesGet(c *call, m moment) answer {
	return s.inDirectory(c, m, func(d *directory) answer {
		return object(&d.specialties, closure.SpecialtyID(c.id), "specialty")
	})
}

func (s *Server) insurancesList(c *call, m moment) answer {
	return s.inDirectory(c, m, func(d *directory) answer { return allObjects(d.insurances.records) })
}

func (s *Server) insurancesGet(c *call, m moment) answer {
	return s.inDirectory(c, m, func(d *directory) answer {
		return object(&d.insurances, closure.InsuranceID(c.id), "insurance")
	})
}

func (s *Server) locationsList(c *call, m moment) answer {
	return s.inDirectory(c, m, func(d *directory) answer { return allObjects(d.locations.records) })
}

func (s *Server) locationsGet(c *call, m moment) answer {
	return s.inDirectory(c, m, func(d *directory) answer {
		return object(&d.locations, closure.LocationID(c.id), "location")
	})
}

func (s *Server) appointmentTypesList(c *call, m moment) answer {
	return s.inDirectory(c, m, func(d *directory) answer { return allObjects(d.appointmentTypes.records) })
}

func (s *Server) appointmentTypesGet(c *call, m moment) answer {
	return s.inDirectory(c, m, func(d *directory) answer {
		return object(&d.appointmentTypes, closure.AppointmentTypeID(c.id), "appointment type")
	})
}

// indexVersionsCreate copies the standard directory data.
func (s *Server) indexVersionsCreate(c *call, m moment) answer {
	var p problems
	name := field[string](c.fields, &p, "name", isText, true)
	if len(p) == 0 && name == "" {
		p.add("name", isRequired)
	}
	if len(p) > 0 {
		return invalid(p...)
	}
	info := closure.IndexVersion{
		ID:        makeID(s.seed, "idx_", s.store.versions.has, name),
		Name:      name,
		CreatedAt: m.now,
		UpdatedAt: m.now,
	}
	s.store.versions.put(info.ID, s.store.standard().copy(info, m.at))
	return ok(info)
}
