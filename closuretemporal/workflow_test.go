package closuretemporal

import (
	"testing"
	"time"

	"github.com/closurehealth/closure-go/closuretest"
)

func TestBooks(t *testing.T) {
	inBench(t, func(b *bench) {
		booked, err := b.book()
		if err != nil || !booked.StartAt.Equal(guide().StartAt) || b.sent() != 1 {
			t.Errorf("%v, %v, sent %d times", booked, err, b.sent())
		}
		if s := b.status(); s.State != StateConfirmed || s.Sends != 1 || s.Looks != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestACommitThatComesLateIsFound(t *testing.T) {
	for _, late := range []time.Duration{
		time.Second, 20 * time.Second, time.Minute, 20 * time.Minute, time.Hour, 3 * time.Hour,
	} {
		t.Run(late.String(), func(t *testing.T) {
			inBench(t, func(b *bench) {
				b.server.Inject(closuretest.CommitLate("appointments.create", late))
				start := b.Now()
				booked, err := b.book()
				if err != nil || len(b.server.Appointments()) != 1 || booked.ID != b.server.Appointments()[0].ID {
					t.Fatalf("%v, %v, %d appointments", booked, err, len(b.server.Appointments()))
				}
				if took := b.Now().Sub(start); took > 2*late+time.Minute && took > late+15*time.Minute || b.sent() != 1 {
					t.Errorf("found after %v, sent %d times", took, b.sent())
				}
			})
		})
	}
}
