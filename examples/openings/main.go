// Command openings shows a week's open slots of several practitioners as a
// calendar: days across, practitioners down, in the patient's time zone.
//
// By default it talks to a test double inside this process, and nothing leaves
// the machine. With CLOSURE_API_KEY set it asks the real API; a live key is
// refused unless -live is given, although this program only reads.
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
	"time"
	_ "time/tzdata" // so that the zones are there on every machine

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
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
}

// The guide's patient, and the week of the slot that the guide books.
var (
	trisha      = closure.PatientListParams{Name: "Trisha Pandit", DOB: closure.NewDate(1994, time.December, 22)}
	offlineFrom = closure.NewDate(2022, time.May, 16)
)

func main() {
	s := readFlags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := start(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "openings:", err)
		os.Exit(1)
	}
}

func readFlags() (s settings) {
	flag.BoolVar(&s.live, "live", false, "accept a live key: this reads real practices' calendars, and books nothing")
	flag.Func("zone", "IANA time `zone` to show and filter times in, such as Asia/Kolkata (default: the patient's)", func(text string) (err error) {
		s.zone, err = time.LoadLocation(text)
		return err
	})
	flag.TextVar(&s.from, "from", closure.Date{}, "first `day`, such as 2022-05-16 (default: today; offline: that one)")
	flag.IntVar(&s.days, "days", 7, "how many days, 1 to 28")
	flag.Func("after", "show what starts at this `time` of day or later, such as 17:00", clockFlag(&s.after))
	flag.Func("before", "show what starts at this `time` of day or earlier; before -after: across midnight", clockFlag(&s.before))
	flag.StringVar((*string)(&s.insurance), "insurance", "", "leave out who does not accept the insurance with this `id`")
	flag.IntVar(&s.practitioners, "practitioners", 8, "how many calendars to show at the most")
	flag.Parse()
	if s.days < 1 || s.days > 28 || s.practitioners < 1 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	return s
}

func clockFlag(into **closure.ClockTime) func(string) error {
	return func(text string) error {
		*into = new(closure.ClockTime)
		return (*into).UnmarshalText([]byte(text))
	}
}

// start chooses whom to ask: the real API or the test double.
func start(ctx context.Context, s settings) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	p := newProgress(os.Stderr)
	client, err := newClient(s.live, closure.WithObserver(p.observe))
	if err != nil {
		return err
	}
	if s.from.IsZero() {
		s.from = offlineFrom
		if os.Getenv("CLOSURE_API_KEY") != "" {
			year, month, day := time.Now().Date()
			s.from = closure.NewDate(year, month, day)
		}
	}
	return run(ctx, client, s, p, os.Stdout)
}

func newClient(live bool, opts ...closure.Option) (*closure.Client, error) {
	if os.Getenv("CLOSURE_API_KEY") == "" {
		fmt.Println("Offline: a test double in this process answers. Set CLOSURE_API_KEY to talk to the real API.")
		return closuretest.New(closuretest.WithGenerated(7, 20, 400)).Client(opts...), nil
	}
	client, err := closure.NewClientFromEnv(append(opts, closure.WithUserAgent("closure-openings/1.0"))...)
	if err != nil {
		return nil, err
	}
	if client.Mode() == closure.ModeLive && !live {
		return nil, errors.New("CLOSURE_API_KEY is a live key: this only reads, but from real practices; give -live if you mean it")
	}
	fmt.Printf("Talking to the real API in %s mode. Nothing is booked.\n", client.Mode())
	return client, nil
}

func run(ctx context.Context, client *closure.Client, s settings, p *progress, out io.Writer) error {
	if s.zone == nil {
		patient, err := client.Patients.Find(ctx, trisha)
		if err != nil {
			return err
		}
		if s.zone, err = patient.Location(); err != nil {
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
	c.print(out)
	if c.total() == 0 {
		return c.suggest(ctx, client, search, out)
	}
	if len(c.failed) > 0 {
		return fmt.Errorf("%d of %d calendars could not be read; the first: %w", len(c.failed), len(c.rows), c.failed[0])
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

// suggest says when the next opening is, where the calendar has none.
func (c *calendar) suggest(ctx context.Context, client *closure.Client, search closure.SlotSearch, out io.Writer) error {
	const days = 60
	search.From = c.days[len(c.days)-1]
	search.To = search.From.AddDate(0, 0, days)
	slot, err := client.Availabilities.First(ctx, search)
	if errors.Is(err, closure.ErrNoSlot) {
		_, err = fmt.Fprintf(out, "There is none in the %d days after that either.\n", days)
		return err
	}
	if err != nil {
		return err
	}
	i := slices.IndexFunc(c.rows, func(r *row) bool { return r.schedule == slot.ScheduleID })
	_, err = fmt.Fprintf(out, "The next one is on %s, with %s.\n", slot.StartAt.In(c.zone).Format("Monday 2 January at 15:04"), c.rows[i].name)
	return err
}
