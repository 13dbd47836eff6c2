package outside

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

type appointment struct {
	ID, Schedule, Patient, Status string
	Start                         time.Time
	Duration                      int
}

type version struct {
	at time.Time
	r  appointment
}

type fault struct {
	status                  int  // the status of a response in place of the API's
	after                   bool // the request is carried out before that
	drop                    bool // the connection is lost
	delayBefore, delayAfter time.Duration
	commitLate              time.Duration // the request is carried out later, and the response is lost
	header                  map[string]string
	body                    string
	do                      func() // runs between the commit and the response
	stale                   time.Duration
}

// railway is a double of the API. Its reads show the state of some time ago (lag). hook
// returns the fault of an operation's nth request.
type railway struct {
	mu         sync.Mutex
	appts      map[string][]version
	order      []string
	overbooks  bool // accepts a start that is taken
	showsTaken bool // shows taken slots as open
	lag        time.Duration
	starts     []time.Time
	n          int
	hook       func(op string, n int) *fault
	calls      map[string]int
	changes    []change
}

func newAPI() *railway {
	a := &railway{appts: map[string][]version{}, calls: map[string]int{}}
	for i := range 6 {
		a.starts = append(a.starts, hour(i))
	}
	return a
}

func (a *railway) asOf(id string, t time.Time) (appointment, bool) {
	var r appointment
	ok := false
	for _, v := range a.appts[id] {
		if !v.at.After(t) {
			r, ok = v.r, true
		}
	}
	return r, ok
}

func (a *railway) put(r appointment) {
	if len(a.appts[r.ID]) == 0 {
		a.order = append(a.order, r.ID)
	}
	a.appts[r.ID] = append(a.appts[r.ID], version{time.Now(), r})
}

func asJSON(r appointment) map[string]any {
	m := map[string]any{
		"id": r.ID, "schedule_id": r.Schedule, "patient_id": r.Patient, "status": r.Status,
		"start_at":   r.Start.UTC().Format(dateFormat),
		"created_at": hour(0).Format(dateFormat), "updated_at": hour(0).Format(dateFormat),
	}
	if r.Duration > 0 {
		m["duration"] = r.Duration
	}
	return m
}

// standing returns the appointments that aren't cancelled.
func (a *railway) standing() (out []appointment) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range a.order {
		if r, ok := a.asOf(id, time.Now()); ok && r.Status != "cancelled" {
			out = append(out, r)
		}
	}
	return
}

func (a *railway) dump() string {
	var b strings.Builder
	for _, r := range a.standing() {
		fmt.Fprintf(&b, "[%s %s@%s %s] ", r.ID, r.Patient, r.Start.Format("15:04"), r.Status)
	}
	return b.String()
}

// movedByPhone moves the first appointment without the SDK.
func (a *railway) movedByPhone(to time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, _ := a.asOf("appt_1", time.Now())
	r.Start, r.Status = to, "rescheduled"
	a.put(r)
}

func (a *railway) bookedByPhone(start time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
	id := fmt.Sprintf("appt_P%d", a.n)
	a.put(appointment{id, schedule, patient, "scheduled", start, 30})
}

func (a *railway) cancelledByPhone(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, _ := a.asOf(id, time.Now())
	r.Status = "cancelled"
	a.put(r)
}

func (a *railway) taken(start time.Time, but string, t time.Time) bool {
	for _, id := range a.order {
		if r, ok := a.asOf(id, t); ok && id != but && r.Status != "cancelled" && r.Start.Equal(start) {
			return true
		}
	}
	return false
}

type response struct {
	status int
	body   any
}

func apiErr(s int, m string) response {
	return response{s, map[string]any{"error_type": "invalid_request", "error_message": m}}
}

func opOf(r *http.Request) (string, string) {
	p := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.Method == "GET" && p[0] == "schedules" && len(p) == 3:
		return "slots", p[1]
	case r.Method == "GET" && p[0] == "schedules" && len(p) == 2:
		return "schedule", p[1]
	case r.Method == "GET" && p[0] == "patients" && len(p) == 2:
		return "patient", p[1]
	case r.Method == "GET" && p[0] == "appointments" && len(p) == 1:
		return "list", ""
	case r.Method == "GET" && p[0] == "appointments":
		return "get", p[1]
	case r.Method == "POST" && p[0] == "appointments" && len(p) == 1:
		return "create", ""
	case r.Method == "PATCH":
		return "move", p[1]
	case r.Method == "POST" && len(p) == 3:
		return "cancel", p[1]
	}
	return "?", ""
}

func (a *railway) act(op, id string, r *http.Request, body []byte, stale time.Duration) response {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	lagged := now.Add(-max(a.lag, stale))
	switch op {
	case "schedule":
		return response{200, map[string]any{
			"id": id, "scheduling_method": "direct_api", "insurances": []string{"ins_1"},
		}}
	case "patient":
		return response{200, map[string]any{
			"id": id, "first_name": "CANARYNAME", "insurance": map[string]any{"id": "ins_1"},
		}}
	case "slots":
		out := []any{}
		from, _ := time.Parse(time.RFC3339, r.URL.Query().Get("start_at"))
		to, _ := time.Parse(time.RFC3339, r.URL.Query().Get("end_at"))
		for _, s := range a.starts {
			if s.Before(from) || s.After(to) {
				continue
			}
			if a.showsTaken || !a.taken(s, "", lagged) {
				out = append(out, map[string]any{"start_at": s.Format(dateFormat), "duration": 30})
			}
		}
		return response{200, out}
	case "list":
		out := []any{}
		for _, i := range a.order {
			if r2, ok := a.asOf(i, lagged); ok && r2.Patient == r.URL.Query().Get("patient_id") {
				out = append(out, asJSON(r2))
			}
		}
		return response{200, out}
	case "get":
		if r2, ok := a.asOf(id, lagged); ok {
			return response{200, asJSON(r2)}
		}
		return apiErr(404, "no such")
	case "create":
		var in struct {
			Schedule string    `json:"schedule_id"`
			Patient  string    `json:"patient_id"`
			Start    time.Time `json:"start_at"`
			Duration int       `json:"duration"`
		}
		json.Unmarshal(body, &in)
		if !a.overbooks && a.taken(in.Start, "", now) {
			return apiErr(409, "taken by CANARYNAME")
		}
		a.n++
		r2 := appointment{fmt.Sprintf("appt_%d", a.n), in.Schedule, in.Patient, "scheduled", in.Start, in.Duration}
		a.put(r2)
		return response{200, asJSON(r2)}
	case "move":
		var in struct {
			Start    time.Time `json:"start_at"`
			Duration int       `json:"duration"`
		}
		json.Unmarshal(body, &in)
		r2, ok := a.asOf(id, now)
		switch {
		case !ok:
			return apiErr(404, "no such")
		case r2.Status == "cancelled":
			return apiErr(409, "cancelled")
		case !a.overbooks && a.taken(in.Start, id, now):
			return apiErr(409, "taken")
		}
		r2.Start, r2.Status = in.Start, "rescheduled"
		a.put(r2)
		return response{200, asJSON(r2)}
	case "cancel":
		r2, ok := a.asOf(id, now)
		if !ok {
			return apiErr(404, "no such")
		}
		r2.Status = "cancelled"
		a.put(r2)
		return response{200, asJSON(r2)}
	}
	return apiErr(404, "route")
}

func (a *railway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	op, id := opOf(r)
	a.mu.Lock()
	a.calls[op]++
	n := a.calls[op]
	hook := a.hook
	a.mu.Unlock()
	var f *fault
	if hook != nil {
		f = hook(op, n)
	}
	if f == nil {
		f = &fault{}
	}
	if f.delayBefore > 0 {
		time.Sleep(f.delayBefore)
	}
	for k, v := range f.header {
		w.Header().Set(k, v)
	}
	if f.commitLate > 0 {
		go func() { time.Sleep(f.commitLate); a.act(op, id, r, body, 0) }()
		w.WriteHeader(598)
		return
	}
	var resp response
	if f.status == 0 && !f.drop || f.after {
		resp = a.act(op, id, r, body, f.stale)
	}
	if f.do != nil {
		f.do()
	}
	if f.delayAfter > 0 {
		time.Sleep(f.delayAfter)
	}
	if f.drop {
		w.WriteHeader(598)
		return
	}
	if f.status != 0 {
		w.WriteHeader(f.status)
		io.WriteString(w, f.body)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(resp.status)
	json.NewEncoder(w).Encode(resp.body)
}

var errLost = errors.New("read tcp CANARYURL: connection reset")

// RoundTrip serves the request in this process. Status 598 stands for a lost connection.
func (a *railway) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
	}
	in := httptest.NewRequest(req.Method, req.URL.String(), bytes.NewReader(body))
	done := make(chan *http.Response, 1)
	go func() {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, in)
		done <- w.Result()
	}()
	select {
	case resp := <-done:
		if resp.StatusCode == 598 {
			return nil, errLost
		}
		return resp, nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// A change is the time in which the simulation changes an appointment.
type change struct {
	id       string
	from, to time.Time
}
