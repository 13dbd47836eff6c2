package closure_test

import (
	"testing"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A rejection counts if the reads after it bear it out.
func TestBookSlotRejected(t *testing.T) {
	t.Parallel()
	status := func(status int) []closuretest.Fault { return faults(closuretest.Status(create, status)) }
	runAll(t, []scenario{
		{name: "401", faults: status(401), want: isRejected(closure.ErrUnauthorized)},
		{name: "403", faults: status(403), want: isRejected(closure.ErrForbidden)},
		{name: "429 once", faults: status(429), want: isConfirmed.requests(2)},
		{
			name:   "429 for ever",
			faults: faults(always(closuretest.Status(create, 429))),
			want:   isRejected(closure.ErrRateLimited).requests(3),
		},
		{
			name:   "400, slot open",
			faults: status(400),
			want:   isRejected(closure.ErrInvalidRequest).not(closure.ErrSlotUnavailable),
		},
		{
			name:   "409, slot open",
			faults: status(409),
			want:   isRejected(closure.ErrConflict).not(closure.ErrSlotUnavailable),
		},
		{
			name: "409, slot gone", taken: true,
			want: isRejected(closure.ErrConflict, closure.ErrSlotUnavailable).holding(1),
		},
		{
			name: "422, slot gone", taken: true,
			faults: status(422),
			want:   isRejected(closure.ErrSlotUnavailable).holding(1),
		},
		{
			name: "409, slots not known", taken: true,
			faults: faults(always(closuretest.Status("availabilities.list", 500))),
			want:   isRejected(closure.ErrConflict).not(closure.ErrSlotUnavailable).holding(1),
		},
		{name: "done, then 409", faults: faults(closuretest.StatusAfter(create, 409)), want: isRecovered},
		{name: "done, then 400", faults: faults(closuretest.StatusAfter(create, 400)), want: isRecovered},
		{name: "done, then 404", faults: faults(closuretest.StatusAfter(create, 404)), want: isRecovered},
	})
}
