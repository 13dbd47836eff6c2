package closure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// A practice is an API on a real socket that shares no code with closuretest:
// one schedule, one patient, a slot at guide.start and, once booked, one
// appointment. Its gateway answers in its place, before or after it has done
// what it was asked.
type practice struct {
	slots   string // what it lists as open
	status  string // of what it books
	gateway func(g *gateway)

	mu     sync.Mutex
	log    []string // "POST /appointments"
	bodies []string // of what was written
	held   []held
	giveUp func() // called at the second look, if not nil
}

// A gateway stands before one request.
type gateway struct {
	http.ResponseWriter
	*http.Request
	practice *practice
	api      func() // hands the request on; its answer is lost
	number   int    // of this method and path, from 1
	answered bool
}

type held struct {
	ID        string    `json:"id"`
	Schedule  string    `json:"schedule_id"`
	Patient   string    `json:"patient_id"`
	Status    string    `json:"status"`
	StartAt   time.Time `json:"start_at"`
	Duration  int       `json:"duration,omitempty"`
	CreatedAt any       `json:"created_at,omitempty"`
}

const openSlot = `[{"start_at":"2022-05-20T17:00:00Z","duration":30}]`

// openPractice serves it until the test ends.
func openPractice(t *testing.T, g func(*gateway)) (*practice, *closure.Client) {
	t.Helper()
	p := &practice{slots: openSlot, status: "scheduled", gateway: g}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return p, p.client(t, server.URL)
}

func (p *practice) client(t *testing.T, url string, opts ...closure.Option) *closure.Client {
	t.Helper()
	pool := new(http.Transport)
	t.Cleanup(pool.CloseIdleConnections)
	c, err := closure.NewClient(closure.QuickstartKey, append([]closure.Option{
		closure.WithBaseURL(url),
		closure.WithHTTPClient(&http.Client{Transport: pool}),
		closure.WithRetryPolicy(closure.RetryPolicy{MinWait: 1, MaxWait: 1}),
	}, opts...)...)
	noError(t, err)
	return c
}

func (p *practice) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.Method + " " + r.URL.Path
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	p.log = append(p.log, name)
	if r.Method != http.MethodGet {
		p.bodies = append(p.bodies, string(body))
	}
	number := 0
	for _, earlier := range p.log {
		if earlier == name {
			number++
		}
	}
	ends := p.giveUp != nil && p.looksAgainLocked()
	p.mu.Unlock()
	if ends {
		p.giveUp()
		<-r.Context().Done()
		return
	}
	g := &gateway{ResponseWriter: w, Request: r, practice: p, number: number}
	g.api = func() { p.answer(httptest.NewRecorder(), r, body) }
	if p.gateway != nil {
		p.gateway(g)
	}
	if !g.answered {
		p.answer(w, r, body)
	}
}

// untilSecondLook returns a context that ends in the middle of the second look for what became
// of a write.
func (p *practice) untilSecondLook(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	p.giveUp = cancel
	return ctx
}

// looksAgainLocked reports whether the request just logged reads an appointment for the second
// time since the last write.
func (p *practice) looksAgainLocked() bool {
	looks, written := 0, false
	look := func(name string) bool { return strings.HasPrefix(name, "GET /appointments") }
	for _, name := range p.log {
		switch {
		case look(name):
			looks++
		case !strings.HasPrefix(name, "GET "):
			looks, written = 0, true
		}
	}
	return written && looks == 2 && look(p.log[len(p.log)-1])
}

func (p *practice) answer(w http.ResponseWriter, r *http.Request, body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch path := r.URL.Path; {
	case r.Method == http.MethodPost && path == "/appointments":
		made := held{ID: fmt.Sprintf("appt_%d", len(p.held)+1)}
		_ = json.Unmarshal(body, &made)
		made.Status = p.status
		p.held = append(p.held, made)
		writeJSON(w, made)
	case path == "/appointments":
		writeJSON(w, append([]held{}, p.held...))
	case strings.HasPrefix(path, "/appointments/"):
		a := &p.held[0]
		switch r.Method {
		case http.MethodPatch:
			_ = json.Unmarshal(body, a)
		case http.MethodPost:
			a.Status = "cancelled"
		}
		writeJSON(w, *a)
	case strings.HasSuffix(path, "/slots"):
		_, _ = io.WriteString(w, p.slots)
	case strings.HasPrefix(path, "/patients/"):
		_, _ = io.WriteString(w, `{"id":"`+string(guide.patient)+`","insurance":{"id":"ins_1"}}`)
	default:
		_, _ = io.WriteString(w,
			`{"id":"`+string(guide.schedule)+`","scheduling_method":"direct_api","insurances":["ins_1"]}`)
	}
}

func writeJSON(w io.Writer, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

// books reports whether the request is one to book, lists whether it is one of
// the list.
func (g *gateway) books() bool { return g.Method == http.MethodPost && g.URL.Path == "/appointments" }
func (g *gateway) lists() bool { return g.Method == http.MethodGet && g.URL.Path == "/appointments" }

// say answers in place of the API.
func (g *gateway) say(status int, body string) {
	g.answered = true
	if status == 0 {
		panic(http.ErrAbortHandler) // the connection is lost
	}
	g.ResponseWriter.WriteHeader(status)
	_, _ = io.WriteString(g.ResponseWriter, body)
}

// hold gives the patient the appointment at guide.start with that status.
func (p *practice) hold(status string) *practice {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := fmt.Sprintf("appt_%d", len(p.held)+1)
	p.held = append(p.held, held{
		ID: id, Schedule: string(guide.schedule), Patient: string(guide.patient), Status: status, StartAt: guide.start,
		Duration: 30,
	})
	return p
}

// sent checks how many requests to book arrived and how many appointments stand.
func (p *practice) sent(t *testing.T, posts, booked int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	standing := 0
	for _, a := range p.held {
		if a.Status == "scheduled" || a.Status == "rescheduled" {
			standing++
		}
	}
	if got := p.countLocked("POST /appointments"); got != posts || standing != booked {
		t.Errorf("%d requests to book and %d appointments, want %d and %d", got, standing, posts, booked)
	}
}

func (p *practice) count(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.countLocked(name)
}

func (p *practice) countLocked(name string) int {
	return len(slices.DeleteFunc(slices.Clone(p.log), func(s string) bool { return s != name }))
}

// bookingParams ask for a booking at guide.start for a patient whose insurance is accepted.
func bookingParams() closure.BookSlotParams {
	return closure.BookSlotParams{ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: guide.start}
}

// ends checks how a booking ended.
func ends(t *testing.T, booking *closure.Booking, err error, want string, is ...error) {
	t.Helper()
	checkBooking(t, booking, err)
	endsIn(t, want, booking, err)
	isErrors(t, err, is...)
	if unknown := (*closure.OutcomeUnknownError)(nil); errors.As(err, &unknown) && unknown.AppointmentID == "" {
		checkUnknownAttempt(t, err)
		if unknown.Attempt.AttemptedAt.IsZero() || unknown.Attempt.Mode != closure.ModeTest {
			t.Errorf("the attempt lacks its time or its mode: %s", show(unknown.Attempt))
		}
	}
}
