package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// examine runs the doctor against a handler on a real socket.
func examine(t *testing.T, h http.Handler, args ...string) (code int, stdout string) {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	var out, problems bytes.Buffer
	code = run(t.Context(), append([]string{"-base", server.URL}, args...), environment{}, &out, &problems)
	if problems.Len() > 0 {
		t.Errorf("stderr: %s", problems.String())
	}
	private(t, out.String())
	return code, out.String()
}

// private fails if the output holds a value of the guide's records or an id.
func private(t *testing.T, output string) {
	t.Helper()
	id := regexp.MustCompile(`\b(pt|prac|sch|appt|ins|loc|sp|aptp|idx|req)_[A-Za-z0-9]{5}`)
	if found := id.FindString(output); found != "" {
		t.Errorf("the output holds an id, %s…", found)
	}
	for value := range strings.FieldsSeq("Trisha Pandit 1994 Sanon 4321098765 127.0.0.1 2022-05-20T17:00 +1212") {
		if strings.Contains(output, value) {
			t.Errorf("the output holds %q", value)
		}
	}
}

// An edit changes the answer to requests of one kind.
type edit struct {
	method string
	path   string // a pattern
	index  bool   // only those that name an index version
	change func(body string) (status int, changed string)
	header http.Header
}

func (e edit) wrap(h http.Handler) http.Handler {
	path := regexp.MustCompile("^" + e.path + "$")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != e.method || !path.MatchString(r.URL.Path) || e.index && r.Header.Get("Closure-Index-Version") == "" {
			h.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		status, body := answer.Code, answer.Body.String()
		if e.change != nil {
			status, body = e.change(body)
		}
		w.Header().Set("Content-Type", "application/json")
		maps.Copy(w.Header(), e.header)
		w.WriteHeader(status)
		w.Write([]byte(body))
	})
}

// replacing answers 200 with a text replaced.
func replacing(old, text string) func(string) (int, string) {
	return func(body string) (int, string) { return 200, regexp.MustCompile(old).ReplaceAllString(body, text) }
}

func answering(status int, body string) func(string) (int, string) {
	return func(string) (int, string) { return status, body }
}

func sandbox() *closuretest.Server { return closuretest.New() }

func TestNothingDiffersOnTheSandbox(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"-write"}} {
		server := sandbox()
		code, output := examine(t, server.Handler(), args...)
		if code != exitOK || !strings.Contains(output, "Nothing differs") || strings.Contains(output, "differs:") {
			t.Errorf("%v: exit %d\n%s\nif a call is new: "+
				"set Records in internal/operation if its list holds another resource's records;"+
				" teach walk.go or check.go the call, if it isn't a plain list or get", args, code, output)
		}
		for _, op := range operations {
			if !strings.Contains(output, "\n"+op.name) {
				t.Errorf("%v: %s is not in the table", args, op.name)
			}
		}
		booked := server.Appointments()
		if write := len(args) > 0; write != (len(booked) == 1) {
			t.Errorf("%v: %d appointments", args, len(booked))
		}
		for _, appointment := range booked {
			if appointment.Status != closure.AppointmentCancelled {
				t.Errorf("%s is left behind", appointment.Status)
			}
		}
	}
}

// The API may write instants with an offset: they are the same instants.
func TestNothingDiffersWithOffsets(t *testing.T) {
	t.Parallel()
	instant := regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	double := sandbox().Handler()
	code, output := examine(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		double.ServeHTTP(answer, r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(answer.Code)
		io.WriteString(w, instant.ReplaceAllStringFunc(answer.Body.String(), func(text string) string {
			at, _ := time.Parse(time.RFC3339, text)
			return at.In(time.FixedZone("", -4*60*60)).Format("2006-01-02T15:04:05.000-07:00")
		}))
	}), "-write")
	if code != exitOK || !strings.Contains(output, "Nothing differs") {
		t.Errorf("exit %d\n%s", code, output)
	}
}

func TestReadsOnlyUnlessAsked(t *testing.T) {
	t.Parallel()
	server := sandbox()
	examine(t, server.Handler())
	for _, request := range server.Requests() {
		if request.Method != http.MethodGet {
			t.Errorf("it sent %s %s", request.Method, request.Op)
		}
	}
}

func TestNamesEachDeviation(t *testing.T) {
	t.Parallel()
	patients := func(change func(string) (int, string)) edit {
		return edit{method: "GET", path: "/patients", change: change}
	}
	slots := func(change func(string) (int, string)) edit {
		return edit{method: "GET", path: "/schedules/[^/]+/slots", change: change}
	}
	for name, test := range map[string]struct {
		edit edit
		args string
		want []string
	}{
		"wrapped list": {
			patients(replacing(`(?s)^.*$`, `{"data":$0,"has_more":false}`)), "",
			[]string{"patients.list: GET /patients", "in an envelope data: beside has_more", "paging: has_more"},
		},
		"wrapped record": {
			edit{method: "GET", path: "/schedules/[^/]+", change: replacing(`(?s)^.*$`, `{"schedule":$0}`)}, "",
			[]string{"in an envelope schedule"},
		},
		"paging in headers": {
			edit{method: "GET", path: "/locations", header: http.Header{"Link": {`</locations?page=2>; rel="next"`}}}, "",
			[]string{"locations.list: GET /locations", "paging: headers Link"},
		},
		"object in the place of a list": {
			patients(answering(200, `{"ok":true}`)), "", []string{"not what was asked for: an object without a list in it"},
		},
		"unknown field": {
			patients(replacing(`"first_name"`, `"nickname":"Trisha","first_name"`)), "", []string{"unknown field nickname"},
		},
		"unknown nested field": {
			patients(replacing(`"city"`, `"county":"Pandit","city"`)), "", []string{"unknown field address.county"},
		},
		"many unknown fields": {
			patients(func(body string) (int, string) {
				fields := ""
				for i := range 26 * 26 {
					fields += `"` + string(rune('a'+i/26)) + string(rune('a'+i%26)) + `":1,`
				}
				return 200, strings.Replace(body, `"first_name"`, fields+`"first_name"`, 1)
			}), "",
			[]string{"unknown field aa", "other differences (576 times)"},
		},
		"map by ids": {
			patients(replacing(`"first_name"`, `"pt_sxkcbaovdbxhbgwywcbetm":1,"first_name"`)), "",
			[]string{"unknown field (unprintable)"},
		},
		"missing field": {
			patients(replacing(`"last_name":"[^"]*",`, ``)), "", []string{"missing field last_name"},
		},
		"null for a needed field": {
			patients(replacing(`"dob":"[^"]*"`, `"dob":null`)), "",
			[]string{"missing field dob", "records that the query excludes dob"},
		},
		"string durations": {
			slots(replacing(`"duration":30`, `"duration":"30"`)), "",
			[]string{"another form duration: a string in the place of a number (the SDK reads it) (3 times)"},
		},
		"other forms of time": {
			slots(replacing(`\.000Z`, ``)), "", []string{"another form start_at: not an instant"},
		},
		"foreign id": {
			edit{method: "GET", path: "/locations", change: replacing(`"loc_`, `"place_`)}, "",
			[]string{"another form id: an id that does not start with loc_"},
		},
		"value outside the enum": {
			edit{method: "GET", path: "/schedules", change: replacing(`"direct_api"`, `"Trisha"`)}, "",
			[]string{"value outside the enum scheduling_method"},
		},
		"no expansion": {
			edit{
				method: "GET", path: "/schedules/[^/]+",
				change: replacing(`"practitioner":\{[^{}]*\}`, `"practitioner":"prac_x"`),
			}, "",
			[]string{"schedules.get (expand)", "not expanded practitioner"},
		},
		"another record": {
			edit{method: "GET", path: "/practitioners/[^/]+", change: replacing(`"prac_`, `"prac_x`)}, "",
			[]string{"another record than was asked for id"},
		},
		"ignored filter": {
			edit{method: "GET", path: "/appointments", change: answering(200, `[{"id":"appt_1","schedule_id":"sch_1",`+
				`"patient_id":"pt_1","status":"scheduled","start_at":"2022-05-20T17:00:00.000Z"}]`)}, "",
			[]string{"appointments.list: GET /appointments", "records that the query excludes patient_id"},
		},
		"slots outside of the range": {
			slots(replacing(`2022-05-20`, `2023-05-20`)), "", []string{"records that the query excludes start_at (3 times)"},
		},
		"no list of appointments": {
			edit{method: "GET", path: "/appointments", change: answering(404, `{}`)}, "",
			[]string{"answered: 404 Not Found", "can't read a booking back", "GET /appointment is answered 404: isn't the call"},
		},
		"nulls": {
			patients(answering(200, `[null]`)), "", []string{"not what was asked for: null in the place of a record"},
		},
		"no index version": {
			edit{method: "GET", path: "/practitioners", index: true, change: answering(400, `{}`)}, "",
			[]string{"practitioners.list (index version)", "answered: 400 Bad Request"},
		},
		"405": {
			edit{method: "GET", path: "/appointments", change: answering(405, `{}`), header: http.Header{"Allow": {"POST"}}}, "",
			[]string{"answered: 405 Method Not Allowed, it allows POST"},
		},
		"HTML": {
			patients(answering(200, "<html>Trisha</html>")), "", []string{"not JSON: HTML"},
		},
		"HTML for an error": {
			edit{method: "GET", path: "/patients/pt_closure.*", change: answering(404, "<html></html>")}, "",
			[]string{"patients.get (unknown id)", "the error's body: HTML"},
		},
		"a record for an unknown id": {
			edit{method: "GET", path: "/patients/pt_closure.*", change: answering(200, `{"id":"pt_1"}`)}, "",
			[]string{"patients.get (unknown id)", "answered: 200 OK"},
		},
		"error of another form": {
			edit{method: "GET", path: "/insurances", change: answering(500, `{"error":"Pandit"}`)}, "",
			[]string{"answered: 500", "the error's body error: unknown_field", "the error's body error_type: missing_field"},
		},
		"cut short": {
			patients(func(body string) (int, string) { return 200, body[:len(body)/2] }), "",
			[]string{"not JSON: a body that is cut short"},
		},
		"redirect": {
			edit{
				method: "GET", path: "/specialties",
				change: answering(307, ``), header: http.Header{"Location": {"/patients"}},
			}, "",
			[]string{"redirected: 307; the SDK follows none"},
		},
		"rate limit": {
			edit{
				method: "GET", path: "/specialties",
				change: answering(429, `{"error_type":"invalid_request","error_message":""}`),
				header: http.Header{"Retry-After": {"0"}, "X-Ratelimit-Limit": {"100"}, "X-Ratelimit-Policy": {"Trisha"}},
			}, "",
			[]string{"answered: 429", "Retry-After on 1 of ", " answers, last 0",
				"X-Ratelimit-Limit on 1 of ", " answers, last 100"},
		},
		"booked otherwise": {
			edit{method: "POST", path: "/appointments", change: replacing(`"scheduled"`, `"cancelled"`)}, "-write",
			[]string{"appointments.create: POST /appointments", "not as written status"},
		},
		"moving refused": {
			edit{method: "PATCH", path: ".*", change: answering(405, `{}`)}, "-write",
			[]string{"answered: 405", "tried:   POST /appointments/{id}/reschedule", "tried:   PUT /appointments/{id}"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := sandbox()
			code, output := examine(t, test.edit.wrap(server.Handler()), strings.Fields(test.args)...)
			if code != exitDiffers || strings.Contains(output, "Nothing differs") {
				t.Errorf("exit %d", code)
			}
			for _, want := range test.want {
				if !strings.Contains(output, want) {
					t.Errorf("it does not say %q:\n%s", want, output)
				}
			}
			for _, appointment := range server.Appointments() {
				if appointment.Status != closure.AppointmentCancelled {
					t.Errorf("%s is left behind", appointment.Status)
				}
			}
			_, output = examine(t, test.edit.wrap(sandbox().Handler()), append(strings.Fields(test.args), "-json")...)
			if !json.Valid([]byte(output)) || !strings.Contains(output, `"differs": true`) {
				t.Errorf("-json prints\n%s", output)
			}
		})
	}
}

func TestReportFitsTheTerminal(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(sandbox().Handler())
	defer server.Close()
	var out, problems bytes.Buffer
	run(t.Context(), []string{"-base", server.URL, "-write"}, environment{width: 80}, &out, &problems)
	if out.Len() == 0 || problems.Len() > 0 {
		t.Errorf("%s%s", &out, &problems)
	}
	fitsEightyColumns(t, out.String())
}

func fitsEightyColumns(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if len(line) > len("\n")+80 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
}

// However slow the API is, a line of the table isn't broken, but for a reason not to ask.
func TestTableOfASlowAPIIsEightyColumnsWide(t *testing.T) {
	t.Parallel()
	_, output := examine(t, sandbox().Handler(), "-write", "-json")
	var r report
	if err := json.Unmarshal([]byte(output), &r); err != nil {
		t.Fatal(err)
	}
	for i := range r.Calls {
		r.Calls[i].Milliseconds = 30_000
	}
	var out bytes.Buffer
	if err := r.writeText(&out); err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(out.String(), "\n\n")
	for line := range strings.Lines(table) {
		if len(line) > len("\n")+80 && !strings.Contains(line, " not asked ") {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
}

func TestMovedRoutes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ from, to, args, want string }{
		"slots": {
			"GET /schedules/X/slots", "GET /appointments/X/slots", "",
			`closure.WithRoute("availabilities.list", "/appointments/{id}/slots")`,
		},
		"slots, for booking": {
			"GET /schedules/X/slots", "GET /appointments/X/slots", "-write",
			`closure.WithRoute("availabilities.list", "/appointments/{id}/slots")`,
		},
		"patients, for each call of the operation": {
			"GET /patients/X", "GET /patient/X", "", `closure.WithRoute("patients.get", "/patient/{id}")`,
		},
		"types": {
			"GET /appointment_types", "GET /appointment-types", "",
			`closure.WithRoute("appointment_types.list", "/appointment-types")`,
		},
		"moving": {
			"PATCH /appointments/X", "PUT /appointments/X", "-write",
			`closure.WithRoute("appointments.reschedule", "PUT /appointments/{id}")`,
		},
		"cancelling": {
			"POST /appointments/X/cancel", "DELETE /appointments/X", "-write",
			`closure.WithRoute("appointments.cancel", "DELETE /appointments/{id}")`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, output := examine(t, move(test.from, test.to, sandbox().Handler()), strings.Fields(test.args)...)
			told := strings.Contains(output, "write:   "+test.want) && strings.Count(output, "differs:") == 1
			if code != exitDiffers || !told {
				t.Errorf("exit %d, want %s:\n%s", code, test.want, output)
			}
			leftOut := regexp.MustCompile(`(?m)^(availabilities|appointments)\.\S+ .* not asked `)
			if test.args == "-write" && leftOut.MatchString(output) {
				t.Errorf("it does not go on with the route it found:\n%s", output)
			}
		})
	}
}

// move serves a route at another place; X stands for an id.
func move(from, to string, h http.Handler) http.Handler {
	pattern := func(call string) *regexp.Regexp {
		return regexp.MustCompile("^" + strings.Replace(call, "X", "([^/]+)", 1) + "$")
	}
	oldCall, newCall := pattern(from), pattern(to)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := r.Method + " " + r.URL.Path
		if oldCall.MatchString(call) {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if parts := newCall.FindStringSubmatch(call); parts != nil {
			target := from
			if len(parts) > 1 {
				target = strings.Replace(from, "X", parts[1], 1)
			}
			r = r.Clone(r.Context())
			r.Method, r.URL.Path, _ = strings.Cut(target, " ")
		}
		h.ServeHTTP(w, r)
	})
}

func TestSlow(t *testing.T) {
	t.Parallel()
	server := sandbox()
	server.Inject(closuretest.Delay("locations.list", 300*time.Millisecond))
	server.Inject(closuretest.Delay("insurances.list", time.Minute))
	server.Inject(closuretest.DropBefore("patients.list")) // one call without an answer does not end the walk
	code, output := examine(t, server.Handler(), "-slow", "250ms", "-timeout", "600ms")
	if code != exitDiffers || !strings.Contains(output, "locations.list: GET /locations\n  differs: slow: ") {
		t.Errorf("exit %d\n%s", code, output)
	}
	if !strings.Contains(output, "no answer that can be read: it took too long") {
		t.Errorf("the call without an answer is not told:\n%s", output)
	}
}

func TestWritesAreSentOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault closuretest.Fault
		left  bool
	}{
		{closuretest.DropAfter("appointments.create"), true},
		{closuretest.StatusAfter("appointments.create", 502), true},
		{closuretest.Status("appointments.create", 429, "Retry-After", "0"), false},
	} {
		server := sandbox()
		server.Inject(test.fault)
		code, output := examine(t, server.Handler(), "-write")
		var posts []closuretest.Request
		for _, request := range server.Requests() {
			if request.Op == "appointments.create" {
				posts = append(posts, request)
			}
		}
		told := strings.Contains(output, "an appointment in test mode may be left behind")
		if code != exitDiffers || len(posts) != 1 || told != test.left {
			t.Errorf("%s: exit %d, %d posts\n%s", test.fault, code, len(posts), output)
		}
		if !strings.Contains(string(posts[0].Body), `"duration":30`) {
			t.Errorf("the slot's duration is not sent: %s", posts[0].Body)
		}
	}
}

// What is said of the appointment is no more than what is known.
func TestCancelThatFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault closuretest.Fault
		want  string
	}{
		{closuretest.DropAfter("appointments.cancel"), "an appointment in test mode may be left behind"},
		{closuretest.StatusAfter("appointments.cancel", 502), "an appointment in test mode may be left behind"},
		{closuretest.Status("appointments.cancel", 403), "an appointment in test mode is left behind"},
	} {
		server := sandbox()
		server.Inject(test.fault)
		if code, output := examine(t, server.Handler(), "-write"); code != exitDiffers || !strings.Contains(output, test.want) {
			t.Errorf("%s: exit %d, want %q\n%s", test.fault, code, test.want, output)
		}
	}
}

// If all answers are the same refusal, one line says what to check.
func TestAdvice(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		401: "closure-doctor: the API refused every call: check CLOSURE_API_KEY, and run it again\n",
		404: "closure-doctor: the host knows none of the calls: check the host and the path of -base or CLOSURE_BASE_URL, and run it again\n",
		500: "",
	} {
		server := sandbox()
		server.Inject(closuretest.Status(closuretest.AnyOperation, status).Times(0))
		address := httptest.NewServer(server.Handler())
		var out, problems bytes.Buffer
		code := run(t.Context(), []string{"-base", address.URL}, environment{}, &out, &problems)
		address.Close()
		if code != exitDiffers || problems.String() != want {
			t.Errorf("%d: exit %d, %q, want %q", status, code, problems.String(), want)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestReportThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(sandbox().Handler())
	defer server.Close()
	for _, args := range [][]string{{}, {"-json"}} {
		var problems bytes.Buffer
		code := run(t.Context(), append([]string{"-base", server.URL}, args...), environment{}, full{}, &problems)
		if want := "closure-doctor: the report can't be written: the disk is full\n"; code != exitDiffers || problems.String() != want {
			t.Errorf("%v: exit %d, %q, want %q", args, code, problems.String(), want)
		}
	}
}

func TestReasonsWhyThereIsNoAnswer(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(sandbox().Handler())
	defer plain.Close()
	secure := httptest.NewUnstartedServer(sandbox().Handler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	throughProxy := newHTTPClient(time.Minute)
	throughProxy.Transport.(*http.Transport).Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(gone.URL) }
	for _, test := range []struct {
		base   string
		client *http.Client
		want   string
	}{
		{strings.Replace(plain.URL, "http:", "https:", 1), newHTTPClient(time.Minute), "the host answers http, not https"},
		{secure.URL, newHTTPClient(time.Minute), "the host's certificate is not trusted"},
		{gone.URL, newHTTPClient(time.Minute), "the connection was refused"},
		{secure.URL, throughProxy, "the proxy could not be reached"},
	} {
		d := doctor{base: test.base, key: closure.QuickstartKey, client: test.client}
		if r := d.ask(t.Context(), question{route: route{Method: "GET", Template: "/patients"}}); r.failure != test.want {
			t.Errorf("%q, want %q", r.failure, test.want)
		}
	}
}

// An interrupt does not leave an appointment behind.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	sandbox := sandbox()
	ctx, interrupt := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/appointments/") && r.Method == http.MethodGet {
			interrupt()
		}
		sandbox.Handler().ServeHTTP(w, r)
	}))
	defer server.Close()
	var out, problems bytes.Buffer
	run(ctx, []string{"-base", server.URL, "-write"}, environment{}, &out, &problems)
	booked := sandbox.Appointments()
	if ctx.Err() == nil || len(booked) != 1 || booked[0].Status != closure.AppointmentCancelled {
		t.Errorf("%d appointments\n%s", len(booked), out.String())
	}
}

// A read that is told to wait waits, and asks once more.
func TestWaits(t *testing.T) {
	t.Parallel()
	server := sandbox()
	server.Inject(closuretest.Status("specialties.list", 429, "Retry-After", "0"))
	code, output := examine(t, server.Handler())
	if code != exitOK || !strings.Contains(output, "it was answered 429 first") {
		t.Errorf("exit %d\n%s", code, output)
	}
}

// A slot that somebody else takes first is no difference.
func TestTakenSlot(t *testing.T) {
	t.Parallel()
	server := sandbox()
	server.Inject(closuretest.Status("appointments.create", 409))
	if code, output := examine(t, server.Handler(), "-write"); code != exitOK || len(server.Appointments()) != 1 {
		t.Errorf("exit %d\n%s", code, output)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	_, output := examine(t, move("GET /schedules/X/slots", "GET /appointments/X/slots", sandbox().Handler()), "-json")
	var got report
	if err := json.Unmarshal([]byte(output), &got); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(got.Calls, func(r result) bool { return r.Call == "availabilities.list" })
	slots := got.Calls[i]
	if !got.Differs || got.Key != "public" || slots.Status != 404 || slots.Records != 3 || len(slots.Differences) != 1 ||
		len(slots.Tried) != 1 || !slots.Tried[0].Fits || !strings.Contains(slots.Option, "/appointments/{id}/slots") {
		t.Errorf("%+v", slots)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	var out, problems bytes.Buffer
	code := run(t.Context(), []string{"-base", "http://" + listener.Addr().String()}, environment{}, &out, &problems)
	private(t, out.String())
	for _, want := range []string{"the connection was refused", "the API gave no answer to the first two calls"} {
		if code != exitDiffers || !strings.Contains(out.String(), want) {
			t.Errorf("exit %d, want %q:\n%s", code, want, out.String())
		}
	}
	if want := "closure-doctor: the API gave no answer: check -base or CLOSURE_BASE_URL, the network and the proxy, and run it again\n"; problems.String() != want {
		t.Errorf("%q, want %q", problems.String(), want)
	}
}

// An interrupt is not the API's silence.
func TestInterruptedAtOnce(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		interrupt()
		<-r.Context().Done()
	}))
	defer server.Close()
	var out, problems bytes.Buffer
	code := run(ctx, []string{"-base", server.URL}, environment{}, &out, &problems)
	want := "closure-doctor: interrupted: what it had not asked by then is missing\n"
	if code != exitDiffers || strings.Contains(out.String(), "gave no answer") || strings.Contains(out.String(), "differs:") ||
		problems.String() != want {
		t.Errorf("exit %d, %q\n%s", code, problems.String(), out.String())
	}
}

// The same hosts are loopback hosts as for the client, which compares names without case.
func TestLoopbackHosts(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "127.0.0.2": true, "::1": true, "example.com": false, "10.0.0.1": false,
	} {
		address := "http://" + net.JoinHostPort(host, "8080")
		_, err := closure.NewClient("ch_sk_test_hush", closure.WithBaseURL(address))
		if loopback(host) != want || (err == nil) != want {
			t.Errorf("%s: %t, the client says %v", host, loopback(host), err)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer server.Close()
	for _, test := range []struct {
		args string
		env  environment
		want string
	}{
		{"-nope", environment{}, "flag provided but not defined: -nope"},
		{"-timeout 5", environment{}, `invalid value "5" for flag -timeout: want a duration such as 500ms, 5s or 15m`},
		{"ch_sk_live_hush", environment{}, "no arguments"},
		{"-slow 0s", environment{}, "must be longer than zero"},
		{"-base " + server.URL, environment{key: "ch_sk_live_hush"}, "not a test key"},
		{"-base " + server.URL, environment{key: "hush"}, "not a test key"},
		{"-base " + server.URL, environment{key: "ch_sk_test_"}, "only the beginning of a key"},
		{"-base " + server.URL, environment{key: "ch_sk_test_hush:"}, "a character that no key has"},
		{"-base ftp://example.com", environment{}, "neither https nor http"},
		{"-base https://hush@example.com", environment{}, "not a URL of scheme, host and path"},
		{"", environment{base: "ftp://hush.example"}, "CLOSURE_BASE_URL is neither https nor http"},
		{"", environment{base: "https://hush@example.com/"}, "CLOSURE_BASE_URL is not a URL"},
		{"", environment{base: "http://example.com", key: "ch_sk_test_hush"}, "CLOSURE_BASE_URL is http on a host"},
		{"-base ftp://example.com", environment{base: server.URL}, "-base is neither"},
		{"-base http://example.com", environment{key: "ch_sk_test_hush"}, "http on a host that is not a loopback host"},
	} {
		var out, problems bytes.Buffer
		code := run(t.Context(), strings.Fields(test.args), test.env, &out, &problems)
		text := problems.String()
		if code != exitUsage || out.Len() > 0 || !strings.Contains(text, test.want) || strings.Contains(text, "hush") {
			t.Errorf("%s: exit %d, %q, want %q", test.args, code, text, test.want)
		}
	}
	var out, problems bytes.Buffer
	code := run(t.Context(), []string{"-h"}, environment{key: "ch_sk_live_hush"}, &out, &problems)
	if code != exitOK || !strings.Contains(out.String(), "-write") ||
		!strings.Contains(out.String(), "CLOSURE_BASE_URL") || !strings.Contains(out.String(), "CLOSURE_ROUTES") {
		t.Errorf("-h: exit %d, %q", code, out.String())
	}
	fitsEightyColumns(t, out.String())
	if n := requests.Load(); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// The environment's base URL is the default of -base.
func TestBase(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, env, want string }{
		{"", "", closure.DefaultBaseURL},
		{"-write", "http://127.0.0.1:1/", "http://127.0.0.1:1"},
		{"-base http://127.0.0.1:2", "http://127.0.0.1:1", "http://127.0.0.1:2"},
		{"-base http://127.0.0.1:2", "nonsense", "http://127.0.0.1:2"},
	} {
		s, err := parseSettings(strings.Fields(test.args), environment{base: test.env})
		if err != nil || s.base != test.want {
			t.Errorf("%q with CLOSURE_BASE_URL=%s: %s, %v, want %s", test.args, test.env, s.base, err, test.want)
		}
	}
}
