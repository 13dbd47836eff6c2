package devserver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretemporal"
)

// The tests of this module run servers, workers and programs as processes of
// their own, because those are to be killed: each is this test binary with a role.
const (
	roleVariable   = "CLOSURE_TEMPORAL_ROLE"
	configVariable = "CLOSURE_TEMPORAL_CONFIG"
)

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	var cfg roleConfig
	err := json.Unmarshal([]byte(os.Getenv(configVariable)), &cfg)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		err = map[string]func(context.Context, roleConfig) error{
			"server": runServer, "worker": runWorker, "starter": runStarter,
		}[role](ctx, cfg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A roleConfig is what a process is told.
type roleConfig struct {
	File    string `json:",omitempty"` // server: the database
	Port    int    `json:",omitempty"`
	Address string `json:",omitempty"` // of the server
	API     string `json:",omitempty"`
	Queue   string `json:",omitempty"`
	Key     string `json:",omitempty"` // the keyring's current one
	Lacks   string `json:",omitempty"` // a key that the keyring doesn't hold
	Plain   bool   `json:",omitempty"` // codec off
	Quiet   bool   `json:",omitempty"` // neither debug logs nor metrics: they cost CPU

	// worker
	KillAt         int    `json:",omitempty"` // the number of the event at which it kills itself
	StopAt         string `json:",omitempty"` // the name of the event at which it stops itself, once
	ActivitiesOnly bool   `json:",omitempty"`
	WorkflowsOnly  bool   `json:",omitempty"`
	ShowsCancelled bool   `json:",omitempty"` // the API's reads show what is cancelled as booked

	// starter
	Params closure.BookSlotParams
	Starts int                    `json:",omitempty"`
	Policy closuretemporal.Policy `json:",omitzero"`
}

func keyring(current string) closuretemporal.Keyring {
	key := func(b byte) []byte {
		key := make([]byte, 32)
		key[0] = b
		return key
	}
	if current == "" {
		current = "a"
	}
	return closuretemporal.Keyring{
		Current: current, Keys: map[string][]byte{"a": key(1), "b": key(2)}, IDKey: key(3),
	}
}

// dial is a client as a program would make it.
func (cfg roleConfig) dial() (client.Client, error) {
	opts := client.Options{
		HostPort: cfg.Address,
		Identity: "closuretemporal",
		Logger: sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(os.Stderr,
			&slog.HandlerOptions{Level: slog.LevelDebug}))),
		MetricsHandler: printedMetrics{},
	}
	if cfg.Quiet {
		opts.Logger, opts.MetricsHandler = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)), nil
	}
	if !cfg.Plain {
		k := keyring(cfg.Key)
		delete(k.Keys, cfg.Lacks)
		var err error
		if opts, err = closuretemporal.ClientOptions(opts, k); err != nil {
			return nil, err
		}
	}
	return client.Dial(opts)
}

func runServer(ctx context.Context, cfg roleConfig) error {
	server, err := Start(Options{File: cfg.File, Port: cfg.Port})
	if err != nil {
		return err
	}
	fmt.Println("ready", server.Address())
	<-ctx.Done()
	return server.Stop()
}

func runWorker(ctx context.Context, cfg roleConfig) error {
	c, err := cfg.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if cfg.StopAt != "" {
		// What is stopped goes on first when it wakes up, before a timer's goroutine can help.
		runtime.GOMAXPROCS(1)
	}
	events := &events{cfg: cfg}
	apiOptions := []closure.Option{closure.WithBaseURL(cfg.API)}
	if cfg.StopAt != atFirstByte { // that one is about the client's own connections
		apiOptions = append(apiOptions, closure.WithHTTPClient(&http.Client{Transport: events}))
	}
	api, err := closure.NewClient("ch_sk_test_temporal", apiOptions...)
	if err != nil {
		return err
	}
	opts := worker.Options{
		DisableWorkflowWorker:   cfg.ActivitiesOnly,
		LocalActivityWorkerOnly: cfg.WorkflowsOnly,
		Interceptors:            []interceptor.WorkerInterceptor{events},
		WorkerStopTimeout:       time.Second,
	}
	if cfg.ActivitiesOnly {
		opts.MaxConcurrentActivityExecutionSize = 1 // busy, it asks for no other task
	}
	w := worker.New(c, cfg.Queue, opts)
	if cfg.ActivitiesOnly {
		closuretemporal.Register(activityRegistry{w}, api)
	} else {
		closuretemporal.Register(w, api)
	}
	if err := w.Start(); err != nil {
		return err
	}
	fmt.Println("ready")
	<-ctx.Done()
	w.Stop()
	return nil
}

// activityRegistry is a worker that has no workflows.
type activityRegistry struct{ worker.Registry }

func (activityRegistry) RegisterWorkflowWithOptions(any, workflow.RegisterOptions) {}

// runStarter starts the same booking many times at once and prints the ids of
// the appointments it is told.
func runStarter(ctx context.Context, cfg roleConfig) error {
	c, err := cfg.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	bookings, err := closuretemporal.New(c, cfg.Queue, keyring(cfg.Key), cfg.Policy)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	failures := make([]error, cfg.Starts)
	for i := range cfg.Starts {
		group.Go(func() {
			pending, err := bookings.Start(ctx, cfg.Params)
			if err == nil {
				var booked *closure.Appointment
				if booked, err = pending.Wait(ctx); err == nil {
					fmt.Println("booked", booked.ID)
				}
			}
			failures[i] = err
		})
	}
	group.Wait()
	return errors.Join(failures...)
}

// printedMetrics prints the names and tags of all metrics, for a test that looks
// for patients' data in them.
type printedMetrics struct{ tags string }

func (m printedMetrics) WithTags(tags map[string]string) client.MetricsHandler {
	return printedMetrics{m.tags + fmt.Sprint(tags)}
}

func (m printedMetrics) print(name string) {
	if os.Getenv(roleVariable) != "" {
		fmt.Fprintln(os.Stderr, "metric", name, m.tags)
	}
}

func (m printedMetrics) Counter(name string) client.MetricsCounter {
	m.print(name)
	return client.MetricsNopHandler.Counter(name)
}

func (m printedMetrics) Gauge(name string) client.MetricsGauge {
	m.print(name)
	return client.MetricsNopHandler.Gauge(name)
}

func (m printedMetrics) Timer(name string) client.MetricsTimer {
	m.print(name)
	return client.MetricsNopHandler.Timer(name)
}

// events counts what happens in a worker, and kills or stops it when told so. It
// is the transport of its API client and the interceptor of its tasks.
type events struct {
	interceptor.WorkerInterceptorBase
	cfg     roleConfig
	n       atomic.Int64
	stopped atomic.Bool
}

func (e *events) event(name string) {
	n := int(e.n.Add(1))
	if n == e.cfg.KillAt {
		fmt.Println("killed at", name)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	if name == e.cfg.StopAt && !e.stopped.Swap(true) {
		// To this very thread: of a signal to the process another thread may take care,
		// and this one would go on for a moment.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		runtime.Gosched() // its share of time begins anew, so that nothing preempts it when it wakes up
		_ = syscall.Tgkill(os.Getpid(), syscall.Gettid(), syscall.SIGSTOP)
	}
}

func (e *events) RoundTrip(req *http.Request) (*http.Response, error) {
	e.event("before " + req.Method)
	send := http.DefaultTransport.RoundTrip
	if strings.HasPrefix(e.cfg.StopAt, "connected") {
		send = e.sendDirectly
	}
	resp, err := send(req)
	if err == nil && e.cfg.ShowsCancelled && req.Method == http.MethodGet {
		resp.Body = showCancelled(resp.Body)
	}
	e.event("after " + req.Method)
	return resp, err
}

func showCancelled(body io.ReadCloser) io.ReadCloser {
	defer func() { _ = body.Close() }()
	read, _ := io.ReadAll(body)
	return io.NopCloser(bytes.NewReader(bytes.ReplaceAll(read, []byte(`"cancelled"`), []byte(`"scheduled"`))))
}

// sendDirectly looks at the context no more once it has a connection. net/http's own
// transport hands the request to another goroutine, and mostly notices an ended context
// meanwhile: it hides that nobody else looked at the clock.
func (e *events) sendDirectly(req *http.Request) (*http.Response, error) {
	conn, err := new(net.Dialer).DialContext(req.Context(), "tcp", req.URL.Host)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	e.event("connected " + req.Method)
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: conn})
	}
	req.Close = true
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, err
}

// atFirstByte is the event right before the first byte of a write: net/http has looked at the
// context for the last time, has put together the header in a buffer, and flushes that.
const atFirstByte = "first byte"

// readsFirst is how many requests an activity sends before its write: no hook says which is one.
var readsFirst = map[string]int32{"closure.send": 2, "closure.change": 0}

func (e *events) watchFirstByte(ctx context.Context) context.Context {
	reads, writes := readsFirst[activity.GetInfo(ctx).ActivityType.Name]
	if !writes {
		return ctx
	}
	var sent atomic.Int32
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() {
			if sent.Add(1) == reads+1 {
				e.event(atFirstByte)
			}
		},
	})
}

func (e *events) InterceptActivity(
	_ context.Context, next interceptor.ActivityInboundInterceptor,
) interceptor.ActivityInboundInterceptor {
	return &activityEvents{interceptor.ActivityInboundInterceptorBase{Next: next}, e}
}

type activityEvents struct {
	interceptor.ActivityInboundInterceptorBase
	events *events
}

func (a *activityEvents) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	a.events.event("before activity")
	if a.events.cfg.StopAt == atFirstByte {
		ctx = a.events.watchFirstByte(ctx)
	}
	out, err := a.Next.ExecuteActivity(ctx, in)
	a.events.event("after activity")
	return out, err
}

func (e *events) InterceptWorkflow(
	_ workflow.Context, next interceptor.WorkflowInboundInterceptor,
) interceptor.WorkflowInboundInterceptor {
	return &workflowEvents{interceptor.WorkflowInboundInterceptorBase{Next: next}, e}
}

type workflowEvents struct {
	interceptor.WorkflowInboundInterceptorBase
	events *events
}

func (w *workflowEvents) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	w.events.event("before workflow")
	out, err := w.Next.ExecuteWorkflow(ctx, in)
	w.events.event("after workflow")
	return out, err
}

// A process is one that a test started. It dies with the test.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *output
	gone chan struct{}
}

func spawn(t *testing.T, role string, cfg roleConfig) *process {
	t.Helper()
	encoded, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(self), out: &output{}, gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), roleVariable+"="+role, configVariable+"="+string(encoded))
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.gone)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() && os.Getenv("CLOSURE_TEMPORAL_LOGS") != "" {
			t.Logf("%s:\n%s", role, p.out)
		}
	})
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.gone
}

// thaw makes a stopped process go on.
func (p *process) thaw() {
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		p.t.Error(err)
	}
}

// says waits until the process has printed the text.
func (p *process) says(text string) {
	p.t.Helper()
	wait(p.t, time.Minute, func() bool { return strings.Contains(p.out.String(), text) }, "it says "+text)
}

// sleeps waits until the process is stopped.
func (p *process) sleeps() {
	p.t.Helper()
	wait(p.t, time.Minute, func() bool {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		_, rest, _ := strings.Cut(string(stat), ") ")
		return strings.HasPrefix(rest, "T")
	}, "it is stopped")
}

func wait(t *testing.T, limit time.Duration, done func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(limit); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// output is what a process printed so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

var _ io.Writer = (*output)(nil)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
