package main

import (
	"bytes"
	"context"
	jsonv1 "encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/closurehealth/closure-go"
)

const (
	listLength     = 100
	longListLength = 10_000

	key   = closure.QuickstartKey
	basic = "Basic Y2hfc2tfdGVzdF9xdWlja3N0YXJ0Og=="
)

// A client makes the calls that are measured.
type client struct {
	name      string
	get       func(context.Context) error
	list      func(ctx context.Context, name string) error
	create    func(context.Context) error
	schedule  func(context.Context) error
	schedules func(context.Context) error
	book      func(context.Context) error
}

// op returns one of the calls by its name.
func (c *client) op(name string) func(context.Context) error {
	switch name {
	case "get":
		return c.get
	case "list of 100":
		return func(ctx context.Context) error { return c.list(ctx, strconv.Itoa(listLength)) }
	case "create":
		return c.create
	case "book":
		return c.book
	case "get a schedule, expanded":
		return c.schedule
	case "list of 100 schedules, expanded":
		return c.schedules
	default:
		panic(name)
	}
}

// newClients returns the SDK, and the clients with which it is compared.
func newClients(baseURL string) (sdk, v1, v2 *client, err error) {
	sdk, err = newSDK(baseURL)
	return sdk, newBareV1(baseURL), newBareV2(baseURL), err
}

var born = closure.NewDate(1984, time.March, 12)

// newSDK is the SDK as a user gets it.
func newSDK(baseURL string) (*client, error) {
	c, err := closure.NewClient(key, closure.WithBaseURL(baseURL))
	if err != nil {
		return nil, err
	}
	return &client{
		name: "closure-go",
		get: func(ctx context.Context) error {
			p, err := c.Patients.Get(ctx, patientID)
			return check(err, func() bool { return p.Email != "" })
		},
		list: func(ctx context.Context, name string) error {
			found, err := c.Patients.List(ctx, closure.PatientListParams{Name: name, DOB: born})
			return check(err, func() bool { return len(found) >= listLength })
		},
		create: func(ctx context.Context) error {
			p, err := c.Patients.Create(ctx, annelise())
			return check(err, func() bool { return p.Email != "" })
		},
		schedule: func(ctx context.Context) error {
			s, err := c.Schedules.Get(ctx, scheduleID, expand)
			return check(err, func() bool { return expanded(s) })
		},
		schedules: func(ctx context.Context) error {
			found, err := c.Schedules.List(ctx, closure.ScheduleListParams{}, expand)
			return check(err, func() bool { return len(found) == listLength && expanded(&found[listLength-1]) })
		},
	}, nil
}

var expand = closure.Expand(closure.ExpandPractitioner, closure.ExpandLocation, closure.ExpandInsurances, closure.ExpandAppointmentType)

func expanded(s *closure.Schedule) bool {
	return s.Practitioner.Object.NPI != "" && s.Insurances[len(s.Insurances)-1].Object.DisplayName != ""
}

// annelise is the patient to create.
func annelise() closure.PatientCreateParams {
	return closure.PatientCreateParams{
		FirstName: "Annelise", LastName: "Brandt", DOB: born,
		Email: "annelise.brandt@example.com", MobilePhoneNumber: "+14155550123", Timezone: "America/Los_Angeles",
		Address:   closure.Address{StreetLine1: "1200 Market Street", City: "San Francisco", State: "CA", PostalCode: "94102"},
		Insurance: closure.PatientInsurance{ID: "ins_7Q2M8N4P", MemberID: "W123456789"},
	}
}

var errWrong = errors.New("the answer was not read right")

func check(err error, right func() bool) error {
	if err == nil && !right() {
		return errWrong
	}
	return err
}

func newBareV1(baseURL string) *client {
	return newBare(bare{
		name:      "net/http + encoding/json",
		baseURL:   baseURL,
		http:      pooled(),
		marshal:   jsonv1.Marshal,
		unmarshal: jsonv1.Unmarshal,
	}, func() any {
		return patient{
			FirstName: "Annelise", LastName: "Brandt", DOB: "1984-03-12",
			Email: "annelise.brandt@example.com", MobilePhoneNumber: "+14155550123", Timezone: "America/Los_Angeles",
			Address:   address{StreetLine1: "1200 Market Street", City: "San Francisco", State: "CA", PostalCode: "94102"},
			Insurance: insurance{ID: "ins_7Q2M8N4P", MemberID: "W123456789"},
		}
	}, func(p *patient) bool { return p.Email != "" }, (*schedule).expanded)
}

// newBareV2 reads into the SDK's own types: what the SDK costs beyond it is the SDK's own cost.
func newBareV2(baseURL string) *client {
	return newBare(bare{
		name:      "net/http + json v2, the SDK's types",
		baseURL:   baseURL,
		http:      pooled(),
		marshal:   func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
		unmarshal: func(data []byte, v any) error { return jsonv2.Unmarshal(data, v) },
	}, func() any { return annelise() }, func(p *closure.Patient) bool { return p.Email != "" }, expanded)
}

// newBare makes the calls by hand, into the types of its last two arguments. These report
// whether a patient or a schedule was read correctly.
func newBare[P, S any](b bare, create func() any, right func(*P) bool, expanded func(*S) bool) *client {
	return &client{
		name: b.name,
		get: func(ctx context.Context) error {
			var p P
			err := b.call(ctx, http.MethodGet, "/patients/"+patientID, nil, &p)
			return check(err, func() bool { return right(&p) })
		},
		list: func(ctx context.Context, name string) error {
			var found []P
			err := b.call(ctx, http.MethodGet, listPath(name), nil, &found)
			return check(err, func() bool { return len(found) >= listLength })
		},
		create: func(ctx context.Context) error {
			var p P
			err := b.call(ctx, http.MethodPost, "/patients", create(), &p)
			return check(err, func() bool { return right(&p) })
		},
		schedule: func(ctx context.Context) error {
			var s S
			err := b.call(ctx, http.MethodGet, schedulePath, nil, &s)
			return check(err, func() bool { return expanded(&s) })
		},
		schedules: func(ctx context.Context) error {
			var found []S
			err := b.call(ctx, http.MethodGet, schedulesPath, nil, &found)
			return check(err, func() bool { return len(found) == listLength && expanded(&found[listLength-1]) })
		},
	}
}

const (
	expandAll     = "?expand=practitioner%2Clocation%2Cinsurances%2Cappointment_type"
	schedulePath  = "/schedules/" + scheduleID + expandAll
	schedulesPath = "/schedules" + expandAll
)

func listPath(name string) string {
	return "/patients?" + url.Values{"name": {name}, "dob": {"1984-03-12"}}.Encode()
}

// pooled keeps more idle connections than http.Get, which keeps 2 for each host and would lose
// every parallel comparison because of that.
func pooled() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 100
	return &http.Client{Transport: t}
}

// bare is a call as you would write it by hand: no retries, no cap on the answer, no error
// type, and a timeout only if asked for.
type bare struct {
	name      string
	baseURL   string
	http      *http.Client
	marshal   func(any) ([]byte, error)
	unmarshal func([]byte, any) error
	timeout   time.Duration // 0: none
}

func (b *bare) call(ctx context.Context, method, path string, in, out any) error {
	if b.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.timeout)
		defer cancel()
	}
	var body io.Reader
	if in != nil {
		data, err := b.marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, b.baseURL+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", basic)
	req.Header.Set("Closure-API-Version", closure.DefaultAPIVersion)
	req.Header.Set("User-Agent", "closure-go/"+closure.Version)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return b.unmarshal(data, out)
}
