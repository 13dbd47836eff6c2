package closure_test

import (
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/closurehealth/closure-go"
)

// A slotServer answers the two reads of a search, and counts.
type slotServer struct {
	slots      map[closure.ScheduleID][]closure.Slot
	insurances map[closure.ScheduleID]string // a JSON array; missing: "[]"
	rangeMode  rangeMode
	delay      time.Duration                                                 // of every answer
	respond    func(req *http.Request, id closure.ScheduleID) *http.Response // nil, or nil from it: slots or schedule

	mu       sync.Mutex
	requests []*url.URL
	inFlight int
	peak     int
}

// A rangeMode is what a server makes of start_at and end_at.
type rangeMode int

const (
	halfOpen  rangeMode = iota // as the SDK takes it
	inclusive                  // the end too
	ignored
	rangeModes
)

func (s *slotServer) RoundTrip(req *http.Request) (*http.Response, error) {
	s.begin(req)
	defer s.end()
	if s.delay > 0 {
		select {
		case <-time.After(s.delay):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	id, isSlots := scheduleOf(req.URL)
	if s.respond != nil {
		if resp := s.respond(req, id); resp != nil {
			return resp, nil
		}
	}
	if !isSlots {
		insurances, ok := s.insurances[id]
		if !ok {
			insurances = "[]"
		}
		return newResponse(200, fmt.Sprintf(`{"id":%q,"insurances":%s}`, id, insurances)), nil
	}
	return newResponse(200, slotsJSON(s.inRange(id, req.URL.Query()))), nil
}

func (s *slotServer) begin(req *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, req.URL)
	s.inFlight++
	s.peak = max(s.peak, s.inFlight)
}

func (s *slotServer) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
}

// counts are the requests so far, and those not answered yet.
func (s *slotServer) counts() (requests, inFlight int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests), s.inFlight
}

// count is how many requests of a kind there were.
func (s *slotServer) count(id closure.ScheduleID, slots bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.requests {
		if of, isSlots := scheduleOf(u); of == id && isSlots == slots {
			n++
		}
	}
	return n
}

func (s *slotServer) inRange(id closure.ScheduleID, query url.Values) []closure.Slot {
	if s.rangeMode == ignored {
		return s.slots[id]
	}
	from, to := instantOf(query, "start_at"), instantOf(query, "end_at")
	return slices.DeleteFunc(slices.Clone(s.slots[id]), func(slot closure.Slot) bool {
		return slot.StartAt.Before(from) || slot.StartAt.After(to) || s.rangeMode == halfOpen && slot.StartAt.Equal(to)
	})
}

func scheduleOf(u *url.URL) (id closure.ScheduleID, isSlots bool) {
	rest := strings.TrimPrefix(u.String(), baseURL+"/schedules/")
	rest, _, _ = strings.Cut(rest, "?")
	rest, isSlots = strings.CutSuffix(rest, "/slots")
	return closure.ScheduleID(rest), isSlots
}

func instantOf(query url.Values, name string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, query.Get(name))
	if err != nil {
		panic(err) // the request is wrong
	}
	return t
}

// slotsJSON keeps fractions of a millisecond, unlike the SDK's own encoding.
func slotsJSON(slots []closure.Slot) string {
	texts := make([]string, len(slots))
	for i, slot := range slots {
		texts[i] = fmt.Sprintf(`{"start_at":%q,"duration":%d}`, slot.StartAt.Format(time.RFC3339Nano), slot.Duration)
	}
	return "[" + strings.Join(texts, ",") + "]"
}

// schedules returns n ids.
func schedules(n int) []closure.ScheduleID {
	ids := make([]closure.ScheduleID, n)
	for i := range ids {
		ids[i] = closure.ScheduleID(fmt.Sprintf("sch_%d", i))
	}
	return ids
}

// hourly is a server on which all schedules have a slot each hour of some days.
func hourly(ids []closure.ScheduleID, from time.Time, days int) *slotServer {
	s := &slotServer{slots: map[closure.ScheduleID][]closure.Slot{}}
	for _, id := range ids {
		for hour := range 24 * days {
			s.slots[id] = append(s.slots[id], closure.Slot{StartAt: from.Add(time.Duration(hour) * time.Hour), Duration: 30})
		}
	}
	return s
}

// A step is one item that a search yields.
type step struct {
	Schedule closure.ScheduleID
	Start    string
	Duration closure.Minutes
	Failed   bool
}

func newStep(slot closure.Slot, err error) step {
	s := step{Schedule: slot.ScheduleID, Duration: slot.Duration, Failed: err != nil}
	if err == nil {
		s.Start = slot.StartAt.UTC().Format(time.RFC3339Nano)
	}
	return s
}

func stepsOf(seq iter.Seq2[closure.Slot, error]) (steps []step) {
	for slot, err := range seq {
		steps = append(steps, newStep(slot, err))
	}
	return steps
}

// drain collects a search's slots and errors.
func drain(seq iter.Seq2[closure.Slot, error]) (slots []closure.Slot, errs []error) {
	for slot, err := range seq {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		slots = append(slots, slot)
	}
	return slots, errs
}

// daily is a search of all slots of some days, one day in each window.
func daily(ids []closure.ScheduleID, days int) closure.SlotSearch {
	return closure.SlotSearch{
		Schedules: ids, From: guide.start, To: guide.start.AddDate(0, 0, days), Window: 24 * time.Hour,
	}
}
