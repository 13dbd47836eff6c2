package closuretest_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// ways to have a clock: lags must work with each. advance lets time pass.
func eachClock(t *testing.T, opts []closuretest.Option,
	test func(t *testing.T, s *closuretest.Server, advance func(time.Duration))) {
	t.Helper()
	t.Run("the test's clock", func(t *testing.T) {
		t.Parallel()
		clock := closuretest.NewClock(time.Date(2022, 5, 1, 0, 0, 0, 0, time.UTC))
		s := closuretest.New(append(opts, closuretest.WithClock(clock.Now), closuretest.ReportTo(t))...)
		test(t, s, clock.Advance)
	})
	t.Run("the default clock in a bubble", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			test(t, closuretest.New(append(opts, closuretest.ReportTo(t))...), time.Sleep)
		})
	})
	t.Run("a fixed clock in a bubble", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			at := closuretest.WithFixedClock(time.Date(2022, 5, 2, 9, 30, 0, 0, time.UTC))
			test(t, closuretest.New(append(opts, at, closuretest.ReportTo(t))...), time.Sleep)
		})
	})
	t.Run("time.Now in a bubble", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			test(t, closuretest.New(append(opts, closuretest.WithClock(time.Now), closuretest.ReportTo(t))...), time.Sleep)
		})
	})
}

func TestCommitLate(t *testing.T) {
	t.Parallel()
	eachClock(t, nil, func(t *testing.T, s *closuretest.Server, advance func(time.Duration)) {
		c := s.Client(noRetries())
		s.Inject(closuretest.CommitLate(create, 20*time.Second))
		_, err := c.Appointments.Create(t.Context(), guideBooking())
		if closure.OutcomeOf(err) != closure.OutcomeUnknown {
			t.Fatalf("%v, want an unknown outcome", err)
		}
		for _, wait := range []time.Duration{0, 10 * time.Second, 10*time.Second - time.Millisecond} {
			advance(wait)
			found := must(c.Appointments.List(t.Context(), closure.AppointmentListParams{}))
			if len(found)+len(s.Appointments()) != 0 {
				t.Errorf("there already: %v, ledger %v", found, s.Appointments())
			}
			wantStarts(t, c, "16:45 17:00 17:15")
		}
		advance(time.Millisecond)
		wantStarts(t, c, "")
		if found := must(c.Appointments.List(t.Context(), closure.AppointmentListParams{})); len(found) != 1 ||
			len(s.Appointments()) != 1 {
			t.Errorf("not there yet: %v, ledger %v", found, s.Appointments())
		}
	})
}

// A late write is judged when its time comes, and is stamped with that time
// however late somebody looks.
func TestCommitLateIsJudgedThen(t *testing.T) {
	t.Parallel()
	clock := closuretest.NewClock(time.Date(2022, 5, 1, 0, 0, 0, 0, time.UTC))
	s := closuretest.New(closuretest.WithClock(clock.Now), closuretest.ReportTo(t))
	c := s.Client(noRetries())
	other := s.AddPatient(closure.Patient{FirstName: "Somebody", LastName: "Else"})
	theirs := guideBooking()
	theirs.PatientID = other.ID

	s.Inject(closuretest.CommitLate(create, 20*time.Second))
	_, _ = c.Appointments.Create(t.Context(), guideBooking())
	must(c.Appointments.Create(t.Context(), theirs)) // in time
	clock.Advance(time.Minute)
	if ledger := s.Appointments(); len(ledger) != 1 || ledger[0].PatientID != other.ID {
		t.Errorf("the slot was taken meanwhile: %+v", ledger)
	}

	must(c.Appointments.Cancel(t.Context(), s.Appointments()[0].ID))
	s.Inject(closuretest.CommitLate(create, 20*time.Second))
	_, _ = c.Appointments.Create(t.Context(), guideBooking())
	due := clock.Now().Add(20 * time.Second)
	clock.Advance(time.Hour)
	if _, err := c.Appointments.Create(t.Context(), theirs); status(err) != http.StatusConflict {
		t.Errorf("the late booking came first: %v, want 409", err)
	}
	if ledger := s.Appointments(); len(ledger) != 2 || ledger[1].PatientID != closuretest.GuidePatientID ||
		!ledger[1].CreatedAt.Equal(due) {
		t.Errorf("ledger: %+v", ledger)
	}
}

// Lags take real time by a fixed clock, and the clock shows the same before and after.
func TestLagsByAFixedClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := time.Date(2022, 5, 2, 9, 30, 0, 0, time.UTC)
		s := closuretest.New(closuretest.WithFixedClock(at), closuretest.StaleReads(30*time.Second), closuretest.ReportTo(t))
		c, start := s.Client(noRetries()), time.Now()
		s.Inject(closuretest.CommitLate(create, 20*time.Second))
		_, _ = c.Appointments.Create(t.Context(), guideBooking())
		for len(s.Appointments()) == 0 && time.Since(start) < time.Hour {
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took != 20*time.Second || len(s.Appointments()) == 0 || !s.Appointments()[0].CreatedAt.Equal(at) {
			t.Errorf("the late write came after %s: %+v", took, s.Appointments())
		}
		for len(must(c.Appointments.List(t.Context(), closure.AppointmentListParams{}))) == 0 && time.Since(start) < time.Hour {
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took != 50*time.Second {
			t.Errorf("a read showed it after %s, want 30s after it was written", took)
		}
	})
}

func TestLateWritesComeInOrderOfTheirTime(t *testing.T) {
	t.Parallel()
	clock := closuretest.NewClock(time.Date(2022, 5, 1, 0, 0, 0, 0, time.UTC))
	s := closuretest.New(closuretest.WithClock(clock.Now), closuretest.AllowDuplicates(), closuretest.ReportTo(t))
	c := s.Client(noRetries())
	s.Inject(closuretest.CommitLate(create, 3*time.Second), closuretest.CommitLate(create, time.Second),
		closuretest.CommitLate(create, 3*time.Second), closuretest.CommitLate("patients.list", time.Second))
	for n := range 3 {
		_, _ = c.Appointments.Create(t.Context(), booking(guideStart(n)))
	}
	if _, err := c.Patients.List(t.Context(), closure.PatientListParams{}); status(err) != 0 {
		t.Errorf("a read: %v, want a lost connection", err)
	}
	clock.Advance(time.Minute)
	for i, n := range []int{1, 0, 2} {
		if ledger := s.Appointments(); len(ledger) != 3 || !ledger[i].StartAt.Equal(guideStart(n)) {
			t.Errorf("ledger: %+v, want slot %d in place %d", ledger, n, i)
		}
	}
}

func TestStaleReads(t *testing.T) {
	t.Parallel()
	const lag = 30 * time.Second
	stale := []closuretest.Option{closuretest.StaleReads(lag)}
	eachClock(t, stale, func(t *testing.T, s *closuretest.Server, advance func(time.Duration)) {
		c, ctx := s.Client(noRetries()), t.Context()
		var version closure.IndexVersionID
		var made *closure.Patient
		look := func(want string, appointment closure.AppointmentStatus, patient, index int) {
			t.Helper()
			wantStarts(t, c, want)
			found := must(c.Appointments.List(ctx, closure.AppointmentListParams{}))
			one, err := c.Appointments.Get(ctx, s.Appointments()[0].ID)
			switch {
			case appointment == "" && (len(found) > 0 || status(err) != 404):
				t.Errorf("already there: %v, %v", found, err)
			case appointment != "" &&
				(len(found) != 1 || found[0].Status != appointment || one == nil || one.Status != appointment):
				t.Errorf("found %+v, %+v, want %s", found, one, appointment)
			}
			if _, err := c.Patients.Find(ctx, closure.PatientListParams{Name: "New Patient"}); (err == nil) != (patient == 200) {
				t.Errorf("new patient: %v, want %d", err, patient)
			}
			if _, err := c.Patients.Get(ctx, made.ID); status(err) != patient {
				t.Errorf("new patient by id: %v, want %d", err, patient)
			}
			_, err = c.Practitioners.List(ctx, closure.PractitionerListParams{}, closure.WithIndexVersion(version))
			if status(err) != index {
				t.Errorf("new index version: %v, want %d", err, index)
			}
		}
		a := must(c.Appointments.Create(ctx, guideBooking()))
		made = must(c.Patients.Create(ctx, closure.PatientCreateParams{
			FirstName: "New", LastName: "Patient", DOB: closure.NewDate(2000, 1, 1),
		}))
		version = must(c.IndexVersions.Create(ctx, closure.IndexVersionCreateParams{Name: "x"})).ID
		if len(s.Appointments()) != 1 {
			t.Error("the ledger lags")
		}
		look("16:45 17:00 17:15", "", 404, 404)
		if _, err := c.Appointments.Create(ctx, booking(guideStart(0))); status(err) != 409 {
			t.Errorf("writes see the state as it is: %v, want 409", err)
		}
		advance(lag - time.Millisecond)
		look("16:45 17:00 17:15", "", 404, 404)
		advance(time.Millisecond)
		look("", closure.AppointmentScheduled, 200, 200)
		must(c.Appointments.Cancel(ctx, a.ID))
		look("", closure.AppointmentScheduled, 200, 200)
		advance(lag)
		look("16:45 17:00 17:15", closure.AppointmentCancelled, 200, 200)
	})
}

// A stale read is as old as its fault says, whatever the lag of the others.
func TestStale(t *testing.T) {
	t.Parallel()
	for lag, others := range map[time.Duration]string{0: "", time.Hour: "16:45 17:00 17:15"} {
		stale := []closuretest.Option{closuretest.StaleReads(lag)}
		eachClock(t, stale, func(t *testing.T, s *closuretest.Server, advance func(time.Duration)) {
			c := s.Client(noRetries())
			s.Inject(closuretest.Stale("availabilities.list", time.Minute).Times(2), closuretest.Stale("availabilities.list", 0))
			must(c.Appointments.Create(t.Context(), guideBooking()))
			if _, err := c.Appointments.Create(t.Context(), guideBooking()); status(err) != 409 {
				t.Errorf("the same slot again: %v, want 409", err)
			}
			advance(time.Minute - time.Millisecond)
			wantStarts(t, c, "16:45 17:00 17:15")
			advance(time.Millisecond)
			wantStarts(t, c, "")
			wantStarts(t, c, "") // with a fault that makes it fresh
			wantStarts(t, c, others)
		})
	}
}

// A clock that is set back must not hide what is taken.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	clock := closuretest.NewClock(time.Date(2022, 5, 2, 0, 0, 0, 0, time.UTC))
	s := closuretest.New(closuretest.WithClock(clock.Now), closuretest.ReportTo(t))
	c := s.Client(noRetries())
	must(c.Appointments.Create(t.Context(), guideBooking()))
	clock.Advance(-24 * time.Hour)
	wantStarts(t, c, "")
	if _, err := c.Appointments.Create(t.Context(), guideBooking()); status(err) != 409 {
		t.Errorf("%v, want 409", err)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := closuretest.New(closuretest.ReportTo(t))
		c := s.Client(noRetries())
		s.Inject(closuretest.Delay(create, time.Hour), closuretest.Delay(create, 2*time.Second),
			closuretest.StatusAfter(create, 502))
		start := time.Now()
		_, err := c.Appointments.Create(t.Context(), guideBooking(), closure.WithTimeout(2*time.Hour))
		if status(err) != 502 || time.Since(start) != time.Hour+2*time.Second || len(s.Appointments()) != 1 {
			t.Errorf("after %s: %v, ledger %v", time.Since(start), err, s.Appointments())
		}
	})
}

// A client that gives up waiting returns at once, and has done it all the same.
func TestDelayEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := closuretest.New(closuretest.ReportTo(t))
		c := s.Client(noRetries())
		s.Inject(closuretest.Delay(create, time.Hour).Times(0))
		start := time.Now()
		_, err := c.Appointments.Create(t.Context(), guideBooking(), closure.WithTimeout(3*time.Second))
		if !errors.Is(err, context.DeadlineExceeded) || closure.OutcomeOf(err) != closure.OutcomeUnknown ||
			time.Since(start) != 3*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start = time.Now()
		if _, err = c.Appointments.Create(ctx, guideBooking()); !errors.Is(err, context.Canceled) ||
			time.Since(start) != time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		if len(s.Appointments()) != 1 {
			t.Errorf("ledger: %v", s.Appointments())
		}
	})
}

// Close ends delays of the loopback listener.
func TestCloseEndsDelays(t *testing.T) {
	t.Parallel()
	served := make(chan struct{}, 8)
	now := func() time.Time {
		served <- struct{}{} // read when a request is carried out, before the delay
		return time.Date(2022, 5, 1, 0, 0, 0, 0, time.UTC)
	}
	clock := closuretest.NewClock(now())
	watched := false
	s := closuretest.New(closuretest.WithClock(func() time.Time {
		if watched {
			return now()
		}
		return clock.Now()
	}))
	<-served
	watched = true
	s.Inject(closuretest.Delay("patients.list", time.Hour))
	pool := &http.Transport{}
	c := must(closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(s.Start()), noRetries(),
		closure.WithHTTPClient(&http.Client{Transport: pool})))
	failed := make(chan error)
	go func() {
		_, err := c.Patients.List(context.Background(), closure.PatientListParams{})
		failed <- err
	}()
	<-served
	s.Close()
	if err := <-failed; err == nil {
		t.Error("answered after Close")
	}
}

func TestBubbleEndsWithNothingLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		s := closuretest.New(closuretest.WithGenerated(1, 20, 5), closuretest.WithClock(time.Now))
		s.Inject(closuretest.CommitLate(create, time.Hour), closuretest.Delay("patients.list", time.Minute),
			closuretest.Huge("insurances.list", 100<<20), closuretest.Truncate("locations.list"))
		for _, call := range sdkCalls(s) {
			_ = call.call(t.Context(), s.Client())
		}
	})
}
