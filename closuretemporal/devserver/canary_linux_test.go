package devserver

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/proto"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretemporal"
	"github.com/closurehealth/closure-go/closuretest"
)

// The database's file, the history, the logs and the metrics hold nothing of a patient,
// however the booking ended. With the codec off, the same scan finds the patient's data.
func TestNothingPersonalIsStored(t *testing.T) {
	for _, plain := range []bool{false, true} {
		t.Run(map[bool]string{false: "encrypted", true: "codec off"}[plain], func(t *testing.T) {
			t.Parallel()
			c := newClinic(t)
			c.cfg.Plain = plain
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			worker := c.worker(t, "queue", nil)
			s := &story{t: t, c: c, ctx: ctx}
			ids := s.allWays()

			stored, err := os.ReadFile(c.file)
			if err != nil {
				t.Fatal(err)
			}
			log, _ := os.ReadFile(c.file + "-wal")
			_, tc := c.bookings(t, "queue")
			var histories []byte
			for _, id := range ids {
				history, err := proto.Marshal(historyOf(ctx, t, tc, id))
				if err != nil {
					t.Fatal(err)
				}
				histories = append(histories, history...)
			}
			for place, text := range map[string][]byte{
				"the database": append(stored, log...), "the history": histories,
				"the logs and metrics": []byte(worker.out.String()),
			} {
				if place != "the logs and metrics" && !bytes.Contains(text, []byte("closure.booking")) {
					t.Errorf("%s is not what it should be: %d bytes", place, len(text))
				}
				found := 0
				for _, canary := range []string{
					"pt_canary", "canary-order", "sch_", "appt_", "ins_", "2022-06", "Canary", "slot_unavailable",
				} {
					if bytes.Contains(text, []byte(canary)) {
						found++
						if !plain {
							t.Errorf("%s shows %q", place, canary)
						}
					}
				}
				if plain && place != "the logs and metrics" && found < 5 {
					t.Errorf("%s: the scan finds %d canaries only", place, found)
				}
			}
		})
	}
}

// allWays books in all ways, and returns the ids of the workflows.
func (s *story) allWays() (ids []string) {
	s.params = s.c.wanted(1)
	ids = append(ids, s.book())

	s.params = s.c.wanted(2)
	s.params.InsuranceCheck, s.params.InsuranceID = closure.RequireAccepted, "ins_other"
	ids = append(ids, s.book())

	s.params = s.c.wanted(3)
	s.c.Inject(closuretest.CommitLate("appointments.create", 4*time.Second))
	ids = append(ids, s.book())

	s.params = s.c.wanted(4)
	s.c.policy.AssumeLostAfter = 0
	s.c.Inject(closuretest.DropBefore("appointments.create"))
	pending := s.start()
	s.reaches(pending, closuretemporal.StateSettling)
	if err := pending.Settle(s.ctx, closuretemporal.Booked("appt_told")); err != nil {
		s.t.Error(err)
	}
	ids = append(ids, s.ends(pending))

	s.params = s.c.wanted(5)
	pending = s.start()
	if _, err := pending.Reschedule(s.ctx, closure.AppointmentRescheduleParams{
		StartAt: s.c.wanted(6).StartAt,
	}); err != nil {
		s.t.Error(err)
	}
	return append(ids, pending.ID(), pending.ID()+"-change")
}

// The key is rotated while a booking's outcome is unknown. A worker that lacks the new
// key doesn't end the booking.
func TestKeysRotateWhileABookingIsUnknown(t *testing.T) {
	c := newClinic(t)
	c.policy.AssumeLostAfter = 0
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := &story{t: t, c: c, ctx: ctx, params: c.wanted(1)}
	c.Inject(closuretest.DropBefore("appointments.create"))
	first := c.worker(t, "queue", nil)
	pending := s.start()
	s.reaches(pending, closuretemporal.StateSettling)
	first.kill()

	second := c.worker(t, "queue", func(cfg *roleConfig) { cfg.Key = "b" })
	looks := func() int {
		status, err := pending.Status(ctx)
		if err != nil {
			return 0
		}
		return status.Looks
	}
	before := looks()
	wait(t, 30*time.Second, func() bool { return looks() > before+2 }, "looks by the new key")
	second.kill()

	third := c.worker(t, "queue", func(cfg *roleConfig) { cfg.Lacks = "b" })
	third.says("not in the keyring")
	time.Sleep(2 * time.Second)
	_, tc := c.bookings(t, "queue")
	d, err := tc.DescribeWorkflowExecution(ctx, pending.ID(), "")
	status := d.GetWorkflowExecutionInfo().GetStatus()
	if err != nil || status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		t.Fatalf("%v, %v", status, err)
	}
	third.kill()

	c.worker(t, "queue", func(cfg *roleConfig) { cfg.Key = "b" })
	wait(t, time.Minute, func() bool { return pending.Settle(ctx, closuretemporal.Booked("appt_told")) == nil }, "settled")
	if booked, err := pending.Wait(ctx); err != nil || booked.ID != "appt_told" {
		t.Errorf("%v, %v", booked, err)
	}
}

// A worker that lacks the key of a new booking, or of what it should send, ends nothing and
// sends nothing. Another worker does.
func TestAWorkerWithoutTheKeyEndsNothing(t *testing.T) {
	for name, role := range map[string]func(*roleConfig){
		"it decides": func(*roleConfig) {}, "it sends": func(cfg *roleConfig) { cfg.ActivitiesOnly = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t)
			c.cfg.Key = "b"
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			s := &story{t: t, c: c, ctx: ctx, params: c.wanted(1)}
			old := c.worker(t, "queue", func(cfg *roleConfig) {
				cfg.Key, cfg.Lacks = "a", "b"
				role(cfg)
			})
			if name == "it sends" {
				c.worker(t, "queue", func(cfg *roleConfig) { cfg.WorkflowsOnly = true })
			}
			pending := s.start()
			if name == "it sends" {
				s.reaches(pending, closuretemporal.StateWaiting)
			} else {
				old.says("not in the keyring")
			}
			old.kill()
			c.worker(t, "queue", nil)
			booked, err := pending.Wait(ctx)
			if err != nil || booked == nil || c.made(s.params.PatientID) != 1 {
				t.Errorf("%v, %v, %d appointments", booked, err, c.made(s.params.PatientID))
			}
			if status, err := pending.Status(ctx); err != nil || status.Looks != 0 {
				t.Errorf("%+v, %v", status, err)
			}
		})
	}
}
