// Command bookfirst books the first opening after work: on a weekday, at 17:00
// or later in New York, with any practitioner there who takes the patient's
// insurance.
//
// By default it talks to a test double inside this process, with a generated
// clinic, and nothing leaves the machine. With CLOSURE_API_KEY set it talks to
// the real API, or to the one at CLOSURE_BASE_URL; a live key, which books for
// real patients, is refused unless -live is given.
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

// The patient to book for: the guide's.
var trisha = closure.PatientListParams{Name: "Trisha Pandit", DOB: closure.NewDate(1994, time.December, 22)}

// settings are what the flags say.
type settings struct {
	live  bool
	from  closure.Date // zero: now
	weeks int
}

const maxWeeks = 52

// labelWidth is the width of the labels at the left.
const labelWidth = 14

func main() {
	s, err := parseFlags(os.Args[1:])
	if err != nil {
		cli.Exit("bookfirst", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	out := cli.Stdout(labelWidth)
	if err := errors.Join(run(ctx, out, s), out.Err()); err != nil {
		cli.Fail("bookfirst", err)
	}
}

func parseFlags(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("bookfirst", flag.ContinueOnError)
	flags.BoolVar(&s.live, "live", false, "accept a live key: this books for a real patient")
	cli.FromVar(flags, &s.from,
		"first `day` to look at, such as 2022-05-02 (default: today; offline: that one)")
	cli.IntVar(flags, &s.weeks, "weeks", 2, 1, maxWeeks, "how many `weeks` ahead to look")
	err = cli.Parse(flags, args, cli.Help{
		About:   "bookfirst books the first opening after work, with anyone in New York who takes\nthe patient's insurance.",
		Sandbox: "-clock now -schedules 40",
	})
	return s, err
}

func run(ctx context.Context, out io.Writer, s settings) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		return err
	}
	client, from, err := newClient(out, s.live)
	if err != nil {
		return err
	}
	if !s.from.IsZero() {
		from = s.from.In(newYork)
	}
	patient, err := client.Patients.Find(ctx, trisha)
	if err != nil {
		return err
	}
	if patient.Insurance.ID == "" {
		return errors.New("the patient has no insurance on file")
	}
	insurance, err := client.Insurances.Get(ctx, patient.Insurance.ID)
	if err != nil {
		return err
	}
	schedules, err := schedulesIn(ctx, client, "New York, NY")
	if err != nil {
		return err
	}
	search := afterWork(schedules, from.In(newYork), s.weeks)
	show(out, "Patient", "%s %s, insured with %s", patient.FirstName, patient.LastName, insurance.DisplayName)
	show(out, "Looking for", "a weekday, 17:00 or later in New York, from %s to %s",
		search.From.Format("Mon 2 Jan"), search.To.Format("Mon 2 Jan 2006"))
	if showSchedules(out, schedules, insurance) == 0 {
		return errors.New("no schedule is left to search")
	}

	booking, err := client.BookFirstAvailable(ctx, closure.BookFirstParams{
		PatientID: patient.ID,
		Search:    search,
	}, closure.Expand(closure.ExpandPractitioner, closure.ExpandLocation))
	if err != nil {
		return explain(err, s.weeks)
	}
	showBooking(out, booking, insurance, newYork)
	return nil
}

// newClient also returns the time. With the test double it is always the same day.
func newClient(out io.Writer, live bool) (*closure.Client, time.Time, error) {
	if cli.Offline(out) {
		today := time.Date(2022, time.May, 2, 12, 0, 0, 0, time.UTC)
		server := closuretest.New(closuretest.WithGenerated(7, 40, 100), closuretest.WithFixedClock(today))
		return server.Client(), today, nil
	}
	program := cli.Program{Agent: "closure-bookfirst/1.0", Live: live, Risk: "booking would be for a real patient"}
	client, err := program.NewClient(out)
	return client, time.Now(), err
}

// schedulesIn returns the schedules whose location's name contains the given place.
func schedulesIn(ctx context.Context, client *closure.Client, place string) ([]closure.Schedule, error) {
	all, err := client.Schedules.List(ctx, closure.ScheduleListParams{},
		closure.Expand(closure.ExpandPractitioner, closure.ExpandLocation))
	if err != nil {
		return nil, err
	}
	var there []closure.Schedule
	for _, schedule := range all {
		if location := schedule.Location.Object; location != nil && strings.Contains(location.Name, place) {
			there = append(there, schedule)
		}
	}
	return there, nil
}

// afterWork searches all the schedules. BookFirstAvailable leaves out those that can't be
// booked or don't accept the patient's insurance.
func afterWork(schedules []closure.Schedule, from time.Time, weeks int) closure.SlotSearch {
	search := closure.SlotSearch{
		From:      from,
		To:        from.AddDate(0, 0, 7*weeks),
		Zone:      from.Location(),
		Weekdays:  []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday},
		NotBefore: &closure.ClockTime{Hour: 17},
	}
	for _, schedule := range schedules {
		search.Schedules = append(search.Schedules, schedule.ID)
	}
	return search
}

// explain adds what to do about an error, if there is something to do.
func explain(err error, weeks int) error {
	switch {
	case errors.Is(err, closure.ErrOutcomeUnknown):
		return fmt.Errorf("%w\nDon't book again before that is settled: see examples/recover", err)
	case errors.Is(err, closure.ErrNoSlot) && weeks < maxWeeks:
		return fmt.Errorf("%w\nTry more -weeks, or another -from", err)
	case errors.Is(err, closure.ErrNoSlot):
		return fmt.Errorf("%w\nTry another -from", err)
	default:
		return err
	}
}

// showSchedules returns how many schedules are searched.
func showSchedules(out io.Writer, schedules []closure.Schedule, insurance *closure.Insurance) (searched int) {
	show(out, "Schedules", "%d in New York", len(schedules))
	for _, schedule := range schedules {
		verdict := "searched"
		if reason := whyLeftOut(schedule, insurance); reason != "" {
			verdict = "left out: " + reason
		} else {
			searched++
		}
		show(out, "", "%-20s %s", who(schedule), verdict)
	}
	return searched
}

// whyLeftOut says why BookFirstAvailable leaves out a schedule, or returns "".
func whyLeftOut(schedule closure.Schedule, insurance *closure.Insurance) string {
	switch status := schedule.CheckInsurance(insurance.ID); {
	case !schedule.Bookable():
		return "can't be booked through the API"
	case status == closure.InsuranceNotAccepted:
		return "does not accept " + insurance.DisplayName
	case status == closure.InsuranceUnknown:
		return "does not say which insurances it accepts"
	default:
		return ""
	}
}

func showBooking(out io.Writer, booking *closure.Booking, insurance *closure.Insurance, zone *time.Location) {
	a := booking.Appointment
	show(out, "Booked", "%s %s", a.ID, a.Status)
	if booking.Recovered {
		show(out, "", "(a read found it: it had been booked before; nothing was sent twice)")
	}
	if booking.Schedule != nil {
		show(out, "Who", "%s", who(*booking.Schedule))
		show(out, "Where", "%s", where(*booking.Schedule))
		show(out, "Insurance", "%s is %s", insurance.DisplayName, booking.Schedule.CheckInsurance(insurance.ID))
	}
	show(out, "When", "%s (%s UTC), %d min",
		a.StartAt.In(zone).Format("Mon 2 Jan 2006 15:04 MST"), a.StartAt.UTC().Format("15:04"), a.Duration)
}

func who(schedule closure.Schedule) string {
	p := schedule.Practitioner.Object
	if p == nil {
		return string(schedule.Practitioner.ID)
	}
	return p.FirstName + " " + p.LastName
}

func where(schedule closure.Schedule) string {
	if location := schedule.Location.Object; location != nil {
		return location.Name
	}
	return string(schedule.Location.ID)
}

func show(out io.Writer, name, format string, args ...any) {
	fmt.Fprintf(out, "%-*s%s\n", labelWidth, name, fmt.Sprintf(format, args...))
}
