package transport

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"testing"
)

// A compressed body far over the limit is neither returned nor held in memory.
func TestLoopbackGzipBomb(t *testing.T) {
	// Not parallel: allocated memory is counted for the whole process.
	const unpacked = 256 << 20
	packed := bomb(t, unpacked)
	s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed)
	}).start()
	client := s.client(t)
	for _, call := range []*Call{get(s.URL), post(s.URL)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answer, err := client.Do(t.Context(), call)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrTooLarge) || answer.StatusCode != 0 || answer.Body != nil {
			t.Errorf("answer = %d, %d bytes, %v; want ErrTooLarge", answer.StatusCode, len(answer.Body), err)
		}
		if answer.MaybeSent != call.writes() || answer.Attempts != 1 {
			t.Errorf("answer = %+v", answer)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 6*maxBytes {
			t.Errorf("%d MiB allocated for %d MiB, limit %d MiB", allocated>>20, unpacked>>20, maxBytes>>20)
		}
	}
}

// bomb is a gzip body of blanks: the same compressed piece again and again.
func bomb(t *testing.T, size int) []byte {
	const piece = 1 << 20
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(bytes.Repeat([]byte(" "), piece)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.Repeat(packed.Bytes(), size/piece)
}

func TestLoopbackLargeBodies(t *testing.T) {
	t.Parallel()
	for _, length := range []bool{true, false} {
		for _, tt := range []struct {
			size int
			err  error
		}{{maxBytes, nil}, {maxBytes + 1, ErrTooLarge}} {
			t.Run(fmt.Sprintf("%d bytes, announced %t", tt.size, length), func(t *testing.T) {
				t.Parallel()
				s := newLoopback(t, func(w http.ResponseWriter, _ *http.Request, _ int64) {
					if length {
						w.Header().Set("Content-Length", strconv.Itoa(tt.size))
					}
					_, _ = io.CopyN(w, endless{}, int64(tt.size))
				}).start()
				answer, err := s.client(t).Do(t.Context(), get(s.URL))
				if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
					t.Errorf("err = %v, want %v", err, tt.err)
				}
				if err == nil && len(answer.Body) != tt.size {
					t.Errorf("%d bytes, want %d", len(answer.Body), tt.size)
				}
			})
		}
	}
}
