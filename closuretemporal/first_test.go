package closuretemporal

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// first is the order for the first of the guide's three slots.
func first() order {
	start := closuretest.GuideSlot().StartAt
	return firstOrder(closure.BookFirstParams{
		PatientID:      closuretest.GuidePatientID,
		IdempotencyKey: "order-1",
		Search: closure.SlotSearch{
			Schedules: []closure.ScheduleID{closuretest.GuideScheduleID},
			From:      start.Add(-time.Hour), To: start.Add(time.Hour),
		},
	})
}

func TestTheFirstSlotIsBooked(t *testing.T) {
	inBench(t, func(b *bench) {
		b.order = first()
		booked, err := b.book()
		want := closuretest.GuideSlot().StartAt.Add(-15 * time.Minute)
		if err != nil || !booked.StartAt.Equal(want) || b.sent() != 1 {
			t.Errorf("%v, %v, sent %d times", booked, err, b.sent())
		}
	})
}

// The first slot's answer is lost and its commit comes late. No other slot is tried before
// that one is settled.
func TestTheWalkWaitsForWhatIsUnknown(t *testing.T) {
	inBench(t, func(b *bench) {
		b.order = first()
		b.server.Inject(closuretest.CommitLate("appointments.create", time.Hour))
		booked, err := b.book()
		if err != nil || booked == nil || b.sent() != 1 || len(b.server.Appointments()) != 1 {
			t.Errorf("%v, %v, sent %d times", booked, err, b.sent())
		}
	}, closuretest.AllowDuplicates())
}

func TestTheWalkPassesOverATakenSlot(t *testing.T) {
	inBench(t, func(b *bench) {
		b.order = first()
		b.server.Inject(closuretest.Stale("availabilities.list", time.Hour).Times(0)) // goes on showing it
		other := taken()
		other.StartAt = other.StartAt.Add(-15 * time.Minute)
		other.Duration = 15
		b.routes = before("POST", func() { b.server.AddAppointment(other) })
		booked, err := b.book()
		if err != nil || booked.StartAt.Equal(other.StartAt) || len(b.server.Appointments()) != 2 {
			t.Errorf("%v, %v, %d appointments", booked, err, len(b.server.Appointments()))
		}
	})
}

func TestTheWalkPassesOverWhatThePatientHas(t *testing.T) {
	inBench(t, func(b *bench) {
		b.order = first()
		own, err := b.server.Client().Appointments.Create(b.t.Context(), closure.AppointmentCreateParams{
			ScheduleID: closuretest.GuideScheduleID, PatientID: closuretest.GuidePatientID,
			StartAt: closuretest.GuideSlot().StartAt.Add(-15 * time.Minute), Duration: 30,
		})
		if err != nil {
			b.t.Fatal(err)
		}
		b.server.Inject(closuretest.Stale("availabilities.list", time.Hour).Times(0)) // goes on showing it
		booked, err := b.book()
		if err != nil || booked.StartAt.Equal(own.StartAt) {
			t.Errorf("%v, %v", booked, err)
		}
	}, closuretest.AllowDuplicates())
}

// No request can name such a slot.
func TestTheWalkPassesOverWhatNoRequestCanName(t *testing.T) {
	server := closuretest.New(closuretest.ReportTo(t))
	c := &choice{
		api: server.Client(), in: chooseInput{Order: first()},
		held: map[closure.ScheduleID][]closure.Appointment{"sch_1": nil},
	}
	start := closuretest.GuideSlot().StartAt
	for _, found := range []closure.Slot{
		{ScheduleID: "sch_1", StartAt: start.Add(500 * time.Microsecond), Duration: 30},
		{ScheduleID: "sch_1", StartAt: start, Duration: -1},
		{ScheduleID: "sch_1", StartAt: start, Duration: closure.MaxMinutes + 1},
	} {
		if err := c.add(t.Context(), found); err != nil || len(c.slots) != 0 {
			t.Errorf("%v: %v, %d slots", found, err, len(c.slots))
		}
	}
}

// A worker of another version returns what this one doesn't understand, or leaves nothing
// out. The workflow doesn't ask again.
func TestAWalkEndsWithAWorkerOfAnotherVersion(t *testing.T) {
	for _, tt := range []struct {
		name   string
		chosen chosen
		want   error
	}{
		{"what it doesn't understand", chosen{}, closure.ErrNotBooked},
		{"the same for ever", chosen{Slots: []slot{*slotOrder(guide()).Slot}}, closure.ErrNoSlot},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				b.order = first()
				b.server.AddAppointment(taken())
				asked := 0
				a := &activities{api: b.server.Client()}
				registerWorkflows(b)
				b.RegisterActivityWithOptions(a.send, activity.RegisterOptions{Name: sendActivity})
				b.RegisterActivityWithOptions(a.record, activity.RegisterOptions{Name: recordActivity})
				b.RegisterActivityWithOptions(func(context.Context, chooseInput) (chosen, error) {
					asked++
					return tt.chosen, nil
				}, activity.RegisterOptions{Name: chooseActivity})
				b.RegisterDelayedCallback(func() {
					b.UpdateWorkflow(settleUpdate, "", &testsuite.TestUpdateCallback{
						OnAccept: func() {}, OnReject: func(error) {}, OnComplete: func(any, error) {},
					}, NotBooked())
				}, time.Hour)
				booked, err := b.run()
				if booked != nil || !errors.Is(err, tt.want) || asked > 2 {
					t.Errorf("%v, %v, asked %d times", booked, err, asked)
				}
			})
		})
	}
}

// One schedule can never be searched, the other one only not at the moment.
func TestASearchThatFailedInPartIsRepeated(t *testing.T) {
	err := joinOr([]error{
		&closure.APIError{Method: "GET", StatusCode: http.StatusForbidden},
		&closure.APIError{Method: "GET", StatusCode: http.StatusServiceUnavailable},
	}, nil)
	if !worthAgain(err) || worthAgain(joinOr([]error{closure.ErrNoSlot, closure.ErrNotBookable}, nil)) {
		t.Error("it isn't repeated, or a search whose failure is final is")
	}
}

func TestAWalkThatFindsNothingSaysWhy(t *testing.T) {
	for _, tt := range []struct {
		name    string
		arrange func(*bench)
		want    error
	}{
		{"no slot", func(b *bench) { b.order.Search.To = b.order.Search.From.Add(time.Minute) }, closure.ErrNoSlot},
		{"insurance", func(b *bench) { b.order.Insurance = "ins_other" }, closure.ErrInsuranceNotAccepted},
		{"unreachable", func(b *bench) {
			b.server.Inject(closuretest.Status("availabilities.list", http.StatusBadGateway).Times(0))
		}, closure.ErrServer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				b.order = first()
				tt.arrange(b)
				booked, err := b.book()
				if booked != nil || !errors.Is(err, tt.want) || b.sent() != 0 {
					t.Errorf("%v, %v, want %v", booked, err, tt.want)
				}
			})
		})
	}
}

// before calls act once, before the first request with the method.
func before(method string, act func()) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if req.Method == method && act != nil {
				act()
				act = nil
			}
			return next.RoundTrip(req)
		})
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A run after a reset doesn't know everything that the run before it chose and sent. So it
// sends nothing, and counts nothing as lost.
func TestAWalkThatWasResetBooksNoOtherSlot(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reset string        // the activity that the reset comes before
		slot  time.Duration // that was booked, from the first one on
		found bool          // without a person
	}{
		{"before it chose", chooseActivity, 0, false},
		{"before it sent", sendActivity, 0, true},
		{"before it sent a slot that was refused", sendActivity, 15 * time.Minute, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				b.order, b.policy.AssumeLostAfter = first(), time.Hour
				b.reset(tt.reset, tt.slot)
				var status Status
				b.RegisterDelayedCallback(func() {
					if status = b.status(); !status.State.Settled() {
						b.UpdateWorkflowNoRejection(settleUpdate, "", b.t, Booked("appt_before"))
					}
				}, 50*time.Hour)
				booked, err := b.run()
				if err != nil || booked.ID != "appt_before" || b.sent() != 0 {
					t.Errorf("%v, %v, sent %d times", booked, err, b.sent())
				}
				if !tt.found && status.State != StateEscalated {
					t.Errorf("%+v", status)
				}
			})
		})
	}
}

// reset registers a worker for a run that was reset to before the activity. The run before
// it booked the slot that is this much later than the first one.
func (b *bench) reset(to string, later time.Duration) {
	own := taken()
	own.ID, own.PatientID, own.Duration = "appt_before", b.order.Patient, 15
	own.StartAt = own.StartAt.Add(later - 15*time.Minute)
	a := &activities{api: b.server.Client()}
	name := func(name string) activity.RegisterOptions { return activity.RegisterOptions{Name: name} }
	registerWorkflows(b)
	b.RegisterActivityWithOptions(a.look, name(lookActivity))
	b.RegisterActivityWithOptions(a.record, name(recordActivity))
	b.RegisterActivityWithOptions(func(ctx context.Context, in chooseInput) (chosen, error) {
		if to == chooseActivity {
			in.RunID = "the run before"
		}
		c, err := a.choose(ctx, in)
		b.server.AddAppointment(own)
		return c, err
	}, name(chooseActivity))
	b.RegisterActivityWithOptions(func(ctx context.Context, in sendInput) (ending, error) {
		in.RunID = "the run before"
		return a.send(ctx, in)
	}, name(sendActivity))
}
