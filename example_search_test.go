package closure_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// The openings after five on a weekday, by the patient's clock, with anyone who
// takes the plan.
func ExampleAvailabilitiesService_Search() {
	ctx := context.Background()
	server := closuretest.New()
	client := server.Client()
	colleague := server.AddSchedule(closure.Schedule{
		ID:               "sch_colleague",
		Insurances:       []closure.InsuranceRef{{ID: closuretest.GuideInsuranceID}},
		SchedulingMethod: closure.SchedulingDirectAPI,
	})
	server.AddSlots(colleague.ID, closure.Slot{
		StartAt: time.Date(2022, time.May, 19, 21, 30, 0, 0, time.UTC), Duration: 45,
	})
	server.AddSlots(closuretest.GuideScheduleID, closure.Slot{
		StartAt: time.Date(2022, time.May, 20, 21, 0, 0, 0, time.UTC), Duration: 30,
	})

	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		fmt.Println(err)
		return
	}
	from := closure.NewDate(2022, time.May, 16).In(zone)
	for slot, err := range client.Availabilities.Search(ctx, closure.SlotSearch{
		Schedules:   []closure.ScheduleID{closuretest.GuideScheduleID, colleague.ID, "sch_unknown"},
		From:        from,
		To:          from.AddDate(0, 0, 7),
		Zone:        zone,
		Weekdays:    []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday},
		NotBefore:   &closure.ClockTime{Hour: 17},
		InsuranceID: closuretest.GuideInsuranceID,
	}) {
		if err != nil {
			// One schedule's failure: the others go on.
			fmt.Println(slot.ScheduleID, errors.Is(err, closure.ErrNotFound))
			continue
		}
		fmt.Println(slot.StartAt.In(zone).Format("Mon 2 Jan 15:04"), slot.Duration, slot.ScheduleID)
	}
	// Output:
	// sch_unknown true
	// Thu 19 May 17:30 45 sch_colleague
	// Fri 20 May 17:00 30 sch_u5oQnnMdSbyb83xgqgkUgX
}

func ExampleAvailabilitiesService_First() {
	ctx := context.Background()
	client := closuretest.New().Client()
	search := closure.SlotSearch{
		Schedules: []closure.ScheduleID{closuretest.GuideScheduleID},
		From:      time.Date(2022, time.May, 16, 0, 0, 0, 0, time.UTC),
		To:        time.Date(2022, time.June, 16, 0, 0, 0, 0, time.UTC),
	}
	slot, err := client.Availabilities.First(ctx, search)
	fmt.Println(slot.StartAt.Format(time.RFC3339), err)

	search.Weekdays = []time.Weekday{time.Sunday}
	_, err = client.Availabilities.First(ctx, search)
	fmt.Println(errors.Is(err, closure.ErrNoSlot))
	// Output:
	// 2022-05-20T16:45:00Z <nil>
	// true
}
