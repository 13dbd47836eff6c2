package closuretest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the clinic's zones, for machines without a zone database

	"github.com/closurehealth/closure-go"

	"github.com/closurehealth/closure-go/internal/zones"
)

// A clinic is one that is being generated. The data of record number n is drawn from that
// record's own stream, so that a clinic with more schedules begins with the same ones.
type clinic struct {
	server *Server
	seed   uint64
	begin  time.Time
	size   clinicSize

	specialties  []closure.SpecialtyID // one for each profession
	insurances   []closure.InsuranceID // the guide's first
	visits       []closure.AppointmentTypeID
	sites        []site
	practitioner []closure.PractitionerID
}

// A site is a location, with data that the API does not have.
type site struct {
	id      closure.LocationID
	city    city
	zone    *time.Location
	changes []time.Time // when summer time next begins or ends
}

func (s *Server) loadClinic(size clinicSize) {
	c := &clinic{server: s, seed: s.seed, begin: s.timeline.at(0), size: size}
	c.addSpecialties()
	c.addInsurances()
	c.addVisits()
	c.addSites()
	c.addPractitioners()
	c.addPatients()
	for n := range size.schedules {
		c.addSchedule(n)
	}
}

// record returns the stream of record number n of a kind.
func (c *clinic) record(kind string, n int) *rand.Rand {
	return stream(c.seed, "clinic", kind, strconv.Itoa(n))
}

// id makes the id of record number n of a kind.
func (c *clinic) id(prefix string, n int) string {
	return makeID(c.seed, prefix, func(string) bool { return false }, "clinic", strconv.Itoa(n))
}

// age returns when a record was made: a time before the clinic's start.
func (c *clinic) age(rng *rand.Rand) time.Time {
	return c.begin.AddDate(0, 0, -1-rng.IntN(700)).Add(time.Duration(rng.IntN(86_400_000)) * time.Millisecond)
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

func chance(rng *rand.Rand, p float64) bool { return rng.Float64() < p }

// some returns n elements of the list, in the list's order.
func some[T any](rng *rand.Rand, n int, from []T) []T {
	chosen := make([]T, 0, n)
	for i, element := range from {
		if rng.IntN(len(from)-i) < n-len(chosen) {
			chosen = append(chosen, element)
		}
	}
	return chosen
}

func (c *clinic) addSpecialties() {
	for n, p := range professions() {
		p.specialty.ID = closure.SpecialtyID(c.id("sp_", n))
		p.specialty.CreatedAt = c.age(c.record("specialty", n))
		c.specialties = append(c.specialties, c.server.AddSpecialty(p.specialty).ID)
	}
}

func (c *clinic) addInsurances() {
	c.insurances = []closure.InsuranceID{GuideInsuranceID}
	for n, name := range insuranceNames() {
		insurance := closure.Insurance{ID: closure.InsuranceID(c.id("ins_", n)), DisplayName: name, CreatedAt: c.age(c.record("insurance", n))}
		c.insurances = append(c.insurances, c.server.AddInsurance(insurance).ID)
	}
}

func (c *clinic) addVisits() {
	for n, name := range visitNames() {
		visit := closure.AppointmentType{ID: closure.AppointmentTypeID(c.id("aptp_", n)), Name: name, CreatedAt: c.age(c.record("visit", n))}
		c.visits = append(c.visits, c.server.AddAppointmentType(visit).ID)
	}
}

// addSites makes a location for each 20 schedules, at least three, so that
// there are several time zones.
func (c *clinic) addSites() {
	for n := range max(3, c.size.schedules/20) {
		rng := c.record("site", n)
		in := cities()[n%len(cities())]
		zone := loadZone(in.zone)
		location := closure.Location{
			ID:        closure.LocationID(c.id("loc_", n)),
			Name:      fmt.Sprintf("%s Street %s, %s, %s", pick(rng, streets()), pick(rng, practices()), in.name, in.state),
			CreatedAt: c.age(rng),
		}
		c.sites = append(c.sites, site{c.server.AddLocation(location).ID, in, zone, clockChanges(c.begin, zone)})
	}
}

// loadZone can't fail for the zones of this package: the database is compiled in.
func loadZone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

// clockChanges returns when, in the year after begin, the zone's clocks change.
func clockChanges(begin time.Time, zone *time.Location) (changes []time.Time) {
	at := begin.In(zone)
	for end := begin.AddDate(1, 0, 0); at.Before(end); {
		_, change := zones.Bounds(at)
		if change.IsZero() || !change.Before(end) {
			break
		}
		_, before := at.Zone()
		if _, after := change.Zone(); after != before {
			changes = append(changes, change)
		}
		at = change
	}
	return changes
}

// addPractitioners makes two practitioners for every three schedules, at least one.
func (c *clinic) addPractitioners() {
	for n := range max(1, c.size.schedules*2/3) {
		rng := c.record("practitioner", n)
		which := rng.IntN(len(c.specialties))
		first, gender := person(rng)
		p := closure.Practitioner{
			ID:                   closure.PractitionerID(c.id("prac_", n)),
			NPI:                  fmt.Sprintf("9%09d", (n*7919+123_456_789)%1_000_000_000),
			FirstName:            first,
			LastName:             pick(rng, lastNames()),
			AdministrativeGender: gender,
			Type:                 professions()[which].title,
			Specialties:          []closure.SpecialtyID{c.specialties[which]},
			PrimarySpecialty:     c.specialties[which],
			Languages:            append([]string{"English"}, some(rng, rng.IntN(3), languageNames())...),
			CreatedAt:            c.age(rng),
		}
		if other := rng.IntN(len(c.specialties)); chance(rng, 0.3) && other != which {
			p.Specialties = append(p.Specialties, c.specialties[other])
		}
		if chance(rng, 0.3) {
			p.MiddleName = string(rune('A' + rng.IntN(26)))
		}
		if chance(rng, 0.2) {
			p.PreferredName = first[:3]
		}
		c.practitioner = append(c.practitioner, c.server.AddPractitioner(p).ID)
	}
}

func person(rng *rand.Rand) (first string, gender closure.AdministrativeGender) {
	if chance(rng, 0.5) {
		return pick(rng, femaleNames()), closure.AdministrativeFemale
	}
	return pick(rng, maleNames()), closure.AdministrativeMale
}

// addPatients makes one patient for every five schedules, at least ten.
func (c *clinic) addPatients() {
	for n := range max(10, c.size.schedules/5) {
		c.server.AddPatient(c.newPatient(n))
	}
}

func (c *clinic) newPatient(n int) closure.Patient {
	rng := c.record("patient", n)
	first, gender := person(rng)
	last, home := pick(rng, lastNames()), pick(rng, c.sites).city
	born := c.begin.AddDate(0, 0, -rng.IntN(90*365))
	p := closure.Patient{
		ID:                   closure.PatientID(c.id("pt_", n)),
		FirstName:            first,
		LastName:             last,
		DOB:                  closure.NewDate(born.Year(), born.Month(), born.Day()),
		GenderIdentity:       closure.GenderIdentity(gender),
		AdministrativeGender: gender,
		Email:                fmt.Sprintf("%s.%d@example.com", strings.ToLower(first), n),
		MobilePhoneNumber:    fmt.Sprintf("+1%s55501%02d", home.areaCode, rng.IntN(100)),
		Timezone:             home.zone,
		Address: closure.Address{
			StreetLine1: fmt.Sprintf("%d %s Street", 1+rng.IntN(999), pick(rng, streets())),
			City:        home.name,
			State:       home.state,
			PostalCode:  home.postalCode,
		},
		CreatedAt: c.age(rng),
	}
	if chance(rng, 0.1) {
		p.GenderIdentity = pick(rng, []closure.GenderIdentity{closure.GenderNonBinary, closure.GenderOther, closure.GenderTransgenderFemale, closure.GenderTransgenderMale, closure.GenderUndisclosed})
	}
	if chance(rng, 0.3) {
		p.MiddleName = string(rune('A' + rng.IntN(26)))
	}
	if chance(rng, 0.2) {
		p.PreferredName = first[:3]
	}
	if chance(rng, 0.4) {
		p.HomePhoneNumber = fmt.Sprintf("+1%s55501%02d", home.areaCode, rng.IntN(100))
	}
	if chance(rng, 0.3) {
		p.Address.StreetLine2 = fmt.Sprintf("Apt %d", 1+rng.IntN(40))
	}
	if chance(rng, 0.9) {
		p.Insurance = closure.PatientInsurance{
			ID:           pick(rng, c.insurances),
			MemberID:     fmt.Sprintf("EXM%09d", n),
			SubscriberID: fmt.Sprintf("EXS%09d", n),
			GroupNumber:  fmt.Sprintf("EXG%04d", rng.IntN(10_000)),
		}
	}
	return p
}

func (c *clinic) addSchedule(n int) {
	rng := c.record("schedule", n)
	practitioner := n % len(c.practitioner)
	at := c.sites[(practitioner+n/len(c.practitioner))%len(c.sites)]
	schedule := closure.Schedule{
		ID:               closure.ScheduleID(c.id("sch_", n)),
		Practitioner:     closure.PractitionerRef{ID: c.practitioner[practitioner]},
		Location:         closure.LocationRef{ID: at.id},
		AppointmentType:  closure.AppointmentTypeRef{ID: c.visits[(practitioner+n/len(c.practitioner))%len(c.visits)]},
		SchedulingMethod: methodOf(n),
		CreatedAt:        c.age(rng),
	}
	if chance(rng, 0.9) { // the others list none
		for _, id := range some(rng, 1+rng.IntN(6), c.insurances) {
			schedule.Insurances = append(schedule.Insurances, closure.InsuranceRef{ID: id})
		}
	}
	if schedule.SchedulingMethod != "" && c.size.slotsEach > 0 {
		r := newRota(rng, c, n, at)
		schedule.EstimatedEarliestSlot = r.estimate(rng)
		c.server.offer(schedule.ID, r.offers)
	}
	c.server.AddSchedule(schedule)
}

// methodOf spreads the three scheduling methods, so that three schedules already have all of
// them.
func methodOf(n int) closure.SchedulingMethod {
	switch n % 8 {
	case 1:
		return closure.SchedulingOpenSlotsOnly
	case 2:
		return ""
	default:
		return closure.SchedulingDirectAPI
	}
}

// offer makes a schedule's slots when they are first asked for.
func (s *Server) offer(id closure.ScheduleID, lazy func() []offer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store.offers[id] = &offers{lazy: lazy}
}
