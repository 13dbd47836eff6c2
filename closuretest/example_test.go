package closuretest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// book stands for the code that is tested.
func book(ctx context.Context, client *closure.Client) (*closure.Appointment, error) {
	return client.Appointments.Create(ctx, closure.AppointmentCreateParams{
		ScheduleID: closuretest.GuideScheduleID,
		PatientID:  closuretest.GuidePatientID,
		StartAt:    closuretest.GuideSlot().StartAt,
		Duration:   30,
	})
}

// The test of the package's overview.
func TestBooking(t *testing.T) {
	t.Parallel()
	server := closuretest.New(closuretest.ReportTo(t))
	server.Inject(closuretest.DropAfter("appointments.create"))

	_, err := book(t.Context(), server.Client())

	if closure.OutcomeOf(err) != closure.OutcomeUnknown {
		t.Errorf("a lost answer is %v, want an unknown outcome", err)
	}
	if n := len(server.Appointments()); n != 1 {
		t.Errorf("%d bookings, want 1", n)
	}
}

func ExampleNew() {
	server := closuretest.New()
	defer server.Close()
	appointment, err := book(context.Background(), server.Client())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(appointment.Status, len(server.Appointments()))
	// Output: scheduled 1
}

func ExampleServer_Client() {
	server := closuretest.New()
	client := server.Client(closure.WithMaxAttempts(1))
	patients, err := client.Patients.List(context.Background(), closure.PatientListParams{Name: "Trisha Pandit"})
	fmt.Println(len(patients), err)
	// Output: 1 <nil>
}

func ExampleServer_Transport() {
	server := closuretest.New()
	client := &http.Client{Transport: server.Transport()}
	req, err := http.NewRequest(http.MethodGet, "https://api.closurehealth.com/patients", http.NoBody)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.SetBasicAuth(closure.QuickstartKey, "")
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

func ExampleServer_Handler() {
	listener := httptest.NewTLSServer(closuretest.New().Handler())
	defer listener.Close()
	client, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(listener.URL),
		closure.WithHTTPClient(listener.Client()))
	if err != nil {
		fmt.Println(err)
		return
	}
	schedule, err := client.Schedules.Get(context.Background(), closuretest.GuideScheduleID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(schedule.Bookable())
	// Output: true
}

func ExampleServer_Start() {
	server := closuretest.New()
	defer server.Close()
	client, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(server.Start()))
	if err != nil {
		fmt.Println(err)
		return
	}
	slots, err := client.Availabilities.List(context.Background(), closuretest.GuideScheduleID,
		closure.AvailabilityListParams{})
	fmt.Println(len(slots), err)
	// Output: 3 <nil>
}

func ExampleServer_AddSchedule() {
	server := closuretest.New()
	schedule := server.AddSchedule(closure.Schedule{SchedulingMethod: closure.SchedulingOpenSlotsOnly})
	server.AddSlots(schedule.ID, closuretest.GuideSlot())
	slots, err := server.Client().Availabilities.List(context.Background(), schedule.ID, closure.AvailabilityListParams{})
	fmt.Println(schedule.ID, len(slots), err)
	// Output: sch_aseVzgKMReK4UoNVFH7D8D 1 <nil>
}

// Somebody else takes the slot.
func ExampleServer_AddAppointment() {
	server := closuretest.New()
	other := server.AddPatient(closure.Patient{FirstName: "Somebody", LastName: "Else"})
	server.AddAppointment(closure.Appointment{
		ScheduleID: closuretest.GuideScheduleID, PatientID: other.ID, StartAt: closuretest.GuideSlot().StartAt,
	})
	_, err := book(context.Background(), server.Client())
	fmt.Println(errors.Is(err, closure.ErrConflict))
	// Output: true
}

func ExampleServer_Index() {
	server := closuretest.New()
	server.Index("idx_mine").AddPractitioner(closure.Practitioner{ID: "prac_new", NPI: "9000000001"})
	find := closure.PractitionerListParams{NPIs: []string{"9000000001"}}
	for _, index := range []closure.IndexVersionID{closure.IndexStandard, "idx_mine"} {
		found, err := server.Client().Practitioners.List(context.Background(), find, closure.WithIndexVersion(index))
		fmt.Println(index, len(found), err)
	}
	// Output:
	// idx_standard 0 <nil>
	// idx_mine 1 <nil>
}

func ExampleServer_Requests() {
	server := closuretest.New()
	_, err := book(context.Background(), server.Client())
	for _, request := range server.Requests() {
		fmt.Println(request.Op, request.Path, request.Header.Get("Closure-API-Version"), err)
	}
	// Output: appointments.create /appointments 2022-04-01 <nil>
}

func ExampleServer_String() {
	server := closuretest.New(closuretest.WithSeed(42))
	server.Inject(closuretest.DropAfter("appointments.create").Probability(0.1))
	fmt.Println(server)
	// Output: closuretest.Server{seed: 42; appointments.create: done, then connection lost, for ever, with probability 0.1 (struck: 0)}
}

func ExampleWithClock() {
	clock := closuretest.NewClock(time.Date(2022, 5, 20, 17, 0, 0, 0, time.UTC))
	server := closuretest.New(closuretest.WithClock(clock.Now))
	client := server.Client()
	for range 2 {
		slots, err := client.Availabilities.List(context.Background(), closuretest.GuideScheduleID,
			closure.AvailabilityListParams{})
		fmt.Println(len(slots), err)
		clock.Advance(15 * time.Minute)
	}
	// Output:
	// 2 <nil>
	// 1 <nil>
}

func ExampleWithFixedClock() {
	server := closuretest.New(closuretest.WithFixedClock(time.Date(2022, 5, 2, 9, 30, 0, 0, time.UTC)))
	appointment, err := book(context.Background(), server.Client())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(appointment.CreatedAt)
	// Output: 2022-05-02 09:30:00 +0000 UTC
}

func ExampleWithSeed() {
	for _, seed := range []uint64{1, 1, 2} {
		patient := closuretest.New(closuretest.WithSeed(seed)).AddPatient(closure.Patient{FirstName: "Ravi"})
		fmt.Println(patient.ID)
	}
	// Output:
	// pt_iMLXkrAhSWMnRcvPwTxQCH
	// pt_iMLXkrAhSWMnRcvPwTxQCH
	// pt_XZ2ppxVk2xuL4KAJS7zogQ
}

func ExampleWithGenerated() {
	server := closuretest.New(closuretest.WithGenerated(7, 100, 50))
	client := server.Client()
	schedules, err := client.Schedules.List(context.Background(), closure.ScheduleListParams{})
	if err != nil {
		fmt.Println(err)
		return
	}
	last := schedules[len(schedules)-1]
	slots, err := client.Availabilities.List(context.Background(), last.ID, closure.AvailabilityListParams{})
	fmt.Println(len(schedules), len(slots), err)
	// Output: 101 50 <nil>
}

func ExampleAllowDuplicates() {
	server := closuretest.New(closuretest.AllowDuplicates())
	for range 2 {
		_, err := book(context.Background(), server.Client())
		fmt.Println(err)
	}
	fmt.Println(len(server.Appointments()))
	// Output:
	// <nil>
	// <nil>
	// 2
}

func ExampleStaleReads() {
	clock := closuretest.NewClock(time.Date(2022, 5, 1, 0, 0, 0, 0, time.UTC))
	server := closuretest.New(closuretest.WithClock(clock.Now), closuretest.StaleReads(10*time.Second))
	client := server.Client()
	if _, err := book(context.Background(), client); err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		seen, err := client.Appointments.List(context.Background(), closure.AppointmentListParams{})
		fmt.Println(len(seen), err)
		clock.Advance(10 * time.Second)
	}
	// Output:
	// 0 <nil>
	// 1 <nil>
}

func ExampleKeepRequests() {
	server := closuretest.New(closuretest.KeepRequests(1))
	for _, name := range []string{"A", "B"} {
		_, err := server.Client().Patients.List(context.Background(), closure.PatientListParams{Name: name})
		fmt.Println(server.Requests(), err)
	}
	// Output:
	// [GET /patients?name=A] <nil>
	// [GET /patients?name=B] <nil>
}

func ExampleWithLogger() {
	plain := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "duration" || a.Key == "request_id" {
			return slog.Attr{}
		}
		return a
	}}
	server := closuretest.New(closuretest.WithLogger(slog.New(slog.NewTextHandler(os.Stdout, plain))))
	server.Inject(closuretest.DropAfter("appointments.create"))
	_, err := book(context.Background(), server.Client())
	fmt.Println(closure.OutcomeOf(err))
	// Output:
	// level=INFO msg=request operation=appointments.create method=POST status=0 fault="done, then connection lost"
	// unknown
}

func ExampleReportTo() {
	t := &failing{failed: true} // stands for a *testing.T of a test that failed
	server := closuretest.New(closuretest.ReportTo(t), closuretest.WithSeed(42))
	server.Inject(closuretest.DropAfter("appointments.create"))
	if _, err := book(context.Background(), server.Client()); err == nil {
		fmt.Println("a booking without an answer succeeded")
	}
	t.end()
	fmt.Print(&t.text)
	// Output:
	// closuretest.Server{seed: 42; appointments.create: done, then connection lost, once (struck: 1)}
	// to repeat a run whose seed is closuretest.RandomSeed(): CLOSURETEST_SEED=42 go test -run '^TestX$/^case$'
}

// show runs the booking against a server with one fault.
func show(fault closuretest.Fault) {
	server := closuretest.New()
	server.Inject(fault)
	_, err := book(context.Background(), server.Client())
	fmt.Println(fault)
	fmt.Printf("outcome %s, %d booked\n", closure.OutcomeOf(err), len(server.Appointments()))
}

func ExampleDropBefore() {
	show(closuretest.DropBefore("appointments.create"))
	// Output:
	// appointments.create: connection lost before anything is done, once
	// outcome unknown, 0 booked
}

func ExampleDropAfter() {
	show(closuretest.DropAfter("appointments.create"))
	// Output:
	// appointments.create: done, then connection lost, once
	// outcome unknown, 1 booked
}

func ExampleCommitLate() {
	clock := closuretest.NewClock(time.Date(2022, 5, 1, 0, 0, 0, 0, time.UTC))
	server := closuretest.New(closuretest.WithClock(clock.Now))
	server.Inject(closuretest.CommitLate("appointments.create", 20*time.Second))
	_, err := book(context.Background(), server.Client())
	fmt.Println(closure.OutcomeOf(err), len(server.Appointments()))
	clock.Advance(20 * time.Second)
	fmt.Println(len(server.Appointments()))
	// Output:
	// unknown 0
	// 1
}

func ExampleStatus() {
	server := closuretest.New()
	server.Inject(closuretest.Status("appointments.create", http.StatusTooManyRequests, "Retry-After", "120"))
	_, err := book(context.Background(), server.Client())
	if e, ok := errors.AsType[*closure.APIError](err); ok {
		fmt.Println(e.StatusCode, e.RetryAfter, closure.OutcomeOf(err))
	}
	// Output: 429 2m0s rejected
}

func ExampleStatusAfter() {
	show(closuretest.StatusAfter("appointments.create", http.StatusBadGateway))
	// Output:
	// appointments.create: done, then answered 502 Bad Gateway, once
	// outcome unknown, 1 booked
}

func ExampleDelay() {
	server := closuretest.New()
	server.Inject(closuretest.Delay("appointments.create", time.Hour))
	client := server.Client(closure.WithTimeout(300 * time.Millisecond))
	_, err := client.Appointments.Create(context.Background(), guideBooking())
	fmt.Println(errors.Is(err, context.DeadlineExceeded), len(server.Appointments()))
	// Output: true 1
}

func ExampleStale() {
	server := closuretest.New()
	client := server.Client()
	if _, err := book(context.Background(), client); err != nil {
		fmt.Println(err)
		return
	}
	server.Inject(closuretest.Stale("appointments.list", 20*time.Second))
	for range 2 {
		seen, err := client.Appointments.List(context.Background(), closure.AppointmentListParams{})
		fmt.Println(len(seen), err)
	}
	// Output:
	// 0 <nil>
	// 1 <nil>
}

func ExampleTruncate() {
	show(closuretest.Truncate("appointments.create"))
	// Output:
	// appointments.create: done, then half of the answer, once
	// outcome unknown, 1 booked
}

func ExampleMalformed() {
	show(closuretest.Malformed("appointments.create"))
	// Output:
	// appointments.create: done, then answered with HTML, once
	// outcome unknown, 1 booked
}

func ExampleHuge() {
	show(closuretest.Huge("appointments.create", 1<<30))
	// Output:
	// appointments.create: done, then answered with 1073741824 bytes, once
	// outcome unknown, 1 booked
}

func ExampleFault_Times() {
	server := closuretest.New()
	server.Inject(closuretest.Status("patients.list", 503).Times(2))
	client := server.Client(closure.WithMaxAttempts(1))
	for range 3 {
		_, err := client.Patients.List(context.Background(), closure.PatientListParams{})
		fmt.Println(errors.Is(err, closure.ErrServer))
	}
	// Output:
	// true
	// true
	// false
}

func ExampleFault_Probability() {
	server := closuretest.New(closuretest.WithSeed(3))
	server.Inject(closuretest.Status("patients.list", 503).Probability(0.5))
	client := server.Client(closure.WithMaxAttempts(1))
	for range 6 {
		_, err := client.Patients.List(context.Background(), closure.PatientListParams{})
		fmt.Print(errors.Is(err, closure.ErrServer), " ")
	}
	fmt.Println(server.Injected()[0].Struck)
	// Output: false false false true false false 1
}

func ExampleNewClock() {
	clock := closuretest.NewClock(time.Date(2022, 5, 1, 0, 0, 0, 0, time.UTC))
	clock.Advance(90 * time.Minute)
	fmt.Println(clock.Now())
	// Output: 2022-05-01 01:30:00 +0000 UTC
}

func ExampleRandomSeed() {
	server := closuretest.New(closuretest.WithSeed(closuretest.RandomSeed()))
	fmt.Println(server.Seed() != 0)
	// Output: true
}
