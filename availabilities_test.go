package closure_test

import (
	"context"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

func listSlots(from, to time.Time) callFunc {
	return func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
		return c.Availabilities.List(ctx, in.schedule, closure.AvailabilityListParams{From: from, To: to}, opts...)
	}
}

var availabilityCalls = []apiCall{
	{
		op: "availabilities.list",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			params := closure.AvailabilityListParams{From: in.start, To: in.start.In(time.FixedZone("", -4*3600)).Add(time.Hour)}
			return c.Availabilities.List(ctx, in.schedule, params, opts...)
		},
		url: "/schedules/sch_u5oQnnMdSbyb83xgqgkUgX/slots?end_at=2022-05-20T18%3A00%3A00.000Z" +
			"&start_at=2022-05-20T17%3A00%3A00.000Z",
		answer: `[{"start_at":"2022-05-20T16:45:00.000Z","duration":30},{"start_at":"2022-05-20T17:00:00.000Z",` +
			`"duration":"30"},` +
			`{"start_at":"2022-05-20T13:15:00-04:00","duration":30,"schedule_id":"sch_other"}]`,
		want: []closure.Slot{
			{ScheduleID: guide.schedule, StartAt: utc(2022, time.May, 20, 16, 45), Duration: 30},
			{ScheduleID: guide.schedule, StartAt: utc(2022, time.May, 20, 17, 0), Duration: 30},
			{
				ScheduleID: guide.schedule, StartAt: time.Date(2022, time.May, 20, 13, 15, 0, 0, time.FixedZone("", -4*3600)),
				Duration: 30,
			},
		},
	}, {
		op:     "availabilities.list",
		note:   "without durations",
		call:   listSlots(time.Time{}, time.Time{}),
		url:    "/schedules/sch_u5oQnnMdSbyb83xgqgkUgX/slots",
		answer: `[{"start_at":"2022-05-20T16:45:00.000Z"},{"start_at":"2022-05-20T17:00:00.000Z","duration":null}]`,
		want: []closure.Slot{
			{ScheduleID: guide.schedule, StartAt: utc(2022, time.May, 20, 16, 45)},
			{ScheduleID: guide.schedule, StartAt: utc(2022, time.May, 20, 17, 0)},
		},
	}, {
		op:     "availabilities.list",
		note:   "without a range",
		call:   listSlots(time.Time{}, time.Time{}),
		url:    "/schedules/sch_u5oQnnMdSbyb83xgqgkUgX/slots",
		answer: "[]",
		want:   []closure.Slot{},
	}, {
		op:     "availabilities.list",
		note:   "fractions of a millisecond",
		call:   listSlots(guide.start.Add(1999*time.Microsecond), time.Time{}),
		url:    "/schedules/sch_u5oQnnMdSbyb83xgqgkUgX/slots?start_at=2022-05-20T17%3A00%3A00.001Z",
		answer: "[]",
		want:   []closure.Slot{},
	},
}

func TestAvailabilities(t *testing.T) {
	t.Parallel()
	testCalls(t, availabilityCalls)
	testBadInputs(t, []badInput{
		{"backwards", listSlots(guide.start, guide.start.Add(-1)), "availabilities.list", "To"},
		{"year of five digits", listSlots(time.Time{}, guide.start.AddDate(9000, 0, 0)), "availabilities.list", "To"},
		{"year before 0", listSlots(guide.start.AddDate(-3000, 0, 0), time.Time{}), "availabilities.list", "From"},
	})
}

func TestSlotEndAt(t *testing.T) {
	t.Parallel()
	slot := closure.Slot{StartAt: guide.start, Duration: 45}
	if want := utc(2022, time.May, 20, 17, 45); !slot.EndAt().Equal(want) {
		t.Errorf("ends at %v, want %v", slot.EndAt(), want)
	}
}

func ExampleAvailabilitiesService_List() {
	client := closuretest.New().Client()

	params := closure.AvailabilityListParams{
		From: time.Date(2022, time.May, 20, 0, 0, 0, 0, time.UTC),
		To:   time.Date(2022, time.May, 21, 0, 0, 0, 0, time.UTC),
	}
	slots, err := client.Availabilities.List(context.Background(), "sch_u5oQnnMdSbyb83xgqgkUgX", params)
	if err != nil {
		log.Fatal(err)
	}
	for _, slot := range slots {
		fmt.Println(slot.StartAt.Format("15:04"), "to", slot.EndAt().Format("15:04"))
	}
	// Output:
	// 16:45 to 17:15
	// 17:00 to 17:30
	// 17:15 to 17:45
}
