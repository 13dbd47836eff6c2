package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/internal/testmain"
)

// running serves a sandbox with one fault of its flags.
func running(t *testing.T) (box *resettable, url string) {
	t.Helper()
	box = newResettable(func() *closuretest.Server {
		double := closuretest.New()
		double.Inject(closuretest.Status("locations.list", 503).Times(0))
		return double
	})
	server := httptest.NewServer(box)
	t.Cleanup(server.Close)
	return box, server.URL
}

func send(t *testing.T, method, url, body string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(closure.QuickstartKey, "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

const own = `[{"fault":"locations.list: answered 503 Service Unavailable before anything is done, for ever","struck":`

func TestFaultsChangeWhileItRuns(t *testing.T) {
	t.Parallel()
	_, url := running(t)
	const more = `,{"fault":"patients.list: answered 500 Internal Server Error before anything is done, once","struck":`
	for _, step := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/_sandbox/faults", "", 200, own + "0}]"},
		{"GET", "/locations", "", 503, "error_type"},
		{"POST", "/_sandbox/faults", "patients.list:status:500\n", 200, own + "1}" + more + "0}]"},
		{"GET", "/patients", "", 500, "error_type"},
		{"GET", "/patients", "", 200, "Trisha"},
		{"GET", "/_sandbox/faults", "", 200, own + "1}" + more + "1}]"},
		{"DELETE", "/_sandbox/faults", "", 200, "[]"},
		{"GET", "/locations", "", 200, "loc_"},
		{"POST", "/_sandbox/faults", "patients.list:status:500\npatients.list:explode", 400, `there is no fault "explode"`},
		{"GET", "/_sandbox/faults", "", 200, "[]"}, // all or none
		{"POST", "/_sandbox/faults", "\n", 400, "the body holds no fault"},
		{"POST", "/_sandbox/faults", strings.Repeat(" ", maxFaults+1), 400, "longer than"},
		{"PUT", "/_sandbox/faults", "", 405, ""},
		{"GET", "/_sandbox/reset", "", 405, ""},
		{"POST", "/_sandbox/nothing", "", 404, ""},
		{"POST", "/_sandbox/reset", "", 200, own + "0}]"},
	} {
		status, text := send(t, step.method, url+step.path, step.body)
		if status != step.status || !strings.Contains(text, step.want) {
			t.Errorf("%s %s: %d %s, want %d %s", step.method, step.path, status, text, step.status, step.want)
		}
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	box, url := running(t)
	const booking = `{"schedule_id":"sch_u5oQnnMdSbyb83xgqgkUgX","patient_id":"pt_sxKCbaoVdBXHBGWywcBETm",` +
		`"start_at":"2022-05-20T17:00:00.000Z"}`
	var first string
	for range 2 {
		status, text := send(t, "POST", url+"/appointments", booking)
		if status != 200 || first != "" && text != first {
			t.Errorf("%d %s, want the same again", status, text)
		}
		first = text
		if status, _ := send(t, "POST", url+"/appointments", booking); status != 409 {
			t.Errorf("%d, want 409", status)
		}
		send(t, "POST", url+"/_sandbox/reset", "")
		if left := box.double.Load().Appointments(); len(left) > 0 {
			t.Errorf("%d appointments are left", len(left))
		}
	}
}

// What docs/testing.md shows with curl does what it says, against the program.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	testmain.NeedsProgram(t, "curl")
	page, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	want := []string{
		`"status":"scheduled"`, `"status":"scheduled"`, `[]`,
		`"fault":"appointments.create: done, then connection lost, once","struck":0}`,
		`Retry-After: 2) before anything is done, once","struck":0}]` + "\n[]", `"status":"scheduled"`,
	}
	if len(blocks) != len(want) {
		t.Fatalf("%d blocks, want %d", len(blocks), len(want))
	}
	s := start(t)
	for i, block := range blocks {
		script := "curl() { command curl --silent --show-error --fail --noproxy '*' --max-time 20 \"$@\"; }\nset -e\n" +
			strings.ReplaceAll(block[1], "http://127.0.0.1:8080", s.url)
		output, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput()
		if err != nil || !strings.Contains(string(output), want[i]) {
			t.Errorf("%s%v, %s, want %s", block[1], err, output, want[i])
		}
	}
	s.stop(t, syscall.SIGTERM)
}

func TestServesTLS(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sandbox.pem")
	s := start(t, "-tls", file, "-tls-name", "sandbox.test",
		"-fault", "patients.list:drop-before", "-fault", "locations.list:truncate")
	certificate, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(certificate) || strings.Contains(string(certificate), "KEY") {
		t.Fatalf("the file holds\n%s", certificate)
	}
	for _, name := range []string{"", "localhost", "sandbox.test"} {
		pool := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name}, ForceAttemptHTTP2: true}
		c, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(s.url), closure.WithMaxAttempts(1),
			closure.WithHTTPClient(&http.Client{Transport: pool}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Insurances.List(t.Context()); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if name == "" { // faults strike, also over HTTP/2
			if _, err := c.Patients.List(t.Context(), closure.PatientListParams{}); err == nil {
				t.Error("a connection that is lost gave an answer")
			}
			if _, err := c.Locations.List(t.Context()); err == nil {
				t.Error("half an answer is taken for one")
			}
		}
		pool.CloseIdleConnections()
	}
	t.Run("curl", func(t *testing.T) {
		testmain.NeedsProgram(t, "curl")
		s.try(t)
	})
	if runtime.GOOS == "linux" { // where Go heeds the variable
		client := exec.CommandContext(t.Context(), os.Args[0])
		client.Env = append(os.Environ(), asClient+"="+s.url, "SSL_CERT_FILE="+file)
		if output, err := client.CombinedOutput(); err != nil {
			t.Errorf("a program in Go: %v, %s", err, output)
		}
	}
	s.stop(t, syscall.SIGTERM)
}

// The address of -addr may be one of this machine's own.
func TestCertificateNamesEachHostOnce(t *testing.T) {
	t.Parallel()
	config, err := newTLS(filepath.Join(t.TempDir(), "file"), []string{"127.0.0.1", "b.test", "localhost", "a.test", "b.test"})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Join(certificate.DNSNames, " ")
	if names != "a.test b.test localhost" || len(certificate.IPAddresses) != 2 {
		t.Errorf("%s %s", names, certificate.IPAddresses)
	}
}

// The certificate takes the place of an older one, and of no other file.
func TestCertificateFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	for range 2 {
		if _, err := newTLS(file, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, []byte("a diary"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newTLS(file, nil); err == nil || strings.Count(err.Error(), "-tls") != 1 {
		t.Errorf("%v, want one that says once that another file is there", err)
	}
}
