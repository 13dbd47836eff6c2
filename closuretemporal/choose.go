package closuretemporal

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/closurehealth/closure-go"
)

type chooseInput struct {
	input
	Order   order                `json:"wish"`
	Tried   []slot               `json:"tried,omitempty"`
	LeftOut []closure.ScheduleID `json:"left_out,omitempty"`
	RunID   string               `json:"run_id,omitempty"` // the run that may choose, as in sendInput
}

// chosen holds the next slots to try, at least one, or the reason why there are none.
type chosen struct {
	Slots   []slot   `json:"slots,omitempty"`
	Failure *failure `json:"failure,omitempty"`
	Again   bool     `json:"again,omitempty"`
	Late    bool     `json:"late,omitempty"` // another run chose, and may have sent it
}

// maxChosen bounds how many slots are tried before the next search.
const maxChosen = 5

// choose reads the next open slots of the search, in order. A run that was reset doesn't
// choose, because the run before it may have sent what it chose.
func (a *activities) choose(ctx context.Context, in chooseInput) (chosen, error) {
	if in.isUnread() {
		return chosen{Failure: newFailure(errNotSent(noKey)), Again: true}, nil
	}
	if in.RunID != "" && in.RunID != activity.GetInfo(ctx).WorkflowExecution.RunID {
		return chosen{Late: true}, nil
	}
	search, err := in.Order.Search.slotSearch()
	if err != nil {
		return chosen{Failure: newFailure(err)}, nil
	}
	search.Schedules = slices.DeleteFunc(slices.Clone(search.Schedules), func(id closure.ScheduleID) bool {
		return slices.Contains(in.LeftOut, id)
	})
	if len(search.Schedules) == 0 && len(in.LeftOut) > 0 {
		return chosen{Failure: newFailure(closure.ErrNoSlot)}, nil
	}
	c := &choice{api: a.api, in: in, held: make(map[closure.ScheduleID][]closure.Appointment)}
	var failures []error
	for found, err := range a.api.Availabilities.Search(ctx, search) {
		if err == nil {
			err = c.add(ctx, found)
		}
		if err != nil {
			failures = append(failures, err)
		}
		if len(c.slots) == maxChosen {
			break
		}
	}
	if len(c.slots) > 0 {
		return chosen{Slots: c.slots}, nil
	}
	err = joinOr(failures, closure.ErrNoSlot)
	return chosen{Failure: newFailure(err), Again: worthAgain(err)}, nil
}

type choice struct {
	api   *closure.Client
	in    chooseInput
	slots []slot
	held  map[closure.ScheduleID][]closure.Appointment // of the patient
}

// add takes the slot unless it was tried, or the patient has its start: an API
// that accepts duplicates goes on showing that as open.
func (c *choice) add(ctx context.Context, found closure.Slot) error {
	s := slot{found.ScheduleID, found.StartAt, found.Duration}
	if !s.askable() || slices.ContainsFunc(c.in.Tried, s.same) || slices.ContainsFunc(c.slots, s.same) {
		return nil
	}
	held, err := c.appointments(ctx, s.Schedule)
	if err != nil {
		return err
	}
	taken := func(a closure.Appointment) bool {
		return a.StartAt.Equal(s.StartAt) && !a.Status.IsCancelled() && !slices.Contains(c.in.Order.Cancelled, a.ID)
	}
	if !slices.ContainsFunc(held, taken) {
		c.slots = append(c.slots, s)
	}
	return nil
}

// askable reports whether a request can name the slot: its start is a whole
// millisecond, and its duration is possible.
func (s slot) askable() bool {
	return isWhole(s.StartAt) && s.Duration >= 0 && s.Duration <= closure.MaxMinutes
}

func isWhole(start time.Time) bool { return start.Nanosecond()%int(time.Millisecond) == 0 }

func (c *choice) appointments(ctx context.Context, id closure.ScheduleID) ([]closure.Appointment, error) {
	if held, ok := c.held[id]; ok {
		return held, nil
	}
	held, err := c.api.Appointments.List(ctx, closure.AppointmentListParams{
		PatientID: c.in.Order.Patient, ScheduleID: id,
	})
	answer, ok := errors.AsType[*closure.APIError](err)
	if ok && (answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusMethodNotAllowed) {
		held, err = nil, nil // an API without the list
	}
	if err == nil {
		c.held[id] = held
	}
	return held, err
}
