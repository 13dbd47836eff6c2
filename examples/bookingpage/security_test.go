package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
)

// Every page, also a failure and a file, has the headers; titles say nothing.
func TestHeaders(t *testing.T) {
	t.Parallel()
	p := newSite(t).newPerson(t)
	p.signIn("")
	visit := p.choose(monday)
	for _, path := range []string{"/", "/practitioners", schedule, visit, "/nothing", "/static/style.css"} {
		v := p.get(path)
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
		} {
			if got := v.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		policy := v.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %s", path, policy)
		}
		_, title, _ := strings.Cut(v.body, "<title>")
		title, _, _ = strings.Cut(title, "</title>")
		if personal(title) != "" || strings.Contains(title, "Sanon") {
			t.Errorf("%s: the title is %q", path, title)
		}
	}
}

func TestCookie(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, https := range []bool{false, true} {
		s.https = https
		answer := httptest.NewRecorder()
		s.handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		if hsts := answer.Header().Get("Strict-Transport-Security"); (hsts != "") != https {
			t.Errorf("https %v: Strict-Transport-Security is %q", https, hsts)
		}
		recorder := &cookieRecorder{header: http.Header{}}
		if err := s.setSession(recorder, newSession("pt_1", "Trisha Pandit", planOnFile, "UTC")); err != nil {
			t.Fatal(err)
		}
		cookie, err := http.ParseSetCookie(recorder.header.Get("Set-Cookie"))
		if err != nil || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Secure != https ||
			strings.HasPrefix(cookie.Name, "__Host-") != https ||
			cookie.MaxAge != int(sessionAge.Seconds()) || strings.Contains(cookie.Value, "pt_") {
			t.Errorf("%v, %v", cookie, err)
		}
	}
}

type cookieRecorder struct {
	http.ResponseWriter
	header http.Header
}

func (c *cookieRecorder) Header() http.Header { return c.header }

func (c *cookieRecorder) WriteHeader(int) {}

// A session ends half an hour after the last page, for the server too.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "visits.db")
	synctest.Test(t, func(t *testing.T) {
		db, err := openDatabase(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s, err := newServer(t.Context(), settings{}, db)
		if err != nil {
			t.Fatal(err)
		}
		value, err := s.cookies.Encode(s.cookieName(), newSession("pt_1", "Trisha Pandit", planOnFile, "UTC"))
		if err != nil {
			t.Fatal(err)
		}
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.AddCookie(&http.Cookie{Name: s.cookieName(), Value: value})
		for _, test := range []struct {
			after time.Duration
			who   closure.PatientID
		}{{0, "pt_1"}, {29 * time.Minute, "pt_1"}, {2 * time.Minute, ""}} {
			time.Sleep(test.after)
			if found := s.session(request); found.Patient != test.who {
				t.Errorf("after %v it is the session of %q", test.after, found.Patient)
			}
		}
	})
}

// A cookie that was changed by one bit, or comes from elsewhere, is nobody's.
func TestForgedSession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.newPerson(t)
	p.signIn("")
	at, _ := url.Parse(s.url)
	cookie := p.http.Jar.Cookies(at)[0]
	forged := []byte(cookie.Value)
	forged[len(forged)/2] ^= 1
	show := func(value string) view {
		p.http.Jar.SetCookies(at, []*http.Cookie{{Name: s.cookieName(), Value: value, Path: "/"}})
		return p.get("/practitioners")
	}
	mustSee(t, show(cookie.Value), "Whom do you want to see?")
	for _, value := range []string{string(forged), "x", ""} {
		mustSee(t, show(value), "Book an appointment", "signed you out")
	}
}

// Another site can't make the browser act, whatever header the browser has.
func TestOtherSitesCannotAct(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.newPerson(t)
	p.signIn("")
	visit := p.choose(monday)
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"}} {
		for _, path := range []string{"/who", "/leave", "/choose", visit + "/book", visit + "/move", visit + "/cancel"} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set(header[0], header[1])
			response, err := p.http.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != http.StatusForbidden {
				t.Errorf("%v %s: %d", header, path, response.StatusCode)
			}
		}
	}
	if n := len(s.double.Appointments()); n != 0 {
		t.Errorf("%d appointments", n)
	}
}

// Who knows the address of somebody's visit sees nothing and changes nothing.
func TestOtherPeopleSeeNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, other := s.newPerson(t), s.newPerson(t)
	p.signIn("")
	visit := p.choose(monday)
	p.post(visit + "/book")
	other.signIn("") // even by the same name
	for _, path := range []string{"", "/move", "/cancel", "/appointment.ics"} {
		mustSee(t, other.get(visit+path), "There is no such page")
	}
	for _, path := range []string{"/book", "/move", "/cancel", "/choose-move"} {
		mustSee(t, other.post(visit+path, "opening", openingValue(closure.Slot{StartAt: tuesday})), "There is no such page")
	}
	if other.get("/").body == p.get("/").body || len(standing(s.double)) != 1 {
		t.Error("others see or change the visit")
	}
	p.post("/leave")
	mustSee(t, p.get(visit), "Book an appointment", "signed you out")
}

// What the page reads from a form or an address can be anything.
func TestNonsense(t *testing.T) {
	t.Parallel()
	p := newSite(t).newPerson(t)
	p.signIn("")
	visit := p.choose(monday)
	for _, opening := range []string{"", "x", "2026-11-02T15:00:00Z", "2026-11-02T15:00:00Z/x", "2026-11-02T15:00:00Z/-1",
		strings.Repeat("x", 20<<10)} {
		if v := p.post("/choose", "schedule", "sch_x", "opening", opening); v.status != http.StatusNotFound {
			t.Errorf("%.30q: %d", opening, v.status)
		}
	}
	for _, schedule := range []string{"", "x", "pt_x", "sch_\x00", "sch_nobody"} {
		path := p.chooseOn(schedule, openingValue(closure.Slot{StartAt: monday, Duration: 30}))
		if v := p.post(path + "/book"); v.status >= 500 && v.status != http.StatusServiceUnavailable {
			t.Errorf("%q: %d", schedule, v.status)
		}
	}
	for _, week := range []string{"-3", "x", "99999999999999999999", "26"} {
		mustSee(t, p.get(schedule+"?week="+week), "Openings of Deepika Sanon")
	}
	mustSee(t, p.get(visit), "Is this right?")
}

// The secrets and the visits are there after a restart, and a second process
// has the same.
func TestSecretsStay(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "visits.db")
	var first string
	for range 2 {
		db, err := openDatabase(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := store{db}.secret(t.Context(), "sign")
		if err != nil || len(secret) != 32 || first != "" && string(secret) != first {
			t.Errorf("%v, %d bytes, another one: %t", err, len(secret), string(secret) != first)
		}
		first = string(secret)
		_ = db.Close()
	}
}

// The file of the visits, and those that SQLite puts beside it, are their owner's.
func TestDatabaseIsPrivate(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "visits.db")
	db, err := openDatabase(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", filepath.Base(name), info, err)
		}
	}
}

// Who pays and the zone are of the lists; else the page asks again.
func TestOnlyWhatIsOffered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.newPerson(t)
	for _, form := range [][2]string{
		{"plan", "ins_nobody"}, {"plan", "self "}, {"plan", strings.Repeat("x", 8<<10)}, {"zone", "Mars/Olympus"},
		{"zone", "../../etc/passwd"},
	} {
		v := p.post("/who", "name", "Trisha Pandit", "born", patientDOB, form[0], form[1])
		mustSee(t, v, "Book an appointment", `role="alert"`, "from the lists")
		if v.status != http.StatusUnprocessableEntity || s.sessionOf(p).ID != "" {
			t.Errorf("%.40s: %d, signed in: %t", form[1], v.status, s.sessionOf(p).ID != "")
		}
	}
	mustSee(t, p.signIn(string(otherPlan)), "Whom do you want to see?")
}

func TestFilesAreNotListed(t *testing.T) {
	t.Parallel()
	p := newSite(t).newPerson(t)
	for _, path := range []string{"/static/", "/static", "/static/.", "/static/%2e", "/static/nothing.css"} {
		if v := p.get(path); v.status != http.StatusNotFound || strings.Contains(v.body, "page.js</a>") {
			t.Errorf("%s: %d %s", path, v.status, v.body)
		}
	}
	if v := p.get("/static/page.js"); v.status != http.StatusOK {
		t.Errorf("%d", v.status)
	}
}

// The panel goes back to a page of this site, whatever the browser says it came from.
func TestPanelGoesNowhereElse(t *testing.T) {
	t.Parallel()
	s := newQuietSite(t)
	faults := httptest.NewServer(&clinic{double: s.double})
	t.Cleanup(faults.Close)
	s.panel = &panel{clinic: faults.URL + clinicPath}
	for referer, want := range map[string]string{
		s.url + "/practitioners":      "/practitioners",
		s.url + "//evil.example":      "/evil.example",
		s.url + "/\\evil.example":     "/",
		s.url + "/%5Cevil.example":    "/",
		s.url + "/%09/evil.example":   "/",
		s.url + "/%2F%5Cevil.example": "/",
		"\\evil.example":              "/",
		"%":                           "/",
		"":                            "/",
	} {
		request := httptest.NewRequest(http.MethodPost, "/underneath", strings.NewReader("fault=none"))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Referer", referer)
		recorder := httptest.NewRecorder()
		s.handler().ServeHTTP(recorder, request)
		if got := recorder.Header().Get("Location"); recorder.Code != http.StatusSeeOther || got != want {
			t.Errorf("%q: %d to %q, want %q", referer, recorder.Code, got, want)
		}
	}
}

// Who kept the cookie of a session that was ended, by signing out or by another
// person signing in, is nobody.
func TestSignOutEndsTheSession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.double.AddPatient(closure.Patient{FirstName: "Ada", LastName: "Other", DOB: closure.NewDate(1990, 1, 2)})
	at, _ := url.Parse(s.url)
	for _, end := range []func(*person) view{
		func(p *person) view { return p.post("/leave") },
		func(p *person) view { return p.post("/who", "name", "Ada Other", "born", "1990-01-02") },
	} {
		p, thief := s.newPerson(t), s.newPerson(t)
		p.signIn("")
		visit := p.choose(monday)
		thief.http.Jar.SetCookies(at, p.http.Jar.Cookies(at))
		kept := p.http.Jar.Cookies(at)
		mustSee(t, thief.get(visit), "Is this right?")
		end(p)
		thief.http.Jar.SetCookies(at, kept)
		mustSee(t, thief.get(visit), "Book an appointment", "signed you out")
	}
}
