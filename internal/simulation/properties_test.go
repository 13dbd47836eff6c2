package simulation

import (
	"errors"
	"flag"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// TestProperties has rapid look for a sequence of calls, faults and waits after which what the
// client said and the ledger differ. The faults are closuretest's, not this package's.
func TestProperties(t *testing.T) {
	if os.Getenv(variable) == mutantRun {
		t.Skip("this is the run of a mutant")
	}
	noError(t, flag.Set("rapid.checks", strconv.Itoa(size(100, 10, 100))))
	rounds := size(1, 1, 50) // rapid stops after a day, and time in a bubble passes fast
	shown := progress(t, "rounds", rounds)
	for range rounds {
		t.Run("round", func(t *testing.T) {
			t.Parallel()
			defer shown.Step()
			// All runs of a round share a bubble, because a failing run panics through rapid.
			synctest.Test(t, func(t *testing.T) { rapid.Check(inBubble{t}, liveByTheRules) })
		})
	}
}

func liveByTheRules(t *rapid.T) {
	m := newMachine(rapid.Bool().Draw(t, "duplicates"))
	t.Repeat(map[string]func(*rapid.T){
		"":           m.check,
		"book":       m.book,
		"cancel":     m.cancel,
		"reschedule": m.reschedule,
		"resolve":    m.resolve,
		"fault":      m.fault,
		"stranger":   m.stranger,
		"wait":       m.wait,
	})
	m.finish(t)
}

// inBubble hides the *testing.T from rapid, which would call Deadline, and that isn't allowed
// in a bubble.
type inBubble struct{ *testing.T }

// A machine is one patient's client, and what it has been told.
type machine struct {
	server  *closuretest.Server
	client  *closure.Client
	slots   []slot
	has     map[closure.AppointmentID]slot // confirmed, and not changed since
	unknown []closure.BookingAttempt       // bookings of unknown outcome
	open    map[closure.AppointmentID]bool // changes of unknown outcome
	blocked map[slot]bool                  // because of something unknown
}

func newMachine(duplicates bool) *machine {
	options := []closuretest.Option{closuretest.WithClock(time.Now)}
	if duplicates {
		options = append(options, closuretest.AllowDuplicates())
	}
	m := &machine{
		server:  closuretest.New(options...),
		has:     map[closure.AppointmentID]slot{},
		open:    map[closure.AppointmentID]bool{},
		blocked: map[slot]bool{},
	}
	m.client = m.server.Client(closure.WithRetryPolicy(closure.RetryPolicy{MinWait: 1, MaxWait: 1}))
	for range 5 {
		s := slot{closuretest.GuideScheduleID,
			time.Now().UTC().Truncate(time.Hour).Add(time.Duration(len(m.slots)+240) * time.Hour)}
		m.slots = append(m.slots, s)
		m.server.AddSlots(s.schedule, closure.Slot{StartAt: s.start, Duration: slotMinutes})
	}
	return m
}

// mine are the patient's appointments on a slot, according to the ledger.
func (m *machine) mine(s slot) (ids []closure.AppointmentID) {
	for _, a := range m.server.Appointments() {
		if a.PatientID == closuretest.GuidePatientID && s.same(a) && a.Status != closure.AppointmentCancelled {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// check checks that what was confirmed is in the ledger.
func (m *machine) check(t *rapid.T) {
	for id, s := range m.has {
		a, found := entry(m.server, id)
		if !found || !s.same(a) || a.Status == closure.AppointmentCancelled {
			t.Fatalf("%s was confirmed; the ledger holds %t, %s, %s", id, found, a.StartAt, a.Status)
		}
	}
	for _, s := range m.slots {
		if ids := m.mine(s); len(ids) > 1 {
			t.Fatalf("two appointments at %s: %v", s.start, ids)
		}
	}
}

func (m *machine) drawSlot(t *rapid.T) slot {
	s := rapid.SampledFrom(m.slots).Draw(t, "slot")
	if m.blocked[s] {
		t.Skip("unknown what is there")
	}
	return s
}

func (m *machine) book(t *rapid.T) {
	s := m.drawSlot(t)
	params := closure.BookSlotParams{ScheduleID: s.schedule, PatientID: closuretest.GuidePatientID, StartAt: s.start}
	if rapid.Bool().Draw(t, "duration given") {
		params.Duration = slotMinutes
	}
	booking, err := m.client.BookSlot(t.Context(), params)
	m.told(t, s, booking, err)
}

func (m *machine) told(t *rapid.T, s slot, booking *closure.Booking, err error) {
	unknown, isUnknown := errors.AsType[*closure.OutcomeUnknownError](err)
	switch {
	case err == nil:
		m.has[booking.Appointment.ID] = s
	case isUnknown:
		m.unknown = append(m.unknown, unknown.Attempt)
		m.blocked[s] = true
	case len(m.mine(s)) > 0 && (errors.Is(err, closure.ErrSlotUnavailable) || !m.knows(s)):
		t.Fatalf("%v, but the ledger has it", err)
	}
}

// knows reports whether the patient already knows of the appointment at s. If so, a call that
// fails before it sends anything doesn't deny it.
func (m *machine) knows(s slot) bool {
	for _, known := range m.has {
		if known == s {
			return true
		}
	}
	return false
}

func (m *machine) drawMine(t *rapid.T) closure.AppointmentID {
	if len(m.has) == 0 {
		t.Skip("nothing is booked")
	}
	ids := make([]closure.AppointmentID, 0, len(m.has))
	for id := range m.has {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return rapid.SampledFrom(ids).Draw(t, "appointment")
}

func (m *machine) cancel(t *rapid.T) {
	id := m.drawMine(t)
	_, err := m.client.CancelBooking(t.Context(), id)
	s := m.has[id]
	m.changed(t, id, err, func(a closure.Appointment) bool { return a.Status == closure.AppointmentCancelled })
	switch {
	case err == nil:
		delete(m.has, id)
	case m.open[id]:
		m.blocked[s] = true
	}
}

func (m *machine) reschedule(t *rapid.T) {
	id := m.drawMine(t)
	to := m.drawSlot(t)
	if len(m.mine(to)) > 0 {
		t.Skip("the patient is there")
	}
	_, err := m.client.RescheduleBooking(t.Context(), id, closure.AppointmentRescheduleParams{StartAt: to.start})
	from := m.has[id]
	m.changed(t, id, err, to.same)
	switch {
	case err == nil:
		m.has[id] = to
	case m.open[id]:
		m.blocked[from], m.blocked[to] = true, true
	}
}

// changed compares the result of a change with the ledger.
func (m *machine) changed(t *rapid.T, id closure.AppointmentID, err error, done func(closure.Appointment) bool) {
	a, _ := entry(m.server, id)
	switch {
	case err == nil && !done(a):
		t.Fatalf("%s was confirmed to be changed; the ledger says %s, %s", id, a.Status, a.StartAt)
	case err == nil:
	case closure.OutcomeOf(err) == closure.OutcomeUnknown:
		m.open[id] = true
		delete(m.has, id)
	case done(a):
		t.Fatalf("%v, but the ledger says %s, %s", err, a.Status, a.StartAt)
	}
}

func (m *machine) resolve(t *rapid.T) {
	if len(m.unknown) == 0 {
		t.Skip("nothing is unknown")
	}
	n := rapid.IntRange(0, len(m.unknown)-1).Draw(t, "attempt")
	attempt := m.unknown[n]
	booking, err := m.client.ResolveBooking(t.Context(), attempt, closure.AssumeLostAfter(5*time.Minute))
	s := slot{attempt.ScheduleID, attempt.StartAt}
	switch {
	case err == nil:
		m.has[booking.Appointment.ID] = s
	case errors.Is(err, closure.ErrNotBooked):
		if len(m.mine(s)) > 0 {
			t.Fatalf("%v, but the ledger has it", err)
		}
	default:
		return
	}
	m.unknown = slices.Delete(m.unknown, n, n+1)
	delete(m.blocked, s)
}

// fault makes some of the next requests fail.
func (m *machine) fault(t *rapid.T) {
	op := rapid.SampledFrom([]string{
		"appointments.create", "appointments.create", "appointments.create", "appointments.list", "appointments.get",
		"appointments.cancel", "appointments.reschedule", "availabilities.list", "schedules.get",
	}).Draw(t, "operation")
	fault := rapid.SampledFrom([]closuretest.Fault{
		closuretest.DropBefore(op), closuretest.DropAfter(op), closuretest.CommitLate(op, 5*time.Second),
		closuretest.CommitLate(op, 40*time.Second),
		closuretest.Status(op, 503), closuretest.Status(op, 429, "Retry-After", "1"), closuretest.StatusAfter(op, 502),
		closuretest.Delay(op, 45*time.Second), closuretest.Truncate(op), closuretest.Malformed(op),
		closuretest.Huge(op, 11<<20),
	}).Draw(t, "fault")
	m.server.Inject(fault.Times(rapid.IntRange(1, 4).Draw(t, "times")))
}

// stranger books a slot for somebody else, if it is free.
func (m *machine) stranger(t *rapid.T) {
	s := rapid.SampledFrom(m.slots).Draw(t, "slot")
	for _, a := range m.server.Appointments() {
		if s.same(a) && a.Status != closure.AppointmentCancelled {
			t.Skip("it is taken")
		}
	}
	m.server.AddAppointment(closure.Appointment{ScheduleID: s.schedule, PatientID: "pt_stranger", StartAt: s.start})
}

func (m *machine) wait(t *rapid.T) {
	time.Sleep(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
}

// finish waits until everything late has been carried out. Then the ledger holds what was
// confirmed, perhaps what is unknown, and nothing else.
func (m *machine) finish(t *rapid.T) {
	time.Sleep(10 * time.Minute)
	m.check(t)
	for _, a := range m.server.Appointments() {
		if a.PatientID != closuretest.GuidePatientID || a.Status == closure.AppointmentCancelled || m.open[a.ID] {
			continue
		}
		_, confirmed := m.has[a.ID]
		if !confirmed && !m.blocked[slot{a.ScheduleID, a.StartAt}] {
			t.Fatalf("nobody was told of %s at %s", a.ID, a.StartAt)
		}
	}
}
