package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// Data of the vendor's guide, which is in test mode.
const (
	guideNPI  = "4321098765"
	guideName = "Trisha Pandit"
	guideDOB  = "1994-12-22"
)

// unknownPatient is an id that belongs to no patient.
const unknownPatient = "pt_closuredoctorasksfornobody"

// wireTime is the API's form of an instant.
const wireTime = "2006-01-02T15:04:05.000Z"

// A doctor makes the calls, one after the other.
type doctor struct {
	base   string
	key    string
	slow   time.Duration
	client *http.Client

	shapes  map[string]*shape // by resource
	ids     map[string]string // by resource
	moved   map[string]route  // by operation: the route at which it was found
	slots   []json.RawMessage
	results []result
	stopped string // why no more calls are made
}

func newDoctor(s settings) (*doctor, error) {
	d := &doctor{
		base: s.base, key: s.key, slow: s.slow, client: newHTTPClient(s.timeout),
		shapes: map[string]*shape{},
		moved:  map[string]route{},
		ids: map[string]string{
			"patients":      string(closuretest.GuidePatientID),
			"practitioners": string(closuretest.GuidePractitionerID),
			"schedules":     string(closuretest.GuideScheduleID),
			"insurances":    string(closuretest.GuideInsuranceID),
		},
	}
	for resource, record := range recordOf {
		s, err := shapeOf(record)
		if err != nil {
			return nil, err
		}
		d.shapes[resource] = s
	}
	return d, nil
}

// walk makes all calls. It makes those that change something only if write is set.
func (d *doctor) walk(ctx context.Context, write bool) {
	d.list(ctx, findOperation("patients.list"), url.Values{"name": {guideName}, "dob": {guideDOB}},
		map[string]string{"dob": guideDOB})
	d.get(ctx, findOperation("patients.get"))
	if d.results[0].Status == 0 && d.results[1].Status == 0 && ctx.Err() == nil {
		d.stopped = "the API gave no answer to the first two calls"
	}
	d.run(ctx, check{op: findOperation("patients.get"), variant: "unknown id", id: unknownPatient, unknown: true})
	byNPI, npi := url.Values{"npis": {guideNPI}}, map[string]string{"npi": guideNPI}
	d.list(ctx, findOperation("practitioners.list"), byNPI, npi)
	d.run(ctx, check{
		op: findOperation("practitioners.list"), variant: "index version", index: string(closure.IndexStandard),
		query: byNPI, want: npi, wantKind: filterIgnored,
	})
	d.get(ctx, findOperation("practitioners.get"))
	d.schedules(ctx)
	d.availabilities(ctx)
	d.appointments(ctx, "")
	if write {
		d.book(ctx)
	} else {
		d.get(ctx, findOperation("appointments.get"))
		for _, name := range []string{"appointments.create", "appointments.reschedule", "appointments.cancel"} {
			d.leaveOut(findOperation(name), "it changes something: -write makes this call")
		}
	}
	d.rest(ctx)
}

// advice says what to do if the report isn't whole.
func (d *doctor) advice(ctx context.Context) string {
	switch {
	case ctx.Err() != nil:
		return "interrupted: what it had not asked by then is missing"
	case d.stopped != "":
		return "the API gave no answer: check -base or CLOSURE_BASE_URL, the network and the proxy, and run it again"
	}
	switch d.onlyStatus() {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "the API refused every call: check CLOSURE_API_KEY, and run it again"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "the host knows none of the calls: check the host and the path of -base or CLOSURE_BASE_URL, and run it again"
	default:
		return ""
	}
}

// onlyStatus is the status of every answer, or 0 if they differ or there are none.
func (d *doctor) onlyStatus() (status int) {
	for _, res := range d.results {
		switch {
		case !res.Answered || res.Status == status:
		case status == 0:
			status = res.Status
		default:
			return 0
		}
	}
	return status
}

// rest reads what has no line of its own in walk, and names the changes that are not
// made even with -write.
func (d *doctor) rest(ctx context.Context) {
	for _, op := range operations {
		known := slices.ContainsFunc(d.results, func(r result) bool { return r.Call == op.name })
		switch {
		case known:
		case op.changes():
			d.leaveOut(op, "what it changes would stay: no call undoes it")
		case op.lists():
			d.list(ctx, op, nil, nil)
		default:
			d.get(ctx, op)
		}
	}
}

func (d *doctor) leaveOut(op operation, reason string) {
	res := newResult(op, "")
	res.NotAsked = reason
	d.results = append(d.results, res)
}

func (d *doctor) list(ctx context.Context, op operation, query url.Values, want map[string]string) {
	id := d.ids[op.owner()]
	if op.takesID() && id == "" {
		d.leaveOut(op, noID)
		return
	}
	records := d.run(ctx, check{op: op, id: id, query: query, want: want, wantKind: filterIgnored})
	d.learn(op.recordsOf(), records)
}

func (d *doctor) get(ctx context.Context, op operation) {
	id := d.ids[op.owner()]
	if id == "" {
		d.leaveOut(op, noID)
		return
	}
	d.learnFrom(d.run(ctx, check{op: op, id: id, want: map[string]string{"id": id}, wantKind: otherRecord}))
}

const noID = "no id is known: no answer held one"

// learn keeps the id of a list's first record, unless the id that is known is in the list.
func (d *doctor) learn(resource string, records []json.RawMessage) {
	d.learnFrom(records)
	var ids []string
	for _, record := range records {
		var id string
		if json.Unmarshal(members(record)["id"], &id) == nil && id != "" {
			ids = append(ids, id)
		}
	}
	if len(ids) > 0 && !slices.Contains(ids, d.ids[resource]) {
		d.ids[resource] = ids[0]
	}
}

// learnFrom keeps the ids to which records refer, if none is known.
func (d *doctor) learnFrom(records []json.RawMessage) {
	for _, record := range records {
		m := members(record)
		for name, resource := range map[string]string{
			"primary_specialty": "specialties", "location": "locations", "appointment_type": "appointment_types",
		} {
			raw := m[name]
			if to := members(raw); to != nil {
				raw = to["id"]
			}
			var id string
			if d.ids[resource] == "" && json.Unmarshal(raw, &id) == nil && id != "" {
				d.ids[resource] = id
			}
		}
	}
}

func (d *doctor) schedules(ctx context.Context) {
	practitioner := d.ids["practitioners"]
	d.list(ctx, findOperation("schedules.list"), url.Values{"practitioner_id": {practitioner}},
		map[string]string{"practitioner": practitioner})
	d.get(ctx, findOperation("schedules.get"))
	expanded := []string{"practitioner", "location", "insurances", "appointment_type"}
	id := d.ids["schedules"]
	d.run(ctx, check{
		op: findOperation("schedules.get"), variant: "expand", id: id, expanded: expanded,
		query: url.Values{"expand": {strings.Join(expanded, ",")}}, want: map[string]string{"id": id}, wantKind: otherRecord,
	})
}

// availabilities asks for the guide's week and, if nothing is open then, for the next thirty
// days. Only one of the two answers is reported.
func (d *doctor) availabilities(ctx context.Context) {
	op := findOperation("availabilities.list")
	now := time.Now().UTC().Truncate(time.Hour)
	for i, from := range []time.Time{time.Date(2022, time.May, 16, 0, 0, 0, 0, time.UTC), now} {
		days := []int{7, 30}[i]
		query := url.Values{
			"start_at": {from.Format(wireTime)},
			"end_at":   {from.AddDate(0, 0, days).Format(wireTime)},
		}
		before := len(d.results)
		d.slots = d.run(ctx, check{op: op, id: d.ids["schedules"], query: query})
		last := &d.results[len(d.results)-1]
		if outside := d.outside(from, from.AddDate(0, 0, days)); outside > 0 {
			last.Differences = append(last.Differences, finding{filterIgnored, "start_at", "", outside})
		}
		if len(d.slots) > 0 || last.Status != http.StatusOK || len(last.Differences) > 0 || i > 0 {
			return
		}
		d.results = d.results[:before]
	}
}

func (d *doctor) outside(from, to time.Time) (n int) {
	for _, slot := range d.slots {
		if at, ok := startOf(slot); ok && (at.Before(from) || !at.Before(to)) {
			n++
		}
	}
	return n
}

func startOf(record json.RawMessage) (at time.Time, ok bool) {
	var start string
	if json.Unmarshal(members(record)["start_at"], &start) != nil {
		return at, false
	}
	at, err := time.Parse(time.RFC3339, start)
	return at, err == nil
}

// appointments lists the patient's appointments. The SDK reads bookings back by
// this list.
func (d *doctor) appointments(ctx context.Context, variant string) (records []json.RawMessage) {
	patient := d.ids["patients"]
	records = d.run(ctx, check{
		op: findOperation("appointments.list"), variant: variant,
		query: url.Values{"patient_id": {patient}}, want: map[string]string{"patient_id": patient}, wantKind: filterIgnored,
	})
	d.learn("appointments", records)
	res := &d.results[len(d.results)-1]
	if noSuchRoute(res.Status) && res.Option == "" {
		res.Notes = append(res.Notes, "without this list the SDK can't read a booking back:"+
			" one whose answer is lost stays unknown")
	}
	return records
}
