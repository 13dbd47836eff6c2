package closure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

func TestCallSends(t *testing.T) {
	t.Parallel()
	s := serveAlways(t, 200, `{"id":"x"}`)
	var event closure.Event
	client := s.client(t, closure.WithObserver(func(_ context.Context, e closure.Event) { event = e }))
	var got map[string]string
	err := client.Call(t.Context(), closure.CallRequest{
		Method: http.MethodPut,
		Route:  "/v2/schedules/{schedule_id}/things/{thing}",
		Params: map[string]string{"schedule_id": "sch_1", "thing": "a b/c"},
		Query:  url.Values{"name": {"a+b c"}},
		Body:   map[string]int{"n": 1},
	}, &got, closure.WithIndexVersion("idx_mine"))
	noError(t, err)
	sent := s.seen[0]
	if sent.method != "PUT" || sent.url != "/v2/schedules/sch_1/things/a%20b%2Fc?name=a%2Bb%20c" ||
		sent.body != `{"n":1}` ||
		sent.header.Get("Closure-Index-Version") != "idx_mine" || sent.header.Get("Authorization") == "" {
		t.Errorf("sent %+v", sent)
	}
	if got["id"] != "x" {
		t.Errorf("read %v", got)
	}
	if event.Op != "call" || event.Route != "/v2/schedules/{schedule_id}/things/{thing}" || event.Method != "PUT" {
		t.Errorf("event %+v", event)
	}
}

// A read is tried again, a write is not; outcomes are those of every other call.
func TestCallFails(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]struct {
		requests int
		outcome  closure.Outcome
	}{
		"GET": {3, closure.OutcomeNotSent}, "POST": {1, closure.OutcomeUnknown}, "DELETE": {1, closure.OutcomeUnknown},
	} {
		s := serveAlways(t, 503, "")
		err := s.client(t, closure.WithRetryPolicy(closure.RetryPolicy{MinWait: 1, MaxWait: 1})).Call(t.Context(),
			closure.CallRequest{Method: method, Route: "/patients/{id}", Params: map[string]string{"id": "pt_SECRET"}}, nil)
		if len(s.seen) != want.requests || closure.OutcomeOf(err) != want.outcome || !errors.Is(err, closure.ErrServer) {
			t.Errorf("%s: %d requests, %v", method, len(s.seen), err)
		}
		if text := fmt.Sprintf("%+v", err); strings.Contains(text, "SECRET") || !strings.Contains(text, "/patients/{id}") {
			t.Errorf("the error says %s", text)
		}
	}
}

// A success that can't be read is malformed, and of a write unknown.
func TestCallReads(t *testing.T) {
	t.Parallel()
	post := closure.CallRequest{Method: "POST", Route: "/specialties"}
	var record struct{ ID string }
	for body, ok := range map[string]bool{`{"ID":"sp_1"}`: true, "": false, "<html>": false, `{"ID":{}}`: false} {
		err := serveAlways(t, 200, body).client(t).Call(t.Context(), post, &record)
		if (err == nil) != ok ||
			!ok && (!errors.Is(err, closure.ErrMalformedResponse) || closure.OutcomeOf(err) != closure.OutcomeUnknown) {
			t.Errorf("%q: %v", body, err)
		}
	}
	noError(t, serveAlways(t, 204, "").client(t).Call(t.Context(), post, nil))
	var raw json.RawMessage
	noError(t, serveAlways(t, 200, `[1, 2]`).client(t).Call(t.Context(), post, &raw))
	equal(t, "raw", string(raw), "[1, 2]")
}

// A body is written by json v2's rules, which differ from encoding/json's.
func TestCallWrites(t *testing.T) {
	t.Parallel()
	type body struct {
		Count int      `json:"count,omitempty"`
		Zero  int      `json:"zero,omitzero"`
		Tags  []string `json:"tags"`
	}
	for want, value := range map[string]any{
		`{"count":0,"tags":[]}`: body{},
		`{"a":[1,2]}`:           json.RawMessage(`{"a":[1,2]}`),
	} {
		s := serveAlways(t, 200, "{}")
		noError(t, s.client(t).Call(t.Context(), closure.CallRequest{Method: "POST", Route: "/x", Body: value}, nil))
		equal(t, "body", s.seen[0].body, want)
	}
	err := serveAlways(t, 200, "{}").client(t).Call(t.Context(),
		closure.CallRequest{Method: "POST", Route: "/x", Body: struct{ Wait time.Duration }{time.Second}}, nil)
	refused(t, "a duration", err, "call", "params")
}

// Bad input names the field and nothing of the value, and nothing is sent.
func TestCallRefuses(t *testing.T) {
	t.Parallel()
	id := func(value string) map[string]string { return map[string]string{"id": value} }
	for field, requests := range map[string][]closure.CallRequest{
		"Method": {{Route: "/x"}, {Method: "get", Route: "/x"}, {Method: "CONNECT", Route: "/x"}},
		"Route": {
			{Method: "GET"}, {Method: "GET", Route: "x"}, {Method: "GET", Route: "//evil.test/x"},
			{Method: "GET", Route: "https://evil.test/x"}, {Method: "GET", Route: "/x?name=SECRET"},
			{Method: "GET", Route: "/x#SECRET"}, {Method: "GET", Route: "/../x"}, {Method: "GET", Route: "/x/"},
			{Method: "GET", Route: "/patients/pt_SECRET1"}, {Method: "GET", Route: "/patients/pt_secret"},
			{Method: "GET", Route: "/x/%2e%2e"}, {Method: "GET", Route: "/x y"}, {Method: "GET", Route: "/{id", Params: id("a")},
			{Method: "GET", Route: "/{}", Params: map[string]string{"": "a"}},
			{Method: "GET", Route: "/{id}/{id}", Params: id("a")},
		},
		"Params": {
			{Method: "GET", Route: "/x/{id}"}, {Method: "GET", Route: "/x", Params: id("SECRET")},
		},
		"Params[other]": {{Method: "GET", Route: "/x/{other}", Params: id("SECRET")}},
		"Params[id]": {
			{Method: "GET", Route: "/x/{id}", Params: id("")},
			{Method: "GET", Route: "/x/{id}", Params: id(".")}, {Method: "GET", Route: "/x/{id}", Params: id("..")},
			{Method: "GET", Route: "/x/{id}", Params: id("SECRET\n")},
			{Method: "GET", Route: "/x/{id}", Params: id(strings.Repeat("x", 256))},
		},
		"Body":   {{Method: "GET", Route: "/x", Body: 1}},
		"params": {{Method: "POST", Route: "/x", Body: "SECRET\xff"}, {Method: "POST", Route: "/x", Body: func() {}}},
	} {
		for _, request := range requests {
			s := serveAlways(t, 200, "{}")
			err := s.client(t).Call(t.Context(), request, nil)
			var input *closure.InputError
			if !errors.As(err, &input) || input.Field != field || len(s.seen) > 0 || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%s %s: %v after %d requests, want the field %s refused", request.Method, request.Route, err, len(s.seen),
					field)
			}
		}
	}
}

func TestWithRoute(t *testing.T) {
	t.Parallel()
	s := serveAlways(t, 200, "[]")
	client := s.client(t, closure.WithRoute("availabilities.list", "/appointments/{schedule}/slots"))
	_, err := client.Availabilities.List(t.Context(), "sch_1", closure.AvailabilityListParams{})
	noError(t, err)
	equal(t, "sent to", s.seen[0].url, "/appointments/sch_1/slots")

	s = serveAlways(t, 500, "")
	client = s.client(t, closure.WithMaxAttempts(1), closure.WithRoute("appointments.cancel", "DELETE /appointments/{id}"))
	_, err = client.Appointments.Cancel(t.Context(), "appt_1")
	var e *closure.APIError
	if !errors.As(err, &e) || e.Route != "/appointments/{id}" || e.Method != "DELETE" || s.seen[0].method != "DELETE" ||
		s.seen[0].url != "/appointments/appt_1" {
		t.Errorf("%v, sent %+v", err, s.seen[0])
	}
	if closure.OutcomeOf(err) != closure.OutcomeUnknown {
		t.Errorf("outcome %v", closure.OutcomeOf(err))
	}
}

func TestWithRouteRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range [][2]string{
		{"slots.list", "/slots"}, {"", "/x"}, {"availabilities.list", ""}, {"availabilities.list", "/slots"},
		{"availabilities.list", "/a/{id}/{other}"}, {"availabilities.list", "/a/{id}?x=1"},
		{"availabilities.list", "https://evil.test/{id}"}, {"availabilities.list", "//evil.test/{id}"},
		{"availabilities.list", "/a/../{id}"}, {"availabilities.list", "POST /a/{id}"},
		{"availabilities.list", "HEAD /a/{id}"}, {"availabilities.list", " /a/{id}"},
		{"appointments.cancel", "GET /appointments/{id}"}, {"patients.list", "/patients/{id}"},
		{"patients.get", "/patients/sch_S3CRET/{id}"},
	} {
		_, err := closure.NewClient(closure.QuickstartKey, closure.WithRoute(tt[0], tt[1]))
		var input *closure.InputError
		if !errors.As(err, &input) || input.Op != "WithRoute" || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%q: %v", tt, err)
		}
	}
}

func TestRoutesFromEnv(t *testing.T) {
	t.Setenv("CLOSURE_API_KEY", closure.QuickstartKey)
	for routes, want := range map[string]string{
		"availabilities.list=/appointments/{id}/slots":                                                "",
		"availabilities.list=/appointments/{id}/slots, appointments.cancel=DELETE /appointments/{id}": "",
		"availabilities.list":             "is not operation=route (entry 1)",
		"x=/y":                            "names an unknown operation (entry 1)",
		"locations.get=/place/{id}, x=/y": "names an unknown operation (entry 2)",
		"locations.get=/place/{id},":      "is not operation=route (entry 2)",
		"locations.get=/place/{id},locations.list=here": "is not a path of lower-case words and {parameters} (entry 2)",
	} {
		t.Setenv("CLOSURE_ROUTES", routes)
		_, err := closure.NewClientFromEnv()
		if refused, _ := errors.AsType[*closure.InputError](err); want == "" && err != nil ||
			want != "" && (refused == nil || refused.Reason != want) {
			t.Errorf("%q: %v, want %q", routes, err, want)
		}
	}
}

// The whole table, with its routes replaced, still reaches every method: nothing goes by
// the old route.
func TestWithRouteReachesEveryCall(t *testing.T) {
	t.Parallel()
	var opts []closure.Option
	for _, op := range closure.Operations() {
		opts = append(opts, closure.WithRoute(op.Name, op.Method+" /elsewhere"+op.Route))
	}
	for _, call := range allCalls() {
		s := serveAlways(t, 418, "")
		_, err := call.call(t.Context(), s.client(t, opts...), guide)
		if len(s.seen) != 1 || !strings.HasPrefix(s.seen[0].url, "/elsewhere/") ||
			!strings.Contains(err.Error(), " /elsewhere") {
			t.Errorf("%s: %v, sent to %v", call.op, err, s.seen)
		}
	}
}

// A client that nobody made says so.
func TestNilAndZeroClients(t *testing.T) {
	t.Parallel()
	var none *closure.Client
	for name, client := range map[string]*closure.Client{"nil": none, "zero": {}} {
		equal(t, name, client.Mode(), closure.Mode(""))
		_, book := client.BookSlot(t.Context(), closure.BookSlotParams{
			ScheduleID: "sch_1", PatientID: "pt_1", StartAt: time.Unix(0, 0),
		})
		_, first := client.BookFirstAvailable(t.Context(), closure.BookFirstParams{})
		_, resolve := client.ResolveBooking(t.Context(), closure.BookingAttempt{})
		_, move := client.RescheduleBooking(t.Context(), "appt_1", closure.AppointmentRescheduleParams{
			StartAt: time.Unix(0, 0),
		})
		_, cancel := client.CancelBooking(t.Context(), "appt_1")
		call := client.Call(t.Context(), closure.CallRequest{Method: "GET", Route: "/x"}, nil)
		for i, err := range []error{book, first, resolve, move, cancel, call} {
			if !saysNoClient(err) {
				t.Errorf("%s client, helper %d: %v", name, i, err)
			}
		}
	}
	for _, call := range allCalls() {
		if _, err := call.call(t.Context(), new(closure.Client), guide); !saysNoClient(err) {
			t.Errorf("%s of a zero client: %v", call.op, err)
		}
	}
	for _, err := range new(closure.AvailabilitiesService).Search(t.Context(), closure.SlotSearch{}) {
		if !saysNoClient(err) {
			t.Errorf("Search of a zero service: %v", err)
		}
	}
}

func saysNoClient(err error) bool {
	var input *closure.InputError
	return errors.As(err, &input) && input.Field == "Client"
}

func TestWithPlainHTTP(t *testing.T) {
	t.Parallel()
	const there = "http://sandbox:8080"
	for _, tt := range []struct {
		key  string
		opts []closure.Option
		ok   bool
	}{
		{"ch_sk_test_x", []closure.Option{closure.WithBaseURL(there)}, false},
		{"ch_sk_test_x", []closure.Option{closure.WithBaseURL(there), closure.WithPlainHTTP()}, true},
		{"ch_sk_test_x", []closure.Option{closure.WithPlainHTTP(), closure.WithBaseURL(there)}, true},
		{"ch_sk_" + "live_x", []closure.Option{closure.WithBaseURL(there), closure.WithPlainHTTP()}, false},
		{"ch_sk_" + "live_x", []closure.Option{closure.WithPlainHTTP()}, false},
		{"ch_sk_test_x", []closure.Option{closure.WithBaseURL("http://127.0.0.1:1")}, true},
	} {
		_, err := closure.NewClient(tt.key, tt.opts...)
		if (err == nil) != tt.ok || !tt.ok && !errors.Is(err, closure.ErrInvalidInput) {
			t.Errorf("%s, %d options: %v", tt.key, len(tt.opts), err)
		}
	}
}

// A search that takes too many requests is refused, unless MaxRequests allows them.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	search := closure.SlotSearch{
		Schedules: []closure.ScheduleID{"sch_1"},
		From:      time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		To:        time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	s := serveAlways(t, 200, "[]")
	client := s.client(t)
	_, err := client.Availabilities.First(t.Context(), search)
	var input *closure.InputError
	if !errors.As(err, &input) || input.Field != "To" || len(s.seen) > 0 {
		t.Errorf("%v after %d requests, want To refused", err, len(s.seen))
	}
	search.MaxRequests = 11_000
	_, err = client.Availabilities.First(t.Context(), search)
	if !errors.Is(err, closure.ErrNoSlot) || len(s.seen) < 10_000 {
		t.Errorf("%v after %d requests, want all of them", err, len(s.seen))
	}
}

// A search that leaves out every schedule says why. It doesn't read the schedules in Known.
func TestSearchSaysWhySchedulesWereLeftOut(t *testing.T) {
	t.Parallel()
	takes := func(id closure.ScheduleID, insurance closure.InsuranceID) closure.Schedule {
		return closure.Schedule{
			ID:         id,
			Insurances: []closure.Ref[closure.InsuranceID, closure.Insurance]{{ID: insurance}},
		}
	}
	s := serveAlways(t, 200, `[{"start_at":"2022-05-20T17:00:00Z","duration":30}]`)
	client := s.client(t)
	search := closure.SlotSearch{
		Schedules:   []closure.ScheduleID{"sch_1", "sch_2"},
		Known:       []closure.Schedule{takes("sch_1", "ins_1"), takes("sch_2", "ins_2")},
		From:        time.Date(2022, 5, 20, 0, 0, 0, 0, time.UTC),
		To:          time.Date(2022, 5, 21, 0, 0, 0, 0, time.UTC),
		InsuranceID: "ins_3",
	}
	_, err := client.Availabilities.First(t.Context(), search)
	if !errors.Is(err, closure.ErrNoSlot) || !errors.Is(err, closure.ErrInsuranceNotAccepted) || len(s.seen) > 0 {
		t.Errorf("%v after %d requests", err, len(s.seen))
	}
	n := 0
	for _, err := range client.Availabilities.Search(t.Context(), search) {
		if n++; !errors.Is(err, closure.ErrInsuranceNotAccepted) {
			t.Errorf("yielded %v", err)
		}
	}
	equal(t, "yielded", n, 1)
	search.InsuranceID = "ins_2"
	slot, err := client.Availabilities.First(t.Context(), search)
	if err != nil || slot.ScheduleID != "sch_2" || len(s.seen) != 1 {
		t.Errorf("%v, %v after %d requests, want the slots of sch_2 and nothing else read", slot, err, len(s.seen))
	}
}

// What can't be parsed is invalid input, and its error doesn't repeat it.
func TestParsersDoNotQuoteTheText(t *testing.T) {
	t.Parallel()
	_, date := closure.ParseDate("22.12.1994")
	minutes, clock := new(closure.Minutes), new(closure.ClockTime)
	for name, err := range map[string]error{
		"ParseDate":               date,
		"Date.UnmarshalText":      new(closure.Date).UnmarshalText([]byte("1994-13-22")),
		"Minutes.UnmarshalJSON":   minutes.UnmarshalJSON([]byte("-1994")),
		"ClockTime.UnmarshalText": clock.UnmarshalText([]byte("19:94")),
	} {
		var input *closure.InputError
		if !errors.As(err, &input) || !errors.Is(err, closure.ErrInvalidInput) || strings.Contains(err.Error(), "94") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What can't be read into is refused before anything is sent.
func TestCallRefusesInto(t *testing.T) {
	t.Parallel()
	for _, into := range []any{7, "x", struct{}{}, map[string]any(nil), (*map[string]any)(nil)} {
		s := serveAlways(t, 200, "{}")
		err := s.client(t).Call(t.Context(), closure.CallRequest{Method: "POST", Route: "/x"}, into)
		var input *closure.InputError
		if !errors.As(err, &input) || input.Field != "into" || len(s.seen) > 0 {
			t.Errorf("%T: %v after %d requests", into, err, len(s.seen))
		}
	}
	var none *closure.Client
	if err := none.Call(t.Context(), closure.CallRequest{Method: "GET", Route: "/x"}, nil); err == nil ||
		!strings.Contains(err.Error(), "call: Client") {
		t.Errorf("a nil client says %v", err)
	}
}
