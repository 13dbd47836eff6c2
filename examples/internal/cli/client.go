package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/closurehealth/closure-go"
)

// Offline reports whether the environment names no API, so that a test double has to answer.
// It then says so.
func Offline(out io.Writer) bool {
	if os.Getenv("CLOSURE_API_KEY") != "" || os.Getenv("CLOSURE_BASE_URL") != "" {
		return false
	}
	fmt.Fprintln(out, "Offline: a test double in this process answers. Set CLOSURE_API_KEY to talk to the real API.")
	return true
}

// CheckEnvironment refuses an API without a key for it.
func CheckEnvironment() error {
	if os.Getenv("CLOSURE_BASE_URL") != "" && os.Getenv("CLOSURE_API_KEY") == "" {
		return errors.New("CLOSURE_BASE_URL is set, but CLOSURE_API_KEY isn't; a sandbox takes " + closure.QuickstartKey)
	}
	return nil
}

// A Program is an example that talks to an API.
type Program struct {
	Agent string // the User-Agent
	Live  bool   // a live key is accepted
	Risk  string // what the program would do with a live key
}

// NewClient makes a client for the API that the environment names, and prints which one it
// is.
func (p Program) NewClient(out io.Writer, opts ...closure.Option) (*closure.Client, error) {
	api := "the real API"
	if os.Getenv("CLOSURE_BASE_URL") != "" {
		api = "the API at CLOSURE_BASE_URL"
	}
	if err := CheckEnvironment(); err != nil {
		return nil, err
	}
	client, err := closure.NewClientFromEnv(append(opts, closure.WithUserAgent(p.Agent))...)
	if err != nil {
		return nil, err
	}
	if client.Mode() == closure.ModeLive && !p.Live {
		return nil, errors.New("CLOSURE_API_KEY is a live key: " + p.Risk + "; give -live if you mean it")
	}
	fmt.Fprintf(out, "Talking to %s in %s mode.\n", api, client.Mode())
	return client, nil
}
