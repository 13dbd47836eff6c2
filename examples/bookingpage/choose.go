package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/closurehealth/closure-go"
)

// The pages on which a person says who they are and chooses an opening.

type whoPage struct {
	Plans   []closure.Insurance
	Zones   []zoneChoice
	Visits  []visitView // of this session
	Ended   bool        // the session before has ended
	Problem string
	Offline bool
}

type zoneChoice struct{ ID, Name string }

// zones are those of the United States; a clinic has those of its patients.
func zones() (choices []zoneChoice) {
	for _, id := range []string{
		"America/New_York", "America/Chicago", "America/Denver", "America/Phoenix",
		"America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu",
	} {
		choices = append(choices, zoneChoice{id, zoneName(id)})
	}
	return choices
}

// zoneName is a zone for people: "New York time".
func zoneName(id string) string { return strings.ReplaceAll(path.Base(id), "_", " ") + " time" }

func (s *server) showWho(w http.ResponseWriter, r *http.Request, who session) error {
	return s.showWhoWith(w, r, who, http.StatusOK, "")
}

func (s *server) showWhoWith(w http.ResponseWriter, r *http.Request, who session, status int, problem string) error {
	data := whoPage{Zones: zones(), Ended: r.URL.Query().Has("ended"), Problem: problem, Offline: s.panel.offline()}
	var err error
	if data.Plans, err = s.client.Insurances.List(r.Context()); err != nil {
		return err
	}
	visits, err := s.store.ofSession(r.Context(), who.ID)
	if err != nil {
		return err
	}
	for _, v := range visits {
		data.Visits = append(data.Visits, visitView{visit: v, When: when(v.Start, who.zone())})
	}
	return s.show(w, r, status, "who", page{Title: "Book an appointment", Data: data})
}

// identify finds the patient. What was typed goes to the API and nowhere else.
func (s *server) identify(w http.ResponseWriter, r *http.Request, who session) error {
	born, err := closure.ParseDate(r.PostFormValue("born"))
	name := strings.Join(strings.Fields(r.PostFormValue("name")), " ")
	if err != nil || born.IsZero() || name == "" {
		return s.showWhoWith(w, r, who, http.StatusUnprocessableEntity, "Please give your name and your date of birth.")
	}
	pays, zone := plan(r.PostFormValue("plan")), r.PostFormValue("zone")
	known, err := s.offered(r.Context(), pays, zone)
	if err != nil {
		return err
	}
	if !known {
		return s.showWhoWith(w, r, who, http.StatusUnprocessableEntity,
			"Please choose who pays, and a time zone, from the lists.")
	}
	patient, err := s.client.Patients.Find(r.Context(), closure.PatientListParams{Name: name, DOB: born})
	switch {
	case errors.Is(err, closure.ErrNotFound), errors.Is(err, closure.ErrAmbiguous):
		return s.showWhoWith(w, r, who, http.StatusUnprocessableEntity,
			"We did not find you by this name and date of birth. Check both, or call us.")
	case err != nil:
		return err
	}
	zone = cmp.Or(zone, patient.Timezone, "UTC")
	if _, err := time.LoadLocation(zone); err != nil {
		zone = "UTC"
	}
	now := newSession(patient.ID, strings.TrimSpace(patient.FirstName+" "+patient.LastName), pays, zone)
	if who.Patient == patient.ID {
		now.ID = who.ID // the same person, maybe with another plan
	} else if err := s.endSession(r, who); err != nil {
		return err
	}
	if err := s.setSession(w, now); err != nil {
		return err
	}
	http.Redirect(w, r, "/practitioners", http.StatusSeeOther)
	return nil
}

// endSession ends the session, if there is one.
func (s *server) endSession(r *http.Request, who session) error {
	if who.ID == "" {
		return nil
	}
	return s.store.endSession(r.Context(), who.ID, s.now())
}

// offered reports whether the first page's lists hold the plan and the zone.
func (s *server) offered(ctx context.Context, p plan, zone string) (bool, error) {
	if zone != "" && !slices.ContainsFunc(zones(), func(z zoneChoice) bool { return z.ID == zone }) {
		return false, nil
	}
	if p == planOnFile || p == planSelf {
		return true, nil
	}
	plans, err := s.client.Insurances.List(ctx)
	return slices.ContainsFunc(plans, func(i closure.Insurance) bool { return plan(i.ID) == p }), err
}

func (s *server) leave(w http.ResponseWriter, r *http.Request, who session) error {
	if err := s.endSession(r, who); err != nil {
		return err
	}
	err := s.setSession(w, session{})
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return err
}

// A card is a schedule as people see it: one practitioner at one place.
type card struct {
	ID                     closure.ScheduleID
	Who, Type, Specialty   string
	What, Where, Languages string
	Earliest               string
	TakesPlan, RefusesPlan bool
}

func (s *server) newCard(schedule closure.Schedule, insurance closure.InsuranceID) card {
	c := card{ID: schedule.ID, Who: "A practitioner", Where: "at the clinic", What: "Appointment"}
	if p := schedule.Practitioner.Object; p != nil {
		c.Who = strings.TrimSpace(p.FirstName + " " + p.LastName)
		c.Type, c.Languages = p.Type, strings.Join(p.Languages, ", ")
	}
	if l := schedule.Location.Object; l != nil {
		c.Where = l.Name
	}
	if t := schedule.AppointmentType.Object; t != nil {
		c.What = t.Name
	}
	if e := schedule.EstimatedEarliestSlot.In(time.UTC); e.After(s.now()) {
		c.Earliest = e.Format("Monday, January 2")
	}
	status := schedule.CheckInsurance(insurance)
	c.TakesPlan, c.RefusesPlan = status == closure.InsuranceAccepted, status == closure.InsuranceNotAccepted
	return c
}

var expanded = closure.Expand(closure.ExpandPractitioner, closure.ExpandLocation, closure.ExpandAppointmentType)

func (s *server) card(ctx context.Context, id closure.ScheduleID, insurance closure.InsuranceID) (card, error) {
	schedule, err := s.client.Schedules.Get(ctx, id, expanded)
	if err != nil {
		return card{}, err
	}
	return s.newCard(*schedule, insurance), nil
}

// insuranceOf is the insurance of the plan; empty: nothing is to be checked.
func (s *server) insuranceOf(ctx context.Context, patient closure.PatientID, p plan) (closure.InsuranceID, error) {
	if p != planOnFile {
		return closure.InsuranceID(strings.TrimPrefix(string(p), string(planSelf))), nil
	}
	found, err := s.client.Patients.Get(ctx, patient)
	if err != nil {
		return "", err
	}
	return found.Insurance.ID, nil
}

// paidBy is the plan in words.
func (s *server) paidBy(ctx context.Context, p plan) (string, error) {
	switch p {
	case planOnFile:
		return "the insurance the clinic has on file", nil
	case planSelf:
		return "yourself", nil
	}
	found, err := s.client.Insurances.Get(ctx, closure.InsuranceID(p))
	if err != nil {
		return "", err
	}
	return found.DisplayName, nil
}

// cards are the schedules that can be booked; those that take the plan come first.
func (s *server) cards(ctx context.Context, insurance closure.InsuranceID) (cards []card, err error) {
	schedules, err := s.client.Schedules.List(ctx, closure.ScheduleListParams{}, expanded)
	if err != nil {
		return nil, err
	}
	specialties, err := s.client.Specialties.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, schedule := range schedules {
		if !schedule.Bookable() {
			continue
		}
		c := s.newCard(schedule, insurance)
		for _, specialty := range specialties {
			if p := schedule.Practitioner.Object; p != nil && p.PrimarySpecialty == specialty.ID {
				c.Specialty = cmp.Or(specialty.NonStandardSpecialization, specialty.NonStandardClassification,
					specialty.Specialization, specialty.Classification)
			}
		}
		cards = append(cards, c)
	}
	slices.SortStableFunc(cards, func(a, b card) int { return rank(b) - rank(a) })
	return cards, nil
}

func rank(c card) int {
	switch {
	case c.TakesPlan:
		return 1
	case c.RefusesPlan:
		return -1
	default:
		return 0
	}
}

func (s *server) showPractitioners(w http.ResponseWriter, r *http.Request, who session) error {
	insurance, err := s.insuranceOf(r.Context(), who.Patient, who.Plan)
	if err != nil {
		return err
	}
	cards, err := s.cards(r.Context(), insurance)
	if err != nil {
		return err
	}
	return s.show(w, r, http.StatusOK, "practitioners", page{Title: "Practitioners", Data: cards})
}

type openingsPage struct {
	Card       card
	Days       []day
	Zone       string
	Week       int
	Before, On int        // the weeks before and after, for links
	Any        bool       // there is an opening
	Moving     *visitView // the visit that is to be moved
}

// maxWeeks is how far ahead people can look.
const maxWeeks = 26

func (s *server) showOpenings(w http.ResponseWriter, r *http.Request, who session) error {
	return s.showWeek(w, r, who, closure.ScheduleID(r.PathValue("schedule")), nil)
}

// showWeek shows the openings of seven days, in the person's zone.
func (s *server) showWeek(
	w http.ResponseWriter, r *http.Request, who session, id closure.ScheduleID, moving *visitView,
) error {
	week, _ := strconv.Atoi(r.URL.Query().Get("week"))
	week = min(max(week, 0), maxWeeks)
	insurance, err := s.insuranceOf(r.Context(), who.Patient, who.Plan)
	if err != nil {
		return err
	}
	data := openingsPage{Week: week, Before: week - 1, On: week + 1, Moving: moving, Zone: zoneName(who.zone().String())}
	if data.Card, err = s.card(r.Context(), id, insurance); err != nil {
		return err
	}
	today := s.now().In(who.zone())
	first := addDays(closure.NewDate(today.Date()), 7*week)
	slots, err := s.client.Availabilities.List(r.Context(), id, closure.AvailabilityListParams{
		From: first.In(who.zone()), To: addDays(first, 7).In(who.zone()),
	})
	if err != nil {
		return err
	}
	data.Days, data.Any = week7(first, slots, who.zone()), len(slots) > 0
	return s.show(w, r, http.StatusOK, "openings", page{Title: "Openings", Data: data})
}

// choose remembers what the person chose, under a new key.
func (s *server) choose(w http.ResponseWriter, r *http.Request, who session) error {
	if err := who.sent(r); err != nil {
		return err
	}
	start, duration, err := parseOpening(r.PostFormValue("opening"))
	if err != nil {
		return err
	}
	key, err := s.store.add(r.Context(), visit{
		Session: who.ID, Patient: who.Patient, Plan: who.Plan,
		Schedule: closure.ScheduleID(r.PostFormValue("schedule")), Start: start, Duration: duration,
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/visit/"+key, http.StatusSeeOther)
	return nil
}
