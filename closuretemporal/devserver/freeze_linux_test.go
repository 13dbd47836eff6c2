package devserver

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// A worker is stopped right before it sends. When it wakes up, its time is over,
// another one has booked, and the API would accept a second one.
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
			c.freeze(t, fmt.Sprint("queue-", i), params)
		})
	}
}

func (c *clinic) freeze(t *testing.T, queue string, params closure.BookSlotParams) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bookings, _ := c.bookings(t, queue)
	c.worker(t, queue, func(cfg *roleConfig) { cfg.WorkflowsOnly = true })
	frozen := c.worker(t, queue, func(cfg *roleConfig) { cfg.ActivitiesOnly, cfg.StopAt = true, "before POST" })
	if _, err := bookings.Start(ctx, params); err != nil {
		t.Fatal(err)
	}
	frozen.sleeps()
	c.worker(t, queue, nil)
	booked, err := bookUntilBooked(ctx, bookings, params)
	if err != nil {
		t.Fatal(booked, err)
	}
	frozen.signal(syscall.SIGCONT)
	time.Sleep(time.Second) // for what it would send
	if made := c.made(params.PatientID); made != 1 {
		t.Errorf("%d appointments", made)
	}
}
