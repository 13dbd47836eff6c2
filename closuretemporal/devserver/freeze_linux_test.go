package devserver

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// A worker is stopped right before it sends. When it wakes up, its time is over,
// another one has booked, and the API would accept a second one.
//
// Another check keeps it from sending at each point. "before POST": net/http looks at the
// context, mostly. "connected POST": sendBefore looks at the clock when the connection is
// given; the transport there looks at nothing later. First byte: the client's own connection
// looks at the clock before it writes; a caller's http.RoundTripper has no such check.
//
// What wakes up goes on before a timer's goroutine can end its context: of 50 tries without
// the check at "connected POST" each of its 17 booked twice, and without the one before the
// first byte 15 of 16.
func TestAWorkerFreezesBeforeItSends(t *testing.T) {
	c := newClinic(t)
	c.policy.SendTimeout = 2 * time.Second
	c.policy.AssumeLostAfter = time.Second
	slots := make(chan struct{}, 6)
	for i := range times(6, 50) {
		params := c.wanted(i)
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			c.freeze(t, fmt.Sprint("queue-", i), []string{"before POST", "connected POST", atFirstByte}[i%3], params)
		})
	}
}

func (c *clinic) freeze(t *testing.T, queue, at string, params closure.BookSlotParams) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bookings, _ := c.bookings(t, queue)
	c.worker(t, queue, func(cfg *roleConfig) { cfg.WorkflowsOnly = true })
	frozen := c.worker(t, queue, func(cfg *roleConfig) { cfg.ActivitiesOnly, cfg.StopAt = true, at })
	if _, err := bookings.Start(ctx, params); err != nil {
		t.Fatal(err)
	}
	frozen.sleeps()
	c.worker(t, queue, nil)
	booked, err := bookUntilBooked(ctx, bookings, params)
	if err != nil {
		t.Fatal(booked, err)
	}
	frozen.thaw()
	time.Sleep(time.Second) // for what it would send
	if made := c.made(params.PatientID); made != 1 {
		t.Errorf("%d appointments", made)
	}
}

// The same in the middle of a change, which another worker then makes, and which another
// change follows: what the first one would send undoes that.
func TestAWorkerFreezesBeforeItMovesAnAppointment(t *testing.T) {
	for _, at := range []string{"connected PATCH", atFirstByte} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			newClinic(t).freezeChange(t, at)
		})
	}
}

func (c *clinic) freezeChange(t *testing.T, at string) {
	// Long enough that a worker that took over after a heartbeat's time-out would have made
	// both changes before the time of the frozen one is over, and shorter than the API keeps
	// a connection on which nothing is sent.
	c.policy.SendTimeout = 8 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := &story{t: t, c: c, ctx: ctx, params: c.wanted(1)}
	booker := c.worker(t, "queue", nil)
	pending := s.start()
	s.ends(pending)
	booker.kill()

	c.worker(t, "queue", func(cfg *roleConfig) { cfg.WorkflowsOnly = true })
	frozen := c.worker(t, "queue", func(cfg *roleConfig) { cfg.ActivitiesOnly, cfg.StopAt = true, at })
	move := func(n int) error {
		_, err := pending.Reschedule(ctx, closure.AppointmentRescheduleParams{StartAt: c.wanted(n).StartAt})
		return err
	}
	moved := make(chan error)
	go func() { moved <- move(2) }()
	frozen.sleeps()
	c.worker(t, "queue", nil)
	if err := errors.Join(<-moved, move(3)); err != nil {
		t.Fatal(err)
	}
	frozen.thaw()
	time.Sleep(time.Second) // for what it would send
	if at := c.Appointments()[0].StartAt; !at.Equal(c.wanted(3).StartAt) {
		t.Errorf("it is at %v", at)
	}
}
