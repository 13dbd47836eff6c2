package closure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A shared clinic is an API, and a journal that all clients share.
type sharedClinic struct {
	*closuretest.Server
	journal *closuretest.Journal
	t       *testing.T
}

// inClinic runs a test in a bubble, in which waiting takes no time.
func inClinic(t *testing.T, test func(t *testing.T, c *sharedClinic), opts ...closuretest.Option) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &sharedClinic{closuretest.New(append(opts, closuretest.ReportTo(t))...), closuretest.NewJournal(), t}
		c.AddPatient(closure.Patient{ID: "pt_other", Insurance: trisha.Insurance})
		(&desk{Server: c.Server}).openClinic(nil)
		test(t, c)
	})
}

// process is a client of its own.
func (c *sharedClinic) process(opts ...closure.Option) *closure.Client {
	return c.Client(append([]closure.Option{closure.WithJournal(c.journal)}, opts...)...)
}

// crashes runs a process that ends where it would send the booking, or, with
// after, when it has sent it.
func (c *sharedClinic) crashes(after bool, act func(*closure.Client)) {
	transport := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodGet {
			return c.Transport().RoundTrip(req)
		}
		if after {
			if resp, err := c.Transport().RoundTrip(req); err == nil {
				_ = resp.Body.Close()
			}
		}
		runtime.Goexit()
		return nil, nil
	})
	var ended sync.WaitGroup
	ended.Go(func() { act(c.process(closure.WithHTTPClient(&http.Client{Transport: transport}))) })
	ended.Wait()
}

// standing is how many appointments there really are.
func (c *sharedClinic) standing(want int) {
	c.t.Helper()
	var n int
	for _, a := range c.Appointments() {
		if a.Status != closure.AppointmentCancelled {
			n++
		}
	}
	if n != want {
		c.t.Errorf("%d appointments stand, want %d", n, want)
	}
}

func (c *sharedClinic) sentBookings(want int) {
	c.t.Helper()
	var n int
	for _, r := range c.Requests() {
		if r.Op == "appointments.create" {
			n++
		}
	}
	if n != want {
		c.t.Errorf("%d requests to book, want %d", n, want)
	}
}

// holds are the states of the journal's entries, oldest first.
func (c *sharedClinic) holds(want ...closure.JournalState) {
	c.t.Helper()
	states := []closure.JournalState{}
	for _, e := range c.journal.Entries() {
		states = append(states, e.State)
	}
	if want == nil {
		want = []closure.JournalState{}
	}
	equal(c.t, "journal", states, want)
}

func (c *sharedClinic) booked(booking *closure.Booking, err error, recovered bool) {
	c.t.Helper()
	noError(c.t, err)
	if booking.Recovered != recovered {
		c.t.Errorf("recovered: %t", booking.Recovered)
	}
}

func slotParamsFor(key string) closure.BookSlotParams {
	return closure.BookSlotParams{
		ScheduleID: clinicIDs[0], PatientID: guide.patient, StartAt: clinicSlot(9), Duration: 20, IdempotencyKey: key,
	}
}

func firstParamsFor(key string) closure.BookFirstParams {
	params := firstParams()
	params.IdempotencyKey = key
	return params
}

func isUnknown(t *testing.T, err error) closure.BookingAttempt {
	t.Helper()
	var unknown *closure.OutcomeUnknownError
	if !errors.As(err, &unknown) {
		t.Fatalf("%v, want the outcome unknown", err)
	}
	return unknown.Attempt
}

func TestBookingGoesThroughTheJournal(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, false)
		c.holds(closure.JournalBooked)
		entry := c.journal.Entries()[0]
		if entry.Appointment != booking.Appointment.ID || entry.Attempt.ID == "" ||
			entry.Attempt.IdempotencyKey != "order 1" {
			t.Errorf("the journal holds %s", show(entry))
		}
		again, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(again, err, true)
		c.sentBookings(1)
	})
}

func TestRefusedBookingLeavesTheJournalEmpty(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		other := slotParamsFor("")
		other.PatientID = "pt_other"
		_, err := c.process().BookSlot(t.Context(), other)
		noError(t, err)
		_, err = c.process().BookSlot(t.Context(), slotParamsFor(""))
		if !errors.Is(err, closure.ErrSlotUnavailable) {
			t.Errorf("%v", err)
		}
		c.holds(closure.JournalBooked)
	})
}

func TestCrashBeforeTheRequest(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), slotParamsFor("")) })
		c.holds(closure.JournalPending)
		_, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		if attempt := isUnknown(t, err); attempt != c.journal.Entries()[0].Attempt {
			t.Error("the attempt is not the journal's")
		}
		c.sentBookings(0)

		time.Sleep(time.Hour)
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor(""), closure.AssumeLostAfter(time.Minute))
		c.booked(booking, err, false)
		c.standing(1)
		c.holds(closure.JournalBooked)
	})
}

func TestCrashAfterTheRequest(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.crashes(true, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), slotParamsFor("")) })
		c.holds(closure.JournalPending)
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		c.booked(booking, err, true)
		c.holds(closure.JournalBooked)
		c.standing(1)
	}, closuretest.AllowDuplicates(), closuretest.StaleReads(5*time.Second))
}

func TestTwoProcessesMakeOneAppointment(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.Inject(closuretest.Delay("appointments.create", 2*time.Second).Times(0))
		c.clickTwice(func(p *closure.Client) (*closure.Booking, error) { return p.BookSlot(t.Context(), slotParamsFor("")) })
	}, closuretest.AllowDuplicates(), closuretest.StaleReads(5*time.Second))
}

func TestTwoProcessesWithOneKeyMakeOneAppointment(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.Inject(closuretest.Delay("appointments.create", 2*time.Second).Times(0))
		c.clickTwice(func(p *closure.Client) (*closure.Booking, error) {
			return p.BookFirstAvailable(t.Context(), firstParamsFor("order 1"))
		})
	}, closuretest.AllowDuplicates(), closuretest.StaleReads(5*time.Second))
}

// clickTwice lets two processes act 60 ms apart, and a third one much later.
func (c *sharedClinic) clickTwice(act func(*closure.Client) (*closure.Booking, error)) {
	var group sync.WaitGroup
	for i := range 2 {
		group.Go(func() {
			time.Sleep(time.Duration(i) * 60 * time.Millisecond)
			if _, err := act(c.process()); err != nil {
				c.t.Errorf("click %d: %v", i, err)
			}
		})
	}
	group.Wait()
	_, err := act(c.process())
	noError(c.t, err)
	c.standing(1)
	c.sentBookings(1)
	c.holds(closure.JournalBooked)
}

// What is read shows nothing of the booking yet: only the journal knows.
func TestBookFirstAvailableAgainAfterACrash(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.crashes(true, func(p *closure.Client) { _, _ = p.BookFirstAvailable(t.Context(), firstParamsFor("order 1")) })
		_, err := c.process().BookFirstAvailable(t.Context(), firstParamsFor("order 1"))
		isUnknown(t, err)
		time.Sleep(time.Minute)
		booking, err := c.process().BookFirstAvailable(t.Context(), firstParamsFor("order 1"))
		c.booked(booking, err, true)
		c.sentBookings(1)
	}, closuretest.AllowDuplicates(), closuretest.StaleReads(30*time.Second))
}

func TestKeyOfAnotherBookingIsRefused(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		_, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		noError(t, err)
		patient, slot, first := slotParamsFor("order 1"), slotParamsFor("order 1"), firstParamsFor("order 1")
		patient.PatientID, first.PatientID = "pt_other", "pt_other"
		slot.ScheduleID, slot.StartAt = clinicIDs[1], clinicSlot(10)
		_, patientErr := c.process().BookSlot(t.Context(), patient)
		_, slotErr := c.process().BookSlot(t.Context(), slot)
		_, firstErr := c.process().BookFirstAvailable(t.Context(), first)
		_, keyErr := c.Client().BookSlot(t.Context(), slotParamsFor("order 1"))
		for _, err := range []error{patientErr, slotErr, firstErr, keyErr} {
			var input *closure.InputError
			if !errors.As(err, &input) || input.Field != "IdempotencyKey" || strings.Contains(err.Error(), "order") {
				t.Errorf("%v", err)
			}
			if used := err != keyErr; errors.Is(err, closure.ErrIdempotencyKeyUsed) != used {
				t.Errorf("%v says that the key was used: %t", err, !used)
			}
			method := "BookSlot"
			if err == firstErr {
				method = "BookFirstAvailable"
			}
			refused(t, "key", err, method, "IdempotencyKey")
		}
		c.sentBookings(1)
	})
}

func TestResolvePendingIsRefused(t *testing.T) {
	t.Parallel()
	var none context.Context
	server := closuretest.New(closuretest.ReportTo(t))
	for _, err := range server.Client().ResolvePending(t.Context()) {
		refused(t, "no journal", err, "ResolvePending", "Client")
	}
	for _, err := range server.Client().ResolvePending(none) {
		refused(t, "no context", err, "ResolvePending", "ctx")
	}
}

func TestTwoKeysAreTwoBookings(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		one, err := c.process().BookFirstAvailable(t.Context(), firstParamsFor("order 1"))
		c.booked(one, err, false)
		two, err := c.process().BookFirstAvailable(t.Context(), firstParamsFor("order 2"))
		c.booked(two, err, false)
		if one.Appointment.StartAt.Equal(two.Appointment.StartAt) {
			t.Error("both are at one start")
		}
		exactly, err := c.process().BookSlot(t.Context(), slotParamsFor("order 3"))
		if c.booked(exactly, err, true); exactly.Appointment.ID != one.Appointment.ID {
			t.Error("another appointment was returned")
		}
		c.standing(2)
	}, closuretest.AllowDuplicates(), closuretest.StaleReads(time.Minute))
}

func TestCancelAndBookAgain(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		for range 2 {
			booking, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
			c.booked(booking, err, false)
			_, err = c.process().CancelBooking(t.Context(), booking.Appointment.ID)
			noError(t, err)
			c.holds()
		}
	})
}

// Nobody told the journal that the appointment was cancelled: the API shows it.
func TestCancelledByStaff(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, false)
		_, err = c.Client().CancelBooking(t.Context(), booking.Appointment.ID)
		noError(t, err)
		booking, err = c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, false)
		c.standing(1)
	})
}

func TestUnknownCancellationReleasesNothing(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		c.booked(booking, err, false)
		c.Inject(closuretest.DropBefore("appointments.cancel"))
		_, err = c.process().CancelBooking(t.Context(), booking.Appointment.ID)
		isUnknown(t, err)
		c.holds(closure.JournalBooked)
	})
}

func TestMoveTakesTheKeyAlong(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.AddSlots(clinicIDs[0], closure.Slot{StartAt: clinicSlot(15), Duration: 20})
		booking, err := c.process().BookFirstAvailable(t.Context(), firstParamsFor("order 1"))
		c.booked(booking, err, false)
		_, err = c.process().RescheduleBooking(t.Context(), booking.Appointment.ID, closure.AppointmentRescheduleParams{
			StartAt: clinicSlot(15),
		})
		noError(t, err)
		c.holds(closure.JournalBooked)
		again, err := c.process().BookFirstAvailable(t.Context(), firstParamsFor("order 1"))
		if c.booked(again, err, true); again.Appointment.ID != booking.Appointment.ID {
			t.Error("another appointment was returned")
		}
		old, err := c.process().BookSlot(t.Context(), slotParamsFor("order 2"))
		c.booked(old, err, false) // the old start is free
	})
}

func TestUnknownMoveIsSettledLater(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.AddSlots(clinicIDs[0], closure.Slot{StartAt: clinicSlot(15), Duration: 20})
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, false)
		to := closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)}
		c.crashes(true, func(p *closure.Client) { _, _ = p.RescheduleBooking(t.Context(), booking.Appointment.ID, to) })
		c.holds(closure.JournalBooked, closure.JournalPending)
		for resolution, err := range c.process().ResolvePending(t.Context()) {
			noError(t, err)
			if resolution.Booking == nil || resolution.Booking.Appointment.ID != booking.Appointment.ID {
				t.Errorf("%v", resolution.Err)
			}
		}
		c.holds(closure.JournalBooked)
		again, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(again, err, true)
		equal(t, "appointment of the key", again.Appointment.ID, booking.Appointment.ID)
	})
}

// "As long as it takes" is math.MaxInt64 to many: twice that must not be the past.
func TestTimeoutOfForever(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		forever := closure.WithTimeout(math.MaxInt64)
		booking, err := c.process(forever).BookSlot(t.Context(), slotParamsFor(""))
		c.booked(booking, err, false)

		other := slotParamsFor("")
		other.PatientID, other.StartAt = "pt_other", clinicSlot(10)
		c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), other) })
		time.Sleep(time.Hour)
		_, err = c.process(forever).BookSlot(t.Context(), other, closure.AssumeLostAfter(time.Minute))
		isUnknown(t, err)
		c.sentBookings(1)
	})
}

func TestResolvePending(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.crashes(true, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), slotParamsFor("")) })
		lost := slotParamsFor("order 2")
		lost.ScheduleID, lost.StartAt = clinicIDs[1], clinicSlot(10)
		c.crashes(false, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), lost) })
		resolve := func(opts ...closure.CallOption) (all []closure.Resolution) {
			for resolution, err := range c.process().ResolvePending(t.Context(), opts...) {
				noError(t, err)
				all = append(all, resolution)
			}
			return all
		}
		all := resolve()
		if len(all) != 2 || all[0].Booking == nil || !errors.Is(all[1].Err, closure.ErrOutcomeUnknown) {
			t.Errorf("resolved %v", all)
		}
		c.holds(closure.JournalBooked, closure.JournalPending)
		time.Sleep(10 * time.Second) // the other process may still send: 30 s is its timeout
		if young := resolve(closure.AssumeLostAfter(1)); len(young) != 1 ||
			!errors.Is(young[0].Err, closure.ErrOutcomeUnknown) {
			t.Errorf("resolved %v", young)
		}
		time.Sleep(time.Hour)
		for resolution, err := range c.process(closure.AssumeLostAfter(time.Minute)).ResolvePending(t.Context(), closure.AssumeLostAfter(0)) {
			noError(t, err)
			isUnknown(t, resolution.Err)
		}
		if old := resolve(closure.AssumeLostAfter(time.Minute)); len(old) != 1 ||
			!errors.Is(old[0].Err, closure.ErrNotBooked) {
			t.Errorf("resolved %v", old)
		}
		c.holds(closure.JournalBooked)
		c.sentBookings(1)
	})
}

// What wasn't looked at isn't told, neither to the caller nor to the observer.
func TestResolvePendingWhenTheContextEnds(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		for hour := range 3 {
			params := slotParamsFor("")
			params.ScheduleID, params.StartAt = clinicIDs[1], clinicSlot(10+hour)
			c.crashes(true, func(p *closure.Client) { _, _ = p.BookSlot(t.Context(), params) })
		}
		var told []closure.BookingEvent
		client := c.process(closure.WithBookingObserver(func(_ context.Context, e closure.BookingEvent) { told = append(told, e) }))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		settled := 0
		var last error
		for resolution, err := range client.ResolvePending(ctx) {
			if last = err; err != nil {
				continue
			}
			c.booked(resolution.Booking, resolution.Err, true)
			settled++
			cancel()
		}
		failed, ok := errors.AsType[*closure.TransportError](last)
		if !ok || !errors.Is(failed, context.Canceled) || closure.OutcomeOf(failed) != closure.OutcomeNotSent {
			t.Errorf("the sequence ended with %v", last)
		}
		if settled != 1 || len(told) != 1 {
			t.Errorf("%d settled, events: %v", settled, told)
		}
		c.holds(closure.JournalBooked, closure.JournalPending, closure.JournalPending)
	})
}

func TestFrozenProcessSendsNothing(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.journal.Inject(closuretest.JournalWaits("begin", time.Hour))
		_, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		isJournalError(t, err)
		c.sentBookings(0)
		c.holds()
	})
}

func TestFrozenProcessMovesNothing(t *testing.T) {
	inClinicUntil(t, func(t *testing.T, c *sharedClinic) {
		id := c.books(slotParamsFor(""))
		c.journal.Inject(closuretest.JournalWaits("begin", time.Hour))
		_, err := c.process().RescheduleBooking(t.Context(), id, closure.AppointmentRescheduleParams{StartAt: clinicSlot(15)})
		isJournalError(t, err)
		if at := c.Appointments()[0].StartAt; !at.Equal(clinicSlot(9)) {
			t.Errorf("it was moved to %v", at)
		}
		c.holds(closure.JournalBooked)
	})
}

// The API confirmed an appointment and can't show it, because reads lag or the call is
// missing. It is booked all the same.
func TestConfirmedAppointmentThatIsNotShown(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		c.booked(booking, err, false)
		c.Inject(closuretest.Status("appointments.get", 404).Times(0))
		again, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		if c.booked(again, err, true); again.Appointment.ID != booking.Appointment.ID {
			t.Error("another appointment was returned")
		}
		c.sentBookings(1)
	}, closuretest.AllowDuplicates(), closuretest.StaleReads(time.Hour))
}

// The same two days later. The list may still show it; if it doesn't, nobody can say whether it
// is there; and where there is no list, only the journal can.
func TestConfirmedAppointmentThatIsStillNotShown(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]closure.Outcome{
		"shows it": closure.OutcomeApplied, "shows nothing": closure.OutcomeUnknown, "is missing": closure.OutcomeApplied,
	} {
		t.Run("the list "+list, func(t *testing.T) {
			inClinic(t, func(t *testing.T, c *sharedClinic) {
				booking, err := c.process().BookSlot(t.Context(), slotParamsFor("order 17"))
				c.booked(booking, err, false)
				time.Sleep(48 * time.Hour)
				c.Inject(closuretest.Status("appointments.get", 404).Times(0))
				switch list {
				case "shows nothing":
					c.Inject(closuretest.Stale("appointments.list", 50*time.Hour).Times(0))
				case "is missing":
					c.Inject(closuretest.Status("appointments.list", 404).Times(0))
				}
				again, err := c.process().BookSlot(t.Context(), slotParamsFor("order 17"))
				if closure.OutcomeOf(err) != want || err == nil && again.Appointment.ID != booking.Appointment.ID {
					t.Errorf("%v, %v", again, err)
				}
				c.sentBookings(1)
			}, closuretest.AllowDuplicates())
		})
	}
}

func isJournalError(t *testing.T, err error) {
	t.Helper()
	var failed *closure.JournalError
	if !errors.As(err, &failed) || closure.OutcomeOf(err) != closure.OutcomeNotSent {
		t.Errorf("%v, outcome %v", err, closure.OutcomeOf(err))
	}
}

func TestJournalThatFails(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		for _, fault := range []closuretest.JournalFault{
			closuretest.JournalFailsBefore("find"), closuretest.JournalFailsBefore("begin"),
			closuretest.JournalFailsAfter("begin"),
		} {
			c.journal.Inject(fault)
			_, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
			isJournalError(t, err)
			if !errors.Is(err, closuretest.ErrJournal) {
				t.Errorf("the cause is not in %v", err)
			}
			c.holds()
		}
		c.sentBookings(0)

		c.journal.Inject(closuretest.JournalFailsBefore("finish"))
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor("order 1"))
		c.booked(booking, err, false) // it is the truth
		c.holds(closure.JournalPending)
		for resolution := range c.process().ResolvePending(t.Context()) {
			c.booked(resolution.Booking, resolution.Err, true)
		}
		c.holds(closure.JournalBooked)
	})
}

// The text tells a caller who gave up from a journal that failed, and shows nothing that is not
// this package's own.
func TestTextOfAJournalError(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"no cause":             {nil, "closure: the journal failed (find): nothing was booked or changed"},
		"the database's error": {errors.New("Trisha Pandit"), "closure: the journal failed, and the cause is in Err (find): nothing was booked or changed"},
		"the caller gave up": {fmt.Errorf("Trisha Pandit: %w", context.Canceled),
			"closure: the context was canceled while the journal was asked (find): nothing was booked or changed"},
		"no time": {fmt.Errorf("Trisha Pandit: %w", context.DeadlineExceeded),
			"closure: the time was up while the journal was asked (find): nothing was booked or changed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := (&closure.JournalError{Op: "find", Err: tt.err}).Error(); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	bad := nonsense{closure.JournalEntry{State: closure.JournalNotBooked}}
	_, err := closuretest.New().Client(closure.WithJournal(bad)).BookSlot(t.Context(), closure.BookSlotParams{
		ScheduleID: closuretest.GuideScheduleID, PatientID: closuretest.GuidePatientID, StartAt: closuretest.GuideSlot().StartAt,
	})
	isJournalError(t, err)
	const want = "closure: the journal returned an entry that is neither pending nor booked (begin): nothing was booked or changed"
	if err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestJournalThatHangs(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		c.journal.Inject(closuretest.JournalWaits("find", time.Hour), closuretest.JournalWaits("begin", time.Hour))
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := c.process().BookSlot(ctx, slotParamsFor(""))
			isJournalError(t, err)
			cancel()
		}
		c.sentBookings(0)
		c.journal.Inject(closuretest.JournalWaits("finish", time.Hour))
		begin := time.Now()
		booking, err := c.process().BookSlot(t.Context(), slotParamsFor(""))
		c.booked(booking, err, false)
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// A nonsense journal answers every question with the same entry.
type nonsense struct{ entry closure.JournalEntry }

func (n nonsense) Begin(context.Context, closure.BookingAttempt) (*closure.JournalEntry, error) {
	return &n.entry, nil
}

func (n nonsense) Find(context.Context, closure.BookingAttempt) (*closure.JournalEntry, error) {
	return nil, nil
}

func (n nonsense) FindAppointment(context.Context, closure.AppointmentID) (*closure.JournalEntry, error) {
	return &n.entry, nil
}
func (nonsense) Finish(context.Context, closure.JournalEntry) error   { return nil }
func (nonsense) Release(context.Context, closure.AppointmentID) error { return nil }
func (n nonsense) Pending(context.Context) iter.Seq2[closure.JournalEntry, error] {
	return func(yield func(closure.JournalEntry, error) bool) { yield(n.entry, nil) }
}

func TestJournalThatReturnsNonsense(t *testing.T) {
	inClinic(t, func(t *testing.T, c *sharedClinic) {
		ours := closure.NewBookingAttempt(slotParamsFor(""))
		foreign, nameless, live := ours, ours, ours
		foreign.PatientID, nameless.ID, live.Mode = "pt_other", "", closure.ModeLive
		for name, entry := range map[string]closure.JournalEntry{
			"empty":                      {},
			"of another patient":         {Attempt: foreign},
			"without an id":              {Attempt: nameless},
			"of the other mode":          {Attempt: live},
			"booked without appointment": {Attempt: ours, State: closure.JournalBooked},
			"not booked":                 {Attempt: ours, State: closure.JournalNotBooked},
			"of no state":                {Attempt: ours, State: 7},
			"begun, and never found":     {Attempt: ours},
		} {
			_, err := c.process(closure.WithJournal(nonsense{entry})).BookSlot(t.Context(), slotParamsFor(""))
			if _, ok := errors.AsType[*closure.JournalError](err); !ok {
				t.Errorf("%s: %v", name, err)
			}
		}
		c.sentBookings(0)
	})
}

func TestAttemptsOfOldVersionsStillRead(t *testing.T) {
	t.Parallel()
	const old = `{"schedule_id":"sch_1","patient_id":"pt_1","start_at":"2022-05-20T17:00:00Z","duration":30,` +
		`"attempted_at":"2022-05-20T17:00:00Z"}`
	var attempt closure.BookingAttempt
	noError(t, json.Unmarshal([]byte(old), &attempt))
	if text := show(attempt); text != old {
		t.Errorf("reads and writes as %s", text)
	}
}

func TestJournalStateSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for state, want := range map[closure.JournalState]string{
		closure.JournalPending: "pending", closure.JournalBooked: "booked",
		closure.JournalNotBooked: "not booked", closure.JournalReleased: "released", -1: "invalid",
	} {
		if got := state.String(); got != want {
			t.Errorf("%d is %q, want %q", int(state), got, want)
		}
	}
}
