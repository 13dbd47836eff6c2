package main

import (
	"net/http"
	"time"

	ics "github.com/arran4/golang-ical"
)

// How a booked visit is moved and cancelled, and its entry for calendars.

// showMove shows the openings to move to.
func (s *server) showMove(w http.ResponseWriter, r *http.Request, who session, v visit) error {
	if v.State != booked {
		return errNoVisit
	}
	return s.showWeek(w, r, who, v.Schedule, &visitView{visit: v, When: when(v.Start, who.zone())})
}

// chooseMove shows what would be moved, and where.
func (s *server) chooseMove(w http.ResponseWriter, r *http.Request, who session, v visit) error {
	if v.State != booked {
		return errNoVisit
	}
	var err error
	if v.MoveTo, v.MoveFor, err = parseOpening(r.PostFormValue("opening")); err != nil {
		return err
	}
	return s.showChange(w, r, who, v, "Move your appointment")
}

func (s *server) showCancel(w http.ResponseWriter, r *http.Request, who session, v visit) error {
	if v.State != booked {
		return errNoVisit
	}
	v.MoveTo = time.Time{}
	return s.showChange(w, r, who, v, "Cancel your appointment")
}

type changePage struct {
	visitView
	Opening string // where to move it; empty: it is to be cancelled
}

func (s *server) showChange(w http.ResponseWriter, r *http.Request, who session, v visit, title string) error {
	view, err := s.view(r.Context(), v, who)
	if err != nil {
		return err
	}
	data := changePage{visitView: view}
	if !v.MoveTo.IsZero() {
		data.Opening = r.PostFormValue("opening")
	}
	return s.show(w, r, http.StatusOK, "change", page{Title: title, Data: data})
}

func (s *server) move(w http.ResponseWriter, r *http.Request, _ session, v visit) error {
	var err error
	if v.MoveTo, v.MoveFor, err = parseOpening(r.PostFormValue("opening")); err != nil {
		return err
	}
	return s.begin(w, r, v, moving, booked)
}

func (s *server) cancel(w http.ResponseWriter, r *http.Request, _ session, v visit) error {
	return s.begin(w, r, v, cancelling, booked)
}

// calendar is the visit as an iCalendar file. The same UID with a higher SEQUENCE
// replaces what a calendar has. Its title says nothing unless the person wants it
// to, because others may see their calendar.
func (s *server) calendar(w http.ResponseWriter, r *http.Request, _ session, v visit) error {
	if v.Appointment == "" {
		return errNoVisit
	}
	calendar := ics.NewCalendarFor("closure-go bookingpage")
	calendar.SetMethod(ics.MethodPublish)
	event := calendar.AddEvent(v.Key + "@bookingpage.invalid")
	event.SetDtStampTime(v.ChangedAt)
	event.SetSequence(v.Sequence)
	event.SetStartAt(v.Start)
	event.SetEndAt(v.Start.Add(max(v.Duration, 1).Duration()))
	event.SetSummary("Appointment")
	event.SetStatus(ics.ObjectStatusConfirmed)
	if v.State == cancelled {
		calendar.SetMethod(ics.MethodCancel)
		event.SetStatus(ics.ObjectStatusCancelled)
	}
	if r.URL.Query().Has("details") {
		c, err := s.card(r.Context(), v.Schedule, "")
		if err != nil {
			return err
		}
		event.SetSummary(c.What + ": " + c.Who)
		event.SetLocation(c.Where)
	}
	w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="appointment.ics"`)
	return calendar.SerializeTo(w, ics.WithNewLineWindows)
}
