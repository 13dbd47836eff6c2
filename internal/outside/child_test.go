package outside

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	closure "github.com/closurehealth/closure-go"
)

// childVariable makes the test binary a process that books. Its value says what the process
// does.
const childVariable = "OUTSIDE_CHILD"

func TestMain(m *testing.M) {
	switch what := os.Getenv(childVariable); what {
	case "":
		os.Exit(m.Run())
	case "books", "waits for the limit":
		bookAsChild(what)
	default:
		panicAsChild(what)
	}
}

// child returns a command that runs this binary as such a process.
func child(t *testing.T, what string, env ...string) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(append(os.Environ(), childVariable+"="+what), env...)
	return cmd
}

// childClient is the client of such a process. It has real sockets to the API and to the
// journal.
func childClient(api, journal string, opts ...closure.Option) *closure.Client {
	c, err := closure.NewClient("ch_sk_test_x", append(opts, closure.WithBaseURL(api),
		closure.WithJournal(remote{journal}), closure.WithTimeout(time.Second))...)
	if err != nil {
		panic(err)
	}
	return c
}

func bookAsChild(what string) {
	var opts []closure.Option
	if what == "waits for the limit" {
		opts = append(opts, closure.WithRateLimit(2, 3))
	}
	c := childClient(os.Getenv("OUTSIDE_API"), os.Getenv("OUTSIDE_JOURNAL"), opts...)
	if what == "waits for the limit" {
		c.Schedules.Get(context.Background(), schedule) // uses up the rate limit's burst
	}
	c.BookSlot(context.Background(), slot(0, "K"))
}

// panicAsChild books with an observer that panics, recovers, and prints that.
func panicAsChild(op string) {
	observe := closure.WithObserver(func(_ context.Context, e closure.Event) {
		if e.Op == op {
			panic("the observer's")
		}
	})
	c, err := closure.NewClient("ch_sk_test_x", observe,
		closure.WithHTTPClient(httpClient(newAPI())), closure.WithJournal(newJournal()))
	if err != nil {
		panic(err)
	}
	defer func() { fmt.Println("recovered:", recover()) }()
	c.BookSlot(context.Background(), slot(0, "K"))
}

// docs/observing.md says that an observer must not panic. If it does, the caller's call
// panics, or the whole program ends if the event was one of the concurrent reads.
func TestLimitObserverThatPanics(t *testing.T) {
	t.Parallel()
	for op, recovers := range map[string]bool{"appointments.create": true, "schedules.get": false} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			out, err := child(t, op).CombinedOutput()
			said := strings.Contains(string(out), "recovered: the observer's")
			if said != recovers || (err == nil) != recovers {
				t.Errorf("the caller recovers: %t, want %t: %v\n%s", said, recovers, err, out)
			}
		})
	}
}
