package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuresql"
	"github.com/closurehealth/closure-go/internal/commandline"
)

const (
	sessionAge     = 30 * time.Minute // since the last page; it is short, because machines are shared
	requestTimeout = 10 * time.Second // of one request to the API
	writeTimeout   = 30 * time.Second // of a whole booking, move or cancellation
	pageTimeout    = 30 * time.Second // of a page that reads
	patience       = time.Second      // how long a click waits for the ending, before "we're checking"
)

// A server is the page. All it must remember is in the database, so that it can
// be killed at any time.
type server struct {
	client   *closure.Client
	journal  closure.Journal
	store    store
	cookies  *securecookie.SecureCookie
	pages    map[string]*template.Template
	panel    *panel // nil: none
	https    bool
	now      func() time.Time
	underWay sync.WaitGroup
	working  sync.Map // the keys of the visits that this process works on

	lostAfter      time.Duration // a booking that nothing shows for so long never arrived; longer than writeTimeout
	abandonedAfter time.Duration // longer than that nobody works on a write: its process died
}

// newServer makes the page; opts come after its own options of the client.
func newServer(ctx context.Context, set settings, db *sql.DB, opts ...closure.Option) (*server, error) {
	journal, err := closuresql.Open(ctx, closuresql.SQLite, db)
	if err != nil {
		return nil, err
	}
	s := &server{store: store{db}, journal: journal, https: set.https, now: time.Now,
		lostAfter: 2 * time.Minute, abandonedAfter: writeTimeout + 15*time.Second}
	own := []closure.Option{
		closure.WithMode(closure.ModeTest), closure.WithUserAgent("closure-bookingpage/1.0"),
		closure.WithJournal(journal), closure.WithTimeout(requestTimeout), closure.WithLogger(slog.Default()),
	}
	if set.panel {
		s.panel = newPanel()
		own = append(own, closure.WithObserver(s.panel.observe))
	}
	if s.client, err = closure.NewClientFromEnv(append(own, opts...)...); err != nil {
		return nil, err
	}
	sign, err := s.store.secret(ctx, "sign")
	if err != nil {
		return nil, err
	}
	encrypt, err := s.store.secret(ctx, "encrypt")
	if err != nil {
		return nil, err
	}
	s.cookies = securecookie.New(sign, encrypt).MaxAge(int(sessionAge.Seconds())).SetSerializer(securecookie.JSONEncoder{})
	s.pages, err = parsePages()
	return s, err
}

// handler is the page for net/http. A pattern is what is logged of a request.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h handlerFunc) { mux.Handle(pattern, s.page(pattern, h)) }
	handle("GET /{$}", s.showWho)
	handle("POST /who", s.identify)
	handle("POST /leave", s.leave)
	handle("GET /practitioners", s.signedIn(s.showPractitioners))
	handle("GET /openings/{schedule}", s.signedIn(s.showOpenings))
	handle("POST /choose", s.signedIn(s.choose))
	handle("GET /visit/{key}", s.ofVisit(s.showVisit))
	handle("POST /visit/{key}/book", s.ofVisit(s.book))
	handle("GET /visit/{key}/move", s.ofVisit(s.showMove))
	handle("POST /visit/{key}/choose-move", s.ofVisit(s.chooseMove))
	handle("POST /visit/{key}/move", s.ofVisit(s.move))
	handle("GET /visit/{key}/cancel", s.ofVisit(s.showCancel))
	handle("POST /visit/{key}/cancel", s.ofVisit(s.cancel))
	handle("GET /visit/{key}/appointment.ics", s.ofVisit(s.calendar))
	if s.panel != nil {
		handle("POST /underneath", s.injectFault)
	}
	handle("/", func(http.ResponseWriter, *http.Request, session) error { return errNoVisit })
	static, _ := fs.Sub(files, "static") // it is compiled in
	mux.Handle("GET /static/{file}", http.StripPrefix("/static/", http.FileServerFS(static)))
	return s.secured(http.NewCrossOriginProtection().Handler(mux))
}

// secured sets the headers that keep a person's pages out of caches, frames and
// other sites, and lets the page load nothing but its own two files.
func (s *server) secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		if s.https {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
		next.ServeHTTP(w, r)
	})
}

// A session is who is at the browser. It is in a cookie that is signed,
// encrypted and short-lived; the zero session is nobody.
type session struct {
	ID      string
	Patient closure.PatientID
	Name    string
	Plan    plan
	Zone    string
}

// Mark names the session in forms, so that a form that was shown to somebody else
// at this browser does nothing. It gives the session away to nobody.
func (s session) Mark() string {
	sum := sha256.Sum256([]byte(s.ID))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// errOtherPerson is that of a form that was shown to another person.
var errOtherPerson = errors.New("the form was shown in another session")

// sent fails if the form was not shown in this session.
func (s session) sent(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return errBadForm
	}
	if subtle.ConstantTimeCompare([]byte(r.PostFormValue("shown-to")), []byte(s.Mark())) != 1 {
		return errOtherPerson
	}
	return nil
}

func (s session) zone() *time.Location {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// cookieName is one that, by https, browsers take from this host only.
func (s *server) cookieName() string {
	if s.https {
		return "__Host-bookingpage"
	}
	return "bookingpage"
}

func (s *server) session(r *http.Request) (found session) {
	if cookie, err := r.Cookie(s.cookieName()); err == nil {
		if s.cookies.Decode(cookie.Name, cookie.Value, &found) != nil { // forged, or too old
			return session{}
		}
	}
	if found.ID != "" {
		if ended, err := s.store.hasEnded(r.Context(), found.ID); ended || err != nil {
			return session{}
		}
	}
	return found
}

func (s *server) setSession(w http.ResponseWriter, now session) error {
	cookie := &http.Cookie{
		Name: s.cookieName(), Path: "/", MaxAge: -1, HttpOnly: true, Secure: s.https, SameSite: http.SameSiteLaxMode,
	}
	if now.ID != "" {
		value, err := s.cookies.Encode(cookie.Name, now)
		if err != nil {
			return err
		}
		cookie.Value, cookie.MaxAge = value, int(sessionAge.Seconds())
	}
	http.SetCookie(w, cookie)
	return nil
}

// A handlerFunc shows a page, or fails and has shown nothing.
type handlerFunc func(http.ResponseWriter, *http.Request, session) error

// page makes a handler: it finds the session, shows what went wrong, and logs the
// pattern, which holds nothing of a person.
func (s *server) page(pattern string, h handlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		err := h(w, r, s.session(r))
		if err != nil {
			s.fail(w, r, err)
		}
		slog.Info("request", slog.String("page", pattern), slog.Duration("duration", time.Since(begin)),
			slog.Bool("failed", err != nil))
	})
}

// signedIn sends people without a session to the first page, and gives the
// others more time.
func (s *server) signedIn(h handlerFunc) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request, who session) error {
		if who.ID == "" {
			http.Redirect(w, r, "/?ended", http.StatusSeeOther)
			return nil
		}
		if err := s.setSession(w, who); err != nil {
			return err
		}
		return h(w, r, who)
	}
}

// fail shows that something went wrong. The log gets errors of the client, whose
// texts are safe, and otherwise only that there was one.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errOtherPerson) {
		_ = s.show(w, r, http.StatusConflict, "otherperson", page{Title: "Please start again"})
		return
	}
	if errors.Is(err, errNoVisit) || errors.Is(err, errBadForm) || errors.Is(err, closure.ErrNotFound) ||
		errors.Is(err, closure.ErrInvalidInput) {
		_ = s.show(w, r, http.StatusNotFound, "notfound", page{Title: "Not found"})
		return
	}
	if _, ours := errors.AsType[*closure.APIError](err); ours {
		slog.Error("the API refused", slog.Any("error", err))
	} else if _, ours := errors.AsType[*closure.TransportError](err); ours {
		slog.Error("the API can't be reached", slog.Any("error", err))
	} else {
		slog.Error("the page failed")
	}
	w.Header().Set("Retry-After", "10")
	_ = s.show(w, r, http.StatusServiceUnavailable, "sorry", page{Title: "Please try again"})
}

//go:embed templates static
var files embed.FS

func parsePages() (map[string]*template.Template, error) {
	layout, err := template.ParseFS(files, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, name := range []string{"who", "practitioners", "openings", "visit", "change", "notfound", "otherperson",
		"sorry"} {
		clone, err := layout.Clone()
		if err == nil {
			pages[name], err = clone.ParseFS(files, "templates/"+name+".html")
		}
		if err != nil {
			return nil, err
		}
	}
	return pages, nil
}

// A page is what the templates get. Titles are in the browser's history: they
// hold nothing of a person.
type page struct {
	Title    string
	Checking bool // the page reloads itself
	Who      session
	Panel    *underneath
	Data     any
}

func (s *server) show(w http.ResponseWriter, r *http.Request, status int, name string, p page) error {
	p.Who = cmp.Or(p.Who, s.session(r))
	p.Panel = s.panel.look(r.Context())
	var body bytes.Buffer
	if err := s.pages[name].Execute(&body, p); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // who went away doesn't see it
	return nil
}

// listen takes over the socket that the parent process holds, as systemd's
// socket activation hands it over: then people wait while the page starts anew,
// instead of being refused. Otherwise it listens itself.
func listen(ctx context.Context, address string) (net.Listener, error) {
	if os.Getenv("LISTEN_FDS") == "1" {
		return net.FileListener(os.NewFile(3, "listener"))
	}
	return commandline.Listen(ctx, "addr", address)
}

func newSession(patient closure.PatientID, name string, p plan, zone string) session {
	return session{ID: rand.Text(), Patient: patient, Name: name, Plan: p, Zone: zone}
}
