// Command bookingpage is a clinic's booking page: a person says who they are,
// chooses an opening, books it, and can move and cancel it.
//
// Without CLOSURE_API_KEY it runs offline, on a made-up clinic (offline.go). With a
// key of test mode it talks to the API.
//
// Read it in this order: main.go, store.go, server.go, choose.go, week.go, book.go,
// change.go. The rest, offline.go and underneath.go, is for demonstrations.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // so that the zones are there on every machine

	"github.com/closurehealth/closure-go/examples/internal/cli"
	"github.com/closurehealth/closure-go/internal/commandline"
)

type settings struct {
	address  string
	database string
	https    bool
	panel    bool
}

func main() {
	set, err := parseFlags(os.Args[1:])
	if err != nil {
		cli.Exit("bookingpage", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := serve
	switch {
	case os.Getenv("CLOSURE_API_KEY") == "":
		run = offline
	case os.Getenv(clinicVariable) != "": // this is the child of one that is offline, and ends with it
		go func() { _, _ = io.Copy(io.Discard, os.Stdin); stop() }()
	}
	err = cli.CheckEnvironment()
	if err == nil {
		err = run(ctx, set)
	}
	if err != nil {
		cli.Fail("bookingpage", err)
	}
}

func parseFlags(args []string) (set settings, err error) {
	flags := flag.NewFlagSet("bookingpage", flag.ContinueOnError)
	flags.StringVar(&set.address, "addr", "127.0.0.1:8090", "the `address` to listen on")
	flags.StringVar(&set.database, "database", "bookingpage.db", "the SQLite `file`; offline it is a temporary one")
	flags.BoolVar(&set.https, "https", false,
		"people reach the page by https, through a proxy: browsers then send the cookie by https only, "+
			"and come by https only")
	flags.BoolVar(&set.panel, "panel", false, "show on each page what happens underneath, for demonstrations")
	err = cli.Parse(flags, args, cli.Help{
		About: "bookingpage is a clinic's booking page: a person says who they are, chooses an\n" +
			"opening, books it, and can move and cancel it. Live keys are refused.",
		Sandbox: "-clock now -schedules 40",
		Module:  true,
	})
	if err == nil {
		err = cmp.Or(cli.CheckFile("database", set.database), commandline.CheckAddress("addr", set.address))
	}
	return set, err
}

// serve runs the page until the context ends, and then lets what is under way
// finish.
func serve(ctx context.Context, set settings) error {
	db, err := openDatabase(ctx, set.database)
	if err != nil {
		return fmt.Errorf("-database: %w", err)
	}
	defer func() { _ = db.Close() }()
	server, err := newServer(ctx, set, db)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, set.address)
	if err != nil {
		return err
	}
	web := &http.Server{Handler: server.handler(), ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	go server.settleForever(ctx)
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*writeTimeout)
		defer cancel()
		stopped <- web.Shutdown(late)
	}()
	slog.Info("the booking page is ready", slog.String("url", "http://"+listener.Addr().String()),
		slog.Int("pid", os.Getpid()))
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	err = <-stopped
	server.underWay.Wait()
	return err
}
