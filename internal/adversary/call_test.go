package adversary

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/closurehealth/closure-go"
)

// A call is one call of the SDK, for its own patient. The server recognizes it by the ids, the
// observer by the context.
type call struct {
	number                         int
	op                             callKind
	patient, schedule, appointment string

	mu       sync.Mutex
	arrived  map[string]int // requests at the server, by operation
	attempts map[string]int // attempts reported, by operation
	longest  time.Duration  // the longest attempt
	log      []string       // what the server did to it
	ending   ending
}

// A callKind is the SDK's method that is called.
type callKind int

const (
	bookSlot callKind = iota
	create
	cancel
	get
	callKinds
)

func (k callKind) String() string {
	return [...]string{"BookSlot", "Create", "Cancel", "Get"}[k]
}

// An ending is what the caller was told.
type ending struct {
	err       error
	record    string // the id of the appointment it was given
	foreign   bool   // it was given a record of somebody else
	recovered bool
	scheduled bool // the appointment's status says that there is one
	took      time.Duration
	missed    time.Duration // how long the process didn't run meanwhile
	hung      bool
	panicked  string
}

func newCall(number int, op callKind) *call {
	c := &call{number: number, op: op, arrived: map[string]int{}, attempts: map[string]int{}}
	c.patient, c.schedule, c.appointment = "pt_A"+c.tag(), "sch_A"+c.tag(), "appt_A"+c.tag()
	return c
}

// tag is in all ids of the call, and nowhere else.
func (c *call) tag() string { return fmt.Sprintf("W%06dq", c.number) }

var tagPattern = regexp.MustCompile(`W(\d{6})q`)

// tagged finds the number of the call whose tag is in a text.
func tagged(text string) (number int, found bool) {
	match := tagPattern.FindStringSubmatch(text)
	if match == nil {
		return 0, false
	}
	number, _ = strconv.Atoi(match[1]) // the expression matches only digits
	return number, true
}

// slot is the slot that the call is for. Two calls are for the same one.
func (c *call) slot() int { return c.number / 2 }

func (c *call) lastName() string { return "Vandermolen" + c.tag() }

func (c *call) patientJSON() string {
	return fmt.Sprintf(`{"id":%q,"first_name":"Wilhelmina","last_name":%q,"dob":%q,"insurance":{"id":"ins_1"}}`,
		c.patient, c.lastName(), birthDate)
}

// arrive counts a request at the server.
func (c *call) arrive(op string) (times int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrived[op]++
	return c.arrived[op]
}

func (c *call) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.log) < 60 {
		c.log = append(c.log, fmt.Sprintf(format, args...))
	}
}

type callKey struct{}

// observe counts attempts, as the SDK reports them.
func observe(ctx context.Context, e closure.Event) {
	c, found := ctx.Value(callKey{}).(*call)
	if !found || e.Attempt == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts[e.Op]++
	c.longest = max(c.longest, e.Duration)
}

// run makes the call. If it hangs for longer than its context and grace, run calls release,
// which closes its connections.
func (c *call) run(client *closure.Client, t timing, machine *stallMeter, release func()) {
	ctx, cancelCtx := context.WithTimeout(context.WithValue(context.Background(), callKey{}, c), t.call)
	defer cancelCtx()
	done := make(chan ending, 1)
	began, missed := time.Now(), machine.missed()
	go func() { done <- c.do(ctx, client) }()
	e, ended := await(done, t.call+t.grace)
	if !ended {
		e, ended = await(done, machine.missed()-missed)
	}
	if !ended {
		release()
		if e, ended = await(done, 5*time.Second); !ended {
			e.err = errNever
		}
		e.hung = true
	}
	e.took, e.missed = time.Since(began), machine.missed()-missed
	c.mu.Lock()
	c.ending = e
	c.mu.Unlock()
}

var errNever = errors.New("never came back")

func await(done <-chan ending, d time.Duration) (e ending, ended bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case e = <-done:
		return e, true
	case <-timer.C:
		return e, false
	}
}

func (c *call) do(ctx context.Context, client *closure.Client) (e ending) {
	defer func() {
		if p := recover(); p != nil {
			e.panicked = fmt.Sprint(p, "\n", string(debug.Stack()))
		}
	}()
	var made *closure.Appointment
	switch c.op {
	case bookSlot:
		var booking *closure.Booking
		if booking, e.err = client.BookSlot(ctx, closure.BookSlotParams{
			ScheduleID: closure.ScheduleID(c.schedule),
			PatientID:  closure.PatientID(c.patient),
			StartAt:    start,
		}); e.err == nil {
			made = &booking.Appointment
			e.recovered = booking.Recovered
			e.foreign = booking.Patient != nil && string(booking.Patient.ID) != c.patient ||
				booking.Schedule != nil && string(booking.Schedule.ID) != c.schedule
		}
	case create:
		made, e.err = client.Appointments.Create(ctx, closure.AppointmentCreateParams{
			ScheduleID: closure.ScheduleID(c.schedule),
			PatientID:  closure.PatientID(c.patient),
			StartAt:    start,
			Duration:   30,
		})
	case cancel:
		made, e.err = client.Appointments.Cancel(ctx, closure.AppointmentID(c.appointment))
	default:
		made, e.err = client.Appointments.Get(ctx, closure.AppointmentID(c.appointment))
	}
	if e.err == nil {
		e.record = string(made.ID)
		e.scheduled = made.Status == closure.AppointmentScheduled || made.Status == closure.AppointmentRescheduled
		e.foreign = e.foreign || string(made.PatientID) != c.patient || string(made.ScheduleID) != c.schedule
	}
	return e
}

// shown returns the first thing in the error's text that must not be there.
func (c *call) shown(err error) string {
	texts := []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), fmt.Sprintf("%t", err)}
	secrets := []string{c.tag(), "Vandermolen", "Wilhelmina", birthDate, "2022-05-20", "127.0.0.1", "ch_sk_", "Basic "}
	for _, text := range texts {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				return secret + " in: " + text
			}
		}
	}
	return ""
}
