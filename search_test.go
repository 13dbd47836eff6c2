package closure_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
)

func TestSearchAsksWindowByWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ids := schedules(20)
		s := hourly(ids, guide.start, 5)
		s.delay = 80 * time.Millisecond
		search := daily(ids, 5)
		search.Concurrency = 8
		began, n := time.Now(), 0
		for slot, err := range newClient(t, s).Availabilities.Search(t.Context(), search) {
			noError(t, err)
			synctest.Wait()
			window := n / (20 * 24)
			n++
			if requests, inFlight := s.counts(); requests != 20*(window+1) || inFlight != 0 {
				t.Fatalf("at slot %d, %v, %d requests were made and %d are under way, want %d and none", n, slot.StartAt, requests,
					inFlight, 20*(window+1))
			}
			// three rounds of at most 8
			if waited, want := time.Since(began), time.Duration(window+1)*3*s.delay; waited != want {
				t.Fatalf("slot %d after %v, want %v", n, waited, want)
			}
		}
		equal(t, "slots", n, 5*20*24)
		equal(t, "at once", s.peak, 8)
	})
}

func TestSearchStops(t *testing.T) {
	t.Parallel()
	for _, stopAt := range []int{1, 24, 25, 40} { // in and at the ends of windows of 24 slots
		synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
			s := hourly(schedules(1), guide.start, 4)
			n := 0
			for range newClient(t, s).Availabilities.Search(t.Context(), daily(schedules(1), 4)) {
				if n++; n == stopAt {
					break
				}
			}
			synctest.Wait()
			requests, _ := s.counts()
			equal(t, "requests", requests, (stopAt+23)/24)
		})
	}
}

func TestSearchStopsAtAFailure(t *testing.T) {
	t.Parallel()
	s := hourly(schedules(3), guide.start, 2)
	s.respond = func(*http.Request, closure.ScheduleID) *http.Response { return newResponse(404, "") }
	for _, err := range newClient(t, s).Availabilities.Search(t.Context(), daily(schedules(3), 2)) {
		if err == nil {
			t.Error("a slot")
		}
		break // a second yield would panic
	}
	requests, _ := s.counts()
	equal(t, "requests", requests, 3)
}

func TestSearchStartsAfresh(t *testing.T) {
	t.Parallel()
	ids := schedules(3)
	s := hourly(ids, guide.start, 3)
	s.insurances = map[closure.ScheduleID]string{"sch_0": `["ins_1"]`, "sch_1": `["ins_1"]`}
	var broken sync.Map // the schedules that fail
	broken.Store(ids[0], true)
	s.respond = func(_ *http.Request, id closure.ScheduleID) *http.Response {
		if _, fails := broken.Load(id); fails {
			return newResponse(404, "")
		}
		return nil
	}
	search := daily(ids, 3)
	search.InsuranceID = "ins_1"
	seq := newClient(t, s).Availabilities.Search(t.Context(), search)
	slots, errs := drain(seq)
	equal(t, "slots and failures", []int{len(slots), len(errs)}, []int{3 * 24, 1})
	broken.Clear()
	for range 2 {
		slots, errs = drain(seq)
		equal(t, "slots and failures", []int{len(slots), len(errs)}, []int{2 * 3 * 24, 0})
	}
	equal(t, "reads of each schedule", []int{s.count(ids[0], false), s.count(ids[1], false), s.count(ids[2], false)},
		[]int{3, 3, 3})
}

func TestSearchCanBeRangedConcurrently(t *testing.T) {
	t.Parallel()
	ids := schedules(4)
	service := newClient(t, hourly(ids, guide.start, 3)).Availabilities
	var none context.Context
	seq, refused := service.Search(t.Context(), daily(ids, 3)), service.Search(none, daily(ids, 3))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			_, errs := drain(refused)
			equal(t, "failures without a context", len(errs), 1)
			slots, errs := drain(seq)
			equal(t, "slots and failures", []int{len(slots), len(errs)}, []int{4 * 3 * 24, 0})
		})
	}
	group.Wait()
}

func TestSearchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	const delay = time.Second
	for _, tt := range []struct {
		name  string
		after time.Duration // of the cancellation
		slots int
		sent  int
	}{
		{"before", 0, 0, 0},
		{"in the first window", delay / 2, 0, 8},
		{"between two rounds of the first window", delay + delay/2, 0, 16},
		{"in the second window", 3*delay + delay/2, 20 * 24, 28},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				left := errors.New("the patient left")
				if tt.after == 0 {
					cancel(left)
				}
				time.AfterFunc(tt.after, func() { cancel(left) })
				s := hourly(schedules(20), guide.start, 3)
				s.delay = delay
				began := time.Now()
				slots, errs := drain(newClient(t, s).Availabilities.Search(ctx, daily(schedules(20), 3)))
				if took := time.Since(began); took != tt.after {
					t.Errorf("took %v, want %v", took, tt.after)
				}
				requests, _ := s.counts()
				equal(t, "slots, failures, requests", []int{len(slots), len(errs), requests}, []int{tt.slots, 1, tt.sent})
				if !errors.Is(errs[0], context.Canceled) || !errors.Is(errs[0], left) {
					t.Errorf("%v is not context.Canceled and its cause", errs[0])
				}
			})
		})
	}
}

func TestSearchEndsWithItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		s := hourly(schedules(20), guide.start, 3)
		s.delay = time.Minute
		slots, errs := drain(newClient(t, s).Availabilities.Search(ctx, daily(schedules(20), 3)))
		equal(t, "slots and failures", []int{len(slots), len(errs)}, []int{0, 1})
		var transport *closure.TransportError
		if !errors.As(errs[0], &transport) || !transport.Timeout() || !errors.Is(errs[0], context.DeadlineExceeded) {
			t.Errorf("%v is no timeout", errs[0])
		}
	})
}

// What is left of the window isn't yielded any more.
func TestSearchEndsWhenTheLoopCancels(t *testing.T) {
	t.Parallel()
	for _, days := range []int{1, 3} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := hourly(schedules(2), guide.start, days)
		var steps []step
		for slot, err := range newClient(t, s).Availabilities.Search(ctx, daily(schedules(2), days)) {
			steps = append(steps, newStep(slot, err))
			cancel()
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("%v is not context.Canceled", err)
			}
		}
		equal(t, "steps", steps, []step{{Schedule: "sch_0", Start: "2022-05-20T17:00:00Z", Duration: 30}, {Failed: true}})
		requests, _ := s.counts()
		equal(t, "requests", requests, 2)
	}
}

// A schedule's failure that comes as the context ends is not the search's end.
func TestSearchNamesTheContextWhereAScheduleFailsAsItEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &slotServer{respond: func(*http.Request, closure.ScheduleID) *http.Response {
		cancel()
		return newResponse(404, "")
	}}
	_, errs := drain(newClient(t, s).Availabilities.Search(ctx, daily(schedules(1), 1)))
	if len(errs) != 1 || !errors.Is(errs[0], context.Canceled) || errors.Is(errs[0], closure.ErrNotFound) {
		t.Errorf("%v, want the end of the context once", errs)
	}
}

// Failures that concern every schedule end the search once.
func TestSearchEndsOnceForAll(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]error{401: closure.ErrUnauthorized, 403: closure.ErrForbidden} {
		synctest.Test(t, func(t *testing.T) {
			s := hourly(schedules(40), guide.start, 2)
			s.delay = time.Second
			s.respond = func(*http.Request, closure.ScheduleID) *http.Response { return newResponse(status, errorJSON) }
			slots, errs := drain(newClient(t, s).Availabilities.Search(t.Context(), daily(schedules(40), 2)))
			if len(slots) != 0 || len(errs) != 1 || !errors.Is(errs[0], want) {
				t.Errorf("%d: %d slots, errors %v", status, len(slots), errs)
			}
			if requests, _ := s.counts(); requests > 8 {
				t.Errorf("%d: %d requests, want no more than the 8 of the first round", status, requests)
			}
		})
	}
}

func TestSearchGoesOnWithoutASchedule(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() (*http.Response, error){
		"no such schedule": func() (*http.Response, error) { return newResponse(404, errorJSON), nil },
		"server error":     func() (*http.Response, error) { return newResponse(500, errorJSON), nil },
		"not JSON":         func() (*http.Response, error) { return newResponse(200, "<html>"), nil },
		"connection":       func() (*http.Response, error) { return nil, errors.New("broken") },
		"attempt timeout":  func() (*http.Response, error) { return nil, context.DeadlineExceeded },
	} {
		s := hourly(schedules(3), guide.start, 3)
		rt := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if id, _ := scheduleOf(req.URL); id == "sch_1" {
				return fail()
			}
			return s.RoundTrip(req)
		})
		steps := stepsOf(newClient(t, rt).Availabilities.Search(t.Context(), daily(schedules(3), 3)))
		failed := slices.Collect(func(yield func(closure.ScheduleID) bool) {
			for _, s := range steps {
				if s.Failed && !yield(s.Schedule) {
					return
				}
			}
		})
		equal(t, name+": failed", failed, []closure.ScheduleID{"sch_1"})
		equal(t, name+": steps", len(steps), 1+2*3*24)
	}
}

func TestSearchByInsurance(t *testing.T) {
	t.Parallel()
	ids := []closure.ScheduleID{"sch_accepts", "sch_refuses", "sch_unknown", "sch_expanded", "sch_missing"}
	s := hourly(ids, guide.start, 3)
	s.insurances = map[closure.ScheduleID]string{
		"sch_accepts": `["ins_2","ins_1"]`, "sch_refuses": `["ins_2"]`,
		"sch_expanded": `[{"id":"ins_1","display_name":"Plan"}]`,
	}
	s.respond = func(_ *http.Request, id closure.ScheduleID) *http.Response {
		if id == "sch_missing" {
			return newResponse(404, errorJSON)
		}
		return nil
	}
	search := daily(ids, 3)
	search.InsuranceID = "ins_1"
	found := map[closure.ScheduleID]int{}
	failed := map[closure.ScheduleID]int{}
	for slot, err := range newClient(t, s).Availabilities.Search(t.Context(), search) {
		if err != nil {
			failed[slot.ScheduleID]++
			continue
		}
		found[slot.ScheduleID]++
	}
	equal(t, "found", found, map[closure.ScheduleID]int{"sch_accepts": 3 * 24, "sch_expanded": 3 * 24})
	equal(t, "failed", failed, map[closure.ScheduleID]int{"sch_missing": 1})
	windows := map[closure.ScheduleID]int{"sch_accepts": 3, "sch_expanded": 3}
	for _, id := range ids {
		equal(t, string(id)+": reads of the schedule and its slots", []int{s.count(id, false), s.count(id, true)}, []int{
			1, windows[id],
		})
	}
}

// If no schedule accepts the insurance, no slots are asked for.
func TestSearchByInsuranceThatNobodyAccepts(t *testing.T) {
	t.Parallel()
	s := hourly(schedules(3), guide.start, 3)
	search := daily(schedules(3), 3)
	search.InsuranceID = "ins_1"
	_, err := newClient(t, s).Availabilities.First(t.Context(), search)
	requests, _ := s.counts()
	if !errors.Is(err, closure.ErrNoSlot) || requests != 3 {
		t.Errorf("%v after %d requests, want ErrNoSlot after 3", err, requests)
	}
}

func TestSearchNeitherKeepsNorChangesItsInput(t *testing.T) {
	t.Parallel()
	ids := []closure.ScheduleID{"sch_1", "sch_0", "sch_1"} // one twice: counts once
	s := hourly(schedules(3), guide.start, 3)
	search := daily(ids, 3)
	search.Weekdays = []time.Weekday{time.Saturday, time.Friday}
	search.NotBefore, search.NotAfter = clock(9, 0), clock(17, 0)
	var captured closure.Response
	opts := []closure.CallOption{nil, closure.WithMaxAttempts(1), nil}[:2]
	seq := newClient(t, s).Availabilities.Search(t.Context(), search, opts...)
	before := stepsOf(seq)
	equal(t, "schedules", search.Schedules, []closure.ScheduleID{"sch_1", "sch_0", "sch_1"})
	equal(t, "weekdays", search.Weekdays, []time.Weekday{time.Saturday, time.Friday})
	equal(t, "steps", len(before), 2*(1+9)) // Friday at 17:00, Saturday from 9:00 to 17:00

	ids[0], ids[1] = "sch_2", "no id"
	search.Weekdays[0], search.Weekdays[1] = time.Monday, 99
	*search.NotBefore, *search.NotAfter = closure.ClockTime{Hour: 3}, closure.ClockTime{Hour: 99}
	opts[0], opts[1] = closure.CaptureResponse(&captured), closure.CaptureResponse(nil)
	equal(t, "steps after the input changed", stepsOf(seq), before)
	equal(t, "captured", captured, closure.Response{})
}

func TestSearchKeepsNothingOfWhatTheCallerKnows(t *testing.T) {
	t.Parallel()
	search := daily(schedules(1), 1)
	search.InsuranceID = "ins_1"
	search.Known = []closure.Schedule{{ID: "sch_0", Insurances: []closure.InsuranceRef{{ID: "ins_1"}}}}
	seq := newClient(t, hourly(schedules(1), guide.start, 1)).Availabilities.Search(t.Context(), search)
	search.Known[0].Insurances[0].ID = "ins_2"
	slots, errs := drain(seq)
	equal(t, "slots and failures", []int{len(slots), len(errs)}, []int{24, 0})
}

func TestSearchCapturesNothing(t *testing.T) {
	t.Parallel()
	var captured closure.Response
	s := hourly(schedules(20), guide.start, 1)
	slots, errs := drain(newClient(t,
		s).Availabilities.Search(t.Context(), daily(schedules(20), 1), closure.CaptureResponse(&captured)))
	equal(t, "slots and failures", []int{len(slots), len(errs)}, []int{20 * 24, 0})
	equal(t, "captured", captured, closure.Response{}) // and the race detector is content
}

func TestSearchRefusesBadInput(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*closure.SlotSearch){
		"Schedules":   func(s *closure.SlotSearch) { s.Schedules = nil },
		"From":        func(s *closure.SlotSearch) { s.From = time.Time{} },
		"To":          func(s *closure.SlotSearch) { s.To = time.Time{} },
		"Weekdays[1]": func(s *closure.SlotSearch) { s.Weekdays = []time.Weekday{time.Monday, 7} },
		"NotBefore":   func(s *closure.SlotSearch) { s.NotBefore = clock(24, 0) },
		"NotAfter":    func(s *closure.SlotSearch) { s.NotAfter = clock(12, -1) },
		"MinDuration": func(s *closure.SlotSearch) { s.MinDuration = -1 },
		"InsuranceID": func(s *closure.SlotSearch) { s.InsuranceID = "Aetna" },
		"Window":      func(s *closure.SlotSearch) { s.Window = -1 },
		"Concurrency": func(s *closure.SlotSearch) { s.Concurrency = -1 },
		// The same fields, wrong in another way.
		"Schedules[3]":     func(s *closure.SlotSearch) { s.Schedules = append(s.Schedules, "prac_1") },
		"\x00Schedules[3]": func(s *closure.SlotSearch) { s.Schedules = append(s.Schedules, "") },
		"\x00From":         func(s *closure.SlotSearch) { s.From = s.From.AddDate(-3000, 0, 0) },
		"\x00To":           func(s *closure.SlotSearch) { s.To = s.From.Add(-1) },
		"\x01To":           func(s *closure.SlotSearch) { s.To = s.To.AddDate(8000, 0, 0) },
		"Weekdays[0]":      func(s *closure.SlotSearch) { s.Weekdays = []time.Weekday{-1} },
		"\x00MinDuration":  func(s *closure.SlotSearch) { s.MinDuration = closure.MaxMinutes + 1 },
	} {
		s := hourly(schedules(3), guide.start, 1)
		search := daily(schedules(3), 1)
		change(&search)
		field = strings.Trim(field, "\x00\x01")
		slots, errs := drain(newClient(t, s).Availabilities.Search(t.Context(), search))
		if len(slots) != 0 || len(errs) != 1 {
			t.Errorf("%s: %d slots, errors %v, want one error", field, len(slots), errs)
			continue
		}
		refused(t, field, errs[0], "Availabilities.Search", field)
		_, err := newClient(t, s).Availabilities.First(t.Context(), search)
		refused(t, field, err, "Availabilities.First", field)
		if requests, _ := s.counts(); requests != 0 {
			t.Errorf("%s: %d requests were sent", field, requests)
		}
	}
}

func TestSearchRefusesBadContextAndOptions(t *testing.T) {
	t.Parallel()
	s := hourly(schedules(3), guide.start, 1)
	c := newClient(t, s)
	var none context.Context
	_, errs := drain(c.Availabilities.Search(none, daily(schedules(3), 1)))
	equal(t, "failures without a context", len(errs), 1)
	refused(t, "no context", errs[0], "Availabilities.Search", "ctx")
	_, errs = drain(c.Availabilities.Search(t.Context(), daily(schedules(3), 1), closure.WithMaxAttempts(0)))
	equal(t, "failures with a bad option", len(errs), 1)
	refused(t, "bad option", errs[0], "WithMaxAttempts", "argument")
	if requests, _ := s.counts(); requests != 0 {
		t.Errorf("%d requests were sent", requests)
	}
}

func TestSearchOfAnEmptyRange(t *testing.T) {
	t.Parallel()
	s := hourly(schedules(3), guide.start, 1)
	_, err := newClient(t, s).Availabilities.First(t.Context(), daily(schedules(3), 0))
	requests, _ := s.counts()
	if !errors.Is(err, closure.ErrNoSlot) || requests != 0 {
		t.Errorf("%v after %d requests, want ErrNoSlot after none", err, requests)
	}
}

// The wire has milliseconds: both ends are rounded outwards, and the rest is
// left to the client.
func TestSearchAsksForWholeMilliseconds(t *testing.T) {
	t.Parallel()
	s := &slotServer{}
	drain(newClient(t, s).Availabilities.Search(t.Context(), closure.SlotSearch{
		Schedules: schedules(1), From: guide.start.Add(1), To: guide.start.Add(time.Hour + 1), Window: 30 * time.Minute,
	}))
	var asked []string
	for _, u := range s.requests {
		asked = append(asked, u.Query().Get("start_at")+" "+u.Query().Get("end_at"))
	}
	equal(t, "asked", asked, []string{
		"2022-05-20T17:00:00.000Z 2022-05-20T17:30:00.001Z",
		"2022-05-20T17:30:00.000Z 2022-05-20T18:00:00.001Z",
	})
}

func TestFirst(t *testing.T) {
	t.Parallel()
	ids := schedules(40)
	for _, tt := range []struct {
		name     string
		slots    map[closure.ScheduleID]int // the day of the only slot
		fail     []closure.ScheduleID
		want     closure.ScheduleID
		errs     []error
		requests int
	}{
		{name: "in the first window", slots: map[closure.ScheduleID]int{"sch_7": 0, "sch_3": 1}, want: "sch_7", requests: 40},
		{
			name: "in the third window", slots: map[closure.ScheduleID]int{"sch_7": 2, "sch_9": 2}, want: "sch_7", requests: 120,
		},
		{name: "none", errs: []error{closure.ErrNoSlot}, requests: 200},
		{
			name: "with failures on the way", slots: map[closure.ScheduleID]int{"sch_7": 1}, fail: ids[:5], want: "sch_7",
			requests: 75,
		},
		{name: "none and a failure", fail: ids[:1], errs: []error{closure.ErrNotFound}, requests: 196},
		{name: "none and failures", fail: ids[:3], errs: []error{closure.ErrNotFound}, requests: 188},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &slotServer{slots: map[closure.ScheduleID][]closure.Slot{}}
			for id, day := range tt.slots {
				s.slots[id] = []closure.Slot{{StartAt: guide.start.AddDate(0, 0, day), Duration: 30}}
			}
			s.respond = func(_ *http.Request, id closure.ScheduleID) *http.Response {
				if slices.Contains(tt.fail, id) {
					return newResponse(404, errorJSON)
				}
				return nil
			}
			slot, err := newClient(t, s).Availabilities.First(t.Context(), daily(ids, 5))
			equal(t, "schedule", slot.ScheduleID, tt.want)
			if tt.errs == nil {
				noError(t, err)
			}
			for _, want := range tt.errs {
				if !errors.Is(err, want) || errors.Is(err, closure.ErrNoSlot) != (want == closure.ErrNoSlot) {
					t.Errorf("%v, want %v", err, want)
				}
			}
			requests, _ := s.counts()
			equal(t, "requests", requests, tt.requests)
		})
	}
}
