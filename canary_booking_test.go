package closure_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
)

// The booking calls make several requests: each of these fails in every way, at its first
// read and at its write, and what they return is printed in every way.
func TestCanaryHelpers(t *testing.T) {
	t.Parallel()
	skipWithRaceDetector(t)
	var inProcess []failure
	for _, f := range failures(t) {
		if f.server != nil && f.in == nil {
			inProcess = append(inProcess, f)
		}
	}
	calls := helperCalls()
	for n, name := range slices.Sorted(maps.Keys(calls)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, f := range inProcess {
				for at, stage := range []string{"everything", "writes", "slots and writes", "writes, slot gone"} {
					if !f.isTried(i+at+n, name == "BookSlot" && stage == "writes") {
						continue
					}
					// In a bubble reading back for 10 s takes no time.
					synctest.Test(t, func(t *testing.T) {
						f.testHelper(t, stage, calls[name])
					})
				}
			}
		})
	}
}

type helperCall func(context.Context, *closure.Client, ...closure.CallOption) (any, error)

func helperCalls() map[string]helperCall {
	slot := closure.BookSlotParams{
		ScheduleID: canary.schedule, PatientID: canary.patient, StartAt: canary.start, Duration: 30,
	}
	search := closure.SlotSearch{
		Schedules: []closure.ScheduleID{canary.schedule, canary.schedule + "2"},
		From:      canary.start.Add(-time.Hour), To: canary.start.Add(time.Hour), InsuranceID: canary.insurance,
	}
	attempt := closure.BookingAttempt{
		ScheduleID: canary.schedule, PatientID: canary.patient, StartAt: canary.start, Duration: 30,
		AttemptedAt: canary.start,
	}
	return map[string]helperCall{
		"BookSlot": func(ctx context.Context, c *closure.Client, opts ...closure.CallOption) (any, error) {
			return c.BookSlot(ctx, slot, opts...)
		},
		"BookFirstAvailable": func(ctx context.Context, c *closure.Client, opts ...closure.CallOption) (any, error) {
			return c.BookFirstAvailable(ctx, closure.BookFirstParams{PatientID: canary.patient, Search: search}, opts...)
		},
		"ResolveBooking": func(ctx context.Context, c *closure.Client, opts ...closure.CallOption) (any, error) {
			return c.ResolveBooking(ctx, attempt, opts...)
		},
		"RescheduleBooking": func(ctx context.Context, c *closure.Client, opts ...closure.CallOption) (any, error) {
			return c.RescheduleBooking(ctx, canary.appointment, closure.AppointmentRescheduleParams{StartAt: canary.start},
				opts...)
		},
		"CancelBooking": func(ctx context.Context, c *closure.Client, opts ...closure.CallOption) (any, error) {
			return c.CancelBooking(ctx, canary.appointment, opts...)
		},
		"First": func(ctx context.Context, c *closure.Client, opts ...closure.CallOption) (any, error) {
			return c.Availabilities.First(ctx, search, opts...)
		},
	}
}

func (f failure) testHelper(t *testing.T, stage string, call helperCall) {
	where := f.name + ", " + stage
	var log bytes.Buffer
	var events lockedBuffer // the reads of one booking run concurrently
	server := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		slots := strings.HasSuffix(req.URL.Path, "/slots")
		switch {
		case stage == "everything", req.Method != http.MethodGet, slots && stage == "slots and writes":
			return f.server.RoundTrip(req)
		case slots && stage == "writes, slot gone":
			return newResponse(200, "[]"), nil
		default:
			return newResponse(200, canaryRecord(req)), nil
		}
	})
	ctx := t.Context()
	if f.context != nil {
		ctx = f.context(ctx)
	}
	client := newClient(t, server,
		closure.WithMaxAttempts(2),
		closure.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		closure.WithObserver(func(_ context.Context, e closure.Event) { fmt.Fprintf(&events, "%+v\n", withoutRandom(e)) }),
		closure.WithBookingObserver(func(_ context.Context, e closure.BookingEvent) {
			e.ID = ""
			fmt.Fprintf(&events, "%+v\n", e)
		}),
	)
	got, err := call(ctx, client, f.opts...)
	if err != nil {
		checkError(t, where, err)
		all := texts{} // our own chain holds under every verb, unlike a caller's wrapper
		for _, link := range chain(err) {
			all.add(where, printed(link))
		}
		all.noLeak(t)
	} else if booking, ok := got.(*closure.Booking); ok {
		t.Errorf("%s: booked: %v", where, booking)
	}
	noLeak(t, where+": logger", log.String())
	noLeak(t, where+": observer", events.String())
}

// withoutRandom leaves out what is made by chance: any short text can be in it.
func withoutRandom(e closure.Event) closure.Event {
	e.CallID, e.BookingID = 0, ""
	return e
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// canaryRecord answers a read with what a booking needs.
func canaryRecord(req *http.Request) string {
	route := strings.TrimPrefix(req.URL.String(), baseURL)
	switch {
	case strings.HasPrefix(route, "/patients/"):
		return show(closure.Patient{
			ID: canary.patient, FirstName: canary.name, DOB: canary.dob,
			Insurance: closure.PatientInsurance{ID: canary.insurance, MemberID: canary.memberID},
		})
	case strings.HasSuffix(req.URL.Path, "/slots"):
		return show([]closure.Slot{{StartAt: canary.start, Duration: 30}})
	case strings.HasPrefix(route, "/schedules/"):
		return show(closure.Schedule{
			ID: canary.schedule, SchedulingMethod: closure.SchedulingDirectAPI,
			Insurances: []closure.Ref[closure.InsuranceID, closure.Insurance]{{ID: canary.insurance}},
		})
	case strings.HasPrefix(route, "/appointments/"):
		return show(closure.Appointment{
			ID: canary.appointment, ScheduleID: canary.schedule, PatientID: canary.patient, Status: closure.AppointmentScheduled,
			StartAt: canary.start.Add(time.Hour), Duration: 30,
		})
	default:
		return "[]"
	}
}
