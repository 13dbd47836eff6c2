package closure

// How a booking finds out from the API what became of it.

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

// readBack looks for an appointment that may have been made. It stops when a read shows the
// appointment, when the time is up, or when the API turns out not to list appointments. An
// appointment that isn't shown may be there all the same: the list may lag behind.
func (b *slotBooking) readBack(ctx context.Context, cause error) (*Booking, error) {
	return b.readBackUntil(ctx, cause, func(context.Context, sighting) bool { return false })
}

// readBackUntil is readBack, and also stops when done says so. done gets what each look saw
// that didn't find the appointment.
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
		if seen.err == nil || inDoubt(seen.err) { // a look that failed leaves the doubt of the one before
			unknown.Err = withDoubt(cause, seen.err)
		}
		return found != nil || done(ctx, seen) || errors.Is(seen.err, errNoList)
	})
	if found != nil {
		return found, nil
	}
	return nil, unknown
}

// A sighting is what one look at the API showed of an attempt.
type sighting struct {
	begun       time.Time    // when the look began: it may not show what came later
	appointment *Appointment // nil: not shown
	listed      []Appointment
	slotOpen    *bool // nil: not known
	err         error // the error of the list of appointments
}

// gone reports whether the slot isn't open any more, and the list of appointments, if there
// is one, doesn't show that the attempt closed it.
func (s sighting) gone() bool {
	return s.appointment == nil && (s.err == nil || errors.Is(s.err, errNoList)) && s.slotOpen != nil && !*s.slotOpen
}

// A lastRead knows when a read last succeeded.
type lastRead struct{ begun, read time.Time }

// note notes how a read went.
func (l *lastRead) note(err error) {
	if l.begun.IsZero() {
		l.begun = time.Now()
	}
	if err == nil {
		l.read = time.Now()
	}
}

// isLate reports whether the last read that succeeded came in the second half of the looking. An
// earlier one may have been too old to show what was sent right before.
func (l *lastRead) isLate() bool { return !l.read.IsZero() && l.read.Sub(l.begun) >= lookFor/2 }

// look reads the patient's appointments and the open slots concurrently.
func (b *slotBooking) look(ctx context.Context) sighting {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	seen := sighting{begun: time.Now()}
	var group sync.WaitGroup
	group.Go(func() {
		slots, err := b.client.Availabilities.around(ctx, b.attempt.ScheduleID, b.attempt.StartAt, b.readOpts)
		if err == nil {
			_, open := durationsAt(slots, b.attempt.StartAt)
			seen.slotOpen = &open
		}
	})
	if seen.listed, seen.err = b.list(ctx); seen.err == nil {
		seen.appointment, seen.err = b.own(ctx, seen.listed, seen.begun)
	}
	if seen.appointment != nil {
		cancel(errAbandoned) // the open slots don't matter any more
	}
	group.Wait()
	return seen
}

// errNoList is the error of an API that doesn't list appointments. That it does is
// inferred.
var errNoList = errors.New("closure: the API does not list appointments")

// findAppointment looks for the appointment among those of the patient on the schedule. If
// its status is not known to this version, the error is errDoubtful; if one that is shown may
// be it, errIncomplete.
func (b *slotBooking) findAppointment(ctx context.Context) (*Appointment, error) {
	begun := time.Now()
	appointments, err := b.list(ctx)
	if err != nil {
		return nil, err
	}
	return b.own(ctx, appointments, begun)
}

// listFor lists the patient's appointments on the attempt's schedule.
func (c *Client) listFor(ctx context.Context, attempt BookingAttempt, opts []CallOption) ([]Appointment, error) {
	return c.Appointments.List(ctx, AppointmentListParams{PatientID: attempt.PatientID, ScheduleID: attempt.ScheduleID}, opts...)
}

// list lists where the appointment would be.
func (b *slotBooking) list(ctx context.Context) ([]Appointment, error) {
	appointments, err := b.client.listFor(ctx, b.attempt, b.readOpts)
	if noSuchCall(err) {
		err = because(errNoList, err)
	}
	return appointments, err
}

// own returns what was attempted, of the appointments of a list that began at that time. What another
// attempt made and somebody else moved to its place counts only if nothing else can be it.
func (b *slotBooking) own(ctx context.Context, appointments []Appointment, begun time.Time) (own *Appointment, err error) {
	var brought *Appointment
	for _, shown := range appointments {
		if !b.attempt.mayMatch(shown) || shown.Status.IsCancelled() || b.cancelled.has(shown.ID) {
			continue
		}
		if !b.attempt.matches(shown) {
			err = cmp.Or(err, errIncomplete)
			continue
		}
		there, doubt := b.isThere(ctx, shown, begun)
		switch {
		case there && !shown.Status.stands():
			doubt = errDoubtful
		case there && doubt == nil:
			return &shown, nil
		case there:
			brought = cmp.Or(brought, &shown)
			continue
		}
		err = cmp.Or(err, doubt)
	}
	switch {
	case err != nil || brought == nil:
		return nil, err
	case b.mayHaveMade && b.attempt.mayLag(b.lostAfter, begun):
		return nil, errMovedAway // what this attempt made may not show yet
	case b.mayHaveMade:
		err = b.maybeMoved(ctx, appointments)
	}
	if err != nil {
		return nil, err
	}
	b.brought = true
	return brought, nil
}

// noSuchCall reports whether the API may not have the call: the caller's is inferred.
func noSuchCall(err error) bool {
	e, ok := errors.AsType[*APIError](err)
	return ok && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed)
}

// around lists the slots of an hour before and after start, because it is inferred how the
// API treats the ends of a range.
func (s *AvailabilitiesService) around(ctx context.Context, id ScheduleID, start time.Time, opts []CallOption) ([]Slot, error) {
	return s.List(ctx, id, AvailabilityListParams{From: start.Add(-time.Hour), To: start.Add(time.Hour)}, opts...)
}

// durationsAt reports whether a slot is open at start, and returns the durations that the
// slots at start state: each once, the shortest first.
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

func severalDurations(by caller, choice []Minutes) error {
	texts := make([]string, len(choice))
	for i, m := range choice {
		texts[i] = "for " + strconv.Itoa(int(m))
	}
	return &InputError{
		Op:     by.name(),
		Field:  "Duration",
		Reason: "is not given, and the start is open " + strings.Join(texts, " and ") + " minutes",
	}
}

const (
	lookFor     = 10 * time.Second
	oneLookFor  = 3 * time.Second // a read that hangs must not use up all the time
	minLookWait = 250 * time.Millisecond
	maxLookWait = 2 * time.Second
)

// keepLooking calls look, with growing pauses, until look reports that it is done or the
// time is up.
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

// sleep waits. It returns false if the context ended first.
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
