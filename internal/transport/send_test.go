package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// returns makes every request return this response and this error.
func returns(resp *http.Response, err error) roundTrip {
	return func(*http.Request) (*http.Response, error) { return resp, err }
}

// streamed is a response whose length isn't announced.
func streamed(code int, body io.Reader) *http.Response {
	return &http.Response{StatusCode: code, ContentLength: -1, Body: io.NopCloser(body)}
}

// What becomes of a write with one attempt.
func TestAttempt(t *testing.T) {
	t.Parallel()
	refused := opError("dial", syscall.ECONNREFUSED)
	cut := iotest.ErrReader(io.ErrUnexpectedEOF)
	unannounced := &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("{}"))}
	sent := Answer{MaybeSent: true}
	for _, tt := range []struct {
		name string
		base roundTrip
		want Answer
		err  error
	}{
		{"response", responds(201, "{}"), Answer{StatusCode: 201, Body: []byte("{}"), MaybeSent: true}, nil},
		{"no body", returns(&http.Response{StatusCode: 204}, nil), Answer{StatusCode: 204, MaybeSent: true}, nil},
		{
			"body whose length isn't announced",
			returns(unannounced, nil), Answer{StatusCode: 200, Body: []byte("{}"), MaybeSent: true}, nil,
		},
		{"success cut short", returns(streamed(201, cut), nil), sent, io.ErrUnexpectedEOF},
		{
			"failure cut short is a failure",
			returns(streamed(409, cut), nil), Answer{StatusCode: 409, MaybeSent: true}, nil,
		},
		{
			"failure too large is a failure",
			returns(streamed(409, endless{}), nil), Answer{StatusCode: 409, MaybeSent: true}, nil,
		},
		{"success too large", returns(streamed(200, endless{}), nil), sent, ErrTooLarge},
		{"lost", failsWith(io.EOF), sent, io.EOF},
		{"not connected", notConnected, Answer{}, syscall.ECONNREFUSED},
		{"refused, by one that reports nothing", failsWith(refused), sent, refused},
		{"neither response nor error", returns(nil, nil), sent, errNoResponse},
		{"both response and error", returns(response(201, "{}"), io.EOF), sent, io.EOF},
		{"both, and the error is one of dialling", returns(response(201, "{}"), refused), sent, refused},
		{"both, without body", returns(&http.Response{StatusCode: 201}, io.EOF), sent, io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tr := New(Config{Policy: exact, Base: tt.base})
			tr.maxBytes = 100
			call := post(api)
			call.MaxAttempts = 1
			got, err := tr.Do(t.Context(), call)
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("err = %v, want %v", err, tt.err)
			}
			tt.want.Attempts = 1
			got.Header = nil
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("answer = %+v, want %+v", got, tt.want)
			}
		})
	}
}

// A read changes nothing, so it is never reported as maybe sent.
func TestReadsAreNeverMaybeSent(t *testing.T) {
	t.Parallel()
	for _, step := range []roundTrip{responds(200, ""), responds(500, ""), failsWith(io.EOF)} {
		tr := New(Config{Policy: exact, Base: step})
		if answer, _ := tr.Do(t.Context(), get(api)); answer.MaybeSent {
			t.Errorf("answer = %+v", answer)
		}
	}
}

// A body that comes together with an error is closed, so that no connection leaks.
func TestBodyBesideAnErrorIsClosed(t *testing.T) {
	t.Parallel()
	spy := &bodySpy{Reader: strings.NewReader("x")}
	tr := New(Config{Policy: exact, Base: roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: spy}, io.EOF
	})})
	if _, err := tr.Do(t.Context(), post(api)); err == nil || spy.closed != 1 {
		t.Errorf("err = %v, closed %d times; want an error, and once", err, spy.closed)
	}
}

// The attempt's timeout covers everything up to the end of the body.
func TestAttemptTimeout(t *testing.T) {
	t.Parallel()
	stallsInBody := func(req *http.Request) (*http.Response, error) {
		pr, pw := io.Pipe()
		context.AfterFunc(req.Context(), func() { pw.CloseWithError(context.Cause(req.Context())) })
		return &http.Response{StatusCode: 200, ContentLength: -1, Body: pr}, nil
	}
	for name, step := range map[string]roundTrip{"answer": stalls, "body": stallsInBody} {
		for _, tt := range []struct {
			call     *Call
			deadline time.Duration // of the whole call
			count    int64
			elapsed  time.Duration
		}{
			{get(api), time.Hour, 3, 90 * time.Second},
			{get(api), 45 * time.Second, 2, 45 * time.Second},
			{post(api), time.Hour, 1, 30 * time.Second},
			{post(api), 10 * time.Second, 1, 10 * time.Second},
		} {
			t.Run(name+" "+tt.call.Method+" "+tt.deadline.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), tt.deadline)
					defer cancel()
					var count atomic.Int64
					tr := New(Config{Policy: exact, Base: script(&count, step)})
					start := time.Now()
					answer, err := tr.Do(ctx, tt.call)
					if elapsed := time.Since(start); elapsed != tt.elapsed || count.Load() != tt.count {
						t.Errorf("%d requests in %v, want %d in %v", count.Load(), elapsed, tt.count, tt.elapsed)
					}
					cause, ok := errors.AsType[*Cause](err)
					if !ok || !cause.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("err = %v, want a timeout", err)
					}
					if answer.MaybeSent != tt.call.writes() {
						t.Errorf("maybe sent: %t", answer.MaybeSent)
					}
				})
			})
		}
	}
}

// The body has been read to its end when the attempt's context is cancelled.
func TestAttemptContextEndsWithTheAttempt(t *testing.T) {
	t.Parallel()
	var attempt context.Context
	tr := New(Config{Policy: exact, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
		attempt = req.Context()
		return response(200, "{}"), nil
	})})
	if _, err := tr.Do(t.Context(), get(api)); err != nil {
		t.Fatal(err)
	}
	if attempt.Err() == nil {
		t.Error("the attempt's context is still alive: its timer leaks")
	}
}

// What a RoundTripper writes to its request changes neither the next attempt nor the call.
func TestRoundTripperThatWritesToItsRequest(t *testing.T) {
	t.Parallel()
	type seen struct {
		header http.Header
		path   string
	}
	var requests []seen
	tr := New(Config{Policy: exact, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
		requests = append(requests, seen{req.Header.Clone(), req.URL.Path})
		req.Header.Add("X-Trace", "1")
		req.Header["Authorization"][0] = "stolen"
		req.URL.Path = "/proxy" + req.URL.Path
		req.Method, req.Body, req.Host = http.MethodPut, nil, "elsewhere"
		return notConnected(req)
	})})
	call := post(api)
	want := seen{call.Header.Clone(), call.URL.Path}
	if _, err := tr.Do(t.Context(), call); err == nil {
		t.Fatal("no error")
	}
	if len(requests) != 3 {
		t.Fatalf("%d requests, want 3", len(requests))
	}
	for i, got := range requests {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("attempt %d got %v, want %v", i+1, got, want)
		}
	}
	if !reflect.DeepEqual(call.Header, want.header) || call.URL.String() != api {
		t.Errorf("the call was changed: %v, %v", call.Header, call.URL)
	}
}

// A RoundTripper that has read the body may have sent it without reporting that, for example
// because it fails over to another host.
func TestBodyThatWasReadIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(*http.Request){
		"read":      func(req *http.Request) { _, _ = io.ReadAll(req.Body) },
		"asked for": func(req *http.Request) { _, _ = req.GetBody() },
	} {
		var count atomic.Int64
		tr := New(Config{Policy: exact, Base: script(&count, func(req *http.Request) (*http.Response, error) {
			read(req)
			return notConnected(req)
		})})
		answer, err := tr.Do(t.Context(), post(api))
		if err == nil || !answer.MaybeSent || count.Load() != 1 {
			t.Errorf("%s: %d requests, %+v, %v", name, count.Load(), answer, err)
		}
	}
}

// A caller's RoundTripper can read the body more than once, to sign it for example, until the
// request may have left.
func TestGetBodyIsForOthers(t *testing.T) {
	t.Parallel()
	var before, after error
	tr := New(Config{Policy: exact, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
		_, before = req.GetBody()
		httptrace.ContextClientTrace(req.Context()).GotConn(httptrace.GotConnInfo{Conn: new(net.TCPConn)})
		_, after = req.GetBody()
		return response(201, "{}"), nil
	})})
	if _, err := tr.Do(t.Context(), post(api)); err != nil || before != nil || !errors.Is(after, errSecondConn) {
		t.Errorf("%v; GetBody %v, and once it may have left %v", err, before, after)
	}
	for _, http2 := range []bool{false, true} {
		x := &execution{call: post(api), trace: new(requestTrace)}
		if req := New(Config{HTTP2: http2}).newRequest(t.Context(), x); req.GetBody != nil {
			t.Errorf("HTTP/2 %t: net/http gets the means to send a body again", http2)
		}
	}
}

func TestCookieJar(t *testing.T) {
	t.Parallel()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	tr := New(Config{Policy: exact, Jar: jar, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
		got = append(got, req.Header.Get("Cookie"))
		return response(503, "", "Set-Cookie", "node=1"), nil
	})})
	call := get(api)
	if _, err := tr.Do(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if want := []string{"", "node=1", "node=1"}; !reflect.DeepEqual(got, want) {
		t.Errorf("cookies %q, want %q: each attempt carries each cookie once", got, want)
	}
	if len(call.Header["Cookie"]) != 0 {
		t.Error("the call was changed")
	}
	if cookies := jar.Cookies(call.URL); len(cookies) != 1 {
		t.Errorf("the jar holds %v", cookies)
	}
}

// toldJar counts how often it is told of cookies.
type toldJar struct{ told int }

func (*toldJar) Cookies(*url.URL) []*http.Cookie       { return nil }
func (j *toldJar) SetCookies(*url.URL, []*http.Cookie) { j.told++ }

func TestCookieJarIsToldOnlyOfAnswersWithCookies(t *testing.T) {
	t.Parallel()
	for cookie, want := range map[string]int{"": 0, "node=1": 1} {
		jar := new(toldJar)
		tr := New(Config{Policy: exact, Jar: jar, Base: responds(200, "", "Set-Cookie", cookie)})
		if _, err := tr.Do(t.Context(), get(api)); err != nil {
			t.Fatal(err)
		}
		if jar.told != want {
			t.Errorf("told %d times of %q", jar.told, cookie)
		}
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var count atomic.Int64
		steps := []roundTrip{notConnected, notConnected, stalls}
		tr := New(Config{Policy: exact, Base: script(&count, steps...)})
		var got []Attempt
		call := post(api)
		call.Observe = func(a Attempt) { got = append(got, a) }
		_, _ = tr.Do(t.Context(), call)
		if len(got) != 3 {
			t.Fatalf("%d reports, want 3", len(got))
		}
		for i, want := range []struct {
			status   int
			sent     bool
			failed   bool
			duration time.Duration
		}{
			{0, false, true, 0},
			{0, false, true, 0},
			{0, true, true, 30 * time.Second},
		} {
			a := got[i]
			if a.Number != i+1 || a.StatusCode != want.status || a.MaybeSent != want.sent ||
				(a.Err != nil) != want.failed || a.Duration != want.duration {
				t.Errorf("report %d = %+v, want %+v", i+1, a, want)
			}
		}
	})
}

func TestRedirectsAreAnswers(t *testing.T) {
	t.Parallel()
	for _, location := range []string{
		"", "https://elsewhere.test/", "/other",
		"https://elsewhere.test/%zz?dob=" + canary, "::" + canary, "\x7f" + canary,
	} {
		for _, code := range []int{300, 301, 302, 303, 304, 307, 308, 399} {
			for _, call := range []*Call{get(api), post(api), newTestCall(http.MethodDelete, api)} {
				var count atomic.Int64
				tr := New(Config{Policy: exact, Base: script(&count, responds(code, "moved", "Location", location))})
				answer, err := tr.Do(t.Context(), call)
				if err != nil || answer.StatusCode != code || string(answer.Body) != "moved" ||
					answer.Header.Get("Location") != location {
					t.Errorf("%s %d %q: answer = %+v, %v", call.Method, code, location, answer, err)
				}
				if count.Load() != 1 {
					t.Errorf("%s %d %q: %d requests, want 1", call.Method, code, location, count.Load())
				}
			}
		}
	}
}

// closeIdler is a RoundTripper that can be asked to close its connections.
type closeIdler struct {
	roundTrip
	closed atomic.Int64
}

func (c *closeIdler) CloseIdleConnections() { c.closed.Add(1) }

// go-retryablehttp closes the idle connections, also those of other calls, after each failure
// and each cancelled wait.
func TestCloseIdleConnectionsNeverReachesThePool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &closeIdler{}
		tr := New(Config{Policy: exact, Base: base})
		for _, step := range []roundTrip{failsWith(io.EOF), responds(503, ""), responds(503, "", "Retry-After", "30")} {
			base.roundTrip = step
			for _, call := range []*Call{get(api), post(api)} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				time.AfterFunc(10*time.Second, cancel)
				_, _ = tr.Do(ctx, call)
				cancel()
			}
		}
		if got := base.closed.Load(); got != 0 {
			t.Errorf("the pool was told %d times to close its idle connections", got)
		}
	})
}

// Many goroutines can use one Transport, because it holds nothing of a call.
func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	tr := New(Config{Policy: exact, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
		return response(200, req.URL.RawQuery), nil
	})})
	var wg sync.WaitGroup
	for _, query := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		wg.Go(func() {
			call := get("https://api.test/?" + query)
			for range 100 {
				answer, err := tr.Do(t.Context(), call)
				if err != nil || string(answer.Body) != query {
					t.Errorf("answer to %s = %q, %v", query, answer.Body, err)
				}
			}
		})
	}
	wg.Wait()
}

// The call's context bounds the wait for the rate limit, and the attempt's timeout doesn't. A
// request that never got its turn was never sent.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var count atomic.Int64
		tr := New(Config{Policy: exact, Limiter: perMinute(), Base: script(&count, responds(200, ""))})
		start := time.Now()
		for range 3 {
			if _, err := tr.Do(t.Context(), post(api)); err != nil {
				t.Error(err)
			}
		}
		if elapsed := time.Since(start); elapsed != 2*time.Minute || count.Load() != 3 {
			t.Errorf("%d requests in %v, want 3 in 2m", count.Load(), elapsed)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		start = time.Now()
		answer, err := tr.Do(ctx, post(api))
		if !errors.Is(err, errRateLimit) || !errors.Is(err, context.DeadlineExceeded) ||
			answer.MaybeSent || answer.Attempts != 1 {
			t.Errorf("answer = %+v, %v; want the rate limit's error after one attempt, not sent", answer, err)
		}
		if elapsed := time.Since(start); elapsed != 0 || count.Load() != 3 {
			t.Errorf("after %v and %d requests, want at once, without a request", elapsed, count.Load())
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start = time.Now()
		answer, err = tr.Do(ctx, post(api))
		if !errors.Is(err, context.Canceled) || answer.MaybeSent || time.Since(start) != time.Second || count.Load() != 3 {
			t.Errorf("answer = %+v, %v after %v; want context.Canceled after 1s, not sent", answer, err, time.Since(start))
		}
	})
}

// Retries wait for the rate limit too.
func TestRateLimitHoldsForRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var count atomic.Int64
		tr := New(Config{Policy: exact, Limiter: perMinute(), Base: script(&count, responds(503, ""))})
		start := time.Now()
		_, _ = tr.Do(t.Context(), get(api))
		if elapsed := time.Since(start); elapsed != 2*time.Minute || count.Load() != 3 {
			t.Errorf("%d requests in %v, want 3 in 2m", count.Load(), elapsed)
		}
	})
}

// Only the RoundTripper and the jar of the caller's http.Client are used. It isn't changed.
func TestCallersClientIsNotChanged(t *testing.T) {
	t.Parallel()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	theirs := &http.Client{Transport: responds(200, ""), Jar: jar, Timeout: time.Nanosecond}
	tr := New(Config{Policy: exact, Base: theirs.Transport, Jar: theirs.Jar})
	if _, err := tr.Do(t.Context(), get(api)); err != nil {
		t.Error(err)
	}
	if theirs.Jar != http.CookieJar(jar) || theirs.CheckRedirect != nil || theirs.Timeout != time.Nanosecond {
		t.Errorf("changed: %+v", theirs)
	}
}

// What Do returns never holds the call's URL.
func TestDoHidesTheURL(t *testing.T) {
	t.Parallel()
	for _, err := range []error{io.EOF, asURLError(io.EOF), &url.Error{Op: "Get", URL: api, Err: io.EOF}, errors.New(canary)} {
		tr := New(Config{Policy: exact, Base: failsWith(err)})
		_, got := tr.Do(t.Context(), get(api))
		if got == nil || strings.Contains(got.Error(), canary) || hasURL(got) {
			t.Errorf("%v", got)
		}
	}
}
