package simulation

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/internal/testmain"
)

// An outage: there are 64 callers, each with about one call a second, and a server that is
// down from the 30th to the 60th second.
const (
	outageCallers = 64
	outageBegins  = 30 * time.Second
	outageEnds    = 60 * time.Second
	outageOver    = 120 * time.Second

	outageAppointment = "appt_outage" // the appointment that writes cancel
)

// A failing transport counts requests, and is down for a while.
type failing struct {
	next  http.RoundTripper
	begin time.Time
	down  func() (*http.Response, error)

	mu       sync.Mutex
	requests int // during the outage
}

func (f *failing) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := sleep(req.Context(), 20*time.Millisecond); err != nil {
		return nil, err
	}
	at := time.Since(f.begin)
	if at < outageBegins || at >= outageEnds {
		return f.next.RoundTrip(req)
	}
	f.mu.Lock()
	f.requests++
	f.mu.Unlock()
	return f.down()
}

func gateway() (*http.Response, error) { return response(http.StatusServiceUnavailable, "{}"), nil }

func noConnection() (*http.Response, error) { return nil, opError("dial", syscall.ECONNREFUSED) }

// An outcome is what the callers saw.
type outcome struct {
	calls     int           // that started during the outage
	requests  int           // that arrived during the outage
	failed    int           // calls that failed
	longest   time.Duration // the longest call that started during the outage
	recovered time.Duration // from the end of the outage until each caller had a success
}

// runCallers runs the callers; call makes one call.
func runCallers(begin time.Time, call func(context.Context) error) (o outcome) {
	var mu sync.Mutex
	var group sync.WaitGroup
	for n := range outageCallers {
		group.Go(func() {
			d := newDice(runSeed, hash("outage"), uint64(n)) // so that they don't call at the same time
			time.Sleep(d.between(0, time.Second))
			back := time.Duration(-1)
			for time.Since(begin) < outageOver {
				started := time.Since(begin)
				err := call(context.Background())
				ended := time.Since(begin)
				mu.Lock()
				if started >= outageBegins && started < outageEnds {
					o.calls++
					o.longest = max(o.longest, ended-started)
					if err != nil {
						o.failed++
					}
				}
				if err == nil && ended > outageEnds && back < 0 {
					back = ended - outageEnds
					o.recovered = max(o.recovered, back)
				}
				mu.Unlock()
				time.Sleep(d.between(500*time.Millisecond, 1500*time.Millisecond))
			}
		})
	}
	group.Wait()
	return o
}

// outage runs one client through the outage, in a bubble.
func outage(
	t *testing.T, down func() (*http.Response, error), client func(http.RoundTripper) func(context.Context) error,
) (o outcome) {
	synctest.Test(t, func(*testing.T) {
		server := closuretest.New(closuretest.KeepRequests(0))
		server.AddAppointment(closure.Appointment{
			ID: outageAppointment, ScheduleID: closuretest.GuideScheduleID, PatientID: closuretest.GuidePatientID,
		})
		f := &failing{next: server.Transport(), begin: time.Now(), down: down}
		o = runCallers(f.begin, client(f))
		o.requests = f.requests
	})
	return o
}

func sdkReads(rt http.RoundTripper) func(context.Context) error {
	c, err := closure.NewClient(closure.QuickstartKey, closure.WithHTTPClient(&http.Client{Transport: rt}))
	if err != nil {
		panic(err)
	}
	return func(ctx context.Context) error {
		_, err := c.Schedules.Get(ctx, closuretest.GuideScheduleID)
		return err
	}
}

func sdkWrites(rt http.RoundTripper) func(context.Context) error {
	c, err := closure.NewClient(closure.QuickstartKey, closure.WithHTTPClient(&http.Client{Transport: rt}))
	if err != nil {
		panic(err)
	}
	return func(ctx context.Context) error {
		_, err := c.Appointments.Cancel(ctx, outageAppointment)
		return err
	}
}

func retryableReads(rt http.RoundTripper) func(context.Context) error {
	return retryable(rt, http.MethodGet, "/schedules/"+string(closuretest.GuideScheduleID))
}

func retryableWrites(rt http.RoundTripper) func(context.Context) error {
	return retryable(rt, http.MethodPost, "/appointments/"+outageAppointment+"/cancel")
}

// retryable is go-retryablehttp with its defaults, without its log.
func retryable(rt http.RoundTripper, method, path string) func(context.Context) error {
	c := retryablehttp.NewClient()
	c.Logger = nil
	c.HTTPClient = &http.Client{Transport: rt}
	return func(ctx context.Context) error {
		req, err := retryablehttp.NewRequestWithContext(ctx, method, closure.DefaultBaseURL+path, nil)
		if err != nil {
			return err
		}
		req.SetBasicAuth(closure.QuickstartKey, "")
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
}

// TestOutage compares how much load clients put on a server that is down, and how soon their
// callers are served again.
func TestOutage(t *testing.T) {
	t.Parallel()
	if testmain.RaceDetector {
		t.Skip("internal/transport has the same with the race detector")
	}
	var b strings.Builder
	b.WriteString("| client | calls | server | calls during the outage | of them failed | requests a call | " +
		"longest call | all callers served again after |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, row := range []struct {
		name, calls, how string
		down             func() (*http.Response, error)
		client           func(http.RoundTripper) func(context.Context) error
		most             float64 // requests a call; 0: not limited
	}{
		{"closure-go", "reads", "refuses connections", noConnection, sdkReads, 1.1},
		{"go-retryablehttp", "reads", "refuses connections", noConnection, retryableReads, 0},
		{"closure-go", "reads", "answers 503", gateway, sdkReads, 1.1},
		{"go-retryablehttp", "reads", "answers 503", gateway, retryableReads, 0},
		{"closure-go", "writes", "answers 503", gateway, sdkWrites, 1.01}, // a call may be in progress when the outage begins
		{"go-retryablehttp", "writes", "answers 503", gateway, retryableWrites, 0},
	} {
		o := outage(t, row.down, row.client)
		perCall := float64(o.requests) / float64(o.calls)
		if row.most > 0 && perCall > row.most {
			t.Errorf("%s, %s, %s: %.2f requests a call, want %.2f at most", row.name, row.calls, row.how, perCall, row.most)
		}
		if row.most > 0 && o.recovered > 1500*time.Millisecond {
			t.Errorf("%s, %s, %s: recovered after %s", row.name, row.calls, row.how, o.recovered)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %.2f | %.2f s | %.2f s |\n",
			row.name, row.calls, row.how, o.calls, o.failed, perCall, o.longest.Seconds(), o.recovered.Seconds())
	}
	publish(t, "outage", b.String())
}
