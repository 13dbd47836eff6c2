package transport

import (
	"errors"
	"io"
	"net/http"
)

// maxBytes is how large a response may be after unpacking.
const maxBytes = 10 << 20

// ErrTooLarge is a response that is larger.
var ErrTooLarge = errors.New("transport: response is too large")

// readBody reads and closes the body. It fails rather than cut a body that is
// longer than max, and never holds more than that.
func readBody(resp *http.Response, max int64) ([]byte, error) {
	if resp.Body == nil {
		return nil, nil
	}
	defer func() { _ = resp.Body.Close() }() // nothing depends on how the closing went
	size := resp.ContentLength
	if size > max {
		return nil, ErrTooLarge
	}
	if size < 0 {
		return readRest(nil, resp.Body, max)
	}
	// One byte more than announced shows whether the length is right: in the
	// http.Response that a caller's RoundTripper builds it is often left at 0.
	body := make([]byte, size+1)
	n, err := io.ReadFull(resp.Body, body)
	switch {
	case err == nil:
		return readRest(body, resp.Body, max)
	case int64(n) == size && (err == io.EOF || err == io.ErrUnexpectedEOF):
		return body[:n], nil
	default:
		return nil, err
	}
}

// readRest appends all of r to body.
func readRest(body []byte, r io.Reader, max int64) ([]byte, error) {
	rest, err := io.ReadAll(io.LimitReader(r, max+1-int64(len(body))))
	if err != nil {
		return nil, err
	}
	if int64(len(body)+len(rest)) > max {
		return nil, ErrTooLarge
	}
	if body == nil {
		return rest, nil
	}
	return append(body, rest...), nil
}
