package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/internal/testmain"
)

// asProgram makes the test's binary run as the program itself.
const asProgram = "CLOSURE_SANDBOX_AS_PROGRAM"

// asClient makes the test's binary a client of the sandbox with that URL.
const asClient = "CLOSURE_SANDBOX_AS_CLIENT"

func TestMain(m *testing.M) {
	if url := os.Getenv(asClient); url != "" {
		c, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(url))
		if err == nil {
			_, err = c.Insurances.List(context.Background())
		}
		if err != nil {
			log.Fatal(err)
		}
		os.Exit(0)
	}
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestBadFlagsGetOneLine(t *testing.T) {
	t.Parallel()
	tests := []struct{ args, want string }{
		{"-tls-name x", "-tls-name needs -tls"},
		{"-tls= -log", "-tls is empty: it names a file"},
		{"-nope", "flag provided but not defined: -nope"},
		{"ch_sk_live_hush", "there are no arguments besides the flags"},
		{"-addr localhost", `-addr "localhost" is not host:port`},
		{"-addr localhost:99999", `-addr "localhost:99999" is not host:port`},
		{"-seed -1", `invalid value "-1" for flag -seed: want a number from 0 to 18446744073709551615`},
		{"-schedules -1", `invalid value "-1" for flag -schedules: want a number from 0 to 1000000`},
		{"-slots 1000001", `invalid value "1000001" for flag -slots: want a number from 0 to 1000000`},
		{"-slots 5", "-slots needs -schedules"},
		{"-clock noon", `invalid value "noon" for flag -clock: want an instant such as 2022-05-01T00:00:00Z, or now`},
		{"-stale-reads -1s", "-stale-reads is negative"},
		{"-stale-reads 5", `invalid value "5" for flag -stale-reads: want a duration such as 500ms, 5s or 15m`},
		{"-fault appointments.create:stale:5s", "stale is for reads, and appointments.create is none"},
		{"-fault x", `invalid value "x" for flag -fault: want operation:kind, such as appointments.create:drop-after:p=0.1`},
		{"-fault a.b:drop-after", `there is no operation "a.b": they are patients.list, `},
		{"-fault *:explode", `there is no fault "explode": the kinds are drop-before, drop-after, commit-late, status,`},
		{"-fault x:explode", "the kinds are drop-before, "},
		{"-fault *:drop-after:now", "drop-after takes no argument"},
		{"-fault *:drop-after:p=2", "p=2 is not a probability from 0 to 1"},
		{"-fault *:drop-after:p=NaN", "p=NaN is not a probability from 0 to 1"},
		{"-fault *:drop-after:n=-1", "n=-1 is not a count"},
		{"-fault *:drop-after:q=1", `"q=1" is not p=, n= or, for a status, h=`},
		{"-fault *:drop-after:h=a=b", `"h=a=b" is not p=, n= or, for a status, h=`},
		{"-fault *:status:500:h=a", "h=a is not name=value"},
		{"-fault *:status", "status needs a status from 200 to 599, such as status:503"},
		{"-fault *:status-after:600", "status-after needs a status from 200 to 599"},
		{"-fault *:delay:soon", "delay needs a duration, such as delay:20s"},
		{"-fault *:commit-late", "commit-late needs a duration"},
		{"-fault *:huge:very", "huge needs a number of bytes"},
	}
	for _, test := range tests {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), strings.Fields(test.args), &stdout, &stderr)
		text := stderr.String()
		if code != exitUsage || stdout.Len() > 0 || strings.Count(text, "\n") != 1 || !strings.Contains(text, test.want) ||
			strings.Contains(text, "hush") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q, want %q", test.args, code, stdout.String(), text, test.want)
		}
	}
}

func TestTLSNames(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{"sandbox": true, "closure_sandbox": true, "a.test": true, "*.a.test": true,
		"10.0.0.7": true, "fd00::7": true, "a b": false, "": false, "a..b": false, "-a": false,
		"https://a.test": false, "a.test:8080": false, "bücher.test": false, "*": false, "a.*.test": false, "a.test\n": false,
		"a.": false, strings.Repeat("a", 64): false, strings.Repeat("a.", 127) + "a": false} {
		_, err := parseSettings([]string{"-tls", "file", "-tls-name", name})
		if (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"-help"}, &stdout, &stderr)
	for _, want := range []string{"-addr", "-seed", "-schedules", "-slots", "-clock", "-fault", "-log",
		"appointments.create", "commit-late:20s", "-clock now -schedules 40"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("help lacks %s", want)
		}
	}
	for line := range strings.Lines(stdout.String()) {
		if len(line) > len("\n")+80 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
	if code != exitOK || stderr.Len() > 0 {
		t.Errorf("exit %d, stderr %q", code, stderr.String())
	}
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"-addr", listener.Addr().String()}, io.Discard, &stderr)
	const advice = ": give another -addr; port 0 takes any that is free\n"
	if code != exitError || strings.Count(stderr.String(), "\n") != 1 || !strings.HasSuffix(stderr.String(), advice) {
		t.Errorf("exit %d, stderr %q", code, stderr.String())
	}
}

func TestCertificateThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	file := filepath.Join(t.TempDir(), "none", "sandbox.pem")
	code := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-tls", file}, io.Discard, &stderr)
	if code != exitError || !strings.HasPrefix(stderr.String(), "closure-sandbox: -tls: the certificate can't be written: ") {
		t.Errorf("exit %d, stderr %q", code, stderr.String())
	}
}

func TestWarnsWhenOpenToTheNetwork(t *testing.T) {
	t.Parallel()
	for ip, open := range map[string]bool{"127.0.0.1": false, "::1": false, "0.0.0.0": true, "::": true,
		"192.0.2.1": true} {
		var stderr bytes.Buffer
		warn(&stderr, &net.TCPAddr{IP: net.ParseIP(ip), Port: 8080})
		if strings.Contains(stderr.String(), "open to the network") != open {
			t.Errorf("%s: %q", ip, stderr.String())
		}
	}
}

func TestFaultTexts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"appointments.create:drop-before":                "appointments.create: connection lost before anything is done, once",
		"appointments.create:drop-after:p=0.1":           "appointments.create: done, then connection lost, for ever, with probability 0.1",
		"appointments.create:drop-after:p=0.1:n=3":       "appointments.create: done, then connection lost, 3 times, with probability 0.1",
		"appointments.create:commit-late:20s:n=0":        "appointments.create: connection lost, done 20s later, for ever",
		"patients.list:status:429:h=Retry-After=2":       "patients.list: answered 429 Too Many Requests (Retry-After: 2) before anything is done, once",
		"patients.list:status-after:502":                 "patients.list: done, then answered 502 Bad Gateway, once",
		"patients.list:status-after:429:h=Retry-After=2": "patients.list: done, then answered 429 Too Many Requests (Retry-After: 2), once",
		"*:delay:3s":                        "*: done, then answered 3s later, once",
		"appointments.list:stale:20s:p=0.5": "appointments.list: a read shows the state of 20s ago, for ever, with probability 0.5",
		"schedules.get:truncate:n=2":        "schedules.get: done, then half of the answer, 2 times",
		"schedules.get:malformed":           "schedules.get: done, then answered with HTML, once",
		"patients.list:huge:300000000":      "patients.list: done, then answered with 300000000 bytes, once",
	} {
		fault, err := parseFault(text)
		if err != nil || fault.String() != want {
			t.Errorf("%s: %q, %v, want %q", text, fault, err, want)
		}
	}
}

// A sandbox is the program, as a process of its own.
type sandbox struct {
	cmd    *exec.Cmd
	url    string
	curl   string // the line to try
	stdout *bufio.Reader
	stderr *lockedBuffer
}

// A lockedBuffer can be written to while it is read.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func start(t *testing.T, args ...string) *sandbox {
	t.Helper()
	s := &sandbox{stderr: new(lockedBuffer)}
	s.cmd = exec.CommandContext(t.Context(), os.Args[0], append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	s.cmd.Env = append(os.Environ(), asProgram+"=1")
	s.cmd.Stderr = s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.stdout = bufio.NewReader(out)
	first := s.line(t)
	s.url = regexp.MustCompile(`https?://\S+`).FindString(first)
	s.curl = strings.TrimPrefix(s.line(t), "try: ")
	if s.url == "" || !strings.HasPrefix(s.curl, "curl ") {
		t.Fatalf("printed %q and %q", first, s.curl)
	}
	return s
}

func (s *sandbox) line(t *testing.T) string {
	t.Helper()
	line, err := s.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("%v after %q; stderr %q", err, line, s.stderr)
	}
	return strings.TrimSpace(line)
}

// stop ends the program by a signal, and wants it to end well.
func (s *sandbox) stop(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(s.stdout) // until it is closed
	if err := s.cmd.Wait(); err != nil || len(rest) > 0 {
		t.Errorf("%s: %v, stdout %q, stderr %q", signal, err, rest, s.stderr)
	}
}

func (s *sandbox) client(t *testing.T) *closure.Client {
	t.Helper()
	pool := &http.Transport{}
	t.Cleanup(pool.CloseIdleConnections)
	c, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(s.url), closure.WithMaxAttempts(1),
		closure.WithHTTPClient(&http.Client{Transport: pool}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestServesAndStops(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			s := start(t, "-seed", "5", "-schedules", "20", "-slots", "3", "-log", "-clock", "2023-01-01T00:00:00Z",
				"-fault", "locations.list:status:503", "-fault", "patients.list:delay:1h:n=0")
			c := s.client(t)
			schedules, err := c.Schedules.List(t.Context(), closure.ScheduleListParams{})
			if err != nil || len(schedules) != 21 {
				t.Errorf("%d schedules, %v", len(schedules), err)
			}
			if _, err := c.Locations.List(t.Context()); err == nil {
				t.Error("the fault did not strike")
			}
			version, err := c.IndexVersions.Create(t.Context(), closure.IndexVersionCreateParams{Name: "x"})
			if err != nil || version.CreatedAt.Year() != 2023 {
				t.Errorf("%+v, %v", version, err)
			}
			live, err := closure.NewClient("ch_sk_live_hush", closure.WithBaseURL(s.url))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := live.Locations.List(t.Context()); err == nil || !strings.Contains(err.Error(), "403") {
				t.Errorf("a live key: %v, want 403", err)
			}
			held := make(chan error)
			go func() { // a request that is being held must not keep it from stopping
				_, err := c.Patients.List(context.Background(), closure.PatientListParams{Name: "Trisha Pandit"})
				held <- err
			}()
			s.stop(t, signal)
			if err := <-held; err == nil {
				t.Error("the held request was answered")
			}
			log := s.stderr.String()
			if !strings.Contains(log, "operation=schedules.list method=GET status=200") || strings.Contains(log, "hush") ||
				strings.Contains(log, "Trisha") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// The API that a journal is for takes a slot twice, and shows late what it took.
func TestTheAPIThatAJournalIsFor(t *testing.T) {
	t.Parallel()
	s := start(t, "-allow-duplicates", "-stale-reads", "1h")
	c := s.client(t)
	slot := closuretest.GuideSlot()
	for range 2 {
		_, err := c.Appointments.Create(t.Context(), closure.AppointmentCreateParams{
			ScheduleID: closuretest.GuideScheduleID, PatientID: closuretest.GuidePatientID,
			StartAt: slot.StartAt, Duration: slot.Duration,
		})
		if err != nil {
			t.Errorf("a slot that is taken: %v", err)
		}
	}
	if shown, err := c.Appointments.List(t.Context(), closure.AppointmentListParams{}); err != nil || len(shown) > 0 {
		t.Errorf("%d are shown at once, %v", len(shown), err)
	}
}

func TestTheLineToTry(t *testing.T) {
	t.Parallel()
	testmain.NeedsProgram(t, "curl")
	s := start(t)
	s.try(t)
	s.stop(t, syscall.SIGTERM)
}

// try runs the line that the program says one can try.
func (s *sandbox) try(t *testing.T) {
	t.Helper()
	line := s.curl + " --silent --show-error --fail --noproxy '*' --max-time 20"
	output, err := exec.CommandContext(t.Context(), "sh", "-c", line).CombinedOutput()
	if err != nil || !strings.Contains(string(output), "pt_sxKCbaoVdBXHBGWywcBETm") {
		t.Errorf("%s: %v, %s", s.curl, err, output)
	}
}
