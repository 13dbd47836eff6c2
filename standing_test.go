package closure_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

var doubtfulStatuses = []string{"", "declined", "failed", "pending", "checked_in", "SCHEDULED"}

// soon returns a context that ends while a call still looks for its appointment.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	go afterTurns(700, cancel)
	return ctx
}

func saysStatus(t *testing.T, err error, want bool) {
	t.Helper()
	if got := strings.Contains(err.Error(), "with a status that this version does not know"); got != want {
		t.Errorf("the text names the status: %t, want %t: %v", got, want, err)
	}
}

// An answer confirms a booking only if its status says that it is booked.
func TestStatusOfTheAnswer(t *testing.T) {
	t.Parallel()
	for _, status := range append([]string{"cancelled", "canceled"}, doubtfulStatuses...) {
		t.Run("status "+status, func(t *testing.T) {
			t.Parallel()
			p, c := openPractice(t, nil)
			p.status = status
			booking, err := c.BookSlot(p.untilSecondLook(t), bookingParams())
			ends(t, booking, err, "unknown", closure.ErrMalformedResponse)
			saysStatus(t, err, !strings.HasPrefix(status, "cancel"))
			p.sent(t, 1, 0)
		})
	}
	t.Run("but the list shows that it stands", func(t *testing.T) {
		t.Parallel()
		p, c := openPractice(t, nil)
		p.status = "declined"
		p.gateway = func(g *gateway) {
			if g.lists() && g.number > 1 {
				p.mu.Lock()
				p.held[0].Status = "scheduled"
				p.mu.Unlock()
			}
		}
		booking, err := c.BookSlot(t.Context(), bookingParams())
		ends(t, booking, err, "recovered")
		p.sent(t, 1, 1)
	})
	for _, status := range []string{"scheduled", "rescheduled"} {
		p, c := openPractice(t, nil)
		p.status = status
		booking, err := c.BookSlot(t.Context(), bookingParams())
		ends(t, booking, err, "booked")
	}
}

// How a booking ends if the patient has an appointment at that start, by its status.
func TestStatusOfTheEarlierAppointment(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]string{
		"scheduled": "recovered", "rescheduled": "recovered", "cancelled": "booked", "canceled": "booked",
	} {
		p, c := openPractice(t, nil)
		p.hold(status)
		booking, err := c.BookSlot(t.Context(), bookingParams())
		ends(t, booking, err, want)
	}
	for _, status := range doubtfulStatuses {
		p, c := openPractice(t, nil)
		p.hold(status)
		booking, err := c.BookSlot(t.Context(), bookingParams())
		ends(t, booking, err, "unknown")
		saysStatus(t, err, true)
		p.sent(t, 0, 0)

		// What it takes to go on: the appointment is cancelled, or it stands.
		_, err = c.CancelBooking(t.Context(), "appt_1")
		noError(t, err)
		booking, err = c.BookSlot(t.Context(), bookingParams())
		ends(t, booking, err, "booked")
	}
	// One that stands is the booking, whatever there was before it.
	p, c := openPractice(t, nil)
	p.hold("declined").hold("scheduled")
	booking, err := c.BookSlot(t.Context(), bookingParams())
	ends(t, booking, err, "recovered")
}

// With a status that this version doesn't know, BookFirstAvailable stops, ResolveBooking
// settles nothing, and a rejection isn't believed.
func TestUnknownStatusLeavesTheOutcomeUnknown(t *testing.T) {
	t.Parallel()
	p, c := openPractice(t, nil)
	p.hold("declined")
	search := closure.SlotSearch{
		Schedules: []closure.ScheduleID{guide.schedule}, From: guide.start, To: guide.start.Add(time.Hour),
	}
	params := closure.BookFirstParams{PatientID: guide.patient, Search: search}
	booking, err := c.BookFirstAvailable(t.Context(), params)
	ends(t, booking, err, "unknown")
	p.sent(t, 0, 0)

	_, err = c.ResolveBooking(t.Context(), attemptAt(time.Hour), closure.AssumeLostAfter(time.Minute))
	isErrors(t, err, closure.ErrOutcomeUnknown)
	saysStatus(t, err, true)

	p, c = openPractice(t, func(g *gateway) {
		if g.books() {
			g.api()
			g.say(409, ownWord)
		}
	})
	p.status = "declined"
	booking, err = c.BookSlot(t.Context(), bookingParams())
	ends(t, booking, err, "unknown", closure.ErrConflict)
	saysStatus(t, err, true)
}

// So does the answer to a change, and the read after a rejection.
func TestStatusOfAChange(t *testing.T) {
	t.Parallel()
	for change := range changesOf(nil) {
		for _, rejected := range []bool{false, true} {
			for _, status := range doubtfulStatuses {
				t.Run(change, func(t *testing.T) {
					t.Parallel()
					p, c := openPractice(t, nil)
					p.hold("scheduled")
					p.gateway = func(g *gateway) {
						if strings.HasPrefix(g.URL.Path, "/appointments/") {
							if g.Method == "PATCH" {
								g.api()
							}
							p.mu.Lock()
							p.held[0].Status = status
							p.mu.Unlock()
							if g.Method == "POST" {
								g.say(map[bool]int{true: 422, false: 200}[rejected], show(closure.Appointment{ID: "appt_1"}))
							} else if g.Method == "PATCH" && rejected {
								g.say(422, ownWord)
							}
						}
					}
					_, err := changesOf(c)[change](p.untilSecondLook(t))
					isErrors(t, err, closure.ErrOutcomeUnknown)
					saysStatus(t, err, true)
				})
			}
		}
	}
	p, c := openPractice(t, nil)
	p.hold("canceled")
	p.gateway = func(g *gateway) {
		if strings.HasSuffix(g.URL.Path, "/cancel") {
			g.say(409, ownWord)
		}
	}
	_, err := c.CancelBooking(t.Context(), "appt_1")
	noError(t, err) // it is
}
