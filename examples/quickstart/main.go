// Command quickstart walks the vendor's booking guide with the guide's own
// data: patient, practitioner, schedule, insurance, open slots, booking.
//
// By default it talks to a test double inside this process, and nothing leaves
// the machine. With CLOSURE_API_KEY set it talks to the real API; a live key,
// which books for real patients, is refused unless -live is given.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
	_ "time/tzdata" // so that the zones are there on every machine

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// The guide's data.
const (
	practitionerNPI = "4321098765"
	scheduleID      = closure.ScheduleID("sch_u5oQnnMdSbyb83xgqgkUgX")
)

var (
	trisha  = closure.PatientListParams{Name: "Trisha Pandit", DOB: closure.NewDate(1994, time.December, 22)}
	startAt = time.Date(2022, time.May, 20, 17, 0, 0, 0, time.UTC)
)

func main() {
	live := flag.Bool("live", false, "accept a live key: this books for a real patient")
	zone := flag.String("zone", "", "IANA time zone to show times in, such as Asia/Kolkata (default: the patient's)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *live, *zone); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, live bool, zone string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	client, err := newClient(live)
	if err != nil {
		return err
	}
	patient, err := client.Patients.Find(ctx, trisha)
	if err != nil {
		return err
	}
	in, err := location(patient, zone)
	if err != nil {
		return err
	}
	step("Patient", "%s %s, born %s  %s", patient.FirstName, patient.LastName, patient.DOB, patient.ID)

	if err := showPractitioner(ctx, client); err != nil {
		return err
	}
	if err := showSchedule(ctx, client, patient); err != nil {
		return err
	}
	if err := showSlots(ctx, client, in); err != nil {
		return err
	}
	return book(ctx, client, patient, in)
}

func newClient(live bool) (*closure.Client, error) {
	if os.Getenv("CLOSURE_API_KEY") == "" {
		fmt.Println("Offline: a test double in this process answers. Set CLOSURE_API_KEY to talk to the real API.")
		return closuretest.New().Client(), nil
	}
	client, err := closure.NewClientFromEnv(closure.WithUserAgent("closure-quickstart/1.0"))
	if err != nil {
		return nil, err
	}
	if client.Mode() == closure.ModeLive && !live {
		return nil, errors.New("CLOSURE_API_KEY is a live key: booking would be for a real patient; give -live if you mean it")
	}
	api := "the real API"
	if os.Getenv("CLOSURE_BASE_URL") != "" {
		api = "the API at CLOSURE_BASE_URL"
	}
	fmt.Printf("Talking to %s in %s mode.\n", api, client.Mode())
	return client, nil
}

func location(patient *closure.Patient, zone string) (*time.Location, error) {
	if zone == "" {
		return patient.Location()
	}
	in, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("-zone: %w", err)
	}
	return in, nil
}

func showPractitioner(ctx context.Context, client *closure.Client) error {
	found, err := client.Practitioners.List(ctx, closure.PractitionerListParams{NPIs: []string{practitionerNPI}})
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("%d practitioners have NPI %s", len(found), practitionerNPI)
	}
	p := found[0]
	step("Practitioner", "%s %s %s, %s, NPI %s, speaks %s", p.FirstName, p.MiddleName, p.LastName, p.Type, p.NPI, strings.Join(p.Languages, ", "))
	return nil
}

func showSchedule(ctx context.Context, client *closure.Client, patient *closure.Patient) error {
	schedule, err := client.Schedules.Get(ctx, scheduleID)
	if err != nil {
		return err
	}
	booking := "can't be booked through the API"
	if schedule.Bookable() {
		booking = "can be booked through the API"
	}
	step("Schedule", "%s %s", schedule.ID, booking)
	step("Insurance", "%s is %s", patient.Insurance.ID, schedule.CheckInsurance(patient.Insurance.ID))
	return nil
}

func showSlots(ctx context.Context, client *closure.Client, in *time.Location) error {
	slots, err := client.Availabilities.List(ctx, scheduleID, closure.AvailabilityListParams{
		From: startAt.Add(-12 * time.Hour),
		To:   startAt.Add(12 * time.Hour),
	})
	if err != nil {
		return err
	}
	step("Open slots", "%d on %s", len(slots), startAt.In(in).Format("Monday, 2 January 2006"))
	for _, slot := range slots {
		step("", "%s, %d min", when(slot.StartAt, in), slot.Duration)
	}
	return nil
}

func book(ctx context.Context, client *closure.Client, patient *closure.Patient, in *time.Location) error {
	booking, err := client.BookSlot(ctx, closure.BookSlotParams{
		ScheduleID: scheduleID,
		PatientID:  patient.ID,
		StartAt:    startAt,
		Duration:   30,
	})
	var unknown *closure.OutcomeUnknownError
	if errors.As(err, &unknown) {
		return fmt.Errorf("%w\nstore the attempt, see examples/recover", err)
	}
	if err != nil {
		return err
	}
	a := booking.Appointment
	step("Booked", "%s %s", a.ID, a.Status)
	step("", "%s, %d min", when(a.StartAt, in), a.Duration)
	if booking.Recovered {
		step("", "(an earlier run had booked it; nothing was sent twice)")
	}
	return nil
}

// when shows an instant in the zone, with UTC beside it.
func when(t time.Time, in *time.Location) string {
	local := t.In(in).Format("Mon 2 Jan 2006 15:04 MST")
	if in == time.UTC {
		return local
	}
	return local + t.UTC().Format(" (15:04 UTC)")
}

func step(name, format string, args ...any) {
	fmt.Printf("%-14s%s\n", name, fmt.Sprintf(format, args...))
}
