package closuretemporal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/closurehealth/closure-go"
)

// A failure is an error of the SDK as the history holds it. Its JSON must stay
// readable: histories live for as long as the namespace keeps them.
type failure struct {
	Is        []string          `json:"is,omitempty"` // names of sentinels
	Insurance *insuranceFailure `json:"insurance,omitempty"`
	API       *apiFailure       `json:"api,omitempty"`
	Transport *transportFailure `json:"transport,omitempty"`
	Input     *inputFailure     `json:"input,omitempty"`
	Journal   string            `json:"journal,omitempty"` // the method that failed
	Unknown   *unknownFailure   `json:"unknown,omitempty"` // of a change
	Joined    []*failure        `json:"joined,omitempty"`  // the error is these together, and nothing else
}

type insuranceFailure struct {
	ID       closure.InsuranceID     `json:"id,omitempty"`
	Accepted []closure.InsuranceID   `json:"accepted,omitempty"`
	Status   closure.InsuranceStatus `json:"status"`
}

type apiFailure struct {
	Op         string            `json:"op"`
	Method     string            `json:"method"`
	Route      string            `json:"route"`
	StatusCode int               `json:"status"`
	Type       closure.ErrorType `json:"type,omitempty"`
	Code       closure.ErrorCode `json:"code,omitempty"`
	Message    string            `json:"message,omitempty"`
	Detail     []string          `json:"detail,omitempty"`
	RequestID  string            `json:"request_id,omitempty"`
	RetryAfter time.Duration     `json:"retry_after,omitempty"`
	Attempts   int               `json:"attempts"`
}

type transportFailure struct {
	Op       string          `json:"op"`
	Method   string          `json:"method"`
	Route    string          `json:"route"`
	Outcome  closure.Outcome `json:"outcome"`
	Attempts int             `json:"attempts"`
	Cause    string          `json:"cause"`
	Timeout  bool            `json:"timeout,omitempty"`
}

type inputFailure struct {
	Op      string `json:"op"`
	Field   string `json:"field"`
	Reason  string `json:"reason"`
	KeyUsed bool   `json:"key_used,omitempty"` // closure.ErrIdempotencyKeyUsed
}

const keyUsed = "was used for another booking"

func (f inputFailure) err() error {
	e := &closure.InputError{Op: f.Op, Field: f.Field, Reason: f.Reason}
	if f.KeyUsed || f.Reason == keyUsed { // histories without KeyUsed have only the text
		e.Err = closure.ErrIdempotencyKeyUsed
	}
	return e
}

type unknownFailure struct {
	Appointment closure.AppointmentID `json:"appointment"`
}

// sentinels are the errors that no typed error implies, with their names in histories.
var sentinels = []struct {
	name string
	err  error
}{
	{"not_bookable", closure.ErrNotBookable},
	{"slot_unavailable", closure.ErrSlotUnavailable},
	{"no_slot", closure.ErrNoSlot},
	{"not_booked", closure.ErrNotBooked},
	{"ambiguous", closure.ErrAmbiguous},
	{"malformed_response", closure.ErrMalformedResponse},
	{"response_too_large", closure.ErrResponseTooLarge},
	{"canceled", context.Canceled},
}

func newFailure(err error) *failure {
	f := &failure{}
	if several, ok := errors.AsType[*joined](err); ok {
		for _, err := range several.errs {
			f.Joined = append(f.Joined, newFailure(err))
		}
		return f
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			f.Is = append(f.Is, s.name)
		}
	}
	if e, ok := errors.AsType[*closure.InsuranceError](err); ok {
		f.Insurance = &insuranceFailure{ID: e.InsuranceID, Accepted: e.Accepted, Status: e.Status}
	}
	if e, ok := errors.AsType[*closure.APIError](err); ok {
		f.API = (*apiFailure)(e)
	}
	if e, ok := errors.AsType[*closure.TransportError](err); ok {
		f.Transport = &transportFailure{e.Op, e.Method, e.Route, e.Outcome, e.Attempts, fmt.Sprint(e.Err), e.Timeout()}
	}
	if e, ok := errors.AsType[*closure.InputError](err); ok {
		f.Input = &inputFailure{e.Op, e.Field, e.Reason, errors.Is(e, closure.ErrIdempotencyKeyUsed)}
	}
	if e, ok := errors.AsType[*closure.JournalError](err); ok {
		f.Journal = e.Op
	}
	if e, ok := errors.AsType[*closure.OutcomeUnknownError](err); ok {
		f.Unknown = &unknownFailure{e.AppointmentID}
	}
	return f
}

// is reports whether errors.Is would find the sentinel in the error.
func (f *failure) is(sentinel error) bool {
	return f != nil && errors.Is(f.err(), sentinel)
}

// err rebuilds the error, with all that errors.Is and errors.As found in the original.
func (f *failure) err() error {
	if f == nil {
		return errElsewhere
	}
	var parts []error
	add := func(err error) { parts = append(parts, err) }
	for _, one := range f.Joined {
		add(one.err())
	}
	for _, s := range sentinels {
		for _, name := range f.Is {
			if name == s.name {
				add(s.err)
			}
		}
	}
	if i := f.Insurance; i != nil {
		add(&closure.InsuranceError{InsuranceID: i.ID, Accepted: i.Accepted, Status: i.Status})
	}
	if f.API != nil {
		add((*closure.APIError)(f.API))
	}
	if t := f.Transport; t != nil {
		cause := &remoteCause{text: t.Cause, timeout: t.Timeout}
		add(&closure.TransportError{
			Op: t.Op, Method: t.Method, Route: t.Route, Outcome: t.Outcome, Attempts: t.Attempts, Err: cause,
		})
	}
	if f.Input != nil {
		add(f.Input.err())
	}
	if f.Journal != "" {
		add(&closure.JournalError{Op: f.Journal, Err: errElsewhere})
	}
	if f.Unknown != nil {
		cause := joinOr(parts, errElsewhere)
		return &closure.OutcomeUnknownError{AppointmentID: f.Unknown.Appointment, Err: cause}
	}
	return joinOr(parts, errElsewhere)
}

// errElsewhere stands for a cause that histories don't hold.
var errElsewhere = errors.New("closuretemporal: it failed on the worker, and the history doesn't say why")

// joined is several errors in one. Under every verb it prints their texts and
// nothing else.
type joined struct{ errs []error }

func joinOr(errs []error, otherwise error) error {
	switch len(errs) {
	case 0:
		return otherwise
	case 1:
		return errs[0]
	default:
		return &joined{errs}
	}
}

// Error returns the text of the verdict, then those of its causes.
func (j *joined) Error() string { return j.text() }

func (j joined) text() string {
	texts := make([]string, len(j.errs))
	for i, err := range j.errs {
		texts[i] = strings.TrimPrefix(err.Error(), "closure: ")
	}
	return "closure: " + strings.Join(texts, ": ")
}

func (j *joined) Unwrap() []error { return j.errs }

func (j joined) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, j.text()) }

// A remoteCause says why a call that the worker made got no usable answer.
type remoteCause struct {
	text    string
	timeout bool
}

func (c *remoteCause) Error() string { return c.text }

func (c *remoteCause) Timeout() bool { return c.timeout }

func (c *remoteCause) Is(target error) bool { return c.timeout && target == context.DeadlineExceeded }
