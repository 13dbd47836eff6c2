// Command quickstart follows the vendor's booking guide step by step, with the guide's own
// data: patient, practitioner, schedule, insurance, open slots, booking.
//
// By default it talks to a test double inside this process, and nothing leaves
// the machine. With CLOSURE_API_KEY set it talks to the real API, or to the one
// at CLOSURE_BASE_URL; a live key, which books for real patients, is refused
// unless -live is given.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"
	_ "time/tzdata" // the zones, for machines without a zone database

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/examples/internal/cli"
)

// The guide's data.
const (
	practitionerNPI = "4321098765"
	scheduleID      = closure.ScheduleID("sch_u5oQnnMdSbyb83xgqgkUgX")
)

// labelWidth is the width of the labels at the left.
const labelWidth = 14

var (
	trisha  = closure.PatientListParams{Name: "Trisha Pandit", DOB: closure.NewDate(1994, time.December, 22)}
	startAt = time.Date(2022, time.May, 20, 17, 0, 0, 0, time.UTC)
)

func main() {
	live, zone, err := parseFlags(os.Args[1:])
	if err != nil {
		cli.Exit("quickstart", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	out := cli.Stdout(labelWidth)
	if err := errors.Join(run(ctx, out, live, zone), out.Err()); err != nil {
		cli.Fail("quickstart", err)
	}
}

func parseFlags(args []string) (live bool, zone *time.Location, err error) {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.BoolVar(&live, "live", false, "accept a live key: this books for a real patient")
	cli.ZoneVar(flags, &zone, "time zone to show times in")
	err = cli.Parse(flags, args,
		cli.Help{About: "quickstart books an appointment, step by step, with the data of the vendor's\nguide."})
	return live, zone, err
}

func run(ctx context.Context, out io.Writer, live bool, zone *time.Location) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	client, err := newClient(out, live)
	if err != nil {
		return err
	}
	patient, err := client.Patients.Find(ctx, trisha)
	if err != nil {
		return err
	}
	if zone == nil {
		if zone, err = patient.Zone(); err != nil {
			return err
		}
	}
	step(out, "Patient", "%s %s, born %s  %s", patient.FirstName, patient.LastName, patient.DOB, patient.ID)

	if err := showPractitioner(ctx, out, client); err != nil {
		return err
	}
	if err := showSchedule(ctx, out, client, patient); err != nil {
		return err
	}
	if err := showSlots(ctx, out, client, zone); err != nil {
		return err
	}
	return book(ctx, out, client, patient, zone)
}

func newClient(out io.Writer, live bool) (*closure.Client, error) {
	if cli.Offline(out) {
		return closuretest.New().Client(), nil
	}
	program := cli.Program{Agent: "closure-quickstart/1.0", Live: live, Risk: "booking would be for a real patient"}
	return program.NewClient(out)
}

func showPractitioner(ctx context.Context, out io.Writer, client *closure.Client) error {
	found, err := client.Practitioners.List(ctx, closure.PractitionerListParams{NPIs: []string{practitionerNPI}})
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("%d practitioners have NPI %s", len(found), practitionerNPI)
	}
	p := found[0]
	step(out, "Practitioner", "%s %s %s, %s, NPI %s, speaks %s",
		p.FirstName, p.MiddleName, p.LastName, p.Type, p.NPI, strings.Join(p.Languages, ", "))
	return nil
}

func showSchedule(ctx context.Context, out io.Writer, client *closure.Client, patient *closure.Patient) error {
	schedule, err := client.Schedules.Get(ctx, scheduleID)
	if err != nil {
		return err
	}
	booking := "can't be booked through the API"
	if schedule.Bookable() {
		booking = "can be booked through the API"
	}
	step(out, "Schedule", "%s %s", schedule.ID, booking)
	step(out, "Insurance", "%s is %s", patient.Insurance.ID, schedule.CheckInsurance(patient.Insurance.ID))
	return nil
}

func showSlots(ctx context.Context, out io.Writer, client *closure.Client, in *time.Location) error {
	slots, err := client.Availabilities.List(ctx, scheduleID, closure.AvailabilityListParams{
		From: startAt.Add(-12 * time.Hour),
		To:   startAt.Add(12 * time.Hour),
	})
	if err != nil {
		return err
	}
	step(out, "Open slots", "%d on %s", len(slots), startAt.In(in).Format("Monday, 2 January 2006"))
	for _, slot := range slots {
		step(out, "", "%s, %d min", when(slot.StartAt, in), slot.Duration)
	}
	return nil
}

func book(
	ctx context.Context, out io.Writer, client *closure.Client, patient *closure.Patient, in *time.Location,
) error {
	booking, err := client.BookSlot(ctx, closure.BookSlotParams{
		ScheduleID: scheduleID,
		PatientID:  patient.ID,
		StartAt:    startAt,
		Duration:   30,
	})
	if errors.Is(err, closure.ErrOutcomeUnknown) {
		return fmt.Errorf("%w\nit may be booked: ask the practice before you run this again; "+
			"a program of your own stores the attempt, as examples/recover does", err)
	}
	if err != nil {
		return err
	}
	a := booking.Appointment
	step(out, "Booked", "%s %s", a.ID, a.Status)
	step(out, "", "%s, %d min", when(a.StartAt, in), a.Duration)
	if booking.Recovered {
		step(out, "", "(a read found it: it had been booked before; nothing was sent twice)")
	}
	return nil
}

// when shows an instant in the zone, and in UTC.
func when(t time.Time, in *time.Location) string {
	local := t.In(in).Format("Mon 2 Jan 2006 15:04 MST")
	if in == time.UTC {
		return local
	}
	return local + t.UTC().Format(" (15:04 UTC)")
}

func step(out io.Writer, name, format string, args ...any) {
	fmt.Fprintf(out, "%-*s%s\n", labelWidth, name, fmt.Sprintf(format, args...))
}
