package closure_test

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// What the practice books and moves by itself is in no journal. It must not be taken for what a
// client attempted.

// phones books the start of slotParamsFor for the patient, as the practice does by phone.
func (c *sharedClinic) phones() closure.AppointmentID { return c.phonesFor(slotParamsFor("").StartAt) }

func (c *sharedClinic) phonesFor(start time.Time) closure.AppointmentID {
	return c.shownAs(closure.AppointmentScheduled, start)
}

// phonesAndMoves leaves what the practice booked by phone, and moved to this start.
func (c *sharedClinic) phonesAndMoves(start time.Time) closure.AppointmentID {
	return c.shownAs(closure.AppointmentRescheduled, start)
}

func (c *sharedClinic) shownAs(status closure.AppointmentStatus, start time.Time) closure.AppointmentID {
	params := slotParamsFor("")
	return c.AddAppointment(closure.Appointment{
		ScheduleID: params.ScheduleID, PatientID: params.PatientID, StartAt: start,
		Duration: params.Duration, Status: status,
	}).ID
}

// leavesUnrecorded books, and the journal can't record it.
func (c *sharedClinic) leavesUnrecorded(params closure.BookSlotParams) closure.AppointmentID {
	c.t.Helper()
	c.journal.Inject(closuretest.JournalFailsBefore(closuretest.JournalFinish))
	return c.books(params)
}

// movesOn books order 1 and, later in the day, order 2. The practice, which is late, moves each
// appointment on, the first to where the second was.
func (c *sharedClinic) movesOn() (first, second closure.AppointmentID) {
	c.t.Helper()
	first, second = c.books(slotParamsFor("order 1")), c.books(laterParams("order 2"))
	time.Sleep(48 * time.Hour)
	c.moves(c.Client(), second, 16)
	c.moves(c.Client(), first, 15)
	return first, second
}

// lags lets reads of appointments show what was a minute ago.
func (c *sharedClinic) lags() {
	for _, op := range []string{"appointments.get", "appointments.list"} {
		c.Inject(always(closuretest.Stale(op, time.Minute)))
	}
}

// keeps checks that order 1 still gets this appointment.
func (c *sharedClinic) keeps(id closure.AppointmentID) {
	c.t.Helper()
	booking, err := c.process().BookSlot(c.t.Context(), slotParamsFor("order 1"))
	if c.booked(booking, err, true); booking.Appointment.ID != id {
		c.t.Errorf("%s, want %s", booking.Appointment.ID, id)
	}
}

// refusesMove tries to move an appointment to where another one is, or may be.
func (c *sharedClinic) refusesMove(client *closure.Client, id closure.AppointmentID) {
	c.t.Helper()
	to := closure.AppointmentRescheduleParams{StartAt: slotParamsFor("").StartAt}
	if _, err := client.RescheduleBooking(c.t.Context(), id, to); !errors.Is(err, closure.ErrSlotUnavailable) {
		c.t.Error(err)
	}
}

// pending is which of the journal's attempts are pending.
func (c *sharedClinic) pending() (attempts []string) {
	for _, entry := range c.journal.Entries() {
		if entry.State == closure.JournalPending {
			attempts = append(attempts, entry.Attempt.ID)
		}
	}
	return attempts
}

// beginsMove leaves a move of another appointment pending.
func (c *sharedClinic) beginsMove(to time.Time) error {
	attempt := closure.NewBookingAttempt(slotParamsFor(""))
	attempt.StartAt, attempt.AppointmentID = to, "appt_another"
	return c.beginsAttempt(attempt)
}

// paramsAt10 is a start that is not open.
func paramsAt10(key string) closure.BookSlotParams { return paramsAt(10, key) }

// givesUp settles what is pending as not booked.
func (c *sharedClinic) givesUp(opts ...closure.CallOption) {
	c.t.Helper()
	for resolution := range c.process().ResolvePending(c.t.Context(), opts...) {
		if !errors.Is(resolution.Err, closure.ErrNotBooked) {
			c.t.Error(resolution.Err)
		}
	}
}

func TestChangeOfWhatThePracticeBookedAtTheSameStart(t *testing.T) {
	for name, change := range map[string]func(*sharedClinic, closure.AppointmentID){
		"cancelled": func(c *sharedClinic, id closure.AppointmentID) {
			_, err := c.process().CancelBooking(c.t.Context(), id)
			noError(c.t, err)
		},
		"moved": func(c *sharedClinic, id closure.AppointmentID) { c.moves(c.process(), id, 15) },
	} {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				own := c.leavesUnrecorded(slotParamsFor("order 1"))
				byPhone := c.phones()
				time.Sleep(10 * time.Minute)
				if name == "moved" {
					to := closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)}
					_, err := c.process().RescheduleBooking(t.Context(), byPhone, to)
					if isJournalError(t, err); !strings.Contains(err.Error(), "two appointments that an attempt may have made") {
						t.Error(err)
					}
					for _, err := range c.process().ResolvePending(t.Context()) {
						noError(t, err)
					}
				}
				change(c, byPhone)
				c.keeps(own)
				c.sentBookings(1)
			}, closuretest.AllowDuplicates())
		})
	}
}

// The practice's appointment is the only one to be seen while the booking's request is under way.
func TestCancellationWhileABookingIsUnderWay(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		arrived, goOn := make(chan struct{}), make(chan struct{})
		slow := closure.WithHTTPClient(&http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost {
				close(arrived)
				<-goOn
			}
			return c.Transport().RoundTrip(req)
		})})
		first := make(chan *closure.Booking, 1)
		go func() {
			booking, err := c.process(slow).BookSlot(t.Context(), slotParamsFor("order 1"))
			noError(t, err)
			first <- booking
		}()
		<-arrived
		_, err := c.process().CancelBooking(t.Context(), c.phones())
		noError(t, err)
		c.holds(closure.JournalPending)
		_, err = c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		isUnknown(t, err)
		close(goOn)
		if booking := <-first; booking == nil {
			t.Fatal("not booked")
		}
		c.sentBookings(1)
		c.standing(1)
		c.holds(closure.JournalBooked)
	}, closuretest.AllowDuplicates())
}

// A pending move to a start isn't settled by another appointment that is there.
func TestCancellationOfWhatStandsWhereAnotherIsToBeMoved(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(laterParams("order 1"))
		to := closure.AppointmentRescheduleParams{StartAt: slotParamsFor("").StartAt}
		c.crashes(false, func(p *closure.Client) { _, _ = p.RescheduleBooking(t.Context(), id, to) })
		time.Sleep(10 * time.Minute)
		_, err := c.process().CancelBooking(t.Context(), c.phones())
		noError(t, err)
		c.holds(closure.JournalBooked, closure.JournalPending)
	}, closuretest.AllowDuplicates())
}

// showsOpen has the API show a start as open that is taken.
func (c *sharedClinic) showsOpen(hour int, duration string) closure.Option {
	return c.reads(func(path string, status int, body string) (int, string) {
		if strings.HasSuffix(path, string(clinicIDs[0])+"/slots") {
			slot := `[{"start_at": "` + clinicSlot(hour).Format(time.RFC3339) + `"` + duration + `},`
			body = strings.Replace(body, "[", slot, 1)
		}
		return status, body
	})
}

// The practice moved what another order booked. That order keeps it.
func TestFirstAvailablePassesOverWhatAnotherKeyHas(t *testing.T) {
	for name, duration := range map[string]string{"the slot has a duration": `, "duration": 20`, "the slot has none": ""} {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				id := c.books(laterParams("order 1"))
				time.Sleep(48 * time.Hour)
				c.moves(c.Client(), id, 9)
				time.Sleep(48 * time.Hour)
				booking, err := c.process(c.showsOpen(9, duration)).BookFirstAvailable(t.Context(), firstParamsFor("order 2"))
				if c.booked(booking, err, false); booking.Appointment.ID == id {
					t.Error("order 2 got the appointment of order 1")
				}
				c.standing(2)
			})
		})
	}
}

// The practice moved an appointment, and its record doesn't say where to.
func TestMovedAppointmentThatIsPartlyShown(t *testing.T) {
	for _, tt := range []struct {
		name   string
		field  string
		list   func(body string) (status int, changed string)
		booked bool
	}{
		{"the list shows its start", "start_at", func(body string) (int, string) { return http.StatusOK, body }, true},
		{"nothing shows its start", "start_at", func(body string) (int, string) {
			return http.StatusOK, strings.ReplaceAll(body, "start_at", "other")
		}, false},
		{"nothing shows its schedule", "schedule_id", func(body string) (int, string) {
			return http.StatusOK, strings.ReplaceAll(body, "schedule_id", "other")
		}, false},
		{"there is no list", "start_at", func(string) (int, string) { return http.StatusNotFound, "" }, false},
		{"the list doesn't hold it", "start_at", func(string) (int, string) { return http.StatusOK, "[]" }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				id := c.books(slotParamsFor("order 1"))
				time.Sleep(48 * time.Hour)
				c.moves(c.Client(), id, 15)
				time.Sleep(48 * time.Hour)
				partly := c.reads(func(path string, status int, body string) (int, string) {
					switch {
					case path == "/appointments":
						return tt.list(body)
					case strings.HasPrefix(path, "/appointments/"):
						body = strings.ReplaceAll(body, tt.field, "other")
					}
					return status, body
				})
				booking, err := c.process(partly).BookSlot(t.Context(), slotParamsFor("order 1"))
				if !tt.booked {
					isUnknown(t, err)
				} else if c.booked(booking, err, true); !booking.Appointment.StartAt.Equal(clinicSlot(15)) {
					t.Errorf("told %v", booking.Appointment.StartAt)
				}
				c.sentBookings(1)
			})
		})
	}
}

// The practice moved an appointment before it was known that it was made.
func TestUnsettledBookingThatThePracticeMoved(t *testing.T) {
	clock := closuretest.WithClock(time.Now)
	lost := closure.AssumeLostAfter(15 * time.Minute)
	t.Run("with a journal", func(t *testing.T) {
		inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
			c.phonesFor(clinicSlot(10))
			id := c.leavesUnrecorded(slotParamsFor("order 1"))
			c.moves(c.Client(), id, 15)
			time.Sleep(20 * time.Minute)
			for resolution := range c.process().ResolvePending(t.Context(), lost) {
				isUnknown(t, resolution.Err)
			}
			begin := time.Now()
			_, err := c.process(lost).BookSlot(t.Context(), slotParamsFor("order 1"))
			if took := time.Since(begin); took > time.Second {
				t.Errorf("it waited %v for what doesn't change", took)
			}
			if isUnknown(t, err); !strings.Contains(err.Error(), "one that may be it and was moved") {
				t.Error(err)
			}
			c.journal.Inject(closuretest.JournalFailsBefore(closuretest.JournalFindAppointment))
			for resolution := range c.process().ResolvePending(t.Context(), lost) {
				if isUnknown(t, resolution.Err); !errors.Is(resolution.Err, closuretest.ErrJournal) {
					t.Error(resolution.Err)
				}
			}
			c.sentBookings(1)

			// The way out, for who knows that it is another one.
			booking, err := c.process(lost, closure.KnownCancelled(id)).BookSlot(t.Context(), slotParamsFor("order 1"))
			c.booked(booking, err, false)
		}, clock)
	})
	t.Run("with a journal that holds the one that was moved", func(t *testing.T) {
		inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
			c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), slotParamsFor("order 1")) })
			c.moves(c.Client(), c.books(laterParams("order 2")), 16)
			time.Sleep(20 * time.Minute)
			c.givesUp(lost)
		}, clock)
	})
	t.Run("a move that was lost", func(t *testing.T) {
		inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
			id := c.phones()
			c.moves(c.Client(), id, 16)
			c.leavesMoveTo15(id)
			time.Sleep(20 * time.Minute)
			c.givesUp(lost)
		}, clock)
	})
	t.Run("without a journal", func(t *testing.T) {
		t.Parallel()
		for _, tt := range []struct {
			name      string
			made      time.Duration // after the attempt
			hidden    bool          // when it was made isn't shown
			status    string        // rescheduled, if it is empty
			elsewhere bool          // it is on another schedule
			notBooked bool
		}{
			{name: "made then"},
			{name: "made a little before, by another clock", made: -5 * time.Minute},
			{name: "made a little later", made: 20 * time.Minute},
			{name: "with a status of a later version", status: "declined"},
			{name: "it isn't shown when", hidden: true, notBooked: true},
			{name: "made too late", made: 20*time.Minute + 1, notBooked: true},
			{name: "made too early", made: -5*time.Minute - 1, notBooked: true},
			{name: "cancelled", status: "cancelled", notBooked: true},
			{name: "on another schedule", elsewhere: true, notBooked: true},
			{name: "never moved", status: "scheduled", notBooked: true},
		} {
			synctest.Test(t, func(t *testing.T) {
				attempt := closure.NewBookingAttempt(slotParamsFor(""))
				attempt.ID = ""
				status, created := cmp.Or(tt.status, "rescheduled"), attempt.AttemptedAt.Add(tt.made).Format(time.RFC3339Nano)
				list := `[{"id": "appt_moved", "schedule_id": "` + string(attempt.ScheduleID) + `", "patient_id": "` + string(attempt.PatientID) +
					`", "status": "` + status + `", "start_at": "2022-06-01T10:00:00Z", "duration": 20, "created_at": "` + created + `"}]`
				if tt.elsewhere {
					list = strings.Replace(list, string(attempt.ScheduleID), "sch_another", 1)
				}
				if tt.hidden {
					list = strings.Replace(list, "created_at", "other", 1)
				}
				api := closure.WithHTTPClient(&http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
					if strings.HasSuffix(req.URL.Path, "/slots") {
						return newResponse(http.StatusOK, "[]"), nil
					}
					return newResponse(http.StatusOK, list), nil
				})})
				client, err := closure.NewClient(closure.QuickstartKey, api)
				noError(t, err)
				time.Sleep(20 * time.Minute)
				_, err = client.ResolveBooking(t.Context(), attempt, lost)
				if notBooked := errors.Is(err, closure.ErrNotBooked); notBooked != tt.notBooked || closure.OutcomeOf(err) == closure.OutcomeNotSent {
					t.Errorf("%s: %v", tt.name, err)
				}
			})
		}
	})
}

// What the practice moved before it was settled is moved back to its start, and keeps its key.
func TestMoveBackOfAnUnsettledBooking(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.leavesUnrecorded(slotParamsFor("order 1"))
		c.moves(c.Client(), id, 15)
		time.Sleep(20 * time.Minute)
		c.moves(c.process(closure.AssumeLostAfter(15*time.Minute)), id, 9)
		c.keeps(id)
		c.holds(closure.JournalBooked)
	}, closuretest.WithClock(time.Now))
}

// What is moved to where a pending booking was to be was that one's, also if it was made late.
func TestMoveBackOfAnUnsettledBookingThatWasMadeLate(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		noError(t, c.begins(slotParamsFor("order 1")))
		time.Sleep(10 * time.Minute)
		id := c.phonesAndMoves(clinicSlot(15))
		time.Sleep(10 * time.Minute)
		c.moves(c.process(closure.AssumeLostAfter(15*time.Minute)), id, 9)
		c.keeps(id)
	}, closuretest.WithClock(time.Now))
}

// What the practice moved before it was settled is moved on, and keeps its key.
func TestMoveOfAnUnsettledBooking(t *testing.T) {
	clock, lost := closuretest.WithClock(time.Now), closure.AssumeLostAfter(15*time.Minute)
	t.Run("by its key it is found", func(t *testing.T) {
		inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
			another := slotParamsFor("order 2")
			another.PatientID = "pt_another"
			noError(t, c.begins(another))
			id := c.leavesUnrecorded(slotParamsFor("order 1"))
			c.moves(c.Client(), id, 15)
			time.Sleep(48 * time.Hour)
			noError(t, c.begins(paramsAt10("order 3"))) // which can't have made it
			noError(t, c.beginsMove(clinicSlot(11)))
			c.moves(c.process(), id, 16)
			c.keeps(id)
			c.sentBookings(1)
		}, clock)
	})
	for name, prepare := range map[string]func(*sharedClinic) closure.AppointmentID{
		"two attempts may have made it": func(c *sharedClinic) closure.AppointmentID {
			noError(c.t, c.begins(paramsAt10("order 2")))
			id := c.leavesUnrecorded(slotParamsFor("order 1"))
			c.moves(c.Client(), id, 15)
			return id
		},
		"the attempt may have made another one": func(c *sharedClinic) closure.AppointmentID {
			c.phonesAndMoves(clinicSlot(10))
			id := c.leavesUnrecorded(slotParamsFor("order 1"))
			c.moves(c.Client(), id, 15)
			return id
		},
		"the journal holds it": func(c *sharedClinic) closure.AppointmentID {
			id := c.books(laterParams("order 2"))
			c.moves(c.Client(), id, 9)
			noError(c.t, c.begins(paramsAt10("order 1")))
			return id
		},
		"another one was to be moved": func(c *sharedClinic) closure.AppointmentID {
			c.leavesMoveTo15(c.phonesFor(clinicSlot(10)))
			return c.phonesAndMoves(clinicSlot(9))
		},
		"another attempt is under way": func(c *sharedClinic) closure.AppointmentID {
			noError(c.t, c.begins(slotParamsFor("order 1")))
			id := c.phonesAndMoves(clinicSlot(15))
			time.Sleep(4 * time.Minute)
			noError(c.t, c.begins(paramsAt10("order 2")))
			return id
		},
		"another attempt was on another schedule": func(c *sharedClinic) closure.AppointmentID {
			noError(c.t, c.begins(slotParamsFor("order 1")))
			another := paramsAt10("order 2")
			another.ScheduleID = "sch_another"
			noError(c.t, c.begins(another))
			return c.phonesAndMoves(clinicSlot(15))
		},
		"it was made too late for the attempt": func(c *sharedClinic) closure.AppointmentID {
			noError(c.t, c.begins(slotParamsFor("order 1")))
			time.Sleep(10 * time.Minute)
			return c.phonesAndMoves(clinicSlot(15))
		},
		"it is confirmed, and was perhaps not moved": func(c *sharedClinic) closure.AppointmentID {
			noError(c.t, c.begins(slotParamsFor("order 1")))
			return c.shownAs("confirmed", clinicSlot(15))
		},
		"it was made long before": func(c *sharedClinic) closure.AppointmentID {
			id := c.phonesAndMoves(clinicSlot(10))
			time.Sleep(time.Hour)
			noError(c.t, c.begins(slotParamsFor("order 1")))
			return id
		},
	} {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				id := prepare(c)
				time.Sleep(20 * time.Minute)
				before := c.pending()
				c.moves(c.process(lost), id, 16)
				equal(t, "pending", c.pending(), before)
			}, clock)
		})
	}
	t.Run("what it made may not show yet", func(t *testing.T) {
		inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
			id := c.leavesUnrecorded(slotParamsFor("order 1"))
			c.moves(c.Client(), id, 15)
			time.Sleep(14 * time.Minute)
			c.moves(c.process(lost), id, 16)
			c.holds(closure.JournalPending, closure.JournalBooked)
		}, clock)
	})
	t.Run("nothing is sent while it can't be found out", func(t *testing.T) {
		inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
			c.journal.Inject(closuretest.JournalFailsBefore(closuretest.JournalPending))
			id := c.phones()
			c.moves(c.process(), id, 15) // it isn't asked: nobody moved this one
			c.moves(c.process(), id, 9)  // and the journal holds it now
			id = c.phonesAndMoves(clinicSlot(10))
			noError(t, c.begins(laterParams("order 1")))
			time.Sleep(3 * time.Minute)
			lost := closure.AssumeLostAfter(2 * time.Minute)
			move := func(client *closure.Client) error {
				_, err := client.RescheduleBooking(t.Context(), id, closure.AppointmentRescheduleParams{StartAt: clinicSlot(16)})
				return err
			}
			isJournalError(t, move(c.process(lost)))
			asked := 0
			isJournalError(t, move(c.Client(lost, closure.WithJournal(&findingJournal{c.journal, func() {
				if asked++; asked == 2 {
					c.journal.Inject(closuretest.JournalFailsBefore(closuretest.JournalFindAppointment))
				}
			}}))))
			err := move(c.process(lost, c.lists(func(string) (int, string) { return http.StatusInternalServerError, "" })))
			if e, ok := errors.AsType[*closure.APIError](err); !ok || e.StatusCode != http.StatusInternalServerError {
				t.Error(err)
			}
			c.moves(c.process(), id, 16)
		}, clock)
	})
}

// A list that lags, or hides much, shows an appointment that was cancelled. It isn't another one that
// a pending attempt may have made.
func TestMoveBesideACancelledAppointment(t *testing.T) {
	for name, tt := range map[string]struct {
		by    func(c *sharedClinic) *closure.Client
		shown *strings.Replacer // the list
	}{
		"cancelled through the journal, still shown": {
			func(c *sharedClinic) *closure.Client { return c.process() }, strings.NewReplacer("cancelled", "scheduled"),
		},
		"cancelled by the practice, hardly shown": {
			func(c *sharedClinic) *closure.Client { return c.Client() }, strings.NewReplacer("cancelled", "", "start_at", "other"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				_, err := tt.by(c).CancelBooking(t.Context(), c.phones())
				noError(t, err)
				id := c.leavesUnrecorded(slotParamsFor("order 1"))
				list := c.lists(func(body string) (int, string) { return http.StatusOK, tt.shown.Replace(body) })
				c.moves(c.process(list), id, 15)
				c.keeps(id)
			})
		})
	}
}

// A pending booking of the start is another one's, and keeps its key.
func TestMoveToWhereAnotherBookingIsPending(t *testing.T) {
	moved := func(c *sharedClinic) closure.AppointmentID { // by the practice
		id := c.phones()
		c.moves(c.Client(), id, 15)
		return id
	}
	for name, prepare := range map[string]func(*sharedClinic) closure.AppointmentID{
		"it is under way": func(c *sharedClinic) closure.AppointmentID {
			id := moved(c)
			noError(c.t, c.begins(slotParamsFor("order 1")))
			return id
		},
		"the appointment is older": func(c *sharedClinic) closure.AppointmentID {
			id := moved(c)
			time.Sleep(48 * time.Hour)
			noError(c.t, c.begins(slotParamsFor("order 1")))
			time.Sleep(20 * time.Minute)
			return id
		},
		"the journal holds the appointment": func(c *sharedClinic) closure.AppointmentID {
			id := c.books(laterParams("order 2"))
			c.moves(c.process(), id, 16)
			noError(c.t, c.begins(slotParamsFor("order 1")))
			time.Sleep(20 * time.Minute)
			return id
		},
		"another appointment is to be moved there": func(c *sharedClinic) closure.AppointmentID {
			id := moved(c)
			noError(c.t, c.beginsMove(clinicSlot(9)))
			time.Sleep(20 * time.Minute)
			return id
		},
		"the practice moved two": func(c *sharedClinic) closure.AppointmentID {
			c.phonesFor(clinicSlot(10)) // which is neither
			c.moves(c.Client(), c.phones(), 16)
			id := moved(c)
			noError(c.t, c.begins(slotParamsFor("order 1")))
			time.Sleep(20 * time.Minute)
			return id
		},
	} {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				c.refusesMove(c.process(), prepare(c))
				for _, entry := range c.journal.Entries() {
					if entry.Attempt.StartAt.Equal(clinicSlot(9)) && entry.State != closure.JournalPending {
						t.Error("the booking is no longer pending")
					}
				}
			}, closuretest.WithClock(time.Now))
		})
	}
}

// What stands at the start is the pending booking's, whatever is moved there.
func TestMoveToWhereAnUnrecordedBookingStands(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		own := c.leavesUnrecorded(slotParamsFor("order 1"))
		other := c.phonesFor(clinicSlot(15))
		c.moves(c.Client(), other, 16)
		time.Sleep(20 * time.Minute)
		c.refusesMove(c.process(), other)
		c.keeps(own)
	}, closuretest.WithClock(time.Now))
}

// Without a list, what stands where a pending booking would have it is that booking's, and what was
// moved may be another one's.
func TestMoveWithoutAList(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		noList := c.lists(func(string) (int, string) { return http.StatusNotFound, "" })
		id := c.leavesUnrecorded(slotParamsFor("order 1"))
		c.moves(c.process(noList), id, 15)
		c.keeps(id)
		id = c.leavesUnrecorded(slotParamsFor("order 2"))
		c.moves(c.Client(), id, 16)
		time.Sleep(20 * time.Minute)
		c.refusesMove(c.process(noList), id)
	}, closuretest.WithClock(time.Now))
}

// A reinstated appointment that no read can lag behind any more is the patient's, also to a walk.
func TestFirstAvailableFindsWhatWasReinstated(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.reinstatedLongAgo()
		booking, err := c.process(c.showsOpen(9, "")).BookFirstAvailable(t.Context(), firstParamsFor("order 2"))
		if c.booked(booking, err, true); booking.Appointment.ID != id {
			t.Errorf("%s, want %s", booking.Appointment.ID, id)
		}
	})
}

// The practice moves an appointment, and it is moved back through the SDK. A read that lags shows it
// where the practice had moved it.
func TestBookingWhereAnAppointmentWasMovedBack(t *testing.T) {
	for _, key := range []string{"", "order 1", "order 2"} {
		t.Run(key, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				id := c.books(slotParamsFor("order 1"))
				time.Sleep(time.Hour)
				c.moves(c.Client(), id, 15)
				time.Sleep(time.Hour)
				c.moves(c.process(), id, 9)
				time.Sleep(time.Second)
				c.lags()
				_, err := c.process().BookSlot(t.Context(), slotParamsFor(key))
				isUnknown(t, err)
				c.ClearFaults()
				c.keeps(id)
				c.standing(1)
			}, closuretest.WithClock(time.Now), closuretest.AllowDuplicates())
		})
	}
}

// What another key found where the practice had moved it is still the first key's.
func TestKeyOfAnAppointmentThatAnotherKeyFound(t *testing.T) {
	for _, second := range []string{"", "order 2"} {
		t.Run(second, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				id := c.books(slotParamsFor("order 1"))
				time.Sleep(48 * time.Hour)
				c.moves(c.Client(), id, 15)
				booking, err := c.process().BookSlot(t.Context(), laterParams(second))
				c.booked(booking, err, true)
				c.keeps(id)
			}, closuretest.WithClock(time.Now))
		})
	}
}

// The journal holds the appointment where another key found it. A read jumps back to 9 o'clock.
func TestReadsThatJumpWhereAnotherKeyFoundTheAppointment(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor("order 1"))
		time.Sleep(time.Hour)
		c.moves(c.Client(), id, 15)
		booking, err := c.process().BookSlot(t.Context(), laterParams("order 2"))
		c.booked(booking, err, true)
		time.Sleep(time.Second)
		c.lags()
		_, err = c.process().BookSlot(t.Context(), slotParamsFor("order 3"))
		isUnknown(t, err)
	}, closuretest.WithClock(time.Now))
}

// A stored attempt without a key is settled by what it made, wherever the practice moved that.
func TestResolveWhatThePracticeMoved(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		c.Inject(closuretest.DropAfter(create), always(closuretest.Stale("appointments.list", time.Minute)))
		_, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		attempt := isUnknown(t, err)
		c.ClearFaults()
		time.Sleep(2 * time.Minute)
		for resolution := range c.process().ResolvePending(t.Context()) {
			c.booked(resolution.Booking, resolution.Err, true)
		}
		c.moves(c.Client(), c.Appointments()[0].ID, 15)
		time.Sleep(time.Hour)
		booking, err := c.process().ResolveBooking(t.Context(), attempt, closure.AssumeLostAfter(15*time.Minute))
		if c.booked(booking, err, true); !booking.Appointment.StartAt.Equal(clinicSlot(15)) {
			t.Errorf("settled by an appointment at %s", booking.Appointment.StartAt)
		}
	}, closuretest.WithClock(time.Now))
}

// A practice that is late moves each appointment to the start of the next one.
func TestBookingWhereEveryoneMovedOn(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		first, second := c.movesOn()
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor("order 3"))
		c.booked(booking, err, false)
		c.keeps(first)
		later := laterParams("order 2")
		booking, err = c.process().BookSlot(t.Context(), later)
		if c.booked(booking, err, true); booking.Appointment.ID != second {
			t.Error("order 2 has lost its appointment")
		}
		c.standing(3)
	}, closuretest.WithClock(time.Now))
}

// An appointment that shows no patient belongs to the one that the journal says.
func TestBookedEntryOfAnAppointmentWithoutItsPatient(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor("order 1"))
		booking, err := c.process(c.leavesOut("patient_id")).BookSlot(t.Context(), slotParamsFor("order 1"))
		if c.booked(booking, err, true); booking.Appointment.ID != id {
			t.Error("another appointment")
		}
	})
}

// The request of a move was never sent, and somebody else has taken the start. The move that is
// repeated is rejected once the first one counts as lost.
func TestRepeatedMoveEnds(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		c.leavesMoveTo15(id)
		theirs := laterParams("")
		theirs.PatientID = "pt_other"
		_, err := c.Client().BookSlot(t.Context(), theirs)
		noError(t, err)
		begin := time.Now()
		for closure.OutcomeOf(err) != closure.OutcomeRejected {
			time.Sleep(5 * time.Minute)
			_, err = c.process().RescheduleBooking(t.Context(), id, closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)},
				closure.AssumeLostAfter(15*time.Minute))
			if waited := time.Since(begin); waited > time.Hour {
				t.Fatalf("after %s: %v", waited, err)
			}
		}
		if waited := time.Since(begin); waited < 15*time.Minute {
			t.Errorf("rejected after %s", waited)
		}
	})
}

// The longest age at which a booking counts as lost is no shorter than another one.
func TestMoveBackBesideABookingThatIsNeverLost(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.leavesUnrecorded(slotParamsFor("order 1"))
		c.moves(c.Client(), id, 15)
		time.Sleep(20 * time.Minute)
		c.moves(c.process(closure.AssumeLostAfter(math.MaxInt64)), id, 9)
		c.keeps(id)
	}, closuretest.WithClock(time.Now))
}

// The practice lets two appointments change places, which nobody can record one after the other.
func TestBookingWhereTwoChangedPlaces(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		_, second := c.movesOn()
		c.moves(c.Client(), second, 9)
		_, err := c.process().BookSlot(t.Context(), slotParamsFor("order 3"))
		isJournalError(t, err)
		c.sentBookings(2)
	}, closuretest.WithClock(time.Now))
}

// The same where the practice moves an appointment to the start of a booking that is pending.
func TestBookingWhereOneMovedToAPendingOne(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor("order 1"))
		c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), laterParams("order 2")) })
		c.moves(c.Client(), id, 15)
		_, err := c.process().BookSlot(t.Context(), slotParamsFor("order 3"))
		isJournalError(t, err)
		c.sentBookings(1)
	}, closuretest.WithClock(time.Now), closuretest.AllowDuplicates())
}

// Where another one was moved on to nobody knows, so that nothing is recorded over it.
func TestBookingWhereTheNextOneIsInDoubt(t *testing.T) {
	for name, doubtful := range map[string]func(c *sharedClinic, id closure.AppointmentID) closure.Option{
		"a status that nobody knows": func(c *sharedClinic, id closure.AppointmentID) closure.Option {
			return c.reads(func(path string, status int, body string) (int, string) {
				if strings.HasSuffix(path, string(id)) {
					body = strings.ReplaceAll(body, "rescheduled", "waitlisted")
				}
				return status, body
			})
		},
		"a read that may lag": func(c *sharedClinic, id closure.AppointmentID) closure.Option {
			c.moves(c.process(), id, 15)
			return c.reads(func(path string, status int, body string) (int, string) {
				if strings.HasSuffix(path, string(id)) {
					body = strings.ReplaceAll(body, clinicSlot(15).Format("15:04"), clinicSlot(16).Format("15:04"))
				}
				return status, body
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				first, second := c.books(slotParamsFor("order 1")), c.books(laterParams("order 2"))
				time.Sleep(48 * time.Hour)
				c.moves(c.Client(), second, 16)
				time.Sleep(48 * time.Hour)
				reads := doubtful(c, second)
				c.moves(c.Client(), first, 15)
				_, err := c.process(reads).BookSlot(t.Context(), slotParamsFor("order 3"))
				isJournalError(t, err)
				c.sentBookings(2)
			}, closuretest.WithClock(time.Now), closuretest.AllowDuplicates())
		})
	}
}

// The practice moved an appointment and cancelled it. A move back is rejected, and nothing is recorded
// of where it was.
func TestMoveBackOfACancelledAppointment(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor("order 1"))
		c.moves(c.Client(), id, 15)
		_, err := c.Client().CancelBooking(t.Context(), id)
		noError(t, err)
		_, err = c.process().RescheduleBooking(t.Context(), id, closure.AppointmentRescheduleParams{StartAt: clinicSlot(9)})
		if closure.OutcomeOf(err) != closure.OutcomeRejected {
			t.Error(err)
		}
		for _, entry := range c.journal.Entries() {
			if !entry.Attempt.StartAt.Equal(clinicSlot(9)) {
				t.Errorf("the journal holds a cancelled appointment at %s", entry.Attempt.StartAt)
			}
		}
	})
}

// A key that was given to a reinstated appointment is that start's, as if it had never been cancelled.
func TestKeyOfAReinstatedAppointment(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.reinstatedLongAgo()
		c.keeps(id)
		_, err := c.process().BookSlot(t.Context(), laterParams("order 1"))
		isErrors(t, err, closure.ErrIdempotencyKeyUsed)
	}, closuretest.WithClock(time.Now))
}

// A key that finds an appointment keeps that one, whose start the journal holds for another that left.
func TestKeyOfWhatStandsWhereAnotherLeft(t *testing.T) {
	for name, leave := range map[string]func(c *sharedClinic){
		"it moved on, and so did the next one": func(c *sharedClinic) { c.movesOn() },
		"it moved on, and the next one was cancelled": func(c *sharedClinic) {
			first, second := c.books(slotParamsFor("order 1")), c.books(laterParams("order 2"))
			time.Sleep(48 * time.Hour)
			_, err := c.Client().CancelBooking(c.t.Context(), second)
			noError(c.t, err)
			c.moves(c.Client(), first, 15)
		},
		"it moved on, and the key's own one was cancelled": func(c *sharedClinic) {
			own := c.books(slotParamsFor("order 3"))
			c.moves(c.process(), own, 16)
			other := c.books(slotParamsFor("order 1"))
			time.Sleep(48 * time.Hour)
			_, err := c.Client().CancelBooking(c.t.Context(), own)
			noError(c.t, err)
			c.moves(c.Client(), other, 15)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				leave(c)
				id := c.phones()
				for range 2 {
					booking, err := c.process().BookSlot(t.Context(), slotParamsFor("order 3"))
					if c.booked(booking, err, true); booking.Appointment.ID != id {
						t.Error("order 3 got another appointment")
					}
				}
			}, closuretest.WithClock(time.Now))
		})
	}
}

// A move back goes through, whatever is where the practice had moved the appointment.
func TestMoveBackFromBesideAnother(t *testing.T) {
	for name, beside := range map[string]func(c *sharedClinic, id closure.AppointmentID){
		"another stands there": func(c *sharedClinic, id closure.AppointmentID) {
			c.books(laterParams("order 2"))
			time.Sleep(time.Hour)
			c.moves(c.Client(), id, 15)
		},
		"a booking is pending there": func(c *sharedClinic, id closure.AppointmentID) {
			c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(c.t.Context(), laterParams("order 2")) })
			c.moves(c.Client(), id, 15)
		},
		"a move is pending there": func(c *sharedClinic, id closure.AppointmentID) {
			other := laterParams("order 2")
			other.StartAt = clinicSlot(16)
			c.leavesMoveTo15(c.books(other))
			c.moves(c.Client(), id, 15)
		},
		"they changed places": func(c *sharedClinic, id closure.AppointmentID) {
			other := c.books(laterParams("order 2"))
			time.Sleep(48 * time.Hour)
			c.moves(c.Client(), other, 9)
			c.moves(c.Client(), id, 15)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				id := c.books(slotParamsFor("order 1"))
				beside(c, id)
				time.Sleep(time.Minute)
				c.moves(c.process(), id, 9)
				time.Sleep(48 * time.Hour)
				c.keeps(id)
			}, closuretest.WithClock(time.Now), closuretest.AllowDuplicates())
		})
	}
}

// Between the read that finds an appointment and the journal's record of that, somebody else moves it,
// or another key finds it, too.
func TestKeyOfWhatIsMovedMeanwhile(t *testing.T) {
	for name, tt := range map[string]struct {
		meanwhile func(c *sharedClinic, id closure.AppointmentID)
		hour      int // at which it is in the end
		booked    bool
	}{
		"moved": {func(c *sharedClinic, id closure.AppointmentID) { c.moves(c.process(), id, 16) }, 16, false},
		"found": {func(c *sharedClinic, _ closure.AppointmentID) {
			booking, err := c.process().BookSlot(c.t.Context(), laterParams("order 3"))
			c.booked(booking, err, true)
		}, 15, true},
	} {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				id := c.books(slotParamsFor("order 1"))
				time.Sleep(time.Hour)
				c.moves(c.Client(), id, 15)
				time.Sleep(time.Hour)
				asked := 0
				journal := &findingJournal{c.journal, func() {
					if asked++; asked == 2 { // the first asks of the list
						tt.meanwhile(c, id)
					}
				}}
				booking, err := c.Client(closure.WithJournal(journal)).BookSlot(t.Context(), laterParams("order 2"))
				if tt.booked {
					c.booked(booking, err, true)
				} else {
					isUnknown(t, err)
				}
				time.Sleep(time.Hour)
				booking, err = c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
				if c.booked(booking, err, true); !booking.Appointment.StartAt.Equal(clinicSlot(tt.hour)) {
					t.Errorf("told %s", booking.Appointment.StartAt)
				}
			}, closuretest.WithClock(time.Now))
		})
	}
}

// A findingJournal does something else before it finds an appointment.
type findingJournal struct {
	closure.Journal
	before func()
}

func (j *findingJournal) FindAppointment(ctx context.Context, id closure.AppointmentID) (*closure.JournalEntry, error) {
	j.before()
	return j.Journal.FindAppointment(ctx, id)
}

// A booking that the answer confirms costs no more of the journal.
func TestConfirmedBookingIsNotLookedUp(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		journal := &findingJournal{c.journal, func() { t.Error("the journal was asked about an appointment") }}
		booking, err := c.Client(closure.WithJournal(journal)).BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, false)
	})
}

// What was there before is a key's only once the journal holds it: if the practice moves it meanwhile,
// nothing else would say so.
func TestKeyOfWhatTheJournalCanNotRecord(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.phones()
		c.journal.Inject(closuretest.JournalFailsBefore(closuretest.JournalFinish))
		_, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		isJournalError(t, err)
		c.keeps(id)
		c.sentBookings(0)
	}, closuretest.WithClock(time.Now))
}
