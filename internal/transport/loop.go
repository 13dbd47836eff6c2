package transport

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// A retryLoop has go-retryablehttp run the attempts of one call. It is the
// http.RoundTripper below go-retryablehttp and its http.Client.
//
// Neither of them sees the call: all calls show them the same request, and an empty
// response. With the real ones,
//
//   - http.Client would follow redirects, and send a patient's data to another host;
//   - http.Client would put the URL, which can hold a name and a birth date, into its
//     errors, and so would go-retryablehttp, which prints it to standard error too;
//   - go-retryablehttp would send a POST again after a 500 or a lost connection, and wait
//     as long as any Retry-After says: here, only checkRetry decides;
//   - each would read, copy or keep what it doesn't need: header, body, URL.
//
// retryLoop has no CloseIdleConnections, on purpose. go-retryablehttp calls it after each
// failure, and would close connections that other calls are about to use.
type retryLoop struct {
	*execution
	transport *Transport
	next      handler
	client    http.Client
	loop      retryablehttp.Client
	wait      time.Duration // before the next attempt
}

func newRetryLoop(t *Transport, x *execution, next handler) *retryLoop {
	l := &retryLoop{execution: x, transport: t, next: next}
	l.client.Transport = l
	l.loop = retryablehttp.Client{
		HTTPClient:   &l.client,
		RetryMax:     l.call.MaxAttempts, // one more than is ever used, because checkRetry counts
		CheckRetry:   l.checkRetry,
		Backoff:      l.backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler, // else the error would hold the URL
	}
	return l
}

func (l *retryLoop) run(ctx context.Context) error {
	_, err := l.loop.Do(&retryablehttp.Request{Request: shownRequest.WithContext(ctx)})
	return err
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

// RoundTrip makes one attempt.
func (l *retryLoop) RoundTrip(req *http.Request) (*http.Response, error) {
	l.attempts++
	l.answer = Answer{}
	if err := l.next(req.Context(), l.execution); err != nil {
		return nil, err
	}
	return shownResponse, nil
}
