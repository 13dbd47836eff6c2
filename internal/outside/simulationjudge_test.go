package outside

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	closure "github.com/closurehealth/closure-go"
)

// was reports whether the appointment was at start at some instant of [from, to].
func (a *railway) was(id string, start, from, to time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r, ok := a.asOf(id, from); ok && r.Status != "cancelled" && r.Start.Equal(start) {
		return true
	}
	for _, v := range a.appts[id] {
		if !v.at.Before(from) && !v.at.After(to) && v.r.Status != "cancelled" && v.r.Start.Equal(start) {
			return true
		}
	}
	return false
}

// always is the appointment that the patient had at start during all of [from, to].
func (a *railway) always(start, from, to time.Time) string {
	a.mu.Lock()
	defer a.mu.Unlock()
next:
	for _, id := range a.order {
		r, ok := a.asOf(id, from)
		if !ok || r.Status == "cancelled" || !r.Start.Equal(start) {
			continue
		}
		for _, v := range a.appts[id] {
			if v.at.After(from) && !v.at.After(to) && (v.r.Status == "cancelled" || !v.r.Start.Equal(start)) {
				continue next
			}
		}
		return id
	}
	return ""
}

func (a *railway) changeBegins(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changes = append(a.changes, change{id, time.Now(), time.Now().Add(1000 * time.Hour)})
}

func (a *railway) changeEnds(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.changes {
		if a.changes[i].id == id && a.changes[i].to.After(time.Now()) {
			a.changes[i].to = time.Now()
		}
	}
}

func (a *railway) changing(id string, from, to time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.changes {
		if c.id == id && c.from.Before(to) && c.to.After(from) {
			return true
		}
	}
	return false
}

func (w *world) operate(p *process) {
	ctx := p.ctx
	if w.chance(5) {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, w.upTo(15*time.Second))
		defer cancel()
	}
	var opts []closure.CallOption
	if w.chance(2) {
		opts = append(opts, closure.AssumeLostAfter(10*time.Minute))
	}
	x := w.random(10)
	switch {
	case w.moves && w.chance(3):
		w.change(ctx, p, true, opts)
	case x < 5 || x < 7 && !w.walks:
		w.book(ctx, p, opts)
	case x < 7:
		w.walk(ctx, p, opts)
	case x == 7:
		w.resolve(ctx, p, opts)
	case w.moves && (!w.cancels || x == 8):
		w.change(ctx, p, true, opts)
	case w.cancels:
		w.change(ctx, p, false, opts)
	}
}

func (w *world) key() string { return "K" + strconv.Itoa(w.random(4)) }

func (w *world) book(ctx context.Context, p *process, opts []closure.CallOption) {
	n, key := w.random(3), ""
	if w.keys && !w.chance(3) {
		key = w.key()
		if !w.chance(6) {
			n = int(key[1]-'0') % 3
		}
	}
	params := slot(n, key)
	if w.chance(3) {
		params.Duration = 0
	}
	from, event := time.Now(), new(closure.BookingEvent)
	b, err := p.c.BookSlot(context.WithValue(ctx, eventKey{}, event), params, opts...)
	if p.dead.Load() {
		return
	}
	w.judge(fmt.Sprintf("BookSlot(%d,%q)", n, key), key, from, b, err, *event)
	if _, ok := errors.AsType[*closure.InputError](err); ok || err == nil {
		return
	}
	o := closure.OutcomeOf(err)
	if o != closure.OutcomeUnknown && o != closure.OutcomeNotSent || errors.Is(err, closure.ErrSlotUnavailable) {
		if own := w.a.always(hour(n), from, time.Now()); own != "" {
			w.fail("BookSlot(%d,%q): %v, but the patient has %s", n, key, err, own)
		}
	}
}

func (w *world) walk(ctx context.Context, p *process, opts []closure.CallOption) {
	key := w.key()
	from, event := time.Now(), new(closure.BookingEvent)
	b, err := p.c.BookFirstAvailable(context.WithValue(ctx, eventKey{}, event), first(key), opts...)
	if !p.dead.Load() {
		w.judge(fmt.Sprintf("BookFirstAvailable(%q)", key), key, from, b, err, *event)
	}
}

// judge fails if a caller was told something untrue. It accepts that a key was told one
// appointment, and later another one: if reads lag, or another process is changing the first
// one, nobody can know that it is still booked.
func (w *world) judge(what, key string, from time.Time, b *closure.Booking, err error, e closure.BookingEvent) {
	w.say("%s -> %s", what, show(b, err))
	ending := map[bool]closure.Ending{true: closure.EndingRecovered, false: closure.EndingConfirmed}
	unknown := closure.OutcomeOf(err) == closure.OutcomeUnknown
	if b != nil && e.Ending != ending[b.Recovered] || b == nil && unknown != (e.Ending == closure.EndingUnknown) ||
		e.JournalFailed != "" {
		w.fail("%s: event %+v for %s", what, e, show(b, err))
	}
	if b == nil || w.a.changing(string(b.Appointment.ID), from, time.Now()) {
		return
	}
	if key != "" && w.appointmentOf(key) != b.Appointment.ID {
		w.fail("%s: the key isn't attached to %s", what, show(b, err))
	}
	if !w.a.was(string(b.Appointment.ID), b.Appointment.StartAt, from, time.Now()) {
		w.fail("%s: %s was never there during the call: %s", what, show(b, err), w.a.dump())
	}
}

func (w *world) appointmentOf(key string) closure.AppointmentID {
	w.j.mu.Lock()
	defer w.j.mu.Unlock()
	if r := w.j.byKey(key); r != nil {
		return r.Appointment
	}
	return ""
}

func (w *world) resolve(ctx context.Context, p *process, opts []closure.CallOption) {
	from := time.Now()
	for r, err := range p.c.ResolvePending(ctx, opts...) {
		if err != nil || p.dead.Load() {
			return
		}
		start := r.Attempt.StartAt
		w.say("resolved %s, key %q -> %s", start.Format("15:04"), r.Attempt.IdempotencyKey, show(r.Booking, r.Err))
		if own := w.a.always(start, from, time.Now()); own != "" && errors.Is(r.Err, closure.ErrNotBooked) {
			w.fail("not booked, but the patient has %s there", own)
		}
	}
}

// quietTime is longer than reads lag and commits are late.
const quietTime = 130 * time.Second

// change moves or cancels a booked appointment, and repeats that until the outcome is known.
func (w *world) change(ctx context.Context, p *process, move bool, opts []closure.CallOption) {
	stand := w.a.standing()
	if len(stand) == 0 {
		return
	}
	id := stand[w.random(len(stand))].ID
	if _, ok := w.busy.LoadOrStore(id, true); ok {
		return
	}
	defer w.busy.Delete(id)
	w.a.changeBegins(id)
	for n := w.random(3); ; {
		var err error
		if move {
			err = w.move(ctx, p, id, n, opts)
		} else {
			_, err = p.c.CancelBooking(ctx, closure.AppointmentID(id))
		}
		if p.dead.Load() { // another process does this now
			p = w.newProcess()
			defer p.kill()
			ctx = p.ctx
			continue
		}
		w.say("change of %s, move %t to %d -> %v", id, move, n, err)
		if err == nil {
			w.a.changeEnds(id)
		}
		time.Sleep(quietTime)
		if closure.OutcomeOf(err) != closure.OutcomeUnknown {
			return
		}
		ctx = p.ctx
	}
}

func (w *world) move(ctx context.Context, p *process, id string, n int, opts []closure.CallOption) error {
	from := time.Now()
	m, err := p.c.RescheduleBooking(ctx, closure.AppointmentID(id), to(n), opts...)
	if err == nil && !p.dead.Load() && !w.a.was(id, hour(n), from, time.Now()) {
		w.fail("move of %s to %d: it was never at %v", id, n, m.StartAt)
	}
	return err
}

// watch fails as soon as the patient has two appointments at one start.
func (w *world) watch(done chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-time.After(500 * time.Millisecond):
		}
		for n := range 6 {
			if count := standingAt(w.a, n); count > 1 {
				w.fail("%d appointments at %d: %s, journal %s", count, n, w.a.dump(), w.j.dump())
				return
			}
		}
	}
}

// judgeTheEnd fails if, an hour later, an entry of the journal is pending or untrue.
func (w *world) judgeTheEnd() {
	ctx := context.Background()
	p := w.newProcess()
	defer p.kill()
	for _, err := range p.c.ResolvePending(ctx, closure.AssumeLostAfter(10*time.Minute)) {
		if err != nil {
			w.fail("resolving: %v", err)
		}
	}
	for _, err := range w.j.Pending(ctx) {
		w.fail("pending at the end: %s, %v", w.j.dump(), err)
	}
	if w.moves {
		return // an appointment that was moved away and back has one entry, or none
	}
	for _, r := range w.a.standing() {
		if e, _ := w.j.FindAppointment(ctx, closure.AppointmentID(r.ID)); e == nil || e.State != closure.JournalBooked {
			w.fail("%s stands, and the journal says %s", r.ID, w.j.dump())
		}
	}
}
