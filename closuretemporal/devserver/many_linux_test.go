package devserver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Four processes start one key a hundred times, with two workers: all get one appointment.
func TestAHundredStartsOfOneKey(t *testing.T) {
	c := newClinic(t)
	for range 2 {
		c.worker(t, "queue", nil)
	}
	params := c.wanted(1)
	var starters []*process
	for range 4 {
		cfg := c.cfg
		cfg.Queue, cfg.Params, cfg.Starts, cfg.Policy = "queue", params, 25, c.policy
		starters = append(starters, spawn(t, "starter", cfg))
	}
	answers := 0
	for _, p := range starters {
		select {
		case <-p.gone:
		case <-time.After(time.Minute):
			t.Fatal("a starter does not end")
		}
		answers += strings.Count(p.out.String(), "booked "+string(c.Appointments()[0].ID)+"\n")
	}
	if answers != 100 || c.made(params.PatientID) != 1 {
		t.Errorf("%d answers with the appointment, %d appointments", answers, c.made(params.PatientID))
	}
}

// With two workers and many bookings, the server is killed at random moments, and starts
// again with its file.
func TestTheServerDies(t *testing.T) {
	c := newClinic(t)
	c.policy.SendTimeout = 10 * time.Second
	for range 2 {
		c.worker(t, "queue", nil)
	}
	bookings, _ := c.bookings(t, "queue")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	ended := make(chan error)
	n := times(20, 100)
	for i := range n {
		params := c.wanted(i)
		go func() {
			time.Sleep(time.Duration(i) * 200 * time.Millisecond)
			for {
				_, err := bookUntilBooked(ctx, bookings, params)
				if err != nil && ctx.Err() == nil {
					// Temporal can't be reached, or was away for so long that the workflow gave up
					// sending. Starting again is safe.
					time.Sleep(100 * time.Millisecond)
					continue
				}
				if made := c.made(params.PatientID); err != nil || made != 1 {
					err = fmt.Errorf("booking %d: %w, %d appointments", i, err, made)
				}
				ended <- err
				return
			}
		}()
	}
	go func() {
		for range times(2, 10) {
			time.Sleep(time.Second + rand.N(time.Second))
			c.server.kill()
			c.server = c.serve()
		}
	}()
	for range n {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// A server that hangs for longer than Temporal's client waits for it: one Start is enough.
func TestStartOutlastsAServerThatHangs(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c.worker(t, "queue", nil).says("ready")
	bookings, _ := c.bookings(t, "queue")
	params := c.wanted(1)
	if err := c.server.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c.server.sleeps()
	const hangs = 12 * time.Second
	time.AfterFunc(hangs, c.server.thaw)
	begin := time.Now()
	pending, err := bookings.Start(ctx, params)
	if err != nil || time.Since(begin) < hangs {
		t.Fatalf("%v after %v", err, time.Since(begin))
	}
	if _, err := pending.Wait(ctx); err != nil || c.made(params.PatientID) != 1 {
		t.Errorf("%v, %d appointments", err, c.made(params.PatientID))
	}
}
