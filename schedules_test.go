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

const (
	scheduleJSON = `{"id":"sch_u5oQnnMdSbyb83xgqgkUgX","practitioner":"prac_j3uc7oA7FYMtXhGZi2rbt9","location":"loc_1",` +
		`"appointment_type":"aptp_1","insurances":["ins_8rdzjCQtD1VLg9aLRwARNF"],"estimated_earliest_slot":"2022-05-20",` +
		`"scheduling_method":"direct_api","created_at":"2022-04-01T00:00:00.000Z","updated_at":"2022-04-01T00:00:00.000Z"}`

	expandedJSON = `{"id":"sch_u5oQnnMdSbyb83xgqgkUgX","practitioner":` + deepikaJSON +
		`,"location":{"id":"loc_1","name":"Albany"},` +
		`"appointment_type":{"id":"aptp_1","name":"New patient"},"insurances":[{"id":"ins_8rdzjCQtD1VLg9aLRwARNF",` +
		`"display_name":"Plan"},"ins_2"]}`
)

var (
	schedule = closure.Schedule{
		ID:                    guide.schedule,
		Practitioner:          closure.PractitionerRef{ID: guide.practitioner},
		Location:              closure.LocationRef{ID: "loc_1"},
		AppointmentType:       closure.AppointmentTypeRef{ID: "aptp_1"},
		Insurances:            []closure.InsuranceRef{{ID: guide.insurance}},
		EstimatedEarliestSlot: closure.NewDate(2022, time.May, 20),
		SchedulingMethod:      closure.SchedulingDirectAPI,
		CreatedAt:             utc(2022, time.April, 1, 0, 0),
		UpdatedAt:             utc(2022, time.April, 1, 0, 0),
	}

	expanded = closure.Schedule{
		ID:           guide.schedule,
		Practitioner: closure.PractitionerRef{ID: guide.practitioner, Object: &deepika},
		Location:     closure.LocationRef{ID: "loc_1", Object: &closure.Location{ID: "loc_1", Name: "Albany"}},
		AppointmentType: closure.AppointmentTypeRef{
			ID: "aptp_1", Object: &closure.AppointmentType{ID: "aptp_1", Name: "New patient"},
		},
		Insurances: []closure.InsuranceRef{
			{ID: guide.insurance, Object: &closure.Insurance{ID: guide.insurance, DisplayName: "Plan"}},
			{ID: "ins_2"},
		},
	}

	expandAll = closure.Expand(closure.ExpandPractitioner, closure.ExpandLocation, closure.ExpandInsurances,
		closure.ExpandAppointmentType)
)

func listSchedules(params closure.ScheduleListParams) callFunc {
	return func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
		return c.Schedules.List(ctx, params, opts...)
	}
}

func getSchedule(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
	return c.Schedules.Get(ctx, in.schedule, opts...)
}

var scheduleCalls = []apiCall{
	{
		op:     "schedules.get",
		call:   getSchedule,
		url:    "/schedules/sch_u5oQnnMdSbyb83xgqgkUgX",
		answer: scheduleJSON,
		want:   &schedule,
	}, {
		op:   "schedules.get",
		note: "expanded",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Schedules.Get(ctx, in.schedule, append(opts, expandAll)...)
		},
		url:    "/schedules/sch_u5oQnnMdSbyb83xgqgkUgX?expand=practitioner%2Clocation%2Cinsurances%2Cappointment_type",
		answer: expandedJSON,
		want:   &expanded,
	}, {
		op: "schedules.list",
		call: func(ctx context.Context, c *closure.Client, in inputs, opts ...closure.CallOption) (any, error) {
			return c.Schedules.List(ctx, closure.ScheduleListParams{
				PractitionerID: in.practitioner, LocationID: in.location, InsuranceID: in.insurance,
			}, opts...)
		},
		url: "/schedules?insurance_id=ins_8rdzjCQtD1VLg9aLRwARNF&location_id=loc_1" +
			"&practitioner_id=prac_j3uc7oA7FYMtXhGZi2rbt9",
		answer: "[" + scheduleJSON + "," + expandedJSON + "]",
		want:   []closure.Schedule{schedule, expanded},
	}, {
		op:   "schedules.list",
		note: "expanded, without params",
		call: func(ctx context.Context, c *closure.Client, _ inputs, opts ...closure.CallOption) (any, error) {
			return c.Schedules.List(ctx, closure.ScheduleListParams{}, append(opts, closure.Expand(closure.ExpandLocation))...)
		},
		url:    "/schedules?expand=location",
		answer: `[{"id":"sch_1"}]`,
		want:   []closure.Schedule{{ID: "sch_1"}},
	},
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	testCalls(t, scheduleCalls)
	testBadInputs(t, []badInput{
		{
			"practitioner", listSchedules(closure.ScheduleListParams{PractitionerID: "loc_1"}), "schedules.list",
			"PractitionerID",
		},
		{"location", listSchedules(closure.ScheduleListParams{LocationID: "prac_1"}), "schedules.list", "LocationID"},
		{"insurance", listSchedules(closure.ScheduleListParams{InsuranceID: "Aetna"}), "schedules.list", "InsuranceID"},
	})
}

func TestScheduleCheckInsurance(t *testing.T) {
	t.Parallel()
	none := closure.Schedule{}
	for _, tt := range []struct {
		name     string
		schedule closure.Schedule
		id       closure.InsuranceID
		want     closure.InsuranceStatus
		text     string
	}{
		{"listed", schedule, guide.insurance, closure.InsuranceAccepted, "accepted"},
		{"listed, expanded", expanded, guide.insurance, closure.InsuranceAccepted, "accepted"},
		{"others listed", schedule, "ins_2", closure.InsuranceNotAccepted, "not accepted"},
		{"none listed", none, guide.insurance, closure.InsuranceUnknown, "unknown"},
		{"none to check", schedule, "", closure.InsuranceUnknown, "unknown"},
	} {
		if got := tt.schedule.CheckInsurance(tt.id); got != tt.want || got.String() != tt.text {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestScheduleBookable(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`{"scheduling_method":"direct_api"}`:      true,
		`{"scheduling_method":"open_slots_only"}`: false,
		`{"scheduling_method":null}`:              false,
		`{"scheduling_method":"telepathy"}`:       false,
		`{}`:                                      false,
	} {
		got, err := decode[closure.Schedule](body)
		noError(t, err)
		if got.Bookable() != want {
			t.Errorf("%s: bookable %t, want %t", body, !want, want)
		}
	}
}

func ExampleSchedulesService_Get() {
	client := closuretest.New().Client()

	schedule, err := client.Schedules.Get(context.Background(), "sch_u5oQnnMdSbyb83xgqgkUgX",
		closure.Expand(closure.ExpandPractitioner))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(schedule.Practitioner.Object.LastName, schedule.Bookable(),
		schedule.CheckInsurance("ins_8rdzjCQtD1VLg9aLRwARNF"))
	fmt.Println(schedule.Location.Object == nil, schedule.Location.ID != "") // not asked for: the id alone
	// Output:
	// Sanon true accepted
	// true true
}

func ExampleSchedulesService_List() {
	client := closuretest.New().Client()

	schedules, err := client.Schedules.List(context.Background(), closure.ScheduleListParams{
		PractitionerID: "prac_j3uc7oA7FYMtXhGZi2rbt9",
		InsuranceID:    "ins_8rdzjCQtD1VLg9aLRwARNF",
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range schedules {
		fmt.Println(s.ID, s.SchedulingMethod)
	}
	// Output: sch_u5oQnnMdSbyb83xgqgkUgX direct_api
}
