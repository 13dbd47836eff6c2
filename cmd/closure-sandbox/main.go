// Command closure-sandbox serves a test double of the Railway (Closure Health)
// booking API, for programs in any language and for trying things with curl:
//
//	go run ./cmd/closure-sandbox -addr 127.0.0.1:8080
//
// It is loaded with the data of the vendor's booking guide; -schedules and
// -slots add a generated clinic. Its clock stands still in May 2022, where that
// data is. For programs that look for openings from today on, give
//
//	-clock now -schedules 40
//
// It accepts test keys such as ch_sk_test_quickstart and refuses live ones. It stops on
// SIGINT or SIGTERM, and keeps nothing.
//
// -fault makes it fail. A fault is an operation, a kind, and an argument if the kind needs
// one, then p= for a probability, n= for a count (0: always) and, for a status, h= for a
// header (without a colon in it). Without p and n it strikes once:
//
//	appointments.create:drop-before           connection lost, nothing done
//	appointments.create:drop-after:p=0.1      done, then connection lost
//	appointments.create:commit-late:20s       connection lost, done 20 s later
//	patients.list:status:429:h=Retry-After=2  answered 429, nothing done
//	appointments.create:status-after:502      done, then answered 502
//	availabilities.list:delay:3s:n=0          answered 3 s late
//	appointments.list:stale:20s:p=0.5         a read shows the state of 20 s ago
//	schedules.get:truncate:n=2                half of the answer
//	schedules.get:malformed                   HTML instead of JSON
//	patients.list:huge:300000000              an answer of 300 MB, as a gzip bomb
//
// The operation * means all operations.
//
// While it runs, faults can be changed and everything can be reset, so that a test
// suite in any language needs one process for all its tests:
//
//	curl -X POST http://127.0.0.1:8080/_sandbox/faults -d 'appointments.create:drop-after'
//	curl http://127.0.0.1:8080/_sandbox/faults             lists them, and how often each struck
//	curl -X DELETE http://127.0.0.1:8080/_sandbox/faults   removes them
//	curl -X POST http://127.0.0.1:8080/_sandbox/reset      restores the start
//
// With -tls it serves https, with its own certificate, which clients have to trust.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/internal/commandline"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The program's exit codes.
const (
	exitOK    = 0
	exitError = 1 // it could not listen, or could not stop cleanly
	exitUsage = 2 // a flag is wrong
)

// run is the program: it serves until ctx is done, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parseSettings(args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprint(stdout, usage()) // a failure can't be reported
		return exitOK
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "closure-sandbox: %v %s\n", err, commandline.SeeHelp)
		return exitUsage
	}
	if err := serve(ctx, s, stdout, stderr); err != nil {
		_, _ = fmt.Fprintf(stderr, "closure-sandbox: %v\n", err)
		return exitError
	}
	return exitOK
}

// grace is how long the program waits for requests in flight before it stops.
const grace = 5 * time.Second

func serve(ctx context.Context, s settings, stdout, stderr io.Writer) error {
	options := append(s.options(), closuretest.KeepRequests(0)) // it may run for weeks
	if s.log {
		options = append(options, closuretest.WithLogger(slog.New(slog.NewTextHandler(stderr, nil))))
	}
	box := newResettable(func() *closuretest.Server {
		double := closuretest.New(options...)
		double.Inject(s.faults...)
		return double
	})

	listener, err := commandline.Listen(ctx, "addr", s.addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // the server closes it if it served
	requests, abandon := context.WithCancel(context.Background())
	defer abandon()
	server := &http.Server{
		Handler:           box,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: 10 * time.Second,
	}
	stopped := make(chan error, 1)
	if s.tls == "" {
		go func() { stopped <- server.Serve(listener) }()
	} else {
		if server.TLSConfig, err = newTLS(s.tls, s.names()); err != nil {
			return err
		}
		go func() { stopped <- server.ServeTLS(listener, "", "") }()
	}
	announce(stdout, listener.Addr(), s.tls, box.double.Load())
	warn(stderr, listener.Addr())

	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
		return shutdown(server, abandon)
	}
}

// shutdown lets requests finish. It ends those that a delay holds.
func shutdown(server *http.Server, abandon context.CancelFunc) error {
	abandon()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("stopping: %w", err), server.Close())
	}
	return nil
}

// warn warns if other machines can connect.
func warn(w io.Writer, addr net.Addr) {
	if tcp, ok := addr.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		_, _ = fmt.Fprintf(w,
			"closure-sandbox: warning: %s is open to the network, and its key is no secret; -addr 127.0.0.1:%d is not open\n",
			addr, tcp.Port)
	}
}

func announce(w io.Writer, addr net.Addr, certificate string, double *closuretest.Server) {
	url, trust := "http://"+addr.String(), ""
	if certificate != "" {
		url, trust = "https://"+addr.String(), fmt.Sprintf("--cacert '%s' ", certificate)
	}
	_, _ = fmt.Fprintf(w, `closure-sandbox listens on %s (%s)
try: curl %s-u %s: -H 'Closure-API-Version: %s' '%s/patients?dob=1994-12-22&name=Trisha%%20Pandit'
`, url, double, trust, closure.QuickstartKey, closure.DefaultAPIVersion, url) // a failure can't be reported
}
