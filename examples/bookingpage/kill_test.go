//go:build unix

package main

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A program is the whole of it, as "go run . -panel" runs it: a made-up clinic,
// and the page as a process of its own.
type program struct {
	url string
	log lockedBuffer
}

// What can't work is refused at once, and says what to change.
func TestProgramRefuses(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, c := range []struct {
		args, env string
		exit      int
		want      string
	}{
		{"ch_sk_live_hush", "", 2, "bookingpage: there are no arguments besides the flags (-h lists the flags)\n"},
		{"-database postgres://user:hush@127.0.0.1:1/db", "", 2, "bookingpage: -database is a URL"},
		{"-database=", "CLOSURE_API_KEY=ch_sk_test_quickstart", 2, "bookingpage: -database is empty"},
		{"-addr nowhere", "", 2, `bookingpage: -addr "nowhere" is not host:port`},
		{"-database " + filepath.Join(t.TempDir(), "a?.db"), "CLOSURE_API_KEY=ch_sk_live_hush", 1,
			"bookingpage: CLOSURE_API_KEY is not a key of test mode\nCheck CLOSURE_API_KEY. The test key "},
		{"", "CLOSURE_BASE_URL=http://127.0.0.1:1", 1, "bookingpage: CLOSURE_BASE_URL is set, but CLOSURE_API_KEY isn't; a sandbox takes ch_sk_test_quickstart\n"},
		{"-addr " + taken.Addr().String(), "", 1, "bookingpage: listen tcp " + taken.Addr().String()},
		{"-database " + filepath.Join(t.TempDir(), "none", "visits.db"), "CLOSURE_API_KEY=ch_sk_test_quickstart", 1, "bookingpage: -database: "},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		command := exec.CommandContext(ctx, os.Args[0], append([]string{"-addr", "127.0.0.1:0"}, strings.Fields(c.args)...)...)
		command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
		command.Env = append(os.Environ(), actAsProgram+"=1", "CLOSURE_API_KEY=", c.env)
		output, err := command.CombinedOutput()
		if ctx.Err() != nil || err == nil || command.ProcessState.ExitCode() != c.exit ||
			!strings.HasPrefix(string(output), c.want) || strings.Contains(string(output), "hush") {
			t.Errorf("%s %s: %v, %s, want %d, %s", c.args, c.env, err, output, c.exit, c.want)
		}
	}
}

func startProgram(t *testing.T) *program {
	t.Helper()
	command := exec.Command(os.Args[0], "-addr", "127.0.0.1:0", "-panel")
	command.Env = append(os.Environ(), actAsProgram+"=1", "CLOSURE_API_KEY=")
	output, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p := &program{}
	ready := make(chan string, 9)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			_, _ = p.log.Write(append(lines.Bytes(), '\n'))
			if _, url, found := strings.Cut(lines.Text(), "url="); found {
				ready <- strings.Fields(url)[0]
			}
		}
	}()
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		<-ended
		if err := command.Wait(); err != nil {
			t.Errorf("the program ends with %v", err)
		}
		if found := personal(p.log.String()); found != "" || p.log.String() == "" {
			t.Errorf("the log holds %q:\n%s", found, p.log.String())
		}
	})
	select {
	case p.url = <-ready:
	case <-time.After(20 * time.Second):
		t.Fatalf("the page isn't ready:\n%s", p.log.String())
	}
	return p
}

var processNumber = regexp.MustCompile(`Process (\d+) serves this page`)

// pid is the page's process, as its panel shows it.
func (b *tab) pid() int {
	b.t.Helper()
	found := processNumber.FindStringSubmatch(ask(b, chromedp.Text(chromedp.CSS("#underneath"))))
	if found == nil {
		b.t.Fatal("the panel shows no process")
	}
	pid, _ := strconv.Atoi(found[1])
	return pid
}

// chooseFirst goes to the first opening of the made-up clinic's first practitioner.
func (b *tab) chooseFirst() {
	b.t.Helper()
	b.shot("practitioners")
	b.click(`.cards a`)
	b.see("Openings of Deepika Sanon")
	b.click(`button[name=opening]`)
	b.see("Is this right?")
}

// inject chooses a fault in the panel.
func (b *tab) inject(fault string) {
	b.t.Helper()
	b.click(chromedp.CSS(`button[value="` + fault + `"]`))
	b.see("Is this right?", "Chosen:")
}

// The page's process is killed while a person looks at "we are checking": by hand,
// after the clinic got the request, and by the panel's own fault. The page they look
// at ends in the truth by itself, and so does the one of who closed the tab.
func TestBrowserKilled(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, fault string
		script      bool
	}{
		{"by hand", "commit late", true},
		{"by hand, without JavaScript", "commit late", false},
		{"by the panel", "page killed", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := startProgram(t)
			b := newTab(t, p.url, desktop)
			if !test.script {
				b.withoutScript()
			}
			b.signIn("")
			b.chooseFirst()
			b.inject(test.fault)
			pid := b.pid()
			b.click(bookButton)
			b.see(isChecking, "you may close it")
			address := ask(b, chromedp.Location())
			if test.fault == "commit late" {
				time.Sleep(time.Second) // so that the panel shows something
				b.shot("checking")
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			b.see(isBooked, "scheduled")
			if test.script && test.fault == "commit late" {
				b.accessible()
				b.shot("booked")
			}
			b.open("/")
			b.do(chromedp.Navigate(address))
			b.see(isBooked)
			if b.pid() == pid {
				t.Error("it was not killed")
			}
			if n := strings.Count(ask(b, chromedp.Text(chromedp.CSS("#underneath"))), "appt_"); n != 1 {
				t.Errorf("%d appointments in the ledger", n)
			}
		})
	}
}
