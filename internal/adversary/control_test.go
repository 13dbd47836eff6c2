package adversary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// A mutant is a caller's transport that does what the SDK must never do. The audit has to see
// it.
type mutant struct {
	name   string
	family string
	must   column
	broken func(next http.RoundTripper, r *http.Request, body []byte) (*http.Response, error)
}

var mutants = []mutant{
	{"sends a failed write again", "cut after the commit", doubles, sendAgain},
	{"sends a failed write again, as seen on the wire", "cut after the commit", resent, sendAgain},
	{"takes a failure for a success", "cut before the commit", absent, forge},
	{"denies what was done", "no fault", denied, deny},
	{"doesn't hear the context", "no fault", hangs, sleepOn},
	{"panics", "no fault", panics, fall},
}

// TestControls shows that the audit sees each violation, if there is one.
func TestControls(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			sum, _ := m.run(t)
			if sum.counts[m.must] == 0 {
				t.Errorf("survives: no %q", m.must)
			}
		})
	}
	t.Run("follows a redirect", func(t *testing.T) {
		_, w := mutant{family: "3xx", broken: follow}.run(t)
		if w.visitors == 0 {
			t.Error("survives: nothing connected to the trap")
		}
	})
	t.Run("logs", func(t *testing.T) {
		logged := captureLog(t)
		log.Print("mutant")
		if !strings.Contains(logged.String(), "mutant") {
			t.Error("survives: nothing was captured")
		}
	})
	t.Run("tells who the patient is", func(t *testing.T) {
		c := newCall(1, bookSlot)
		for _, text := range []string{c.patient, c.lastName(), birthDate, startText, "http://127.0.0.1:1/appointments"} {
			if c.shown(errors.New("closure: "+text)) == "" {
				t.Errorf("survives: %s", text)
			}
		}
	})
}

func (m mutant) run(t *testing.T) (*tally, *world) {
	w := &world{protocol: protocols[1], duplicates: true, seed: runSeed}
	for _, f := range families() {
		if f.name == m.family {
			w.family = f
		}
	}
	w.wrap = func(next http.RoundTripper) http.RoundTripper { return &broken{next, m.broken} }
	d := timing{attempt: 200 * time.Millisecond, call: 400 * time.Millisecond, grace: time.Second}
	machine := newStallMeter()
	defer close(machine.stop)
	if err := w.run(32, d, machine, make(chan struct{}, 32)); err != nil {
		t.Fatal(err)
	}
	sum := newTally()
	for _, tally := range w.audit(d) {
		sum.merge(tally)
	}
	return sum, w
}

// broken breaks writes, and nothing else.
type broken struct {
	next http.RoundTripper
	do   func(next http.RoundTripper, r *http.Request, body []byte) (*http.Response, error)
}

func (b *broken) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		return b.next.RoundTrip(r)
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body) // can't fail, because the body is in memory
	}
	return b.do(b.next, r, body)
}

// fresh is the same request without its context, so that the SDK's trace doesn't see it.
func fresh(r *http.Request, body []byte) *http.Request {
	again := r.Clone(context.Background())
	again.Body = nil
	if len(body) > 0 {
		again.Body = io.NopCloser(bytes.NewReader(body))
	}
	return again
}

func sendAgain(next http.RoundTripper, r *http.Request, body []byte) (resp *http.Response, err error) {
	for range 3 {
		if resp, err = next.RoundTrip(fresh(r, body)); err == nil {
			return resp, nil
		}
	}
	return nil, err
}

func forge(next http.RoundTripper, r *http.Request, body []byte) (*http.Response, error) {
	resp, err := next.RoundTrip(fresh(r, body))
	if number, found := tagged(string(body)); err != nil && found {
		c := newCall(number, create)
		made := &appointment{id: "appt_F" + c.tag(), call: c}
		body := io.NopCloser(strings.NewReader(made.json()))
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body, Request: r}, nil
	}
	return resp, err
}

// deny makes up a rejection after the API has carried out the request.
func deny(next http.RoundTripper, r *http.Request, body []byte) (*http.Response, error) {
	resp, err := next.RoundTrip(fresh(r, body))
	if err != nil || r.Method == http.MethodGet {
		return resp, err
	}
	_ = resp.Body.Close()
	return &http.Response{
		StatusCode: http.StatusConflict,
		Header:     http.Header{},
		Body:       io.NopCloser(strings.NewReader(`{"error_type":"invalid_request"}`)),
	}, nil
}

func sleepOn(http.RoundTripper, *http.Request, []byte) (*http.Response, error) {
	time.Sleep(2 * time.Second)
	return nil, io.ErrUnexpectedEOF
}

func fall(http.RoundTripper, *http.Request, []byte) (*http.Response, error) { panic("mutant") }

func follow(next http.RoundTripper, r *http.Request, body []byte) (*http.Response, error) {
	resp, err := next.RoundTrip(fresh(r, body))
	if err == nil && resp.StatusCode/100 == 3 {
		_ = resp.Body.Close()
		return http.Get(resp.Header.Get("Location"))
	}
	return resp, err
}

// TestNetHTTPSendsAgain shows that the server sees the requests that net/http sends again by
// itself. Otherwise, its count of requests would prove nothing.
func TestNetHTTPSendsAgain(t *testing.T) {
	t.Cleanup(func() { noLeaks(t) }) // after the subtests
	for _, again := range []struct {
		end     end
		release string // the only release of Go that does it; "": all
	}{
		{end: goAways(true, lastZero)[0]},
		{end: reset(refusedStream)},
		{end: reset(1), release: "go1.26"},
	} {
		if !strings.HasPrefix(runtime.Version(), again.release) {
			continue
		}
		t.Run(again.end.name, func(t *testing.T) {
			t.Parallel()
			w := &world{
				protocol:   protocols[4],
				family:     &family{late: cuts([]place{afterCommit}, []end{again.end})},
				duplicates: true,
				seed:       runSeed,
				ledger:     &ledger{duplicates: true},
			}
			for i := range 20 {
				w.calls = append(w.calls, newCall(i, create))
			}
			if err := w.open(); err != nil {
				t.Fatal(err)
			}
			transport := w.protocol.transport()
			client := &http.Client{Transport: transport, Timeout: time.Second}
			var group sync.WaitGroup
			for _, call := range w.calls {
				group.Go(func() {
					text := fmt.Sprintf(`{"patient_id":%q}`, call.patient)
					resp, err := client.Post(w.server.url()+"/appointments", "application/json", strings.NewReader(text))
					if err == nil {
						_ = resp.Body.Close()
					}
				})
			}
			group.Wait()
			transport.CloseIdleConnections()
			w.close()
			if made := len(w.ledger.appointments); made <= len(w.calls) {
				t.Errorf("%d appointments for %d calls", made, len(w.calls))
			}
		})
	}
}
