package devserver

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// For each event of a booking, a worker kills itself at that event and another one takes
// over. The API accepts duplicates.
func TestAWorkerDiesAtEachEvent(t *testing.T) {
	for name, fault := range map[string]closuretest.Fault{
		"answered": {}, "answer lost": closuretest.CommitLate("appointments.create", 5*time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			c := newClinic(t)
			if name != "answered" {
				c.Inject(fault.Times(0))
			}
			last := times(16, 32) // a booking that is answered has fewer events
			slots := make(chan struct{}, 8)
			for at := 1; at <= last; at++ {
				params := c.wanted(at)
				t.Run(fmt.Sprint(at), func(t *testing.T) {
					t.Parallel()
					slots <- struct{}{}
					defer func() { <-slots }()
					c.dieAt(t, at, params)
				})
			}
		})
	}
}

func (c *clinic) dieAt(t *testing.T, at int, params closure.BookSlotParams) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	queue := fmt.Sprint("queue-", at)
	first := c.worker(t, queue, func(cfg *roleConfig) { cfg.KillAt = at })
	bookings, _ := c.bookings(t, queue)
	pending, err := bookings.Start(ctx, params)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = pending.Wait(ctx)
	}()
	select {
	case <-first.gone:
		_, where, _ := strings.Cut(first.out.String(), "killed at ")
		where, _, _ = strings.Cut(where, "\n")
		t.Logf("killed at %s", where)
	case <-ended: // it has fewer events
		t.Log("not killed")
	}
	c.worker(t, queue, nil)
	booked, err := bookUntilBooked(ctx, bookings, params)
	if err != nil || c.made(params.PatientID) != 1 {
		t.Errorf("%v, %v, %d appointments", booked, err, c.made(params.PatientID))
	}
}
