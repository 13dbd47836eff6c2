package closure_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

func ExampleNewClient() {
	client, err := closure.NewClient(closure.QuickstartKey, closure.WithMode(closure.ModeTest),
		closure.WithUserAgent("clinic/1.0"))
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
		ScheduleID: closuretest.GuideScheduleID, PatientID: closuretest.GuidePatientID,
		StartAt: closuretest.GuideSlot().StartAt,
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
	_, err := client.Practitioners.Get(context.Background(), closuretest.GuidePractitionerID,
		closure.CaptureResponse(&response))
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

// Look first: nothing keeps the API from registering a person twice.
// Client.BookSlot does the same with checks before and a look back after a lost
// answer: prefer it.
// booked is a client of a server that has the guide's appointment.
// A private copy of the directory is read by naming it.
