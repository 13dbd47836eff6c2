package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/closurehealth/closure-go"
)

// bookingTime is how long a caller waits for the ending of a booking: for another
// instance's attempt, for one request to the API, and for reading back if its answer is
// lost.
const bookingTime = time.Minute

// bookings answers POST /bookings.
type bookings struct{ client *closure.Client }

// An order is what a caller wants. The header Idempotency-Key is its name: the same
// key is the same order, whichever instance gets it. Where several callers choose
// keys, put the caller's name in front.
type order struct {
	PatientID  closure.PatientID  `json:"patient_id"`
	ScheduleID closure.ScheduleID `json:"schedule_id"`
	StartAt    time.Time          `json:"start_at"`
	Duration   closure.Minutes    `json:"duration"`
}

// An answer tells one of the endings.
type answer struct {
	Outcome       string                `json:"outcome"` // confirmed, rejected, unknown, or not_sent
	AppointmentID closure.AppointmentID `json:"appointment_id,omitempty"`
	Reason        string                `json:"reason,omitempty"`
	Hint          string                `json:"hint,omitempty"` // for who writes the caller
}

func (b *bookings) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		write(w, http.StatusBadRequest, answer{
			Outcome: "rejected", Reason: "idempotency_key_missing",
			Hint: "name the order in the header Idempotency-Key; the same name is the same order",
		})
		return
	}
	var o order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&o); err != nil {
		write(w, http.StatusBadRequest, answer{Outcome: "rejected", Reason: "malformed_json"})
		return
	}
	// A caller that goes away doesn't end the booking.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), bookingTime)
	defer cancel()
	booking, err := b.client.BookSlot(ctx, closure.BookSlotParams{
		PatientID: o.PatientID, ScheduleID: o.ScheduleID, StartAt: o.StartAt, Duration: o.Duration, IdempotencyKey: key,
	})
	status, a := ending(booking, err)
	log := slog.With(slog.String("outcome", a.Outcome))
	if err != nil {
		log = log.With(slog.Any("error", err)) // its text names no patient
	}
	log.Info("booking")
	write(w, status, a)
}

// ending is how a booking ended, for the caller.
func ending(booking *closure.Booking, err error) (int, answer) {
	switch insurance, input := (*closure.InsuranceError)(nil), (*closure.InputError)(nil); {
	case err == nil:
		return http.StatusOK, answer{Outcome: "confirmed", AppointmentID: booking.Appointment.ID}
	case errors.Is(err, closure.ErrOutcomeUnknown): // ask again, with the same key
		return http.StatusAccepted, answer{Outcome: "unknown"}
	case errors.Is(err, closure.ErrSlotUnavailable):
		return http.StatusConflict, answer{Outcome: "rejected", Reason: "slot_unavailable"}
	case errors.Is(err, closure.ErrNotBookable):
		return http.StatusUnprocessableEntity, answer{Outcome: "rejected", Reason: "not_bookable"}
	case errors.Is(err, closure.ErrInsuranceUnknown):
		return http.StatusUnprocessableEntity, answer{Outcome: "rejected", Reason: "insurance_unknown"}
	case errors.As(err, &insurance):
		return http.StatusUnprocessableEntity, answer{Outcome: "rejected", Reason: "insurance_not_accepted"}
	case errors.Is(err, closure.ErrIdempotencyKeyUsed):
		return http.StatusUnprocessableEntity, answer{Outcome: "rejected", Reason: "idempotency_key_used"}
	case errors.As(err, &input):
		return http.StatusUnprocessableEntity, answer{Outcome: "rejected", Reason: "invalid_" + input.Field}
	case errors.Is(err, closure.ErrNotFound): // the patient or the schedule
		return http.StatusUnprocessableEntity, answer{Outcome: "rejected", Reason: "not_found"}
	case errors.Is(err, closure.ErrUnauthorized), errors.Is(err, closure.ErrForbidden): // asking again doesn't help
		return http.StatusInternalServerError, answer{Outcome: "not_sent"}
	case closure.OutcomeOf(err) == closure.OutcomeRejected:
		return http.StatusUnprocessableEntity, answer{Outcome: "rejected", Reason: "refused"}
	default: // the API or the database can't be reached: ask again, with the same key
		return http.StatusServiceUnavailable, answer{Outcome: "not_sent"}
	}
}

func write(w http.ResponseWriter, status int, a answer) {
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusAccepted || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(a) // a caller that went away asks again
}
