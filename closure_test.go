package closure_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

func TestNewClientKeys(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]closure.Mode{
		closure.QuickstartKey: closure.ModeTest,
		"ch_sk_testx":         closure.ModeTest,
		"ch_sk_live_a1-B2.~!": closure.ModeLive,
	} {
		c, err := closure.NewClient(key)
		noError(t, err)
		if c.Mode() != want {
			t.Errorf("%s: mode %s, want %s", key, c.Mode(), want)
		}
	}
	for _, key := range []string{
		"", " ", "SECRETKEY", "ch_pk_test_SECRETKEY", "CH_SK_TEST_SECRETKEY", " ch_sk_test_SECRETKEY",
		"ch_sk_test_SECRETKEY\n", "ch_sk_test_SECRETKEY:", "ch_sk_test_SECRET KEY", "ch_sk_test_SECRETKEY\x00",
		"ch_sk_test_SECRETKEYé", "ch_sk_test_SECRETKEY\x7f",
	} {
		c, err := closure.NewClient(key)
		refused(t, key, err, "NewClient", "apiKey")
		if c != nil || strings.Contains(fmt.Sprint(err), "SECRET") {
			t.Errorf("a client, or the key is echoed: %v", err)
		}
	}
}

// Such a key is all prefix, so that a text with the prefix would show it.
func TestNewClientKeyWithNothingBehindThePrefix(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"ch_sk_test", "ch_sk_test_", "ch_sk_live", "ch_sk_live_"} {
		_, err := closure.NewClient(key)
		refused(t, key, err, "NewClient", "apiKey")
		if strings.Contains(fmt.Sprint(err), "ch_sk") {
			t.Errorf("the key is echoed: %v", err)
		}
	}
}

func TestNewClientBaseURL(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"https://example.test":         "https://example.test/patients",
		"https://example.test/":        "https://example.test/patients",
		"https://example.test:8443/a/": "https://example.test:8443/a/patients",
		"https://example.test/a%2Fb":   "https://example.test/a%2Fb/patients",
		"https://example.test/a%20b":   "https://example.test/a%20b/patients",
		"HTTPS://example.test/é":       "https://example.test/%C3%A9/patients",
		"http://localhost:8080":        "http://localhost:8080/patients",
		"http://127.0.0.1":             "http://127.0.0.1/patients",
		"http://127.9.9.9:1":           "http://127.9.9.9:1/patients",
		"http://[::1]:8080/x":          "http://[::1]:8080/x/patients",
		closure.DefaultBaseURL:         "https://api.closurehealth.com/patients",
	} {
		var sent string
		c := newClient(t, roundTripFunc(func(req *http.Request) (*http.Response, error) {
			sent = req.URL.String()
			return newResponse(200, "[]"), nil
		}), closure.WithBaseURL(base))
		_, err := c.Patients.List(t.Context(), closure.PatientListParams{})
		noError(t, err)
		if sent != want {
			t.Errorf("%s: sent to %s, want %s", base, sent, want)
		}
	}
	for _, base := range []string{
		"", "SECRET", "/SECRET", "ftp://SECRET", "http://SECRET", "http://localhost.SECRET.test",
		"http://127.0.0.1.SECRET.test", "http://0.0.0.0/SECRET", "http://10.0.0.1/SECRET", "https://", "https:///SECRET",
		"https:SECRET", "https://user@SECRET", "https://user:SECRET@example.test", "https://@SECRET",
		"https://example.test?SECRET", "https://SECRET?", "https://example.test/#SECRET", "https://SECRET#",
		"https://SECRET:port", "https://SE CRET", "https://SECRET\n", "//SECRET", "https://%zz.SECRET", "://SECRET",
		"https://:443/SECRET",
	} {
		_, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(base))
		refused(t, base, err, "WithBaseURL", "argument")
		if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("the URL is echoed: %v", err)
		}
	}
}

// The reason says what to write instead.
func TestReasonsOfABaseURL(t *testing.T) {
	t.Parallel()
	const noScheme = "does not begin with https://, or with http:// for a loopback host"
	for base, want := range map[string]string{
		"": "is empty", "127.0.0.1:8080": noScheme, "localhost:8080": noScheme, "api.example.test": noScheme,
		" https://api.example.test": noScheme, "https:/api.example.test": noScheme, "https://api example.test": "is not a URL",
	} {
		_, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(base))
		if refused, ok := errors.AsType[*closure.InputError](err); !ok || refused.Reason != want {
			t.Errorf("%q: %v, want %q", base, err, want)
		}
	}
}

// The environment of the process is shared: not parallel.
func TestNewClientFromEnv(t *testing.T) {
	for _, name := range []string{"CLOSURE_API_KEY", "CLOSURE_BASE_URL", "CLOSURE_API_VERSION", "CLOSURE_INDEX_VERSION"} {
		t.Setenv(name, "")
	}
	_, err := closure.NewClientFromEnv()
	refused(t, "no key", err, "NewClientFromEnv", "CLOSURE_API_KEY")

	t.Setenv("CLOSURE_API_KEY", "SECRETKEY")
	_, err = closure.NewClientFromEnv()
	refused(t, "no key of ours", err, "NewClientFromEnv", "CLOSURE_API_KEY")
	if strings.Contains(err.Error(), "SECRET") {
		t.Errorf("the key is echoed: %v", err)
	}

	t.Setenv("CLOSURE_API_KEY", "ch_sk_live_x")
	_, err = closure.NewClientFromEnv(closure.WithMode(closure.ModeTest))
	refused(t, "key of the other mode", err, "NewClientFromEnv", "CLOSURE_API_KEY")
	c, err := closure.NewClientFromEnv()
	noError(t, err)
	if c.Mode() != closure.ModeLive {
		t.Errorf("mode %s, want live", c.Mode())
	}

	for name, bad := range map[string]string{
		"CLOSURE_BASE_URL":      "SECRET",
		"CLOSURE_API_VERSION":   "SECRET\n",
		"CLOSURE_INDEX_VERSION": "SECRET",
		"CLOSURE_ROUTES":        "SECRET",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, bad)
			_, err := closure.NewClientFromEnv()
			refused(t, name, err, "NewClientFromEnv", name)
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("the value is echoed: %v", err)
			}
		})
	}

	t.Setenv("CLOSURE_BASE_URL", "http://SECRET.test")
	_, err = closure.NewClientFromEnv()
	refused(t, "plain http", err, "NewClientFromEnv", "CLOSURE_BASE_URL")
	_, err = closure.NewClientFromEnv(closure.WithBaseURL("http://SECRET.test"))
	refused(t, "plain http of the option", err, "WithBaseURL", "argument")

	t.Setenv("CLOSURE_BASE_URL", "https://from.env")
	t.Setenv("CLOSURE_API_VERSION", "2030-01-01")
	t.Setenv("CLOSURE_INDEX_VERSION", "idx_env")
	var sent *http.Request
	client := &http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = req
		return newResponse(200, "[]"), nil
	})}
	for want, opts := range map[string][]closure.Option{
		"https://from.env 2030-01-01 idx_env": {},
		"https://option 2031-01-01 idx_option": {
			closure.WithBaseURL("https://option"), closure.WithAPIVersion("2031-01-01"), closure.WithIndexVersion("idx_option"),
		},
	} {
		c, err := closure.NewClientFromEnv(append(opts, closure.WithHTTPClient(client))...)
		noError(t, err)
		_, err = c.Specialties.List(t.Context())
		noError(t, err)
		got := "https://" + sent.URL.Host + " " + sent.Header.Get("Closure-API-Version") + " " +
			sent.Header.Get("Closure-Index-Version")
		if got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
	}
}

// A response is one even where the SDK's types see nothing in it.
func TestUnknownFieldsSurvive(t *testing.T) {
	t.Parallel()
	const body = `{"id":"loc_1","parking":{"spaces":12},"name":null}`
	var r closure.Response
	c := serveAlways(t, 200, body, "X-Request-Id", "req_1", "X-Other", "y").client(t)
	got, err := c.Locations.Get(t.Context(), "loc_1", closure.CaptureResponse(&r))
	noError(t, err)
	equal(t, "location", got, &closure.Location{ID: "loc_1"})
	if r.StatusCode != 200 || string(r.Body) != body || r.RequestID != "req_1" || r.Attempts != 1 ||
		r.Header.Get("X-Other") != "y" {
		t.Errorf("captured %s %s %v", r, r.Body, r.Header)
	}
}

func TestCaptureResponseOfFailure(t *testing.T) {
	t.Parallel()
	var r closure.Response
	_, err := serveAlways(t, 503, "<html>").client(t).Locations.Get(t.Context(), "loc_1", closure.CaptureResponse(&r))
	if !errors.Is(err, closure.ErrServer) || r.StatusCode != 503 || string(r.Body) != "<html>" || r.Attempts != 3 {
		t.Errorf("%v; captured %s %q", err, r, r.Body)
	}
	c := serve(t, func(*http.Request) (*http.Response, error) { return nil, context.DeadlineExceeded }).client(t)
	_, err = c.Locations.Get(t.Context(), "loc_1", closure.CaptureResponse(&r))
	if err == nil || r.StatusCode != 0 || r.Body != nil || r.Attempts != 3 {
		t.Errorf("%v; captured %s %q, want no answer", err, r, r.Body)
	}
	before := r
	_, err = c.Locations.Get(t.Context(), "", closure.CaptureResponse(&r))
	if err == nil || r.Attempts != before.Attempts {
		t.Errorf("%v; captured %s of a call that was refused", err, r)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Locations.Get(ended, "loc_1", closure.CaptureResponse(&r))
	if !errors.Is(err, context.Canceled) || r.Attempts != before.Attempts {
		t.Errorf("%v; captured %s of a call that was never tried", err, r)
	}
}

func TestStatus201IsASuccess(t *testing.T) {
	t.Parallel()
	c := serveAlways(t, 201, appointmentJSON).client(t)
	got, err := c.Appointments.Create(t.Context(), closure.AppointmentCreateParams{
		ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: guide.start, Duration: 30,
	})
	noError(t, err)
	equal(t, "appointment", got, &appointment)
}

// Neither the caller's values nor what calls share changes.
func TestCallsChangeNothingShared(t *testing.T) {
	t.Parallel()
	npis := []string{"4321098765", "0000000001"}
	var headers []http.Header
	hc := &http.Client{Timeout: time.Nanosecond, Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
		headers = append(headers, req.Header.Clone())
		req.Header.Set("Authorization", "changed")
		req.Header.Add("Accept", "changed")
		req.URL.Path = "/changed"
		return newResponse(200, "[]"), nil
	})}
	want := *hc
	c := newClient(t, nil, closure.WithHTTPClient(hc))
	for range 2 {
		_, err := c.Practitioners.List(t.Context(), closure.PractitionerListParams{NPIs: npis})
		noError(t, err)
	}
	if hc.Timeout != want.Timeout || hc.CheckRedirect != nil || npis[0] != "4321098765" || npis[1] != "0000000001" {
		t.Error("the caller's values were changed")
	}
	equal(t, "headers", headers[1], headers[0])
}
