package closure

import (
	"context"
	"errors"
	"sync"

	"github.com/closurehealth/closure-go/internal/transport"
)

// A bookingKey is equal for bookings that are the same, such as two clicks on one button.
type bookingKey struct {
	patient        PatientID
	schedule       ScheduleID
	start          int64 // Unix milliseconds
	idempotencyKey string
}

func newBookingKey(p BookSlotParams) bookingKey {
	return bookingKey{p.PatientID, p.ScheduleID, p.StartAt.UnixMilli(), p.IdempotencyKey}
}

// turns makes concurrent identical bookings queue. Calls that waited receive the first
// one's result, because a read could lag behind. Each receives its own copy, so that no
// caller sees what another one does to its result.
type turns struct {
	create *endpoint // for the text of errors
	mu     sync.Mutex
	byKey  map[bookingKey]*turn
}

type turn struct {
	token   chan struct{} // its holder has the turn
	callers int           // how many are in the queue or have the turn
	results int           // how many bookings have ended
	booking *Booking      // the last result, if it was a booking

	// unknown is the error of a request that may have left and that nobody has settled yet.
	// While it is set, nobody sends another request.
	unknown *OutcomeUnknownError
}

// A place in the queue for a booking.
type place struct {
	turns *turns
	key   bookingKey
	turn  *turn
	seen  int  // how many bookings had ended when the call came
	holds bool // the call has the turn
}

// take waits for the turn, or for the end of the context.
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

// giveUp leaves the queue without a turn. This call has sent nothing, but the call that it
// waited for may have sent the same booking.
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

// before returns what happened while this call waited: the error of a request that may have
// left, or else a booking that was made or found.
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

// pass hands the turn to the next one before the call ends.
func (p *place) pass() {
	p.holds = false
	<-p.turn.token
}

// done ends the call, and its turn if that was not passed on.
func (p *place) done(booking *Booking, err error) {
	p.turns.mu.Lock()
	defer p.turns.mu.Unlock()
	unknown, _ := errors.AsType[*OutcomeUnknownError](err)
	switch {
	case booking != nil, err != nil && unknown == nil:
		p.turn.results++
		p.turn.unknown = nil
		if p.turn.callers > 1 { // else nobody is there to receive it
			p.turn.booking = booking.deepCopy()
		}
	case unknown != nil && p.holds:
		p.turn.unknown = unknown.deepCopy()
	default: // keep the earlier result: this one knows no more, or the call panicked
	}
	if p.holds {
		p.pass()
	}
	p.leave()
}

// leave forgets the key when its last caller leaves. The caller holds the lock.
func (p *place) leave() {
	p.turn.callers--
	if p.turn.callers == 0 {
		delete(p.turns.byKey, p.key)
	}
}
