package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

const serverEnv = "CLOSURE_BENCH_SERVER"

// isServer reports whether this process is the child.
func isServer() bool { return os.Getenv(serverEnv) != "" }

// A server is a child process that answers with ready-made bodies.
type server struct {
	url   string
	cmd   *exec.Cmd
	stdin io.Closer
}

// startServer runs this program again, as the server.
func startServer() (*server, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.Command(exe)}
	s.cmd.Env = append(os.Environ(), serverEnv+"=1")
	s.cmd.Stderr = os.Stderr
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	s.stdin = stdin
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := fmt.Fscanln(stdout, &s.url); err != nil {
		s.stop()
		return nil, fmt.Errorf("the server did not start: %w", err)
	}
	return s, nil
}

func (s *server) stop() {
	_ = s.stdin.Close()
	_ = s.cmd.Wait()
}

// serve tells its address, and ends when its standard input does.
func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("http://" + listener.Addr().String())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	panic(http.Serve(listener, handler()))
}

// handler answers GET /patients/{id}, POST /patients, GET /patients, whose
// parameter name says how many patients, and whether without Content-Length,
// and GET /schedules and /schedules/{id}, with all expanded. Patients are
// padded, except below /small. Below /busy all is refused.
func handler() http.Handler {
	mux := http.NewServeMux()
	handleBookings(mux)
	mux.HandleFunc("/busy/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "2")
		answer(w, http.StatusServiceUnavailable, nil, false)
	})
	expanded := scheduleJSON(recordSize)
	listed := array(expanded, listLength)
	mux.HandleFunc("GET /schedules/{id}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, []byte(expanded), false)
	})
	mux.HandleFunc("GET /schedules", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, listed, false)
	})
	for prefix, record := range map[string]string{"": patientJSON(recordSize), "/small": patientJSON(0)} {
		lists := map[string][]byte{}
		for _, n := range []int{listLength, longListLength} {
			lists[strconv.Itoa(n)] = array(record, n)
		}
		mux.HandleFunc("GET "+prefix+"/patients/{id}", func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, []byte(record), false)
		})
		mux.HandleFunc("POST "+prefix+"/patients", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			answer(w, http.StatusCreated, []byte(record), false)
		})
		mux.HandleFunc("GET "+prefix+"/patients", func(w http.ResponseWriter, r *http.Request) {
			n, chunked := strings.CutPrefix(r.URL.Query().Get("name"), "chunked ")
			answer(w, http.StatusOK, lists[n], chunked)
		})
	}
	return mux
}

func array(record string, n int) []byte {
	return []byte("[" + strings.TrimSuffix(strings.Repeat(record+",", n), ",") + "]")
}

// answer adds the headers that a gateway does.
func answer(w http.ResponseWriter, status int, body []byte, chunked bool) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "max-age=0, private, must-revalidate")
	h.Set("Vary", "Accept, Authorization")
	h.Set("X-Ratelimit-Limit", "5000")
	h.Set("X-Ratelimit-Remaining", "4999")
	h.Set("X-Request-Id", "req_01JQ7ZV3T8K5N2M4P6R8S0W2Y4")
	if !chunked {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
