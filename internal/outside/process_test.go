//go:build unix

package outside

import (
	"errors"
	"net/http/httptest"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	closure "github.com/closurehealth/closure-go"
)

// processes is the API and the journal on sockets, and a child process that books.
type processes struct {
	a         *railway
	j         *memory
	api, jour *httptest.Server
	cmd       *exec.Cmd
	started   chan struct{} // closed when cmd.Process is set
}

func start(t *testing.T, what string, hook func(*processes)) *processes {
	t.Helper()
	p := &processes{a: newAPI(), j: newJournal(), started: make(chan struct{})}
	begun := make(chan struct{})
	var once sync.Once
	p.api = httptest.NewServer(p.a)
	p.jour = httptest.NewServer(serve(p.j, func(method string) {
		if method == "begin" {
			once.Do(func() { close(begun) })
		}
	}))
	t.Cleanup(p.api.Close)
	t.Cleanup(p.jour.Close)
	p.a.mu.Lock()
	hook(p)
	p.a.mu.Unlock()
	p.cmd = child(t, what, "OUTSIDE_API="+p.api.URL, "OUTSIDE_JOURNAL="+p.jour.URL)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	close(p.started)
	select {
	case <-begun:
	case <-time.After(20 * time.Second):
		t.Fatal("the child never began")
	}
	return p
}

func (p *processes) signal(s syscall.Signal) {
	<-p.started
	p.cmd.Process.Signal(s)
}

// The child is killed when the API has booked, before it has the response.
func TestBookingOfAKilledProcessThatAnotherMovedIsNotToldAsNotBooked(t *testing.T) {
	t.Parallel()
	p := start(t, "books", func(p *processes) {
		p.a.hook = func(op string, n int) *fault {
			if op == "create" && n == 1 {
				return &fault{do: func() { p.signal(syscall.SIGKILL) }, delayAfter: 100 * time.Millisecond}
			}
			return nil
		}
	})
	if err := p.cmd.Wait(); err == nil {
		t.Fatal("the child wasn't killed")
	}
	c := childClient(p.api.URL, p.jour.URL)
	mustMove(t, c, 1)
	time.Sleep(2200 * time.Millisecond)
	for _, r := range resolvePending(t, c, closure.AssumeLostAfter(2*time.Second)) {
		if errors.Is(r.Err, closure.ErrNotBooked) {
			t.Error("not booked, though the appointment stands that this attempt made")
		}
	}
	c.BookSlot(t.Context(), slot(0, "K"))
	if n := len(p.a.standing()); n != 1 {
		t.Errorf("%d appointments for one key: %s, journal %s", n, p.a.dump(), p.j.dump())
	}
}

// The child is stopped while it waits for its rate limit. Another process assumes its attempt
// lost and books. Then the child goes on.
func TestProcessThatWasFrozenDoesNotSendLate(t *testing.T) {
	t.Parallel()
	p := start(t, "waits for the limit", func(p *processes) { p.a.overbooks = true })
	time.Sleep(150 * time.Millisecond) // now it waits for the rate limit
	p.signal(syscall.SIGSTOP)
	time.Sleep(2200 * time.Millisecond) // longer than twice its timeout
	other := childClient(p.api.URL, p.jour.URL)
	if _, err := other.BookSlot(t.Context(), slot(0, "K"), closure.AssumeLostAfter(2*time.Second)); err != nil {
		t.Error(err)
	}
	p.signal(syscall.SIGCONT)
	if err := p.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	wantOneAt(t, p.a, p.j, 0)
}
