package closure_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/internal/wire"
)

// The canary test puts data of a made-up patient into everything a caller and a
// server can say, makes every call fail in every way, and looks for the data
// wherever a program could print what it got.

// canary is what must not be printed.
var canary = inputs{
	name:     "Zebulon Quetzal",
	memberID: "MBR-KANARI-9",
	npi:      "9812345670",
	dob:      closure.NewDate(1931, time.July, 9),
	start:    utc(2031, time.September, 13, 8, 25),
}.withIDs("KANARI7x")

// leak is a server's sentence with all of it.
const leak = `patient Zebulon Quetzal (pt_KANARI7x, born 1931-07-09, member MBR-KANARI-9) ` +
	`wants 2031-09-13T08:25:00.000Z`

// traces are the canary's data in all the forms that printing gives it.
var traces = func() []string {
	const secondsToUnix = 62135596800 // from the year 1: how time.Time counts
	unix := canary.start.Unix()
	traces := []string{
		"Zebulon", "Quetzal", "KANARI", "9812345670",
		"1931-07-09", "Year:1931", "1931 7 9", "78b 7 9", "1931, 7, 9", "July",
		"2031-09-13", "September", "13 Sep", "2031, time.",
		strconv.FormatInt(unix, 10), strconv.FormatInt(unix, 16), strconv.FormatInt(unix+secondsToUnix, 10),
		strconv.FormatInt(unix+secondsToUnix, 16),
		"quickstart", "Y2hfc2tfdGVzdF9xdWlja3N0YXJ0Og==", // the key
	}
	for _, number := range []int64{9812345670, unix, unix + secondsToUnix} {
		traces = append(traces, strconv.FormatInt(number, 16), strconv.FormatInt(number, 8), strconv.FormatInt(number, 2))
	}
	for i, trace := range traces {
		traces[i] = strings.ToLower(trace)
	}
	return traces
}()

// byteTraces are the same as bytes in hexadecimal or decimal, without blanks.
var byteTraces = func() (traces []string) {
	for _, word := range []string{
		"Zebulon", "Quetzal", "KANARI", "9812345670", "1931-07-09", "2031-09-13", "quickstart", "Y2hfc2tfdGVz",
	} {
		traces = append(traces, hex.EncodeToString([]byte(word)), unspaced(fmt.Sprint([]byte(word))[1:]))
	}
	return traces
}()

// unspaced undoes what "% x", "%#x" and "%#v" put between bytes.
func unspaced(text string) string {
	for _, space := range []string{" ", ",", "0x", "]"} {
		text = strings.ReplaceAll(text, space, "")
	}
	return text
}

// noLeak looks for traces of the canary.
func noLeak(t testing.TB, where, text string) {
	t.Helper()
	if found := trace(text); found != "" {
		t.Errorf("%s shows %q: %s", where, found, text)
	}
	if strings.Contains(text, "PANIC=") {
		t.Errorf("%s panics: %s", where, text)
	}
}

// trace returns a trace that the text shows, or "".
func trace(text string) string {
	text = strings.ToLower(text)
	for _, trace := range traces {
		if strings.Contains(text, trace) {
			return trace
		}
	}
	text = unspaced(text)
	for _, trace := range byteTraces {
		if strings.Contains(text, trace) {
			return trace
		}
	}
	return ""
}

// Texts are what was printed, and where: many ways of printing print the same.
type texts map[string]string

func (x texts) add(where string, printed map[string]string) {
	for how, text := range printed {
		x[text] = where + " by " + how
	}
}

func (x texts) noLeak(t testing.TB) {
	t.Helper()
	for text, where := range x {
		noLeak(t, where, text)
	}
}

var formats = []string{
	"%v", "%+v", "%#v", "%s", "%+s", "%q", "%+q", "%#q", "%x", "%X", "% x", "%#x", "%# x", "%d", "%+d", "%o", "%O", "%b",
	"%c", "%U", "%#U", "%e", "%f", "%g", "%t", "%T", "%10v", "%.3v", "%-20.5s", "%08d", "%z",
}

// errorFormats are those that fmt has a meaning for where it comes upon an error
// that another one wraps. With others it shows the fields of what is wrapped,
// and Go gives no hook to stop it: fmt.Sprintf("%t", fmt.Errorf("%w", err)).
var errorFormats = []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%o", "%b", "%T"}

// printed is v in all ways that fmt knows.
func printed(v any) map[string]string { return printedWith(formats, v) }

func printedWith(formats []string, v any) map[string]string {
	texts := map[string]string{
		"Sprint": fmt.Sprint(v), "Sprintln": fmt.Sprintln(v), "extra": fmt.Sprintf("%d "+formats[0], 1, v),
	}
	for _, format := range formats {
		texts[format] = fmt.Sprintf(format, v)
	}
	return texts
}

// logged is v in slog's handlers; nested values go to the text handler as they
// are, and to the JSON handler by whatever encoding/json makes of them.
func logged(v any) map[string]string {
	texts := map[string]string{}
	for name, handler := range map[string]func(io.Writer) slog.Handler{
		"slog text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
		"slog JSON": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
	} {
		var out bytes.Buffer
		slog.New(handler(&out)).With("with", v).Info("message", "v", v, slog.Group("group", "v", v))
		texts[name] = out.String()
	}
	return texts
}

// checkError looks at all that can be done with an error.
func checkError(t testing.TB, where string, err error) {
	t.Helper()
	all := texts{err.Error(): where + ": Error"}
	for _, link := range chain(err) {
		at := fmt.Sprintf("%s: %T", where, link)
		all[link.Error()] = at + ".Error"
		nested := struct {
			Err  error
			List []error
		}{link, []error{link}}
		if wraps(link) {
			all.add(at, printedWith(errorFormats, link))
		} else {
			all.add(at, printed(link))
			all.add(at+" in a struct", printed(nested))
			all.add(at+" in a struct by pointer", printed(&nested))
		}
		all.add(at, logged(link))
		all.add(at+" in a struct", logged(nested))
		all.add(at+" wrapped", printedWith(errorFormats, fmt.Errorf("wrapped: %w", link)))
		all.add(at+" joined", printedWith(errorFormats, errors.Join(io.EOF, link)))
		all.add(at+" in a panic", printedWith(errorFormats, recovered(link)))
		for name, marshal := range marshalers {
			text, _ := marshal(map[string]any{"err": link}) // an error of the encoder is as good
			all[string(text)] = at + " by " + name
		}
	}
	all.noLeak(t)
}

// wraps reports whether err is one of the standard library's wrappers.
func wraps(err error) bool {
	typ := reflect.TypeOf(err).String()
	return strings.HasPrefix(typ, "*fmt.") || strings.HasPrefix(typ, "*errors.")
}

// chain is err and all that it wraps.
func chain(err error) []error {
	if err == nil {
		return nil
	}
	links := []error{err}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		links = append(links, chain(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, wrapped := range e.Unwrap() {
			links = append(links, chain(wrapped)...)
		}
	}
	return links
}

func recovered(err error) (value any) {
	defer func() { value = recover() }()
	panic(err)
}

// A failure is a way for calls to fail.
type failure struct {
	name    string
	server  http.RoundTripper // answers, or
	baseURL string            // a real server
	in      *inputs           // instead of the canary's
	opts    []closure.CallOption
	context func(context.Context) context.Context
	heavy   bool // takes long, so that only one read, one write and one booking try it
}

func TestCanary(t *testing.T) {
	t.Parallel()
	skipWithRaceDetector(t)
	seen, failures := map[string]bool{}, failures(t)
	for n, call := range allCalls() { // that it has every operation is tested beside the operations' table
		if seen[call.op] && call.note != "find" {
			continue
		}
		seen[call.op] = true
		t.Run(call.name(), func(t *testing.T) {
			t.Parallel()
			for i, f := range failures {
				if f.isTried(i+n, call.op == "patients.get" || call.op == "appointments.create") {
					f.test(t, call)
				}
			}
		})
	}
}

// isTried says whether the nth call tries the ith failure, where in is i+n: in the short
// form each call tries a third of them, and each failure is tried by a third of the calls.
func (f failure) isTried(in int, heavy bool) bool {
	if f.heavy {
		return heavy
	}
	return long() || in%3 == 0
}

func (f failure) test(t *testing.T, call apiCall) {
	where := f.name
	var log, logJSON, events bytes.Buffer
	opts := []closure.Option{
		closure.WithMaxAttempts(2),
		closure.WithLogger(slog.New(slog.NewMultiHandler(slog.NewTextHandler(&log, nil),
			slog.NewJSONHandler(&logJSON, nil)))),
		closure.WithObserver(func(_ context.Context, e closure.Event) {
			e = withoutRandom(e)
			fmt.Fprintf(&events, "%v %+v %#v\n", e, e, e)
		}),
	}
	rt := f.server
	if f.baseURL != "" {
		rt = &http.Transport{DisableKeepAlives: true}
		opts = append(opts, closure.WithBaseURL(f.baseURL))
	}
	in, ctx := canary, t.Context()
	if f.in != nil {
		in = *f.in
	}
	if f.context != nil {
		ctx = f.context(ctx)
	}
	var response closure.Response
	_, err := call.call(ctx, newClient(t, rt, opts...), in, append(f.opts, closure.CaptureResponse(&response))...)
	if err == nil {
		t.Errorf("%s: the call doesn't fail", where)
		return
	}
	checkError(t, where, err)
	noLeak(t, where+": logger", log.String()+logJSON.String())
	noLeak(t, where+": observer", events.String())
	all := texts{}
	all.add(where+": captured response", printed(response))
	all.add(where+": captured response", logged(&response))
	all.noLeak(t)
	var input *closure.InputError
	if !errors.As(err, &input) && (events.Len() == 0 || !strings.Contains(err.Error(), call.op)) {
		t.Errorf("%s: no event, or an error that lacks the operation: %v", where, err)
	}
}

// says answers every request with the status and the body, and with the canary
// in every header that the SDK looks at and one that it doesn't.
func says(status int, body string, header ...string) http.RoundTripper {
	return roundTripFunc(func(*http.Request) (*http.Response, error) {
		return newResponse(status, body, append([]string{
			"X-Request-Id", leak, "X-Patient", leak, "Content-Type", leak, "Set-Cookie", "name=Zebulon", "Location",
			"https://railway.test/" + url.PathEscape(leak),
		}, header...)...), nil
	})
}

// fails ends every request in the error.
func fails(cause func(*http.Request) error) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) { return nil, cause(req) })
}

// A textError is an error that is all text, so that it prints even where fmt
// gives a pointer's address.
type textError string

func (e textError) Error() string { return string(e) }

func failures(t *testing.T) []failure {
	leakJSON := show(leak)
	errorBody := `{"error_type":` + leakJSON + `,"error_code":` + leakJSON + `,"error_message":` + leakJSON +
		`,"detail":[` + leakJSON + `,` + leakJSON + `]}`
	html := "<html><body>" + leak + "</body></html>"
	var all []failure
	for _, status := range []int{400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503, 504, 599} {
		all = append(all, failure{name: fmt.Sprint(status), server: says(status, errorBody, "Retry-After", "0")})
	}
	for _, status := range []int{404, 502} {
		all = append(all, failure{name: fmt.Sprint(status, " HTML"), server: says(status, html, "Retry-After", leak)})
	}
	for _, status := range []int{302, 307} {
		for name, location := range map[string]string{
			"":           "https://railway.test/" + url.PathEscape(leak),
			" relative":  "/patients/pt_KANARI7x",
			" malformed": "://%zz KANARI",
		} {
			all = append(all, failure{name: fmt.Sprint(status, name), server: says(status, html, "Location", location)})
		}
	}
	for _, word := range []string{
		"pt_KANARI7x", "1931-07-09", "patient:pt_KANARI7x", strings.Repeat("KANARI", 30), "Zebulon_Quetzal",
		"zebulon_quetzal",
		"patient_zebulon_quetzal_not_found", "req_ZebulonQuetzal", "req_Zebulon19310709", "req-9812345670", "9812345670",
		"Root=1-zebulon", "ch_sk_test_quickstart",
	} {
		body := `{"error_type":"` + word + `","error_code":"` + word + `"}`
		all = append(all, failure{name: "a word: " + word, server: says(400, body, "X-Request-Id", word)})
	}
	all = append(all, failure{
		name: "lines in headers", server: says(400, errorBody, "X-Request-Id", "req_1\r\nX-Patient: "+leak),
	})
	for _, body := range []string{
		html, `{"id":{"x":` + leakJSON + `}}`, `{"id":7,"x":` + leakJSON + `}`,
		leakJSON, `[` + leakJSON + `]`, `[{"id":[` + leakJSON + `],"start_at":7}]`,
		`{"id":` + leakJSON, `{` + leakJSON + `:1`, leak,
	} {
		all = append(all, failure{name: "200 " + body, server: says(200, body)})
	}
	sent := func(req *http.Request) string { return req.URL.String() + leak + req.Header.Get("Authorization") }
	for name, cause := range map[string]func(*http.Request) error{
		"reset": func(req *http.Request) error {
			return &url.Error{Op: "Get", URL: sent(req), Err: &net.OpError{Op: "read", Err: syscall.ECONNRESET}}
		},
		"refused": func(req *http.Request) error {
			return &url.Error{
				Op: "Get", URL: sent(req),
				Err: &net.OpError{Op: "dial", Err: fmt.Errorf("%s: %w", sent(req), syscall.ECONNREFUSED)},
			}
		},
		"text":         func(req *http.Request) error { return textError(sent(req)) },
		"wrapped text": func(req *http.Request) error { return fmt.Errorf("%s: %w", leak, textError(sent(req))) },
		"joined":       func(req *http.Request) error { return errors.Join(textError(sent(req)), io.ErrUnexpectedEOF) },
		"DNS":          func(req *http.Request) error { return &net.DNSError{Name: leak, Server: leak, Err: leak} },
		"timeout":      func(req *http.Request) error { return fmt.Errorf("%s: %w", sent(req), os.ErrDeadlineExceeded) },
	} {
		all = append(all, failure{name: "RoundTripper: " + name, server: fails(cause)})
	}
	hang := fails(func(req *http.Request) error {
		<-req.Context().Done()
		return fmt.Errorf("%s: %w", sent(req), context.Cause(req.Context()))
	})
	canceled := func(ctx context.Context) context.Context {
		ctx, cancel := context.WithCancelCause(ctx)
		cancel(textError(leak))
		return ctx
	}
	noID := canary.withIDs("")
	noID.patient, noID.practitioner, noID.schedule, noID.appointment = leak, leak, leak, leak
	noID.insurance, noID.location, noID.specialty, noID.appointmentType = leak, leak, leak, leak
	noText := canary
	noText.name, noText.memberID, noText.npi = "Zebulon\xff Quetzal\xff", "KANARI\xff", "KANARI"
	all = append(all,
		failure{name: "attempt timed out", server: hang, opts: []closure.CallOption{closure.WithTimeout(time.Microsecond)}},
		failure{name: "context ended", server: hang, context: canceled},
		failure{name: "context that talks, ended before", server: hang, context: talksAtOnce},
		failure{name: "context that talks, ended meanwhile", server: hang, context: talksLater},
		failure{name: "too large", server: says(200, html+strings.Repeat(" ", 10<<20)), heavy: true},
		failure{name: "refused ids", server: says(500, errorBody), in: &noID},
		failure{name: "refused text", server: says(500, errorBody), in: &noText},
		failure{
			name: "refused index version", server: says(500, errorBody),
			opts: []closure.CallOption{closure.WithIndexVersion(leak)},
		},
		failure{name: "refused expansion", server: says(500, errorBody), opts: []closure.CallOption{closure.Expand(leak)}},
		failure{name: "nobody listens", baseURL: closedServer(t)},
		failure{name: "status line", baseURL: rawServer(t, "HTTP/1.1 "+leak+"\r\n\r\n")},
		failure{name: "not HTTP", baseURL: rawServer(t, leak+"\r\n\r\n")},
		failure{name: "header line", baseURL: rawServer(t, "HTTP/1.1 200 OK\r\n"+leak+"\r\n\r\n")},
		failure{name: "content length", baseURL: rawServer(t, "HTTP/1.1 200 OK\r\nContent-Length: "+leak+"\r\n\r\n")},
		failure{name: "transfer encoding", baseURL: rawServer(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "+leak+"\r\n\r\n")},
		failure{name: "chunk", baseURL: rawServer(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+leak+"\r\n")},
		failure{
			name: "gzip", baseURL: rawServer(t, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"+leak),
		},
		failure{name: "trailer", baseURL: rawServer(t, "HTTP/1.1 500 "+leak+"\r\nTransfer-Encoding: chunked\r\n"+
			"Trailer: X-Request-Id, X-Patient\r\n\r\n"+
			"2\r\n{}\r\n0\r\nX-Request-Id: "+leak+"\r\nX-Patient: "+leak+"\r\n\r\n")},
		failure{name: "early hints", baseURL: rawServer(t, "HTTP/1.1 103 "+leak+"\r\nLink: "+leak+
			"\r\nX-Request-Id: "+leak+"\r\n\r\n"+
			"HTTP/1.1 500 "+leak+"\r\nContent-Length: 0\r\n\r\n")},
		failure{
			name:    "folded header",
			baseURL: rawServer(t, "HTTP/1.1 500 x\r\nX-Request-Id: req_1\r\n "+leak+"\r\nContent-Length: 0\r\n\r\n"),
		},
		failure{
			name: "encoding", baseURL: rawServer(t, "HTTP/1.1 500 x\r\nContent-Encoding: "+leak+"\r\nContent-Length: 0\r\n\r\n"),
		},
		failure{
			name: "body cut short", baseURL: rawServer(t, "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{\"id\":"+leakJSON),
		},
		failure{
			name:    "error body cut short",
			baseURL: rawServer(t, "HTTP/1.1 409 "+leak+"\r\nContent-Length: 9999\r\n\r\n"+errorBody),
		},
		failure{name: "connection reset", baseURL: rawServer(t, "")},
		failure{name: "no TLS", baseURL: strings.Replace(rawServer(t, leak), "http:", "https:", 1)},
	)
	slices.SortFunc(all, func(a, b failure) int { return strings.Compare(a.name, b.name) })
	return all
}

// rawServer answers every request with the text, or resets the connection.
func rawServer(t *testing.T, text string) (baseURL string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			readRequest(conn)
			if text == "" {
				_ = conn.(*net.TCPConn).SetLinger(0)
			}
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}

// readRequest reads what the client sends, which is no request if it speaks TLS.
func readRequest(conn net.Conn) {
	r := bufio.NewReader(conn)
	if first, err := r.Peek(1); err != nil || first[0] < 'A' {
		return
	}
	if req, err := http.ReadRequest(r); err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
}

// closedServer returns an address at which nobody listens.
func closedServer(t *testing.T) (baseURL string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	noError(t, listener.Close())
	return "http://" + listener.Addr().String()
}

// The library prints nothing by itself. The process's streams are shared:
// not parallel.
func TestCanaryStandardStreams(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	noError(t, err)
	defer func() { _ = file.Close() }()
	stdout, stderr, writer, logger := os.Stdout, os.Stderr, log.Writer(), slog.Default()
	os.Stdout, os.Stderr = file, file
	log.SetOutput(file)
	slog.SetDefault(slog.New(slog.NewTextHandler(file, nil)))
	defer func() {
		os.Stdout, os.Stderr = stdout, stderr
		slog.SetDefault(logger)
		log.SetOutput(writer)
	}()
	for _, call := range allCalls() {
		_, _ = call.call(t.Context(), newClient(t, says(503, leak)), canary)
		_, _ = call.call(t.Context(), newClient(t, fails(func(*http.Request) error { return textError(leak) })), canary)
	}
	text, err := os.ReadFile(file.Name())
	noError(t, err)
	if len(text) > 0 {
		t.Errorf("printed: %s", text)
	}
}

// What the decoders of our types refuse can be a person's data.
func TestCanaryDecoders(t *testing.T) {
	t.Parallel()
	for _, text := range []string{show(leak), `"1931-07-09x"`, `["KANARI"]`, `{"x":"KANARI"}`, `9812345670`} {
		for _, into := range []interface{ UnmarshalJSON([]byte) error }{new(closure.Minutes)} {
			if err := into.UnmarshalJSON([]byte(text)); err != nil {
				checkError(t, text, err)
			}
		}
		for _, into := range []interface{ UnmarshalText([]byte) error }{new(closure.Date), new(closure.ClockTime)} {
			if err := into.UnmarshalText([]byte(text)); err != nil {
				checkError(t, text, err)
			}
		}
	}
	_, err := closure.Patient{Timezone: leak}.Zone()
	checkError(t, "Location", err)
}

// The errors of bookings hold whose booking it is.
func TestCanaryBookingErrors(t *testing.T) {
	t.Parallel()
	attempt := closure.BookingAttempt{PatientID: canary.patient, StartAt: canary.start, AttemptedAt: canary.start}
	cause := &closure.APIError{Message: leak, Detail: []string{leak}, Type: leak, Code: leak, RequestID: leak}
	for _, err := range []error{
		&closure.OutcomeUnknownError{Attempt: attempt, Err: cause},
		&closure.InsuranceError{InsuranceID: canary.insurance, Accepted: []closure.InsuranceID{canary.insurance}},
		&closure.InsuranceError{
			InsuranceID: canary.insurance, Accepted: []closure.InsuranceID{canary.insurance},
			Status: closure.InsuranceNotAccepted,
		},
	} {
		checkError(t, "booking", err)
	}
}

// Without this test, the canary test might find nothing at all: each of these leaks.
func TestCanaryFindsLeaks(t *testing.T) {
	t.Parallel()
	type plain closure.PatientListParams
	params := plain{Name: canary.name, DOB: canary.dob}
	at := struct{ at time.Time }{canary.start}
	raw, _ := wire.Marshal(params)
	for name, text := range map[string]string{
		"plain": fmt.Sprint(params), "Go": fmt.Sprintf("%#v", params), "hex": fmt.Sprintf("%x", params),
		"HEX": fmt.Sprintf("%X", params), "spaced": fmt.Sprintf("% x", canary.name),
		"sharp": fmt.Sprintf("%# x", canary.name), "bytes": fmt.Sprint(raw), "bytes in Go": fmt.Sprintf("%#v", raw),
		"quoted": fmt.Sprintf("%q", params),
		"date":   fmt.Sprintf("%d", canary.dob), "hex date": fmt.Sprintf("%x", canary.dob), "instant": fmt.Sprint(at),
		"hex instant": fmt.Sprintf("%x", any(at)), "Go instant": fmt.Sprintf("%#v", canary.start),
		"JSON": show(params), "key": "Basic Y2hfc2tfdGVzdF9xdWlja3N0YXJ0Og==",
		"query": url.Values{"dob": {canary.dob.String()}}.Encode(),
	} {
		var recorder recorder
		noLeak(&recorder, name, text)
		if !recorder.failed {
			t.Errorf("%s passes: %s", name, text)
		}
	}
}

// A recorder notes that a test would have failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }
