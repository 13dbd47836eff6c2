package transport_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/internal/transport"
)

// What another call ended with, and what says so, is not handed out as this one's.
func TestCauseHandsOutNoErrorOfAnotherCall(t *testing.T) {
	t.Parallel()
	other := &closure.APIError{StatusCode: 409}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("of the group: %w", other))
	for name, cause := range map[string]*transport.Cause{
		"an error":                 transport.NewCause(t.Context(), other),
		"wrapped":                  transport.NewCause(t.Context(), fmt.Errorf("a group: %w", other)),
		"joined":                   transport.NewCause(t.Context(), errors.Join(errors.New("first"), other)),
		"the cause of the context": transport.NewCause(ctx, ctx.Err()),
		"one that plays it":        transport.NewCause(t.Context(), playsAPIError{}),
	} {
		if found, ok := errors.AsType[*closure.APIError](cause); ok {
			t.Errorf("%s: hands out the other call's %v", name, found)
		}
		if errors.Is(cause, other) {
			t.Errorf("%s: is the other call's", name)
		}
	}
}

// An error that holds another call's is replaced as a whole; any other one stays as it is.
func TestHideCallErrors(t *testing.T) {
	t.Parallel()
	for _, other := range []error{&closure.APIError{StatusCode: 409}, closure.ErrNotBooked} {
		for _, err := range []error{other, fmt.Errorf("a group: %w", other), errors.Join(errors.New("first"), other)} {
			if hidden := transport.HideCallErrors(err); errors.Is(hidden, other) {
				t.Errorf("shows %v", hidden)
			}
		}
	}
	own := errors.New("the caller's own")
	if hidden := transport.HideCallErrors(own); hidden != own {
		t.Errorf("hides %v", hidden)
	}
	if hidden := transport.HideCallErrors(nil); hidden != nil {
		t.Errorf("makes %v of nothing", hidden)
	}
}

// A playsAPIError lets errors.As find an error of a call in it.
type playsAPIError struct{}

func (playsAPIError) Error() string { return "mine" }

func (playsAPIError) As(target any) bool {
	found, ok := target.(**closure.APIError)
	if ok {
		*found = &closure.APIError{StatusCode: 409}
	}
	return ok
}

// An errgroup ends a call with what another call of the group came to.
func TestCauseIsNoVerdictOfAnotherCall(t *testing.T) {
	t.Parallel()
	own := errors.New("the caller's own")
	for _, verdict := range []error{closure.ErrNotBooked, closure.ErrSlotUnavailable, closure.ErrNoSlot, closure.ErrNotFound} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(fmt.Errorf("of the group: %w", errors.Join(own, verdict)))
		shown := playsVerdict{verdict}
		if cause := transport.NewCause(t.Context(), shown); errors.Is(cause, verdict) || !errors.Is(cause, shown) {
			t.Errorf("an error that shows a verdict by Is alone: %v", cause)
		}
		if cause := transport.NewCause(ctx, context.Cause(ctx)); errors.Is(cause, verdict) || !errors.Is(cause, context.Canceled) {
			t.Errorf("a call that another's %q ended: %v", verdict, cause)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(own)
	if cause := transport.NewCause(ctx, ctx.Err()); !errors.Is(cause, own) {
		t.Error("the caller's own cause is gone")
	}
}

// A playsVerdict lets errors.Is find an error in it, as multierror does.
type playsVerdict struct{ err error }

func (playsVerdict) Error() string          { return "several" }
func (p playsVerdict) Is(target error) bool { return target == p.err }

func TestCauseAsNothing(t *testing.T) {
	t.Parallel()
	if transport.NewCause(t.Context(), context.Canceled).As(nil) {
		t.Error("found something in nothing")
	}
}
