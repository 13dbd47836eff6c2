package closuretemporal

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// The API's reads still show an appointment that was cancelled a moment ago. It confirms
// nothing, whether it is read before the request or after it.
func TestAgainIsNotConfirmedByWhatWasCancelled(t *testing.T) {
	for _, tt := range []struct {
		name   string
		order  order
		faults []closuretest.Fault
	}{
		{"answered", slotOrder(guide()), nil},
		{"the answer is lost", slotOrder(guide()), []closuretest.Fault{closuretest.DropAfter("appointments.create")}},
		{"it lands late", slotOrder(guide()), []closuretest.Fault{
			closuretest.CommitLate("appointments.create", 20*time.Minute),
		}},
		{"the first slot", first(), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBench(t, func(b *bench) {
				b.order = tt.order
				old := b.cancelled()
				b.server.Inject(tt.faults...)
				b.routes = showsCancelled
				b.order.Cancelled = []closure.AppointmentID{old.ID}
				booked, err := b.book()
				if err != nil || booked.ID == old.ID || !booked.StartAt.Equal(old.StartAt) || b.sent() != 2 {
					t.Errorf("%v, %v, sent %d times", booked, err, b.sent())
				}
			})
		})
	}
}

// cancelled adds an appointment at the first slot that the bench asks for, already cancelled.
func (b *bench) cancelled() *closure.Appointment {
	b.t.Helper()
	start := closuretest.GuideSlot().StartAt
	if b.order.Slot == nil {
		start = start.Add(-15 * time.Minute)
	}
	api := b.server.Client()
	old, err := api.Appointments.Create(b.t.Context(), closure.AppointmentCreateParams{
		ScheduleID: closuretest.GuideScheduleID, PatientID: closuretest.GuidePatientID, StartAt: start, Duration: 30,
	})
	if err == nil {
		_, err = api.CancelBooking(b.t.Context(), old.ID)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return old
}

// showsCancelled is an API whose reads show cancelled appointments as booked.
func showsCancelled(next http.RoundTripper) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil || req.Method != http.MethodGet {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		body = bytes.ReplaceAll(body, []byte(`"cancelled"`), []byte(`"scheduled"`))
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		resp.Header.Del("Content-Length")
		return resp, err
	})
}

// Past the changes that a zone's file lists, Go ends a leap year a day early.
func TestAZoneIsNamedAtTheEndOfALeapYear(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2040, time.December, 20, 0, 0, 0, 0, zone)
	if !named(closure.SlotSearch{From: from, To: from.AddDate(0, 1, 0), Zone: zone}) {
		t.Error("not named")
	}
}

func TestAZoneIsNamed(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2022, time.March, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		zone *time.Location
		days int
		want bool
	}{
		{"none", nil, 30, true},
		{"UTC", time.UTC, 30, true},
		{"Berlin", berlin, 400, true},
		{"this machine's", time.Local, 30, false},
		{"without a name", time.FixedZone("", 3600), 30, false},
		{"a name that is nobody's", time.FixedZone("clinic", 3600), 30, false},
		{"another one's name", time.FixedZone("Europe/Berlin", 7200), 30, false},
		{"another one's name, right in winter only", time.FixedZone("Europe/Berlin", 3600), 60, false},
		{"another one's name, right while it matters", time.FixedZone("Europe/Berlin", 3600), 10, true},
	} {
		search := closure.SlotSearch{From: from, To: from.AddDate(0, 0, tt.days), Zone: tt.zone}
		if got := named(search); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
