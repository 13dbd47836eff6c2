//go:build unix

// Package gateways books through real gateways, nginx and HAProxy, and audits the ledger
// behind them.
//
//	CLOSURE_GATEWAYS=short go test ./internal/gateways -v
//	CLOSURE_GATEWAYS=full  go test ./internal/gateways -v -timeout 60m
//
// The terminal that it was started from shows how far it is.
package gateways

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/internal/commandline"
)

const goroutines = 64

// bookings is how many bookings each row makes.
func bookings(t *testing.T) int {
	switch form := os.Getenv("CLOSURE_GATEWAYS"); form {
	case "short":
		return 640
	case "full":
		return 3000
	case "":
		t.Skip("needs nginx and HAProxy: CLOSURE_GATEWAYS=short runs it, as .ci/run does")
	default:
		t.Fatalf("CLOSURE_GATEWAYS=%q: want short or full", form)
	}
	return 0
}

func TestGateways(t *testing.T) {
	n := bookings(t)
	trustOneself(t)
	none := func(*gateway, *upstream) {}
	reload := func(g *gateway, _ *upstream) { g.reload(t) }
	restart := func(g *gateway, _ *upstream) { g.stop(t); g.start(t) }
	blink := func(_ *gateway, u *upstream) { u.drop() }
	outage := func(_ *gateway, u *upstream) { u.down(t, 300*time.Millisecond) }
	slow := func(_ *gateway, u *upstream) { u.slow.Store(true) }
	rows := []struct {
		name   string
		config config
		during func(*gateway, *upstream) // called once, in the middle of the traffic
		unsure bool                      // bookings may end as unknown or not booked, and say so
		resend bool                      // the gateway sends writes again
	}{
		{"rotation after 1", config{rotate: 1}, none, false, false},
		{"rotation after 20", config{rotate: 20}, none, false, false},
		{"rotation after 1000", config{rotate: 1000}, none, false, false},
		{"reload", config{rotate: 1000}, reload, true, false},
		{"restart", config{rotate: 1000}, restart, true, false},
		{"upstream's connections lost", config{rotate: 1000}, blink, true, false},
		{"upstream down and up", config{rotate: 1000}, outage, true, false},
		{"upstream slow", config{rotate: 1000}, slow, false, false},
		{"the gateway's retries, connections lost", config{rotate: 1000, retries: all}, blink, true, true},
		{"the gateway's safe retries, connections lost", config{rotate: 1000, retries: safe}, blink, true, false},
		{"the gateway's safe retries, upstream down and up", config{rotate: 1000, retries: safe}, outage, true, false},
		{"HTTP/2, rotation after 20", config{rotate: 20, http2: true}, none, true, false},
		{"HTTP/2, reload", config{rotate: 1000, http2: true}, reload, true, false},
	}
	total := 0
	for _, tt := range rows {
		total += len(tt.config.gateways())
	}
	shown := commandline.NewTestProgress(t, "rows", total)
	for _, tt := range rows {
		for _, kind := range tt.config.gateways() {
			t.Run(kind+"/"+tt.name, func(t *testing.T) {
				u := newUpstream(t, n)
				g := newGateway(t, kind, tt.config, u.address)
				result := u.book(t, g, tt.config.http2, n, func() { tt.during(g, u) })
				t.Logf("%+v", result)
				if result.Lies != 0 || !tt.resend && result.SentTwice != 0 {
					t.Error("a lie, or a write was sent twice")
				}
				if !tt.unsure && result.Booked != n {
					t.Errorf("%d of %d booked", result.Booked, n)
				}
			})
			shown.Step()
		}
	}
}

// An upstream is the API's double, with a listener that can lose its connections.
type upstream struct {
	api     *closuretest.Server
	address string
	slow    atomic.Bool
	orders  []closure.BookSlotParams

	mu     sync.Mutex
	server *http.Server
	conns  map[net.Conn]bool
	writes map[string]int // requests to book that arrived, by body
}

func newUpstream(t *testing.T, n int) *upstream {
	u := &upstream{
		api:    closuretest.New(closuretest.KeepRequests(0)),
		conns:  map[net.Conn]bool{},
		writes: map[string]int{},
	}
	guide, err := u.api.Client().Patients.Get(t.Context(), closuretest.GuidePatientID)
	if err != nil {
		t.Fatal(err)
	}
	patient := *guide
	for i := range n {
		if i%20 == 0 { // no real patient has thousands of appointments
			patient.ID, patient.FirstName = "", fmt.Sprintf("Patient %d", i)
			patient = u.api.AddPatient(patient)
		}
		start := closuretest.GuideSlot().StartAt.Add(time.Duration(i+48) * time.Hour)
		u.api.AddSlots(closuretest.GuideScheduleID, closure.Slot{StartAt: start, Duration: closuretest.GuideSlot().Duration})
		u.orders = append(u.orders, closure.BookSlotParams{
			ScheduleID: closuretest.GuideScheduleID, PatientID: patient.ID, StartAt: start,
		})
	}
	u.address = freeAddress(t)
	u.up(t)
	t.Cleanup(func() { _ = u.server.Close() })
	return u
}

func (u *upstream) up(t *testing.T) {
	listener, err := net.Listen("tcp", u.address)
	if err != nil {
		t.Error(err)
		return
	}
	u.server = &http.Server{Handler: u, ConnState: u.track}
	go func() { _ = u.server.Serve(listener) }()
}

// down closes the server and its connections, and starts it again after a while.
func (u *upstream) down(t *testing.T, long time.Duration) {
	_ = u.server.Close()
	time.Sleep(long)
	u.up(t)
}

func (u *upstream) track(conn net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch state {
	case http.StateNew:
		u.conns[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(u.conns, conn)
	}
}

// drop closes all connections at once, in the middle of their requests.
func (u *upstream) drop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for conn := range u.conns {
		_ = conn.Close()
	}
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.Method == http.MethodPost {
		u.mu.Lock()
		u.writes[string(body)]++
		u.mu.Unlock()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if u.slow.Load() {
		time.Sleep(200 * time.Millisecond)
	} else {
		time.Sleep(5 * time.Millisecond) // so that something is in flight
	}
	u.api.Handler().ServeHTTP(w, r)
}

// A result is the outcomes of the bookings, and what the audit found.
type result struct {
	Booked, Recovered, NotBooked, Unknown int
	Lies                                  int // outcomes that the ledger contradicts
	SentTwice                             int // writes that arrived more than once
	Held                                  int // appointments in the ledger
}

func (u *upstream) book(t *testing.T, g *gateway, http2 bool, n int, during func()) result {
	opts := []closure.Option{closure.WithBaseURL("https://" + g.address), closure.WithTimeout(5 * time.Second)}
	if http2 {
		opts = append(opts, closure.WithHTTP2())
	}
	client, err := closure.NewClient(closure.QuickstartKey, opts...)
	if err != nil {
		t.Fatal(err)
	}
	made, errs := make([]*closure.Booking, n), make([]error, n)
	var next atomic.Int64
	var callers sync.WaitGroup
	for range goroutines {
		callers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if i == int64(n/2) {
					during()
				}
				made[i], errs[i] = client.BookSlot(t.Context(), u.orders[i])
			}
		})
	}
	callers.Wait()
	return u.audit(t, made, errs)
}

// audit compares what was told about each slot with the ledger.
func (u *upstream) audit(t *testing.T, made []*closure.Booking, errs []error) (r result) {
	held := map[time.Time]int{}
	for _, a := range u.api.Appointments() {
		held[a.StartAt.UTC()]++
		r.Held++
	}
	texts := map[string]int{}
	for i := range errs {
		there := held[u.orders[i].StartAt.UTC()]
		if errs[i] != nil {
			texts[errs[i].Error()]++
		}
		switch closure.OutcomeOf(errs[i]) {
		case closure.OutcomeApplied:
			r.Booked++
			if made[i].Recovered {
				r.Recovered++
			}
			if there != 1 {
				r.Lies++
			}
		case closure.OutcomeUnknown:
			r.Unknown++
		default:
			r.NotBooked++
			if there != 0 {
				r.Lies++
			}
		}
	}
	for _, times := range u.writes {
		if times > 1 {
			r.SentTwice++
		}
	}
	for text, times := range texts {
		t.Logf("%d: %s", times, text)
	}
	return r
}

type config struct {
	rotate  int    // how many requests nginx allows on a connection
	retries string // what the gateway itself sends again: all, safe or nothing
	http2   bool
}

// gateways are those that have this configuration: HAProxy doesn't limit the number of
// requests on a connection.
func (c config) gateways() []string {
	if c.rotate < 1000 {
		return []string{"nginx"}
	}
	return []string{"nginx", "haproxy"}
}

const (
	all  = "all"  // writes too
	safe = "safe" // what the documentation recommends
)

// A gateway is nginx or HAProxy, in a process of its own.
type gateway struct {
	kind, address, directory string
	process                  *exec.Cmd
}

func newGateway(t *testing.T, kind string, c config, upstream string) *gateway {
	g := &gateway{kind: kind, address: freeAddress(t), directory: t.TempDir()}
	text := g.nginx(c, upstream)
	if kind == "haproxy" {
		text = g.haproxy(c, upstream)
	}
	if err := os.WriteFile(filepath.Join(g.directory, "conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g.start(t)
	t.Cleanup(func() { g.stop(t) })
	return g
}

func (g *gateway) nginx(c config, upstream string) string {
	protocol, again := "", "off"
	if c.http2 {
		protocol = "http2"
	}
	switch c.retries {
	case all:
		again = "error timeout http_502 http_503 non_idempotent"
	case safe:
		again = "error timeout http_502 http_503"
	}
	return fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log %[1]s/log; worker_processes 2; user root;
events { worker_connections 4096; }
http {
  access_log off; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c;
  uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
  upstream api { server %[2]s max_fails=0; server %[2]s max_fails=0; keepalive 64; }
  server {
    listen %[3]s ssl %[4]s; ssl_certificate %[5]s; ssl_certificate_key %[5]s;
    keepalive_requests %[6]d;
    location / {
      proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_next_upstream %[7]s;
    }
  }
}`, g.directory, upstream, g.address, protocol, certificate, c.rotate, again)
}

func (g *gateway) haproxy(c config, upstream string) string {
	protocol, again := "http/1.1", "none"
	if c.http2 {
		protocol = "h2,http/1.1"
	}
	switch c.retries {
	case all:
		again = "all-retryable-errors"
	case safe:
		again = "conn-failure"
	}
	return fmt.Sprintf(`global
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  retry-on %[1]s
  retries 3
frontend front
  bind %[2]s ssl crt %[3]s alpn %[4]s
  default_backend api
backend api
  server one %[5]s
`, again, g.address, certificate, protocol, upstream)
}

func (g *gateway) start(t *testing.T) {
	args := []string{"-c", filepath.Join(g.directory, "conf")}
	if g.kind == "haproxy" {
		args = []string{"-W", "-f", filepath.Join(g.directory, "conf")}
	}
	g.process = exec.Command(g.kind, args...)
	if err := g.process.Start(); err != nil {
		t.Errorf("%v: CLOSURE_GATEWAYS needs nginx and HAProxy", err)
		return
	}
	for range 200 {
		conn, err := net.Dial("tcp", g.address)
		if err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%s does not listen", g.kind)
}

func (g *gateway) reload(t *testing.T) {
	signal := syscall.SIGHUP
	if g.kind == "haproxy" {
		signal = syscall.SIGUSR2
	}
	if err := g.process.Process.Signal(signal); err != nil {
		t.Error(err)
	}
}

// stop ends the gateway, in the middle of its requests.
func (g *gateway) stop(t *testing.T) {
	if err := g.process.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	_ = g.process.Wait() // an error, because a signal ended it
}

func freeAddress(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return strings.Clone(listener.Addr().String())
}
