package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/closurehealth/closure-go"
)

// How a visit is booked, moved and cancelled, and what its page shows. A click
// changes the visit's state in the database, and then somebody works on it: this
// process, or, if it dies, settle.

// begin moves the visit to a state that ends in -ing and does what that says. If
// somebody did so already, such as the first half of a double click, it does
// nothing. It waits a moment for the ending, so that most people see just that.
func (s *server) begin(w http.ResponseWriter, r *http.Request, v visit, to state, from ...state) error {
	v.State, v.Reason = to, ""
	for _, was := range from {
		mine, err := s.store.save(r.Context(), v, was)
		if err != nil {
			return err
		}
		if mine {
			s.workFor(r.Context(), v)
			break
		}
	}
	http.Redirect(w, r, "/visit/"+v.Key, http.StatusSeeOther)
	return nil
}

// workFor works on the visit, also when the browser goes away, and waits for a
// moment.
func (s *server) workFor(ctx context.Context, v visit) {
	done := make(chan struct{})
	s.underWay.Go(func() {
		defer close(done)
		s.work(context.WithoutCancel(ctx), v)
	})
	select {
	case <-done:
	case <-time.After(patience):
	case <-ctx.Done():
	}
}

// work makes the write of the visit's state, and records how it ended. A move or
// cancellation is safe to make again; a booking has the visit's key.
func (s *server) work(ctx context.Context, v visit) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	switch v.State {
	case booking:
		params := closure.BookSlotParams{
			ScheduleID: v.Schedule, PatientID: v.Patient, StartAt: v.Start, Duration: v.Duration, IdempotencyKey: v.Key,
		}
		switch v.Plan {
		case planSelf:
			params.InsuranceCheck = closure.SkipInsuranceCheck
		default:
			params.InsuranceID = closure.InsuranceID(v.Plan)
		}
		made, err := s.client.BookSlot(ctx, params)
		s.endBooking(ctx, v, made, err)
	case moving:
		_, err := s.client.RescheduleBooking(ctx, v.Appointment, closure.AppointmentRescheduleParams{StartAt: v.MoveTo, Duration: v.MoveFor})
		s.endChange(ctx, v, err)
	case cancelling:
		_, err := s.client.CancelBooking(ctx, v.Appointment)
		s.endChange(ctx, v, err)
	}
}

// endBooking records how a booking ended. As long as that is unknown nothing is
// recorded: settle goes on.
func (s *server) endBooking(ctx context.Context, v visit, made *closure.Booking, err error) {
	switch {
	case err == nil:
		v.State, v.Appointment, v.Duration = booked, made.Appointment.ID, max(v.Duration, made.Appointment.Duration)
	case closure.OutcomeOf(err) == closure.OutcomeUnknown && !errors.Is(err, closure.ErrNotBooked):
		return
	default:
		v.State, v.Reason = notBooked, reasonOf(err)
	}
	s.end(ctx, v, booking)
}

// endChange records how a move or a cancellation ended.
func (s *server) endChange(ctx context.Context, v visit, err error) {
	was := v.State
	switch {
	case err == nil && was == moving:
		v.State, v.Start, v.Duration, v.Sequence = booked, v.MoveTo, v.MoveFor, v.Sequence+1
	case err == nil:
		v.State, v.Sequence = cancelled, v.Sequence+1
	case closure.OutcomeOf(err) == closure.OutcomeUnknown:
		return
	default:
		v.State, v.Reason = booked, reasonOf(err) // it is as it was
	}
	s.end(ctx, v, was)
}

// end may come when the time for the write is up.
func (s *server) end(ctx context.Context, v visit, was state) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	_, _ = s.store.save(ctx, v, was) // what is not recorded now, settle finds out again
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
		age := time.Since(v.ChangedAt)
		switch {
		case v.State == booking && age > 2*patience:
			s.settleBooking(ctx, v, age)
		case v.State != booking && age > s.abandonedAfter:
			if mine, err := s.store.save(ctx, v, v.State); err == nil && mine { // its age begins anew
				s.work(ctx, v)
			}
		}
	}
	if err == nil {
		_ = s.store.forget(ctx, s.now().AddDate(0, 0, -1)) // the next turn tries again
	}
}

// settleBooking asks the journal and the API what became of a booking. It never
// books: by now the person may want something else.
func (s *server) settleBooking(ctx context.Context, v visit, age time.Duration) {
	attempt := closure.NewBookingAttempt(closure.BookSlotParams{
		ScheduleID: v.Schedule, PatientID: v.Patient, StartAt: v.Start, Duration: v.Duration, IdempotencyKey: v.Key,
	})
	entry, err := s.journal.Find(ctx, attempt)
	switch {
	case err != nil:
		return // the next turn tries again
	case entry == nil:
		if age > s.abandonedAfter { // it died before it could send anything, or after a rejection
			s.endBooking(ctx, v, nil, closure.ErrNotBooked)
		}
	case entry.State == closure.JournalBooked:
		s.endBooking(ctx, v, &closure.Booking{Appointment: closure.Appointment{ID: entry.Appointment}}, nil)
	default:
		made, err := s.client.ResolveBooking(ctx, entry.Attempt, closure.AssumeLostAfter(s.lostAfter))
		s.endBooking(ctx, v, made, err)
	}
}

// A visitView is a visit as its page shows it.
type visitView struct {
	visit
	Card    card
	When    string
	MoveTo  string
	Slow    bool      // it takes longer than usual
	Plans   string    // how the person pays
	Nearest []opening // instead of an opening that is taken
	Takers  []card    // who takes the plan that was refused
}

var titles = map[state]string{
	chosen: "Check and book", booking: "We are checking", notBooked: "Not booked", booked: "Your appointment",
	moving: "We are checking", cancelling: "We are checking", cancelled: "Cancelled",
}

func (s *server) showVisit(w http.ResponseWriter, r *http.Request, who session) error {
	v, err := s.store.find(r.Context(), who.ID, r.PathValue("key"))
	if err != nil {
		return err
	}
	if v.State == booked {
		v = s.lookAgain(r.Context(), v)
	}
	view, err := s.view(r.Context(), v, who)
	if err == nil && v.Reason != "" {
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
	if err == nil && shown.Status == closure.AppointmentCancelled {
		v.State, v.Sequence = cancelled, v.Sequence+1
		s.end(ctx, v, booked)
	}
	return v
}

func (s *server) view(ctx context.Context, v visit, who session) (visitView, error) {
	c, err := s.card(ctx, v.Schedule, "")
	view := visitView{
		visit: v, Card: c, When: when(v.Start, who.zone()), MoveTo: when(v.MoveTo, who.zone()),
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
func (s *server) book(w http.ResponseWriter, r *http.Request, who session) error {
	v, err := s.store.find(r.Context(), who.ID, r.PathValue("key"))
	if err != nil {
		return err
	}
	if r.PostFormValue("pay") == string(planSelf) {
		v.Plan = planSelf
	}
	return s.begin(w, r, v, booking, chosen, notBooked)
}
