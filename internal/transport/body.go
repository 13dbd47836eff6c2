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
	if resp.ContentLength > max {
		return nil, ErrTooLarge
	}
	// What was announced is believed up to a point: an answer of one byte can announce
	// ten million. One byte more shows where it ends without growing.
	room := min(resp.ContentLength, believed) + 1
	if resp.ContentLength <= 0 { // not known, or left out by a RoundTripper of the caller's
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

// believed is how much room is made on the word of a header: enough for a list of a
// hundred long records, so that growing costs the large only.
const believed = 256 << 10

// grow doubles the room, up to most.
func grow(body []byte, most int64) []byte {
	grown := make([]byte, len(body), min(2*int64(cap(body)), most))
	copy(grown, body)
	return grown
}
