package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"time"
)

// memory prints the peak of the heap while a list of 10,000 patients is read, as a multiple of
// the answer's size.
func memory(ctx context.Context, s *server) error {
	sdk, v1, v2, err := newClients(s.url + "/small")
	if err != nil {
		return err
	}
	body := longListLength * (len(patientJSON(0)) + 1)
	fmt.Printf("%s; a body of %.1f MB\n\n", about(), float64(body)/1e6)
	fmt.Println("| Client | Answer | Peak heap, of the body | Allocated, of the body |")
	fmt.Println("|---|---|---:|---:|")
	for _, c := range []*client{sdk, v1, v2} {
		for _, answer := range []string{"", "chunked "} {
			kind := "with Content-Length"
			if answer != "" {
				kind = "chunked"
			}
			peak, allocated, err := watchHeap(func() error {
				return c.list(ctx, answer+strconv.Itoa(longListLength))
			})
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Printf("| %s | %s | %.1f | %.1f |\n", c.name, kind, peak/float64(body), allocated/float64(body))
		}
	}
	return nil
}

// watchHeap returns by how many bytes the heap grows while call runs, and how many bytes call
// allocates in all. Garbage is collected as early as possible, because the call doesn't need
// it.
func watchHeap(call func() error) (peak, allocated float64, err error) {
	if err := call(); err != nil { // opens the connection
		return 0, 0, err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	runtime.GC()
	before := heap()
	stop, highest := make(chan struct{}), make(chan uint64)
	go func() {
		high := before.live
		for {
			select {
			case <-stop:
				highest <- high
				return
			case <-time.After(200 * time.Microsecond):
				high = max(high, heap().live)
			}
		}
	}()
	err = call()
	after := heap()
	close(stop)
	return float64(<-highest - before.live), float64(after.allocated - before.allocated), err
}

type heapSize struct{ live, allocated uint64 }

func heap() heapSize {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(samples)
	return heapSize{samples[0].Value.Uint64(), samples[1].Value.Uint64()}
}
