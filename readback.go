package closure

// How a booking looks at the API for what became of it.

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// readBack looks for an appointment that may have been made until it shows, the
// time is up, or the API turns out to have no list to look at. That it doesn't
// show is no evidence that it isn't there.
func (b *slotBooking) readBack(ctx context.Context, cause error) (*Booking, error) {
	return b.readBackUntil(ctx, cause, func(context.Context, sighting) bool { return false })
}

// readBackUntil also ends when done, which each look is shown to that found
// nothing, says so.
func (b *slotBooking) readBackUntil(ctx context.Context, cause error, done func(context.Context, sighting) bool) (*Booking, error) {
	unknown := b.unknown(cause)
	var found *Booking
	keepLooking(ctx, func(ctx context.Context) bool {
		seen := b.look(ctx)
		if seen.appointment != nil {
			found = b.confirmed(seen.appointment, true)
		}
		if seen.slotOpen != nil {
			unknown.SlotOpen = seen.slotOpen
		}
		unknown.Err = withDoubt(cause, seen.err)
		return found != nil || done(ctx, seen) || errors.Is(seen.err, errNoList)
	})
	if found != nil {
		return found, nil
	}
	return nil, unknown
}

// A sighting is what one look at the API showed of an attempt.
type sighting struct {
	appointment *Appointment // nil: not shown
	slotOpen    *bool        // nil: not known
	err         error        // of the list of appointments
}

// gone reports whether the slot is closed, and not by the attempt as far as the
// API says whose appointments there are.
func (s sighting) gone() bool {
	return s.appointment == nil && (s.err == nil || errors.Is(s.err, errNoList)) && s.slotOpen != nil && !*s.slotOpen
}

// look reads the patient's appointments and the open slots concurrently.
func (b *slotBooking) look(ctx context.Context) sighting {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var seen sighting
	var group sync.WaitGroup
	group.Go(func() {
		slots, err := b.client.Availabilities.around(ctx, b.attempt.ScheduleID, b.attempt.StartAt, b.readOpts)
		if err == nil {
			_, open := durationsAt(slots, b.attempt.StartAt)
			seen.slotOpen = &open
		}
	})
	seen.appointment, seen.err = b.findAppointment(ctx)
	if seen.appointment != nil {
		cancel(errAbandoned) // the slots don't matter any more
	}
	group.Wait()
	return seen
}

// errNoList is an API without the list of appointments, which is inferred.
var errNoList = errors.New("closure: the API does not list appointments")

// findAppointment looks for the appointment among the patient's on the schedule.
// One whose status says neither yes nor no is errDoubtful.
func (b *slotBooking) findAppointment(ctx context.Context) (*Appointment, error) {
	appointments, err := b.client.Appointments.List(ctx, AppointmentListParams{
		PatientID:  b.attempt.PatientID,
		ScheduleID: b.attempt.ScheduleID,
	}, b.readOpts...)
	if noSuchCall(err) {
		return nil, because(errNoList, err)
	}
	for _, shown := range appointments {
		if !b.attempt.matches(shown) || shown.Status.gone() || slices.Contains(b.cancelled, shown.ID) {
			continue
		}
		there, doubt := b.isThere(ctx, shown)
		switch {
		case there && shown.Status.stands():
			return &shown, nil
		case there:
			doubt = errDoubtful
		}
		err = cmp.Or(err, doubt)
	}
	return nil, err
}

// noSuchCall reports whether the API may lack a call, which is inferred.
func noSuchCall(err error) bool {
	e, ok := errors.AsType[*APIError](err)
	return ok && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed)
}

// around lists more than the one instant: how the API treats the ends of a range
// is inferred.
func (s *AvailabilitiesService) around(ctx context.Context, id ScheduleID, start time.Time, opts []CallOption) ([]Slot, error) {
	return s.List(ctx, id, AvailabilityListParams{From: start.Add(-time.Hour), To: start.Add(time.Hour)}, opts...)
}

// durationsAt tells whether there is an open slot at start, and which durations
// the slots there state: each once, the shortest first.
func durationsAt(slots []Slot, start time.Time) (stated []Minutes, open bool) {
	for _, slot := range slots {
		if !slot.StartAt.Equal(start) {
			continue
		}
		open = true
		if slot.Duration > 0 {
			stated = append(stated, slot.Duration)
		}
	}
	slices.Sort(stated)
	return slices.Compact(stated), open
}

func severalDurations(choice []Minutes) error {
	texts := make([]string, len(choice))
	for i, m := range choice {
		texts[i] = "for " + strconv.Itoa(int(m))
	}
	return &InputError{
		Op:     opAppointmentsCreate.name(),
		Field:  "Duration",
		Reason: "is not given, and the start is open " + strings.Join(texts, " and ") + " minutes",
	}
}

const (
	lookFor     = 10 * time.Second
	oneLookFor  = 3 * time.Second // so that one read that hangs doesn't use up the time
	minLookWait = 250 * time.Millisecond
	maxLookWait = 2 * time.Second
)

// keepLooking calls look, with growing pauses, until it is done or the time is up.
func keepLooking(ctx context.Context, look func(context.Context) (done bool)) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookFor, errAbandoned)
	defer cancel()
	for wait := minLookWait; ctx.Err() == nil; wait = min(2*wait, maxLookWait) {
		lookCtx, cancelLook := context.WithTimeoutCause(ctx, oneLookFor, errAbandoned)
		done := look(lookCtx)
		cancelLook()
		if done || !sleep(ctx, wait) {
			return
		}
	}
}

// sleep waits, but no longer than the context lasts; false if that ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
