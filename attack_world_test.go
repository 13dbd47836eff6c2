package closure_test

// A small API and a journal of the attack's own: they share nothing with closuretest.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/closurehealth/closure-go"
)

type atkState struct {
	at     time.Time
	start  time.Time
	status string
}

type atkAppt struct {
	id, patient, schedule string
	duration              int
	states                []atkState
}

func (a *atkAppt) asOf(t time.Time) (atkState, bool) {
	for i := len(a.states) - 1; i >= 0; i-- {
		if !a.states[i].at.After(t) {
			return a.states[i], true
		}
	}
	return atkState{}, false
}

// atkFault says what happens to one request.
type atkFault struct {
	hold       time.Duration // before it is carried out
	late       time.Duration // carried out that much later, after the answer
	drop       bool          // not carried out
	answer     int           // in the place of the API's; 0: the API's own
	body       string
	header     http.Header
	lost       bool          // the answer is lost
	answerWait time.Duration // after it is carried out
}

type atkAPI struct {
	mu                   sync.Mutex
	appts                []*atkAppt
	slots                map[string][]time.Time
	duplicates           bool
	cancelTwiceConflicts bool
	lag                  func(op string) time.Duration
	fault                func(op string, req *http.Request) atkFault
	posts                int
	carried              map[*atkCall][]time.Time
}

var errAtkLost = errors.New("connection lost")

func atkOp(req *http.Request) string {
	p := strings.Trim(req.URL.Path, "/")
	parts := strings.Split(p, "/")
	switch {
	case req.Method == "POST" && p == "appointments":
		return "create"
	case req.Method == "POST" && strings.HasSuffix(p, "/cancel"):
		return "cancel"
	case req.Method == "PATCH":
		return "move"
	case p == "appointments":
		return "list"
	case parts[0] == "appointments":
		return "get"
	case parts[0] == "schedules" && len(parts) == 3:
		return "slots"
	case parts[0] == "schedules":
		return "schedule"
	case parts[0] == "patients":
		return "patient"
	}
	return "?"
}

func atkWait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *atkAPI) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		_ = req.Body.Close()
	}
	op := atkOp(req)
	var f atkFault
	if a.fault != nil {
		f = a.fault(op, req)
	}
	if op == "create" {
		a.mu.Lock()
		a.posts++
		a.mu.Unlock()
	}
	ctx := req.Context()
	if f.late > 0 {
		go func() { time.Sleep(f.late); a.act(op, req, body) }()
		if f.lost {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return atkResponse(f.answer, f.body, f.header), nil
	}
	if f.hold > 0 { // a server goes on even if the client has gone
		done := make(chan struct{})
		var status int
		var text string
		go func() {
			time.Sleep(f.hold)
			if !f.drop {
				status, text = a.act(op, req, body)
			}
			time.Sleep(f.answerWait)
			close(done)
		}()
		select {
		case <-done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return f.reply(ctx, status, text)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var status int
	var text string
	if !f.drop {
		status, text = a.act(op, req, body)
	}
	if err := atkWait(ctx, f.answerWait); err != nil {
		return nil, err
	}
	return f.reply(ctx, status, text)
}

func (f atkFault) reply(ctx context.Context, status int, text string) (*http.Response, error) {
	switch {
	case f.lost:
		return nil, errAtkLost
	case f.answer != 0:
		return atkResponse(f.answer, f.body, f.header), nil
	case f.drop:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return atkResponse(status, text, nil), nil
}

func atkResponse(status int, body string, header http.Header) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

const (
	atkTaken = `{"error_type":"invalid_request","error_message":"not open"}`
	atkNone  = `{"error_type":"invalid_request","error_message":"no such"}`
	atkTime  = "2006-01-02T15:04:05.000Z"
)

func (a *atkAppt) json(s atkState) string {
	return fmt.Sprintf(`{"id":%q,"schedule_id":%q,"patient_id":%q,"status":%q,"start_at":%q,"duration":%d}`,
		a.id, a.schedule, a.patient, s.status, s.start.UTC().Format(atkTime), a.duration)
}

func (a *atkAPI) taken(schedule string, start time.Time, at time.Time, except *atkAppt) bool {
	for _, x := range a.appts {
		s, ok := x.asOf(at)
		if ok && x != except && x.schedule == schedule && s.status != "cancelled" && s.start.Equal(start) {
			return true
		}
	}
	return false
}

func (a *atkAPI) act(op string, req *http.Request, body []byte) (status int, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	seen := now
	if a.lag != nil {
		seen = now.Add(-a.lag(op))
	}
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	var in struct {
		Schedule string    `json:"schedule_id"`
		Patient  string    `json:"patient_id"`
		Start    time.Time `json:"start_at"`
		Duration int       `json:"duration"`
	}
	_ = json.Unmarshal(body, &in)
	defer func() {
		if call, _ := req.Context().Value(atkCallKey{}).(*atkCall); call != nil && req.Method != http.MethodGet && status == 200 {
			if a.carried == nil {
				a.carried = map[*atkCall][]time.Time{}
			}
			a.carried[call] = append(a.carried[call], time.Now())
		}
	}()
	find := func() *atkAppt {
		for _, x := range a.appts {
			if len(parts) > 1 && x.id == parts[1] {
				return x
			}
		}
		return nil
	}
	switch op {
	case "schedule":
		return 200, `{"id":"` + parts[1] + `","scheduling_method":"direct_api","insurances":["ins_1"]}`
	case "patient":
		return 200, `{"id":"` + parts[1] + `","insurance":{"id":"ins_1"}}`
	case "slots":
		var out []string
		for _, s := range a.slots[parts[1]] {
			if a.duplicates || !a.taken(parts[1], s, seen, nil) {
				out = append(out, fmt.Sprintf(`{"start_at":%q,"duration":30}`, s.UTC().Format(atkTime)))
			}
		}
		return 200, "[" + strings.Join(out, ",") + "]"
	case "list":
		var out []string
		for _, x := range a.appts {
			s, ok := x.asOf(seen)
			if ok && x.patient == req.URL.Query().Get("patient_id") {
				out = append(out, x.json(s))
			}
		}
		return 200, "[" + strings.Join(out, ",") + "]"
	case "get":
		x := find()
		if x != nil {
			if s, ok := x.asOf(seen); ok {
				return 200, x.json(s)
			}
		}
		return 404, atkNone
	case "create":
		open := false
		for _, s := range a.slots[in.Schedule] {
			open = open || s.Equal(in.Start)
		}
		if !open || !a.duplicates && a.taken(in.Schedule, in.Start, now, nil) {
			return 409, atkTaken
		}
		x := &atkAppt{fmt.Sprintf("appt_%d", len(a.appts)+1), in.Patient, in.Schedule, max(in.Duration, 30), []atkState{{now, in.Start, "scheduled"}}}
		a.appts = append(a.appts, x)
		return 200, x.json(x.states[0])
	case "cancel":
		x := find()
		if x == nil {
			return 404, atkNone
		}
		s, _ := x.asOf(now)
		if s.status == "cancelled" && a.cancelTwiceConflicts {
			return 409, `{"error_type":"invalid_request","error_message":"cancelled already"}`
		}
		s.status, s.at = "cancelled", now
		x.states = append(x.states, s)
		return 200, x.json(s)
	case "move":
		x := find()
		if x == nil {
			return 404, atkNone
		}
		s, _ := x.asOf(now)
		open := false
		for _, o := range a.slots[x.schedule] {
			open = open || o.Equal(in.Start)
		}
		if s.status == "cancelled" || !open || a.taken(x.schedule, in.Start, now, x) {
			return 409, atkTaken
		}
		s.status, s.at, s.start = "rescheduled", now, in.Start
		x.states = append(x.states, s)
		return 200, x.json(s)
	}
	return 404, atkNone
}

// standing is how many of the patient's appointments stand at a start.
func (a *atkAPI) standing(patient string, start time.Time) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range a.appts {
		s := x.states[len(x.states)-1]
		if x.patient == patient && s.status != "cancelled" && (start.IsZero() || s.start.Equal(start)) {
			n++
		}
	}
	return n
}

// atkJournal follows the comments of closure.Journal and nothing else.
type atkJournal struct {
	mu       sync.Mutex
	entries  []*atkEntry
	released map[closure.AppointmentID]bool
	// hook is called before (after=false) and after each method; an error is what the method returns.
	hook func(method string, after bool, attempt closure.BookingAttempt) error
}

type atkEntry struct {
	closure.JournalEntry
	keys map[string]bool
}

func (j *atkJournal) around(ctx context.Context, method string, attempt closure.BookingAttempt, do func()) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if j.hook != nil {
		if err := j.hook(method, false, attempt); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	j.mu.Lock()
	do()
	j.mu.Unlock()
	if j.hook != nil {
		if err := j.hook(method, true, attempt); err != nil {
			return err
		}
	}
	return nil
}

func (j *atkJournal) lookup(a closure.BookingAttempt) *closure.JournalEntry {
	for _, e := range j.entries {
		if a.IdempotencyKey != "" && e.keys[a.IdempotencyKey] {
			found := e.JournalEntry
			found.Attempt.IdempotencyKey = a.IdempotencyKey
			return &found
		}
	}
	for _, e := range j.entries {
		if e.Attempt.PatientID == a.PatientID && e.Attempt.ScheduleID == a.ScheduleID && e.Attempt.StartAt.Equal(a.StartAt) {
			found := e.JournalEntry
			return &found
		}
	}
	return nil
}

func (j *atkJournal) Begin(ctx context.Context, a closure.BookingAttempt) (there *closure.JournalEntry, err error) {
	err = j.around(ctx, "begin", a, func() {
		if there = j.lookup(a); there == nil {
			e := &atkEntry{closure.JournalEntry{Attempt: a}, map[string]bool{}}
			if a.IdempotencyKey != "" {
				e.keys[a.IdempotencyKey] = true
			}
			j.entries = append(j.entries, e)
		}
	})
	return there, err
}

func (j *atkJournal) Find(ctx context.Context, a closure.BookingAttempt) (there *closure.JournalEntry, err error) {
	err = j.around(ctx, "find", a, func() { there = j.lookup(a) })
	return there, err
}

func (j *atkJournal) FindAppointment(ctx context.Context, id closure.AppointmentID) (there *closure.JournalEntry, err error) {
	err = j.around(ctx, "find appointment", closure.BookingAttempt{}, func() {
		if j.released[id] {
			there = &closure.JournalEntry{State: closure.JournalReleased, Appointment: id}
			return
		}
		for _, e := range j.entries {
			if e.State == closure.JournalBooked && e.Appointment == id {
				found := e.JournalEntry
				there = &found
			}
		}
	})
	return there, err
}

func (j *atkJournal) remove(which func(*atkEntry) bool) (keys map[string]bool) {
	keys = map[string]bool{}
	var rest []*atkEntry
	for _, e := range j.entries {
		if which(e) {
			for k := range e.keys {
				keys[k] = true
			}
			continue
		}
		rest = append(rest, e)
	}
	j.entries = rest
	return keys
}

func (j *atkJournal) Finish(ctx context.Context, entry closure.JournalEntry) error {
	return j.around(ctx, "finish", entry.Attempt, func() {
		var own *atkEntry
		for _, e := range j.entries {
			if e.Attempt.ID == entry.Attempt.ID {
				own = e
			}
		}
		switch {
		case own == nil:
		case entry.State == closure.JournalNotBooked && own.Appointment == entry.Appointment:
			j.remove(func(e *atkEntry) bool { return e == own })
		case entry.State == closure.JournalBooked:
			if own.State == closure.JournalPending {
				for k := range j.remove(func(e *atkEntry) bool {
					return e != own && e.State == closure.JournalBooked && e.Appointment == entry.Appointment
				}) {
					own.keys[k] = true
				}
				own.State, own.Appointment = closure.JournalBooked, entry.Appointment
			}
			if k := entry.Attempt.IdempotencyKey; own.Appointment == entry.Appointment && k != "" {
				free := true
				for _, e := range j.entries {
					free = free && !e.keys[k]
				}
				if free {
					own.keys[k] = true
				}
			}
		}
	})
}

func (j *atkJournal) Pending(ctx context.Context) iter.Seq2[closure.JournalEntry, error] {
	return func(yield func(closure.JournalEntry, error) bool) {
		var pending []closure.JournalEntry
		if err := j.around(ctx, "pending", closure.BookingAttempt{}, func() {
			for _, e := range j.entries {
				if e.State == closure.JournalPending {
					pending = append(pending, e.JournalEntry)
				}
			}
		}); err != nil {
			yield(closure.JournalEntry{}, err)
			return
		}
		for _, e := range pending {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (j *atkJournal) Release(ctx context.Context, id closure.AppointmentID) error {
	return j.around(ctx, "release", closure.BookingAttempt{AppointmentID: id}, func() {
		j.remove(func(e *atkEntry) bool {
			return e.State == closure.JournalBooked && e.Appointment == id ||
				e.State == closure.JournalPending && e.Attempt.AppointmentID == id
		})
		if j.released == nil {
			j.released = map[closure.AppointmentID]bool{}
		}
		j.released[id] = true
	})
}
