// Command example books through Temporal and shows what it does when things go
// wrong. It needs nothing: the Temporal server, a worker and a test double of the
// API run in this process.
//
//	go run ./example
//
// With TEMPORAL_ADDRESS it uses a cluster instead, such as one that `temporal
// server start-dev` has started, and TEMPORAL_NAMESPACE, if it isn't "default". The
// API is the test double all the same: the keys in this file are no secret.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretemporal"
	"github.com/closurehealth/closure-go/closuretemporal/devserver"
	"github.com/closurehealth/closure-go/closuretest"
)

const queue = "closure-bookings"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	address := os.Getenv("TEMPORAL_ADDRESS")
	if address == "" {
		dir, err := os.MkdirTemp("", "closure-temporal")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		server, err := devserver.Start(devserver.Options{File: filepath.Join(dir, "temporal.db")})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		address = server.Address()
	}
	keyring := exampleKeyring()
	opts, err := closuretemporal.ClientOptions(client.Options{
		HostPort: address, Namespace: cmp.Or(os.Getenv("TEMPORAL_NAMESPACE"), client.DefaultNamespace), Logger: quiet{},
	}, keyring)
	if err != nil {
		return err
	}
	c, err := client.DialContext(ctx, opts)
	if err != nil {
		return err
	}
	defer c.Close()

	api := closuretest.New() // for the real one: closure.NewClientFromEnv()
	w := worker.New(c, queue, worker.Options{WorkerStopTimeout: time.Minute})
	closuretemporal.Register(w, api.Client())
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()

	bookings, err := closuretemporal.New(c, queue, keyring, closuretemporal.Policy{
		SendTimeout: 5 * time.Second, MaxWait: 2 * time.Second, // so that you needn't wait
	})
	if err != nil {
		return err
	}
	return book(ctx, out, bookings, api)
}

// book is what a program does that books.
func book(ctx context.Context, out io.Writer, bookings *closuretemporal.Bookings, api *closuretest.Server) error {
	slot := closuretest.GuideSlot()
	wanted := closure.BookSlotParams{
		ScheduleID: slot.ScheduleID, PatientID: closuretest.GuidePatientID,
		StartAt: slot.StartAt, Duration: slot.Duration,
		IdempotencyKey: fmt.Sprint("order-", time.Now().UnixNano()), // your own name for what is wanted
	}
	fmt.Fprintln(out, "The answer to the booking gets lost, and the appointment shows 8 s late:")
	api.Inject(closuretest.CommitLate("appointments.create", 8*time.Second))
	pending, err := bookings.Start(ctx, wanted)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "  started as", pending.ID())
	booked, err := watch(ctx, out, pending)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  booked: %v\n", booked)

	again, err := bookings.Start(ctx, wanted)
	if err != nil {
		return err
	}
	if booked, err = again.Wait(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "Started again with the same key: %v, %d appointment\n", booked, len(api.Appointments()))

	cancelled, err := pending.Cancel(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Cancelled: %v is %s\n", cancelled, cancelled.Status)
	return nil
}

// watch waits for the booking and prints each state that it passes.
func watch(ctx context.Context, out io.Writer, pending *closuretemporal.Pending) (*closure.Appointment, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for state := closuretemporal.State(-1); !state.Settled(); {
		status, err := pending.Status(ctx)
		if err != nil {
			return nil, err
		}
		if status.State != state {
			state = status.State
			fmt.Fprintln(out, " ", state)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return pending.Wait(ctx)
}

// exampleKeyring is for this example: real keys come from where secrets are kept.
func exampleKeyring() closuretemporal.Keyring {
	return closuretemporal.Keyring{
		Current: "example",
		Keys:    map[string][]byte{"example": []byte("an example, not a secret: 32 byt")},
		IDKey:   []byte("another one, no secret: 32 bytes"),
	}
}

// quiet drops what Temporal's client logs: this example prints its own story.
type quiet struct{}

var _ sdklog.Logger = quiet{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
