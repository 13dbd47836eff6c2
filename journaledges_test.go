package closure_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A scriptedJournal may answer otherwise than the journal behind it.
type scriptedJournal struct {
	*closuretest.Journal
	find  func(entry *closure.JournalEntry) *closure.JournalEntry
	known func(entry *closure.JournalEntry) *closure.JournalEntry
}

func (j *scriptedJournal) Find(ctx context.Context, attempt closure.BookingAttempt) (*closure.JournalEntry, error) {
	entry, err := j.Journal.Find(ctx, attempt)
	if j.find != nil {
		entry = j.find(entry)
	}
	return entry, err
}

func (j *scriptedJournal) FindAppointment(ctx context.Context, id closure.AppointmentID) (*closure.JournalEntry, error) {
	entry, err := j.Journal.FindAppointment(ctx, id)
	if j.known != nil {
		entry = j.known(entry)
	}
	return entry, err
}

// A repeatingJournal is one whose database is asked again when an answer is lost.
type repeatingJournal struct{ *closuretest.Journal }

func (j repeatingJournal) Begin(ctx context.Context, attempt closure.BookingAttempt) (*closure.JournalEntry, error) {
	if entry, err := j.Journal.Begin(ctx, attempt); entry != nil || err != nil {
		return entry, err
	}
	return j.Journal.Begin(ctx, attempt)
}

// A journal that returns the very attempt that it was given has recorded it: nothing is in its way.
func TestJournalReturnsTheAttemptItself(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		process := c.Client(closure.WithJournal(repeatingJournal{c.journal}))
		booking, err := process.BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, false)
		c.moves(process, booking.Appointment.ID, 15)
		c.holds(closure.JournalBooked)
	})
}

// inClinicUntil is a clinic whose first schedule is open later, too.
func inClinicUntil(t *testing.T, test func(t *testing.T, c *sharedClinic), opts ...closuretest.Option) {
	t.Helper()
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		for hour := 15; hour < 18; hour++ {
			c.AddSlots(clinicIDs[0], closure.Slot{StartAt: clinicSlot(hour), Duration: 20})
		}
		test(t, c)
	}, opts...)
}

// laterParams is for the slot at 15 o'clock.
func laterParams(key string) closure.BookSlotParams { return paramsAt(15, key) }

func paramsAt(hour int, key string) closure.BookSlotParams {
	params := slotParamsFor(key)
	params.StartAt = clinicSlot(hour)
	return params
}

// books books, through the journal, and returns the appointment's id.
func (c *sharedClinic) books(params closure.BookSlotParams) closure.AppointmentID {
	c.t.Helper()
	booking, err := c.process().BookSlot(c.t.Context(), params)
	c.booked(booking, err, false)
	return booking.Appointment.ID
}

// moves lets an appointment be moved, through the journal or past it, as staff do.
func (c *sharedClinic) moves(client *closure.Client, id closure.AppointmentID, hour int) {
	c.t.Helper()
	moved, err := client.RescheduleBooking(c.t.Context(), id, closure.AppointmentRescheduleParams{StartAt: clinicSlot(hour)})
	noError(c.t, err)
	if moved == nil || !moved.StartAt.Equal(clinicSlot(hour)) {
		c.t.Fatalf("moved: %s", show(moved))
	}
}

// leavesMoveTo15 has a process die right before it sends a move to three in the afternoon.
func (c *sharedClinic) leavesMoveTo15(id closure.AppointmentID) {
	c.t.Helper()
	to := closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)}
	c.crashes(false, func(p *closure.Client) { _, _ = p.RescheduleBooking(c.t.Context(), id, to) })
}

// reads changes what the API answers to reads.
func (c *sharedClinic) reads(change func(path string, status int, body string) (int, string)) closure.Option {
	return closure.WithHTTPClient(&http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp, err := c.Transport().RoundTrip(req)
		if err != nil || req.Method != http.MethodGet {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		return newResponse(change(req.URL.Path, resp.StatusCode, string(body))), err
	})})
}

// shows changes what an appointment is shown as.
func (c *sharedClinic) shows(change func(body string) string) closure.Option {
	return c.reads(func(path string, status int, body string) (int, string) {
		if strings.Contains(path, "/appointments/") {
			body = change(body)
		}
		return status, body
	})
}

// lists changes the list of appointments.
func (c *sharedClinic) lists(change func(body string) (int, string)) closure.Option {
	return c.reads(func(path string, status int, body string) (int, string) {
		if path == "/appointments" {
			return change(body)
		}
		return status, body
	})
}

// The appointment of an entry is shown as another one, or as somebody else's.
func TestBookedEntryWhoseAppointmentIsAnothers(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor("order 1"))
		for _, replace := range [][2]string{{string(id), "appt_another"}, {string(guide.patient), "pt_other"}} {
			process := c.process(c.shows(func(body string) string { return strings.ReplaceAll(body, replace[0], replace[1]) }))
			booking, err := process.BookSlot(t.Context(), slotParamsFor("order 1"))
			if booking != nil || err == nil {
				t.Errorf("%s shown for %s: %v, %v", replace[1], replace[0], booking, err)
			}
		}
		c.sentBookings(1)
	})
}

// A booking of long ago whose appointment can't be got is looked for in the patient's list.
func TestBookedEntryWhoseAppointmentIsOnlyListed(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		params := []closure.BookSlotParams{slotParamsFor("order 1"), laterParams("order 2")}
		ids := []closure.AppointmentID{c.books(params[0]), c.books(params[1])}
		time.Sleep(48 * time.Hour)
		c.Inject(closuretest.Status("appointments.get", 404).Times(0))
		for i := range params { // one of them is not the first in the list
			booking, err := c.process().BookSlot(t.Context(), params[i])
			c.booked(booking, err, true)
			if booking.Appointment.ID != ids[i] {
				t.Errorf("another appointment of the patient")
			}
		}
		c.sentBookings(2)
	}, closuretest.WithClock(time.Now))
}

func TestBookedEntryWhoseAppointmentCanNotBeRead(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		c.books(slotParamsFor("order 1"))
		c.Inject(closuretest.Status("appointments.get", 503).Times(0))
		_, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		isErrors(t, err, closure.ErrServer)
		c.sentBookings(1)
	})
}

// A read that lags behind a move for a moment is waited for.
func TestBookingWhereAMoveWentAMomentAgo(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		time.Sleep(time.Hour)
		c.moves(c.process(), id, 15)
		booking, err := c.process().BookSlot(t.Context(), laterParams(""))
		c.booked(booking, err, true)
	}, closuretest.StaleReads(3*time.Second))
}

// An appointment that was cancelled, by the journal, is not shown to whoever books again,
// although its entry was recorded as booked later, and the reads lag.
func TestBookedEntryOfACancelledAppointment(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		time.Sleep(time.Hour)
		_, err := c.Client().Appointments.Cancel(t.Context(), id)
		noError(t, err)
		journal := &scriptedJournal{Journal: c.journal, known: func(entry *closure.JournalEntry) *closure.JournalEntry {
			return &closure.JournalEntry{Appointment: id, State: closure.JournalReleased}
		}}
		booking, err := c.Client(closure.WithJournal(journal)).BookSlot(t.Context(), slotParamsFor(""))
		c.booked(booking, err, false)
		c.holds(closure.JournalBooked)
		c.standing(1)
	}, closuretest.StaleReads(time.Minute), closuretest.AllowDuplicates())
}

// The practice cancelled an appointment by mistake, and put that right. Once no read can lag
// behind the cancellation, the appointment counts again, for whoever cancelled it.
func TestReinstatedAppointment(t *testing.T) {
	for name, cancel := range map[string]func(*sharedClinic, closure.AppointmentID) error{
		"by the client": func(c *sharedClinic, id closure.AppointmentID) error {
			_, err := c.process().CancelBooking(c.t.Context(), id)
			return err
		},
		"read by a booking": func(c *sharedClinic, id closure.AppointmentID) error {
			_, err := c.Client().CancelBooking(c.t.Context(), id)
			c.Inject(closuretest.Status("appointments.create", 403))
			_, _ = c.process().BookSlot(c.t.Context(), slotParamsFor("order 1"))
			return err
		},
	} {
		for _, lag := range []time.Duration{0, time.Minute} { // of AssumeLostAfter
			t.Run(name+", "+lag.String(), func(t *testing.T) {
				inClinic(t, func(t *testing.T, c *sharedClinic) {
					id := c.books(slotParamsFor("order 1"))
					noError(t, cancel(c, id))
					c.reinstates()
					var opts []closure.Option
					wait := 24 * time.Hour
					if lag > 0 {
						opts, wait = []closure.Option{closure.AssumeLostAfter(lag)}, lag
					}
					time.Sleep(wait + time.Second)
					booking, err := c.process(opts...).BookSlot(t.Context(), slotParamsFor("order 1"))
					c.booked(booking, err, true)
					c.standing(1)
				}, closuretest.AllowDuplicates())
			})
		}
	}
}

// reinstates schedules the clinic's only appointment again.
func (c *sharedClinic) reinstates() {
	reinstated := c.Appointments()[0]
	reinstated.Status = closure.AppointmentScheduled
	c.AddAppointment(reinstated)
}

// reinstatedLongAgo books order 1 and cancels it, the practice reinstates it, and two days pass.
func (c *sharedClinic) reinstatedLongAgo() closure.AppointmentID {
	c.t.Helper()
	id := c.books(slotParamsFor("order 1"))
	_, err := c.process().CancelBooking(c.t.Context(), id)
	noError(c.t, err)
	c.reinstates()
	time.Sleep(48 * time.Hour)
	return id
}

// A cancellation that was put right long ago says nothing about a move that was now.
func TestMoveOfAReinstatedAppointment(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.AddSlots(clinicIDs[0], closure.Slot{StartAt: clinicSlot(15), Duration: 20})
		c.moves(c.process(), c.reinstatedLongAgo(), 15)
		_, err := c.process().BookSlot(t.Context(), slotParamsFor("order 2"))
		isUnknown(t, err) // where it was, by a read that lags
		there := slotParamsFor("order 3")
		there.StartAt = clinicSlot(15)
		_, err = c.process().BookSlot(t.Context(), there)
		isUnknown(t, err)
		time.Sleep(time.Hour)
		booking, err := c.process().BookSlot(t.Context(), there)
		c.booked(booking, err, true)
		c.standing(1)
	}, closuretest.AllowDuplicates(), closuretest.StaleReads(time.Minute))
}

// leavesOut makes reads of one appointment leave out a field.
func (c *sharedClinic) leavesOut(field string) closure.Option {
	return c.shows(func(body string) string { return strings.Replace(body, `"`+field+`"`, `"other"`, 1) })
}

// A call that waited for another one hands on why that one's outcome is unknown, and looks itself.
func TestDoubtIsToldOnce(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.Inject(closuretest.DropAfter(create))
		client := c.Client(c.lists(func(body string) (int, string) {
			return http.StatusOK, strings.ReplaceAll(body, `"schedule_id"`, `"other"`)
		}))
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() {
				_, err := client.BookSlot(t.Context(), slotParamsFor(""))
				if strings.Count(err.Error(), "without its patient, schedule") != 1 {
					t.Errorf("%v", err)
				}
			})
		}
		calls.Wait()
		c.sentBookings(1)
	})
}

// The journal can't record a move of what nothing says whose, where and when it is.
func TestMoveOfAnAppointmentThatIsPartlyShown(t *testing.T) {
	for _, field := range []string{"schedule_id", "patient_id", "start_at"} {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprintf("without %s, in the journal: %t", field, known), func(t *testing.T) {
				inClinic(t, func(t *testing.T, c *sharedClinic) {
					c.AddSlots(clinicIDs[0], closure.Slot{StartAt: clinicSlot(15), Duration: 20})
					id := c.books(slotParamsFor("order 1"))
					time.Sleep(time.Hour)
					if !known {
						c.journal = closuretest.NewJournal()
					}
					leavesOut := c.leavesOut(field)
					_, err := c.process(leavesOut).RescheduleBooking(t.Context(), id, closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)})
					if !known {
						if closure.OutcomeOf(err) != closure.OutcomeUnknown || len(c.journal.Entries()) > 0 {
							t.Errorf("%v, and %d entries", err, len(c.journal.Entries()))
						}
						return
					}
					noError(t, err)
					there := slotParamsFor("order 1")
					there.StartAt = clinicSlot(15)
					if _, err = c.process().BookSlot(t.Context(), there); err != nil {
						isUnknown(t, err) // the list lags
					}
					time.Sleep(time.Hour)
					booking, err := c.process().BookSlot(t.Context(), there)
					c.booked(booking, err, true)
					c.standing(1)
				}, closuretest.AllowDuplicates(), closuretest.StaleReads(time.Minute))
			})
		}
	}
}

// A booking whose ending couldn't be recorded keeps its key when the appointment is moved, although
// it was cancelled once, long ago.
func TestMoveOfWhatWasReinstatedAndNotRecorded(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.AddSlots(clinicIDs[0], closure.Slot{StartAt: clinicSlot(15), Duration: 20})
		id := c.reinstatedLongAgo()
		noError(t, c.begins(slotParamsFor("order 1")))
		c.moves(c.process(), id, 15)
		time.Sleep(time.Hour)
		booking, err := c.process(closure.AssumeLostAfter(15*time.Minute)).BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, true)
		c.standing(1)
	}, closuretest.AllowDuplicates())
}

// begins leaves an attempt pending.
func (c *sharedClinic) begins(params closure.BookSlotParams) error {
	return c.beginsAttempt(closure.NewBookingAttempt(params))
}

func (c *sharedClinic) beginsAttempt(attempt closure.BookingAttempt) error {
	attempt.Mode = closure.ModeTest
	_, err := c.journal.Begin(c.t.Context(), attempt)
	return err
}

// An API that shows neither cancelled appointments nor lists can't confirm what was cancelled once.
func TestBookedAfterItWasReleasedAndNowhereShown(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		noError(t, c.begins(slotParamsFor("order 1")))
		pending := c.journal.Entries()[0]
		noError(t, c.journal.Release(t.Context(), "appt_1"))
		noError(t, c.journal.Finish(t.Context(), closure.JournalEntry{Attempt: pending.Attempt, State: closure.JournalBooked, Appointment: "appt_1"}))
		time.Sleep(48 * time.Hour)
		c.Inject(always(closuretest.Status("appointments.get", 404)), always(closuretest.Status("appointments.list", 404)))
		_, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		isUnknown(t, err)
	}, closuretest.AllowDuplicates())
}

// A journal's error says that the context ended, whatever else the journal returns.
func TestJournalFailsWhileTheContextEnds(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		ctx, cancel := context.WithCancelCause(t.Context())
		journal := &failingJournal{c.journal, closure.ErrSlotUnavailable}
		time.AfterFunc(time.Second, func() { cancel(closure.ErrSlotUnavailable) })
		_, err := c.Client(closure.WithJournal(&slowJournal{journal})).BookSlot(ctx, slotParamsFor(""))
		isErrors(t, err, context.Canceled)
		isNoErrors(t, err, closure.ErrSlotUnavailable)
		if e := (*closure.JournalError)(nil); !errors.As(err, &e) || !strings.Contains(err.Error(), "canceled") {
			t.Errorf("%v", err)
		}
	})
}

// A slowJournal answers when the context has ended.
type slowJournal struct{ closure.Journal }

func (j *slowJournal) Find(ctx context.Context, attempt closure.BookingAttempt) (*closure.JournalEntry, error) {
	<-ctx.Done()
	return j.Journal.Find(ctx, attempt)
}

// What a journal hands out as the context's cause can be what another call came to.
func TestJournalThatReturnsAnotherCallsError(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		for _, verdict := range []error{closure.ErrNotBooked, closure.ErrSlotUnavailable, &closure.APIError{StatusCode: 409}} {
			journal := &failingJournal{Journal: c.journal, err: fmt.Errorf("a group's: %w", verdict)}
			_, err := c.Client(closure.WithJournal(journal)).BookSlot(t.Context(), slotParamsFor(""))
			if e := (*closure.APIError)(nil); errors.Is(err, verdict) || errors.As(err, &e) || closure.OutcomeOf(err) != closure.OutcomeNotSent {
				t.Errorf("%v is %v", err, verdict)
			}
		}
		own := errors.New("the journal's own")
		_, err := c.Client(closure.WithJournal(&failingJournal{c.journal, own})).BookSlot(t.Context(), slotParamsFor(""))
		isErrors(t, err, own)
	})
}

type failingJournal struct {
	closure.Journal
	err error
}

func (j *failingJournal) Find(context.Context, closure.BookingAttempt) (*closure.JournalEntry, error) {
	return nil, j.err
}

// Err is what the journal returned, as it is.
func TestErrorOfAJournal(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		full := errors.New("disk full")
		_, err := c.Client(closure.WithJournal(&failingJournal{c.journal, full})).BookSlot(t.Context(), slotParamsFor(""))
		if e := (*closure.JournalError)(nil); !errors.As(err, &e) || e.Err != full {
			t.Errorf("%v", err)
		}
	})
}

// An appointment that doesn't say where or when it is hasn't moved.
func TestBookedEntryOfAnIncompleteAppointment(t *testing.T) {
	for _, field := range []string{"schedule_id", "start_at"} {
		t.Run(field, func(t *testing.T) {
			inClinic(t, func(t *testing.T, c *sharedClinic) {
				id := c.books(slotParamsFor("order 1"))
				leavesOut := c.leavesOut(field)
				for _, key := range []string{"order 1", "order 2"} {
					booking, err := c.process(leavesOut).BookSlot(t.Context(), slotParamsFor(key))
					c.booked(booking, err, true)
					if a := booking.Appointment; a.ID != id || a.ScheduleID != clinicIDs[0] || !a.StartAt.Equal(clinicSlot(9)) {
						t.Errorf("another appointment, or not all of it")
					}
				}
				c.standing(1)
				c.sentBookings(1)
			}, closuretest.AllowDuplicates())
		})
	}
}

// Resolving a move: what counts is the latest that the journal knows of the appointment.
func TestResolveAMoveThatWasFollowedByAnother(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		time.Sleep(time.Hour)
		first := closure.NewBookingAttempt(laterParams(""))
		first.AppointmentID = id
		c.moves(c.process(), id, 15)
		time.Sleep(time.Hour)
		c.moves(c.process(), id, 16)
		_, err := c.process().ResolveBooking(t.Context(), first) // the list still shows 15
		isUnknown(t, err)
	}, closuretest.StaleReads(time.Minute))
}

// A day later a read doesn't lag any more: staff moved the appointment back to where the first
// of two moves, which nobody had settled, was to take it.
func TestStaffMovedBackToAPendingMove(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		c.leavesMoveTo15(id)
		time.Sleep(time.Minute)
		c.moves(c.process(), id, 16)
		c.moves(c.Client(), id, 15)
		for _, wait := range []time.Duration{time.Hour, 24 * time.Hour} {
			time.Sleep(wait)
			for resolution, err := range c.process().ResolvePending(t.Context()) {
				noError(t, err)
				if wait == time.Hour {
					isUnknown(t, resolution.Err)
				} else {
					c.booked(resolution.Booking, resolution.Err, true)
				}
			}
		}
		c.holds(closure.JournalBooked)
		if entry := c.journal.Entries()[0]; entry.Appointment != id || !entry.Attempt.StartAt.Equal(clinicSlot(15)) {
			t.Errorf("the journal holds %s", show(entry))
		}
	})
}

func TestResolveTheSecondMove(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		c.moves(c.process(), id, 15)
		time.Sleep(time.Hour)
		to := closure.AppointmentRescheduleParams{StartAt: clinicSlot(16)}
		c.crashes(true, func(p *closure.Client) { _, _ = p.RescheduleBooking(t.Context(), id, to) })
		for resolution, err := range c.process().ResolvePending(t.Context()) {
			noError(t, err)
			c.booked(resolution.Booking, resolution.Err, true)
		}
		c.holds(closure.JournalBooked)
	})
}

// A token of an older version has no ID: there is no entry that its ending belongs to.
func TestResolveAnAttemptWithoutAnID(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		_, err := c.Client().BookSlot(t.Context(), slotParamsFor(""))
		noError(t, err)
		journal := &forgetfulJournal{c.journal, func(e closure.JournalEntry) bool {
			t.Errorf("recorded: %s", show(e))
			return true
		}}
		attempt := closure.NewBookingAttempt(slotParamsFor(""))
		attempt.ID = ""
		booking, err := c.Client(closure.WithJournal(journal)).ResolveBooking(t.Context(), attempt)
		c.booked(booking, err, true)
	})
}

// An attempt was lost, and another one for the same is under way: that one is unknown.
func TestResolveAnAttemptThatIsMadeAgain(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), slotParamsFor("")) })
		lost := c.journal.Entries()[0].Attempt
		time.Sleep(time.Hour)
		old := closure.AssumeLostAfter(10 * time.Minute)
		c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), slotParamsFor(""), old) })
		again := c.journal.Entries()[0].Attempt
		_, err := c.process().ResolveBooking(t.Context(), lost, old)
		if got := isUnknown(t, err); got.ID != again.ID || got.ID == lost.ID {
			t.Errorf("unknown is %s, want the second attempt", show(got))
		}
	})
}

// A second click waits for the first. If it can't ask the journal then, it is told what
// the first one found, unless the journal says more.
func TestSecondClickWhoseJournalFails(t *testing.T) {
	for name, answer := range map[string]func(*closuretest.Journal) *closure.JournalEntry{
		"it fails": func(j *closuretest.Journal) *closure.JournalEntry {
			return &closure.JournalEntry{} // which means nothing
		},
		"the key is another booking's": func(j *closuretest.Journal) *closure.JournalEntry {
			entry := j.Entries()[0]
			entry.Attempt.StartAt = clinicSlot(15)
			return &entry
		},
	} {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				c.Inject(closuretest.Delay("appointments.create", time.Second))
				asked := 0
				journal := &scriptedJournal{Journal: c.journal}
				journal.find = func(entry *closure.JournalEntry) *closure.JournalEntry {
					if asked++; asked == 1 {
						return entry
					}
					return answer(c.journal)
				}
				process := c.Client(closure.WithJournal(journal))
				var first sync.WaitGroup
				first.Go(func() {
					booking, err := process.BookSlot(t.Context(), slotParamsFor("order 1"))
					c.booked(booking, err, false)
				})
				synctest.Wait()
				booking, err := process.BookSlot(t.Context(), slotParamsFor("order 1"))
				if first.Wait(); name == "it fails" {
					c.booked(booking, err, true)
				} else if !errors.Is(err, closure.ErrInvalidInput) {
					t.Errorf("%v, %v", booking, err)
				}
				c.sentBookings(1)
			})
		})
	}
}

// Those who wait for a click ask the journal at the same time, when that one has ended.
func TestWaitingClicksAskTheJournalTogether(t *testing.T) {
	for name, fault := range map[string]closuretest.Fault{
		"booked":  closuretest.Delay("appointments.create", time.Second),
		"unknown": closuretest.DropBefore("appointments.create"),
	} {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				c.Inject(fault)
				process := c.process()
				begin := time.Now()
				var first, last atomic.Int64
				var clicks sync.WaitGroup
				clicks.Go(func() {
					_, _ = process.BookSlot(t.Context(), slotParamsFor(""))
					first.Store(int64(time.Since(begin)))
				})
				synctest.Wait()
				const wait = time.Minute
				c.journal.Inject(closuretest.JournalWaits("find", wait), closuretest.JournalWaits("find", wait))
				for range 2 {
					clicks.Go(func() {
						_, _ = process.BookSlot(t.Context(), slotParamsFor(""))
						last.Store(int64(time.Since(begin)))
					})
				}
				clicks.Wait()
				if took := time.Duration(last.Load() - first.Load()); took > wait+15*time.Second {
					t.Errorf("the last click ended %v after the first", took)
				}
			})
		})
	}
}

// A walk with another key takes the start from which staff moved an appointment.
func TestWalkTakesWhereStaffMovedFrom(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor("order 1"))
		c.moves(c.Client(), id, 15)
		time.Sleep(time.Hour)
		params := firstParamsFor("order 2")
		params.Search.Schedules = clinicIDs[:1]
		booking, err := c.process().BookFirstAvailable(t.Context(), params)
		c.booked(booking, err, false)
		if !booking.Appointment.StartAt.Equal(clinicSlot(9)) {
			t.Errorf("booked at %s", booking.Appointment.StartAt)
		}
		c.holds(closure.JournalBooked, closure.JournalBooked)
	})
}

// The key could not be given to the appointment that is there, or nobody can tell.
func TestKeyThatDoesNotShow(t *testing.T) {
	for name, answer := range map[string]func(*closure.JournalEntry) *closure.JournalEntry{
		"nothing is held":  func(*closure.JournalEntry) *closure.JournalEntry { return nil },
		"it has no key":    func(e *closure.JournalEntry) *closure.JournalEntry { e.Attempt.IdempotencyKey = ""; return e },
		"the key is other": func(e *closure.JournalEntry) *closure.JournalEntry { e.Attempt.IdempotencyKey = "other"; return e },
	} {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				c.books(slotParamsFor(""))
				asked := 0
				journal := &scriptedJournal{Journal: c.journal, find: func(entry *closure.JournalEntry) *closure.JournalEntry {
					if asked++; asked == 1 {
						return entry
					}
					return answer(entry)
				}}
				_, err := c.Client(closure.WithJournal(journal)).BookSlot(t.Context(), slotParamsFor("order 1"))
				isJournalError(t, err)
				c.sentBookings(1)
			})
		})
	}
}

// Staff moved an appointment to where the journal holds somebody's attempt: that attempt
// doesn't become the appointment's.
func TestStaffMovedToAPendingAttempt(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor("order 1"))
		c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), laterParams("")) })
		c.moves(c.Client(), id, 15)
		_, err := c.process().BookSlot(t.Context(), slotParamsFor("order 2"))
		isJournalError(t, err)
		c.holds(closure.JournalBooked, closure.JournalPending)

		c.moves(c.process(), id, 16)
		c.holds(closure.JournalPending, closure.JournalBooked)
	})
}

// Staff cancelled one appointment and moved another one there: its start is free.
// AssumeLostAfter says from what age a read is believed that contradicts a move: also by who
// waits for somebody else's attempt.
func TestStaffMovedBackToAPendingAttempt(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		c.moves(c.process(), id, 15)
		c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), slotParamsFor("")) })
		c.moves(c.Client(), id, 9)
		time.Sleep(20 * time.Minute)
		_, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		isUnknown(t, err)
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor(""), closure.AssumeLostAfter(15*time.Minute))
		c.booked(booking, err, true)
		if booking.Appointment.ID != id {
			t.Errorf("another appointment was booked")
		}
		c.standing(1)
	})
}

func TestStaffMovedToWhereACancelledOneWas(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		one, other := c.books(slotParamsFor("order 1")), c.books(laterParams(""))
		_, err := c.Client().CancelBooking(t.Context(), other)
		noError(t, err)
		c.moves(c.Client(), one, 15)
		c.books(slotParamsFor("order 2"))
		c.holds(closure.JournalBooked, closure.JournalBooked)
		c.standing(2)
	})
}

// Who waits for the attempt of another process hears from the journal how it ended.
func TestEndingOfAnotherProcessIsHeard(t *testing.T) {
	for name, status := range map[string]int{"booked": 0, "refused": 422} {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				c.Inject(closuretest.Stale("appointments.list", time.Minute).Times(0))
				transport := roundTripFunc(func(req *http.Request) (*http.Response, error) {
					if req.Method == http.MethodGet {
						return c.Transport().RoundTrip(req)
					}
					if time.Sleep(time.Second); status != 0 {
						return newResponse(status, `{"error_type":"invalid"}`), nil
					}
					return c.Transport().RoundTrip(req)
				})
				var other sync.WaitGroup
				other.Go(func() {
					process := c.process(closure.WithHTTPClient(&http.Client{Transport: transport}))
					booking, err := process.BookSlot(t.Context(), slotParamsFor(""))
					if (err == nil) != (status == 0) {
						t.Errorf("%v, %v", booking, err)
					}
				})
				synctest.Wait()
				begin := time.Now()
				booking, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
				c.booked(booking, err, status == 0)
				if took := time.Since(begin); took > 3*time.Second {
					t.Errorf("heard after %v", took)
				}
				other.Wait()
				c.standing(1)
			}, closuretest.AllowDuplicates())
		})
	}
}

// A journal that fails while somebody waits for another's attempt says nothing of it.
func TestJournalFailsWhileAnotherProcessBooks(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		c.crashes(true, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), slotParamsFor("")) })
		c.Inject(closuretest.Stale("appointments.list", 5*time.Second).Times(0))
		journal := &failingFinds{Journal: c.journal}
		booking, err := c.Client(closure.WithJournal(journal)).BookSlot(t.Context(), slotParamsFor(""))
		c.booked(booking, err, true)
		c.sentBookings(1)
	}, closuretest.AllowDuplicates())
}

// A failingFinds is a journal that can be asked once.
type failingFinds struct {
	*closuretest.Journal
	asked int
}

func (j *failingFinds) Find(ctx context.Context, attempt closure.BookingAttempt) (*closure.JournalEntry, error) {
	if j.asked++; j.asked > 1 {
		return nil, closuretest.ErrJournal
	}
	return j.Journal.Find(ctx, attempt)
}

// Where the journal holds an attempt that may yet be booked, nothing is moved to.
func TestMoveToAPendingAttempt(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), laterParams("")) })
		_, err := c.process().RescheduleBooking(t.Context(), id, closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)})
		isErrors(t, err, closure.ErrSlotUnavailable)
		c.holds(closure.JournalBooked, closure.JournalPending)
	})
}

// A move that is lost is made again, at once.
func TestLostMoveIsMadeAgainAtOnce(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		c.leavesMoveTo15(id)
		time.Sleep(time.Hour)
		begin := time.Now()
		c.moves(c.process(), id, 15)
		if took := time.Since(begin); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// The API carries a move out late. It is sent again meanwhile, and that is refused. This says
// nothing about the first request, unless that counts as lost.
func TestMoveMadeAgainIsRefused(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		move := func(opts ...closure.CallOption) error {
			to := closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)}
			_, err := c.process().RescheduleBooking(t.Context(), id, to, opts...)
			return err
		}
		c.Inject(closuretest.CommitLate("appointments.reschedule", 5*time.Minute))
		isErrors(t, move(), closure.ErrOutcomeUnknown)
		c.Inject(closuretest.Status("appointments.reschedule", 429).Times(0))
		for range 2 {
			time.Sleep(2 * time.Minute)
			isErrors(t, move(), closure.ErrOutcomeUnknown, closure.ErrRateLimited)
			c.holds(closure.JournalBooked, closure.JournalPending)
		}
		time.Sleep(2 * time.Minute)
		noError(t, move())
		c.holds(closure.JournalBooked)
	})
	t.Run("and counts as lost", func(t *testing.T) {
		inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
			id := c.books(slotParamsFor(""))
			to := closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)}
			c.leavesMoveTo15(id)
			time.Sleep(time.Hour)
			c.Inject(closuretest.Status("appointments.reschedule", 429).Times(0))
			_, err := c.process().RescheduleBooking(t.Context(), id, to, closure.AssumeLostAfter(time.Minute))
			if closure.OutcomeOf(err) != closure.OutcomeRejected {
				t.Errorf("%v, want the rejection", err)
			}
			c.holds(closure.JournalBooked)
		})
	})
}

// A process moved the appointment and died, and a read shows that. The same move is made again and
// refused, and now a read lags: the slot isn't somebody else's.
func TestMoveToWhereTheAppointmentIsIsRefused(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		time.Sleep(time.Hour)
		began, to := time.Now(), closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)}
		time.Sleep(time.Second)
		c.crashes(true, func(p *closure.Client) { _, _ = p.RescheduleBooking(t.Context(), id, to) })
		refuses := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodGet {
				return c.Transport().RoundTrip(req)
			}
			c.Inject(closuretest.Stale("appointments.get", time.Since(began)))
			return newResponse(http.StatusBadRequest, `{"error_type":"invalid_request"}`), nil
		})
		for _, wait := range []time.Duration{0, 0, 25 * time.Hour} { // the journal's entry is pending at first, and then booked
			time.Sleep(wait)
			_, err := c.process(closure.WithHTTPClient(&http.Client{Transport: refuses})).RescheduleBooking(t.Context(), id, to)
			isErrors(t, err, closure.ErrOutcomeUnknown, closure.ErrInvalidRequest)
			c.holds(closure.JournalBooked)
		}
	})
}

// The move of another process shows, or ends without one.
func TestMoveOfAnotherProcess(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		to := closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)}
		c.crashes(true, func(p *closure.Client) { _, _ = p.RescheduleBooking(t.Context(), id, to) })
		reads := 0
		c.moves(c.process(c.shows(func(body string) string {
			if reads++; reads == 2 {
				return "not JSON"
			}
			return body
		})), id, 15)
		c.holds(closure.JournalBooked)
	})
}

func TestRefusedMoveOfAnotherProcess(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		transport := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodGet {
				return c.Transport().RoundTrip(req)
			}
			time.Sleep(time.Second)
			return newResponse(422, `{"error_type":"invalid"}`), nil
		})
		var other sync.WaitGroup
		other.Go(func() {
			process := c.process(closure.WithHTTPClient(&http.Client{Transport: transport}))
			_, err := process.RescheduleBooking(t.Context(), id, closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)})
			if err == nil {
				t.Error("a refused move succeeds")
			}
		})
		synctest.Wait()
		begin := time.Now()
		c.moves(c.process(), id, 15)
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		other.Wait()
	})
}

// A move whose ending nobody recorded is recorded before the next one.
func TestUnknownMoveIsRecordedBeforeTheNext(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		move := func(hour int) func(*closure.Client) {
			to := closure.AppointmentRescheduleParams{StartAt: clinicSlot(hour)}
			return func(p *closure.Client) { _, _ = p.RescheduleBooking(t.Context(), id, to) }
		}
		c.crashes(true, move(15))
		c.holds(closure.JournalBooked, closure.JournalPending)
		c.crashes(true, move(16))
		c.holds(closure.JournalBooked, closure.JournalPending)
	})
}

// A booking whose ending nobody recorded is recorded before it is cancelled: its key is
// free then. What the journal knows is not read first.
func TestCancellationOfAPendingBooking(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		c.journal.Inject(closuretest.JournalFailsBefore("finish"))
		id := c.books(slotParamsFor("order 1"))
		c.holds(closure.JournalPending)
		time.Sleep(time.Minute + 1) // until then its request may be under way
		_, err := c.process().CancelBooking(t.Context(), id)
		noError(t, err)
		c.holds()
		id = c.books(slotParamsFor("order 1"))
		before := len(c.Requests())
		_, err = c.process().CancelBooking(t.Context(), id)
		noError(t, err)
		if sent := len(c.Requests()) - before; sent != 1 {
			t.Errorf("%d requests to cancel, want one", sent)
		}
	})
}

// Another process begins where an appointment is already, and gives up, while a read fails. The
// patient has the appointment, so that the slot isn't somebody else's.
func TestKeyOfAnAppointmentWhereAnAttemptEnds(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		_, err := c.Client().BookSlot(t.Context(), slotParamsFor(""))
		noError(t, err)
		other := closure.NewBookingAttempt(slotParamsFor("order 2"))
		var lists atomic.Int64
		transport := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(req.URL.Path, "/appointments") {
				return c.Transport().RoundTrip(req)
			}
			switch lists.Add(1) {
			case 1:
				_, err := c.journal.Begin(t.Context(), other)
				noError(t, err)
			case 2:
				noError(t, c.journal.Finish(t.Context(), closure.JournalEntry{Attempt: other, State: closure.JournalNotBooked}))
				return newResponse(http.StatusNotImplemented, ""), nil
			}
			return c.Transport().RoundTrip(req)
		})
		booking, err := c.process(closure.WithHTTPClient(&http.Client{Transport: transport})).BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, true)
		c.holds(closure.JournalBooked)
		c.sentBookings(1)
	})
}

// Another process gives a key to an appointment that was there, while this one looks: to the
// same one, or this key to another booking.
func TestKeyThatAnotherProcessGives(t *testing.T) {
	for name, params := range map[string]closure.BookSlotParams{
		"another key, the same booking": slotParamsFor("order 2"),
		"the same key, another booking": laterParams("order 1"),
	} {
		t.Run(name, func(t *testing.T) {
			inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
				there, err := c.Client().BookSlot(t.Context(), slotParamsFor(""))
				noError(t, err)
				var reads atomic.Int64
				var once sync.Once
				transport := roundTripFunc(func(req *http.Request) (*http.Response, error) {
					once.Do(func() {
						_, err := c.process().BookSlot(t.Context(), params)
						noError(t, err)
					})
					if strings.HasSuffix(req.URL.Path, string(there.Appointment.ID)) {
						reads.Add(1)
					}
					return c.Transport().RoundTrip(req)
				})
				process := c.process(closure.WithHTTPClient(&http.Client{Transport: transport}))
				booking, err := process.BookSlot(t.Context(), slotParamsFor("order 1"))
				if params.IdempotencyKey == "order 1" {
					isErrors(t, err, closure.ErrInvalidInput)
					c.standing(2)
					return
				}
				c.booked(booking, err, true)
				if c.standing(1); reads.Load() != 0 {
					t.Errorf("the appointment in hand was read %d times more", reads.Load())
				}
			})
		})
	}
}

// A move that nobody knows the end of is waited for, also where a look fails.
func TestMoveThatShowsLater(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		c.leavesMoveTo15(id)
		reads := 0
		process := c.process(c.shows(func(body string) string {
			if reads++; reads == 2 {
				return "not JSON"
			}
			return body
		}))
		var staff sync.WaitGroup
		staff.Go(func() {
			time.Sleep(2 * time.Second)
			c.moves(c.Client(), id, 15)
		})
		begin := time.Now()
		c.moves(process, id, 15)
		if took := time.Since(begin); took < 2*time.Second || took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		staff.Wait()
		c.holds(closure.JournalBooked)
	})
}
