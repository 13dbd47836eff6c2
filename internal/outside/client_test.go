package outside

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	closure "github.com/closurehealth/closure-go"
)

const (
	schedule   = "sch_A"
	patient    = "pt_CANARYPATIENT"
	dateFormat = "2006-01-02T15:04:05.000Z"
)

// hour is a start on the day that all tests use: 0 is the first one.
func hour(n int) time.Time { return time.Date(2030, 5, 20, 9+n, 0, 0, 0, time.UTC) }

// client returns the client of a new process. Clients with the same API and journal stand for
// processes that share them.
func client(t testing.TB, a *railway, j closure.Journal, opts ...closure.Option) *closure.Client {
	t.Helper()
	all := []closure.Option{closure.WithHTTPClient(httpClient(a))}
	if j != nil {
		all = append(all, closure.WithJournal(j))
	}
	c, err := closure.NewClient("ch_sk_test_CANARYKEY", append(all, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func httpClient(a *railway) *http.Client { return &http.Client{Transport: a} }

// slot asks for one slot, with a key or without.
func slot(n int, key string) closure.BookSlotParams {
	return closure.BookSlotParams{
		ScheduleID: schedule, PatientID: patient, StartAt: hour(n), Duration: 30,
		InsuranceCheck: closure.SkipInsuranceCheck, IdempotencyKey: key,
	}
}

// first asks for the first open slot of the day.
func first(key string) closure.BookFirstParams {
	return closure.BookFirstParams{
		PatientID: patient, InsuranceCheck: closure.SkipInsuranceCheck, IdempotencyKey: key,
		Search: closure.SlotSearch{Schedules: []closure.ScheduleID{schedule}, From: hour(0), To: hour(6)},
	}
}

func to(n int) closure.AppointmentRescheduleParams {
	return closure.AppointmentRescheduleParams{StartAt: hour(n)}
}

func show(b *closure.Booking, err error) string {
	if err != nil {
		return fmt.Sprintf("ERR[%v] %v", closure.OutcomeOf(err), err)
	}
	at := b.Appointment.StartAt.UTC().Format("15:04")
	return fmt.Sprintf("%s@%s status=%s recovered=%t", b.Appointment.ID, at, b.Appointment.Status, b.Recovered)
}

// inBubble runs f in a synctest bubble, until everything that f started has ended.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t); time.Sleep(2 * time.Hour) })
}

func mustBook(t *testing.T, c *closure.Client, params closure.BookSlotParams) {
	t.Helper()
	if _, err := c.BookSlot(context.Background(), params); err != nil {
		t.Fatal(err)
	}
}

func mustMove(t *testing.T, c *closure.Client, start int) {
	t.Helper()
	if _, err := c.RescheduleBooking(context.Background(), "appt_1", to(start)); err != nil {
		t.Fatal(err)
	}
}

// standingAt is how many appointments the patient has at that start.
func standingAt(a *railway, n int) (count int) {
	for _, r := range a.standing() {
		if r.Patient == patient && r.Start.Equal(hour(n)) {
			count++
		}
	}
	return count
}

func wantOneAt(t *testing.T, a *railway, j *memory, n int) {
	t.Helper()
	if count := standingAt(a, n); count != 1 {
		t.Errorf("%d appointments of one patient, schedule and start: %s, journal %s", count, a.dump(), j.dump())
	}
}

// wantTrue fails if the booking's appointment isn't at the booking's start.
func wantTrue(t *testing.T, a *railway, b *closure.Booking, err error) {
	t.Helper()
	if err != nil {
		return
	}
	for _, r := range a.standing() {
		if r.ID == string(b.Appointment.ID) && r.Start.Equal(b.Appointment.StartAt) {
			return
		}
	}
	t.Errorf("told %s, and there is %s", show(b, err), a.dump())
}

func wantKnown(t *testing.T, what string, err error) {
	t.Helper()
	if closure.OutcomeOf(err) == closure.OutcomeUnknown {
		t.Errorf("%s: unknown, though reads are fresh and nothing is pending: %v", what, err)
	}
}

// resolvePending returns what ResolvePending says about each entry.
func resolvePending(t *testing.T, c *closure.Client, opts ...closure.CallOption) (out []closure.Resolution) {
	t.Helper()
	for r, err := range c.ResolvePending(context.Background(), opts...) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// lost is the option of an application that assumes attempts lost after 15 minutes.
func lost() closure.CallOption { return closure.AssumeLostAfter(15 * time.Minute) }
