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
	Duration       Minutes        // zero: the open slot's own, if there is only one
	InsuranceID    InsuranceID    // the insurance to check; zero: the patient's own
	InsuranceCheck InsuranceCheck // zero: RequireAccepted

	// IdempotencyKey is what is wanted, by a name of your own, such as an order's id:
	// one key, one appointment, wherever that was moved since. It needs [WithJournal],
	// is never sent to the API and prints nowhere.
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

// BookSlot books an open slot and ends in one of three ways: a [Booking]; an
// error that says why there is none; or an [*OutcomeUnknownError], whose Attempt
// [Client.ResolveBooking] settles later.
//
// It first reads, concurrently: the schedule; the patient, if the insurance to
// check isn't given; the patient's appointments on the schedule; and the open
// slots around the start, if no duration is given. If the patient has this
// start already, that is the booking, Recovered. Otherwise it ends, with nothing
// sent, in [ErrNotBookable], [*InsuranceError], [ErrSlotUnavailable] or the
// error of a read, or it books. Without a duration, a start that is open for
// several is an [*InputError] that names them; a slot that states none is booked
// without one, unless another slot at that start states one.
//
// After a rejection, whatever its status, it looks again, because the answer may
// be a gateway's and come after the API has booked: the patient's own is
// Recovered; a list of appointments that can't be read leaves the outcome
// unknown; a slot that is gone is [ErrSlotUnavailable] joined with the
// [*APIError]; else it is the APIError. After a failure that leaves the outcome
// open it reads back for up to 10 s or until the context ends.
//
// The request to book is sent again only if the one before provably never left
// this machine, or was answered 429 and the look after that shows no booking:
// within the [RetryPolicy] and the context's deadline.
//
// An appointment counts as booked with the status scheduled or rescheduled, and
// as not there if it is cancelled. With any other status the outcome is unknown,
// also before anything is sent: read its status ([AppointmentsService.List]) and
// take it for what it means, or cancel it and book again.
//
// Concurrent calls through one Client for the same patient, schedule and start
// take turns and share one booking; each has a copy of its own. What protects
// several processes from each other is that a slot can be taken once, or a journal
// that they share ([WithJournal]): nothing is sent then while it holds another
// attempt for the same thing, which is settled instead, for up to 10 s each; a journal
// that fails before anything is sent is a [*JournalError]. It is safe
// to call again after an error whose [OutcomeOf] is [OutcomeNotSent] or
// [OutcomeRejected]; after [OutcomeUnknown], settle the attempt first. An
// appointment that is there is the booking whatever its duration.
//
// GET /schedules/{id} (source: guide), GET /patients/{id}, GET /appointments and
// GET /schedules/{id}/slots (source: inferred), POST /appointments (source:
// guide). An API without the list of appointments (404 or 405 on it) is booked
// without looking, and a rejection counts only in the API's own error object.
func (c *Client) BookSlot(ctx context.Context, params BookSlotParams, opts ...CallOption) (booking *Booking, err error) {
	ctx, watched := c.use().watchBooking(ctx, "BookSlot")
	defer func() { watched.endBooking(booking, err) }()
	cfg, err := c.use().prepare(ctx, opAppointmentsCreate.name(), opts)
	if err = cmp.Or(err, params.check(), c.use().checkKey(params.IdempotencyKey)); err != nil {
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
	first     bool          // one of the slots that a walk tries
	lostAfter time.Duration // 0: never
	window    sendWindow

	cancelled []AppointmentID // the caller knows that

	// What was read for it or was known before; nil: it does not have to be.
	schedule *Schedule
	patient  *Patient
	slots    []Slot
	noList   bool // the API turned out to have no list of appointments
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
			StartAt:        params.StartAt,
			Duration:       params.Duration,
			Mode:           c.core.mode,
			IdempotencyKey: params.IdempotencyKey,
		},
	}
}

// unknown is the ending of a booking that may have been made.
func (b *slotBooking) unknown(cause error) *OutcomeUnknownError {
	return &OutcomeUnknownError{Attempt: b.attempt, Err: cause}
}

func (b *slotBooking) confirmed(appointment *Appointment, recovered bool) *Booking {
	return &Booking{Appointment: *appointment, Schedule: b.schedule, Patient: b.patient, Recovered: recovered}
}

// inTurn books when no other call for the same thing is under way, or takes
// over what that one found.
func (b *slotBooking) inTurn(ctx context.Context) (booking *Booking, err error) {
	b.place, err = b.client.core.turns.take(ctx, newBookingKey(b.params))
	if err != nil {
		return nil, err
	}
	// Deferred because an observer may panic: the others must not wait for ever.
	defer func() { b.place.done(booking, err) }()
	earlier, unknown := b.place.before()
	switch {
	case b.client.core.journal != nil:
		return b.inTurnByJournal(ctx, earlier, unknown)
	case unknown != nil:
		// To send now would be to send again. The others can look, too.
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
	case errors.Is(err, errMovedAway) && b.isWalkWithKey():
		return nil, ErrSlotUnavailable // of this patient, if of anybody, and of another wish
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
			return nil, severalDurations(stated)
		case len(stated) == 1:
			b.attempt.Duration = stated[0]
		}
	}
	if b.client.core.journal != nil {
		return b.sendBegun(ctx)
	}
	return b.sendNow(ctx)
}

// readFirst reads concurrently all that a booking needs to know: own is the
// booking if it is there already, err that of whichever read failed.
func (b *slotBooking) readFirst(ctx context.Context) (own *Appointment, err error) {
	var list, schedule, patient, slots error
	// Not an errgroup: what one read says matters even if another fails.
	var group sync.WaitGroup
	group.Go(func() { own, list = b.findAppointment(ctx) })
	if b.schedule == nil {
		group.Go(func() {
			b.schedule, schedule = b.client.Schedules.Get(ctx, b.params.ScheduleID, b.readOpts...)
		})
	}
	if b.patient == nil && b.params.InsuranceCheck != SkipInsuranceCheck && b.params.InsuranceID == "" {
		group.Go(func() {
			b.patient, patient = b.client.Patients.Get(ctx, b.params.PatientID, b.readOpts...)
		})
	}
	if b.params.Duration == 0 && b.slots == nil {
		group.Go(func() {
			b.slots, slots = b.client.Availabilities.around(ctx, b.attempt.ScheduleID, b.attempt.StartAt, b.readOpts)
		})
	}
	group.Wait()
	if b.noList = errors.Is(list, errNoList); b.noList {
		list = nil
	}
	return own, cmp.Or(list, schedule, patient, slots)
}

// refusal is why the booking must not be sent.
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

// notOffered ends a booking of a slot that isn't open, unless what closed it is
// the booking itself: it may have come between the concurrent reads.
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

// sendNow makes the request that books, and says what came of it. After a 429 it
// may make another one.
func (b *slotBooking) sendNow(ctx context.Context) (*Booking, error) {
	if b.window.late() {
		return nil, &JournalError{Op: "begin", Err: errTooLate}
	}
	for left := b.maxAttempts; ; {
		made, err := b.post(ctx, left)
		rejection, rejected := rejectionIn(err)
		switch {
		case err == nil && b.attempt.made(*made):
			return b.confirmed(made, false), nil
		case err == nil:
			return b.readBack(ctx, errNotConfirmed)
		case OutcomeOf(err) == OutcomeUnknown:
			return b.readBack(ctx, err)
		case !rejected:
			return nil, err
		}
		booking, verdict := b.explain(ctx, rejection)
		left -= rejection.Attempts
		if !b.client.core.waitToResend(ctx, b.window, rejection, verdict, b.maxAttempts-left, left) {
			return booking, verdict
		}
	}
}

// post is one request to book.
func (b *slotBooking) post(ctx context.Context, maxAttempts int) (*Appointment, error) {
	b.attempt.AttemptedAt = time.Now()
	b.place.sending(b.attempt)
	writeCtx, cancel := b.window.bound(ctx)
	defer cancel()
	made, err := b.client.Appointments.Create(writeCtx, AppointmentCreateParams{
		ScheduleID: b.attempt.ScheduleID,
		PatientID:  b.attempt.PatientID,
		StartAt:    b.attempt.StartAt,
		Duration:   b.attempt.Duration,
	}, append(slices.Clip(b.opts), WithMaxAttempts(maxAttempts))...)
	// Before it left, the request may have waited: for the rate limit, or to be tried again.
	b.attempt.AttemptedAt = time.Now()
	return made, err
}

// errNotConfirmed is a success that shows something else than was asked for:
// another appointment, or one that doesn't stand.
var errNotConfirmed = because(errors.New("closure: the answer does not show the appointment as it was asked for"), ErrMalformedResponse)

// rejectionIn is the API's no to a write, or a gateway's.
func rejectionIn(err error) (rejection *APIError, ok bool) {
	rejection, ok = errors.AsType[*APIError](err)
	return rejection, ok && rejection.outcome() == OutcomeRejected
}

// explain says what a rejection means, by evidence.
func (b *slotBooking) explain(ctx context.Context, rejection *APIError) (*Booking, error) {
	seen := b.look(ctx)
	if seen.gone() {
		// As in notOffered: the slot may have been closed by the booking itself.
		seen.appointment, seen.err = b.findAppointment(ctx)
	}
	believed := seen.err == nil || b.noList && errors.Is(seen.err, errNoList) && rejection.isOfAPI()
	switch {
	case seen.appointment != nil:
		return b.confirmed(seen.appointment, true), nil
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

// isOfAPI reports whether the answer holds the API's own error object: a gateway
// has another one or none.
func (e *APIError) isOfAPI() bool { return e.Type != "" || e.Code != "" }

// inDoubt reports whether the API shows an appointment that is neither a yes nor a no.
func inDoubt(err error) bool { return errors.Is(err, errDoubtful) || errors.Is(err, errMovedAway) }

// withDoubt adds to a cause that this is why nothing can be told.
func withDoubt(cause, seen error) error {
	switch {
	case inDoubt(cause):
		return cause
	case errors.Is(seen, errDoubtful):
		return because(errDoubtful, cause)
	case errors.Is(seen, errMovedAway):
		return because(errMovedAway, cause)
	default:
		return cause
	}
}

// waitToResend waits until a write that was answered 429 may be sent again. It
// is false where it may not: the verdict on the 429 is another than the 429
// itself, the attempts are used up, or the wait would be too long.
func (c *core) waitToResend(ctx context.Context, window sendWindow, rejection *APIError, verdict error, sent, left int) bool {
	stands := OutcomeOf(verdict) == OutcomeRejected && !errors.Is(verdict, ErrSlotUnavailable)
	if rejection.StatusCode != http.StatusTooManyRequests || !stands || left < 1 {
		return false
	}
	ctx, cancel := window.resend(ctx)
	defer cancel()
	wait, ok := c.transport.ResendWait(ctx, rejection.RetryAfter, sent)
	return ok && sleep(ctx, wait) && !window.late()
}
