package closuretest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/closurehealth/closure-go"
)

// A Server is a stateful test double of the API. It is safe for concurrent use, and starts
// no goroutine before [Server.Start].
type Server struct {
	config

	routes   []route
	faults   faultSet
	requests requestLog
	loopback loopback
	misuse   atomic.Pointer[string] // set: every request is answered with it
	closed   atomic.Bool

	mu    sync.Mutex // never held while waiting
	store *store
	late  lateWrites
}

// New returns a server that is loaded with the guide's data: the patient Trisha
// Pandit, the practitioner Deepika Sanon, her schedule and its three slots.
func New(opts ...Option) *Server {
	cfg := newConfig(opts)
	s := &Server{
		config:   cfg,
		routes:   newRoutes(),
		faults:   faultSet{seed: cfg.seed},
		requests: requestLog{keep: cfg.keep, base: digest("requests", strconv.FormatUint(cfg.seed, 10))},
		store:    newStore(),
	}
	s.loadGuide()
	if cfg.generated != nil {
		s.loadClinic(*cfg.generated)
	}
	if cfg.tb != nil {
		cfg.tb.Cleanup(s.report)
	}
	return s
}

// noHost is the base URL of clients within the process. Nobody can own the domain (RFC 2606).
const noHost = "https://closuretest.invalid"

// Client returns a client whose calls go to the server within the process: without a socket
// or a goroutine, so that it works inside a testing/synctest bubble. Its key is
// [closure.QuickstartKey]; opts are its other options. If [closure.NewClient] refuses one
// of them, the answer to every call says so. A [closure.WithHTTPClient] among them needs a
// Transport that wraps [Server.Transport]: with another one no host is found, so that a test
// never calls the vendor's.
func (s *Server) Client(opts ...closure.Option) *closure.Client {
	inProcess := closure.Options(
		closure.WithHTTPClient(&http.Client{Transport: s.Transport()}),
		closure.WithBaseURL(noHost),
	)
	client, err := closure.NewClient(closure.QuickstartKey, append([]closure.Option{inProcess}, opts...)...)
	if err == nil {
		return client
	}
	s.misused("Client: " + err.Error())
	client, _ = closure.NewClient(closure.QuickstartKey, inProcess) // nothing in it to refuse
	return client
}

// Appointments returns the ledger: the appointments that were really committed, in the order
// of their commits, each as it is now. A late write is in it once it is due.
func (s *Server) Appointments() []closure.Appointment {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.carryOutDue(s.timeline.elapsed())
	appointments := make([]closure.Appointment, len(s.store.appointments.entries))
	for i, e := range s.store.appointments.entries {
		appointments[i] = e.current()
	}
	return appointments
}

// Requests returns the requests in the order in which they arrived, also those that were
// refused or struck by a fault. The Authorization header is not kept; of a request in live
// mode only the operation is.
func (s *Server) Requests() []Request { return s.requests.all() }

// Inject adds faults. They strike the requests of their operation in the order
// in which they were added, one fault for each request; only a [Delay] can strike together
// with another. If a fault can never strike, because no operation has its name, the answer
// to every call says so.
func (s *Server) Inject(f ...Fault) {
	for _, fault := range f {
		if problem := fault.problem(s.routes); problem != "" {
			s.misused("Inject: " + problem)
			continue
		}
		s.faults.add(fault)
	}
}

// ClearFaults removes all faults, with their counts: read [Server.Injected] before. What they
// did is not undone, and the late writes of [CommitLate] still come.
func (s *Server) ClearFaults() { s.faults.clear() }

// Injected returns the faults, in the order in which they were added, and how
// often each struck so far.
func (s *Server) Injected() []Injection { return s.faults.all() }

// Seed returns the seed from which the server's ids, data and draws are made.
func (s *Server) Seed() uint64 { return s.seed }

// String names the seed, and how often each fault struck. A failing test should log it;
// [ReportTo] does.
func (s *Server) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "closuretest.Server{seed: %d", s.seed)
	if g := s.generated; g != nil {
		fmt.Fprintf(&b, ", schedules: %d, slots each: %d", g.schedules, g.slotsEach)
	}
	if s.duplicates {
		b.WriteString(", accepts duplicates")
	}
	if s.lag > 0 {
		fmt.Fprintf(&b, ", reads lag by %s", s.lag)
	}
	for _, injection := range s.Injected() {
		b.WriteString("; " + injection.String())
	}
	return b.String() + "}"
}

// Operations returns the names of all operations. A fault takes one of them.
func Operations() []string {
	routes := newRoutes()
	names := make([]string, len(routes))
	for i := range routes {
		names[i] = routes[i].op
	}
	return names
}

// misused records that a test misuses the server, for when no error can be returned, and
// fails the test. The first record is kept.
func (s *Server) misused(problem string) {
	problem = "closuretest: " + problem
	if s.misuse.CompareAndSwap(nil, &problem) && s.tb != nil {
		s.tb.Helper()
		s.tb.Errorf("%s", problem)
	}
}

// report ends the server with its test.
func (s *Server) report() {
	if t := s.tb; t.Failed() {
		t.Helper()
		name := strings.ReplaceAll(t.Name(), "/", "$/^")
		t.Logf("%s\nto repeat a run whose seed is closuretest.RandomSeed(): %s=%d go test -run '^%s$'", s, seedVariable, s.seed, name)
	}
	s.Close()
}
