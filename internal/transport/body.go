package transport

import (
	"errors"
	"io"
	"net/http"
)

// DefaultMaxBytes is how large a response may be after unpacking.
const DefaultMaxBytes = 10 << 20

// ErrTooLarge is a response that is larger.
var ErrTooLarge = errors.New("transport: response is too large")

// readBody reads and closes the body. It fails rather than cut a body that is
// longer than max, and never holds more than that.
func readBody(resp *http.Response, max int64) ([]byte, error) {
	if resp.Body == nil {
		return nil, nil
	}
	defer func() { _ = resp.Body.Close() }() // nothing depends on how the closing went
	if resp.ContentLength > max {
		return nil, ErrTooLarge
	}
	if resp.ContentLength >= 0 {
		return readExactly(resp.Body, resp.ContentLength)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > max {
		return nil, ErrTooLarge
	}
	return body, nil
}

func readExactly(r io.Reader, n int64) ([]byte, error) {
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	return body, nil
}
