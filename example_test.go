package closure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

func ExampleNewClient() {
	client, err := closure.NewClient(closure.QuickstartKey, closure.WithMode(closure.ModeTest), closure.WithUserAgent("clinic/1.0"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Mode())

	_, err = closure.NewClient("ch_sk_live_mistake", closure.WithMode(closure.ModeTest))
	fmt.Println(err)
	// Output:
	// test
	// closure: NewClient: apiKey is not a key of test mode
}

func ExampleNewClientFromEnv() {
	if err := os.Setenv("CLOSURE_API_KEY", closure.QuickstartKey); err != nil {
		log.Fatal(err)
	}
	client, err := closure.NewClientFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client)
	// Output: closure.Client{mode: test}
}

func ExampleWithObserver() {
	server := closuretest.New()
	server.Inject(closuretest.DropBefore("specialties.list"))
	client := server.Client(closure.WithObserver(func(_ context.Context, e closure.Event) {
		fmt.Println(e.Attempt, e.Method, e.Route, e.StatusCode, e.Outcome)
	}))

	if _, err := client.Specialties.List(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1 GET /specialties 0 not sent
	// 2 GET /specialties 200 applied
	// 0 GET /specialties 200 applied
}

// The answer to one booking is lost, and reading back finds it: nobody has to do
// anything. What became of the other one nobody knows: that is what to alert on.
func ExampleWithBookingObserver() {
	server := closuretest.New()
	client := server.Client(closure.WithBookingObserver(func(_ context.Context, e closure.BookingEvent) {
		fmt.Printf("%s: %v %q\n", e.Op, e.Ending, e.Reason)
	}))
	ctx := context.Background()

	server.Inject(closuretest.DropAfter("appointments.create"))
	booking, err := client.BookSlot(ctx, closure.BookSlotParams{
		ScheduleID: closuretest.GuideScheduleID, PatientID: closuretest.GuidePatientID, StartAt: closuretest.GuideSlot().StartAt,
	})
	if err != nil {
		log.Fatal(err)
	}

	server.Inject(closuretest.DropBefore("appointments.cancel"), closuretest.Status("appointments.get", 404))
	_, err = client.CancelBooking(ctx, booking.Appointment.ID)
	fmt.Println(closure.OutcomeOf(err))
	// Output:
	// BookSlot: recovered ""
	// CancelBooking: unknown "no_answer"
	// unknown
}

// What the SDK doesn't know of an answer is in the answer itself.
func ExampleCaptureResponse() {
	client := closuretest.New().Client()

	var response closure.Response
	_, err := client.Practitioners.Get(context.Background(), closuretest.GuidePractitionerID, closure.CaptureResponse(&response))
	if err != nil {
		log.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(response.Body, &fields); err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.StatusCode == http.StatusOK, fields["type"])
	// Output: true Physician
}

// What the API sends beside what this version knows.
func ExampleUnknownMembers() {
	// From closure.CaptureResponse, after client.Locations.List.
	response := closure.Response{Body: []byte(`[{"id":"loc_1","name":"Albany","facility_type":"clinic"},{"id":"loc_2"}]`)}

	records, err := closure.UnknownMembers[closure.Location](response.Body)
	if err != nil {
		log.Fatal(err)
	}
	for _, members := range records {
		fmt.Println(len(members), string(members["facility_type"]))
	}
	// Output:
	// 1 "clinic"
	// 0
}

func ExamplePatientsService_List() {
	client := closuretest.New().Client()

	patients, err := client.Patients.List(context.Background(), closure.PatientListParams{DOB: closure.NewDate(1994, time.December, 22)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(patients)              // prints redacted, in logs too
	fmt.Println(patients[0].FirstName) // a field is what it is
	// Output:
	// [closure.Patient{redacted}]
	// Trisha
}

func ExamplePatientsService_Find() {
	client := closuretest.New().Client()
	ctx := context.Background()
	params := closure.PatientListParams{Name: "Trisha Pandit", DOB: closure.NewDate(1994, time.December, 22)}

	patient, err := client.Patients.Find(ctx, params)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(patient.ID)

	params.Name = "Nobody Here"
	_, err = client.Patients.Find(ctx, params)
	fmt.Println(errors.Is(err, closure.ErrNotFound))
	// Output:
	// pt_sxKCbaoVdBXHBGWywcBETm
	// true
}

func ExamplePatientsService_Get() {
	client := closuretest.New().Client()

	patient, err := client.Patients.Get(context.Background(), "pt_sxKCbaoVdBXHBGWywcBETm")
	if err != nil {
		log.Fatal(err)
	}
	zone, err := patient.Location()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(zone, patient.Insurance.ID)
	// Output: America/New_York ins_8rdzjCQtD1VLg9aLRwARNF
}

// Look first: nothing keeps the API from registering a person twice.
func ExamplePatientsService_Create() {
	client := closuretest.New().Client()
	ctx := context.Background()
	dob := closure.NewDate(1990, time.May, 4)

	patient, err := client.Patients.Find(ctx, closure.PatientListParams{Name: "Ana Example", DOB: dob})
	if errors.Is(err, closure.ErrNotFound) {
		patient, err = client.Patients.Create(ctx, closure.PatientCreateParams{
			FirstName: "Ana",
			LastName:  "Example",
			DOB:       dob,
			Timezone:  "America/Chicago",
			Insurance: closure.PatientInsurance{ID: "ins_8rdzjCQtD1VLg9aLRwARNF", MemberID: "EXM000000001"},
		})
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(patient.ID != "", patient.DOB)
	// Output: true 1990-05-04
}

func ExamplePractitionersService_List() {
	client := closuretest.New().Client()

	practitioners, err := client.Practitioners.List(context.Background(), closure.PractitionerListParams{NPIs: []string{"4321098765"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range practitioners {
		fmt.Println(p.PreferredName, p.LastName, p.Type, p.Languages)
	}
	// Output: Deepika Sanon Physician [English Hindi Telugu]
}

func ExamplePractitionersService_Get() {
	client := closuretest.New().Client()

	p, err := client.Practitioners.Get(context.Background(), "prac_j3uc7oA7FYMtXhGZi2rbt9")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.FirstName, p.MiddleName, p.LastName, p.NPI)
	// Output: Deepika K Sanon 4321098765
}

func ExampleSchedulesService_Get() {
	client := closuretest.New().Client()

	schedule, err := client.Schedules.Get(context.Background(), "sch_u5oQnnMdSbyb83xgqgkUgX", closure.Expand(closure.ExpandPractitioner))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(schedule.Practitioner.Object.LastName, schedule.Bookable(), schedule.CheckInsurance("ins_8rdzjCQtD1VLg9aLRwARNF"))
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

func ExampleAvailabilitiesService_List() {
	client := closuretest.New().Client()

	slots, err := client.Availabilities.List(context.Background(), "sch_u5oQnnMdSbyb83xgqgkUgX", closure.AvailabilityListParams{
		From: time.Date(2022, time.May, 20, 0, 0, 0, 0, time.UTC),
		To:   time.Date(2022, time.May, 21, 0, 0, 0, 0, time.UTC),
	})
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

// Client.BookSlot does the same with checks before and a look back after a lost
// answer: prefer it.
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

// booked is a client of a server that has the guide's appointment.
func booked() (*closure.Client, closure.AppointmentID) {
	server := closuretest.New()
	slot := closuretest.GuideSlot()
	made := server.AddAppointment(closure.Appointment{ScheduleID: slot.ScheduleID, PatientID: closuretest.GuidePatientID, StartAt: slot.StartAt})
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

func ExampleSpecialtiesService_List() {
	client := closuretest.New().Client()

	specialties, err := client.Specialties.List(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range specialties {
		fmt.Println(s.TaxonomyCode, s.Classification)
	}
	// Unordered output:
	// 207R00000X Internal Medicine
	// 207RC0000X Internal Medicine
}

func ExampleSpecialtiesService_Get() {
	client := closuretest.New().Client()

	specialty, err := client.Specialties.Get(context.Background(), "sp_c32Biop9tvoo1pR8JUZR55")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(specialty.Classification)
	// Output: Internal Medicine
}

func ExampleInsurancesService_List() {
	client := closuretest.New().Client()

	insurances, err := client.Insurances.List(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, i := range insurances {
		fmt.Println(i.DisplayName)
	}
	// Unordered output:
	// Example Health Choice PPO
	// Sample Mutual HMO
}

func ExampleInsurancesService_Get() {
	client := closuretest.New().Client()

	insurance, err := client.Insurances.Get(context.Background(), "ins_8rdzjCQtD1VLg9aLRwARNF")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(insurance.DisplayName)
	// Output: Example Health Choice PPO
}

func ExampleLocationsService_List() {
	client := closuretest.New().Client()

	locations, err := client.Locations.List(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, l := range locations {
		fmt.Println(l.Name)
	}
	// Output: Example Medical Group, Midtown, New York, NY
}

func ExampleLocationsService_Get() {
	server := closuretest.New()
	annex := server.AddLocation(closure.Location{Name: "Annex"})

	location, err := server.Client().Locations.Get(context.Background(), annex.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(location.Name)
	// Output: Annex
}

func ExampleAppointmentTypesService_List() {
	client := closuretest.New().Client()

	types, err := client.AppointmentTypes.List(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range types {
		fmt.Println(t.Name)
	}
	// Output: New patient visit
}

func ExampleAppointmentTypesService_Get() {
	server := closuretest.New()
	followUp := server.AddAppointmentType(closure.AppointmentType{Name: "Follow-up"})

	appointmentType, err := server.Client().AppointmentTypes.Get(context.Background(), followUp.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(appointmentType.Name)
	// Output: Follow-up
}

// A private copy of the directory is read by naming it.
func ExampleIndexVersionsService_Create() {
	client := closuretest.New().Client()
	ctx := context.Background()

	index, err := client.IndexVersions.Create(ctx, closure.IndexVersionCreateParams{Name: "staging"})
	if err != nil {
		log.Fatal(err)
	}
	practitioner, err := client.Practitioners.Get(ctx, "prac_j3uc7oA7FYMtXhGZi2rbt9", closure.WithIndexVersion(index.ID))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(index.Name, practitioner.LastName)
	// Output: staging Sanon
}
