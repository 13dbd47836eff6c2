package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// BookFirstParams says for whom to book the first open slot, and on which schedules to
// look for it. It prints redacted.
type BookFirstParams struct {
	PatientID      PatientID
	Search         SlotSearch
	InsuranceID    InsuranceID    // the insurance to check; zero: the search's, then the patient's own
	InsuranceCheck InsuranceCheck // zero: RequireAccepted

	// IdempotencyKey is as in [BookSlotParams].
	IdempotencyKey string
}

// Format prints no more than the type, under every verb.
func (p BookFirstParams) Format(f fmt.State, _ rune) { printAs(f, redacted(p)) }

// LogValue shows no more than the type.
func (p BookFirstParams) LogValue() slog.Value { return slog.StringValue(redacted(p)) }

func (p BookFirstParams) check() error {
	const by = methodBookFirstAvailable
	if p.InsuranceID != "" && p.Search.InsuranceID != "" && p.InsuranceID != p.Search.InsuranceID {
		return &InputError{Op: by.name(), Field: "InsuranceID", Reason: "differs from the search's"}
	}
	return cmp.Or(
		checkID(by, "PatientID", p.PatientID),
		checkInsuranceParams(by, p.InsuranceID, p.InsuranceCheck),
		p.Search.check(by, "Search."),
	)
}

// BookFirstAvailable tries the slots of the search one after the other, until a booking is
// confirmed. It leaves out schedules that can't be booked or don't pass the insurance
// check. If a slot turns out to be taken ([ErrSlotUnavailable]), it tries the next one. Any
// other error ends it. An unknown outcome ([*OutcomeUnknownError]) does too, because the
// next slot could become a second appointment. Each schedule and the patient are read once.
// If several slots have the same start, the shortest is tried first: set Search.MinDuration
// if that is too short. A slot that states no duration is booked without one. A slot whose
// start is not a whole millisecond is left out, because a request can't name it exactly.
//
// If there is no slot, the error is [ErrNoSlot], joined with the reasons if every schedule
// was left out. If schedules couldn't be searched, it is their errors.
//
// If you call it again, it may book again: it notices an appointment of the patient only at
// a start that it tries. Give an IdempotencyKey to call it again safely. It then settles
// what the journal holds for the key before it tries another slot, and it leaves out a
// start at which the patient has an appointment under another key.
//
// The calls and sources are those of [AvailabilitiesService.Search] and
// [Client.BookSlot].
func (c *Client) BookFirstAvailable(ctx context.Context, params BookFirstParams, opts ...CallOption) (booking *Booking, err error) {
	ctx, watched := c.use().watchBooking(ctx, methodBookFirstAvailable)
	defer func() { watched.end(booking, err) }()
	cfg, err := c.use().prepare(ctx, methodBookFirstAvailable.name(), opts)
	if err = cmp.Or(err, params.check(), c.use().checkKey(methodBookFirstAvailable, params.IdempotencyKey)); err != nil {
		return nil, err
	}
	params.InsuranceID = cmp.Or(params.InsuranceID, params.Search.InsuranceID)
	f := &firstBooking{
		client:    c,
		params:    params,
		cfg:       cfg,
		opts:      opts,
		schedules: make(map[ScheduleID]*Schedule),
	}
	if params.IdempotencyKey != "" {
		if booking, free, err := f.held(ctx); !free {
			return booking, err
		}
	}
	if err := f.readPatient(ctx); err != nil {
		return nil, err
	}
	return f.book(ctx)
}

// A firstBooking is one call of BookFirstAvailable.
type firstBooking struct {
	client  *Client
	params  BookFirstParams // InsuranceID is the one to check
	cfg     callConfig
	opts    []CallOption
	patient *Patient

	mu        sync.Mutex // schedules are admitted concurrently
	schedules map[ScheduleID]*Schedule
}

// held settles what the journal holds for the key, at whatever slot. free reports that the
// journal holds nothing for it.
func (f *firstBooking) held(ctx context.Context) (booking *Booking, free bool, err error) {
	b := f.slotBooking(BookSlotParams{PatientID: f.params.PatientID})
	entry, err := f.client.core.find(ctx, b.attempt)
	if err != nil || entry == nil {
		return nil, err == nil, err
	}
	return b.held(ctx, *entry)
}

func (f *firstBooking) slotBooking(params BookSlotParams) *slotBooking {
	params.IdempotencyKey = f.params.IdempotencyKey
	b := f.client.newSlotBooking(params, f.cfg, f.opts)
	b.first = true
	return b
}

func (f *firstBooking) readPatient(ctx context.Context) (err error) {
	if f.params.InsuranceCheck == SkipInsuranceCheck || f.params.InsuranceID != "" {
		return nil
	}
	f.patient, err = f.client.Patients.Get(ctx, f.params.PatientID, withoutCapture(f.opts)...)
	if err != nil {
		return err
	}
	f.params.InsuranceID = f.patient.Insurance.ID
	if f.params.InsuranceID == "" && f.params.InsuranceCheck == RequireAccepted {
		return &InsuranceError{Status: InsuranceUnknown}
	}
	return nil
}

func (f *firstBooking) book(ctx context.Context) (*Booking, error) {
	var failures []error
	for slot, err := range f.client.core.search(ctx, methodBookFirstAvailable, f.params.Search, f.admit, f.opts) {
		if err != nil {
			failures = append(failures, err)
			continue
		}
		if !askable(slot) {
			continue
		}
		booking, err := f.bookSlot(ctx, slot)
		if OutcomeOf(err) == OutcomeUnknown || !errors.Is(err, ErrSlotUnavailable) {
			return booking, err
		}
	}
	return nil, noSlot(failures)
}

// askable reports whether a request can name the slot.
func askable(slot Slot) bool {
	return checkStart(opAppointmentsCreate, slot.StartAt) == nil && slot.Duration.valid()
}

func (f *firstBooking) bookSlot(ctx context.Context, slot Slot) (*Booking, error) {
	b := f.slotBooking(BookSlotParams{
		ScheduleID:     slot.ScheduleID,
		PatientID:      f.params.PatientID,
		StartAt:        slot.StartAt,
		Duration:       slot.Duration,
		InsuranceID:    f.params.InsuranceID,
		InsuranceCheck: f.params.InsuranceCheck,
	})
	f.mu.Lock()
	b.schedule, b.patient, b.slots = f.schedules[slot.ScheduleID], f.patient, []Slot{slot}
	f.mu.Unlock()
	return b.inTurn(ctx)
}

func (f *firstBooking) admit(schedule *Schedule) error {
	if err := f.refusal(schedule); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.schedules[schedule.ID] = schedule
	return nil
}

func (f *firstBooking) refusal(schedule *Schedule) error {
	check := f.params.InsuranceCheck
	switch {
	case !schedule.Bookable():
		return ErrNotBookable
	case check != SkipInsuranceCheck:
		return checkInsurance(schedule, f.params.InsuranceID, check)
	case f.params.Search.InsuranceID != "":
		return checkInsurance(schedule, f.params.Search.InsuranceID, RequireAccepted)
	default:
		return nil
	}
}
