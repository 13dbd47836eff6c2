package closure_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// What is not confirmed is read back: the appointment shows, or the outcome stays unknown.
func TestBookSlotReadsBack(t *testing.T) {
	t.Parallel()
	runAll(t, []scenario{
		{name: "confirmed", want: isConfirmed},
		{name: "lost before", faults: faults(closuretest.DropBefore(create)), want: staysUnknown("open")},
		{name: "500", faults: faults(closuretest.Status(create, 500)), want: staysUnknown("open", closure.ErrServer)},
		{
			name:   "503",
			faults: faults(closuretest.Status(create, 503, "Retry-After", "0")),
			want:   staysUnknown("open", closure.ErrServer),
		},
		{name: "408", faults: faults(closuretest.Status(create, 408)), want: staysUnknown("open")},
		{
			name:   "302",
			faults: faults(closuretest.Status(create, 302, "Location", "/")),
			want:   staysUnknown("open", closure.ErrRedirect),
		},
		{name: "lost after", faults: faults(closuretest.DropAfter(create)), want: isRecovered},
		{name: "done, then 500", faults: faults(closuretest.StatusAfter(create, 500)), want: isRecovered},
		{name: "done, then 502", faults: faults(closuretest.StatusAfter(create, 502)), want: isRecovered},
		{name: "done, then 408", faults: faults(closuretest.StatusAfter(create, 408)), want: isRecovered},
		{name: "done, then 302", faults: faults(closuretest.StatusAfter(create, 302)), want: isRecovered},
		{name: "done, then 204", faults: faults(closuretest.StatusAfter(create, 204)), want: isRecovered},
		{name: "truncated", faults: faults(closuretest.Truncate(create)), want: isRecovered},
		{name: "malformed", faults: faults(closuretest.Malformed(create)), want: isRecovered},
		{name: "huge", faults: faults(closuretest.Huge(create, 11<<20)), want: isRecovered},
		{
			name:   "late answer",
			faults: faults(closuretest.Delay(create, time.Minute)),
			opts:   []closure.CallOption{closure.WithTimeout(500 * time.Millisecond)},
			want:   isRecovered.after(500 * time.Millisecond),
		},
		{ // looks come at 0, 250 ms and later
			name:   "carried out late",
			faults: faults(closuretest.CommitLate(create, 100*time.Millisecond)),
			want:   isRecovered.after(250 * time.Millisecond),
		},
		{
			name:   "429, then lost",
			faults: faults(closuretest.Status(create, 429), closuretest.DropBefore(create)),
			want:   staysUnknown("open").requests(2),
		},
	})
}

// Somebody else's appointment at that start is never ours.
func TestBookSlotOfATakenSlot(t *testing.T) {
	t.Parallel()
	runAll(t, []scenario{
		{
			name: "lost before, slot gone", taken: true,
			faults: faults(closuretest.DropBefore(create)),
			want:   staysUnknown("gone").holding(1),
		},
		{
			name: "taken twice", taken: true,
			server: []closuretest.Option{closuretest.AllowDuplicates()},
			want:   isConfirmed.holding(2),
		},
	})
}

// An API without the list of appointments has nothing to read back.
func TestBookSlotWithoutTheList(t *testing.T) {
	t.Parallel()
	list404, list405 := always(closuretest.Status(lists, 404)), always(closuretest.Status(lists, 405))
	runAll(t, []scenario{
		{name: "404 on the list", faults: faults(list404), want: isConfirmed},
		{name: "405 on the list", faults: faults(list405), want: isConfirmed},
		{
			name:   "404 on the list, lost after",
			faults: faults(list404, closuretest.DropAfter(create)),
			want:   staysUnknown("gone").after(0).holding(1),
		},
		{
			name:   "405 on the list, lost before",
			faults: faults(list405, closuretest.DropBefore(create)),
			want:   staysUnknown("open").after(0),
		},
		{
			name: "404 on the list, slot gone", taken: true,
			faults: faults(list404),
			want:   isRejected(closure.ErrConflict, closure.ErrSlotUnavailable).holding(1),
		},
	})
}

// A 2xx that shows another appointment than was asked for is not a success.
func TestBookSlotAnsweredWithAnotherAppointment(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*closure.Appointment){
		"other patient":  func(a *closure.Appointment) { a.PatientID = "pt_other" },
		"no patient":     func(a *closure.Appointment) { a.PatientID = "" },
		"other schedule": func(a *closure.Appointment) { a.ScheduleID = "sch_other" },
		"other start":    func(a *closure.Appointment) { a.StartAt = a.StartAt.Add(15 * time.Minute) },
		"cancelled":      func(a *closure.Appointment) { a.Status = closure.AppointmentCancelled },
		"no id":          func(a *closure.Appointment) { a.ID = "" },
	} {
		for _, made := range []bool{true, false} {
			atDesks(t, fmt.Sprintf("%s, made %t", name, made), func(t *testing.T, d *desk) {
				if !made {
					d.Inject(closuretest.Status(create, 500))
				}
				wrong := appointment
				change(&wrong)
				d.tamper = func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
					resp, err := next.RoundTrip(req)
					if req.Method == http.MethodPost && err == nil {
						return replace(resp, wrong), nil
					}
					return resp, err
				}
				booking, err := d.bookSlot(d.patience(t), t, slot())
				if made {
					endsIn(t, "recovered", booking, err)
					d.sent(t, 1, 1)
					return
				}
				isErrors(t, err, closure.ErrOutcomeUnknown, closure.ErrMalformedResponse)
				checkUnknown(t, err, "open")
				d.tookInBubble(t, 10*time.Second)
				d.sent(t, 1, 0)
			})
		}
	}
}

// One read that hangs does not use up the time for reading back.
func TestBookSlotHangingRead(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d *desk) {
		d.Inject(closuretest.DropAfter(create))
		d.tamper = afterPosts(func() { d.Inject(closuretest.Delay(lists, time.Hour)) })
		booking, err := d.bookSlot(t.Context(), t, slot())
		endsIn(t, "recovered", booking, err)
		d.tookInBubble(t, 3*time.Second+250*time.Millisecond)
	})
}

// The time of an attempt is when the request had left at the latest: what waited
// before it left is not as old as it seems.
func TestBookSlotAttemptedAt(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d *desk) {
		begin := time.Now()
		d.Inject(closuretest.Status(create, 429, "Retry-After", "40"), closuretest.DropBefore(create))
		_, err := d.bookSlot(t.Context(), t, slot())
		var unknown *closure.OutcomeUnknownError
		if !errors.As(err, &unknown) || unknown.Attempt.AttemptedAt.Sub(begin) < 40*time.Second {
			t.Fatalf("%v", err)
		}
		_, err = d.client.ResolveBooking(t.Context(), unknown.Attempt, closure.AssumeLostAfter(15*time.Second))
		isErrors(t, err, closure.ErrOutcomeUnknown)
	})
}
