package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/internal/commandline"
)

// The made-up clinic. It is in this process, and the page is a child of it, as
// the real API is elsewhere too: the page can be killed with all it knows, and
// the clinic goes on. This process starts the page anew, as systemd would.

// A clinic is the API's double with a page of its own, for the panel.
type clinic struct {
	double *closuretest.Server

	mu   sync.Mutex
	next string      // a fault that strikes the next booking, and isn't the double's
	page *os.Process // the child
}

// A clinicState is what the panel shows of the clinic.
type clinicState struct {
	Faults       []string // in words
	Appointments []closure.Appointment
}

const clinicPath = "/_clinic"

// newClinic makes a clinic whose openings lie in the weeks after now.
func newClinic() *clinic {
	double := closuretest.New(closuretest.WithClock(time.Now), closuretest.WithGenerated(18, 24, 240))
	first := time.Now().UTC().Truncate(24 * time.Hour).Add(38 * time.Hour) // tomorrow at 14:00
	for i := range 60 {                                                    // ten days, six each
		start := first.AddDate(0, 0, i/6).Add(time.Duration(i%6) * 45 * time.Minute)
		double.AddSlots(closuretest.GuideScheduleID, closure.Slot{StartAt: start, Duration: 30})
	}
	return &clinic{double: double}
}

// offline runs the clinic, and the page as often as it dies.
func offline(ctx context.Context, set settings) error {
	api, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c := newClinic()
	web := &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	defer func() { _ = web.Close() }()
	go func() { _ = web.Serve(api) }() // until it is closed
	directory, err := os.MkdirTemp("", "bookingpage-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(directory) }()
	listener, err := commandline.Listen(ctx, "addr", set.address)
	if err != nil {
		return err
	}
	slog.Info("offline: a made-up clinic answers; set CLOSURE_API_KEY to talk to the API")
	for {
		begin := time.Now()
		err := c.runPage(ctx, "http://"+api.Addr().String(), filepath.Join(directory, "visits.db"), listener)
		_, died := errors.AsType[*exec.ExitError](err)
		switch {
		case ctx.Err() != nil:
			return nil
		case !died || time.Since(begin) < time.Second: // it can't even start
			return err
		}
		slog.Warn("the page died, and is started anew")
	}
}

// runPage runs the page until it ends. It gets the socket, where there is a way to
// hand one over, so that people wait while it starts.
func (c *clinic) runPage(ctx context.Context, api, database string, listener net.Listener) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, program, append(os.Args[1:], "-database", database)...)
	command.Cancel, command.WaitDelay = func() error { return command.Process.Signal(os.Interrupt) }, 2*writeTimeout
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	alive, err := command.StdinPipe() // it ends when this process does, however that ends
	if err != nil {
		return err
	}
	defer func() { _ = alive.Close() }()
	command.Env = append(os.Environ(), "CLOSURE_API_KEY="+string(closure.QuickstartKey), "CLOSURE_BASE_URL="+api,
		clinicVariable+"="+api+clinicPath)
	if socket, ok := listener.(*net.TCPListener); ok && runtime.GOOS != "windows" {
		file, err := socket.File()
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		command.ExtraFiles, command.Env = []*os.File{file}, append(command.Env, "LISTEN_FDS=1")
	}
	if err := command.Start(); err != nil {
		return err
	}
	c.mu.Lock()
	c.page = command.Process
	c.mu.Unlock()
	return command.Wait()
}

func (c *clinic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == clinicPath:
		c.serveState(w, r)
	case r.Method == http.MethodPost && r.URL.Path == "/appointments":
		c.serveBooking(w, r)
	default:
		c.double.Handler().ServeHTTP(w, r)
	}
}

// serveState shows the state, after a fault if one was sent.
func (c *clinic) serveState(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		name, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 100))
		if err != nil || !c.inject(string(name)) {
			http.Error(w, "no such fault", http.StatusBadRequest)
			return
		}
	}
	state := clinicState{Appointments: c.double.Appointments()}
	for _, fault := range c.double.Injected() {
		state.Faults = append(state.Faults, fault.String())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != "" {
		state.Faults = append(state.Faults, c.next)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(state) // who went away doesn't read it
}

// inject chooses a fault; "none" takes all back.
func (c *clinic) inject(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	const create = "appointments.create"
	switch name {
	case "none":
		c.double.ClearFaults()
		c.next = ""
	case "answer lost":
		c.double.Inject(closuretest.DropAfter(create))
	case "commit late":
		c.double.Inject(closuretest.CommitLate(create, 15*time.Second))
	case "request lost":
		c.double.Inject(closuretest.DropBefore(create))
	case "API down":
		c.double.Inject(closuretest.Status(closuretest.AnyOperation, http.StatusServiceUnavailable).Times(0))
	case "slot taken", "page killed":
		c.next = name
	default:
		return false
	}
	return true
}

// serveBooking adds two faults that the double doesn't have.
func (c *clinic) serveBooking(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	fault, page := c.next, c.page
	c.next = ""
	c.mu.Unlock()
	switch fault {
	case "slot taken":
		c.takeFirst(r)
	case "page killed":
		c.double.Handler().ServeHTTP(httptest.NewRecorder(), r) // it is booked, and …
		time.Sleep(2 * patience)
		if page != nil {
			_ = page.Kill() // … who asked doesn't live to hear of it
		}
		panic(http.ErrAbortHandler) // the connection is cut
	}
	c.double.Handler().ServeHTTP(w, r)
}

// takeFirst gives the opening to somebody else.
func (c *clinic) takeFirst(r *http.Request) {
	var body bytes.Buffer
	var wanted closure.Appointment
	if _, err := body.ReadFrom(r.Body); err == nil && json.Unmarshal(body.Bytes(), &wanted) == nil {
		c.double.AddAppointment(closure.Appointment{
			ScheduleID: wanted.ScheduleID, PatientID: "pt_somebodyElse", StartAt: wanted.StartAt,
		})
	}
	r.Body = io.NopCloser(&body)
}
