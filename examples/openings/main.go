// Command openings shows a week's open slots of several practitioners as a
// calendar: days across, practitioners down, in the patient's time zone.
//
// By default it talks to a test double inside this process, and nothing leaves
// the machine. With CLOSURE_API_KEY set it asks the real API, or the one at
// CLOSURE_BASE_URL; a live key is refused unless -live is given, although this
// program only reads.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the zones, for machines without a zone database

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/examples/internal/cli"
	"github.com/closurehealth/closure-go/internal/commandline"
)

// settings are what the flags say.
type settings struct {
	live          bool
	zone          *time.Location // nil: the patient's
	from          closure.Date   // zero: today, or the first day of the offline data
	days          int
	after, before *closure.ClockTime
	insurance     closure.InsuranceID
	practitioners int
	width         int // of the terminal in columns, 0 for any
}

// The guide's patient, and the week of the slot that the guide books.
var (
	trisha      = closure.PatientListParams{Name: "Trisha Pandit", DOB: closure.NewDate(1994, time.December, 22)}
	offlineFrom = closure.NewDate(2022, time.May, 16)
)

func main() {
	s, err := parseFlags(os.Args[1:])
	if err != nil {
		cli.Exit("openings", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := start(ctx, s); err != nil {
		cli.Fail("openings", err)
	}
}

func parseFlags(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("openings", flag.ContinueOnError)
	flags.BoolVar(&s.live, "live", false, "accept a live key: this reads real practices' calendars, and books nothing")
	cli.ZoneVar(flags, &s.zone, "time zone to show and filter times in")
	cli.FromVar(flags, &s.from, "first `day`, such as 2022-05-16 (default: today; offline: that one)")
	cli.IntVar(flags, &s.days, "days", 7, 1, 28, "how many `days`")
	flags.Func("after", "show what starts at this `time` of day or later, such as 17:00", clockFlag(&s.after))
	flags.Func("before", "show what starts at this `time` of day or earlier; before -after: across midnight",
		clockFlag(&s.before))
	flags.Func("insurance", "leave out who does not accept the insurance with this `id`", insuranceFlag(&s.insurance))
	cli.IntVar(flags, &s.practitioners, "practitioners", 8, 1, 1000, "how many `calendars` to show at the most")
	err = cli.Parse(flags, args, cli.Help{
		About:   "openings shows a week's open slots of several practitioners as a calendar.",
		Sandbox: "-clock now -schedules 40",
	})
	return s, err
}

func clockFlag(into **closure.ClockTime) func(string) error {
	return func(text string) error {
		*into = new(closure.ClockTime)
		if err := (*into).UnmarshalText([]byte(text)); err != nil {
			return errors.New("want a time of day such as 17:00")
		}
		return nil
	}
}

func insuranceFlag(into *closure.InsuranceID) func(string) error {
	return func(text string) error {
		if rest, found := strings.CutPrefix(text, "ins_"); !found || rest == "" {
			return errors.New("want an id that starts with ins_")
		}
		*into = closure.InsuranceID(text)
		return nil
	}
}

// start asks the API or the test double.
func start(ctx context.Context, s settings) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s.width = commandline.Width(os.Stdout)
	out := cli.Stdout(0)
	p := newProgress(os.Stderr)
	client, today, err := newClient(out, s.live, closure.WithObserver(p.observe))
	if err != nil {
		return err
	}
	if s.from.IsZero() {
		s.from = today
	}
	return errors.Join(run(ctx, client, s, p, out), out.Err())
}

// newClient also returns the day. With the test double it is always the same.
func newClient(out io.Writer, live bool, opts ...closure.Option) (*closure.Client, closure.Date, error) {
	if cli.Offline(out) {
		return closuretest.New(closuretest.WithGenerated(7, 20, 400)).Client(opts...), offlineFrom, nil
	}
	program := cli.Program{Agent: "closure-openings/1.0", Live: live, Risk: "this only reads, but from real practices"}
	client, err := program.NewClient(out, opts...)
	return client, closure.NewDate(time.Now().Date()), err
}

func run(ctx context.Context, client *closure.Client, s settings, p *progress, out io.Writer) error {
	if s.zone == nil {
		patient, err := client.Patients.Find(ctx, trisha)
		if err != nil {
			return err
		}
		if s.zone, err = patient.Zone(); err != nil {
			return err
		}
	}
	schedules, err := readSchedules(ctx, client, s)
	if err != nil {
		return err
	}
	c := newCalendar(schedules, s)
	search := c.search(s)
	p.begin(len(schedules), search)
	err = c.fill(client.Availabilities.Search(ctx, search))
	p.clear()
	if err != nil {
		return err
	}
	c.print(out, s.width)
	if len(c.failed) > 0 {
		return fmt.Errorf("%d of %d calendars could not be read; the first: %w", len(c.failed), len(c.rows), c.failed[0])
	}
	if c.total() == 0 {
		return c.suggest(ctx, client, search, out)
	}
	return nil
}

// readSchedules lists the schedules that show slots, with the names to print.
func readSchedules(ctx context.Context, client *closure.Client, s settings) ([]closure.Schedule, error) {
	all, err := client.Schedules.List(ctx, closure.ScheduleListParams{InsuranceID: s.insurance},
		closure.Expand(closure.ExpandPractitioner, closure.ExpandLocation))
	if err != nil {
		return nil, err
	}
	if len(all) == 0 && s.insurance != "" {
		return nil, errors.New("no practitioner here accepts the insurance given with -insurance")
	}
	shown := slices.DeleteFunc(all, func(s closure.Schedule) bool { return s.SchedulingMethod == "" })
	if len(shown) == 0 {
		return nil, errors.New("no practitioner shows open slots here")
	}
	shown = shown[:min(len(shown), s.practitioners)]
	slices.SortStableFunc(shown, func(a, b closure.Schedule) int { return cmp.Compare(sortName(a), sortName(b)) })
	return shown, nil
}

func sortName(s closure.Schedule) string {
	if p := s.Practitioner.Object; p != nil {
		return p.LastName + " " + p.FirstName
	}
	return string(s.Practitioner.ID)
}

// suggest says when the next opening is, if the calendar has none.
func (c *calendar) suggest(
	ctx context.Context, client *closure.Client, search closure.SlotSearch, out io.Writer,
) error {
	const days = 60
	search.From = c.days[len(c.days)-1]
	search.To = search.From.AddDate(0, 0, days)
	slot, err := client.Availabilities.First(ctx, search)
	if errors.Is(err, closure.ErrNoSlot) {
		fmt.Fprintf(out, "There is none in the %d days after that either. Try another -from.\n", days)
		return nil
	}
	if err != nil {
		return err
	}
	i := slices.IndexFunc(c.rows, func(r *row) bool { return r.schedule == slot.ScheduleID })
	fmt.Fprintf(out, "The next one is on %s, with %s.\n",
		slot.StartAt.In(c.zone).Format("Monday 2 January at 15:04"), c.rows[i].name)
	return nil
}
