package transport

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"testing"
)

var errGaveUp = errors.New("the RoundTripper gave up")

// A RoundTripper may return while another goroutine of its own still sends. So a body that wasn't
// read when the request was said to be not sent can't be read any more.
func TestWhatWasNotSentCannotLeaveLater(t *testing.T) {
	t.Parallel()
	var late []func() (io.ReadCloser, error)
	client := New(Config{Policy: exact, Base: roundTrip(func(req *http.Request) (*http.Response, error) {
		httptrace.ContextClientTrace(req.Context()).GetConn("api.test:443")
		late = append(late, func() (io.ReadCloser, error) { return req.Body, nil }, req.GetBody)
		return nil, errGaveUp
	})})
	call := post("https://api.test/")
	call.Body = []byte("{}")
	answer, err := client.Do(t.Context(), call)
	if !errors.Is(err, errGaveUp) || answer.MaybeSent || answer.Attempts != 3 {
		t.Fatalf("%+v, %v; want 3 attempts, not sent", answer, err)
	}
	for _, body := range late {
		opened, err := body()
		if err != nil {
			continue
		}
		if read, err := io.ReadAll(opened); err == nil || len(read) > 0 {
			t.Errorf("%q left after the attempt", read)
		}
	}
}

// Protocols that a caller registers in an *http.Transport may send a request without reporting
// their connections, and without asking for the proxy.
func TestRegisteredProtocolsAreNotTakenForHTTP(t *testing.T) {
	t.Parallel()
	for name, reports := range map[string]bool{"that report no connection": false, "that report one when it is asked for": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived := 0
			http1 := new(http.Protocols)
			http1.SetHTTP1(true) // else net/http would register its own protocol too
			base := &http.Transport{
				Protocols: http1,
				Proxy:     func(*http.Request) (*url.URL, error) { return nil, errors.New("no such proxy") },
			}
			base.RegisterProtocol("https", roundTrip(func(req *http.Request) (*http.Response, error) {
				if reports {
					httptrace.ContextClientTrace(req.Context()).GetConn("api.test:443")
				}
				if _, err := io.ReadAll(req.Body); err != nil {
					return nil, err
				}
				arrived++
				return nil, io.ErrUnexpectedEOF // the answer was lost
			}))
			call := post("https://api.test/")
			call.Body = []byte("{}")
			answer, err := New(Config{Policy: exact, Base: base}).Do(t.Context(), call)
			if err == nil || !answer.MaybeSent || arrived != 1 {
				t.Errorf("%+v, %v; %d requests arrived", answer, err, arrived)
			}
		})
	}
}
