// Command recover shows how a program that crashes in the middle of a booking
// neither loses it nor books twice: what it is about to book is on disk before
// anything is sent, and stays there until it is known how it ended. The next run
// settles it.
//
// Without arguments it shows this for real: see demo.go. This file is the part
// to copy:
//
//	recover book    -file attempt.json
//	recover resolve -file attempt.json -assume-lost-after 10m
//
// Both take the API from CLOSURE_API_KEY and CLOSURE_BASE_URL, and refuse live
// keys.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
	_ "time/tzdata" // so that the zones are there on every machine

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/examples/internal/cli"
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
	file    string
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
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "recover:", err)
		os.Exit(1)
	}
}

const about = `recover shows how a program that dies in the middle of a booking neither loses it
nor books twice. Without arguments it plays this against a test double. To do it
by hand, against the API that the environment names (live keys are refused):

  recover book [flags]     keep the attempt in a file, book, remove the file
  recover resolve [flags]  settle the attempt that an earlier run left there`

func parseArgs(args []string) (s settings, err error) {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		s.command, args = args[0], args[1:]
	}
	if s.command != "" && s.command != "book" && s.command != "resolve" {
		return s, fmt.Errorf("no command %q: it is book or resolve", s.command)
	}
	flags := flag.NewFlagSet("recover", flag.ContinueOnError)
	flags.StringVar(&s.file, "file", "attempt.json", "the `file` in which the attempt is kept")
	flags.DurationVar(&s.lost, "assume-lost-after", 0, "resolve: how old an attempt must be to count as lost, if nothing shows it, such as 10m")
	flags.BoolVar(&s.die, "die", false, "book: die when the request has left")
	err = cli.Parse(flags, args, cli.Help{About: about, Command: "book"})
	if err == nil && s.command == "" && flags.NFlag() > 0 {
		err = errors.New("flags come after a command: book or resolve")
	}
	return s, err
}

func run(ctx context.Context, s settings) error {
	if s.command == "" {
		return demo(ctx, os.Stdout)
	}
	opts := []closure.Option{closure.WithMode(closure.ModeTest), closure.WithUserAgent("closure-recover/1.0")}
	if s.die {
		opts = append(opts, closure.WithObserver(dieInTheMiddle))
	}
	client, err := closure.NewClientFromEnv(opts...)
	if err != nil {
		return err
	}
	if s.command == "book" {
		return report(book(ctx, client, s.file, wanted))
	}
	var lost []closure.CallOption
	if s.lost > 0 {
		lost = append(lost, closure.AssumeLostAfter(s.lost))
	}
	return report(resolve(ctx, client, s.file, lost...))
}

// book books a slot, and keeps the attempt in the file from before anything is
// sent until it is known how the booking ended.
func book(ctx context.Context, client *closure.Client, file string, params closure.BookSlotParams) (*closure.Booking, error) {
	if _, err := os.Stat(file); err == nil {
		return nil, errors.New("an earlier attempt is not settled: resolve it first")
	}
	err := save(file, closure.BookingAttempt{
		ScheduleID:  params.ScheduleID,
		PatientID:   params.PatientID,
		StartAt:     params.StartAt,
		Duration:    params.Duration,
		AttemptedAt: time.Now(),
	})
	if err != nil {
		return nil, err // not kept, so not sent
	}
	booking, err := client.BookSlot(ctx, params)
	if unknown, ok := errors.AsType[*closure.OutcomeUnknownError](err); ok {
		return nil, errors.Join(err, save(file, unknown.Attempt)) // it knows better when the request left
	}
	return booking, errors.Join(err, os.Remove(file)) // definite, one way or the other
}

// resolve settles the attempt in the file, if there is one, and removes it if it
// is settled. It never books.
func resolve(ctx context.Context, client *closure.Client, file string, opts ...closure.CallOption) (*closure.Booking, error) {
	attempt, err := load(file)
	if err != nil {
		return nil, err
	}
	booking, err := client.ResolveBooking(ctx, attempt, opts...)
	if err == nil || errors.Is(err, closure.ErrNotBooked) {
		err = errors.Join(err, os.Remove(file))
	}
	return booking, err
}

// save writes the attempt so that there is all of it in the file or nothing. It
// says who wanted to see which doctor when: only this user may read it, and it
// belongs where patients' data may be stored.
func save(file string, attempt closure.BookingAttempt) error {
	data, err := json.Marshal(attempt)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(file), ".attempt-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // gone already if all went well
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), file)
}

func load(file string) (attempt closure.BookingAttempt, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return attempt, err
	}
	err = json.Unmarshal(data, &attempt)
	return attempt, err
}

// report says how it ended. Only what went wrong is an error.
func report(booking *closure.Booking, err error) error {
	switch {
	case err == nil && booking.Recovered:
		fmt.Printf("BOOKED %s: an earlier run had made it, nothing was sent again\n", describe(booking))
	case err == nil:
		fmt.Printf("BOOKED %s\n", describe(booking))
	case errors.Is(err, closure.ErrOutcomeUnknown):
		fmt.Println("STILL UNKNOWN: the attempt is kept, resolve it later;", openOrNot(err))
	case errors.Is(err, closure.ErrNotBooked):
		fmt.Println("NOT BOOKED: the attempt is old enough to count as lost, it is safe to book")
	default:
		return err
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
