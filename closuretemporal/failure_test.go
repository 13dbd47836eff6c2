package closuretemporal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

func TestFailuresAreTheSameAfterTheHistory(t *testing.T) {
	api := &closure.APIError{
		Op: "appointments.create", Method: "POST", Route: "/appointments", StatusCode: 409,
		Type: closure.ErrorTypeInvalidRequest, Message: "Trisha has it", Detail: []string{"d"},
		RequestID: "req_1", RetryAfter: time.Second, Attempts: 2,
	}
	insurance := &closure.InsuranceError{
		InsuranceID: "ins_1", Accepted: []closure.InsuranceID{"ins_2"}, Status: closure.InsuranceNotAccepted,
	}
	lost := &closure.TransportError{
		Op: "o", Method: "GET", Route: "/r", Outcome: closure.OutcomeNotSent, Attempts: 1, Err: context.DeadlineExceeded,
	}
	for _, err := range []error{
		closure.ErrNotBookable, closure.ErrSlotUnavailable, closure.ErrNoSlot, closure.ErrNotBooked,
		api, insurance, lost, &joined{[]error{closure.ErrSlotUnavailable, api}},
		&closure.InputError{Op: "o", Field: "f", Reason: "r"},
		&closure.InputError{Op: "o", Field: "f", Reason: "r", Err: closure.ErrIdempotencyKeyUsed},
		&closure.JournalError{Op: "begin", Err: errElsewhere},
		&closure.OutcomeUnknownError{AppointmentID: "appt_1", Err: errElsewhere},
		&joined{[]error{api, &closure.APIError{Op: "o", Method: "GET", Route: "/r", StatusCode: 503, Attempts: 3}, lost}},
	} {
		stored, _ := json.Marshal(newFailure(err))
		var read failure
		if err := json.Unmarshal(stored, &read); err != nil {
			t.Fatal(err)
		}
		again := read.err()
		if closure.OutcomeOf(again) != closure.OutcomeOf(err) || again.Error() != err.Error() {
			t.Errorf("%v became %v", err, again)
		}
		for _, s := range []error{
			closure.ErrSlotUnavailable, closure.ErrConflict, closure.ErrInsuranceNotAccepted, closure.ErrInvalidInput,
			closure.ErrOutcomeUnknown, closure.ErrNotBookable, closure.ErrServer, context.DeadlineExceeded, closure.ErrNoSlot,
			closure.ErrIdempotencyKeyUsed,
		} {
			if errors.Is(err, s) != errors.Is(again, s) {
				t.Errorf("%v: %v was %v and is %v", err, s, errors.Is(err, s), errors.Is(again, s))
			}
		}
	}
	read := newFailure(&joined{[]error{closure.ErrSlotUnavailable, api}}).err()
	if got, ok := errors.AsType[*closure.APIError](read); !ok || !reflect.DeepEqual(got, api) {
		t.Errorf("%#v", got)
	}
	if text := fmt.Sprintf("%v %+v %#v %t", read, read, read, read); strings.Contains(text, "Trisha") {
		t.Error(text)
	}
}

// Histories recorded before KeyUsed tell it by the text alone.
func TestAnOldFailureOfAUsedKeyIsFound(t *testing.T) {
	const stored = `{"input":{"op":"appointments.create","field":"IdempotencyKey","reason":"was used for another booking"}}`
	var read failure
	if err := json.Unmarshal([]byte(stored), &read); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(read.err(), closure.ErrIdempotencyKeyUsed) {
		t.Error(read.err())
	}
}
