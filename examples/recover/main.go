// Command recover shows how a program that crashes in the middle of a booking
// neither loses it nor books twice: with a journal, what it is about to book is on
// disk before anything is sent. The next run settles it, or simply asks again.
//
// Without arguments it shows this for real: see demo.go. This file is the part
// to copy:
//
//	recover book   -journal journal.db -key "order 17"
//	recover settle -journal journal.db -assume-lost-after 15m
//
// Both take the API from CLOSURE_API_KEY and CLOSURE_BASE_URL, and refuse live
// keys.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"
	_ "time/tzdata" // so that the zones are there on every machine

	_ "modernc.org/sqlite"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuresql"
	"github.com/closurehealth/closure-go/examples/internal/cli"
	"github.com/closurehealth/closure-go/internal/commandline"
)

// What is booked: the guide's slot, for the guide's patient.
var wanted = closure.BookSlotParams{
	ScheduleID: "sch_u5oQnnMdSbyb83xgqgkUgX",
	PatientID:  "pt_sxKCbaoVdBXHBGWywcBETm",
	StartAt:    time.Date(2022, time.May, 20, 17, 0, 0, 0, time.UTC),
	Duration:   30,
}

// settings are what the arguments say.
type settings struct {
	command string // none: the demo
	journal string
	key     string
	timeout time.Duration
	lost    time.Duration
	die     bool
}

func main() {
	s, err := parseArgs(os.Args[1:])
	if err != nil {
		cli.Exit("recover", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	out := cli.NewOutput(os.Stdout)
	if err := errors.Join(run(ctx, out, s), out.Err()); err != nil {
		cli.Fail("recover", err)
	}
}

const about = `recover shows how a program that dies in the middle of a booking neither loses
it nor books twice. Without arguments it plays this against a test double. To do
it by hand, against the API that the environment names (live keys are refused):

  recover book [flags]    book, by the journal; the same key is the same booking
  recover settle [flags]  settle what earlier runs left in the journal`

func parseArgs(args []string) (s settings, err error) {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		s.command, args = args[0], args[1:]
	}
	if s.command != "" && s.command != "book" && s.command != "settle" {
		return s, errors.New("the command is book or settle")
	}
	flags := flag.NewFlagSet("recover", flag.ContinueOnError)
	flags.StringVar(&s.journal, "journal", "journal.db", "the SQLite `file` with the journal")
	flags.StringVar(&s.key, "key", "order 17", "book: the idempotency `key`, your own name for what is wanted")
	commandline.DurationVar(flags, &s.timeout, "timeout", 30*time.Second,
		"how long one request may take; the whole booking takes 15 s more at most")
	commandline.DurationVar(flags, &s.lost, "assume-lost-after", 0,
		"settle: how old an attempt must be to count as lost, if nothing shows it, such as 15m")
	flags.BoolVar(&s.die, "die", false, "book: die when the request has left")
	err = cli.Parse(flags, args, cli.Help{About: about, Command: "book", Module: true})
	switch {
	case err == nil && s.command == "" && flags.NFlag() > 0:
		err = errors.New("flags come after a command: book or settle")
	case err == nil && s.key == "":
		err = errors.New("-key is empty: it names what is wanted")
	case err == nil && s.timeout <= 0:
		err = errors.New("-timeout is not positive")
	case err == nil:
		err = cli.CheckFile("journal", s.journal)
	}
	return s, err
}

func run(ctx context.Context, out io.Writer, s settings) error {
	if s.command == "" {
		return demo(ctx, out)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout+15*time.Second)
	defer cancel()
	journal, err := openJournal(ctx, s.journal)
	if err != nil {
		return fmt.Errorf("-journal: %w", err)
	}
	opts := []closure.Option{
		closure.WithJournal(journal),
		closure.WithMode(closure.ModeTest),
		closure.WithTimeout(s.timeout),
		closure.WithUserAgent("closure-recover/1.0"),
	}
	if s.die {
		opts = append(opts, closure.WithObserver(dieInTheMiddle))
	}
	client, err := closure.NewClientFromEnv(opts...)
	if err != nil {
		return err
	}
	if s.command == "settle" {
		return settle(ctx, out, client, s.lost)
	}
	wanted.IdempotencyKey = s.key
	booking, err := client.BookSlot(ctx, wanted)
	return report(out, booking, err)
}

// openJournal opens the journal in a file of SQLite. It says who wanted to see which
// doctor when: it belongs where patients' data may be stored.
func openJournal(ctx context.Context, file string) (*closuresql.Journal, error) {
	dsn, err := cli.SQLite(file)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	if err := closuresql.Migrate(ctx, closuresql.SQLite, db); err != nil {
		return nil, err
	}
	return closuresql.Open(ctx, closuresql.SQLite, db)
}

// settle settles what crashes left. It never books.
func settle(ctx context.Context, out io.Writer, client *closure.Client, lost time.Duration) error {
	var opts []closure.CallOption
	if lost > 0 {
		opts = append(opts, closure.AssumeLostAfter(lost))
	}
	pending := false
	for resolution, err := range client.ResolvePending(ctx, opts...) {
		if err != nil {
			return err // the journal failed, or the context ended: there is no resolution to report
		}
		pending = true
		if err := report(out, resolution.Booking, resolution.Err); err != nil {
			return err
		}
	}
	if !pending {
		fmt.Fprintln(out, "NOTHING TO SETTLE: no booking is pending in the journal")
	}
	return nil
}

// report says how it ended. Only what went wrong is an error.
func report(out io.Writer, booking *closure.Booking, err error) error {
	switch {
	case errors.Is(err, closure.ErrOutcomeUnknown):
		fmt.Fprintln(out, "STILL UNKNOWN: the journal keeps it, settle it later;", openOrNot(err))
	case errors.Is(err, closure.ErrNotBooked):
		fmt.Fprintln(out, "NOT BOOKED: the attempt is old enough to count as lost, it is safe to book")
	case err != nil:
		return err
	case booking.Recovered:
		fmt.Fprintf(out, "BOOKED %s: it was there already, nothing was sent again\n", describe(booking))
	default:
		fmt.Fprintf(out, "BOOKED %s\n", describe(booking))
	}
	return nil
}

func describe(booking *closure.Booking) string {
	a := booking.Appointment
	return fmt.Sprintf("%s on %s, %d min", a.ID, a.StartAt.UTC().Format("Mon 2 Jan 2006 at 15:04 MST"), a.Duration)
}

func openOrNot(err error) string {
	unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err)
	switch {
	case !ok || unknown.SlotOpen == nil:
		return "whether the slot is open could not be read"
	case *unknown.SlotOpen:
		return "the slot shows as open"
	default:
		return "the slot is taken, by whom doesn't show"
	}
}
