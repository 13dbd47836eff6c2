package transport

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// A bodySpy counts what is read of a body and whether it is closed.
type bodySpy struct {
	io.Reader
	read   int64
	closed int
}

func (b *bodySpy) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += int64(n)
	return n, err
}

func (b *bodySpy) Close() error {
	b.closed++
	return errors.New("closing failed")
}

// endless is a body without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestReadBody(t *testing.T) {
	t.Parallel()
	const limit = 10
	errLost := errors.New("connection lost")
	lost := iotest.ErrReader(errLost)
	for _, tt := range []struct {
		name   string
		length int64 // as announced
		body   io.Reader
		want   string
		err    error
	}{
		{"exact", 4, strings.NewReader("true"), "true", nil},
		{"empty", 0, strings.NewReader(""), "", nil},
		{"at the limit", limit, strings.NewReader("0123456789"), "0123456789", nil},
		{"byte by byte", 4, iotest.OneByteReader(strings.NewReader("true")), "true", nil},
		{"end with the data", 4, iotest.DataErrReader(strings.NewReader("true")), "true", nil},
		{"cut short", 9, strings.NewReader("true"), "", io.ErrUnexpectedEOF},
		{"cut to nothing", 9, strings.NewReader(""), "", io.ErrUnexpectedEOF},
		{"lost", 9, io.MultiReader(strings.NewReader("true"), lost), "", errLost},
		{"announced too large", limit + 1, endless{}, "", ErrTooLarge},
		{"unknown length", -1, strings.NewReader("true"), "true", nil},
		{"unknown, empty", -1, strings.NewReader(""), "", nil},
		{"unknown, at the limit", -1, strings.NewReader("0123456789"), "0123456789", nil},
		{"unknown, too large", -1, strings.NewReader("0123456789x"), "", ErrTooLarge},
		{"unknown, without end", -1, endless{}, "", ErrTooLarge},
		{"unknown, lost", -1, io.MultiReader(strings.NewReader("true"), lost), "", errLost},
		// http.Response{Body: …} in a caller's RoundTripper announces 0.
		{"more than announced", 0, strings.NewReader("true"), "true", nil},
		{"much more than announced", 3, strings.NewReader("01234567"), "01234567", nil},
		{"more than announced, at the limit", 3, strings.NewReader("0123456789"), "0123456789", nil},
		{"more than announced, too large", 3, endless{}, "", ErrTooLarge},
		{"limit announced, one more", limit, strings.NewReader("0123456789x"), "", ErrTooLarge},
		{"more than announced, lost", 0, io.MultiReader(strings.NewReader("true"), lost), "", errLost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			spy := &bodySpy{Reader: tt.body}
			got, err := readBody(&http.Response{ContentLength: tt.length, Body: spy}, limit)
			if string(got) != tt.want || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("readBody = %q, %v; want %q, %v", got, err, tt.want, tt.err)
			}
			if spy.read > limit+1 {
				t.Errorf("read %d bytes, limit %d", spy.read, limit)
			}
			if spy.closed != 1 {
				t.Errorf("closed %d times, want once", spy.closed)
			}
		})
	}
}

func TestReadBodyNone(t *testing.T) {
	t.Parallel()
	got, err := readBody(&http.Response{ContentLength: 5}, 10)
	if len(got) != 0 || err != nil {
		t.Errorf("readBody of a response without body = %q, %v; want nothing", got, err)
	}
}

// A body that is announced as long and never comes costs little memory.
func TestReadBodyBelievesNoHeader(t *testing.T) {
	// Not parallel: testing.AllocsPerRun counts the whole process.
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		_, err := readBody(&http.Response{ContentLength: maxBytes, Body: io.NopCloser(strings.NewReader("{"))}, maxBytes)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / 100; got > 2*trustedLength {
		t.Errorf("%d bytes for a body of one", got)
	}
}

// Reading a body allocates one buffer of the right size, and nothing else.
func TestReadBodyAllocatesOnce(t *testing.T) {
	// Not parallel: testing.AllocsPerRun counts the whole process.
	data := bytes.Repeat([]byte("x"), trustedLength-1)
	reader := bytes.NewReader(data)
	resp := &http.Response{ContentLength: int64(len(data)), Body: io.NopCloser(reader)}
	allocs := testing.AllocsPerRun(10, func() {
		reader.Reset(data)
		if got, err := readBody(resp, maxBytes); len(got) != len(data) || err != nil {
			t.Fatalf("readBody = %d bytes, %v", len(got), err)
		}
	})
	if allocs > 1 {
		t.Errorf("%v allocations, want 1", allocs)
	}
}
