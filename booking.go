package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// InsuranceCheck says what a booking does about the patient's insurance.
type InsuranceCheck int

const (
	RequireAccepted    InsuranceCheck = iota // the schedule must list the insurance
	AllowUnknown                             // it may also list none, or the patient may have none on file
	SkipInsuranceCheck                       // self-pay: nothing is checked, and the patient isn't read
)

// BookSlotParams says what to book and for whom. It prints the schedule's id and
// nothing else.
type BookSlotParams struct {
	ScheduleID     ScheduleID
	PatientID      PatientID
	StartAt        time.Time      // an open slot's start; whole milliseconds
	Duration       Minutes        // zero: the open slot's own, if there is only one
	InsuranceID    InsuranceID    // the insurance to check; zero: the patient's own
	InsuranceCheck InsuranceCheck // zero: RequireAccepted

	// IdempotencyKey names what you want to book by a text of your own, such as an
	// order's id. Calls with the same key get the same appointment, even if it has been
	// moved since. For another patient, schedule or start it is refused
	// ([ErrIdempotencyKeyUsed]); another duration is not noticed, nor, once the appointment
	// was moved, another schedule or start. The key needs [WithJournal]. It is never sent
	// to the API, and never printed. Any text will do: keep it short, because the journal
	// stores it.
	IdempotencyKey string
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
	const by = methodBookSlot
	if err := cmp.Or(
		checkID(by, "ScheduleID", p.ScheduleID),
		checkID(by, "PatientID", p.PatientID),
		checkStart(by, p.StartAt),
		checkDuration(by, "Duration", p.Duration),
	); err != nil {
		return err
	}
	return checkInsuranceParams(by, p.InsuranceID, p.InsuranceCheck)
}

func checkInsuranceParams(by caller, id InsuranceID, check InsuranceCheck) error {
	if check < RequireAccepted || check > SkipInsuranceCheck {
		return &InputError{Op: by.name(), Field: "InsuranceCheck", Reason: "is not one of the constants"}
	}
	return checkOptionalID(by, "InsuranceID", id)
}

// A Booking is a confirmed appointment and the records that were read to book it. It
// prints the appointment's id and nothing else.
type Booking struct {
	Appointment Appointment
	Schedule    *Schedule // nil if it didn't have to be read
	Patient     *Patient  // nil if it didn't have to be read
	Recovered   bool      // a read or the journal showed it: an earlier call had made it, or this one, whose answer was lost
}

func (b Booking) redacted() string {
	return "closure.Booking{Appointment: " + showing(b.Appointment, "ID", b.Appointment.ID) + "}"
}

// Format prints the appointment's id and nothing else, under every verb.
func (b Booking) Format(f fmt.State, _ rune) { printAs(f, b.redacted()) }

// LogValue shows the appointment's id and nothing else.
func (b Booking) LogValue() slog.Value { return slog.StringValue(b.redacted()) }

// BookSlot books an open slot. It ends in one of three ways: a [Booking]; an error that
// says why there is none; or an [*OutcomeUnknownError], whose Attempt
// [Client.ResolveBooking] settles later.
//
// First it reads, concurrently: the schedule; the patient, if the insurance to check
// isn't given; the patient's appointments on the schedule; and the open slots around the
// start, if no duration is given. If the patient already has an appointment at this
// start, that is the booking, and Recovered is set; its duration doesn't matter. If the
// slot can't be booked, or a read fails, nothing is sent, and the error is
// [ErrNotBookable], an [*InsuranceError], [ErrSlotUnavailable] or that of the read.
//
// If you give no duration, the slot's own is taken. A slot that states none is booked
// without one. If slots of several durations start at that time, the error is an
// [*InputError] that names the durations.
//
// After a rejection, whatever its status, BookSlot reads the appointments and the open
// slots again, because the answer may be a gateway's, and the API may have booked before
// it. If the answer doesn't hold the API's own error object, it reads for up to 10 s. If the
// appointment is there, the call succeeds, and Recovered is set. If the appointments can't
// be read, the outcome is unknown. If the slot is not open any more, the error is
// [ErrSlotUnavailable] joined with the [*APIError]; but after an answer without the API's
// error object the outcome is unknown, because this booking may have closed the slot.
// Otherwise the error is the APIError. After a failure that leaves the outcome open,
// BookSlot looks for the appointment for up to 10 s, or until the context ends.
//
// The request to book is sent again in three cases only: nothing of it left this machine;
// the server says by HTTP/2's own means that it did not process it; or the answer was 429 and
// the reads after that show no appointment. The [RetryPolicy] and the context's deadline bound
// how often.
//
// An appointment with the status scheduled or rescheduled is booked. One that is
// cancelled doesn't count. With any other status the outcome is unknown, even if nothing
// was sent: read the status with [AppointmentsService.List] and decide what it means, or
// cancel the appointment and book again.
//
// Concurrent calls through one Client for the same patient, schedule and start take turns
// and share one booking; each gets its own copy. Several processes are protected from
// each other only because the API lets a slot be taken once, or by a journal that they
// share ([WithJournal]). While the journal holds another attempt for the same patient,
// schedule and start, or for the same key, nothing is sent: BookSlot settles that attempt
// first, for up to 10 s. If the journal fails before anything is sent, the error is a
// [*JournalError].
//
// After an error whose [OutcomeOf] is [OutcomeNotSent] or [OutcomeRejected] it is safe to
// call again. After [OutcomeUnknown] settle the attempt first; with a journal, the same call
// does that by itself.
//
// GET /schedules/{id} (source: guide), GET /patients/{id}, GET /appointments and
// GET /schedules/{id}/slots (source: inferred), POST /appointments (source:
// guide); with a journal also GET /appointments/{id} (source: inferred). If the API doesn't list
// appointments (404 or 405), BookSlot books without looking, and believes a rejection only if it
// holds the API's own error object.
func (c *Client) BookSlot(ctx context.Context, params BookSlotParams, opts ...CallOption) (booking *Booking, err error) {
	ctx, watched := c.use().watchBooking(ctx, methodBookSlot)
	defer func() { watched.end(booking, err) }()
	cfg, err := c.use().prepare(ctx, methodBookSlot.name(), opts)
	if err = cmp.Or(err, params.check(), c.use().checkKey(methodBookSlot, params.IdempotencyKey)); err != nil {
		return nil, err
	}
	return c.newSlotBooking(params, cfg, opts).inTurn(ctx)
}

// A slotBooking is one booking of one slot, from the first read to its ending.
// BookSlot makes one, BookFirstAvailable one for each slot that it tries.
type slotBooking struct {
	client      *Client
	params      BookSlotParams
	maxAttempts int          // of the write
	opts        []CallOption // of the write
	readOpts    []CallOption
	attempt     BookingAttempt
	place       *place

	// With a journal.
	first     bool          // BookFirstAvailable made it
	lostAfter time.Duration // the age from which a pending entry counts as lost; 0: none does
	window    sendWindow

	cancelled *knownCancelled

	// What was read, or known before; nil: it doesn't have to be read.
	schedule *Schedule
	patient  *Patient
	slots    []Slot
	noList   bool // the API doesn't list appointments

	mayHaveMade bool // a request of the attempt may have been carried out
	brought     bool // another attempt made what was found, and somebody moved it there
}

// method returns the method that the caller called.
func (b *slotBooking) method() method {
	if b.first {
		return methodBookFirstAvailable
	}
	return methodBookSlot
}

func (c *Client) newSlotBooking(params BookSlotParams, cfg callConfig, opts []CallOption) *slotBooking {
	return &slotBooking{
		client:      c,
		params:      params,
		maxAttempts: cfg.maxAttempts,
		opts:        opts,
		readOpts:    withoutCapture(opts),
		window:      sendWindow{timeout: cfg.timeout},
		lostAfter:   c.core.lostAfter(cfg),
		cancelled:   cfg.cancelled,
		attempt: BookingAttempt{
			ScheduleID:     params.ScheduleID,
			PatientID:      params.PatientID,
			StartAt:        storable(params.StartAt),
			Duration:       params.Duration,
			Mode:           c.core.mode,
			IdempotencyKey: params.IdempotencyKey,
		},
	}
}

// unknown is the error of a booking that may have been made.
func (b *slotBooking) unknown(cause error) *OutcomeUnknownError {
	return &OutcomeUnknownError{Attempt: b.attempt, Err: cause}
}

func (b *slotBooking) confirmed(appointment *Appointment, recovered bool) *Booking {
	return &Booking{Appointment: *appointment, Schedule: b.schedule, Patient: b.patient, Recovered: recovered}
}

// inTurn waits for the other calls for the same booking. It books, or returns what they
// found.
func (b *slotBooking) inTurn(ctx context.Context) (booking *Booking, err error) {
	b.place, err = b.client.core.turns.take(ctx, newBookingKey(b.params))
	if err != nil {
		return nil, err
	}
	// Deferred because an observer may panic, and the other calls must not wait for ever.
	defer func() { b.place.done(booking, err) }()
	earlier, unknown := b.place.before()
	if earlier != nil && b.cancelled.has(earlier.Appointment.ID) {
		earlier = nil // the call that found it didn't know
	}
	switch {
	case b.client.core.journal != nil:
		return b.inTurnByJournal(ctx, earlier, unknown)
	case unknown != nil:
		// To send now would be to send again. The other calls may look meanwhile.
		b.place.pass()
		b.attempt = unknown.Attempt
		return b.readBack(ctx, unknown.Err)
	case earlier != nil:
		earlier.Recovered = true
		return earlier, nil
	default:
		return b.book(ctx)
	}
}

// book reads, decides and sends.
func (b *slotBooking) book(ctx context.Context) (*Booking, error) {
	b.attempt.AttemptedAt = time.Now()
	own, err := b.readFirst(ctx)
	switch {
	case own != nil:
		return b.confirmed(own, true), nil
	case errors.Is(err, errMovedAway) && b.isFirstWithKey():
		return nil, ErrSlotUnavailable // what is there was booked under another key
	case inDoubt(err):
		return nil, b.unknown(err)
	case err == nil:
		err = b.refusal()
	}
	if err != nil {
		return nil, err
	}
	if b.attempt.Duration == 0 {
		stated, open := durationsAt(b.slots, b.attempt.StartAt)
		switch {
		case !open:
			return b.notOffered(ctx)
		case len(stated) > 1:
			return nil, severalDurations(b.method(), stated)
		case len(stated) == 1:
			b.attempt.Duration = stated[0]
		}
	}
	if b.client.core.journal != nil {
		return b.sendBegun(ctx)
	}
	return b.sendNow(ctx)
}

// readFirst concurrently reads what a booking needs to know. own is the patient's
// appointment, if it is there already. err is that of the read that failed.
func (b *slotBooking) readFirst(ctx context.Context) (own *Appointment, err error) {
	var failed struct{ list, schedule, patient, slots error }
	// Not an errgroup, because one read's result matters even if another read fails.
	var group sync.WaitGroup
	if b.schedule == nil {
		group.Go(func() {
			b.schedule, failed.schedule = b.client.Schedules.Get(ctx, b.params.ScheduleID, b.readOpts...)
		})
	}
	if b.patient == nil && b.params.InsuranceCheck != SkipInsuranceCheck && b.params.InsuranceID == "" {
		group.Go(func() {
			b.patient, failed.patient = b.client.Patients.Get(ctx, b.params.PatientID, b.readOpts...)
		})
	}
	if b.params.Duration == 0 && b.slots == nil {
		group.Go(func() {
			b.slots, failed.slots = b.client.Availabilities.around(ctx, b.attempt.ScheduleID, b.attempt.StartAt, b.readOpts)
		})
	}
	// Not in a goroutine of its own, whose stack would have to grow.
	own, failed.list = b.findAppointment(ctx)
	group.Wait()
	if b.noList = errors.Is(failed.list, errNoList); b.noList {
		failed.list = nil
	}
	return own, cmp.Or(failed.list, failed.schedule, failed.patient, failed.slots)
}

// refusal says why the booking must not be sent.
func (b *slotBooking) refusal() error {
	switch {
	case !b.schedule.Bookable():
		return ErrNotBookable
	case b.params.InsuranceCheck == SkipInsuranceCheck:
		return nil
	case b.params.InsuranceID == "":
		return checkInsurance(b.schedule, b.patient.Insurance.ID, b.params.InsuranceCheck)
	default:
		return checkInsurance(b.schedule, b.params.InsuranceID, b.params.InsuranceCheck)
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

// notOffered ends a booking of a slot that isn't open. It looks once more for the
// appointment, because the appointment itself may have closed the slot between the
// concurrent reads.
func (b *slotBooking) notOffered(ctx context.Context) (*Booking, error) {
	own, err := b.findAppointment(ctx)
	switch {
	case own != nil:
		return b.confirmed(own, true), nil
	case inDoubt(err):
		return nil, b.unknown(err)
	case err != nil && !errors.Is(err, errNoList):
		return nil, err
	default:
		return nil, ErrSlotUnavailable
	}
}

// sendNow sends the request that books, and finds out what came of it.
func (b *slotBooking) sendNow(ctx context.Context) (*Booking, error) {
	return b.client.core.carryOut(ctx, b, b.window, b.maxAttempts)
}

func (b *slotBooking) shows(appointment Appointment) bool { return b.attempt.made(appointment) }

// send sends one request to book.
func (b *slotBooking) send(ctx context.Context, maxAttempts int) (*Appointment, error) {
	writeCtx, cancel := b.window.bound(ctx)
	defer cancel()
	b.place.sending(b.underWay(writeCtx))
	b.mayHaveMade = true
	made, err := b.client.Appointments.Create(writeCtx, AppointmentCreateParams{
		ScheduleID: b.attempt.ScheduleID,
		PatientID:  b.attempt.PatientID,
		StartAt:    b.attempt.StartAt,
		Duration:   b.attempt.Duration,
	}, append(slices.Clip(b.opts), WithMaxAttempts(maxAttempts))...)
	// The request may have left later, because it waited for the rate limit or for a retry.
	b.attempt.AttemptedAt = time.Now()
	return made, err
}

// longestCall is how long a call whose context has no deadline counts as one that may yet send.
const longestCall = 24 * time.Hour

// underWay returns the attempt for calls that don't wait for the end of this one: its request may
// leave until the context's deadline.
func (b *slotBooking) underWay(ctx context.Context) BookingAttempt {
	attempt := b.attempt
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(longestCall)
	}
	attempt.AttemptedAt = deadline
	return attempt
}

// explain reads what is there after a rejection, and returns what the rejection means.
func (b *slotBooking) explain(ctx context.Context, rejection *APIError, doubted bool) (*Booking, error) {
	b.mayHaveMade = doubted || !rejection.isOfAPI()
	seen := b.look(ctx)
	if seen.gone() {
		// As in notOffered, the appointment itself may have closed the slot.
		seen.appointment, seen.err = b.findAppointment(ctx)
	}
	believed := seen.err == nil || b.noList && errors.Is(seen.err, errNoList) && rejection.isOfAPI()
	switch {
	case seen.appointment != nil:
		return b.confirmed(seen.appointment, true), nil
	case errors.Is(seen.err, errMovedAway) && b.isFirstWithKey():
		return nil, because(ErrSlotUnavailable, rejection) // another key's appointment is there
	case !believed:
		unknown := b.unknown(withDoubt(rejection, seen.err))
		unknown.SlotOpen = seen.slotOpen
		return nil, unknown
	case seen.gone():
		return nil, because(ErrSlotUnavailable, rejection)
	default:
		return nil, rejection
	}
}

// lookLonger ends a booking that a gateway may have rejected after the API had made it: reads may
// lag behind, so that one look proves nothing. The rejection stands if the looking went on to
// its end, and no look showed that the slot is gone: this booking may have closed it.
func (b *slotBooking) lookLonger(ctx context.Context, rejection *APIError, gone bool) (*Booking, error) {
	var read lastRead
	var doubt bool
	booking, err := b.readBackUntil(ctx, rejection, func(_ context.Context, seen sighting) bool {
		doubt = doubt || inDoubt(seen.err)
		gone = gone || seen.slotOpen != nil && !*seen.slotOpen
		read.note(seen.err)
		return false
	})
	if booking == nil && !gone && !doubt && read.isLate() && ctx.Err() == nil {
		return nil, rejection
	}
	if unknown, ok := errors.AsType[*OutcomeUnknownError](err); ok && gone {
		unknown.SlotOpen = new(bool)
	}
	return booking, err
}

// inDoubt reports whether the API shows an appointment that may or may not be the booking.
func inDoubt(err error) bool { return doubtOf(err) != nil }

func doubtOf(err error) error {
	for _, doubt := range []error{errDoubtful, errIncomplete, errMovedAway, errMaybeMoved} {
		if errors.Is(err, doubt) {
			return doubt
		}
	}
	return nil
}

// withDoubt adds to the cause that a read in doubt is why the outcome stays unknown.
func withDoubt(cause, seen error) error {
	if doubt := doubtOf(seen); doubt != nil && !inDoubt(cause) {
		return because(doubt, cause)
	}
	return cause
}
