package closure_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

const appointmentJSON = `{"id":"appt_1","schedule_id":"sch_u5oQnnMdSbyb83xgqgkUgX",` +
	`"patient_id":"pt_sxKCbaoVdBXHBGWywcBETm","status":"scheduled",` +
	`"start_at":"2022-05-20T17:00:00.000Z","duration":30,"created_at":"2022-05-01T00:00:00.000Z",` +
	`"updated_at":"2022-05-01T00:00:00.000Z"}`

var appointment = closure.Appointment{
	ID:         "appt_1",
	ScheduleID: guide.schedule,
	PatientID:  guide.patient,
	Status:     closure.AppointmentScheduled,
	StartAt:    guide.start,
	Duration:   30,
	CreatedAt:  utc(2022, time.May, 1, 0, 0),
	UpdatedAt:  utc(2022, time.May, 1, 0, 0),
}

func reschedule(start time.Time, duration closure.Minutes) callFunc {
	return func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
		return c.Appointments.Reschedule(ctx, in.appointment,
			closure.AppointmentRescheduleParams{StartAt: start, Duration: duration}, opts...)
	}
}

var appointmentCalls = []apiCall{
	{
		op: "appointments.create",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Appointments.Create(ctx, closure.AppointmentCreateParams{
				ScheduleID: in.schedule, PatientID: in.patient, StartAt: in.start.In(time.FixedZone("", 2*3600)), Duration: 30,
			}, opts...)
		},
		url: "/appointments",
		// As in the guide, blanks apart.
		body: `{"schedule_id":"sch_u5oQnnMdSbyb83xgqgkUgX","patient_id":"pt_sxKCbaoVdBXHBGWywcBETm",` +
			`"start_at":"2022-05-20T17:00:00.000Z","duration":30}`,
		answer: appointmentJSON,
		want:   &appointment,
	}, {
		op: "appointments.get",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Appointments.Get(ctx, in.appointment, opts...)
		},
		url:    "/appointments/appt_1",
		answer: appointmentJSON,
		want:   &appointment,
	}, {
		op: "appointments.list",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Appointments.List(ctx, closure.AppointmentListParams{
				PatientID: in.patient, ScheduleID: in.schedule, Status: closure.AppointmentScheduled,
			}, opts...)
		},
		url:    "/appointments?patient_id=pt_sxKCbaoVdBXHBGWywcBETm&schedule_id=sch_u5oQnnMdSbyb83xgqgkUgX&status=scheduled",
		answer: "[" + appointmentJSON + "]",
		want:   []closure.Appointment{appointment},
	}, {
		op:   "appointments.list",
		note: "without params",
		call: func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.Appointments.List(ctx, closure.AppointmentListParams{}, opts...)
		},
		url:    "/appointments",
		answer: "[]",
		want:   []closure.Appointment{},
	}, {
		op: "appointments.reschedule",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Appointments.Reschedule(ctx, in.appointment,
				closure.AppointmentRescheduleParams{StartAt: in.start, Duration: 30}, opts...)
		},
		url:    "/appointments/appt_1",
		body:   `{"start_at":"2022-05-20T17:00:00.000Z","duration":30}`,
		answer: appointmentJSON,
		want:   &appointment,
	}, {
		op:     "appointments.reschedule",
		note:   "without duration",
		call:   reschedule(guide.start.Add(7*time.Millisecond), 0),
		url:    "/appointments/appt_1",
		body:   `{"start_at":"2022-05-20T17:00:00.007Z"}`,
		answer: appointmentJSON,
		want:   &appointment,
	}, {
		op: "appointments.cancel",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Appointments.Cancel(ctx, in.appointment, opts...)
		},
		url:    "/appointments/appt_1/cancel",
		answer: `{"id":"appt_1","status":"cancelled"}`,
		want:   &closure.Appointment{ID: "appt_1", Status: closure.AppointmentCancelled},
	}, {
		op:   "appointments.create",
		note: "without duration",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Appointments.Create(ctx, closure.AppointmentCreateParams{
				ScheduleID: in.schedule, PatientID: in.patient, StartAt: in.start,
			}, opts...)
		},
		url: "/appointments",
		body: `{"schedule_id":"sch_u5oQnnMdSbyb83xgqgkUgX","patient_id":"pt_sxKCbaoVdBXHBGWywcBETm",` +
			`"start_at":"2022-05-20T17:00:00.000Z"}`,
		answer: `{"id":"appt_1","duration":null}`,
		want:   &closure.Appointment{ID: "appt_1"},
	},
}

func TestAppointments(t *testing.T) {
	t.Parallel()
	testCalls(t, appointmentCalls)

	create := func(change func(*closure.AppointmentCreateParams)) callFunc {
		params := closure.AppointmentCreateParams{
			ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: guide.start, Duration: 30,
		}
		change(&params)
		return func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.Appointments.Create(ctx, params, opts...)
		}
	}
	list := func(params closure.AppointmentListParams) callFunc {
		return func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.Appointments.List(ctx, params, opts...)
		}
	}
	var bad []badInput
	for field, change := range map[string]func(*closure.AppointmentCreateParams){
		"ScheduleID": func(p *closure.AppointmentCreateParams) { p.ScheduleID = "" },
		"PatientID":  func(p *closure.AppointmentCreateParams) { p.PatientID = "sch_x" },
		"StartAt":    func(p *closure.AppointmentCreateParams) { p.StartAt = time.Time{} },
		"Duration":   func(p *closure.AppointmentCreateParams) { p.Duration = -1 },
	} {
		bad = append(bad, badInput{"create: " + field, create(change), "appointments.create", field})
	}
	startingAt := func(start time.Time) callFunc {
		return create(func(p *closure.AppointmentCreateParams) { p.StartAt = start })
	}
	lasting := func(duration closure.Minutes) callFunc {
		return create(func(p *closure.AppointmentCreateParams) { p.Duration = duration })
	}
	for name, start := range map[string]time.Time{
		"not a whole millisecond": guide.start.Add(1),
		"year of five digits":     guide.start.AddDate(9000, 0, 0),
		"year before 0":           guide.start.AddDate(-3000, 0, 0),
		// UTC's year counts, not that of the zone.
		"year of five digits in UTC": time.Date(9999, 12, 31, 23, 59, 0, 0, time.FixedZone("", -3600)),
	} {
		bad = append(bad, badInput{"create: start: " + name, startingAt(start), "appointments.create", "StartAt"},
			badInput{"reschedule: start: " + name, reschedule(start, 0), "appointments.reschedule", "StartAt"})
	}
	for name, duration := range map[string]closure.Minutes{"negative": -30, "huge": closure.MaxMinutes + 1} {
		bad = append(bad, badInput{"create: duration: " + name, lasting(duration), "appointments.create", "Duration"},
			badInput{"reschedule: duration: " + name, reschedule(guide.start, duration), "appointments.reschedule", "Duration"})
	}
	testBadInputs(t, append(bad,
		badInput{"reschedule: no start", reschedule(time.Time{}, 30), "appointments.reschedule", "StartAt"},
		badInput{"list: patient", list(closure.AppointmentListParams{PatientID: "x"}), "appointments.list", "PatientID"},
		badInput{"list: schedule", list(closure.AppointmentListParams{ScheduleID: "x"}), "appointments.list", "ScheduleID"},
	))
}

// A week is the longest duration, and is no longer than that.
func TestLongestDuration(t *testing.T) {
	t.Parallel()
	s := serveAlways(t, 500, "")
	_, err := s.client(t).Appointments.Create(t.Context(), closure.AppointmentCreateParams{
		ScheduleID: guide.schedule, PatientID: guide.patient, StartAt: guide.start, Duration: closure.MaxMinutes,
	})
	if len(s.seen) != 1 {
		t.Errorf("not sent: %v", err)
	}
}

// A write that is confirmed for another record is not confirmed.
func TestAppointmentsRefuseAnotherRecord(t *testing.T) {
	t.Parallel()
	for _, call := range appointmentCalls {
		if call.op != "appointments.reschedule" && call.op != "appointments.cancel" {
			continue
		}
		s := serveAlways(t, 200, `{"id":"appt_2"}`)
		_, err := call.call(t.Context(), s.client(t), guide)
		if closure.OutcomeOf(err) != closure.OutcomeUnknown {
			t.Errorf("%s: %v, want an unknown outcome", call.op, err)
		}
	}
}

func ExampleAppointmentsService_Create() {
	client := closuretest.New().Client()
	ctx := context.Background()
	params := closure.AppointmentCreateParams{
		ScheduleID: "sch_u5oQnnMdSbyb83xgqgkUgX",
		PatientID:  "pt_sxKCbaoVdBXHBGWywcBETm",
		StartAt:    time.Date(2022, time.May, 20, 17, 0, 0, 0, time.UTC),
		Duration:   30,
	}

	appointment, err := client.Appointments.Create(ctx, params)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(appointment.Status)

	_, err = client.Appointments.Create(ctx, params) // the slot is taken now
	fmt.Println(errors.Is(err, closure.ErrConflict), closure.OutcomeOf(err))
	// Output:
	// scheduled
	// true rejected
}

func ExampleAppointmentsService_Get() {
	client, id := booked()

	appointment, err := client.Appointments.Get(context.Background(), id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(appointment.StartAt.Format(time.DateTime), appointment.Duration.Duration())
	// Output: 2022-05-20 17:00:00 30m0s
}

func booked() (*closure.Client, closure.AppointmentID) {
	server := closuretest.New()
	slot := closuretest.GuideSlot()
	made := server.AddAppointment(closure.Appointment{
		ScheduleID: slot.ScheduleID, PatientID: closuretest.GuidePatientID, StartAt: slot.StartAt,
	})
	return server.Client(), made.ID
}

func ExampleAppointmentsService_List() {
	client, _ := booked()

	appointments, err := client.Appointments.List(context.Background(), closure.AppointmentListParams{
		PatientID: "pt_sxKCbaoVdBXHBGWywcBETm",
		Status:    closure.AppointmentScheduled,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range appointments {
		fmt.Println(a.StartAt.Format(time.DateTime), a.Status)
	}
	// Output: 2022-05-20 17:00:00 scheduled
}

func ExampleAppointmentsService_Reschedule() {
	client, id := booked()

	moved, err := client.Appointments.Reschedule(context.Background(), id, closure.AppointmentRescheduleParams{
		StartAt: time.Date(2022, time.May, 20, 17, 15, 0, 0, time.UTC),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(moved.StartAt.Format(time.DateTime), moved.Status)
	// Output: 2022-05-20 17:15:00 rescheduled
}

func ExampleAppointmentsService_Cancel() {
	client, id := booked()

	cancelled, err := client.Appointments.Cancel(context.Background(), id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cancelled.Status)
	// Output: cancelled
}
