package simulation

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A process is one run of a program: a client that knows nothing from earlier runs.
type process struct {
	ctx       context.Context
	crash     context.CancelCauseFunc
	transport *processTransport
	client    *closure.Client

	journal   *journalConn // nil: there is none
	abandoned atomic.Bool  // it is frozen, and nobody waits for it anymore
}

func newProcess(w *network) *process {
	p := &process{transport: &processTransport{network: w}}
	p.ctx, p.crash = context.WithCancelCause(context.Background())
	options := []closure.Option{
		closure.WithHTTPClient(&http.Client{Transport: p.transport}),
		// The jitter of such a short wait is zero, so that a run repeats exactly.
		closure.WithRetryPolicy(closure.RetryPolicy{MinWait: 1, MaxWait: 1}),
	}
	if w.clinic.journal != nil {
		p.journal = &journalConn{journal: w.clinic.journal, transport: p.transport}
		options = append(options, closure.WithJournal(p.journal))
	}
	var err error
	if p.client, err = closure.NewClient(closure.QuickstartKey, options...); err != nil {
		panic(err)
	}
	return p
}

// crashAfter ends the process after d, in the middle of what it is doing.
func (p *process) crashAfter(d time.Duration) {
	time.AfterFunc(d, func() {
		p.transport.dead.Store(true)
		p.crash(errCrash)
	})
}

// crashed reports whether the process has crashed or was abandoned, so that nobody sees its
// results.
func (p *process) crashed() bool { return p.transport.dead.Load() || p.abandoned.Load() }

// end frees what the process holds.
func (p *process) end() { p.crash(nil) }

// params are what is asked for, in one of several equivalent ways.
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

// book makes one call that books, and records its claim. If the process crashes in it, nobody
// is told anything.
func (p *process) book(w *wish, d *dice) (r result, crashed bool) {
	c := w.patient.newCall(w)
	ctx, cancel := c.context(p, d)
	defer cancel()
	var opts []closure.CallOption
	if p.journal != nil && w.patient.assumesLost {
		opts = append(opts, closure.AssumeLostAfter(assumeLostAfter))
	}
	asked, began := w.asked(), time.Now() // because another process may ask for another slot meanwhile
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

// asked is the slot that the next call asks for. It is empty if the call takes any slot.
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

// resolve resolves an attempt once.
func (p *process) resolve(w *wish, attempt closure.BookingAttempt) (r result, crashed bool) {
	c := w.patient.newCall(w)
	ctx := context.WithValue(p.ctx, callKey{}, c)
	var opts []closure.CallOption
	if w.patient.assumesLost {
		opts = append(opts, closure.AssumeLostAfter(assumeLostAfter))
	}
	began := time.Now()
	booking, err := p.client.ResolveBooking(ctx, attempt, opts...)
	if p.crashed() {
		return result{}, true
	}
	r = newResolution(booking, err, attempt)
	w.patient.clinic.tellResolved(c, r, began)
	return r, false
}

// assumeLostAfter is longer than commits can be late, reads can lag and a call can take
// together. Only a caller who knows such a bound may set it.
const assumeLostAfter = 10 * time.Minute
