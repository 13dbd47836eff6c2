package closure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/closurehealth/closure-go/internal/transport"
	"github.com/closurehealth/closure-go/internal/wire"
)

// The sentinels of this package's errors, for [errors.Is].
var (
	ErrInvalidInput         = errors.New("closure: invalid input")              // an [InputError]: refused here, nothing was sent
	ErrInvalidRequest       = errors.New("closure: invalid request")            // 400
	ErrUnauthorized         = errors.New("closure: unauthorized")               // 401: no valid secret key
	ErrForbidden            = errors.New("closure: forbidden")                  // 403: the key lacks the permission
	ErrNotFound             = errors.New("closure: not found")                  // 404 (but of patients.list), or no patient matches
	ErrConflict             = errors.New("closure: conflict")                   // 409: the slot is not open any more (inferred)
	ErrRateLimited          = errors.New("closure: rate limited")               // 429
	ErrServer               = errors.New("closure: server error")               // 5xx
	ErrAmbiguous            = errors.New("closure: more than one matches")      // several patients match
	ErrNotBookable          = errors.New("closure: schedule is not bookable")   // its scheduling method is not direct_api
	ErrInsuranceNotAccepted = errors.New("closure: insurance is not accepted")  // an [InsuranceError]
	ErrInsuranceUnknown     = errors.New("closure: insurance can't be checked") // an [InsuranceError]
	ErrSlotUnavailable      = errors.New("closure: slot is not open")           // somebody else has it, or the schedule doesn't offer it
	ErrNoSlot               = errors.New("closure: no open slot")               // the search found none
	ErrIdempotencyKeyUsed   = errors.New("closure: idempotency key was used")   // for another patient, schedule or start; nothing was sent
	ErrNotBooked            = errors.New("closure: not booked")                 // the attempt is lost: see [AssumeLostAfter]
	ErrOutcomeUnknown       = errors.New("closure: outcome unknown")            // any write whose [OutcomeOf] is [OutcomeUnknown]
	ErrResponseTooLarge     = errors.New("closure: response is too large")      // more than 10 MiB after unpacking, or a list of nearly empty records: docs/reading.md
	ErrRedirect             = errors.New("closure: redirect not followed")      // 3xx
	ErrMalformedResponse    = errors.New("closure: response is not what the API promises")
)

// An Outcome says what is known of a write after it returned. The zero Outcome is
// [OutcomeUnknown], so that a forgotten one doesn't read "applied".
type Outcome int

const (
	OutcomeUnknown  Outcome = iota // it may have been carried out: look before doing it again
	OutcomeApplied                 // carried out
	OutcomeNotSent                 // nothing was done: it never left this machine, the server says it didn't process it (HTTP/2), or it was only a read
	OutcomeRejected                // the API said no: nothing changed
)

// String returns "applied", "not sent", "rejected" or "unknown".
func (o Outcome) String() string {
	switch o {
	case OutcomeApplied:
		return "applied"
	case OutcomeNotSent:
		return "not sent"
	case OutcomeRejected:
		return "rejected"
	default:
		return "unknown"
	}
}

// OutcomeOf tells whether the write that returned err was carried out. Use it with every
// method that changes something. For a nil error it is [OutcomeApplied]; for an error of
// another package, [OutcomeUnknown].
//
// If err comes from a read, such as one that a booking made before its write, the outcome
// is [OutcomeNotSent]: nothing was changed.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return OutcomeApplied
	}
	if _, ok := errors.AsType[*OutcomeUnknownError](err); ok {
		return OutcomeUnknown
	}
	if _, ok := errors.AsType[*JournalError](err); ok {
		return OutcomeNotSent // whatever the error that it wraps says
	}
	if e, ok := errors.AsType[*APIError](err); ok {
		return e.outcome()
	}
	if e, ok := errors.AsType[*TransportError](err); ok {
		return e.Outcome
	}
	if errors.Is(err, ErrNotBooked) {
		return OutcomeRejected
	}
	for _, before := range []error{ErrInvalidInput, ErrNotBookable, ErrInsuranceNotAccepted, ErrInsuranceUnknown, ErrSlotUnavailable, ErrNoSlot, ErrNotFound, ErrAmbiguous} {
		if errors.Is(err, before) {
			return OutcomeNotSent
		}
	}
	return OutcomeUnknown
}

// joined is several errors as one: an error and its cause, or the failures of many calls.
// Under every verb it shows only their texts. The joined errors of packages fmt and errors
// show the fields of what they wrap under a verb that doesn't fit an error, such as %t.
type joined struct {
	errs      []error
	separator string
}

// unprefixed drops the "closure: " prefix, for embedding in another message.
func unprefixed(cause error) string { return strings.TrimPrefix(fmt.Sprint(cause), "closure: ") }

// because joins an error with its cause.
func because(err, cause error) error { return &joined{[]error{err, cause}, ": "} }

// allOf joins errors, of which there is at least one.
func allOf(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return &joined{errs, "; "}
}

func (j *joined) Error() string { return j.text() }

func (j joined) text() string {
	texts := make([]string, len(j.errs))
	for i, err := range j.errs {
		texts[i] = unprefixed(err)
	}
	return "closure: " + strings.Join(texts, j.separator)
}

func (j *joined) Unwrap() []error { return j.errs }

func (j joined) Format(f fmt.State, _ rune) { printAs(f, j.text()) }

func (j joined) MarshalText() ([]byte, error) { return []byte(j.text()), nil }

// An APIError says that the API answered with a status that is not a success.
//
// Its text and its log value show only what is safe. Message and Detail can hold a
// patient's data: the text says only that they are there.
type APIError struct {
	Op         string        // the operation, "appointments.create"
	Method     string        // "POST"
	Route      string        // the route's template, "/appointments/{id}"
	StatusCode int           // 3xx to 5xx
	Type       ErrorType     // who is responsible; programs may depend on it
	Code       ErrorCode     // a finer reason, if any; programs may depend on it
	Message    string        // for developers, not for customers; may hold a patient's data
	Detail     []string      // of a 400: what is wrong with the request, as texts or JSON, the first 1,000; may hold a patient's data
	RequestID  string        // names the request to the API's support
	RetryAfter time.Duration // how long the API asks to wait; zero: it doesn't
	Attempts   int           // how many attempts were made; one attempt sends at most one request
}

// ErrorType says who is responsible for an error. The API has more than these constants;
// unknown values are kept (source: reference).
type ErrorType string

const (
	ErrorTypeServer         ErrorType = "server_error"    // the vendor's fault
	ErrorTypeInvalidRequest ErrorType = "invalid_request" // the developer's fault
)

// ErrorCode is a finer reason for an error. There are no constants, because no list of them
// is published. Values are kept as they come (source: reference).
type ErrorCode string

// Is matches the sentinel of the status code: [ErrNotFound] for 404 and so on. A 404 to
// patients.list isn't ErrNotFound: it doesn't say that no patient matches.
func (e *APIError) Is(target error) bool {
	switch target {
	case ErrInvalidRequest:
		return e.StatusCode == http.StatusBadRequest
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized
	case ErrForbidden:
		return e.StatusCode == http.StatusForbidden
	case ErrNotFound: // of patients.list it says that no patient matches, which a gateway's 404 doesn't
		return e.StatusCode == http.StatusNotFound && e.Op != opPatientsList.name()
	case ErrConflict:
		return e.StatusCode == http.StatusConflict
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrServer:
		return e.StatusCode >= 500
	case ErrRedirect:
		return e.StatusCode >= 300 && e.StatusCode < 400
	case ErrOutcomeUnknown:
		return e.outcome() == OutcomeUnknown
	default:
		return false
	}
}

func (e *APIError) outcome() Outcome {
	switch {
	case e.Method == http.MethodGet:
		return OutcomeNotSent
	case e.StatusCode >= 400 && e.StatusCode < 500 && e.StatusCode != http.StatusRequestTimeout:
		return OutcomeRejected
	default: // a gateway may answer with a 5xx or a redirect after the API has carried out the write
		return OutcomeUnknown
	}
}

// Error shows operation, route template, status, type, code, request id and
// attempts.
func (e *APIError) Error() string { return e.text() }

func (e APIError) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "closure: %s: %s %s: %d", e.Op, e.Method, e.Route, e.StatusCode)
	if status := http.StatusText(e.StatusCode); status != "" {
		b.WriteString(" " + status)
	}
	var notes []string
	note := func(name, value string) {
		if value != "" {
			notes = append(notes, name+" "+value)
		}
	}
	note("type", printableCode(e.Type))
	note("code", printableCode(e.Code))
	note("request id", printableRequestID(e.RequestID))
	note("attempts", strconv.Itoa(e.Attempts))
	if e.Message != "" || len(e.Detail) > 0 {
		notes = append(notes, "what the API says is in Message and Detail")
	}
	b.WriteString(" (" + strings.Join(notes, ", ") + ")")
	return b.String()
}

// Format prints the same as Error under every verb.
func (e APIError) Format(f fmt.State, _ rune) { printAs(f, e.text()) }

// LogValue shows the same as Error, as attributes.
func (e APIError) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("operation", e.Op),
		slog.String("method", e.Method),
		slog.String("route", e.Route),
		slog.Int("status", e.StatusCode),
		slog.String("type", printableCode(e.Type)),
		slog.String("code", printableCode(e.Code)),
		slog.String("request_id", printableRequestID(e.RequestID)),
		slog.Int("attempts", e.Attempts),
	)
}

// MarshalText returns Error's text, for encoders that find the error inside a struct.
func (e APIError) MarshalText() ([]byte, error) { return []byte(e.text()), nil }

// A TransportError says that a call got no usable answer: the connection failed, the time
// ran out, or the body was cut short, too large or not what the API promises.
type TransportError struct {
	Op       string  // the operation, "appointments.create"
	Method   string  // "POST"
	Route    string  // the route's template
	Outcome  Outcome // OutcomeNotSent or OutcomeUnknown; for a read always OutcomeNotSent
	Attempts int     // how many attempts were made; one attempt sends at most one request
	Err      error   // the cause, without its URL; errors.Is and errors.As find what it wraps
}

// Error shows operation, route template, the kind of failure and attempts.
func (e *TransportError) Error() string { return e.text() }

func (e TransportError) text() string {
	cause := unprefixed(e.Err)
	text := fmt.Sprintf("closure: %s: %s %s: %s (attempts %d", e.Op, e.Method, e.Route, cause, e.Attempts)
	if e.Outcome == OutcomeUnknown {
		text += ", outcome unknown"
	}
	return text + ")"
}

// Unwrap returns the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// Is matches [ErrOutcomeUnknown] if the outcome is unknown.
func (e *TransportError) Is(target error) bool {
	return target == ErrOutcomeUnknown && e.Outcome == OutcomeUnknown
}

// Timeout reports whether the time of the attempt or of the context ran out.
func (e *TransportError) Timeout() bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](e.Err)
	return ok && t.Timeout()
}

// Format prints the same as Error under every verb.
func (e TransportError) Format(f fmt.State, _ rune) { printAs(f, e.text()) }

// LogValue shows the same as Error, as attributes.
func (e TransportError) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("operation", e.Op),
		slog.String("method", e.Method),
		slog.String("route", e.Route),
		slog.String("outcome", e.Outcome.String()),
		slog.Int("attempts", e.Attempts),
		slog.String("cause", fmt.Sprint(e.Err)),
	)
}

// MarshalText returns Error's text, for encoders that find the error inside a struct.
func (e TransportError) MarshalText() ([]byte, error) { return []byte(e.text()), nil }

// An InputError says that an argument was refused before anything was sent. It never
// repeats the value. errors.Is finds [ErrInvalidInput] and Err.
type InputError struct {
	Op     string // the operation or function
	Field  string // the param, option or argument
	Reason string // what is wrong with it
	Err    error  // [ErrIdempotencyKeyUsed] if it is about such a key; otherwise nil
}

// Error shows Op, Field and Reason.
func (e *InputError) Error() string {
	return "closure: " + e.Op + ": " + e.Field + " " + e.Reason
}

// Is matches [ErrInvalidInput].
func (e *InputError) Is(target error) bool { return target == ErrInvalidInput }

// Unwrap returns Err.
func (e *InputError) Unwrap() error { return e.Err }

// An InsuranceError says why a booking was not tried: the schedule does not accept the
// insurance ([ErrInsuranceNotAccepted]), or it is not known whether it does
// ([ErrInsuranceUnknown]).
type InsuranceError struct {
	InsuranceID InsuranceID     // the insurance that was checked; empty: the patient has none on file
	Accepted    []InsuranceID   // what the schedule accepts
	Status      InsuranceStatus // InsuranceNotAccepted or InsuranceUnknown
}

func (e InsuranceError) text() string {
	switch {
	case e.Status == InsuranceNotAccepted:
		return "closure: the schedule does not accept the insurance (what it accepts is in Accepted)"
	case e.InsuranceID == "":
		return "closure: the patient has no insurance on file to check: ask, or see InsuranceCheck"
	default:
		return "closure: the schedule does not say which insurances it accepts"
	}
}

// Error says which of the two it is. It shows no id.
func (e *InsuranceError) Error() string { return e.text() }

// Is matches [ErrInsuranceNotAccepted] or [ErrInsuranceUnknown].
func (e *InsuranceError) Is(target error) bool {
	if e.Status == InsuranceNotAccepted {
		return target == ErrInsuranceNotAccepted
	}
	return target == ErrInsuranceUnknown
}

// Format prints the same as Error under every verb.
func (e InsuranceError) Format(f fmt.State, _ rune) { printAs(f, e.text()) }

// LogValue shows the same as Error.
func (e InsuranceError) LogValue() slog.Value { return slog.StringValue(e.text()) }

// MarshalText returns Error's text, for encoders that find the error inside a struct.
func (e InsuranceError) MarshalText() ([]byte, error) { return []byte(e.text()), nil }

// An OutcomeUnknownError says that a booking, or a change of one, may or may not have been
// made. Most often the request left, no answer came, and no read showed the result in time.
//
// If it comes from [Client.BookSlot], [Client.BookFirstAvailable] or
// [Client.ResolveBooking], store Attempt and settle it later with ResolveBooking. Don't
// book again before that. Err can say that the API shows the appointment with a status that
// this version does not know, or without its schedule or start: read it with
// [AppointmentsService.List] and decide what it means, or cancel it to book again.
//
// If it comes from [Client.RescheduleBooking] or [Client.CancelBooking], AppointmentID is
// set and Attempt is empty: make the same call again. If that is rejected, it says nothing about
// this one.
type OutcomeUnknownError struct {
	Attempt       BookingAttempt
	AppointmentID AppointmentID // the appointment to change; empty for a booking
	SlotOpen      *bool         // whether the slot was still open at the last look; nil: not known
	Err           error         // why the outcome is unknown
}

func (e OutcomeUnknownError) text() string {
	cause := unprefixed(e.Err)
	if e.AppointmentID != "" {
		return "closure: it is unknown whether the appointment was changed; make the same call again to settle it: " + cause
	}
	return "closure: it is unknown whether the appointment was booked; settle it with ResolveBooking: " + cause
}

// Error shows the cause, but no id and no time of care.
func (e *OutcomeUnknownError) Error() string { return e.text() }

// Unwrap returns the cause.
func (e *OutcomeUnknownError) Unwrap() error { return e.Err }

// Is matches [ErrOutcomeUnknown].
func (e *OutcomeUnknownError) Is(target error) bool { return target == ErrOutcomeUnknown }

// Format prints the same as Error under every verb.
func (e OutcomeUnknownError) Format(f fmt.State, _ rune) { printAs(f, e.text()) }

// LogValue shows the outcome and the cause, as attributes.
func (e OutcomeUnknownError) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("outcome", OutcomeUnknown.String()),
		slog.Any("cause", e.Err),
	)
}

// MarshalText returns Error's text, for encoders that find the error inside a struct.
func (e OutcomeUnknownError) MarshalText() ([]byte, error) { return []byte(e.text()), nil }

func newTransportError(e *endpoint, answer transport.Answer, cause error) error {
	outcome := OutcomeNotSent
	if e.writes() && answer.MaybeSent {
		outcome = OutcomeUnknown
	}
	if errors.Is(cause, transport.ErrTooLarge) {
		cause = ErrResponseTooLarge
	}
	return &TransportError{
		Op:       e.name,
		Method:   e.method,
		Route:    e.route.text,
		Outcome:  outcome,
		Attempts: answer.Attempts,
		Err:      cause,
	}
}

// errorBody is the API's error object (source: reference). If the body is something else,
// such as a proxy's HTML, errorBody stays empty: the status says enough.
type errorBody struct {
	Type    optional[ErrorType] `json:"error_type"`
	Code    optional[ErrorCode] `json:"error_code"`
	Message optional[string]    `json:"error_message"`
	Detail  details             `json:"detail"`
}

// An optional field that has another type than promised stays zero. The fields around it
// are read.
type optional[T any] struct{ value T }

func (o *optional[T]) UnmarshalJSON(data []byte) error {
	o.value = orZero[T](data)
	return nil
}

const maxDetails = 1000

// details reads an array or a single value. Values that aren't strings are kept as JSON.
type details []string

func (d *details) UnmarshalJSON(data []byte) error {
	*d = nil
	if texts := wire.Texts(data, maxDetails); len(texts) > 1 || len(texts) == 1 && texts[0] != "" && texts[0] != "null" {
		*d = texts
	}
	return nil
}

func orZero[T any](data []byte) T {
	var value, zero T
	if wire.Unmarshal(data, &value) != nil {
		return zero
	}
	return value
}

func newAPIError(ctx context.Context, e *endpoint, answer transport.Answer) error {
	var body errorBody
	_ = wire.Read(ctx, answer.Body, &body, lenient) // keep what can be read
	retryAfter, _ := transport.RetryAfter(answer.Header, time.Now())
	return &APIError{
		Op:         e.name,
		Method:     e.method,
		Route:      e.route.text,
		StatusCode: answer.StatusCode,
		Type:       body.Type.value,
		Code:       body.Code.value,
		Message:    body.Message.value,
		Detail:     body.Detail,
		RequestID:  requestID(answer.Header),
		RetryAfter: retryAfter,
		Attempts:   answer.Attempts,
	}
}
