package closure_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
)

// One user, one thing after the other, by several processes that share a journal.
func atkMoves(t *testing.T, seed uint64) (bad []string, log []string) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		w := &atkWorld{rnd: rnd}
		w.T = []time.Duration{2 * time.Second, 30 * time.Second}[w.pick(2)]
		w.H = []time.Duration{0, w.T}[w.pick(2)]
		w.L = []time.Duration{0, time.Minute}[w.pick(2)]
		w.G = []time.Duration{0, 3 * time.Second, 20 * time.Second, time.Minute}[w.pick(4)]
		w.pFault = []float64{0, 0.02, 0.1, 0.2}[w.pick(4)]
		if os.Getenv("ATTACK_NOLATE") != "" {
			w.L = 0
		}
		lagMode := w.pick(2)
		w.atkAPI = &atkAPI{slots: atkSlots(4), duplicates: w.chance(0.5)}
		w.atkAPI.fault = w.dice
		w.atkAPI.lag = func(op string) time.Duration {
			switch {
			case op == "create" || op == "cancel" || op == "move":
				return 0
			case lagMode == 0:
				return w.G
			default:
				return w.upTo(w.G)
			}
		}
		ala := 2*w.T + w.H + w.L + w.G + time.Second
		shared := &atkJournal{}
		useALA := w.chance(0.5)
		var opts []closure.CallOption
		if useALA {
			opts = append(opts, closure.AssumeLostAfter(ala))
		}
		w.note("T %v H %v L %v G %v fault %v dup %v ala %v %t lagMode %d", w.T, w.H, w.L, w.G, w.pFault, w.duplicates, ala, useALA, lagMode)
		var clients []*closure.Client
		for p := range 2 {
			c, _ := w.process(t, p, shared)
			clients = append(clients, c)
		}
		var id closure.AppointmentID // what stands, as the user knows
		at := -1
		orders := 0
		for step := range 8 {
			call := &atkCall{name: fmt.Sprintf("step %d", step)}
			kind := w.pick(4)
			to := w.pick(3)
			if id == "" {
				kind = 0
				orders++
			}
			key := fmt.Sprintf("order %d", orders)
			unknownBefore := false
			for try := range 30 {
				call.began = time.Now()
				c := clients[w.pick(2)]
				ctx := context.WithValue(context.Background(), atkCallKey{}, call)
				cancel := func() {}
				if w.chance(0.4) {
					ctx, cancel = context.WithTimeout(ctx, w.upTo(3*w.T))
				}
				var err error
				var appt *closure.Appointment
				name := ""
				switch kind {
				case 0, 3: // book, or book the same again
					params := atkParams(key)
					if at > 0 && id != "" {
						params.StartAt = atkStart(at)
					}
					name = "book " + params.StartAt.Format("15")
					var b *closure.Booking
					b, err = c.BookSlot(ctx, params, opts...)
					if b != nil {
						appt = &b.Appointment
					}
				case 1:
					name = "move to " + atkStart(to).Format("15")
					appt, err = c.RescheduleBooking(ctx, id, closure.AppointmentRescheduleParams{StartAt: atkStart(to)}, opts...)
				case 2:
					name = "cancel"
					appt, err = c.CancelBooking(ctx, id, opts...)
				}
				cancel()
				w.note("%s try %d %s: %s: %v %v", call.name, try, name, closure.OutcomeOf(err), appt, err)
				o := closure.OutcomeOf(err)
				real := func() (string, time.Time) {
					w.mu.Lock()
					defer w.mu.Unlock()
					for _, a := range w.appts {
						if id != "" && a.id == string(id) {
							s := a.states[len(a.states)-1]
							return s.status, s.start
						}
					}
					return "", time.Time{}
				}
				switch {
				case err == nil && (kind == 0 || kind == 3):
					if id != "" && appt.ID != id {
						w.fail("%s: another appointment %s beside %s", call.name, appt.ID, id)
					}
					id, at = appt.ID, int(appt.StartAt.Sub(atkStart(0)).Hours())
					if s, start := real(); s == "" || s == "cancelled" || !start.Equal(appt.StartAt) {
						w.fail("%s: told booked at %v, is %s %v", call.name, appt.StartAt, s, start)
					}
				case err == nil && kind == 1:
					at = to
					if s, start := real(); s == "cancelled" || !start.Equal(atkStart(to)) {
						w.fail("%s: told moved, is %s %v", call.name, s, start)
					}
				case err == nil:
					if s, _ := real(); s != "cancelled" {
						w.fail("%s: told cancelled, is %s", call.name, s)
					}
					id, at = "", -1
				case o == closure.OutcomeUnknown:
					unknownBefore = true
					time.Sleep(w.upTo(ala))
					continue
				case unknownBefore && o == closure.OutcomeNotSent && !errors.Is(err, closure.ErrSlotUnavailable):
					time.Sleep(w.upTo(ala)) // says nothing of the earlier one
					continue
				default:
					time.Sleep(w.L + w.H + time.Second)
					if sent := w.carriedBy(call); len(sent) > 0 {
						w.fail("%s %s: told %v, and it was carried out at %s", call.name, name, err, sent[0].Format("04:05.000"))
						s, start := real()
						w.note("now %s %v", s, start)
					}
				}
				unknownBefore = false
				break
			}
			if unknownBefore {
				w.note("never settled")
				break
			}
			if len(w.bad) > 0 {
				break
			}
			time.Sleep(w.upTo(30 * time.Second))
		}
		time.Sleep(time.Hour)
		if n := w.standing("pt_1", time.Time{}); n > 1 {
			w.fail("%d appointments", n)
		}
		bad, log = w.bad, w.log
	})
	return bad, log
}

func TestMovesAttack(t *testing.T) {
	runs, from := 300, uint64(0)
	if s := os.Getenv("ATTACK_RUNS"); s != "" {
		runs, _ = strconv.Atoi(s)
	}
	if s := os.Getenv("ATTACK_SEED"); s != "" {
		from, _ = strconv.ParseUint(s, 10, 64)
	}
	failed, unsettled := 0, 0
	for i := range runs {
		bad, log := atkMoves(t, from+uint64(i))
		if len(log) > 0 && log[len(log)-1][10:] == "never settled" {
			unsettled++
		}
		if len(bad) > 0 {
			failed++
			t.Errorf("seed %d: %v", from+uint64(i), bad)
			if failed <= 2 || runs == 1 {
				for _, l := range log {
					t.Log(l)
				}
			}
			if failed > 30 {
				return
			}
		}
	}
	t.Logf("%d never settled", unsettled)
}
