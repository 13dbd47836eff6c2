package closure

import (
	"context"
	"errors"
	"sync"

	"github.com/closurehealth/closure-go/internal/transport"
)

// A bookingKey is what two clicks on the same button have in common.
type bookingKey struct {
	patient  PatientID
	schedule ScheduleID
	start    int64  // Unix milliseconds
	wish     string // the idempotency key: two keys are two wishes
}

func newBookingKey(p BookSlotParams) bookingKey {
	return bookingKey{p.PatientID, p.ScheduleID, p.StartAt.UnixMilli(), p.IdempotencyKey}
}

// turns lets concurrent bookings of the same thing take turns: they queue, and
// those who waited receive the first result, because reading back could lag
// behind. What is kept for them is a copy, and each receives a copy of that: no
// caller sees what another one does to its result.
type turns struct {
	create *endpoint // for the texts
	mu     sync.Mutex
	byKey  map[bookingKey]*turn
}

type turn struct {
	token   chan struct{} // held by whose turn it is
	callers int           // that have not left
	results int           // how many there were
	booking *Booking      // the last result, if it was one

	// unknown is a request that may have left and that nobody has settled:
	// while there are callers, nobody sends another.
	unknown *OutcomeUnknownError
}

// A place in the queue for a booking.
type place struct {
	turns *turns
	key   bookingKey
	turn  *turn
	seen  int  // results that there were when it was taken
	holds bool // the token
}

// take waits for its turn, or for the end of the context.
func (t *turns) take(ctx context.Context, key bookingKey) (*place, error) {
	p := t.enqueue(key)
	select {
	case p.turn.token <- struct{}{}:
		p.holds = true
		return p, nil
	case <-ctx.Done():
		return nil, p.giveUp(ctx)
	}
}

func (t *turns) enqueue(key bookingKey) *place {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byKey == nil {
		t.byKey = make(map[bookingKey]*turn)
	}
	current, ok := t.byKey[key]
	if !ok {
		current = &turn{token: make(chan struct{}, 1)}
		t.byKey[key] = current
	}
	current.callers++
	return &place{turns: t, key: key, turn: current, seen: current.results}
}

// giveUp leaves without a turn. This call has sent nothing, but what it asked
// for may have been sent by the one it waited for.
func (p *place) giveUp(ctx context.Context) error {
	p.turns.mu.Lock()
	unknown := p.turn.unknown
	p.leave()
	p.turns.mu.Unlock()
	err := newTransportError(p.turns.create, transport.Answer{MaybeSent: unknown != nil}, transport.NewCause(ctx, ctx.Err()))
	if unknown != nil {
		return &OutcomeUnknownError{Attempt: unknown.Attempt, Err: err}
	}
	return err
}

// before is what this place must go by: a request that may have left, or else a
// booking that was made or found while it waited.
func (p *place) before() (*Booking, *OutcomeUnknownError) {
	p.turns.mu.Lock()
	defer p.turns.mu.Unlock()
	if p.turn.unknown != nil || p.turn.results == p.seen {
		return nil, p.turn.unknown.deepCopy()
	}
	return p.turn.booking.deepCopy(), nil
}

var errUnderWay = errors.New("closure: the request was under way")

// sending notes that the request is about to leave.
func (p *place) sending(attempt BookingAttempt) {
	p.turns.mu.Lock()
	defer p.turns.mu.Unlock()
	p.turn.unknown = &OutcomeUnknownError{Attempt: attempt, Err: errUnderWay}
}

// pass ends the turn before the call ends.
func (p *place) pass() {
	p.holds = false
	<-p.turn.token
}

// done ends the turn, if it was not passed on, and the call.
func (p *place) done(booking *Booking, err error) {
	p.turns.mu.Lock()
	defer p.turns.mu.Unlock()
	unknown, _ := errors.AsType[*OutcomeUnknownError](err)
	switch {
	case booking != nil, err != nil && unknown == nil:
		p.turn.results++
		p.turn.booking, p.turn.unknown = booking.deepCopy(), nil
	case unknown != nil && p.holds:
		p.turn.unknown = unknown.deepCopy()
	default: // what stands is as good, or, after a panic, all there is
	}
	if p.holds {
		p.pass()
	}
	p.leave()
}

// leave forgets the key with its last caller. The lock is held.
func (p *place) leave() {
	p.turn.callers--
	if p.turn.callers == 0 {
		delete(p.turns.byKey, p.key)
	}
}
