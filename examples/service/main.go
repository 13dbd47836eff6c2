// Command service books appointments for callers of its own, by HTTP. Any number of
// instances share one database; each may be killed at any moment, and no order has
// two appointments.
//
//	cd examples/service && go run .
//	curl -i localhost:8081/bookings -H 'Idempotency-Key: order-1' -d '{
//	  "patient_id": "pt_sxKCbaoVdBXHBGWywcBETm", "start_at": "2022-05-20T17:00:00Z",
//	  "schedule_id": "sch_u5oQnnMdSbyb83xgqgkUgX", "duration": 30}'
//
// The API is that of CLOSURE_API_KEY and CLOSURE_BASE_URL; without a key a test
// double in this process answers. Two instances need one API: in the checkout, start
//
//	go run ./cmd/closure-sandbox -addr 127.0.0.1:9100
//
// and give both instances CLOSURE_BASE_URL=http://127.0.0.1:9100 and
// CLOSURE_API_KEY=ch_sk_test_quickstart, the same -database, and each its own -addr.
//
// It doesn't ask callers who they are, and serves http: before it listens to other machines,
// put a login and TLS in front. Seal the journal with closuresql.WithKeyset.
package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuresql"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/examples/internal/cli"
	"github.com/closurehealth/closure-go/internal/commandline"
)

type settings struct {
	address  string
	database string
	timeout  time.Duration // of one request to the API
	settle   time.Duration // how often pending bookings are settled
	lost     time.Duration // from what age an attempt that nothing shows is taken for lost
}

func main() {
	s, err := parseFlags(os.Args[1:])
	if err != nil {
		cli.Exit("service", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // it stops gracefully on the first signal, and at once on the second
	if err := run(ctx, s); err != nil {
		cli.Fail("service", err)
	}
}

func parseFlags(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	flags.StringVar(&s.address, "addr", "127.0.0.1:8081", "the `address` to listen on")
	flags.StringVar(&s.database, "database", "bookings.db", "a `file` for SQLite, or a URL postgres://…")
	commandline.DurationVar(flags, &s.timeout, "timeout", 30*time.Second, "how long a request to the API may take")
	commandline.DurationVar(flags, &s.settle, "settle", time.Minute, "how often to settle what is pending")
	commandline.DurationVar(flags, &s.lost, "lost", 15*time.Minute, "the age from which what the API doesn't show is taken for lost")
	err = cli.Parse(flags, args, cli.Help{
		About: "service books appointments for callers of its own, by HTTP. Instances share a\n" +
			"database, and each may be killed at any moment. Live keys are refused. To book:\n\n" + curl("http://"+s.address),
		Module: true,
	})
	switch {
	case err != nil:
		return s, err
	case min(s.timeout, s.settle, s.lost) <= 0:
		return s, errors.New("-timeout, -settle and -lost must be longer than zero")
	case !postgres(s.database):
		err = cli.CheckFile("database", s.database)
	}
	return s, cmp.Or(err, commandline.CheckAddress("addr", s.address))
}

// curl is how to book the guide's slot for the guide's patient.
func curl(url string) string {
	return "curl -i " + url + `/bookings -H 'Idempotency-Key: order-1' -d '{
  "patient_id": "pt_sxKCbaoVdBXHBGWywcBETm", "start_at": "2022-05-20T17:00:00Z",
  "schedule_id": "sch_u5oQnnMdSbyb83xgqgkUgX", "duration": 30}'`
}

func postgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// run serves until the context ends, and then lets those finish who are waiting.
func run(ctx context.Context, s settings) error {
	db, journal, err := openJournal(ctx, s.database)
	if err != nil {
		return fmt.Errorf("-database: %w", err)
	}
	defer func() { _ = db.Close() }()
	client, err := newClient(closure.WithJournal(journal), closure.WithTimeout(s.timeout))
	if err != nil {
		return err
	}
	listener, err := commandline.Listen(ctx, "addr", s.address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /bookings", &bookings{client})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	url := "http://" + listener.Addr().String()
	slog.Info("serving", slog.String("url", url))
	fmt.Fprintln(os.Stderr, "try:", strings.ReplaceAll(curl(url), "\n ", ""))
	go settle(ctx, client, s)

	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	slog.Info("stopping")
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookingTime+5*time.Second)
	defer cancel()
	return server.Shutdown(last)
}

// openJournal opens the database that all instances share, and makes its tables.
func openJournal(ctx context.Context, database string) (*sql.DB, *closuresql.Journal, error) {
	dialect, driver, dsn := closuresql.PostgreSQL, "pgx", database
	if !postgres(database) {
		var err error
		dialect, driver = closuresql.SQLite, "sqlite"
		if dsn, err = cli.SQLite(database); err != nil {
			return nil, nil, err
		}
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, nil, err
	}
	if err := closuresql.Migrate(ctx, dialect, db); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	// In clear, for a demo. Real patients' data wants closuresql.WithKeyset here.
	journal, err := closuresql.Open(ctx, dialect, db)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, journal, nil
}

func newClient(opts ...closure.Option) (*closure.Client, error) {
	opts = append(opts, closure.WithMode(closure.ModeTest)) // never a real patient
	if os.Getenv("CLOSURE_API_KEY") != "" {
		return closure.NewClientFromEnv(opts...)
	}
	if err := cli.CheckEnvironment(); err != nil {
		return nil, err
	}
	slog.Info("offline: a test double answers, for CLOSURE_API_KEY is not set")
	return closure.NewClient(closure.QuickstartKey, append(opts, closure.WithBaseURL(closuretest.New().Start()))...)
}

// settle finds out what became of bookings that a crash or a lost answer left.
func settle(ctx context.Context, client *closure.Client, s settings) {
	for {
		for r, err := range client.ResolvePending(ctx, closure.AssumeLostAfter(s.lost)) {
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				slog.Error("settling failed", slog.Any("error", err))
			case r.Err == nil, errors.Is(r.Err, closure.ErrNotBooked):
				slog.Info("settled a booking", slog.Bool("booked", r.Booking != nil))
			default:
				slog.Warn("a booking is not settled yet", slog.Any("error", r.Err)) // the next round looks again
			}
		}
		select {
		case <-time.After(s.settle):
		case <-ctx.Done():
			return
		}
	}
}
