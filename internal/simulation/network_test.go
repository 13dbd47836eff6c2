package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/closurehealth/closure-go"
)

// A network is between one patient and the API. It delays, loses and breaks requests. What
// happens to a request depends only on (seed, patient, call, request, how often it came).
type network struct {
	clinic  *clinic
	patient int

	mu   sync.Mutex
	seen map[uint64]uint64
}

func newNetwork(c *clinic, patient int) *network {
	return &network{clinic: c, patient: patient, seen: map[uint64]uint64{}}
}

func (w *network) fate(req *http.Request, body []byte, by *call) fate {
	id := hash(req.Method, req.URL.Path, req.URL.RawQuery, string(body))
	if by != nil { // because two calls may send the same request at the same instant
		id = mix(id + by.number)
	}
	d := newDice(w.clinic.seed, uint64(w.patient), id, w.count(id))
	f := drawFate(d, req.Method != http.MethodGet, w.clinic.cell)
	if w.clinic.flakyList && listsAppointments(req) && d.chance(0.7) {
		f.fault = failedBefore
	}
	return f
}

// count counts how often this id came.
func (w *network) count(id uint64) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[id]++
	return w.seen[id]
}

// A processTransport is the http.RoundTripper of one process. A crashed process sends nothing
// more, but what it has sent still arrives.
type processTransport struct {
	network *network
	dead    atomic.Bool
}

func (s *processTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		_ = req.Body.Close()
	}
	ctx := req.Context()
	trace := httptrace.ContextClientTrace(ctx)
	by, _ := ctx.Value(callKey{}).(*call)
	f := s.network.fate(req, body, by)
	if trace != nil && trace.GetConn != nil {
		trace.GetConn(req.URL.Host)
	}
	if s.dead.Load() || f.fault == refusedConn {
		if err := sleep(ctx, f.out); err != nil {
			return nil, err
		}
		return nil, opError("dial", syscall.ECONNREFUSED)
	}
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Reused: true})
	}
	sent := &sentRequest{network: s.network, fate: f, req: plain(req, body), call: by}
	if f.written {
		return sent.write(ctx)
	}
	return sent.read(ctx)
}

// plain is the request without the client's context, because a request that was sent arrives
// even if its client is cancelled.
func plain(req *http.Request, body []byte) *http.Request {
	return &http.Request{
		Method:        req.Method,
		URL:           req.URL,
		Host:          req.URL.Host,
		Header:        req.Header,
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

// A sentRequest is a request that was sent.
type sentRequest struct {
	network *network
	fate    fate
	req     *http.Request
	call    *call // the call that sent it
	sent    time.Time
}

func (f *sentRequest) read(ctx context.Context) (*http.Response, error) {
	if err := sleep(ctx, f.fate.out); err != nil {
		return nil, err
	}
	var resp *http.Response
	switch f.fate.fault {
	case lostBefore, failedBefore, throttled, hungBefore:
	default:
		resp = f.arrive()
	}
	return f.respond(ctx, resp)
}

func (f *sentRequest) write(ctx context.Context) (*http.Response, error) {
	f.sent = time.Now()
	arrived := make(chan *http.Response, 1)
	switch f.fate.fault {
	case lostBefore, failedBefore, throttled, hungBefore, refusedBefore, otherAnswer:
		arrived = nil
	default:
		// In a goroutine, because it arrives even if nobody waits anymore.
		go func() {
			time.Sleep(f.fate.out + f.fate.late)
			arrived <- f.arrive()
		}()
	}
	if arrived == nil || f.fate.late > 0 {
		if err := sleep(ctx, f.fate.out); err != nil {
			return nil, err
		}
		return f.respond(ctx, nil)
	}
	select {
	case resp := <-arrived:
		return f.respond(ctx, resp)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// arrive has the API carry out the request.
func (f *sentRequest) arrive() *http.Response {
	if resp := f.network.clinic.intercept(f.req); resp != nil {
		return resp
	}
	resp, err := f.network.clinic.server.Transport().RoundTrip(f.req)
	if err != nil {
		panic(err) // the API is in this process and has no faults of its own
	}
	if f.fate.written {
		f.network.clinic.note(f, resp)
	}
	return resp
}

// respond is what the client sees. resp is the API's response; nil: the request didn't arrive.
func (f *sentRequest) respond(ctx context.Context, resp *http.Response) (*http.Response, error) {
	switch f.fate.fault {
	case hungBefore, hungAfter:
		<-ctx.Done()
		// Otherwise reads that started together would end together, and the scheduler would
		// decide which of them gets the last token of the retry budget.
		time.Sleep(f.fate.back)
		return nil, context.Cause(ctx)
	}
	if err := sleep(ctx, f.fate.back); err != nil {
		return nil, err
	}
	switch f.fate.fault {
	case lostBefore, lostAfter:
		return nil, opError("read", syscall.ECONNRESET)
	case failedBefore, failedAfter:
		return response(f.fate.status, `{"error_type":"server_error","error_message":"gateway"}`), nil
	case refusedBefore, refusedAfter:
		return response(f.fate.refusal, `{"message":"no"}`), nil
	case throttled:
		resp := response(http.StatusTooManyRequests, `{}`)
		resp.Header.Set("Retry-After", "1")
		return resp, nil
	case otherAnswer:
		return response(http.StatusOK, f.otherBody()), nil
	case html:
		return response(http.StatusOK, "<html>please wait</html>"), nil
	case halfBody:
		if resp == nil { // it will be carried out late, so there is no response yet
			return nil, io.ErrUnexpectedEOF
		}
		resp.Body = half(resp.Body)
	}
	return resp, nil
}

// otherBody is what a broken cache may answer: to a booking, somebody else's booking of the
// same slot; to a change, a record that never existed.
func (f *sentRequest) otherBody() string {
	if id, found := strings.CutPrefix(f.req.URL.Path, "/appointments/"); found {
		id, _, _ = strings.Cut(id, "/")
		return fmt.Sprintf(`{"id":%q,"schedule_id":%q,"patient_id":"pt_somebody_else",`+
			`"status":"scheduled","start_at":%q,"duration":30}`,
			id, scheduleID(0), slotStart(-3).Format(time.RFC3339))
	}
	var asked closure.AppointmentCreateParams
	body, _ := io.ReadAll(f.req.Body) // can't fail, because the body is in memory
	if err := json.Unmarshal(body, &asked); err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"id":"appt_other","schedule_id":%q,"patient_id":"pt_somebody_else",`+
		`"status":"scheduled","start_at":%q,"duration":30}`,
		asked.ScheduleID, asked.StartAt.Format(time.RFC3339))
}

func half(body io.ReadCloser) io.ReadCloser {
	whole, _ := io.ReadAll(body) // can't fail, because the body is in memory
	return io.NopCloser(io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), broken{}))
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func response(status int, body string) *http.Response {
	return &http.Response{
		Status:        strconv.Itoa(status) + " " + http.StatusText(status),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

func opError(op string, errno syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, errno)}
}

// sleep waits, unless the context ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func listsAppointments(req *http.Request) bool {
	return req.Method == http.MethodGet && req.URL.Path == "/appointments"
}

// intercept changes the API into one without a list of appointments, or one whose list ignores
// all filters but the patient's.
func (c *clinic) intercept(req *http.Request) *http.Response {
	if !listsAppointments(req) {
		return nil
	}
	if c.cell.noList {
		return response(http.StatusNotFound, `{"error_type":"invalid_request"}`)
	}
	if c.unfiltered {
		of := url.Values{"patient_id": req.URL.Query()["patient_id"]}
		req.URL = &url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path, RawQuery: of.Encode()}
	}
	return nil
}

var errCrash = errors.New("the process crashed")
