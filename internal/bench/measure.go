package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/closurehealth/closure-go/internal/commandline"
)

// A workload is one line of the table: calls by a number of goroutines.
type workload struct {
	op         string
	small      bool // records of natural size
	goroutines int
	chunk      int // how many calls a client makes in one turn
	chunks     int // how many turns each client has in a round

	progress *commandline.Progress // a step a round
}

func (w workload) String() string {
	size := recordSize
	if w.small {
		size = len(patientJSON(0))
	}
	return fmt.Sprintf("%s, %d bytes a record", w.op, size)
}

func (w workload) baseURL(s *server) string {
	if w.small {
		return s.url + "/small"
	}
	return s.url
}

// In the parallel workloads the pool has a connection for each goroutine.
var (
	serial = []workload{
		{op: "get", goroutines: 1, chunk: 100, chunks: 100},
		{op: "list of 100", goroutines: 1, chunk: 10, chunks: 60},
		{op: "create", goroutines: 1, chunk: 100, chunks: 100},
	}
	all = slices.Concat(serial, []workload{
		{op: "get", small: true, goroutines: 1, chunk: 100, chunks: 100},
		{op: "list of 100", small: true, goroutines: 1, chunk: 10, chunks: 60},
		{op: "create", small: true, goroutines: 1, chunk: 100, chunks: 100},
		{op: "get a schedule, expanded", goroutines: 1, chunk: 100, chunks: 100},
		{op: "list of 100 schedules, expanded", goroutines: 1, chunk: 10, chunks: 60},
		{op: "get", goroutines: 2, chunk: 200, chunks: 50},
		{op: "get", goroutines: 64, chunk: 640, chunks: 16},
		{op: "list of 100", goroutines: 64, chunk: 64, chunks: 16},
	})
)

// A cost is what a number of calls took.
type cost struct{ cpu, wall time.Duration }

// A result is what a call costs, as a multiple of what it costs another client.
type result struct{ cpu, wall float64 }

// compare lets the clients work in turns, for several rounds. It returns the median cost of the
// first client as a multiple of each other one's.
func (w workload) compare(ctx context.Context, rounds int, clients ...*client) ([]result, error) {
	ratios := make([][]result, len(clients)-1)
	for range rounds {
		costs, err := w.round(ctx, clients)
		if err != nil {
			return nil, err
		}
		w.progress.Step()
		for i, other := range costs[1:] {
			ratios[i] = append(ratios[i], result{
				cpu:  costs[0].cpu.Seconds() / other.cpu.Seconds(),
				wall: costs[0].wall.Seconds() / other.wall.Seconds(),
			})
		}
	}
	medians := make([]result, len(ratios))
	for i, rs := range ratios {
		medians[i] = result{
			cpu:  median(rs, func(r result) float64 { return r.cpu }),
			wall: median(rs, func(r result) float64 { return r.wall }),
		}
	}
	return medians, nil
}

func (w workload) round(ctx context.Context, clients []*client) ([]cost, error) {
	costs := make([]cost, len(clients))
	for i := range w.chunks + 1 {
		if i == 1 {
			clear(costs) // now connections are open and caches are filled
		}
		for j := range clients {
			// The first client changes, so that no client always pays for what another
			// one left behind.
			turn := (i + j) % len(clients)
			if err := w.run(ctx, clients[turn], &costs[turn]); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", clients[turn].name, w, err)
			}
		}
	}
	return costs, nil
}

// run adds the cost of one turn to c.
func (w workload) run(ctx context.Context, who *client, c *cost) error {
	call := who.op(w.op)
	errs := make([]error, w.goroutines)
	cpu, start := processCPU(), time.Now()
	var running sync.WaitGroup
	for g := range w.goroutines {
		running.Go(func() {
			for range w.chunk / w.goroutines {
				if errs[g] = call(ctx); errs[g] != nil {
					return
				}
			}
		})
	}
	running.Wait()
	c.cpu += processCPU() - cpu
	c.wall += time.Since(start)
	return errors.Join(errs...)
}

func median(rs []result, of func(result) float64) float64 {
	var x []float64
	for _, r := range rs {
		x = append(x, of(r))
	}
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// besideByHand returns what the SDK costs as a multiple of v1 and of v2.
func (w workload) besideByHand(ctx context.Context, s *server, rounds int) ([]result, error) {
	sdk, v1, v2, err := newClients(w.baseURL(s))
	if err != nil {
		return nil, err
	}
	return w.compare(ctx, rounds, sdk, v1, v2)
}

// table prints what docs/performance.md shows.
func table(ctx context.Context, s *server) error {
	const rounds = 5
	fmt.Printf("%s, median of %d rounds\n\n", about(), rounds)
	fmt.Println("| Call | Goroutines | CPU, of v1 | CPU, of v2 | Time, of v1 | Time, of v2 | CPU, v2 of v1 | CPU, v1 of v1 |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|---:|")
	progress := commandline.NewProgress(os.Stderr, "rounds", 2*rounds*len(all))
	defer progress.Clear()
	for _, w := range all {
		w.progress = progress
		rs, err := w.besideByHand(ctx, s, rounds)
		if err != nil {
			return err
		}
		noise, err := w.compare(ctx, rounds, newBareV1(w.baseURL(s)), newBareV1(w.baseURL(s)))
		if err != nil {
			return err
		}
		progress.Clear()
		fmt.Printf("| %s | %d | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f |\n", w, w.goroutines,
			rs[0].cpu, rs[1].cpu, rs[0].wall, rs[1].wall, rs[0].cpu/rs[1].cpu, noise[0].cpu)
	}
	return nil
}

// Limits on the CPU of a call. They are generous, so that a busy machine stays below them; a
// second decoding, or a copy of each body, does not.
var limits = map[string]struct{ v1, v2 float64 }{
	"get":         {1.00, 1.20},
	"list of 100": {0.65, 1.15},
	"create":      {1.15, 1.20},
}

// bookingLimit is as generous a limit on the CPU of a whole BookSlot, of its requests by hand.
const bookingLimit = 1.25

const gateRounds = 3

// gate fails if a call or a booking costs more than its limit.
func gate(ctx context.Context, s *server) error {
	progress := commandline.NewProgress(os.Stderr, "rounds", gateRounds*(len(serial)+1))
	defer progress.Clear()
	var errs []error
	for _, w := range serial {
		w.chunks, w.progress = w.chunks/2, progress
		errs = append(errs, w.gate(ctx, s))
	}
	return errors.Join(append(errs, gateBooking(ctx, s, progress))...)
}

func (w workload) gate(ctx context.Context, s *server) error {
	rs, err := w.besideByHand(ctx, s, gateRounds)
	if err != nil {
		return err
	}
	limit := limits[w.op]
	if v1OnV2 {
		limit.v1 = limit.v2
	}
	w.progress.Clear()
	fmt.Printf("%-12s CPU %.2f of bare v1 (limit %.2f), %.2f of bare v2 (limit %.2f)\n", w.op, rs[0].cpu, limit.v1, rs[1].cpu, limit.v2)
	if rs[0].cpu > limit.v1 || rs[1].cpu > limit.v2 {
		return fmt.Errorf("%s costs more than its limit", w.op)
	}
	return nil
}

func gateBooking(ctx context.Context, s *server, progress *commandline.Progress) error {
	plain, err := newBooking(s)
	if err != nil {
		return err
	}
	w := booking
	w.chunks, w.progress = w.chunks/2, progress
	rs, err := w.compare(ctx, gateRounds, plain, newBookingByHand(s, 0))
	if err != nil {
		return err
	}
	progress.Clear()
	fmt.Printf("%-12s CPU %.2f of its requests by hand with v2 (limit %.2f)\n", plain.name, rs[0].cpu, bookingLimit)
	if rs[0].cpu > bookingLimit {
		return fmt.Errorf("%s costs more than its limit", plain.name)
	}
	return nil
}
