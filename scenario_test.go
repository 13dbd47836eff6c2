package closure_test

import (
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A scenario is a booking of the guide's slot: what happens to its request, and what must come
// of it.
type scenario struct {
	name   string
	server []closuretest.Option
	faults []closuretest.Fault
	taken  bool // by somebody else
	opts   []closure.CallOption
	want   result
}

// A result is what a booking must come to. The methods return a changed copy.
type result struct {
	ending  string
	is      []error
	isNot   []error
	posts   int
	booked  int           // of all, in the ledger
	took    time.Duration // in the bubble; a rejection's and that of a second request aren't checked
	open    string        // whether an unknown outcome says that the slot is open
	noReads bool          // after the request
}

var (
	isConfirmed = result{ending: "booked", posts: 1, booked: 1, noReads: true}
	isRecovered = result{ending: "recovered", posts: 1, booked: 1}
)

// staysUnknown is the result after 10 s of reading back.
func staysUnknown(slot string, is ...error) result {
	return result{ending: "unknown", is: is, posts: 1, took: 10 * time.Second, open: slot}
}

func isRejected(is ...error) result { return result{ending: "rejected", is: is, posts: 1} }

func (r result) not(isNot ...error) result       { r.isNot = isNot; return r }
func (r result) requests(n int) result           { r.posts = n; return r }
func (r result) holding(booked int) result       { r.booked = booked; return r }
func (r result) after(took time.Duration) result { r.took = took; return r }

func runAll(t *testing.T, scenarios []scenario) {
	for _, s := range scenarios {
		atDesks(t, s.name, s.run, s.server...)
	}
}

func (s scenario) run(t *testing.T, d *desk) {
	if s.taken {
		d.takenBy(d.somebodyElse())
	}
	d.Inject(s.faults...)
	booking, err := d.bookSlot(d.patienceFor(t, s.want.ending), t, slot(), s.opts...)
	endsIn(t, s.want.ending, booking, err)
	isErrors(t, err, s.want.is...)
	isNoErrors(t, err, s.want.isNot...)
	d.sent(t, s.want.posts, s.want.booked)
	if s.want.ending != "rejected" && s.want.posts < 2 {
		d.tookInBubble(t, s.want.took)
	}
	checkUnknown(t, err, s.want.open)
	if last := d.Requests()[len(d.Requests())-1]; s.want.noReads && last.Op != create {
		t.Errorf("after the request, there was a read: %s", last.Op)
	}
}
