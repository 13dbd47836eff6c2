package closuretest

import (
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// A loopback is the server's own listener.
type loopback struct {
	mu      sync.Mutex
	url     string
	server  *http.Server
	running sync.WaitGroup // the listener
	conns   sync.WaitGroup // and the requests on them
}

// Start serves on a free port of the loopback interface and returns the URL,
// "http://127.0.0.1:…", for [closure.WithBaseURL] or any other program. Close
// stops it. A second call returns the same URL. If no port is free, and after Close, it
// returns "", which WithBaseURL refuses.
func (s *Server) Start() (url string) {
	l := &s.loopback
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server != nil || s.closed.Load() {
		return l.url
	}
	listener, err := listen()
	if err != nil {
		s.misused("Start: " + err.Error())
		return ""
	}
	l.url = "http://" + listener.Addr().String()
	l.server = &http.Server{
		Handler:           l.counted(s.Handler()),
		ConnState:         l.count,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	server := l.server
	l.running.Go(func() { _ = server.Serve(listener) }) // ends with ErrServerClosed
	return l.url
}

func listen() (net.Listener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return net.Listen("tcp", "[::1]:0")
	}
	return listener, nil
}

// count counts the connections, so that Close can wait for them. The listener's goroutine
// counts new ones, so that none comes after it has ended.
func (l *loopback) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		l.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		l.conns.Done()
	}
}

// counted counts the requests, so that Close can wait for them: a request outlives its
// connection if a fault closes that. The connection is counted before its requests, so
// that the count is not zero when a request begins.
func (l *loopback) counted(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.conns.Add(1)
		defer l.conns.Done()
		handler.ServeHTTP(w, r)
	})
}

// Close stops the listener, if there is one, and closes its connections. From then on the
// server refuses connections, also those of [Server.Client]. Appointments and Requests
// still return what there was. Closing twice does no harm.
func (s *Server) Close() {
	s.closed.Store(true)
	l := &s.loopback
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server == nil {
		return
	}
	_ = l.server.Close() // the end of their connections ends delays, too
	l.running.Wait()
	l.conns.Wait()
	l.server, l.url = nil, ""
}
