package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/closurehealth/closure-go"
)

// What happens underneath: a panel on each page, for demonstrations. It shows the
// calls to the API and, of the made-up clinic, what it has booked, and it lets the
// clinic fail.

// clinicVariable is the address of the made-up clinic's own pages; not set: there
// is no such clinic.
const clinicVariable = "BOOKINGPAGE_CLINIC"

type panel struct {
	mu     sync.Mutex
	calls  []call
	clinic string
}

type call struct {
	At      string
	Count   int // how often it came in a row
	Route   string
	Attempt int
	Status  int
	Took    time.Duration
	Outcome string
}

const keptCalls = 14

func newPanel() *panel { return &panel{clinic: os.Getenv(clinicVariable)} }

func (p *panel) offline() bool { return os.Getenv(clinicVariable) != "" }

// observe keeps the attempts, newest first.
func (p *panel) observe(_ context.Context, e closure.Event) {
	if e.Attempt == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	next := call{
		At: time.Now().Format("15:04:05"), Count: 1, Route: e.Method + " " + e.Route, Attempt: e.Attempt,
		Status: e.StatusCode, Took: e.Duration.Round(time.Millisecond), Outcome: e.Outcome.String(),
	}
	if len(p.calls) > 0 && p.calls[0].Route == next.Route && p.calls[0].Status == next.Status {
		next.Count += p.calls[0].Count
		p.calls = p.calls[1:]
	}
	p.calls = slices.Insert(p.calls, 0, next)
	p.calls = p.calls[:min(len(p.calls), keptCalls)]
}

// An underneath is what the panel shows at one moment.
type underneath struct {
	Calls  []call
	Clinic *clinicState // nil: it is no made-up clinic, or it can't be asked
	PID    int
}

func (p *panel) look(ctx context.Context) *underneath {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	u := &underneath{Calls: slices.Clone(p.calls), PID: os.Getpid()}
	p.mu.Unlock()
	if state, err := askClinic(ctx, http.MethodGet, p.clinic, ""); err == nil {
		u.Clinic = &state
	}
	return u
}

// askClinic reads the state of the made-up clinic, after sending it a fault, if
// one is given.
func askClinic(ctx context.Context, method, clinic, fault string) (state clinicState, err error) {
	if clinic == "" {
		return state, errors.New("there is no made-up clinic")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, clinic, strings.NewReader(fault))
	if err != nil {
		return state, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return state, err
	}
	defer func() { _ = response.Body.Close() }()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		return state, err
	}
	return state, json.Unmarshal(body.Bytes(), &state)
}

// injectFault lets the clinic fail, and goes back to the page it was asked from.
func (s *server) injectFault(w http.ResponseWriter, r *http.Request, _ session) error {
	if _, err := askClinic(r.Context(), http.MethodPost, s.panel.clinic, r.PostFormValue("fault")); err != nil {
		return err
	}
	http.Redirect(w, r, localPath(r.Referer()), http.StatusSeeOther)
	return nil
}

// localPath is the path of a URL. It begins with one slash, and no browser takes it
// for another site's address.
func localPath(from string) string {
	back, err := url.Parse(from)
	if err != nil || strings.ContainsAny(back.Path, "\\\t\r\n") {
		return "/"
	}
	return (&url.URL{Path: path.Clean("/" + back.Path)}).EscapedPath()
}
