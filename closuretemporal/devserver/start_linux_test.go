package devserver

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretemporal"
	"github.com/closurehealth/closure-go/closuretest"
)

// What starting the same booking again does: it joins the first, returns its result,
// starts it again, or is refused.
func TestStartOfTheSame(t *testing.T) {
	c := newClinic(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c.worker(t, "queue", nil)
	b, _ := c.bookings(t, "queue")
	start := func(params closure.BookSlotParams, opts ...closuretemporal.StartOption) *closuretemporal.Pending {
		t.Helper()
		pending, err := b.Start(ctx, params, opts...)
		if err != nil {
			t.Fatal(err)
		}
		return pending
	}
	wanted := c.wanted(1)
	first := start(wanted)
	booked, err := first.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := b.Start(ctx, wanted, closuretemporal.Again(first.ID())); !errors.Is(err, closure.ErrInvalidInput) {
		t.Errorf("again, although it is not cancelled: %v", err)
	}

	// Booked: the result is the same, by its id alone too, and after it was cancelled.
	if again, err := start(wanted).Wait(ctx); err != nil || again.ID != booked.ID {
		t.Errorf("started again: %v, %v", again, err)
	}
	if cancelled, err := first.Cancel(ctx); err != nil || cancelled.ID != booked.ID {
		t.Errorf("cancelled: %v, %v", cancelled, err)
	}
	if again, err := b.Get(first.ID()).Wait(ctx); err != nil || again.ID != booked.ID {
		t.Errorf("got: %v, %v", again, err)
	}

	// The key of another booking.
	other := c.wanted(2)
	other.IdempotencyKey = wanted.IdempotencyKey
	if _, err := start(other).Wait(ctx); !errors.Is(err, closure.ErrIdempotencyKeyUsed) || c.made(other.PatientID) != 0 {
		t.Errorf("another booking: %v", err)
	}

	// Failed: it is started again, and booked once the API accepts it.
	c.Inject(closuretest.Status("schedules.get", 401).Times(1))
	refused := c.wanted(3)
	if _, err := start(refused).Wait(ctx); !errors.Is(err, closure.ErrUnauthorized) {
		t.Errorf("refused: %v", err)
	}
	if booked, err := start(refused).Wait(ctx); err != nil {
		t.Errorf("after a refusal: %v, %v", booked, err)
	}

	// A booking that doesn't exist, or that isn't unsettled.
	if _, err := b.Get("closure-booking-0").Wait(ctx); !errors.Is(err, closuretemporal.ErrNoBooking) {
		t.Errorf("no booking: %v", err)
	}
	if _, err := b.Get("closure-booking-0").Status(ctx); !errors.Is(err, closuretemporal.ErrNoBooking) {
		t.Errorf("no booking's status: %v", err)
	}
	if err := first.Settle(ctx, closuretemporal.NotBooked()); !errors.Is(err, closuretemporal.ErrNotUnsettled) {
		t.Errorf("settled: %v", err)
	}
}

// The same slot is booked and cancelled several times, while the API's reads still show the
// cancelled appointments.
func TestAgainWhileReadsLag(t *testing.T) {
	c := newClinic(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c.worker(t, "queue", func(cfg *roleConfig) { cfg.ShowsCancelled = true })
	b, _ := c.bookings(t, "queue")
	params := c.wanted(1)
	booked := make(map[closure.AppointmentID]bool)
	after := ""
	for n := 1; n <= 4; n++ {
		pending, err := b.Start(ctx, params, closuretemporal.Again(after))
		if err != nil {
			t.Fatal(err)
		}
		anew, err := pending.Wait(ctx)
		if err != nil || booked[anew.ID] || c.made(params.PatientID) != n {
			t.Fatalf("booking %d: %v, %v, %d appointments", n, anew, err, c.made(params.PatientID))
		}
		booked[anew.ID] = true
		if _, err := pending.Cancel(ctx); err != nil {
			t.Fatal(err)
		}
		after = pending.ID()
	}
}

// Two concurrent changes of one booking are made one after the other.
func TestChangesOfABookingQueue(t *testing.T) {
	c := newClinic(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c.worker(t, "queue", nil)
	s := &story{t: t, c: c, ctx: ctx, params: c.wanted(1)}
	pending := s.start()
	c.Inject(closuretest.Status("appointments.reschedule", 502).Times(2))
	ended := make(chan error, 2)
	for n := 2; n <= 3; n++ {
		to := closure.AppointmentRescheduleParams{StartAt: c.wanted(n).StartAt}
		go func() {
			moved, err := pending.Reschedule(ctx, to)
			if err == nil && !moved.StartAt.Equal(to.StartAt) {
				err = errors.New("it is at another start")
			}
			ended <- err
		}()
	}
	if err := errors.Join(<-ended, <-ended); err != nil || c.made(s.params.PatientID) != 1 {
		t.Errorf("%v, %d appointments", err, c.made(s.params.PatientID))
	}
}
