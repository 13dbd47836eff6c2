package closure_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// Two clicks share one booking, and nothing of it: what a caller does to its
// result, no other one sees. The race detector watches.
func TestResultsShareNothing(t *testing.T) {
	t.Parallel()
	expanded := `{"id":"` + string(guide.schedule) + `","scheduling_method":"direct_api",` +
		`"practitioner":{"id":"prac_1","languages":["English"]},"insurances":[{"id":"ins_1","display_name":"Aetna"}]}`
	for name, fail := range map[string]bool{"booked": false, "unknown": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c := openPractice(t, func(g *gateway) {
				switch {
				case g.books():
					time.Sleep(20 * time.Millisecond) // so that the others wait
					if fail {
						g.say(http.StatusBadGateway, `{"error_message":"down","detail":["down"]}`)
					}
				case fail && g.lists():
					g.say(http.StatusNotFound, "") // no list: nothing to wait for
				case g.Method == http.MethodGet && g.URL.Path == "/schedules/"+string(guide.schedule):
					g.say(200, expanded)
				}
			})
			var group sync.WaitGroup
			for range 6 {
				group.Go(func() {
					booking, err := c.BookSlot(t.Context(), bookingParams())
					if fail {
						spoilError(t, err)
					} else if err != nil {
						t.Error(err)
					} else {
						spoilBooking(t, booking)
					}
				})
			}
			group.Wait()
			if n := p.count("POST /appointments"); n != 1 {
				t.Errorf("%d requests to book", n)
			}
		})
	}
}

// spoilBooking changes all that a caller can reach, if nobody else has.
func spoilBooking(t *testing.T, b *closure.Booking) {
	s := b.Schedule
	if b.Appointment.ID != "appt_1" || b.Patient.LastName != "" || s.Insurances[0].ID != "ins_1" ||
		s.Insurances[0].Object.DisplayName != "Aetna" || s.Practitioner.Object.Languages[0] != "English" {
		t.Error("another caller has changed it")
	}
	b.Appointment.ID, b.Patient.LastName, b.Recovered = "appt_mine", "mine", false
	s.Insurances[0].ID, s.Insurances[0].Object.DisplayName, s.Practitioner.Object.Languages[0] = "ins_mine", "mine", "mine"
}

func spoilError(t *testing.T, err error) {
	var unknown *closure.OutcomeUnknownError
	var cause *closure.APIError
	if !errors.As(err, &unknown) || !errors.As(err, &cause) {
		t.Error(err)
		return
	}
	if cause.Message != "down" || cause.Detail[0] != "down" || unknown.Attempt.PatientID != guide.patient {
		t.Error("another caller has changed it")
	}
	cause.Message, cause.Detail[0], unknown.Attempt.PatientID, unknown.Err = "", "mine", "pt_mine", nil
	if unknown.SlotOpen != nil {
		*unknown.SlotOpen = !*unknown.SlotOpen
	}
}

// ownContext is a context of the caller's own, whose error nobody knows.
type ownContext struct {
	context.Context
	done chan struct{}
}

func (c ownContext) Done() <-chan struct{} { return c.done }
func (c ownContext) Err() error {
	select {
	case <-c.done:
		return errors.New("Trisha Pandit left")
	default:
		return nil
	}
}

// If a call gives up waiting for its turn, the error is a text of this package.
func TestContextOfTheCallersOwnEndsInTheQueue(t *testing.T) {
	t.Parallel()
	sent, release := make(chan struct{}), make(chan struct{})
	_, c := openPractice(t, func(g *gateway) {
		if g.books() {
			close(sent)
			<-release
		}
	})
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := c.BookSlot(t.Context(), bookingParams()); err != nil {
			t.Error(err)
		}
	})
	<-sent
	ctx := ownContext{t.Context(), make(chan struct{})}
	close(ctx.done)
	_, err := c.BookSlot(ctx, bookingParams())
	checkEnding(t, err)
	isErrors(t, err, closure.ErrOutcomeUnknown)
	close(release)
	group.Wait()
}
