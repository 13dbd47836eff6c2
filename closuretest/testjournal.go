package closuretest

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/closurehealth/closure-go"
)

// TestJournal tells whether a [closure.Journal] keeps its promises: call it in a
// test of your own. open returns a connection to one and the same journal each
// time, as another process would have; give several, so that races between them
// are tested. The journal may hold other entries; what the test adds has ids and
// keys of its own. It can't test that an entry survives a crash of the machine.
func TestJournal(t TB, open func() closure.Journal) {
	t.Helper()
	same := &journalTest{TB: t, fact: "open returns one and the same journal each time", one: open(), two: open()}
	if !same.shared() {
		same.failf("what one connection began, it finds and the other doesn't; nothing else was tested")
		return
	}
	for _, fact := range []struct {
		text string
		test func(*journalTest)
	}{
		{"what is begun is there, as it was given", (*journalTest).keeps},
		{"a slot is begun once", (*journalTest).slotOnce},
		{"a key is begun once, whatever its slot", (*journalTest).keyOnce},
		{"a key is asked for before the slot", (*journalTest).keyFirst},
		{"booked keeps the entry with the appointment", (*journalTest).booked},
		{"not booked removes the entry", (*journalTest).notBooked},
		{"another attempt's ending changes nothing", (*journalTest).otherAttempt},
		{"not booked of a pending entry leaves a booked one", (*journalTest).notBookedTooLate},
		{"an appointment that moved takes its keys along", (*journalTest).moves},
		{"an entry takes more keys when it is finished", (*journalTest).moreKeys},
		{"a key that is removed is free", (*journalTest).keyIsFree},
		{"an appointment is found, and one that was released", (*journalTest).findsAppointments},
		{"release removes the appointment's entries, and no other", (*journalTest).releases},
		{"pending entries come oldest first", (*journalTest).pendingInOrder},
		{"of many who begin one thing, one does", (*journalTest).race},
		{"of many who begin one key, one does", (*journalTest).raceForKey},
		{"a context that ended is an error", (*journalTest).contextEnded},
	} {
		j := &journalTest{TB: t, fact: fact.text, open: open, one: open(), two: open()}
		fact.test(j)
	}
}

// A journalTest is one fact, with two connections.
type journalTest struct {
	TB
	fact     string
	open     func() closure.Journal
	one, two closure.Journal
}

// bound is how long each call of a journal may take.
const bound = 10 * time.Second

func (j *journalTest) failf(format string, args ...any) {
	j.Helper()
	j.Errorf("closuretest.TestJournal: "+j.fact+": "+format, args...)
}

func (j *journalTest) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), bound)
}

// attempt is one for a slot that no other attempt is for.
func (j *journalTest) attempt(key string) closure.BookingAttempt {
	a := closure.NewBookingAttempt(closure.BookSlotParams{
		ScheduleID:     closure.ScheduleID("sch_" + rand.Text()),
		PatientID:      closure.PatientID("pt_" + rand.Text()),
		StartAt:        time.Date(2022, time.May, 20, 17, 0, 0, int(time.Millisecond), time.UTC),
		Duration:       30,
		IdempotencyKey: key,
	})
	a.Mode = closure.ModeTest
	a.AttemptedAt = a.AttemptedAt.UTC().Truncate(time.Millisecond)
	return a
}

func (j *journalTest) again(a closure.BookingAttempt) closure.BookingAttempt {
	a.ID = rand.Text()
	return a
}

// aKey is one that a careless implementation would break on.
func aKey() string { return "order '" + rand.Text() + "' \"%_\\\x01 Käse" }

func anAppointment() closure.AppointmentID { return closure.AppointmentID("appt_" + rand.Text()) }

func (j *journalTest) begin(on closure.Journal, a closure.BookingAttempt) *closure.JournalEntry {
	j.Helper()
	ctx, cancel := j.context()
	defer cancel()
	entry, err := on.Begin(ctx, a)
	if err != nil {
		j.failf("Begin: %v", err)
	}
	return entry
}

// isBegun begins what must be free.
func (j *journalTest) isBegun(a closure.BookingAttempt) {
	j.Helper()
	if entry := j.begin(j.one, a); entry != nil {
		j.failf("Begin found an entry where there is none")
	}
}

func (j *journalTest) finish(a closure.BookingAttempt, state closure.JournalState, id closure.AppointmentID) {
	j.Helper()
	ctx, cancel := j.context()
	defer cancel()
	if err := j.one.Finish(ctx, closure.JournalEntry{Attempt: a, State: state, Appointment: id}); err != nil {
		j.failf("Finish: %v", err)
	}
}

// holds demands that the other connection finds exactly that.
func (j *journalTest) holds(asked closure.BookingAttempt, want *closure.JournalEntry) {
	j.Helper()
	ctx, cancel := j.context()
	defer cancel()
	got, err := j.two.Find(ctx, asked)
	switch {
	case err != nil:
		j.failf("Find: %v", err)
	case got == nil && want == nil:
	case got == nil || want == nil:
		j.failf("Find found an entry: %t, want %t", got != nil, want != nil)
	case !sameEntry(*got, *want):
		j.failf("Find found another entry than was recorded, or not all of it")
	}
}

func sameEntry(a, b closure.JournalEntry) bool {
	a.ReleasedAt = b.ReleasedAt // whoever finds an appointment checks it
	times := a.Attempt.StartAt.Equal(b.Attempt.StartAt) && a.Attempt.AttemptedAt.Equal(b.Attempt.AttemptedAt)
	a.Attempt.StartAt, a.Attempt.AttemptedAt = b.Attempt.StartAt, b.Attempt.AttemptedAt
	return times && a == b
}

func pendingEntry(a closure.BookingAttempt) *closure.JournalEntry {
	return &closure.JournalEntry{Attempt: a}
}

func bookedEntry(a closure.BookingAttempt, id closure.AppointmentID) *closure.JournalEntry {
	return &closure.JournalEntry{Attempt: a, State: closure.JournalBooked, Appointment: id}
}

// shared is false if each connection has what it began to itself. A Begin or Find that fails is
// left to the test that is of it.
func (j *journalTest) shared() bool {
	ctx, cancel := j.context()
	defer cancel()
	a := j.attempt("")
	_, beginErr := j.one.Begin(ctx, a)
	own, ownErr := j.one.Find(ctx, a)
	others, othersErr := j.two.Find(ctx, a)
	return beginErr != nil || ownErr != nil || othersErr != nil || own == nil || others != nil
}

func (j *journalTest) keeps() {
	a := j.attempt(aKey())
	a.AppointmentID = anAppointment()
	j.holds(a, nil)
	j.isBegun(a)
	j.holds(a, pendingEntry(a))
	unlike := a
	unlike.IdempotencyKey = ""
	unlike.StartAt = a.StartAt.Add(time.Millisecond)
	j.holds(unlike, nil)
}

func (j *journalTest) slotOnce() {
	a := j.attempt("")
	j.isBegun(a)
	elsewhere := j.again(a)
	elsewhere.StartAt = a.StartAt.In(time.FixedZone("", 3600))
	if entry := j.begin(j.two, elsewhere); entry == nil || !sameEntry(*entry, *pendingEntry(a)) {
		j.failf("the second Begin did not return the entry of the first")
	}
	other := j.again(a)
	other.PatientID += "x"
	j.isBegun(other)
}

func (j *journalTest) keyOnce() {
	a := j.attempt(aKey())
	j.isBegun(a)
	if entry := j.begin(j.two, j.attempt(a.IdempotencyKey)); entry == nil || entry.Attempt.ID != a.ID {
		j.failf("the second Begin of a key did not return the entry of the first")
	}
	j.isBegun(j.attempt(a.IdempotencyKey + " "))
}

func (j *journalTest) keyFirst() {
	a, b := j.attempt(aKey()), j.attempt(aKey())
	j.isBegun(a)
	j.isBegun(b)
	both := a
	both.IdempotencyKey = b.IdempotencyKey
	j.holds(both, pendingEntry(b))
	both.IdempotencyKey = aKey()
	j.holds(both, pendingEntry(a))
	none := closure.BookingAttempt{PatientID: a.PatientID, IdempotencyKey: aKey()}
	j.holds(none, nil)
}

func (j *journalTest) booked() {
	a, id := j.attempt(aKey()), anAppointment()
	j.isBegun(a)
	j.finish(a, closure.JournalBooked, id)
	j.holds(a, bookedEntry(a, id))
	if entry := j.begin(j.two, j.again(a)); entry == nil || !sameEntry(*entry, *bookedEntry(a, id)) {
		j.failf("Begin did not return the booked entry")
	}
}

func (j *journalTest) notBooked() {
	a := j.attempt(aKey())
	j.isBegun(a)
	j.finish(a, closure.JournalNotBooked, "")
	j.holds(a, nil)
	j.isBegun(j.again(a))
}

func (j *journalTest) otherAttempt() {
	a := j.attempt(aKey())
	j.isBegun(a)
	j.finish(j.again(a), closure.JournalNotBooked, "")
	j.finish(j.again(a), closure.JournalBooked, anAppointment())
	j.holds(a, pendingEntry(a))
	unknown := j.attempt(aKey())
	j.finish(unknown, closure.JournalBooked, anAppointment())
	j.holds(unknown, nil)
	unnamed := unknown
	unnamed.ID = ""
	j.finish(unnamed, closure.JournalBooked, anAppointment())
	j.isBegun(unknown)
}

func (j *journalTest) notBookedTooLate() {
	a, id := j.attempt(""), anAppointment()
	j.isBegun(a)
	j.finish(a, closure.JournalBooked, id)
	j.finish(a, closure.JournalNotBooked, "")
	j.finish(a, closure.JournalNotBooked, anAppointment())
	j.finish(a, closure.JournalBooked, anAppointment())
	j.holds(a, bookedEntry(a, id))
	j.finish(a, closure.JournalNotBooked, id)
	j.holds(a, nil)
}

func (j *journalTest) moves() {
	from, to, id := j.attempt(aKey()), j.attempt(""), anAppointment()
	j.isBegun(from)
	j.finish(from, closure.JournalBooked, id)
	j.isBegun(to)
	j.finish(to, closure.JournalBooked, id)
	key := from.IdempotencyKey
	from.IdempotencyKey = ""
	j.holds(from, nil)
	to.IdempotencyKey = key
	j.holds(to, bookedEntry(to, id))
	elsewhere := j.attempt(aKey())
	j.isBegun(elsewhere)
	j.finish(elsewhere, closure.JournalBooked, id)
	j.holds(to, bookedEntry(withKey(elsewhere, key), id))
	j.holds(elsewhere, bookedEntry(elsewhere, id))
}

func withKey(a closure.BookingAttempt, key string) closure.BookingAttempt {
	a.IdempotencyKey = key
	return a
}

func (j *journalTest) moreKeys() {
	a, other, id := j.attempt(aKey()), j.attempt(aKey()), anAppointment()
	j.isBegun(a)
	j.isBegun(other)
	second, third := withKey(a, aKey()), withKey(a, aKey())
	j.finish(second, closure.JournalBooked, id)
	j.finish(third, closure.JournalBooked, id)
	notGiven := withKey(a, aKey())
	j.finish(notGiven, closure.JournalBooked, anAppointment())
	j.holds(withKey(j.attempt(""), notGiven.IdempotencyKey), nil)
	j.finish(withKey(a, other.IdempotencyKey), closure.JournalBooked, id)
	for _, known := range []closure.BookingAttempt{a, second, third} {
		elsewhere := withKey(j.attempt(""), known.IdempotencyKey)
		if entry := j.begin(j.two, elsewhere); entry == nil || !sameEntry(*entry, *bookedEntry(known, id)) {
			j.failf("Begin did not return the entry of a key, with that key")
		}
	}
	j.holds(other, pendingEntry(other))
	pending := withKey(other, aKey())
	j.finish(pending, closure.JournalNotBooked, anAppointment())
	j.holds(withKey(j.attempt(""), pending.IdempotencyKey), nil)
}

func (j *journalTest) keyIsFree() {
	a, id := j.attempt(aKey()), anAppointment()
	second := withKey(a, aKey())
	j.isBegun(a)
	j.finish(second, closure.JournalBooked, id)
	j.finish(a, closure.JournalNotBooked, id)
	for _, key := range []string{a.IdempotencyKey, second.IdempotencyKey} {
		j.isBegun(withKey(j.attempt(""), key))
	}
}

func (j *journalTest) findsAppointments() {
	a, id := j.attempt(aKey()), anAppointment()
	j.isBegun(a)
	j.knows(id, nil)
	j.finish(a, closure.JournalBooked, id)
	j.knows(id, bookedEntry(a, id))
	j.release(id)
	j.knows(id, released(closure.JournalEntry{State: closure.JournalReleased, Appointment: id}))
	stranger := anAppointment()
	j.release(stranger)
	j.knows(stranger, released(closure.JournalEntry{State: closure.JournalReleased, Appointment: stranger}))
	later := j.attempt("")
	j.isBegun(later)
	j.finish(later, closure.JournalBooked, id) // it was reinstated, and moved
	j.knows(id, released(*bookedEntry(later, id)))
}

func released(e closure.JournalEntry) *closure.JournalEntry {
	e.ReleasedAt = time.Now()
	return &e
}

// knows demands that the other connection finds that of an appointment.
func (j *journalTest) knows(id closure.AppointmentID, want *closure.JournalEntry) {
	j.Helper()
	ctx, cancel := j.context()
	defer cancel()
	got, err := j.two.FindAppointment(ctx, id)
	switch {
	case err != nil:
		j.failf("FindAppointment: %v", err)
	case got == nil && want == nil:
	case got == nil || want == nil:
		j.failf("FindAppointment found an entry: %t, want %t", got != nil, want != nil)
	case got.State != want.State || got.Appointment != want.Appointment:
		j.failf("FindAppointment found another state or appointment")
	case got.ReleasedAt.Sub(want.ReleasedAt).Abs() > time.Minute:
		j.failf("FindAppointment doesn't say when Release was called, or says so of another appointment")
	case want.State == closure.JournalBooked && !sameEntry(*got, *want):
		j.failf("FindAppointment found another entry than was recorded, or not all of it")
	}
}

func (j *journalTest) release(id closure.AppointmentID) {
	j.Helper()
	ctx, cancel := j.context()
	defer cancel()
	if err := j.one.Release(ctx, id); err != nil {
		j.failf("Release: %v", err)
	}
}

func (j *journalTest) releases() {
	a, b, pending, move := j.attempt(aKey()), j.attempt(""), j.attempt(""), j.attempt("")
	j.isBegun(a)
	j.isBegun(b)
	j.isBegun(pending)
	id, other := anAppointment(), anAppointment()
	move.AppointmentID = id
	j.isBegun(move)
	j.finish(a, closure.JournalBooked, id)
	j.finish(b, closure.JournalBooked, other)
	for range 2 {
		j.release(id)
	}
	j.holds(a, nil)
	j.holds(move, nil)
	j.holds(b, bookedEntry(b, other))
	j.holds(pending, pendingEntry(pending))
}

func (j *journalTest) pendingInOrder() {
	var want []closure.BookingAttempt
	for i := range 4 {
		a := j.attempt("")
		a.AttemptedAt = a.AttemptedAt.Add(time.Duration(i) * time.Second)
		j.isBegun(a)
		if i == 1 {
			j.finish(a, closure.JournalBooked, anAppointment())
			continue
		}
		want = append(want, a)
	}
	ctx, cancel := j.context()
	defer cancel()
	for entry, err := range j.two.Pending(ctx) {
		switch {
		case err != nil:
			j.failf("Pending: %v", err)
			return
		case entry.State != closure.JournalPending:
			j.failf("Pending yielded one that is not")
		case len(want) > 0 && sameEntry(entry, *pendingEntry(want[0])):
			want = want[1:]
		}
	}
	if len(want) > 0 {
		j.failf("%d entries are missing, or not in order", len(want))
	}
}

func (j *journalTest) race() {
	a := j.attempt("")
	j.oneBegins(func() closure.BookingAttempt { return j.again(a) })
}

func (j *journalTest) raceForKey() {
	key := aKey()
	j.oneBegins(func() closure.BookingAttempt { return j.attempt(key) })
}

// oneBegins lets many connections begin at once, and demands that one did, and
// that the others were told which.
func (j *journalTest) oneBegins(next func() closure.BookingAttempt) {
	const connections = 8
	var (
		group   sync.WaitGroup
		mu      sync.Mutex
		winners []string
		told    = map[string]bool{}
		start   = make(chan struct{})
	)
	for range connections {
		on, a := j.open(), next()
		group.Go(func() {
			<-start
			entry := j.begin(on, a)
			mu.Lock()
			defer mu.Unlock()
			if entry == nil {
				winners = append(winners, a.ID)
			} else {
				told[entry.Attempt.ID] = true
			}
		})
	}
	close(start)
	group.Wait()
	if len(winners) != 1 || len(told) != 1 || !told[winners[0]] {
		j.failf("%d of %d connections began, want one, and the others told of it", len(winners), connections)
	}
}

func (j *journalTest) contextEnded() {
	ctx, cancel := j.context()
	cancel()
	a := j.attempt("")
	if _, err := j.one.Begin(ctx, a); err == nil {
		j.failf("Begin succeeded")
	}
	if _, err := j.one.Find(ctx, a); err == nil {
		j.failf("Find succeeded")
	}
	if _, err := j.one.FindAppointment(ctx, anAppointment()); err == nil {
		j.failf("FindAppointment succeeded")
	}
}
