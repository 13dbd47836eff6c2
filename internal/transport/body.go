package transport

import (
	"errors"
	"io"
	"net/http"
)

// maxBytes is how large a body may be after decompression.
const maxBytes = 10 << 20

// ErrTooLarge means that a body is larger than that.
var ErrTooLarge = errors.New("transport: response is too large")

// readBody reads and closes the body. If it is longer than max, it fails, and never holds more
// than that.
func readBody(resp *http.Response, max int64) ([]byte, error) {
	if resp.Body == nil {
		return nil, nil
	}
	defer func() { _ = resp.Body.Close() }() // nothing depends on how the closing went
	if resp.ContentLength > max {
		return nil, ErrTooLarge
	}
	// Content-Length is trusted up to a point: a response of one byte can announce ten
	// million. With room for one byte more, reading to the end needs no growing.
	room := min(resp.ContentLength, trustedLength) + 1
	if resp.ContentLength <= 0 { // unknown, or not set by a caller's RoundTripper
		room = 512
	}
	body := make([]byte, 0, min(room, max+1))
	for {
		n, err := resp.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > max:
			return nil, ErrTooLarge
		case errors.Is(err, io.EOF) && int64(len(body)) < resp.ContentLength:
			return nil, io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		case len(body) == cap(body):
			body = grow(body, max+1)
		}
	}
}

// trustedLength is how much is allocated because Content-Length says so: enough for a list of a
// hundred long records, so that only larger bodies have to grow.
const trustedLength = 256 << 10

// grow doubles the capacity, up to most.
func grow(body []byte, most int64) []byte {
	grown := make([]byte, len(body), min(2*int64(cap(body)), most))
	copy(grown, body)
	return grown
}
