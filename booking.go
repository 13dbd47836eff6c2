package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
)

// InsuranceCheck says what a booking does about the patient's insurance.
type InsuranceCheck int

const (
	RequireAccepted    InsuranceCheck = iota // the schedule must list it
	AllowUnknown                             // … or list none at all, or the patient have none on file
	SkipInsuranceCheck                       // self-pay: nothing is checked, the patient isn't read
)

// BookSlotParams says what to book, for whom. It prints the schedule's id and
// nothing else.
type BookSlotParams struct {
	ScheduleID     ScheduleID
	PatientID      PatientID
	StartAt        time.Time      // an open slot's start; whole milliseconds
	Duration       Minutes        // zero: the open slot's own
	InsuranceID    InsuranceID    // the insurance to check; zero: the patient's own
	InsuranceCheck InsuranceCheck // zero: RequireAccepted
}

// Format prints the schedule's id and nothing else, under every verb.
func (p BookSlotParams) Format(f fmt.State, _ rune) {
	printAs(f, showing(p, "ScheduleID", p.ScheduleID))
}

// LogValue shows the schedule's id and nothing else.
func (p BookSlotParams) LogValue() slog.Value {
	return slog.StringValue(showing(p, "ScheduleID", p.ScheduleID))
}

func (p BookSlotParams) check() error {
	op := opAppointmentsCreate
	if err := cmp.Or(
		checkID(op, "ScheduleID", p.ScheduleID),
		checkID(op, "PatientID", p.PatientID),
		checkStart(op, p.StartAt),
		checkDuration(op, "Duration", p.Duration),
	); err != nil {
		return err
	}
	return checkInsuranceParams(p.InsuranceID, p.InsuranceCheck)
}

func checkInsuranceParams(id InsuranceID, check InsuranceCheck) error {
	op := opAppointmentsCreate
	if check < RequireAccepted || check > SkipInsuranceCheck {
		return &InputError{Op: op.name(), Field: "InsuranceCheck", Reason: "is none of its constants"}
	}
	return checkOptionalID(op, "InsuranceID", id)
}

// A Booking is a confirmed appointment and what was read on the way to it. It
// prints the appointment's id and nothing else.
type Booking struct {
	Appointment Appointment
	Schedule    *Schedule // nil where it did not have to be read
	Patient     *Patient  // nil where it did not have to be read
	Recovered   bool      // found by reading back: an earlier attempt had made it
}

func (b Booking) redacted() string {
	return "closure.Booking{Appointment: " + showing(b.Appointment, "ID", b.Appointment.ID) + "}"
}

// Format prints the appointment's id and nothing else, under every verb.
func (b Booking) Format(f fmt.State, _ rune) { printAs(f, b.redacted()) }

// LogValue shows the appointment's id and nothing else.
func (b Booking) LogValue() slog.Value { return slog.StringValue(b.redacted()) }

// A BookingAttempt is what is left of a booking whose outcome is unknown: enough
// to settle it later, in another process or on another machine. It is plain
// JSON: store it where patients' data may be stored, for it says who wanted to
// see which doctor when. It prints the schedule's id and nothing else.
type BookingAttempt struct {
	ScheduleID  ScheduleID `json:"schedule_id"`
	PatientID   PatientID  `json:"patient_id"`
	StartAt     time.Time  `json:"start_at"`
	Duration    Minutes    `json:"duration"`
	AttemptedAt time.Time  `json:"attempted_at"` // when the request had left, at the latest; by this machine's clock
}

// Format prints the schedule's id and nothing else, under every verb.
func (a BookingAttempt) Format(f fmt.State, _ rune) {
	printAs(f, showing(a, "ScheduleID", a.ScheduleID))
}

// LogValue shows the schedule's id and nothing else.
func (a BookingAttempt) LogValue() slog.Value {
	return slog.StringValue(showing(a, "ScheduleID", a.ScheduleID))
}

// made reports whether the appointment is the one that was attempted. Anything
// but a cancelled one counts: a status this version doesn't know is no reason
// to book again.
func (a BookingAttempt) made(appointment Appointment) bool {
	return appointment.ID != "" &&
		appointment.PatientID == a.PatientID &&
		appointment.ScheduleID == a.ScheduleID &&
		appointment.StartAt.Equal(a.StartAt) &&
		appointment.Status != AppointmentCancelled
}

// BookSlot books an open slot and ends in one of three ways: a [Booking]; an
// error that says why there is none; or an [*OutcomeUnknownError], whose Attempt
// [Client.ResolveBooking] settles later. The request to book is sent at most
// once, unless it provably never left this machine or was answered 429.
//
// It first reads, side by side: the schedule; the patient, if the insurance to
// check isn't given; the patient's appointments on the schedule; and the open
// slots around the start, if no duration is given. If the patient has this
// start already, that is the booking, Recovered. Otherwise it ends, with nothing
// sent, in [ErrNotBookable], [*InsuranceError], [ErrSlotUnavailable] or the
// error of a read, or it books.
//
// After a rejection that leaves open who has the slot it looks again: the
// patient's own is Recovered; a slot that is gone is [ErrSlotUnavailable] joined
// with the [*APIError]; else it is the APIError. After a failure that leaves the
// outcome open it reads back for up to 10 s or until the context ends.
//
// Concurrent calls through one Client for the same patient, schedule and start
// take turns and share one booking. What protects several processes from each
// other is that a slot can be taken once. It is safe to call again after an error
// whose [OutcomeOf] is [OutcomeNotSent] or [OutcomeRejected]; after
// [OutcomeUnknown], settle the attempt first. An appointment that is there is the
// booking whatever its duration.
//
// GET /schedules/{id} (source: guide), GET /patients/{id}, GET /appointments and
// GET /schedules/{id}/slots (source: inferred), POST /appointments (source:
// guide). An API without the list of appointments (404 or 405 on it) is booked
// without reading back.
func (c *Client) BookSlot(ctx context.Context, params BookSlotParams, opts ...CallOption) (*Booking, error) {
	_, err := c.core.prepare(ctx, opAppointmentsCreate, opts)
	if err = cmp.Or(err, params.check()); err != nil {
		return nil, err
	}
	return c.core.bookInTurn(ctx, params, background{}, opts)
}

// ResolveBooking settles an attempt whose outcome was unknown, also in another
// process. It looks once and never books: an appointment that is there is a
// Booking, Recovered, without Schedule and Patient; else the outcome is still
// unknown, an [*OutcomeUnknownError], or, with [AssumeLostAfter], [ErrNotBooked].
// It is safe to call again, and should be, later: a booking can appear late.
//
// GET /appointments and GET /schedules/{id}/slots (source: inferred).
func (c *Client) ResolveBooking(ctx context.Context, attempt BookingAttempt, opts ...CallOption) (*Booking, error) {
	op := opAppointmentsList
	cfg, err := c.core.prepare(ctx, op, opts)
	if err == nil && attempt == (BookingAttempt{}) {
		return nil, &InputError{Op: op.name(), Field: "Attempt", Reason: "is empty: after a change of an appointment, make the same call again"}
	}
	if err = cmp.Or(
		err,
		checkID(op, "ScheduleID", attempt.ScheduleID),
		checkID(op, "PatientID", attempt.PatientID),
		checkStart(op, attempt.StartAt),
	); err != nil {
		return nil, err
	}
	if cfg.assumeLostAfter > 0 && attempt.AttemptedAt.IsZero() {
		return nil, &InputError{Op: op.name(), Field: "AttemptedAt", Reason: "is zero, so that its age is not known"}
	}
	age := time.Since(attempt.AttemptedAt)
	seen := c.core.look(ctx, attempt, opts)
	switch {
	case seen.appointment != nil:
		return &Booking{Appointment: *seen.appointment, Recovered: true}, nil
	case seen.err == nil && cfg.assumeLostAfter > 0 && age > cfg.assumeLostAfter:
		return nil, ErrNotBooked
	default:
		return nil, &OutcomeUnknownError{Attempt: attempt, SlotOpen: seen.slotOpen, Err: cmp.Or(seen.err, errNotShown)}
	}
}

var errNotShown = errors.New("closure: the API does not show the appointment")

// A background is what is read before a booking, and may be known already.
type background struct {
	schedule *Schedule
	patient  *Patient
}

func (b background) booking(appointment Appointment, recovered bool) *Booking {
	return &Booking{Appointment: appointment, Schedule: b.schedule, Patient: b.patient, Recovered: recovered}
}

// bookInTurn books when no other call for the same thing is under way, or takes
// over what that one found.
func (c *core) bookInTurn(ctx context.Context, params BookSlotParams, known background, opts []CallOption) (booking *Booking, err error) {
	place, err := c.turns.take(ctx, newBookingKey(params))
	if err != nil {
		return nil, err
	}
	// Deferred, for an observer may panic: the others must not wait for ever.
	defer func() { place.done(booking, err) }()
	return c.bookAfter(ctx, place, params, known, opts)
}

func (c *core) bookAfter(ctx context.Context, p *place, params BookSlotParams, known background, opts []CallOption) (*Booking, error) {
	booking, unknown := p.before()
	switch {
	case unknown != nil:
		// To send now would be to send again. The others can look, too.
		p.pass()
		return c.settle(ctx, unknown.Attempt, unknown.Err, known, opts)
	case booking != nil:
		shared := *booking
		shared.Schedule, shared.Patient = clone(booking.Schedule), clone(booking.Patient)
		shared.Recovered = true
		return &shared, nil
	default:
		return c.book(ctx, p, params, known, opts)
	}
}

// book is one booking: read, decide, send, settle.
func (c *core) book(ctx context.Context, p *place, params BookSlotParams, known background, opts []CallOption) (*Booking, error) {
	attempt := BookingAttempt{
		ScheduleID: params.ScheduleID,
		PatientID:  params.PatientID,
		StartAt:    params.StartAt,
		Duration:   params.Duration,
	}
	read := c.readBefore(ctx, params, attempt, known, opts)
	if read.own != nil {
		return read.booking(*read.own, true), nil
	}
	if err := read.refusal(params); err != nil {
		return nil, err
	}
	if attempt.Duration == 0 {
		open, found := slotAt(read.slots, attempt.StartAt)
		if !found {
			return c.notOffered(ctx, attempt, read.background, opts)
		}
		attempt.Duration = open.Duration
	}
	return c.send(ctx, p, attempt, read.background, opts)
}

// send makes the one request that books, and settles what came of it.
func (c *core) send(ctx context.Context, p *place, attempt BookingAttempt, known background, opts []CallOption) (*Booking, error) {
	attempt.AttemptedAt = time.Now()
	p.sending(attempt)
	service := AppointmentsService{service{c}}
	made, err := service.Create(ctx, AppointmentCreateParams{
		ScheduleID: attempt.ScheduleID,
		PatientID:  attempt.PatientID,
		StartAt:    attempt.StartAt,
		Duration:   attempt.Duration,
	}, opts...)
	// Before it left, the request may have waited: for the rate limit, or after a 429.
	attempt.AttemptedAt = time.Now()
	switch {
	case err == nil && attempt.made(*made):
		return known.booking(*made, false), nil
	case err == nil:
		return c.settle(ctx, attempt, errOther, known, opts)
	case OutcomeOf(err) == OutcomeUnknown:
		return c.settle(ctx, attempt, err, known, opts)
	case looksTaken(err):
		return c.classify(ctx, attempt, err, known, opts)
	default:
		return nil, err
	}
}

// errOther is a success that shows another appointment than was asked for.
var errOther = because(errors.New("closure: the answer shows another appointment than was asked for"), ErrMalformedResponse)

// looksTaken reports whether a rejection can be about the slot: the list of error
// codes isn't published, so every 4xx can that is not about the key or the rate.
func looksTaken(err error) bool {
	e, ok := errors.AsType[*APIError](err)
	return ok && e.outcome() == OutcomeRejected &&
		!errors.Is(err, ErrUnauthorized) && !errors.Is(err, ErrForbidden) && !errors.Is(err, ErrRateLimited)
}

// A readBefore is what the API says before a booking.
type readBefore struct {
	background
	own   *Appointment // the booking, there already
	slots []Slot       // read if no duration is given
	err   error        // of whichever read failed
}

// readBefore reads all that a booking needs to know, side by side.
func (c *core) readBefore(ctx context.Context, params BookSlotParams, attempt BookingAttempt, known background, opts []CallOption) readBefore {
	read := readBefore{background: known}
	var own, schedule, patient, slots error
	// Not an errgroup: what one read says matters even if another fails.
	var group sync.WaitGroup
	group.Go(func() { read.own, own = c.findAppointment(ctx, attempt, opts) })
	if known.schedule == nil {
		group.Go(func() {
			read.schedule, schedule = get[Schedule](ctx, c, opSchedulesGet, params.ScheduleID, withoutCapture(opts))
		})
	}
	if known.patient == nil && params.InsuranceCheck != SkipInsuranceCheck && params.InsuranceID == "" {
		group.Go(func() {
			read.patient, patient = get[Patient](ctx, c, opPatientsGet, params.PatientID, withoutCapture(opts))
		})
	}
	if params.Duration == 0 {
		group.Go(func() { read.slots, slots = c.slotsAround(ctx, attempt.ScheduleID, attempt.StartAt, opts) })
	}
	group.Wait()
	if errors.Is(own, errNoList) {
		own = nil
	}
	read.err = cmp.Or(own, schedule, patient, slots)
	return read
}

// refusal is why the booking must not be sent.
func (r readBefore) refusal(params BookSlotParams) error {
	switch {
	case r.err != nil:
		return r.err
	case !r.schedule.Bookable():
		return ErrNotBookable
	case params.InsuranceCheck == SkipInsuranceCheck:
		return nil
	case params.InsuranceID == "":
		return checkInsurance(r.schedule, r.patient.Insurance.ID, params.InsuranceCheck)
	default:
		return checkInsurance(r.schedule, params.InsuranceID, params.InsuranceCheck)
	}
}

func checkInsurance(schedule *Schedule, id InsuranceID, check InsuranceCheck) error {
	status := schedule.CheckInsurance(id)
	if status == InsuranceAccepted || status == InsuranceUnknown && check == AllowUnknown {
		return nil
	}
	accepted := make([]InsuranceID, len(schedule.Insurances))
	for i, ref := range schedule.Insurances {
		accepted[i] = ref.ID
	}
	return &InsuranceError{InsuranceID: id, Accepted: accepted, Status: status}
}

// errNoList is an API without the list of appointments, which is inferred.
var errNoList = errors.New("closure: the API does not list appointments")

// findAppointment looks for the appointment among the patient's on the schedule.
func (c *core) findAppointment(ctx context.Context, attempt BookingAttempt, opts []CallOption) (*Appointment, error) {
	service := AppointmentsService{service{c}}
	appointments, err := service.List(ctx, AppointmentListParams{PatientID: attempt.PatientID, ScheduleID: attempt.ScheduleID}, withoutCapture(opts)...)
	if noSuchCall(err) {
		return nil, because(errNoList, err)
	}
	if i := slices.IndexFunc(appointments, attempt.made); i >= 0 {
		return &appointments[i], nil
	}
	return nil, err
}

// noSuchCall reports whether the API may lack a call, which is inferred.
func noSuchCall(err error) bool {
	e, ok := errors.AsType[*APIError](err)
	return ok && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed)
}

// slotsAround asks for more than the one instant: how the API treats the ends
// of a range is inferred.
func (c *core) slotsAround(ctx context.Context, schedule ScheduleID, start time.Time, opts []CallOption) ([]Slot, error) {
	service := AvailabilitiesService{service{c}}
	return service.List(ctx, schedule, AvailabilityListParams{
		From: start.Add(-time.Hour),
		To:   start.Add(time.Hour),
	}, withoutCapture(opts)...)
}

func slotAt(slots []Slot, start time.Time) (slot Slot, found bool) {
	i := slices.IndexFunc(slots, func(s Slot) bool { return s.StartAt.Equal(start) && s.Duration > 0 })
	if i < 0 {
		return Slot{}, false
	}
	return slots[i], true
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

// look reads the patient's appointments and the open slots, side by side.
func (c *core) look(ctx context.Context, attempt BookingAttempt, opts []CallOption) sighting {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var s sighting
	var group sync.WaitGroup
	group.Go(func() {
		if slots, err := c.slotsAround(ctx, attempt.ScheduleID, attempt.StartAt, opts); err == nil {
			_, open := slotAt(slots, attempt.StartAt)
			s.slotOpen = &open
		}
	})
	s.appointment, s.err = c.findAppointment(ctx, attempt, opts)
	if s.appointment != nil {
		cancel() // the slots don't matter any more
	}
	group.Wait()
	return s
}

// notOffered ends a booking of a slot that isn't open, unless what closed it is
// the booking itself: it may have come between the reads that ran side by side.
func (c *core) notOffered(ctx context.Context, attempt BookingAttempt, known background, opts []CallOption) (*Booking, error) {
	own, err := c.findAppointment(ctx, attempt, opts)
	switch {
	case own != nil:
		return known.booking(*own, true), nil
	case err != nil && !errors.Is(err, errNoList):
		return nil, err
	default:
		return nil, ErrSlotUnavailable
	}
}

// classify says what a rejection means, by evidence.
func (c *core) classify(ctx context.Context, attempt BookingAttempt, rejection error, known background, opts []CallOption) (*Booking, error) {
	seen := c.look(ctx, attempt, opts)
	if seen.gone() {
		// As in notOffered: the slot may have been closed by the booking itself.
		seen.appointment, seen.err = c.findAppointment(ctx, attempt, opts)
	}
	switch {
	case seen.appointment != nil:
		return known.booking(*seen.appointment, true), nil
	case seen.gone():
		return nil, because(ErrSlotUnavailable, rejection)
	default:
		return nil, rejection
	}
}

const (
	settleFor   = 10 * time.Second
	lookFor     = 3 * time.Second // so that one read that hangs doesn't use up the time
	minLookWait = 250 * time.Millisecond
	maxLookWait = 2 * time.Second
)

// settle looks for an appointment that may have been made until it shows, the
// time is up, or the API turns out to have no list to look at. That it doesn't
// show is no evidence that it isn't there.
func (c *core) settle(ctx context.Context, attempt BookingAttempt, cause error, known background, opts []CallOption) (*Booking, error) {
	unknown := &OutcomeUnknownError{Attempt: attempt, Err: cause}
	var found *Booking
	keepLooking(ctx, func(ctx context.Context) bool {
		s := c.look(ctx, attempt, opts)
		if s.appointment != nil {
			found = known.booking(*s.appointment, true)
		}
		if s.slotOpen != nil {
			unknown.SlotOpen = s.slotOpen
		}
		return found != nil || errors.Is(s.err, errNoList)
	})
	if found != nil {
		return found, nil
	}
	return nil, unknown
}

// keepLooking calls look, with growing pauses, until it is done or the time is up.
func keepLooking(ctx context.Context, look func(context.Context) (done bool)) {
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	for wait := minLookWait; ctx.Err() == nil; wait = min(2*wait, maxLookWait) {
		lookCtx, cancelLook := context.WithTimeout(ctx, lookFor)
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
