package main

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

func TestMain(m *testing.M) {
	if os.Getenv(clinicVariable) != "" || os.Getenv(actAsProgram) != "" {
		main()
		return
	}
	_ = os.Setenv("CLOSURE_API_KEY", closure.QuickstartKey)
	slog.SetDefault(slog.New(slog.NewJSONHandler(&logged, nil)))
	code := m.Run()
	closeChromium()
	if found := personal(logged.String()); found != "" {
		fmt.Println("FAIL: the log of all tests holds", found)
		code = 1
	}
	if code != 0 && testing.Verbose() {
		fmt.Println(logged.String())
	}
	os.Exit(code)
}

// actAsProgram lets the test's binary be the program.
const actAsProgram = "BOOKINGPAGE_TEST_PROGRAM"

// logged is what all tests log.
var logged lockedBuffer

type lockedBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

// Names, a birth date, ids of a person, and times of care, also escaped.
var private = regexp.MustCompile(`(?i)trisha|pandit|1994-|pt_\w+|appt_\w+|` +
	`T\d\d(:|%3A)(00|15|30|45)(:|%3A)00(\.0+)?Z|Nov(ember)?%?[ +]?[0-9]|30 AM`)

// A visit's key. Its letters are random, and now and then they read like a date.
var visitKey = regexp.MustCompile(`\b[A-Z2-7]{26}\b`)

// personal is what a text holds of a person; empty: nothing.
func personal(text string) string {
	return private.FindString(visitKey.ReplaceAllString(text, "KEY"))
}

// now is when the tests' clinic is: three days before the clocks go back in New
// York. They do on the Sunday, at 06:00 UTC.
var now = time.Date(2026, time.October, 29, 12, 0, 0, 0, time.UTC)

// The openings of the clinic's one schedule, for a start.
var (
	sunday1    = time.Date(2026, time.November, 1, 5, 30, 0, 0, time.UTC) // 1:30 AM EDT
	sunday2    = time.Date(2026, time.November, 1, 6, 30, 0, 0, time.UTC) // 1:30 AM EST
	monday     = time.Date(2026, time.November, 2, 15, 0, 0, 0, time.UTC)
	monday2    = monday.Add(30 * time.Minute)
	tuesday    = monday.Add(24 * time.Hour)
	schedule   = "/openings/" + string(closuretest.GuideScheduleID)
	otherID    = closure.ScheduleID("sch_takesSampleMutual")
	otherPlan  = closure.InsuranceID("ins_Qm3vT7xKcR9wLpZ2hNfYbD") // the guide's schedule doesn't take it
	patientDOB = "1994-12-22"
)

// A site is the page on a socket, with a clinic behind it.
type site struct {
	*server
	double *closuretest.Server
	url    string
}

func newSite(t testing.TB, opts ...closure.Option) *site {
	t.Helper()
	s := newQuietSite(t, opts...)
	ctx, stop := context.WithCancel(t.Context())
	settled := make(chan struct{})
	go func() { s.settleForever(ctx); close(settled) }()
	t.Cleanup(func() { stop(); <-settled })
	return s
}

// newQuietSite is a site that settles nothing by itself.
func newQuietSite(t testing.TB, opts ...closure.Option) *site {
	t.Helper()
	double := newDouble(t)
	s := &site{double: double}
	db, err := openDatabase(t.Context(), filepath.Join(t.TempDir(), "visits.db"))
	if err != nil {
		t.Fatal(err)
	}
	opts = append(opts, closure.WithHTTPClient(&http.Client{Transport: double.Transport()}))
	if s.server, err = newServer(t.Context(), settings{}, db, opts...); err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return now }
	web := httptest.NewServer(s.handler())
	s.url = web.URL
	t.Cleanup(func() {
		web.Close()
		s.underWay.Wait()
		_ = db.Close()
	})
	return s
}

// newDouble is the guide's clinic in the week in which the clocks change, and a
// schedule that takes another insurance.
func newDouble(t testing.TB) *closuretest.Server {
	double := closuretest.New(closuretest.WithFixedClock(now), closuretest.ReportTo(t))
	for _, start := range []time.Time{sunday1, sunday2, monday, monday2, tuesday} {
		double.AddSlots(closuretest.GuideScheduleID, closure.Slot{StartAt: start, Duration: 30})
	}
	double.AddSchedule(closure.Schedule{
		ID:               otherID,
		Practitioner:     closure.Ref[closure.PractitionerID, closure.Practitioner]{ID: closuretest.GuidePractitionerID},
		Insurances:       []closure.Ref[closure.InsuranceID, closure.Insurance]{{ID: otherPlan}},
		SchedulingMethod: closure.SchedulingDirectAPI,
	})
	double.AddSlots(otherID, closure.Slot{StartAt: monday, Duration: 30})
	return double
}

// standing are the appointments of the ledger that are not cancelled.
func standing(double *closuretest.Server) (starts []time.Time) {
	for _, a := range double.Appointments() {
		if a.Status != closure.AppointmentCancelled {
			starts = append(starts, a.StartAt)
		}
	}
	return starts
}

// A person is a browser without JavaScript.
type person struct {
	t    testing.TB
	http *http.Client
	base string
	site *site
}

// A view is a page that a person sees.
type view struct {
	status int
	path   string
	body   string
	header http.Header
}

func (s *site) newPerson(t testing.TB) *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{
		Jar: jar, Timeout: 40 * time.Second,
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if found := personal(r.URL.String()); found != "" {
				t.Errorf("a URL holds %s", found)
			}
			return nil
		},
	}
	return &person{t: t, http: client, base: s.url, site: s}
}

// newBooker is a person who has booked Monday's opening, and the path of that visit.
func (s *site) newBooker(t testing.TB) (p *person, path string) {
	p = s.newPerson(t)
	p.signIn("")
	path = p.choose(monday)
	p.post(path + "/book")
	return p, path
}

func (p *person) do(method, path string, form url.Values) view {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := p.http.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return view{response.StatusCode, response.Request.URL.Path, html.UnescapeString(string(body)), response.Header}
}

func (p *person) get(path string) view { p.t.Helper(); return p.do(http.MethodGet, path, nil) }

// post sends a form of a page that was shown to the person.
func (p *person) post(path string, fields ...string) view {
	p.t.Helper()
	form := url.Values{"shown-to": {p.site.sessionOf(p).Mark()}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return p.do(http.MethodPost, path, form)
}

// signIn says that the person is the guide's patient.
func (p *person) signIn(plan string) view {
	p.t.Helper()
	return p.post("/who", "name", "Trisha  Pandit", "born", patientDOB, "plan", plan, "zone", "America/New_York")
}

// choose chooses the opening, and returns the visit's path.
func (p *person) choose(start time.Time) string {
	p.t.Helper()
	return p.chooseOn(string(closuretest.GuideScheduleID), openingValue(closure.Slot{StartAt: start, Duration: 30}))
}

func (p *person) chooseOn(schedule, opening string) string {
	p.t.Helper()
	v := p.post("/choose", "schedule", schedule, "opening", opening)
	if !strings.HasPrefix(v.path, "/visit/") {
		p.t.Fatalf("%d %s %s", v.status, v.path, v.body)
	}
	return v.path
}

// until looks again and again, as the page does, until it doesn't say "we are
// checking" any more.
func (p *person) until(path string, patience time.Duration) (last view) {
	p.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if last = p.get(path); !strings.Contains(last.body, "We are checking") || time.Now().After(end) {
			return last
		}
	}
}

var headline = regexp.MustCompile(`<h1>([^<]*)</h1>`)

// title is the page's headline.
func (v view) title() string {
	found := headline.FindStringSubmatch(v.body)
	if found == nil {
		return v.body
	}
	return found[1]
}

var openingButton = regexp.MustCompile(`name="opening" value="([^"]+)"`)

func (v view) openings() (values []string) {
	for _, found := range openingButton.FindAllStringSubmatch(v.body, -1) {
		values = append(values, found[1])
	}
	return values
}

func mustSee(t testing.TB, v view, title string, texts ...string) {
	t.Helper()
	if v.title() != title {
		t.Errorf("%d %s: the page is %q, want %q", v.status, v.path, v.title(), title)
	}
	for _, text := range texts {
		if !strings.Contains(v.body, text) {
			t.Errorf("%s: %q is missing in\n%s", v.path, text, v.body)
		}
	}
}
