package transport

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// A retryLoop has go-retryablehttp repeat the attempts of one call. It is the
// http.RoundTripper below go-retryablehttp and its http.Client.
//
// Neither of them sees the call: all calls show them the same request, and an empty
// response. With the real ones,
//
//   - http.Client would follow redirects, and send a patient's data to another host;
//   - http.Client would put the URL, which can hold a name and a birth date, into its
//     errors, and so would go-retryablehttp, which prints it to standard error too;
//   - go-retryablehttp would send a POST again after a 500 or a lost connection, and wait
//     as long as any Retry-After says: here, only mayRepeat decides;
//   - each would read, copy or keep what it doesn't need: header, body, URL.
//
// retryLoop has no CloseIdleConnections, on purpose. go-retryablehttp calls it after each
// failure, and would close connections that other calls are about to use.
type retryLoop struct {
	*execution
	transport *Transport
	next      handler

	err   error         // of the last attempt
	again bool          // another attempt follows
	wait  time.Duration // before that
	begun bool          // go-retryablehttp has seen the first attempt
}

// run makes the first attempt by itself. Most calls need no other, and pay nothing for
// go-retryablehttp.
func (l *retryLoop) run(ctx context.Context) error {
	l.attempt(ctx)
	if !l.again {
		return l.err
	}
	return l.repeat(ctx, l)
}

// attempt makes one attempt, and decides whether another one follows.
func (l *retryLoop) attempt(ctx context.Context) {
	l.attempts++
	l.answer = Answer{}
	l.err = l.next(ctx, l.execution)
	l.again = l.mayRepeat(ctx)
}

// repeat has go-retryablehttp make the attempts after the first. attempts is the loop itself.
func (l *retryLoop) repeat(ctx context.Context, attempts http.RoundTripper) error {
	loop := retryablehttp.Client{
		HTTPClient:   &http.Client{Transport: attempts},
		RetryMax:     l.call.MaxAttempts, // one more than is ever used, because mayRepeat counts
		CheckRetry:   func(context.Context, *http.Response, error) (bool, error) { return l.again, nil },
		Backoff:      func(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return l.wait },
		ErrorHandler: retryablehttp.PassthroughErrorHandler, // else the error would hold the URL
	}
	_, err := loop.Do(&retryablehttp.Request{Request: shownRequest.WithContext(ctx)})
	if l.again {
		return err // the context ended before the next attempt
	}
	return l.err
}

// shownRequest and shownResponse are what go-retryablehttp and http.Client see. Neither
// changes them.
var (
	shownRequest = &http.Request{
		Method: http.MethodGet,
		URL:    &url.URL{Scheme: "https", Host: "not-shown.invalid"},
		Header: http.Header{},
	}
	shownResponse = &http.Response{Body: http.NoBody}
)

// RoundTrip makes one attempt. The first time it only shows what came of the first attempt.
func (l *retryLoop) RoundTrip(req *http.Request) (*http.Response, error) {
	if l.begun {
		l.attempt(req.Context())
	}
	l.begun = true
	if l.err != nil {
		return nil, l.err
	}
	return shownResponse, nil
}
