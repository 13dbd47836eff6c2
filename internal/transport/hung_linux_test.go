package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A namespace is a separate network, reached over a pair of virtual devices.
type namespace struct{ name, address string }

var namespaces atomic.Int64

func newNamespace(t *testing.T) *namespace {
	if os.Getenv("CLOSURE_GATEWAYS") == "" {
		t.Skip("drops packets in a network namespace: CLOSURE_GATEWAYS=short runs it, as root")
	}
	n := namespaces.Add(1)
	id := strconv.Itoa(os.Getpid()) + "n" + strconv.FormatInt(n, 10)
	subnet := "10.213." + strconv.FormatInt(n, 10) + "."
	ns := &namespace{"closure" + id, subnet + "2"}
	runIP(t, "netns", "add", ns.name)
	t.Cleanup(func() { runIP(t, "netns", "del", ns.name) })
	runIP(t, "link", "add", "a"+id, "type", "veth", "peer", "name", "b"+id)
	// Together with the namespace it would be removed only seconds later.
	t.Cleanup(func() { runIP(t, "link", "del", "a"+id) })
	runIP(t, "link", "set", "b"+id, "netns", ns.name)
	runIP(t, "addr", "add", subnet+"1/30", "dev", "a"+id)
	runIP(t, "link", "set", "a"+id, "up")
	ns.run(t, "ip", "addr", "add", ns.address+"/30", "dev", "b"+id)
	ns.run(t, "ip", "link", "set", "b"+id, "up")
	return ns
}

func runIP(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %q: %v: %s", args, err, out)
	}
}

func (ns *namespace) run(t *testing.T, args ...string) {
	t.Helper()
	runIP(t, append([]string{"netns", "exec", ns.name}, args...)...)
}

// listen listens inside the namespace. The thread that entered it is not used again.
func (ns *namespace) listen(t *testing.T) net.Listener {
	setns, found := map[string]uintptr{"amd64": 308, "arm64": 268}[runtime.GOARCH]
	if !found {
		t.Fatal("setns has another number on this processor")
	}
	var listener net.Listener
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		file, err := os.Open("/var/run/netns/" + ns.name)
		if err != nil {
			done <- err
			return
		}
		if _, _, errno := syscall.RawSyscall(setns, file.Fd(), syscall.CLONE_NEWNET, 0); errno != 0 {
			done <- errno
			return
		}
		listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp", ns.address+":0")
		done <- errors.Join(err, file.Close())
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return listener
}

// lose drops every packet of the connection from the client's address.
func (ns *namespace) lose(t *testing.T, client string) {
	_, port, err := net.SplitHostPort(client)
	if err != nil {
		t.Error(err)
	}
	ns.run(t, "iptables", "-A", "INPUT", "-p", "tcp", "--sport", port, "-j", "DROP")
	ns.run(t, "iptables", "-A", "OUTPUT", "-p", "tcp", "--dport", port, "-j", "DROP")
}

// A slow response is waited for, and a connection that is silently gone isn't.
func TestHungIsNotSlow(t *testing.T) {
	t.Parallel()
	const slow = 14 * time.Second // longer than ackTimeout
	for _, tt := range []struct {
		name     string
		method   string
		timeout  time.Duration
		idle     bool // the connection is gone before the request is sent, otherwise before the response
		slow     bool // the connection isn't gone, and the response is slow
		http2    bool
		attempts int
		within   time.Duration
	}{
		{"a read, gone before the answer", http.MethodGet, 30 * time.Second, false, false, false, 2, 13 * time.Second},
		{"a read, gone while idle", http.MethodGet, 30 * time.Second, true, false, false, 2, 13 * time.Second},
		{"a read, slow", http.MethodGet, 30 * time.Second, false, true, false, 1, slow + 2*time.Second},
		{"a write, gone before the answer", http.MethodPost, 30 * time.Second, false, false, false, 1, 13 * time.Second},
		{"a write, gone while idle", http.MethodPost, 30 * time.Second, true, false, false, 1, 13 * time.Second},
		{"a write, its timeout first", http.MethodPost, 3 * time.Second, false, false, false, 1, 4 * time.Second},
		{"a read over HTTP/2, gone before the answer", http.MethodGet, 30 * time.Second, false, false, true, 2, 13 * time.Second},
		{"a read over HTTP/2, gone while idle", http.MethodGet, 30 * time.Second, true, false, true, 2, 13 * time.Second},
		{"a read over HTTP/2, slow", http.MethodGet, 30 * time.Second, false, true, true, 1, slow + 2*time.Second},
		{"a write over HTTP/2, gone before the answer", http.MethodPost, 30 * time.Second, false, false, true, 1, 13 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ns := newNamespace(t)
			stop, lost := make(chan struct{}), make(chan time.Time, 1)
			s := newLoopback(t, func(w http.ResponseWriter, r *http.Request, n int64) {
				switch {
				case n != 2: // the first request makes the connection, the third is the retry
				case tt.slow:
					time.Sleep(slow)
				case !tt.idle:
					ns.lose(t, r.RemoteAddr)
					lost <- time.Now()
					<-stop
				}
				w.Header().Set("Client", r.RemoteAddr)
				ok(w)
			})
			t.Cleanup(func() { close(stop) })
			_ = s.Listener.Close()
			s.Listener = ns.listen(t)
			if s.EnableHTTP2 = tt.http2; tt.http2 {
				s.startTLS()
			} else {
				s.start()
			}
			client, dialer := s.clientWith(t, tt.http2, asIs)
			dialer.tls.InsecureSkipVerify = true // the certificate is for another address
			first, err := client.Do(t.Context(), get(s.URL))
			if err != nil {
				t.Fatal(err)
			}
			if tt.idle {
				ns.lose(t, first.Header.Get("Client"))
			}
			call := newTestCall(tt.method, s.URL)
			call.Timeout = tt.timeout
			begin := time.Now()
			answer, err := client.Do(t.Context(), call)
			// On a busy machine it takes seconds until the packets are dropped.
			select {
			case begin = <-lost:
			default:
			}
			took := time.Since(begin).Round(time.Millisecond)
			t.Logf("%d attempts in %v: %v", answer.Attempts, took, err)
			unknown := err != nil && answer.MaybeSent
			if answer.Attempts != tt.attempts || took > tt.within || unknown != (tt.method == http.MethodPost) {
				t.Errorf("answer = %+v, %v after %v", answer, err, took)
			}
		})
	}
}
