package peers

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A world is an API and the way to it. It is an http.RoundTripper.
type world struct {
	answer   http.Handler  // for a request that gets through
	takes    time.Duration // until it does
	begin    time.Time
	from, to time.Duration // out of order; in a blip, what is in flight at from is lost
	status   int           // that it answers then; 0: the connection is lost
	requests atomic.Int64  // that began while out of order, or before the blip
	total    atomic.Int64
	sent     *series // of all requests; nil: nobody asks
}

func (w *world) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body)
		_ = req.Body.Close()
	}
	began := time.Since(w.begin)
	blip := w.from == w.to
	down := began >= w.from && began < w.to
	if down {
		w.requests.Add(1)
	}
	w.total.Add(1)
	w.sent.add(began)
	lost := blip && began <= w.from && began+w.takes > w.from
	takes := w.takes
	if lost {
		takes = w.from - began
	}
	select {
	case <-time.After(takes):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	switch {
	case (down || lost) && w.status == 0:
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	case down || lost:
		return &http.Response{
			StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: req,
		}, nil
	}
	recorder := newRecorder()
	arrived := req.Clone(req.Context())
	arrived.Body = http.NoBody
	w.answer.ServeHTTP(recorder, arrived)
	return recorder.response(req), nil
}

// A situation is one that all clients are put into.
type situation struct {
	name    string
	callers int
	takes   time.Duration // an answer
	pause   time.Duration // between two calls
	status  int
	blip    bool
}

type outcome struct {
	calls, failed int // that began while the API was down, or in all of a blip
	requests      int
	served        time.Duration // from the end of it until each caller has had an answer
}

func (o outcome) perCall() float64 { return float64(o.requests) / float64(o.calls) }

const (
	blipAt               = 50 * time.Millisecond
	outageFrom, outageTo = 20 * time.Second, 50 * time.Second
	end                  = 100 * time.Second
)

// suffer puts a client through a situation.
func suffer(t *testing.T, s situation, client func(t *testing.T, w *world) func() error) (o outcome) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{takes: s.takes, status: s.status, begin: time.Now(), from: outageFrom, to: outageTo}
		if s.blip {
			w.from, w.to = blipAt, blipAt
		}
		do := client(t, w)
		var mu sync.Mutex
		var all sync.WaitGroup
		for range s.callers {
			all.Go(func() {
				served := false
				for {
					began := time.Since(w.begin)
					err := do()
					ended := time.Since(w.begin)
					mu.Lock()
					if s.blip || began >= w.from && began < w.to {
						o.calls++
						if err != nil {
							o.failed++
						}
					}
					if err == nil && ended >= w.to && !served {
						served = true
						o.served = max(o.served, ended-w.to)
					}
					mu.Unlock()
					if s.blip || served || ended > end {
						return
					}
					time.Sleep(s.pause)
				}
			})
		}
		all.Wait()
		o.requests = int(w.requests.Load())
		if s.blip {
			o.requests = int(w.total.Load())
		}
	})
	return o
}

// A recorder keeps an answer.
type recorder struct {
	status int
	header http.Header
	body   strings.Builder
}

func newRecorder() *recorder { return &recorder{status: http.StatusOK, header: http.Header{}} }

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

func (r *recorder) response(req *http.Request) *http.Response {
	return &http.Response{
		StatusCode: r.status, Status: http.StatusText(r.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.header, Body: io.NopCloser(strings.NewReader(r.body.String())), ContentLength: int64(r.body.Len()), Request: req,
	}
}
