package main

import (
	"context"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/closurehealth/closure-go/internal/testmain"
)

// child is the server of all tests.
var child *server

func TestMain(m *testing.M) {
	if isServer() {
		serve()
		return
	}
	var err error
	if child, err = startServer(); err != nil {
		panic(err)
	}
	code := m.Run()
	child.stop()
	os.Exit(code)
}

// How many more allocations a call through the SDK may make than one by hand that reads the
// same bytes into the same types. They pay for the timeout, the retries, the cap on the
// body, its own header and, for a write, watching whether it was sent.
func TestAllocations(t *testing.T) {
	if testmain.RaceDetector {
		t.Skip("the race detector empties pools at random")
	}
	sdk, v1, v2, err := newClients(child.url)
	if err != nil {
		t.Fatal(err)
	}
	for op, more := range map[string]int{
		"get":                             -6,
		"list of 100":                     -13,
		"create":                          -4,
		"get a schedule, expanded":        2,
		"list of 100 schedules, expanded": -9,
	} {
		got, byHand := allocations(t, sdk.op(op)), allocations(t, v2.op(op))
		t.Logf("%s: %d, bare v2 %d, bare v1 %d", op, got, byHand, allocations(t, v1.op(op)))
		if got > byHand+more {
			t.Errorf("%s: %d allocations, %+d of those by hand, want at most %+d", op, got, got-byHand, more)
		}
	}
}

// allocations counts the allocations of one call on an open connection. It counts several
// times and returns the smallest number, because other work in the process only adds.
func allocations(t *testing.T, call func(context.Context) error) int {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools of net/http and json
	fewest := 1 << 30
	for range 3 {
		fewest = min(fewest, int(testing.AllocsPerRun(30, func() {
			if err := call(t.Context()); err != nil {
				t.Fatal(err)
			}
		})))
	}
	return fewest
}

// BenchmarkCall is for profiles.
func BenchmarkCall(b *testing.B) {
	sdk, v1, v2, err := newClients(child.url)
	if err != nil {
		b.Fatal(err)
	}
	for client, c := range map[string]*client{"sdk": sdk, "v1": v1, "v2": v2} {
		for _, op := range []string{"get", "list of 100", "create"} {
			b.Run(client+"/"+strings.Fields(op)[0], func(b *testing.B) {
				call := c.op(op)
				b.ReportAllocs()
				for b.Loop() {
					if err := call(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkBooking is for profiles.
func BenchmarkBooking(b *testing.B) {
	sdk, err := newBooking(child)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []*client{sdk, newBookingByHand(child, 0)} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.book(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
