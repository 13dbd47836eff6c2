package closuretemporal

import (
	"time"

	"github.com/closurehealth/closure-go"
)

// The types that histories hold. Their JSON must stay readable, because histories live
// for as long as the namespace keeps them.

// An order is what the caller wants booked: one slot, or the first open slot of a search.
type order struct {
	Patient   closure.PatientID      `json:"patient"`
	Insurance closure.InsuranceID    `json:"insurance,omitempty"`
	Check     closure.InsuranceCheck `json:"check,omitempty"`
	Key       string                 `json:"key,omitempty"`
	Slot      *slot                  `json:"slot,omitempty"`
	Search    *search                `json:"search,omitempty"`

	// With Again: the appointments that were booked before, and cancelled. A read that
	// still shows one of them lags.
	Cancelled []closure.AppointmentID `json:"cancelled,omitempty"`
}

type slot struct {
	Schedule closure.ScheduleID `json:"schedule"`
	StartAt  time.Time          `json:"start_at"`
	Duration closure.Minutes    `json:"duration,omitempty"`
}

func (s slot) same(other slot) bool {
	return s.Schedule == other.Schedule && s.StartAt.Equal(other.StartAt)
}

// A search is a [closure.SlotSearch] without Known and Concurrency, which don't change
// what it finds.
type search struct {
	Schedules   []closure.ScheduleID `json:"schedules"`
	From        time.Time            `json:"from"`
	To          time.Time            `json:"to"`
	Zone        string               `json:"zone,omitempty"`
	Weekdays    []time.Weekday       `json:"weekdays,omitempty"`
	NotBefore   *closure.ClockTime   `json:"not_before,omitempty"`
	NotAfter    *closure.ClockTime   `json:"not_after,omitempty"`
	MinDuration closure.Minutes      `json:"min_duration,omitempty"`
	Insurance   closure.InsuranceID  `json:"insurance,omitempty"`
	Window      time.Duration        `json:"window,omitempty"`
	MaxRequests int                  `json:"max_requests,omitempty"`
}

const (
	methodStart      = "Start"
	methodStartFirst = "StartFirst"
)

// method is the one by which the caller ordered it.
func (o order) method() string {
	if o.Slot == nil {
		return methodStartFirst
	}
	return methodStart
}

func slotOrder(p closure.BookSlotParams) order {
	return order{
		Patient: p.PatientID, Insurance: p.InsuranceID, Check: p.InsuranceCheck, Key: p.IdempotencyKey,
		Slot: &slot{p.ScheduleID, p.StartAt.UTC(), p.Duration}, // JSON can't express every zone
	}
}

func firstOrder(p closure.BookFirstParams) order {
	s := p.Search
	o := order{Patient: p.PatientID, Insurance: p.InsuranceID, Check: p.InsuranceCheck, Key: p.IdempotencyKey}
	o.Search = &search{
		Schedules: s.Schedules, From: s.From.UTC(), To: s.To.UTC(), Weekdays: s.Weekdays, // as above
		NotBefore: s.NotBefore, NotAfter: s.NotAfter, MinDuration: s.MinDuration,
		Insurance: s.InsuranceID, Window: s.Window, MaxRequests: s.MaxRequests,
	}
	if s.Zone != nil {
		o.Search.Zone = s.Zone.String()
	}
	if o.Insurance == "" {
		o.Insurance = s.InsuranceID
	}
	return o
}

// named reports whether the search's zone is the one that its name stands for: the worker
// gets only the name.
func named(s closure.SlotSearch) bool {
	if s.Zone == nil {
		return true
	}
	zone, err := time.LoadLocation(s.Zone.String())
	if err != nil || s.Zone == time.Local {
		return false
	}
	for at := s.From; ; {
		_, offset := at.In(zone).Zone()
		_, own := at.In(s.Zone).Zone()
		until, ownUntil := nextChange(at.In(zone)), nextChange(at.In(s.Zone))
		last := until.IsZero() || until.After(s.To)
		if offset != own || !last && !until.Equal(ownUntil) {
			return false
		}
		if last {
			return ownUntil.IsZero() || ownUntil.After(s.To)
		}
		at = until
	}
}

// nextChange is the end of what [time.Time.ZoneBounds] returns, but after t. Past the changes that a
// zone's file lists, Go ends each year after 365 days: on the last day of a leap year that is over.
func nextChange(t time.Time) time.Time {
	_, change := t.ZoneBounds()
	if !change.IsZero() && !change.After(t) {
		return t.Add(time.Hour)
	}
	return change
}

func (s search) slotSearch() (closure.SlotSearch, error) {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return closure.SlotSearch{}, refuse(methodStartFirst, "Search.Zone", "is not a zone that the worker knows")
	}
	return closure.SlotSearch{
		Schedules: s.Schedules, From: s.From, To: s.To, Zone: zone, Weekdays: s.Weekdays,
		NotBefore: s.NotBefore, NotAfter: s.NotAfter, MinDuration: s.MinDuration,
		InsuranceID: s.Insurance, Window: s.Window, MaxRequests: s.MaxRequests,
	}, nil
}

func (o order) params(s slot, key string) closure.BookSlotParams {
	return closure.BookSlotParams{
		ScheduleID: s.Schedule, PatientID: o.Patient, StartAt: s.StartAt, Duration: s.Duration,
		InsuranceID: o.Insurance, InsuranceCheck: o.Check, IdempotencyKey: key,
	}
}

// A bookingInput is the input of the booking workflow. It includes the policy, so that a
// booking under way keeps the one that it started with.
type bookingInput struct {
	input
	Order       order      `json:"wish"`
	Fingerprint string     `json:"fingerprint"`
	Policy      Policy     `json:"policy"`
	Unsettled   *unsettled `json:"unsettled,omitempty"` // from the run before, if its history grew too long
}

// unsettled is an attempt whose outcome nobody knows yet.
type unsettled struct {
	Attempt closure.BookingAttempt `json:"attempt"`
	Since   time.Time              `json:"since"`   // when the outcome became unknown
	SentBy  time.Time              `json:"sent_by"` // the request left before this
	Status  Status                 `json:"status"`

	// Elsewhere: an earlier run may have sent a slot other than the attempt's, so not
	// finding the attempt proves nothing.
	Elsewhere bool `json:"elsewhere,omitempty"`
}

// An ending is the result of one step of a booking. It is empty if the API doesn't show
// the attempt, which doesn't count as lost yet.
type ending struct {
	Appointment *closure.Appointment    `json:"appointment,omitempty"` // booked
	Unknown     *closure.BookingAttempt `json:"unknown,omitempty"`     // it may have been sent
	SlotOpen    *bool                   `json:"slot_open,omitempty"`
	Failure     *failure                `json:"failure,omitempty"` // not booked, and why
	Again       bool                    `json:"again,omitempty"`   // nothing was done, and another try may succeed
	Late        bool                    `json:"late,omitempty"`    // with Unknown: an earlier run may have sent it, or may still send it
}

// A result is the value of a workflow that completes, or the details of its error.
type result struct {
	Appointment *closure.Appointment `json:"appointment,omitempty"`
	Failure     *failure             `json:"failure,omitempty"`
	Fingerprint string               `json:"fingerprint"`

	// As in the order, for a booking that is made again after this one.
	Cancelled []closure.AppointmentID `json:"cancelled,omitempty"`
}
