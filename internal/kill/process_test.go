package kill

import (
	"bytes"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// An event is a moment in a booking at which its process is killed.
type event string

const (
	never        event = ""
	beforeBegin  event = "before Begin"
	begun        event = "after Begin"
	written      event = "the request is written"
	carriedOut   event = "it is carried out, not answered"
	answered     event = "it is answered"
	beforeFinish event = "before Finish"
	finished     event = "after Finish"
	sometime     event = "at a random moment"
)

var events = []event{beforeBegin, begun, written, carriedOut, answered, beforeFinish, finished, sometime}

// A process is a running program. It has its own sockets to the API and to the journal, so
// that the test sees its requests.
type process struct {
	clinic *clinic
	task   task
	at     event       // when to kill it; never: it isn't killed
	lost   atomic.Bool // what it had written when it was killed is lost

	starting sync.Mutex // held while cmd starts
	cmd      *exec.Cmd
	out      bytes.Buffer
	servers  []*http.Server
	exited   chan struct{}
	killed   atomic.Bool
	once     sync.Once
}

// start starts a process. after is when to kill it if the event is sometime.
func (c *clinic) start(t *testing.T, does task, at event, after time.Duration) *process {
	t.Helper()
	p := &process{clinic: c, task: does, at: at, exited: make(chan struct{})}
	p.task.API, p.task.Journal = p.serve(t, p.api), p.serve(t, p.journal)
	text, err := json.Marshal(p.task)
	if err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(c.program, "-test.run=^$")
	p.cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = &p.out, os.Stderr
	p.starting.Lock()
	err = p.cmd.Start()
	p.starting.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if at == sometime {
		time.AfterFunc(after, func() { p.killAt(sometime) })
	}
	go func() {
		_ = p.cmd.Wait() // an error if it was killed
		close(p.exited)
	}()
	return p
}

func (p *process) serve(t *testing.T, handler http.HandlerFunc) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	p.servers = append(p.servers, server)
	go func() { _ = server.Serve(listener) }() // returns when it is closed
	return "http://" + listener.Addr().String()
}

// killAt kills the process if it is to be killed at this event, and returns when it is dead.
func (p *process) killAt(now event) (dead bool) {
	if now != p.at {
		return false
	}
	p.once.Do(func() {
		select {
		case <-p.exited: // it ended before
		default:
			p.starting.Lock() // because its first request may come before Start returns
			defer p.starting.Unlock()
			p.killed.Store(true)
			_ = p.cmd.Process.Kill() // an error if it ended before
		}
	})
	<-p.exited
	return true
}

// wait returns what the process printed before it ended.
func (p *process) wait(t *testing.T) (lines []told) {
	t.Helper()
	<-p.exited
	for _, server := range p.servers {
		_ = server.Close() // closes its listener
	}
	if !p.killed.Load() && !p.cmd.ProcessState.Success() {
		t.Errorf("%s failed: %v", p.task.Does, p.cmd.ProcessState)
	}
	for line := range bytes.Lines(p.out.Bytes()) {
		var said told
		if err := json.Unmarshal(line, &said); err == nil {
			lines = append(lines, said)
		}
	}
	return lines
}

func (p *process) journal(w http.ResponseWriter, r *http.Request) {
	before, after := never, never
	switch r.URL.Path {
	case "/begin":
		before, after = beforeBegin, begun
	case "/finish":
		before, after = beforeFinish, finished
	}
	if before != never && p.killAt(before) {
		return
	}
	whole := httptest.NewRecorder()
	serveJournal(p.clinic.journal, whole, r)
	if after != never && p.killAt(after) {
		return
	}
	forward(w, whole)
}

func (p *process) api(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		p.clinic.handler.ServeHTTP(w, r)
		return
	}
	body := new(bytes.Buffer)
	if _, err := body.ReadFrom(r.Body); err != nil {
		return // it was killed while it wrote
	}
	if p.killAt(written) && p.lost.Load() {
		return
	}
	request := httptest.NewRequest(r.Method, r.URL.String(), body)
	request.Header = r.Header
	whole := httptest.NewRecorder()
	p.clinic.handler.ServeHTTP(whole, request)
	p.clinic.requests.Add(1)
	if p.killAt(carriedOut) {
		return
	}
	forward(w, whole)
	_ = http.NewResponseController(w).Flush() // the process may be dead
	p.killAt(answered)
}

func forward(w http.ResponseWriter, whole *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), whole.Header())
	w.WriteHeader(whole.Code)
	_, _ = w.Write(whole.Body.Bytes()) // the process may be dead
}
