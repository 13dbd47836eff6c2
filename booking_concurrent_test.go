package closure_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// Concurrent calls for the same thing make one request and share one booking.
func TestTwoClicksMakeOneBooking(t *testing.T) {
	t.Parallel()
	twice := []closuretest.Option{closuretest.AllowDuplicates()}
	stale := []closuretest.Option{closuretest.AllowDuplicates(), closuretest.StaleReads(time.Hour)}
	for name, test := range map[string]struct {
		faults []closuretest.Fault
		server []closuretest.Option
		first  string // the one call that sends
		others string
		booked int
	}{
		"confirmed":   {first: "booked", others: "recovered", booked: 1},
		"slots twice": {server: twice, first: "booked", others: "recovered", booked: 1},
		"stale reads": {server: stale, first: "booked", others: "recovered", booked: 1},
		"lost after":  {faults: faults(closuretest.DropAfter(create)), first: "recovered", others: "recovered", booked: 1},
		"unknown":     {faults: faults(closuretest.DropBefore(create)), first: "unknown", others: "unknown"},
		"unknown, no list": {
			faults: faults(closuretest.DropAfter(create), always(closuretest.Status(lists, 404))),
			first:  "unknown", others: "unknown", booked: 1,
		},
		"unknown, stale": {
			faults: faults(closuretest.DropAfter(create)), server: stale,
			first: "unknown", others: "unknown", booked: 1,
		},
	} {
		atDesks(t, name, func(t *testing.T, d *desk) {
			d.Inject(append(test.faults, closuretest.Delay(create, 20*time.Millisecond))...)
			const clicks = 64
			ctx := d.patienceFor(t, test.first)
			var mu sync.Mutex
			endings := make(map[string]int)
			made := make(map[closure.AppointmentID]bool)
			var group sync.WaitGroup
			begin := time.Now()
			for range clicks {
				group.Go(func() {
					params := slot()
					params.StartAt = params.StartAt.In(time.FixedZone("", 3600)) // the same instant
					booking, err := d.client.BookSlot(ctx, params)
					mu.Lock()
					defer mu.Unlock()
					checkBooking(t, booking, err)
					checkUnknownAttempt(t, err)
					endings[ending(booking, err)]++
					if booking != nil {
						made[booking.Appointment.ID] = true
					}
				})
			}
			group.Wait()
			want := map[string]int{test.first: 1}
			want[test.others] += clicks - 1
			equal(t, "endings", endings, want)
			d.sent(t, 1, test.booked)
			if len(made) > 1 {
				t.Error("more than one appointment was returned")
			}
			if n := closure.OpenTurns(d.client); n != 0 {
				t.Errorf("%d keys leaked", n)
			}
			if took := time.Since(begin); !d.loopback && took > 21*time.Second {
				t.Errorf("took %s: those who waited must read back concurrently", took)
			}
		}, test.server...)
	}
}

// How calls end that waited for a call that ended early.
func TestBookSlotWaitsForAnotherCall(t *testing.T) {
	t.Parallel()
	type result struct {
		ending string
		err    error
		at     time.Duration
	}
	// run lets the calls start at the given times, with contexts that end at the
	// given times (zero: never), and returns how they end.
	run := func(t *testing.T, d *desk, calls ...[2]time.Duration) []result {
		begin := time.Now()
		results := make([]result, len(calls))
		var group sync.WaitGroup
		for i, call := range calls {
			group.Go(func() {
				time.Sleep(call[0])
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if call[1] != 0 {
					ctx, cancel = context.WithTimeout(ctx, call[1]-call[0])
				}
				defer cancel()
				booking, err := d.client.BookSlot(ctx, slot())
				checkBooking(t, booking, err)
				results[i] = result{ending(booking, err), err, time.Since(begin)}
			})
		}
		group.Wait()
		if n := closure.OpenTurns(d.client); n != 0 {
			t.Errorf("%d keys leaked", n)
		}
		return results
	}
	check := func(t *testing.T, got []result, want ...string) {
		t.Helper()
		for i, r := range got {
			if text := r.ending + " " + r.at.String(); text != want[i] {
				t.Errorf("call %d: %s, want %s: %v", i, text, want[i], r.err)
			}
		}
	}
	const ms = time.Millisecond
	second := closuretest.Delay(create, time.Second)
	readsTake := always(closuretest.Delay("schedules.get", 100*ms))
	for name, test := range map[string]struct {
		faults []closuretest.Fault
		calls  [][2]time.Duration
		want   []string
		posts  int
		booked int
	}{
		"the first gives up before it sends": {
			faults(second, readsTake),
			[][2]time.Duration{{0, 50 * ms}, {10 * ms, 0}},
			[]string{"not sent 50ms", "booked 1.15s"}, 1, 1,
		},
		"the first gives up while it sends": {
			faults(second, readsTake),
			[][2]time.Duration{{0, 500 * ms}, {10 * ms, 0}},
			[]string{"unknown 500ms", "recovered 500ms"}, 1, 1,
		},
		"the second gives up before the first sends": {
			faults(second, readsTake),
			[][2]time.Duration{{0, 0}, {10 * ms, 50 * ms}},
			[]string{"booked 1.1s", "not sent 50ms"}, 1, 1,
		},
		"the second gives up while the first sends": {
			faults(second, readsTake),
			[][2]time.Duration{{0, 0}, {10 * ms, 500 * ms}},
			[]string{"booked 1.1s", "unknown 500ms"}, 1, 1,
		},
		"the first is rejected": {
			faults(closuretest.Status(create, 401), readsTake),
			[][2]time.Duration{{0, 0}, {10 * ms, 0}},
			[]string{"rejected 100ms", "booked 200ms"}, 2, 1,
		},
		"it is found late": {
			faults(closuretest.CommitLate(create, 12*time.Second)),
			[][2]time.Duration{{0, 0}, {ms, 0}, {2 * ms, 11 * time.Second}},
			[]string{"unknown 10s", "recovered 13.75s", "unknown 11s"}, 1, 1,
		},
		"one comes while others still look": {
			faults(closuretest.DropBefore(create)),
			[][2]time.Duration{{0, 0}, {ms, 0}, {11 * time.Second, 0}},
			[]string{"unknown 10s", "unknown 20s", "unknown 21s"}, 1, 0,
		},
		"one comes after all": {
			faults(closuretest.DropBefore(create)),
			[][2]time.Duration{{0, 0}, {11 * time.Second, 0}},
			[]string{"unknown 10s", "booked 11s"}, 2, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, d *desk) {
				d.Inject(test.faults...)
				check(t, run(t, d, test.calls...), test.want...)
				d.sent(t, test.posts, test.booked)
			})
		})
	}
	// Two patients who want the same slot are not two clicks: nobody is handed
	// somebody else's booking.
	t.Run("other things don't wait", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(t *testing.T, d *desk) {
			d.Inject(always(closuretest.Delay(create, time.Second)))
			other := d.somebodyElse()
			schedule := d.AddSchedule(closure.Schedule{SchedulingMethod: closure.SchedulingDirectAPI})
			d.AddSlots(schedule.ID, closuretest.GuideSlot())
			d.AddSlots(guide.schedule, closure.Slot{StartAt: guide.start.Add(time.Hour), Duration: 30})
			var group sync.WaitGroup
			for _, change := range []func(*closure.BookSlotParams){
				func(*closure.BookSlotParams) {},
				func(p *closure.BookSlotParams) { p.ScheduleID = schedule.ID },
				func(p *closure.BookSlotParams) { p.PatientID = other },
				func(p *closure.BookSlotParams) { p.StartAt = p.StartAt.Add(time.Hour) },
			} {
				group.Go(func() {
					params := slot()
					params.InsuranceCheck = closure.SkipInsuranceCheck
					change(&params)
					own := &desk{Server: d.Server, client: d.client} // its own clock
					booking, err := own.bookSlot(t.Context(), t, params)
					if got := ending(booking, err); got != "booked" || own.took != time.Second {
						t.Errorf("%s after %s: %v", got, own.took, err)
					}
				})
			}
			group.Wait()
			d.sent(t, 4, 4)
		}, closuretest.AllowDuplicates())
	})
}

// An observer may panic. Calls that wait for the one that it ended don't wait for ever, and
// don't send what that one may have sent.
func TestBookSlotEndedByAPanic(t *testing.T) {
	t.Parallel()
	atDesks(t, "panic", func(t *testing.T, d *desk) {
		var once sync.Once
		observer := func(_ context.Context, e closure.Event) {
			if e.Op == create {
				once.Do(func() { panic("observer") })
			}
		}
		d.client = newClient(t, d, closure.WithBaseURL(d.baseURL()), closure.WithObserver(observer))
		d.Inject(closuretest.DropBefore(create), closuretest.Delay(create, 50*time.Millisecond))
		ctx := d.patience(t)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				defer func() { _ = recover() }()
				booking, err := d.client.BookSlot(ctx, slot())
				endsIn(t, "unknown", booking, err)
			})
		}
		group.Wait()
		d.sent(t, 1, 0)
		if n := closure.OpenTurns(d.client); n != 0 {
			t.Errorf("%d keys leaked", n)
		}
	})
}

// Calls that share a booking share no memory.
func TestBookSlotSharesNoMemory(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d *desk) {
		d.Inject(closuretest.Delay(create, time.Second))
		bookings := make([]*closure.Booking, 2)
		var group sync.WaitGroup
		for i := range bookings {
			group.Go(func() {
				var err error
				if bookings[i], err = d.client.BookSlot(t.Context(), slot()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if t.Failed() {
			return
		}
		equal(t, "booking", bookings[0].Appointment, bookings[1].Appointment)
		a, b := bookings[0], bookings[1]
		if a == b || a.Schedule == b.Schedule || a.Patient == b.Patient {
			t.Error("two callers were given the same pointer")
		}
	})
}
