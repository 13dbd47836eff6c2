package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// cancelled prints how soon a call returns that is cancelled while it waits before its next
// attempt.
func cancelled(ctx context.Context, s *server) error {
	const calls = 100
	var late []time.Duration
	for range calls {
		sdk, err := newSDK(s.url + "/busy") // each has its own retry budget
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(ctx)
		var at time.Time
		time.AfterFunc(20*time.Millisecond, func() {
			at = time.Now()
			cancel()
		})
		if err := sdk.get(ctx); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("got %v, want the context's error", err)
		}
		late = append(late, time.Since(at))
	}
	slices.Sort(late)
	fmt.Printf("%s; %d calls cancelled while they wait returned after %v (median), %v (slowest)\n",
		about(), calls, late[calls/2], late[calls-1])
	return nil
}
