package closuretemporal

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// inJournalBench is inBench with a client, and a worker, that have a journal. The worker
// fails right before it sends, so that it is unknown whether the booking was made.
func inJournalBench(t *testing.T, test func(b *bench, journal closure.Journal)) {
	t.Helper()
	inBench(t, func(b *bench) {
		journal := closuretest.NewJournal()
		b.client, b.worker = []closure.Option{closure.WithJournal(journal)}, []WorkerOption{WithJournal(journal)}
		b.order.Key = "order-1"
		b.routes = before(http.MethodPost, func() { panic("the worker fails") })
		test(b, journal)
	})
}

// entry is what the journal holds under the key for the guide's slot.
func entry(t *testing.T, journal closure.Journal, key string) *closure.JournalEntry {
	t.Helper()
	params := guide()
	params.IdempotencyKey = key
	entry, err := journal.Find(t.Context(), closure.NewBookingAttempt(params))
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

// finish makes the pending entry booked, as appt_told.
func finish(t *testing.T, journal closure.Journal, pending *closure.JournalEntry) {
	t.Helper()
	booked := *pending
	booked.State, booked.Appointment = closure.JournalBooked, "appt_told"
	if err := journal.Finish(t.Context(), booked); err != nil {
		t.Error(err)
	}
}

// The key's appointment was moved: it is the booking, wherever it is.
func TestAMovedAppointmentIsTheBooking(t *testing.T) {
	inJournalBench(t, func(b *bench, journal closure.Journal) {
		b.policy.AssumeLostAfter = 30 * time.Minute
		to := guide().StartAt.Add(15 * time.Minute)
		b.RegisterDelayedCallback(func() {
			finish(t, journal, entry(t, journal, "order-1"))
			moved := guide()
			moved.StartAt = to
			attempt := closure.NewBookingAttempt(moved)
			attempt.AppointmentID = "appt_told"
			if there, err := journal.Begin(t.Context(), attempt); there != nil || err != nil {
				t.Error(there, err)
			}
			finish(t, journal, &closure.JournalEntry{Attempt: attempt})
		}, 200*time.Millisecond)
		booked, err := b.book()
		if err != nil || booked.ID != "appt_told" || !booked.StartAt.Equal(to) {
			t.Errorf("%v, %v", booked, err)
		}
	})
}

// What BookFirstAvailable booked under the key, or a workflow that Temporal has forgotten, is the
// appointment of a search, although the search finds another slot.
func TestSearchWhoseKeyIsBooked(t *testing.T) {
	visit := 30 * time.Minute
	for name, tt := range map[string]struct {
		change func(practice *closure.Client, was closure.Appointment) error
		later  time.Duration // than what the key booked
		other  bool          // it is another appointment
		noGet  bool          // the API doesn't show one appointment
	}{
		"it stands":                      {func(*closure.Client, closure.Appointment) error { return nil }, 0, false, false},
		"it stands, as the journal says": {func(*closure.Client, closure.Appointment) error { return nil }, 0, false, true},
		"the practice moved it": {func(practice *closure.Client, was closure.Appointment) error {
			to := closure.AppointmentRescheduleParams{StartAt: was.StartAt.Add(3 * visit)}
			_, err := practice.RescheduleBooking(context.Background(), was.ID, to)
			return err
		}, 3 * visit, false, false},
		"the practice cancelled it": {func(practice *closure.Client, was closure.Appointment) error {
			_, err := practice.CancelBooking(context.Background(), was.ID)
			return err
		}, visit, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			inJournalBench(t, func(b *bench, journal closure.Journal) {
				b.routes, b.order = nil, first()
				b.order.Search.To = b.order.Search.To.Add(3 * visit)
				search, err := b.order.Search.slotSearch()
				if err != nil {
					b.t.Fatal(err)
				}
				params := closure.BookFirstParams{PatientID: b.order.Patient, IdempotencyKey: b.order.Key, Search: search}
				before, err := b.server.Client(closure.WithJournal(journal)).BookFirstAvailable(b.t.Context(), params)
				if err != nil {
					b.t.Fatal(err)
				}
				was := before.Appointment
				for i := range 3 {
					start := was.StartAt.Add(time.Duration(i+1) * visit)
					b.server.AddSlots(was.ScheduleID, closure.Slot{StartAt: start, Duration: was.Duration})
				}
				if err := tt.change(b.server.Client(), was); err != nil {
					b.t.Fatal(err)
				}
				b.server.AddPatient(closure.Patient{ID: "pt_other"})
				b.server.AddAppointment(closure.Appointment{ // so that the search finds a later slot
					ScheduleID: was.ScheduleID, PatientID: "pt_other", StartAt: was.StartAt, Duration: was.Duration,
					Status: closure.AppointmentScheduled,
				})
				if tt.noGet {
					b.server.Inject(closuretest.Status("appointments.get", 404).Times(0))
				}
				// A journal that can't be asked for a moment says nothing of the key.
				b.worker = []WorkerOption{WithJournal(&failsOnce{Journal: journal})}
				booked, err := b.book()
				if err != nil || !booked.StartAt.Equal(was.StartAt.Add(tt.later)) || (booked.ID != was.ID) != tt.other {
					b.t.Errorf("%v, %v; it was at %s", booked, err, was.StartAt)
				}
			})
		})
	}
}

// A failsOnce is a journal whose first Find, FindAppointment and Release fail.
type failsOnce struct {
	closure.Journal
	find, findAppointment, release sync.Once
}

func failing(once *sync.Once) (err error) {
	once.Do(func() { err = closuretest.ErrJournal })
	return err
}

func (j *failsOnce) Find(ctx context.Context, attempt closure.BookingAttempt) (*closure.JournalEntry, error) {
	if err := failing(&j.find); err != nil {
		return nil, err
	}
	return j.Journal.Find(ctx, attempt)
}

func (j *failsOnce) FindAppointment(ctx context.Context, id closure.AppointmentID) (*closure.JournalEntry, error) {
	if err := failing(&j.findAppointment); err != nil {
		return nil, err
	}
	return j.Journal.FindAppointment(ctx, id)
}

func (j *failsOnce) Release(ctx context.Context, id closure.AppointmentID) error {
	if err := failing(&j.release); err != nil {
		return err
	}
	return j.Journal.Release(ctx, id)
}

// The same while it isn't known what came of the earlier booking: the search sends nothing.
func TestSearchWhoseKeyIsPending(t *testing.T) {
	inJournalBench(t, func(b *bench, journal closure.Journal) {
		b.routes, b.order = nil, first()
		earlier := guide()
		earlier.StartAt, earlier.IdempotencyKey = earlier.StartAt.Add(-48*time.Hour), b.order.Key
		if _, err := journal.Begin(b.t.Context(), closure.NewBookingAttempt(earlier)); err != nil {
			t.Fatal(err)
		}
		b.settle(2*time.Hour, NotBooked())
		booked, err := b.book()
		if booked != nil || !errors.Is(err, closure.ErrNotBooked) || len(b.server.Appointments()) > 0 {
			t.Errorf("%v, %v", booked, err)
		}
	})
}

// The journal knows that the appointment was cancelled, and has freed the key.
func TestAReleasedAppointmentIsNoBooking(t *testing.T) {
	inJournalBench(t, func(b *bench, journal closure.Journal) {
		b.RegisterDelayedCallback(func() {
			if err := journal.Release(t.Context(), "appt_told"); err != nil {
				t.Error(err)
			}
			finish(t, journal, entry(t, journal, "order-1")) // later than the cancellation
		}, 200*time.Millisecond)
		booked, err := b.book()
		if booked != nil || closure.OutcomeOf(err) != closure.OutcomeRejected || entry(t, journal, "order-1") != nil {
			t.Errorf("%v, %v, the journal holds %v", booked, err, entry(t, journal, "order-1"))
		}
	})
}

// Another key has begun a booking of the same slot. Whatever becomes of this one, that
// one may be sent: its entry stays, and this one doesn't count as lost meanwhile.
func TestAnotherKeysAttemptStays(t *testing.T) {
	for name, lostAfter := range map[string]time.Duration{"never lost": 0, "lost after a while": 30 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			inJournalBench(t, func(b *bench, journal closure.Journal) {
				b.RegisterDelayedCallback(func() {
					own := entry(t, journal, "order-1")
					own.State = closure.JournalNotBooked
					params := guide()
					params.IdempotencyKey = "order-2"
					if err := journal.Finish(t.Context(), *own); err != nil {
						t.Error(err)
					}
					if there, err := journal.Begin(t.Context(), closure.NewBookingAttempt(params)); there != nil || err != nil {
						t.Error(there, err)
					}
				}, 200*time.Millisecond)
				b.policy.AssumeLostAfter = lostAfter
				b.settle(2*time.Hour, NotBooked())
				if booked, err := b.book(); booked != nil || closure.OutcomeOf(err) != closure.OutcomeRejected {
					t.Errorf("%v, %v", booked, err)
				}
				if held := entry(t, journal, "order-2"); held == nil || held.State != closure.JournalPending {
					t.Errorf("the journal holds %v", held)
				}
			})
		})
	}
}

// The journal's word on an appointment is the client's, too: a verdict that contradicts
// it would make two answers.
func TestTheJournalBeatsAVerdict(t *testing.T) {
	for name, verdict := range map[string]Verdict{"not booked": NotBooked(), "another one": Booked("appt_other")} {
		t.Run(name, func(t *testing.T) {
			inJournalBench(t, func(b *bench, journal closure.Journal) {
				b.policy.MaxWait, b.policy.FirstLook = 5*time.Hour, 5*time.Hour
				b.RegisterDelayedCallback(func() {
					finish(t, journal, entry(t, journal, "order-1"))
				}, time.Hour)
				b.settle(2*time.Hour, verdict)
				if booked, err := b.book(); err != nil || booked.ID != "appt_told" {
					t.Errorf("%v, %v", booked, err)
				}
			})
		})
	}
}

// The journal has lost the attempt, or never had it: it learns of the appointment.
func TestTheJournalLearnsWhatItDidNotHold(t *testing.T) {
	lose := func(t *testing.T, journal closure.Journal) {
		own := entry(t, journal, "order-1")
		own.State = closure.JournalNotBooked
		if err := journal.Finish(t.Context(), *own); err != nil {
			t.Error(err)
		}
	}
	check := func(t *testing.T, journal closure.Journal, id closure.AppointmentID) {
		held := entry(t, journal, "order-1")
		if held == nil || held.State != closure.JournalBooked || held.Appointment != id {
			t.Errorf("the journal holds %v", held)
		}
	}
	t.Run("by a person", func(t *testing.T) {
		inJournalBench(t, func(b *bench, journal closure.Journal) {
			b.RegisterDelayedCallback(func() { lose(t, journal) }, 200*time.Millisecond)
			b.settle(2*time.Hour, Booked("appt_told"))
			if booked, err := b.book(); err != nil || booked.ID != "appt_told" {
				t.Errorf("%v, %v", booked, err)
			}
			check(t, journal, "appt_told")
		})
	})
	t.Run("by a look", func(t *testing.T) {
		inJournalBench(t, func(b *bench, journal closure.Journal) {
			b.RegisterDelayedCallback(func() {
				lose(t, journal)
				own := taken()
				own.PatientID = closuretest.GuidePatientID
				b.server.AddAppointment(own)
			}, 200*time.Millisecond)
			booked, err := b.book()
			if err != nil || booked.ID != taken().ID {
				t.Errorf("%v, %v", booked, err)
			}
			check(t, journal, taken().ID)
		})
	})
}

// A look that can't ask the journal ends nothing.
func TestALookWithoutTheJournalEndsNothing(t *testing.T) {
	journal := closuretest.NewJournal()
	journal.Inject(closuretest.JournalFailsBefore("find"))
	a := &activities{api: closuretest.New(closuretest.ReportTo(t)).Client(), journal: journal}
	in := lookInput{Attempt: closure.NewBookingAttempt(guide()), Order: slotOrder(guide()), Lost: true, LostAfter: time.Hour}
	in.Attempt.AttemptedAt = time.Now().Add(-2 * time.Hour)
	if end, err := a.look(t.Context(), in); err != nil || end.Failure != nil || end.Appointment != nil {
		t.Errorf("%+v, %v", end, err)
	}
}
