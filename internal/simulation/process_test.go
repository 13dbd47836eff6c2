package simulation

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A process is one run of a program: a client, with nothing that an earlier one
// knew.
type process struct {
	ctx    context.Context
	crash  context.CancelCauseFunc
	socket *socket
	client *closure.Client

	connection *connection // to the journal; nil: there is none
	abandoned  atomic.Bool // it stands still, and nobody waits for it any more
}

func newProcess(w *wire) *process {
	p := &process{socket: &socket{wire: w}}
	p.ctx, p.crash = context.WithCancelCause(context.Background())
	options := []closure.Option{
		closure.WithHTTPClient(&http.Client{Transport: p.socket}),
		// The jitter of so short a wait is nothing, so that a run repeats exactly.
		closure.WithRetryPolicy(closure.RetryPolicy{MinWait: 1, MaxWait: 1}),
	}
	if w.clinic.journal != nil {
		p.connection = &connection{journal: w.clinic.journal, socket: p.socket}
		options = append(options, closure.WithJournal(p.connection))
	}
	var err error
	if p.client, err = closure.NewClient(closure.QuickstartKey, options...); err != nil {
		panic(err)
	}
	return p
}

// crashAfter ends the process in the middle of whatever it does.
func (p *process) crashAfter(d time.Duration) {
	time.AfterFunc(d, func() {
		p.socket.dead.Store(true)
		p.crash(errCrash)
	})
}

// crashed reports whether nobody hears any more what the process says.
func (p *process) crashed() bool { return p.socket.dead.Load() || p.abandoned.Load() }

// end lets go of what the process holds.
func (p *process) end() { p.crash(nil) }

// params are what is asked for, in one of the ways there are.
func (w *wish) params(d *dice) closure.BookSlotParams {
	params := closure.BookSlotParams{
		ScheduleID: w.slot.schedule,
		PatientID:  w.patient.id,
		StartAt:    w.slot.start,

		IdempotencyKey: w.key,
	}
	if d.chance(0.5) && !w.patient.clinic.cell.noLengths {
		params.Duration = slotMinutes
	}
	switch d.below(3) {
	case 0:
		params.InsuranceCheck = closure.SkipInsuranceCheck
	case 1:
		params.InsuranceID = closuretest.GuideInsuranceID
	}
	return params
}

// book makes one call that books, and has it judged. A process that crashes in
// it tells nobody anything.
func (p *process) book(w *wish, d *dice) (r result, crashed bool) {
	c := w.patient.newCall(w)
	ctx, cancel := c.context(p, d)
	defer cancel()
	var opts []closure.CallOption
	if p.connection != nil && w.patient.bets {
		opts = append(opts, closure.AssumeLostAfter(assumeLostAfter))
	}
	asked, began := w.asked(), time.Now() // who goes on without this process may ask for another
	var booking *closure.Booking
	var err error
	if w.first {
		booking, err = p.client.BookFirstAvailable(ctx, w.firstParams(), opts...)
	} else {
		booking, err = p.client.BookSlot(ctx, w.params(d), opts...)
	}
	w.patient.clinic.count(attempts)
	if p.crashed() {
		return result{}, true
	}
	r = newResult(booking, err, asked)
	w.patient.clinic.tell(c, r, began)
	return r, false
}

// asked is the slot that the next call asks for: none if it takes any.
func (w *wish) asked() slot {
	if w.first {
		return slot{}
	}
	return w.slot
}

func (w *wish) firstParams() closure.BookFirstParams {
	search := closure.SlotSearch{From: slotStart(0), To: slotStart(100)}
	for n := range schedules {
		search.Schedules = append(search.Schedules, scheduleID(n))
	}
	return closure.BookFirstParams{PatientID: w.patient.id, Search: search, IdempotencyKey: w.key}
}

// resolve looks once for what became of an attempt.
func (p *process) resolve(w *wish, attempt closure.BookingAttempt) (r result, crashed bool) {
	c := w.patient.newCall(w)
	ctx := context.WithValue(p.ctx, callKey{}, c)
	var opts []closure.CallOption
	if w.patient.bets {
		opts = append(opts, closure.AssumeLostAfter(assumeLostAfter))
	}
	began := time.Now()
	booking, err := p.client.ResolveBooking(ctx, attempt, opts...)
	if p.crashed() {
		return result{}, true
	}
	r = newResult(booking, err, slot{attempt.ScheduleID, attempt.StartAt})
	w.patient.clinic.tellResolved(c, r, began)
	return r, false
}

// assumeLostAfter is longer than commits can be late, reads can lag and a call
// can take together: whoever sets it must know of such a bound.
const assumeLostAfter = 10 * time.Minute
