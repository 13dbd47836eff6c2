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

// A wish is one call of the SDK, for its own patient. The server recognizes it by the ids, the
// observer by the context.
type wish struct {
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

// A callKind is the SDK's method that a wish calls.
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

func newWish(number int, op callKind) *wish {
	w := &wish{number: number, op: op, arrived: map[string]int{}, attempts: map[string]int{}}
	w.patient, w.schedule, w.appointment = "pt_A"+w.tag(), "sch_A"+w.tag(), "appt_A"+w.tag()
	return w
}

// tag is in all ids of the wish, and nowhere else.
func (w *wish) tag() string { return fmt.Sprintf("W%06dq", w.number) }

var tagPattern = regexp.MustCompile(`W(\d{6})q`)

// tagged finds the number of the wish whose tag is in a text.
func tagged(text string) (number int, found bool) {
	match := tagPattern.FindStringSubmatch(text)
	if match == nil {
		return 0, false
	}
	number, _ = strconv.Atoi(match[1]) // the expression matches only digits
	return number, true
}

// slot is the slot that the wish wants. Two wishes want the same one.
func (w *wish) slot() int { return w.number / 2 }

func (w *wish) lastName() string { return "Vandermolen" + w.tag() }

func (w *wish) patientJSON() string {
	return fmt.Sprintf(`{"id":%q,"first_name":"Wilhelmina","last_name":%q,"dob":%q,"insurance":{"id":"ins_1"}}`,
		w.patient, w.lastName(), birthDate)
}

// arrive counts a request at the server.
func (w *wish) arrive(op string) (times int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrived[op]++
	return w.arrived[op]
}

func (w *wish) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.log) < 60 {
		w.log = append(w.log, fmt.Sprintf(format, args...))
	}
}

type wishKey struct{}

// observe counts attempts, as the SDK reports them.
func observe(ctx context.Context, e closure.Event) {
	w, found := ctx.Value(wishKey{}).(*wish)
	if !found || e.Attempt == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts[e.Op]++
	w.longest = max(w.longest, e.Duration)
}

// run makes the call. If it hangs for longer than its context and grace, run calls release,
// which closes its connections.
func (w *wish) run(c *closure.Client, within time.Duration, machine *stallMeter, release func()) {
	ctx, cancelCtx := context.WithTimeout(context.WithValue(context.Background(), wishKey{}, w), within)
	defer cancelCtx()
	done := make(chan ending, 1)
	began, missed := time.Now(), machine.missed()
	go func() { done <- w.call(ctx, c) }()
	e, ended := await(done, within+grace)
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
	w.mu.Lock()
	w.ending = e
	w.mu.Unlock()
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

// grace is how much longer than its context a call may take. It is long, because a busy
// machine makes calls late, and a call that hangs never returns.
const grace = 3 * time.Second

func (w *wish) call(ctx context.Context, c *closure.Client) (e ending) {
	defer func() {
		if p := recover(); p != nil {
			e.panicked = fmt.Sprint(p, "\n", string(debug.Stack()))
		}
	}()
	var made *closure.Appointment
	switch w.op {
	case bookSlot:
		var booking *closure.Booking
		if booking, e.err = c.BookSlot(ctx, closure.BookSlotParams{
			ScheduleID: closure.ScheduleID(w.schedule),
			PatientID:  closure.PatientID(w.patient),
			StartAt:    start,
		}); e.err == nil {
			made = &booking.Appointment
			e.recovered = booking.Recovered
			e.foreign = booking.Patient != nil && string(booking.Patient.ID) != w.patient ||
				booking.Schedule != nil && string(booking.Schedule.ID) != w.schedule
		}
	case create:
		made, e.err = c.Appointments.Create(ctx, closure.AppointmentCreateParams{
			ScheduleID: closure.ScheduleID(w.schedule),
			PatientID:  closure.PatientID(w.patient),
			StartAt:    start,
			Duration:   30,
		})
	case cancel:
		made, e.err = c.Appointments.Cancel(ctx, closure.AppointmentID(w.appointment))
	default:
		made, e.err = c.Appointments.Get(ctx, closure.AppointmentID(w.appointment))
	}
	if e.err == nil {
		e.record = string(made.ID)
		e.scheduled = made.Status == closure.AppointmentScheduled || made.Status == closure.AppointmentRescheduled
		e.foreign = e.foreign || string(made.PatientID) != w.patient || string(made.ScheduleID) != w.schedule
	}
	return e
}

// shown returns the first thing in the error's text that must not be there.
func (w *wish) shown(err error) string {
	texts := []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), fmt.Sprintf("%t", err)}
	secrets := []string{w.tag(), "Vandermolen", "Wilhelmina", birthDate, "2022-05-20", "127.0.0.1", "ch_sk_", "Basic "}
	for _, text := range texts {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				return secret + " in: " + text
			}
		}
	}
	return ""
}
