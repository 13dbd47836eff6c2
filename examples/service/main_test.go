package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/internal/testmain"
)

// serviceVariable lets the test's own binary be the service.
const serviceVariable = "SERVICE_TEST_IS_SERVICE"

func TestMain(m *testing.M) {
	if os.Getenv(serviceVariable) == "" {
		os.Exit(m.Run())
	}
	go func() { // so that it doesn't outlive the test
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	main()
}

// An instance is a process that serves; killed, it comes back, elsewhere.
type instance struct {
	t        *testing.T
	database string
	api      string
	url      atomic.Pointer[string]
	log      chan string // its first lines after the one with the URL

	mu  sync.Mutex
	cmd *exec.Cmd
	in  io.Closer
}

var serving = regexp.MustCompile(`serving url=(\S+)`)

func (i *instance) start() {
	i.t.Helper()
	cmd := exec.Command(os.Args[0], "-addr", "127.0.0.1:0", "-database", i.database,
		"-timeout", "1s", "-settle", "500ms", "-lost", "2s")
	cmd.Env = append(os.Environ(), serviceVariable+"=1",
		"CLOSURE_API_KEY="+closure.QuickstartKey, "CLOSURE_BASE_URL="+i.api)
	in, err := cmd.StdinPipe()
	noError(i.t, err)
	log, err := cmd.StderrPipe()
	noError(i.t, err)
	noError(i.t, cmd.Start())
	i.mu.Lock()
	defer i.mu.Unlock()
	i.cmd, i.in = cmd, in
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if found := serving.FindStringSubmatch(lines.Text()); found != nil {
			i.url.Store(&found[1])
			break
		}
	}
	first := make(chan string, 10)
	i.log = first
	go func() {
		for lines.Scan() { // or the service would wait for somebody to read
			select {
			case first <- lines.Text():
			default:
			}
		}
	}()
}

// line is the next line of the log, or "" if there is none.
func (i *instance) line() string {
	select {
	case line := <-i.log:
		return line
	case <-time.After(10 * time.Second):
		return ""
	}
}

// kill is kill -9.
func (i *instance) kill() {
	i.mu.Lock()
	defer i.mu.Unlock()
	_ = i.cmd.Process.Kill()
	_ = i.cmd.Wait()
}

// stop asks for a graceful end.
func (i *instance) stop() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	noError(i.t, i.cmd.Process.Signal(syscall.SIGTERM))
	return i.cmd.Wait()
}

// post sends an order until it has an ending, and returns the appointment.
func (i *instance) post(key string, o order) (closure.AppointmentID, error) {
	body, err := json.Marshal(o)
	if err != nil {
		return "", err
	}
	last := ""
	for range 300 {
		r, err := http.NewRequest(http.MethodPost, *i.url.Load()+"/bookings", bytes.NewReader(body))
		if err != nil {
			return "", err
		}
		r.Header.Set("Idempotency-Key", key)
		response, err := http.DefaultClient.Do(r)
		if err == nil {
			var a answer
			err = json.NewDecoder(response.Body).Decode(&a)
			_ = response.Body.Close()
			if err == nil && a.Outcome == "confirmed" {
				return a.AppointmentID, nil
			}
			last = a.Outcome + " " + a.Reason
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", fmt.Errorf("no ending, at last %s", last)
}

func TestTwoInstancesSurviveKills(t *testing.T) {
	t.Parallel()
	const orders = 40
	api := closuretest.New(closuretest.ReportTo(t), closuretest.WithClock(time.Now),
		closuretest.AllowDuplicates(), closuretest.StaleReads(200*time.Millisecond))
	schedule := api.AddSchedule(closure.Schedule{ID: "sch_test", SchedulingMethod: closure.SchedulingDirectAPI,
		Insurances: []closure.Ref[closure.InsuranceID, closure.Insurance]{{ID: closuretest.GuideInsuranceID}}})
	day := time.Date(2096, time.May, 20, 8, 0, 0, 0, time.UTC)
	all := make([]order, orders)
	for n := range all {
		patient := api.AddPatient(closure.Patient{
			ID:        closure.PatientID(fmt.Sprint("pt_test", n)),
			Insurance: closure.PatientInsurance{ID: closuretest.GuideInsuranceID},
		})
		start := day.Add(time.Duration(n) * 30 * time.Minute)
		all[n] = order{PatientID: patient.ID, ScheduleID: schedule.ID, StartAt: start, Duration: 30}
		api.AddSlots(schedule.ID, closure.Slot{StartAt: all[n].StartAt, Duration: 30})
	}
	api.Inject(closuretest.DropAfter("appointments.create").Probability(0.1))

	database := filepath.Join(t.TempDir(), "bookings.db")
	var instances [2]*instance
	for n := range instances {
		instances[n] = &instance{t: t, database: database, api: api.Start()}
		instances[n].start()
	}
	told := make([]sync.Map, orders)
	var group sync.WaitGroup
	for n := range all {
		for _, i := range instances {
			group.Go(func() {
				time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
				id, err := i.post(fmt.Sprint("order ", n), all[n])
				if err != nil {
					t.Errorf("order %d: %v", n, err)
				}
				told[n].Store(id, true)
			})
		}
	}
	for n := range 6 {
		time.Sleep(time.Duration(200+rand.IntN(200)) * time.Millisecond)
		instances[n%2].kill()
		instances[n%2].start()
	}
	group.Wait()
	for _, i := range instances {
		if err := i.stop(); err != nil {
			t.Errorf("the service did not stop gracefully: %v", err)
		}
	}
	of := map[closure.PatientID][]closure.AppointmentID{}
	for _, a := range api.Appointments() {
		of[a.PatientID] = append(of[a.PatientID], a.ID)
	}
	for n, o := range all {
		ids := of[o.PatientID]
		if len(ids) != 1 {
			t.Errorf("order %d: %d appointments, want 1", n, len(ids))
			continue
		}
		told[n].Range(func(id, _ any) bool {
			if id != ids[0] {
				t.Errorf("order %d: a caller was told of another appointment", n)
			}
			return true
		})
	}
}

// The first signal waits for the booking that is under way; the second one doesn't.
func TestASecondSignalEndsItAtOnce(t *testing.T) {
	t.Parallel()
	api := closuretest.New(closuretest.ReportTo(t))
	api.Inject(closuretest.DropBefore("appointments.create"))
	i := &instance{t: t, database: filepath.Join(t.TempDir(), "bookings.db"), api: api.Start()}
	i.start()
	slot := closuretest.GuideSlot()
	body, err := json.Marshal(order{
		PatientID: closuretest.GuidePatientID, ScheduleID: slot.ScheduleID, StartAt: slot.StartAt, Duration: slot.Duration,
	})
	noError(t, err)
	r, err := http.NewRequest(http.MethodPost, *i.url.Load()+"/bookings", bytes.NewReader(body))
	noError(t, err)
	r.Header.Set("Idempotency-Key", "order")
	answered := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(r)
		if err == nil {
			err = response.Body.Close()
		}
		answered <- err
	}()
	for !slices.ContainsFunc(api.Requests(), func(r closuretest.Request) bool { return r.Op == "appointments.create" }) {
		time.Sleep(10 * time.Millisecond)
	}
	noError(t, i.cmd.Process.Signal(syscall.SIGTERM)) // it looks for the appointment for 10 s
	time.Sleep(500 * time.Millisecond)
	begin := time.Now()
	if err := i.stop(); err == nil || time.Since(begin) > 5*time.Second || <-answered == nil {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
}

// What can't work is refused at once, and says what to change.
func TestRefused(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	defer func() { _ = listener.Close() }()
	for _, c := range []struct {
		args, env string
		exit      int
		want      string
	}{
		{"ch_sk_live_hush", "", 2, "there are no arguments besides the flags"},
		{"-settle 0s", "", 2, "-timeout, -settle and -lost must be longer than zero"},
		{"-lost -1s", "", 2, "-timeout, -settle and -lost must be longer than zero"},
		{"-database=", "", 2, "-database is empty"},
		{"-database mysql://user:hush@host/db", "", 2, "-database is a URL"},
		{"-addr nowhere", "", 2, `-addr "nowhere" is not host:port`},
		{"-database postgres://user:hush@127.0.0.1:1/db", "", 1, "-database: "},
		{"-database postgres://user:hush@127.0.0.1:x/db", "", 1, "-database: closuresql: migrate: the database can't be opened\n"},
		{"-database none/bookings.db", "", 1, "-database: the file can't be opened: "},
		{"", "CLOSURE_BASE_URL=http://127.0.0.1:1", 1, "CLOSURE_BASE_URL is set, but CLOSURE_API_KEY isn't"},
		{"", "CLOSURE_API_KEY=ch_sk_live_hush", 1, "is not a key of test mode\nCheck CLOSURE_API_KEY. The test key "},
		{"-addr " + listener.Addr().String(), "", 1, "give another -addr; port 0 takes any that is free"},
	} {
		args := append([]string{"-addr", "127.0.0.1:0", "-database", filepath.Join(t.TempDir(), "bookings.db")},
			strings.Fields(c.args)...)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, os.Args[0], args...)
		cmd.Env = append(os.Environ(), serviceVariable+"=1", c.env)
		in, err := cmd.StdinPipe()
		noError(t, err)
		output, err := cmd.CombinedOutput()
		_ = in.Close()
		if ctx.Err() != nil || err == nil || cmd.ProcessState.ExitCode() != c.exit ||
			!strings.Contains(string(output), c.want) || strings.Contains(string(output), "hush") {
			t.Errorf("%s %s: %v, %s, want %d, %s", c.args, c.env, err, output, c.exit, c.want)
		}
	}
}

// The line that the service prints books, and so does the one of -h, at the default address.
func TestTheLineToTry(t *testing.T) {
	t.Parallel()
	testmain.NeedsProgram(t, "curl")
	api := closuretest.New(closuretest.ReportTo(t))
	i := &instance{t: t, database: filepath.Join(t.TempDir(), "bookings.db"), api: api.Start()}
	i.start()
	try := strings.TrimPrefix(i.line(), "try: ")
	output, err := exec.CommandContext(t.Context(), "sh", "-c", try+" --silent --noproxy '*' --max-time 20").CombinedOutput()
	if err != nil || !strings.Contains(string(output), `"outcome":"confirmed"`) {
		t.Errorf("%s: %v, %s", try, err, output)
	}
	if line := i.line(); !strings.HasSuffix(line, " booking outcome=confirmed") {
		t.Errorf("it logs %q, want no error", line)
	}
	noError(t, i.stop())

	help := exec.CommandContext(t.Context(), os.Args[0], "-h")
	help.Env = append(os.Environ(), serviceVariable+"=1")
	_, err = help.StdinPipe()
	noError(t, err)
	text, err := help.Output()
	noError(t, err)
	if want := curl("http://127.0.0.1:8081"); !strings.Contains(string(text), want) {
		t.Errorf("-h prints\n%s\nwithout\n%s", text, want)
	}
	for line := range strings.Lines(string(text)) {
		if utf8.RuneCountInString(line) > len("\n")+80 {
			t.Errorf("-h: a wide line: %s", line)
		}
	}
}

// What isn't an order is rejected, and nothing is asked of the API.
func TestNoOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, body, want string }{
		{"", "{}", "in the header Idempotency-Key"},
		{"order", "{", `"reason":"malformed_json"`},
	} {
		r := httptest.NewRequest(http.MethodPost, "/bookings", strings.NewReader(c.body))
		r.Header.Set("Idempotency-Key", c.key)
		w := httptest.NewRecorder()
		new(bookings).ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
	}
}

func TestEndings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		want   answer
	}{
		"unknown": {&closure.OutcomeUnknownError{}, http.StatusAccepted, answer{Outcome: "unknown"}},
		"taken": {closure.ErrSlotUnavailable, http.StatusConflict,
			answer{Outcome: "rejected", Reason: "slot_unavailable"}},
		"the journal": {&closure.JournalError{Op: "begin"}, http.StatusServiceUnavailable, answer{Outcome: "not_sent"}},
		"input": {&closure.InputError{Field: "StartAt"}, http.StatusUnprocessableEntity,
			answer{Outcome: "rejected", Reason: "invalid_StartAt"}},
		"the key of another booking": {closure.ErrIdempotencyKeyUsed, http.StatusUnprocessableEntity,
			answer{Outcome: "rejected", Reason: "idempotency_key_used"}},
		"no such patient": {&closure.APIError{Method: "GET", StatusCode: 404}, http.StatusUnprocessableEntity,
			answer{Outcome: "rejected", Reason: "not_found"}},
		"a key that is refused": {&closure.APIError{Method: "GET", StatusCode: 401}, http.StatusInternalServerError,
			answer{Outcome: "not_sent"}},
		"no insurance to check": {&closure.InsuranceError{Status: closure.InsuranceUnknown}, http.StatusUnprocessableEntity,
			answer{Outcome: "rejected", Reason: "insurance_unknown"}},
		"another insurance": {&closure.InsuranceError{Status: closure.InsuranceNotAccepted}, http.StatusUnprocessableEntity,
			answer{Outcome: "rejected", Reason: "insurance_not_accepted"}},
	} {
		if status, got := ending(nil, c.err); status != c.status || got != c.want {
			t.Errorf("%s: %d %v, want %d %v", name, status, got, c.status, c.want)
		}
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}
