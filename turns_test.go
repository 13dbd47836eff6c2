package closure

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// OpenTurns is how many keys the client's turns hold.
func OpenTurns(c *Client) int {
	c.core.turns.mu.Lock()
	defer c.core.turns.mu.Unlock()
	return len(c.core.turns.byKey)
}

var testKey = bookingKey{"pt_1", "sch_1", 1, ""}

func takeTurn(t *testing.T, all *turns) *place {
	t.Helper()
	p, err := all.take(t.Context(), testKey)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Turns come in the order in which they were asked for.
func TestTurnsAreFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all turns
		first := takeTurn(t, &all)
		var mu sync.Mutex
		var order []int
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				p := takeTurn(t, &all)
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				p.done(nil, ErrSlotUnavailable)
			})
		}
		time.Sleep(time.Second)
		first.done(nil, ErrSlotUnavailable)
		group.Wait()
		if !slices.IsSorted(order) || len(order) != 20 {
			t.Errorf("order %v", order)
		}
		if len(all.byKey) != 0 {
			t.Error("the key leaked")
		}
	})
}

// What a call passes on to calls that waited for it, and to calls that came later.
func TestTurnsPassTheResultOn(t *testing.T) {
	t.Parallel()
	unknown := &OutcomeUnknownError{Err: errNotConfirmed}
	booking := &Booking{Appointment: Appointment{ID: "appt_1"}}
	for name, test := range map[string]struct {
		end     func(*place)
		booking *Booking
		unknown bool // to those who waited
		later   bool // … and to those who come while they are there
	}{
		"a booking": {func(p *place) { p.done(booking, nil) }, booking, false, false},
		"nothing":   {func(p *place) { p.done(nil, ErrNotBookable) }, nil, false, false},
		"unknown":   {func(p *place) { p.sending(unknown.Attempt); p.done(nil, unknown) }, nil, true, true},
		"sent and rejected": {
			func(p *place) { p.sending(unknown.Attempt); p.done(nil, &APIError{StatusCode: 409}) }, nil, false, false,
		},
		"sent and booked": {func(p *place) { p.sending(unknown.Attempt); p.done(booking, nil) }, booking, false, false},
		"panic before":    {func(p *place) { p.done(nil, nil) }, nil, false, false},
		"panic after":     {func(p *place) { p.sending(unknown.Attempt); p.done(nil, nil) }, nil, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all turns
			first := takeTurn(t, &all)
			waiting := all.enqueue(testKey)
			test.end(first)
			waiting.turn.token <- struct{}{}
			waiting.holds = true
			got, gotUnknown := waiting.before()
			if !reflect.DeepEqual(got, test.booking) || (gotUnknown != nil) != test.unknown {
				t.Errorf("handed on %v, %v", got, gotUnknown)
			}
			waiting.pass()
			late := takeTurn(t, &all)
			got, gotUnknown = late.before()
			if got != nil || (gotUnknown != nil) != test.later {
				t.Errorf("handed on %v, %v to one who came later", got, gotUnknown)
			}
			// What is settled stays settled, whatever others make of it.
			waiting.done(booking, nil)
			if got, gotUnknown = late.before(); !reflect.DeepEqual(got, booking) || gotUnknown != nil {
				t.Errorf("settled, and yet handed on %v, %v", got, gotUnknown)
			}
			late.pass()
			late.done(nil, unknown)
			if len(all.byKey) != 0 {
				t.Error("the key leaked")
			}
		})
	}
}

func TestTurnsKeepASettledResult(t *testing.T) {
	t.Parallel()
	unknown := &OutcomeUnknownError{Err: errNotConfirmed}
	var all turns
	first := takeTurn(t, &all)
	places := []*place{all.enqueue(testKey), all.enqueue(testKey)}
	first.sending(BookingAttempt{})
	first.done(nil, unknown)
	places[0].done(&Booking{}, nil)
	places[1].done(nil, unknown)
	if len(all.byKey) != 0 {
		t.Error("the key leaked")
	}
	if places[1].turn.unknown != nil {
		t.Error("a call that found nothing removed what another call had found")
	}
}

// The error of a call that gives up says what is known of the request that it waited for.
func TestTurnsOfCallersWhoGiveUp(t *testing.T) {
	t.Parallel()
	create := newEndpoint(opAppointmentsCreate.spec())
	all := turns{create: &create}
	first := takeTurn(t, &all)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := all.take(ended, testKey)
	if !errors.Is(err, context.Canceled) || OutcomeOf(err) != OutcomeNotSent {
		t.Errorf("before it is sent: %v", err)
	}
	first.sending(BookingAttempt{ScheduleID: "sch_1"})
	_, err = all.take(ended, testKey)
	unknown, ok := errors.AsType[*OutcomeUnknownError](err)
	if !ok || unknown.Attempt.ScheduleID != "sch_1" || !errors.Is(err, context.Canceled) {
		t.Errorf("while it is sent: %v", err)
	}
	first.done(nil, ErrNotBookable)
	if len(all.byKey) != 0 {
		t.Error("the key leaked")
	}
}
