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
func (o *order) params(d *dice) closure.BookSlotParams {
	params := closure.BookSlotParams{
		ScheduleID: o.slot.schedule,
		PatientID:  o.patient.id,
		StartAt:    o.slot.start,

		IdempotencyKey: o.key,
	}
	if d.chance(0.5) && !o.patient.clinic.cell.noLengths {
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
func (p *process) book(o *order, d *dice) (r result, crashed bool) {
	c := o.patient.newCall(o)
	ctx, cancel := c.context(p, d)
	defer cancel()
	var opts []closure.CallOption
	if p.journal != nil && o.patient.assumesLost {
		opts = append(opts, closure.AssumeLostAfter(assumeLostAfter))
	}
	asked, began := o.asked(), time.Now() // because another process may ask for another slot meanwhile
	var booking *closure.Booking
	var err error
	if o.first {
		booking, err = p.client.BookFirstAvailable(ctx, o.firstParams(), opts...)
	} else {
		booking, err = p.client.BookSlot(ctx, o.params(d), opts...)
	}
	o.patient.clinic.count(attempts)
	if p.crashed() {
		return result{}, true
	}
	r = newResult(booking, err, asked)
	o.patient.clinic.tell(c, r, began)
	return r, false
}

// asked is the slot that the next call asks for. It is empty if the call takes any slot, or the one
// to which the practice moved what the key has.
func (o *order) asked() slot {
	if o.first || o.key != "" && o.patient.clinic.cell.behaviour == sharing {
		return slot{}
	}
	return o.slot
}

func (o *order) firstParams() closure.BookFirstParams {
	search := closure.SlotSearch{From: slotStart(0), To: slotStart(100)}
	for n := range schedules {
		search.Schedules = append(search.Schedules, scheduleID(n))
	}
	return closure.BookFirstParams{PatientID: o.patient.id, Search: search, IdempotencyKey: o.key}
}

// resolve resolves an attempt once.
func (p *process) resolve(o *order, attempt closure.BookingAttempt) (r result, crashed bool) {
	c := o.patient.newCall(o)
	ctx := context.WithValue(p.ctx, callKey{}, c)
	var opts []closure.CallOption
	if o.patient.assumesLost {
		opts = append(opts, closure.AssumeLostAfter(assumeLostAfter))
	}
	began := time.Now()
	booking, err := p.client.ResolveBooking(ctx, attempt, opts...)
	if p.crashed() {
		return result{}, true
	}
	r = newResolution(booking, err, attempt)
	o.patient.clinic.tellResolved(c, r, began)
	return r, false
}

// assumeLostAfter is longer than commits can be late, reads can lag and a call can take
// together. Only a caller who knows such a bound may set it.
const assumeLostAfter = 10 * time.Minute
