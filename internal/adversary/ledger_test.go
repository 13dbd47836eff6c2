package adversary

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A ledger is the truth: the appointments and their states.
type ledger struct {
	duplicates bool // a slot can be taken again

	mu           sync.Mutex
	appointments []*appointment
}

type appointment struct {
	id        string
	call      *call
	cancelled bool
	requested bool // made by a request; false: it was there from the start
	slot      int
}

// A request is what could be seen of a request that arrived.
type request struct {
	op   string // as closure.Event.Op names it; "": unknown
	call *call  // nil: unknown
}

// A reply is what the API wants to answer, before a fault breaks it.
type reply struct {
	status int
	header []field
	body   string
}

func ok(body string) reply { return reply{status: 200, body: body} }

// operation names the operation of a request. The path may begin with a call's
// tag.
func operation(method, path string) string {
	path, _, _ = strings.Cut(path, "?")
	path = strings.TrimPrefix(path, "/"+tagPattern.FindString(path))
	path = "/" + strings.TrimPrefix(path, "/")
	switch {
	case path == "/appointments" && method == "POST":
		return "appointments.create"
	case path == "/appointments":
		return "appointments.list"
	case strings.HasSuffix(path, "/cancel"):
		return "appointments.cancel"
	case strings.HasPrefix(path, "/appointments/"):
		return "appointments.get"
	case strings.HasSuffix(path, "/slots"):
		return "availabilities.list"
	case strings.HasPrefix(path, "/schedules/"):
		return "schedules.get"
	case strings.HasPrefix(path, "/patients/"):
		return "patients.get"
	default:
		return ""
	}
}

func writes(op string) bool { return op == "appointments.create" || op == "appointments.cancel" }

// carryOut does what the request asks for, and returns the reply.
func (l *ledger) carryOut(q request) reply {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := q.call
	switch q.op {
	case "appointments.create":
		return l.create(c)
	case "appointments.cancel":
		a := l.existing(c)
		if a == nil {
			return problem(404, c)
		}
		a.cancelled = true
		return ok(a.json())
	case "appointments.get":
		if a := l.existing(c); a != nil {
			return ok(a.json())
		}
		return problem(404, c)
	case "appointments.list":
		return ok(l.list(c))
	case "availabilities.list":
		if l.taken(c.slot()) {
			return ok("[]")
		}
		return ok(fmt.Sprintf(`[{"start_at":%q,"duration":30}]`, startText))
	case "schedules.get":
		return ok(fmt.Sprintf(`{"id":%q,"scheduling_method":"direct_api","insurances":["ins_1"]}`, c.schedule))
	case "patients.get":
		return ok(c.patientJSON())
	default:
		return reply{status: 404, body: "{}"}
	}
}

func (l *ledger) create(c *call) reply {
	if !l.duplicates && l.taken(c.slot()) {
		return problem(409, c)
	}
	a := &appointment{
		id:        fmt.Sprintf("appt_N%dx%s", len(l.appointments), c.tag()),
		call:      c,
		requested: true,
		slot:      c.slot(),
	}
	l.appointments = append(l.appointments, a)
	return ok(a.json())
}

func (l *ledger) taken(slot int) bool {
	return !l.duplicates && slices.ContainsFunc(l.appointments, func(a *appointment) bool {
		return a.requested && !a.cancelled && a.slot == slot
	})
}

// existing is the call's appointment that was there from the start, or nil.
func (l *ledger) existing(c *call) *appointment {
	i := slices.IndexFunc(l.appointments, func(a *appointment) bool { return a.call == c && !a.requested })
	if i < 0 {
		return nil
	}
	return l.appointments[i]
}

func (l *ledger) list(c *call) string {
	var records []string
	for _, a := range l.appointments {
		if a.call == c {
			records = append(records, a.json())
		}
	}
	return "[" + strings.Join(records, ",") + "]"
}

// problem is an error response that says more about the patient than it should.
func problem(status int, c *call) reply {
	kind := "invalid_request"
	if status >= 500 {
		kind = "server_error"
	}
	body := fmt.Sprintf(`{"error_type":%q,"error_code":"no","error_message":"%s, born %s: no","detail":[%q]}`,
		kind, c.lastName(), birthDate, c.patient)
	return reply{status: status, header: []field{{"x-request-id", c.patient}}, body: body}
}

func (a *appointment) json() string {
	status := "scheduled"
	if a.cancelled {
		status = "cancelled"
	}
	return a.jsonAs(status)
}

func (a *appointment) jsonAs(status string) string {
	return fmt.Sprintf(`{"id":%q,"schedule_id":%q,"patient_id":%q,"status":%q,"start_at":%q,"duration":30}`,
		a.id, a.call.schedule, a.call.patient, status, startText)
}

// made returns the appointments that requests made for the call.
func (l *ledger) made(c *call) []*appointment {
	l.mu.Lock()
	defer l.mu.Unlock()
	var made []*appointment
	for _, a := range l.appointments {
		if a.call == c && a.requested {
			made = append(made, a)
		}
	}
	return made
}

// open adds an appointment that is there from the start.
func (l *ledger) open(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.appointments = append(l.appointments, &appointment{id: c.appointment, call: c, slot: -1})
}

func (l *ledger) cancelled(c *call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.existing(c)
	return a != nil && a.cancelled
}

// What all calls have in common. None of it may show in an error.
const (
	birthDate = "1961-03-07"
	startText = "2022-05-20T17:00:00.000Z"
)

var start = time.Date(2022, 5, 20, 17, 0, 0, 0, time.UTC)
