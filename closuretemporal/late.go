package closuretemporal

import (
	"context"
	"net/http/httptrace"
	"time"
)

// reporting is what is left of an activity's time to say how it ended.
const reporting = time.Second

// sendBefore ends the context a little before the activity's deadline, which is
// counted from when the server handed the activity out. Right before a request
// goes onto its connection the clock is looked at once more: in a process that was
// frozen and thaws, the request may come before the timer that ends the context.
func sendBefore(ctx context.Context, now func() time.Time) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	deadline = deadline.Add(-reporting)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			// By the wall clock: the other one stands still while the machine sleeps.
			if !now().Round(0).After(deadline.Round(0)) {
				return
			}
			cancel()
			_ = info.Conn.Close() // HTTP/1.1 doesn't look at the context before it writes
		},
	}), cancel
}
