package closuretest_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A call within the process must be cheaper than one over loopback.
func BenchmarkCall(b *testing.B) {
	server := closuretest.New(closuretest.KeepRequests(0))
	defer server.Close()
	overLoopback := must(closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(server.Start())))
	for name, client := range map[string]*closure.Client{"in process": server.Client(), "loopback": overLoopback} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.Schedules.Get(context.Background(), closuretest.GuideScheduleID); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What a clinic of 10,000 schedules with 200 slots each costs: to start it, and
// once all its slots have been asked for.
func BenchmarkClinic(b *testing.B) {
	for b.Loop() {
		before := heap()
		server := closuretest.New(closuretest.WithGenerated(7, 10_000, 200), closuretest.KeepRequests(0))
		b.ReportMetric(float64(heap()-before)/1e6, "MB-started")
		ctx, client := context.Background(), server.Client()
		schedules, err := client.Schedules.List(ctx, closure.ScheduleListParams{})
		if err != nil {
			b.Fatal(err)
		}
		slots := 0
		for _, schedule := range schedules {
			list, err := client.Availabilities.List(ctx, schedule.ID, closure.AvailabilityListParams{})
			if err != nil {
				b.Fatal(err)
			}
			slots += len(list)
		}
		b.ReportMetric(float64(slots), "slots")
		b.ReportMetric(float64(heap()-before)/1e6, "MB-all-slots")
		runtime.KeepAlive(server)
	}
}

func BenchmarkClinicStart(b *testing.B) {
	for b.Loop() {
		closuretest.New(closuretest.WithGenerated(7, 10_000, 200))
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
