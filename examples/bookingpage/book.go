package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/closurehealth/closure-go"
)

// How a visit is booked, moved and cancelled, and what its page shows. A click
// changes the visit's state in the database, and then somebody works on it: this
// process, or, if it dies, settle.

// begin moves the visit to a state that ends in -ing and does what that says. If
// somebody changed it since it was read, such as the first half of a double click,
// it does nothing, and the page shows what is true. It waits a moment for the
// ending, so that most people see just that.
func (s *server) begin(w http.ResponseWriter, r *http.Request, v visit, to state, from ...state) error {
	if slices.Contains(from, v.State) {
		v.State, v.Reason = to, ""
		mine, err := s.store.save(r.Context(), &v)
		if err != nil {
			return err
		}
		if mine {
			s.workFor(r.Context(), v)
		}
	}
	http.Redirect(w, r, "/visit/"+v.Key, http.StatusSeeOther)
	return nil
}

// workFor works on the visit, also when the browser goes away, and waits for a
// moment.
func (s *server) workFor(ctx context.Context, v visit) {
	done := make(chan struct{})
	s.working.Store(v.Key, true)
	s.underWay.Go(func() {
		defer close(done)
		defer s.working.Delete(v.Key)
		s.work(context.WithoutCancel(ctx), v)
	})
	select {
	case <-done:
	case <-time.After(patience):
	case <-ctx.Done():
	}
}

// work makes the write of the visit's state, and records how it ended.
func (s *server) work(ctx context.Context, v visit) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	switch v.State {
	case booking:
		made, err := s.client.BookSlot(ctx, v.params())
		if err == nil {
			v.Appointment, v.Duration = made.Appointment.ID, cmp.Or(made.Appointment.Duration, v.Duration)
		}
		s.end(ctx, v, err)
	case moving:
		_, err := s.client.RescheduleBooking(ctx, v.Appointment,
			closure.AppointmentRescheduleParams{StartAt: v.MoveTo, Duration: v.MoveFor})
		s.end(ctx, v, err)
	case cancelling:
		_, err := s.client.CancelBooking(ctx, v.Appointment)
		s.end(ctx, v, err)
	}
}

// params is what the person wants to book. The visit's key makes it one booking.
func (v visit) params() closure.BookSlotParams {
	params := closure.BookSlotParams{
		ScheduleID: v.Schedule, PatientID: v.Patient, StartAt: v.Start, Duration: v.Duration, IdempotencyKey: v.Key,
	}
	if v.Plan == planSelf {
		params.InsuranceCheck = closure.SkipInsuranceCheck
	} else {
		params.InsuranceID = closure.InsuranceID(v.Plan)
	}
	return params
}

// end records how a write ended. As long as that is unknown nothing is recorded:
// settle goes on.
func (s *server) end(ctx context.Context, v visit, err error) {
	was := v.State
	switch {
	case closure.OutcomeOf(err) == closure.OutcomeUnknown:
		return
	case err != nil && was == booking:
		v.State, v.Reason = notBooked, reasonOf(err)
	case err != nil:
		v.State, v.Reason = booked, reasonOf(err) // it is as it was
	case was == booking:
		v.State = booked
	case was == moving:
		v.State, v.Start, v.Sequence = booked, v.MoveTo, v.Sequence+1
		v.Duration = cmp.Or(v.MoveFor, v.Duration) // an opening that says no duration changes none
	default:
		v.State, v.Sequence = cancelled, v.Sequence+1
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout) // the time for the write may be up
	defer cancel()
	_, _ = s.store.saveOnce(ctx, &v) // what is not recorded now, settle finds out again
}

func reasonOf(err error) reason {
	switch {
	case errors.Is(err, closure.ErrSlotUnavailable):
		return taken
	case errors.Is(err, closure.ErrInsuranceNotAccepted), errors.Is(err, closure.ErrInsuranceUnknown):
		return insurance
	case errors.Is(err, closure.ErrNotBookable):
		return notOnline
	case errors.Is(err, closure.ErrNotBooked):
		return lost
	default:
		return unreachable
	}
}

// settleForever ends the visits that are open, also those that a process left that
// died, whether or not somebody still looks at their page.
func (s *server) settleForever(ctx context.Context) {
	for turn := time.NewTicker(2 * time.Second); ; {
		s.settle(ctx)
		select {
		case <-turn.C:
		case <-ctx.Done():
			turn.Stop()
			return
		}
	}
}

func (s *server) settle(ctx context.Context) {
	visits, err := s.store.openOnes(ctx)
	for _, v := range visits {
		_, busy := s.working.Load(v.Key)
		switch age := time.Since(v.ChangedAt); {
		case busy, age < 2*patience: // who works on it knows soon
		case v.State == cancelling:
			s.settleCancelling(ctx, v, age)
		default:
			s.settleByJournal(ctx, v, age)
		}
	}
	if err == nil {
		_ = s.store.forget(ctx, s.now().AddDate(0, 0, -1)) // the next turn tries again
	}
}

// settleByJournal asks the journal and the API what became of a booking or a move.
// It writes nothing: by now the person may want something else. And that it fails
// says nothing of what they wanted.
func (s *server) settleByJournal(ctx context.Context, v visit, age time.Duration) {
	attempt := closure.NewBookingAttempt(v.params())
	if v.State == moving {
		attempt.StartAt, attempt.IdempotencyKey = v.MoveTo, ""
	}
	entry, err := s.journal.Find(ctx, attempt)
	switch {
	case err != nil:
		return // the next turn tries again
	case entry == nil || v.State == moving && entry.Appointment != v.Appointment &&
		entry.Attempt.AppointmentID != v.Appointment:
		if age > s.abandonedAfter { // the process died before it could send anything, or after a rejection
			s.end(ctx, v, closure.ErrNotBooked)
		}
	case entry.State == closure.JournalBooked:
		v.Appointment = entry.Appointment
		s.end(ctx, v, nil)
	default:
		made, err := s.client.ResolveBooking(ctx, entry.Attempt, closure.AssumeLostAfter(s.lostAfter))
		if err == nil {
			v.Appointment = made.Appointment.ID
		}
		if err == nil || errors.Is(err, closure.ErrNotBooked) {
			s.end(ctx, v, err)
		}
	}
}

// settleCancelling looks whether an appointment is cancelled. The journal holds
// nothing of cancellations.
func (s *server) settleCancelling(ctx context.Context, v visit, age time.Duration) {
	shown, err := s.client.Appointments.Get(ctx, v.Appointment)
	switch {
	case err != nil:
		return // the next turn tries again
	case shown.Status.IsCancelled():
		s.end(ctx, v, nil)
	case age > s.lostAfter:
		s.end(ctx, v, closure.ErrNotBooked) // the request never arrived
	}
}

// A visitView is a visit as its page shows it.
type visitView struct {
	visit
	Card    card
	For     string // whose it is
	When    string
	MoveTo  string
	Slow    bool      // it takes longer than usual
	PaidBy  string    // while nothing is booked
	Nearest []opening // instead of an opening that is taken
	Takers  []card    // who takes the plan that was refused
}

var titles = map[state]string{
	chosen: "Check and book", booking: "We are checking", notBooked: "Not booked", booked: "Your appointment",
	moving: "We are checking", cancelling: "We are checking", cancelled: "Cancelled",
}

// ofVisit makes the handler of a visit's page. It reads the form before the visit:
// a form may be sent slowly, and the visit changes meanwhile.
func (s *server) ofVisit(h func(http.ResponseWriter, *http.Request, session, visit) error) handlerFunc {
	return s.signedIn(func(w http.ResponseWriter, r *http.Request, who session) error {
		if err := r.ParseForm(); err != nil {
			return errBadForm
		}
		if r.Method == http.MethodPost {
			if err := who.sent(r); err != nil {
				return err
			}
		}
		v, err := s.store.find(r.Context(), who.ID, r.PathValue("key"))
		if err != nil {
			return err
		}
		if v.State != merged {
			return h(w, r, who, v)
		}
		to := "/visit/" + v.Same
		if r.Method == http.MethodGet {
			to += strings.TrimPrefix(r.URL.RequestURI(), "/visit/"+v.Key)
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	})
}

func (s *server) showVisit(w http.ResponseWriter, r *http.Request, who session, v visit) error {
	if v.State == booked {
		v = s.lookAgain(r.Context(), v)
	}
	view, err := s.view(r.Context(), v, who)
	switch {
	case err != nil:
	case v.State == chosen:
		view.PaidBy, err = s.paidBy(r.Context(), v.Plan)
	case v.Reason != "":
		err = s.offerInstead(r.Context(), &view, who)
	}
	if err != nil && v.State == chosen {
		return err // otherwise say what is known, also while the API is down
	}
	return s.show(w, r, http.StatusOK, "visit", page{Title: titles[v.State], Checking: v.State.Open(), Data: view})
}

// lookAgain finds out whether the clinic cancelled an appointment. That it is where
// it was, no look can say for sure: a read may lag behind a move.
func (s *server) lookAgain(ctx context.Context, v visit) visit {
	shown, err := s.client.Appointments.Get(ctx, v.Appointment)
	if err == nil && shown.Status.IsCancelled() {
		v.State, v.Sequence = cancelled, v.Sequence+1
		if saved, err := s.store.save(ctx, &v); err == nil && !saved { // it was changed meanwhile
			if there, err := s.store.find(ctx, v.Session, v.Key); err == nil {
				return there
			}
		}
	}
	return v
}

func (s *server) view(ctx context.Context, v visit, who session) (visitView, error) {
	c, err := s.card(ctx, v.Schedule, "")
	view := visitView{
		visit: v, Card: c, For: who.Name, When: when(v.Start, who.zone()), MoveTo: when(v.MoveTo, who.zone()),
		Slow: v.State.Open() && time.Since(v.ChangedAt) > s.lostAfter,
	}
	return view, err
}

// offerInstead finds what the person can do instead.
func (s *server) offerInstead(ctx context.Context, view *visitView, who session) error {
	v := view.visit
	if v.Reason == insurance {
		id, err := s.insuranceOf(ctx, v.Patient, v.Plan)
		if err != nil {
			return err
		}
		cards, err := s.cards(ctx, id)
		for _, c := range cards {
			if c.TakesPlan && len(view.Takers) < 5 {
				view.Takers = append(view.Takers, c)
			}
		}
		return err
	}
	start := v.Start
	if v.State == booked {
		start = v.MoveTo
	}
	slots, err := s.client.Availabilities.List(ctx, v.Schedule, closure.AvailabilityListParams{
		From: s.now(), To: start.AddDate(0, 0, 14),
	})
	view.Nearest = nearest(slots, start, who.zone())
	return err
}

// book books what the person chose, or tries again. "pay" is their answer to an
// insurance that was refused.
func (s *server) book(w http.ResponseWriter, r *http.Request, _ session, v visit) error {
	if r.PostFormValue("pay") == string(planSelf) {
		v.Plan = planSelf
	}
	return s.begin(w, r, v, booking, chosen, notBooked)
}
