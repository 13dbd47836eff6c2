package closure_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// The practice moves order 1's appointment to the start of order 2 while that is booked: if nobody
// knows whether the request was carried out, that appointment isn't what it made.

const lost = 15 * time.Minute

// bookedEarlier is order 1's appointment. It is an hour old, so that no later attempt can have made it.
func (c *sharedClinic) bookedEarlier() closure.AppointmentID {
	c.t.Helper()
	id := c.books(slotParamsFor("order 1"))
	time.Sleep(time.Hour)
	return id
}

// atBooking is a process in which meanwhile comes right before the nth request to book. It may answer
// in the API's place.
func (c *sharedClinic) atBooking(meanwhile func(n int, req *http.Request) *http.Response) *closure.Client {
	n := 0
	return c.process(closure.WithHTTPClient(&http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/appointments") {
			n++
			if resp := meanwhile(n, req); resp != nil {
				return resp, nil
			}
		}
		return c.Transport().RoundTrip(req)
	})}))
}

// movedWhileBooking books order 2 in a process. The practice moves the appointment to its start right
// before the request, which has these faults.
func (c *sharedClinic) movedWhileBooking(id closure.AppointmentID, faults ...closuretest.Fault) (*closure.Booking, error) {
	return c.atBooking(func(int, *http.Request) *http.Response {
		c.moves(c.Client(), id, 15)
		c.Inject(faults...)
		return nil
	}).BookSlot(c.t.Context(), laterParams("order 2"))
}

// tells checks whether a booking is the appointment.
func (c *sharedClinic) tells(id closure.AppointmentID, want bool) func(*closure.Booking, error) {
	c.t.Helper()
	return func(booking *closure.Booking, err error) {
		c.t.Helper()
		if c.booked(booking, err, true); (booking.Appointment.ID == id) != want {
			c.t.Errorf("told %s, and %s is order 1's", booking.Appointment.ID, id)
		}
	}
}

func TestBookingThatIsCarriedOutBesideAMovedOne(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		first := c.bookedEarlier()
		_, err := c.movedWhileBooking(first, closuretest.CommitLate(create, time.Minute))
		isUnknown(t, err)
		time.Sleep(2 * time.Minute)
		c.tells(first, false)(c.process().BookSlot(t.Context(), laterParams("order 2")))
		c.keeps(first)
		c.standing(2)
	}, closuretest.WithClock(time.Now), closuretest.AllowDuplicates())
}

// After a 429 of the API the request was sent again.
func TestBookingThatIsSentAgainBesideAMovedOne(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		first := c.bookedEarlier()
		_, err := c.atBooking(func(n int, _ *http.Request) *http.Response {
			if n == 1 {
				c.Inject(closuretest.Status(create, http.StatusTooManyRequests))
				return nil
			}
			c.moves(c.Client(), first, 15)
			c.Inject(closuretest.CommitLate(create, time.Minute))
			return nil
		}).BookSlot(t.Context(), laterParams("order 2"))
		isUnknown(t, err)
	}, closuretest.WithClock(time.Now), closuretest.AllowDuplicates())
}

// A gateway's 429 says nothing of the first request, which is carried out later. That the API refuses
// the second doesn't settle it.
func TestRefusalAfterAGatewaysAnswerBesideAMovedOne(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		first := c.bookedEarlier()
		_, err := c.atBooking(func(n int, req *http.Request) *http.Response {
			if n == 1 {
				c.Inject(closuretest.CommitLate(create, time.Minute))
				_, _ = c.Transport().RoundTrip(req)
				return newResponse(http.StatusTooManyRequests, "slow down")
			}
			c.moves(c.Client(), first, 15)
			return nil
		}).BookSlot(t.Context(), laterParams("order 2"))
		isUnknown(t, err)
	}, closuretest.WithClock(time.Now))
}

// A gateway's refusal says nothing of the request, either.
func TestGatewaysRefusalBesideAMovedOne(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		first := c.bookedEarlier()
		_, err := c.atBooking(func(_ int, req *http.Request) *http.Response {
			c.moves(c.Client(), first, 15)
			c.Inject(closuretest.CommitLate(create, time.Minute))
			_, _ = c.Transport().RoundTrip(req)
			return newResponse(http.StatusForbidden, "blocked")
		}).BookSlot(t.Context(), laterParams("order 2"))
		isUnknown(t, err)
	}, closuretest.WithClock(time.Now), closuretest.AllowDuplicates())
}

// A lost attempt is settled by its own appointment, and else by the one that stands there.
func TestLostBookingBesideAMovedOne(t *testing.T) {
	for _, standing := range []int{1, 2} {
		t.Run(fmt.Sprint(standing), func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				first := c.bookedEarlier()
				_, err := c.movedWhileBooking(first, map[int]closuretest.Fault{
					1: closuretest.DropBefore(create), 2: closuretest.CommitLate(create, time.Minute),
				}[standing])
				isUnknown(t, err)
				time.Sleep(time.Hour)
				c.tells(first, standing == 1)(
					c.process().BookSlot(t.Context(), laterParams("order 2"), closure.AssumeLostAfter(lost)))
				c.standing(standing)
			}, closuretest.WithClock(time.Now), closuretest.AllowDuplicates())
		})
	}
}

// Either of the two has a status that isn't known.
func TestLostBookingBesideAMovedOneOfADoubtfulStatus(t *testing.T) {
	for doubtful := range 2 {
		t.Run(fmt.Sprint(doubtful), func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				_, err := c.movedWhileBooking(c.bookedEarlier(), closuretest.CommitLate(create, time.Minute))
				isUnknown(t, err)
				time.Sleep(time.Hour)
				declined := c.Appointments()[doubtful]
				declined.Status = "declined"
				c.AddAppointment(declined)
				booking, err := c.process().BookSlot(t.Context(), laterParams("order 2"), closure.AssumeLostAfter(lost))
				if doubtful == 0 {
					c.booked(booking, err, true)
				} else {
					isUnknown(t, err)
				}
			}, closuretest.WithClock(time.Now), closuretest.AllowDuplicates())
		})
	}
}

// The journal can't say for a moment whose the second of the two is.
func TestLostBookingBesideAMovedOneWhileTheJournalFails(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		first := c.bookedEarlier()
		_, err := c.movedWhileBooking(first, closuretest.CommitLate(create, time.Minute))
		isUnknown(t, err)
		time.Sleep(time.Hour)
		journal, asked := &findingJournal{Journal: c.journal}, 0
		journal.before = func() {
			if asked++; asked == 2 {
				c.journal.Inject(closuretest.JournalFailsBefore(closuretest.JournalFindAppointment))
			}
		}
		c.tells(first, false)(c.Client(closure.WithJournal(journal)).BookSlot(
			t.Context(), laterParams("order 2"), closure.AssumeLostAfter(lost)))
	}, closuretest.WithClock(time.Now), closuretest.AllowDuplicates())
}

// What the attempt made was moved away, too: it stays unknown, as without the other one.
func TestLostBookingThatWasMovedAwayBesideAMovedOne(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		first := c.bookedEarlier()
		own := c.leavesUnrecorded(laterParams("order 2"))
		c.moves(c.Client(), own, 16)
		c.moves(c.Client(), first, 15)
		time.Sleep(time.Hour)
		_, err := c.process().BookSlot(t.Context(), laterParams("order 2"), closure.AssumeLostAfter(lost))
		isUnknown(t, err)
		if !strings.Contains(err.Error(), "give KnownCancelled its id") {
			t.Error(err)
		}
	}, closuretest.WithClock(time.Now))
}

// What the API itself refused it didn't make.
func TestRefusedBookingBesideAMovedOne(t *testing.T) {
	t.Run("alone", func(t *testing.T) {
		inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
			first := c.bookedEarlier()
			c.tells(first, true)(c.movedWhileBooking(first))
			c.standing(1)
		}, closuretest.WithClock(time.Now))
	})
	t.Run("but its own stands there, too", func(t *testing.T) {
		inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
			first := c.bookedEarlier()
			c.tells(first, false)(c.movedWhileBooking(first, closuretest.StatusAfter(create, http.StatusBadRequest)))
		}, closuretest.WithClock(time.Now), closuretest.AllowDuplicates())
	})
	t.Run("by a read that lags", func(t *testing.T) {
		inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
			c.moves(c.process(), c.bookedEarlier(), 15)
			time.Sleep(time.Second)
			_, err := c.atBooking(func(int, *http.Request) *http.Response {
				c.lags()
				c.Inject(closuretest.Status(create, http.StatusConflict))
				return nil
			}).BookSlot(t.Context(), slotParamsFor("order 3"))
			isUnknown(t, err)
		}, closuretest.WithClock(time.Now))
	})
	t.Run("of a search with a key, while the list can't be read", func(t *testing.T) {
		inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
			id := c.books(laterParams("order 1"))
			time.Sleep(time.Hour)
			_, err := c.atBooking(func(int, *http.Request) *http.Response {
				c.moves(c.Client(), id, 9)
				c.Inject(always(closuretest.Status("appointments.list", http.StatusForbidden)))
				return nil
			}).BookFirstAvailable(t.Context(), firstParamsFor("order 2"))
			isUnknown(t, err)
		}, closuretest.WithClock(time.Now))
	})
	t.Run("of a search with a key, which takes the next slot", func(t *testing.T) {
		inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
			id := c.books(laterParams("order 1"))
			time.Sleep(time.Hour)
			booking, err := c.atBooking(func(n int, _ *http.Request) *http.Response {
				if n == 1 {
					c.moves(c.Client(), id, 9)
				}
				return nil
			}).BookFirstAvailable(t.Context(), firstParamsFor("order 2"))
			if c.booked(booking, err, false); booking.Appointment.ID == id {
				t.Error("told the appointment of order 1")
			}
		}, closuretest.WithClock(time.Now))
	})
}

// Another key that only found an appointment didn't make it.
func TestUnsettledBookingThatAnotherKeyFound(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		own := c.leavesUnrecorded(slotParamsFor("order 1"))
		c.moves(c.Client(), own, 15)
		booking, err := c.process().BookSlot(t.Context(), laterParams("order 2"))
		c.booked(booking, err, true)
		c.moves(c.Client(), own, 9)
		c.keeps(own)
		c.moves(c.Client(), own, 16)
		time.Sleep(time.Hour)
		c.keeps(own)
		c.sentBookings(1)
	}, closuretest.WithClock(time.Now))
}

// An attempt of a client without a journal has no ID.
func TestStoredAttemptBesideAMovedOne(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		first := c.bookedEarlier()
		c.Inject(closuretest.CommitLate(create, time.Minute))
		_, err := c.Client().BookSlot(t.Context(), laterParams(""))
		attempt := isUnknown(t, err)
		c.moves(c.Client(), first, 15)
		_, err = c.process().ResolveBooking(t.Context(), attempt)
		isUnknown(t, err)
		time.Sleep(2 * time.Minute)
		c.tells(first, false)(c.process().ResolveBooking(t.Context(), attempt))
	}, closuretest.WithClock(time.Now), closuretest.AllowDuplicates())
}

// A move to where the appointment is already, and another booking is pending.
func TestMoveToWhereItIsBesideAPendingBooking(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		first := c.bookedEarlier()
		c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), laterParams("order 2")) })
		c.moves(c.Client(), first, 15)
		c.moves(c.process(), first, 15)
	}, closuretest.WithClock(time.Now))
}

// Nothing was sent yet, so that what the practice has just booked and moved can't be what was made.
func TestBookingWhereOneWasMovedBesideANewOne(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		first := c.bookedEarlier()
		c.moves(c.Client(), first, 15)
		c.moves(c.Client(), c.phonesFor(clinicSlot(16)), 17)
		c.tells(first, true)(c.process().BookSlot(t.Context(), laterParams("order 2")))
	}, closuretest.WithClock(time.Now))
}

// The answer confirmed it, whatever the API's clock says: that the journal fails is no reason to deny it.
func TestConfirmedBookingThatTheJournalCanNotRecord(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		c.leavesUnrecorded(slotParamsFor("order 1"))
	}, closuretest.WithClock(func() time.Time { return time.Now().Add(-time.Hour) }))
}

// If the journal can't record that an older appointment is the booking, nothing else would say so.
func TestMovedOneThatTheJournalCanNotRecord(t *testing.T) {
	settle := map[string]func(*sharedClinic) error{
		"BookSlot": func(c *sharedClinic) error {
			_, err := c.process().BookSlot(c.t.Context(), laterParams("order 2"), closure.AssumeLostAfter(lost))
			return err
		},
		"ResolvePending": func(c *sharedClinic) (err error) {
			for resolution := range c.process().ResolvePending(c.t.Context(), closure.AssumeLostAfter(lost)) {
				err = resolution.Err
			}
			return err
		},
	}
	for name, act := range settle {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				first := c.bookedEarlier()
				c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), laterParams("order 2")) })
				c.moves(c.Client(), first, 15)
				time.Sleep(time.Hour)
				c.journal.Inject(closuretest.JournalFailsBefore(closuretest.JournalFinish))
				if err := act(c); !errors.Is(err, closuretest.ErrJournal) {
					t.Error(err)
				}
				c.tells(first, true)(
					c.process().BookSlot(t.Context(), laterParams("order 2"), closure.AssumeLostAfter(lost)))
			}, closuretest.WithClock(time.Now))
		})
	}
	t.Run("refused", func(t *testing.T) {
		inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
			first := c.bookedEarlier()
			c.journal.Inject(closuretest.JournalFailsBefore(closuretest.JournalFinish))
			_, err := c.movedWhileBooking(first)
			isJournalError(t, err)
		}, closuretest.WithClock(time.Now))
	})
}
