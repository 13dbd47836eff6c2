package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// A spy is what go-retryablehttp's http.Client hands its requests to.
type spy struct {
	http.RoundTripper
	t *testing.T
}

func (s spy) RoundTrip(req *http.Request) (*http.Response, error) {
	want := *shownRequest
	if got := *req.WithContext(context.Background()); !reflect.DeepEqual(got, *want.WithContext(context.Background())) {
		s.t.Errorf("sees %+v", got)
	}
	resp, err := s.RoundTripper.RoundTrip(req)
	if err == nil && (resp.StatusCode != 0 || len(resp.Header) != 0 || resp.Body != http.NoBody) {
		s.t.Errorf("sees %+v", resp)
	}
	return resp, err
}

// go-retryablehttp and http.Client see nothing of a call, and their errors hold nothing of it.
func TestTheLoopSeesNothingOfTheCall(t *testing.T) {
	t.Parallel()
	tr := New(Config{Policy: exact})
	for name, next := range map[string]handler{
		"response": func(_ context.Context, x *execution) error {
			x.answer = Answer{StatusCode: 307, Header: http.Header{"Location": {canary}}, Body: []byte(canary)}
			return nil
		},
		"failure": func(_ context.Context, x *execution) error {
			x.answer = Answer{StatusCode: 503, Header: http.Header{"X": {canary}}, Body: []byte(canary)}
			return nil
		},
		"error": func(context.Context, *execution) error { return io.EOF },
	} {
		for _, call := range []*Call{get(api), post(api)} {
			l := &retryLoop{transport: tr, execution: &execution{call: call}, next: next}
			l.attempt(t.Context())
			err := l.repeat(t.Context(), spy{l, t})
			if name != "error" && err != nil || err != nil && (!errors.Is(err, io.EOF) || strings.Contains(err.Error(), canary)) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
