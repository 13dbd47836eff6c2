package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// The public surface, signature by signature: what doesn't compile here broke
// every program that used it. Method expressions show receivers, too.

type (
	ctx    = context.Context
	option = closure.Option
)

const (
	_ string = closure.DefaultBaseURL
	_ string = closure.DefaultAPIVersion
	_ string = closure.QuickstartKey
	_ string = closure.Version
)

// The client and its options.
var (
	_ func(string, ...option) (*closure.Client, error) = closure.NewClient
	_ func(...option) (*closure.Client, error)         = closure.NewClientFromEnv
	_ func(*closure.Client) closure.Mode               = (*closure.Client).Mode

	_ func(string) option                                      = closure.WithBaseURL
	_ func(string) option                                      = closure.WithAPIVersion
	_ func(*http.Client) option                                = closure.WithHTTPClient
	_ func() option                                            = closure.WithHTTP2
	_ func(*slog.Logger) option                                = closure.WithLogger
	_ func(func(context.Context, closure.Event)) option        = closure.WithObserver
	_ func(func(context.Context, closure.BookingEvent)) option = closure.WithBookingObserver
	_ func(...option) option                                   = closure.Options
	_ func(float64, int) option                                = closure.WithRateLimit
	_ func(closure.RetryPolicy) option                         = closure.WithRetryPolicy
	_ func(string) option                                      = closure.WithUserAgent
	_ func(closure.Mode) option                                = closure.WithMode

	_ func(closure.IndexVersionID) closure.CallOption = closure.WithIndexVersion
	_ func(time.Duration) closure.CallOption          = closure.WithTimeout
	_ func(int) closure.CallOption                    = closure.WithMaxAttempts
	_ func(...closure.ExpandField) closure.CallOption = closure.Expand
	_ func(*closure.Response) closure.CallOption      = closure.CaptureResponse
	_ func(time.Duration) closure.CallOption          = closure.AssumeLostAfter
	_ option                                          = closure.CallOption(nil) // every call option is an option

	_ = closure.RetryPolicy{MaxAttempts: 1, MinWait: time.Second, MaxWait: time.Second, MaxRetryAfter: time.Second, Budget: 1}
	_ = closure.Response{StatusCode: 1, Header: http.Header{}, RequestID: "", Body: []byte{}, Attempts: 1}
	_ = closure.BookingEvent{ID: "", Op: "", Ending: closure.EndingUnknown, Reason: closure.ReasonNoAnswer, Duration: time.Second, Calls: 1, Attempts: 1, JournalFailed: ""}
	_ = []closure.Ending{closure.EndingUnknown, closure.EndingConfirmed, closure.EndingRecovered, closure.EndingRejected, closure.EndingNotSent}
	_ = closure.Event{CallID: 1, BookingID: "", Abandoned: false, Op: "", Method: "", Route: "", StatusCode: 1, Attempt: 1, Duration: time.Second, Outcome: closure.OutcomeApplied, RequestID: ""}
	_ = []closure.ExpandField{closure.ExpandPractitioner, closure.ExpandLocation, closure.ExpandInsurances, closure.ExpandAppointmentType}
	_ = []closure.Mode{closure.ModeTest, closure.ModeLive}
)

// The services.
var (
	_ = closure.Client{
		Patients:         (*closure.PatientsService)(nil),
		Practitioners:    (*closure.PractitionersService)(nil),
		Schedules:        (*closure.SchedulesService)(nil),
		Availabilities:   (*closure.AvailabilitiesService)(nil),
		Appointments:     (*closure.AppointmentsService)(nil),
		Specialties:      (*closure.SpecialtiesService)(nil),
		Insurances:       (*closure.InsurancesService)(nil),
		Locations:        (*closure.LocationsService)(nil),
		AppointmentTypes: (*closure.AppointmentTypesService)(nil),
		IndexVersions:    (*closure.IndexVersionsService)(nil),
	}

	_ func(*closure.PatientsService, ctx, closure.PatientListParams, ...closure.CallOption) ([]closure.Patient, error)  = (*closure.PatientsService).List
	_ func(*closure.PatientsService, ctx, closure.PatientListParams, ...closure.CallOption) (*closure.Patient, error)   = (*closure.PatientsService).Find
	_ func(*closure.PatientsService, ctx, closure.PatientID, ...closure.CallOption) (*closure.Patient, error)           = (*closure.PatientsService).Get
	_ func(*closure.PatientsService, ctx, closure.PatientCreateParams, ...closure.CallOption) (*closure.Patient, error) = (*closure.PatientsService).Create

	_ func(*closure.PractitionersService, ctx, closure.PractitionerListParams, ...closure.CallOption) ([]closure.Practitioner, error) = (*closure.PractitionersService).List
	_ func(*closure.PractitionersService, ctx, closure.PractitionerID, ...closure.CallOption) (*closure.Practitioner, error)          = (*closure.PractitionersService).Get

	_ func(*closure.SchedulesService, ctx, closure.ScheduleID, ...closure.CallOption) (*closure.Schedule, error)          = (*closure.SchedulesService).Get
	_ func(*closure.SchedulesService, ctx, closure.ScheduleListParams, ...closure.CallOption) ([]closure.Schedule, error) = (*closure.SchedulesService).List

	_ func(*closure.AvailabilitiesService, ctx, closure.ScheduleID, closure.AvailabilityListParams, ...closure.CallOption) ([]closure.Slot, error) = (*closure.AvailabilitiesService).List
	_ func(*closure.AvailabilitiesService, ctx, closure.SlotSearch, ...closure.CallOption) iter.Seq2[closure.Slot, error]                          = (*closure.AvailabilitiesService).Search
	_ func(*closure.AvailabilitiesService, ctx, closure.SlotSearch, ...closure.CallOption) (closure.Slot, error)                                   = (*closure.AvailabilitiesService).First

	_ func(*closure.AppointmentsService, ctx, closure.AppointmentCreateParams, ...closure.CallOption) (*closure.Appointment, error)                            = (*closure.AppointmentsService).Create
	_ func(*closure.AppointmentsService, ctx, closure.AppointmentID, ...closure.CallOption) (*closure.Appointment, error)                                      = (*closure.AppointmentsService).Get
	_ func(*closure.AppointmentsService, ctx, closure.AppointmentListParams, ...closure.CallOption) ([]closure.Appointment, error)                             = (*closure.AppointmentsService).List
	_ func(*closure.AppointmentsService, ctx, closure.AppointmentID, closure.AppointmentRescheduleParams, ...closure.CallOption) (*closure.Appointment, error) = (*closure.AppointmentsService).Reschedule
	_ func(*closure.AppointmentsService, ctx, closure.AppointmentID, ...closure.CallOption) (*closure.Appointment, error)                                      = (*closure.AppointmentsService).Cancel

	_ func(*closure.SpecialtiesService, ctx, ...closure.CallOption) ([]closure.Specialty, error)                                       = (*closure.SpecialtiesService).List
	_ func(*closure.SpecialtiesService, ctx, closure.SpecialtyID, ...closure.CallOption) (*closure.Specialty, error)                   = (*closure.SpecialtiesService).Get
	_ func(*closure.InsurancesService, ctx, ...closure.CallOption) ([]closure.Insurance, error)                                        = (*closure.InsurancesService).List
	_ func(*closure.InsurancesService, ctx, closure.InsuranceID, ...closure.CallOption) (*closure.Insurance, error)                    = (*closure.InsurancesService).Get
	_ func(*closure.LocationsService, ctx, ...closure.CallOption) ([]closure.Location, error)                                          = (*closure.LocationsService).List
	_ func(*closure.LocationsService, ctx, closure.LocationID, ...closure.CallOption) (*closure.Location, error)                       = (*closure.LocationsService).Get
	_ func(*closure.AppointmentTypesService, ctx, ...closure.CallOption) ([]closure.AppointmentType, error)                            = (*closure.AppointmentTypesService).List
	_ func(*closure.AppointmentTypesService, ctx, closure.AppointmentTypeID, ...closure.CallOption) (*closure.AppointmentType, error)  = (*closure.AppointmentTypesService).Get
	_ func(*closure.IndexVersionsService, ctx, closure.IndexVersionCreateParams, ...closure.CallOption) (*closure.IndexVersion, error) = (*closure.IndexVersionsService).Create

	_ func(*closure.Client, ctx, closure.BookSlotParams, ...closure.CallOption) (*closure.Booking, error)                                         = (*closure.Client).BookSlot
	_ func(*closure.Client, ctx, closure.BookFirstParams, ...closure.CallOption) (*closure.Booking, error)                                        = (*closure.Client).BookFirstAvailable
	_ func(*closure.Client, ctx, closure.BookingAttempt, ...closure.CallOption) (*closure.Booking, error)                                         = (*closure.Client).ResolveBooking
	_ func(*closure.Client, ctx, closure.AppointmentID, closure.AppointmentRescheduleParams, ...closure.CallOption) (*closure.Appointment, error) = (*closure.Client).RescheduleBooking
	_ func(*closure.Client, ctx, closure.AppointmentID, ...closure.CallOption) (*closure.Appointment, error)                                      = (*closure.Client).CancelBooking
)

// The types. Every field is named, with a value of its type.
var (
	text string
	at   time.Time
	date closure.Date

	_ func(int, time.Month, int) closure.Date                             = closure.NewDate
	_ func(string) (closure.Date, error)                                  = closure.ParseDate
	_ func(closure.Date) string                                           = closure.Date.String
	_ func(closure.Minutes) time.Duration                                 = closure.Minutes.Duration
	_ int                                                                 = int(closure.Minutes(30))
	_                                                                     = closure.Date{Year: 2022, Month: time.May, Day: 20}
	_                                                                     = closure.ClockTime{Hour: 17, Minute: 0}
	_ closure.IndexVersionID                                              = closure.IndexStandard
	_ func(closure.Schedule, closure.InsuranceID) closure.InsuranceStatus = closure.Schedule.CheckInsurance
	_ func(closure.Schedule) bool                                         = closure.Schedule.Bookable
	_ func([]byte) ([]map[string]json.RawMessage, error)                  = closure.UnknownMembers[closure.Location]
	_ func(closure.Patient) (*time.Location, error)                       = closure.Patient.Zone

	_ = closure.Patient{
		ID: closure.PatientID(text), FirstName: text, LastName: text, MiddleName: text, PreferredName: text, DOB: date,
		GenderIdentity: closure.GenderIdentity(text), AdministrativeGender: closure.AdministrativeGender(text),
		Email: text, MobilePhoneNumber: text, HomePhoneNumber: text, Timezone: text,
		Address:   closure.Address{StreetLine1: text, StreetLine2: text, City: text, State: text, PostalCode: text},
		Insurance: closure.PatientInsurance{ID: closure.InsuranceID(text), MemberID: text, SubscriberID: text, GroupNumber: text},
		CreatedAt: at, UpdatedAt: at,
	}
	_ = closure.PatientCreateParams{
		FirstName: text, LastName: text, MiddleName: text, PreferredName: text, DOB: date,
		GenderIdentity: closure.GenderIdentity(text), AdministrativeGender: closure.AdministrativeGender(text),
		Email: text, MobilePhoneNumber: text, HomePhoneNumber: text, Timezone: text,
		Address: closure.Address{}, Insurance: closure.PatientInsurance{},
	}
	_ = closure.PatientListParams{Name: text, DOB: date}
	_ = closure.Practitioner{
		ID: closure.PractitionerID(text), NPI: text, FirstName: text, LastName: text, MiddleName: text, PreferredName: text,
		AdministrativeGender: closure.AdministrativeGender(text), Type: text, Specialties: []closure.SpecialtyID{},
		PrimarySpecialty: closure.SpecialtyID(text), Languages: []string{}, CreatedAt: at, UpdatedAt: at,
	}
	_ = closure.PractitionerListParams{NPIs: []string{}}
	_ = closure.Schedule{
		ID:              closure.ScheduleID(text),
		Practitioner:    closure.Ref[closure.PractitionerID, closure.Practitioner]{ID: "", Object: nil},
		Location:        closure.Ref[closure.LocationID, closure.Location]{},
		AppointmentType: closure.Ref[closure.AppointmentTypeID, closure.AppointmentType]{},
		Insurances:      []closure.Ref[closure.InsuranceID, closure.Insurance]{},

		EstimatedEarliestSlot: date, SchedulingMethod: closure.SchedulingMethod(text), CreatedAt: at, UpdatedAt: at,
	}
	_ = closure.ScheduleListParams{PractitionerID: "", LocationID: "", InsuranceID: ""}
	_ = closure.Slot{ScheduleID: "", StartAt: at, Duration: 30}
	_ = closure.AvailabilityListParams{From: at, To: at}
	_ = closure.SlotSearch{
		Schedules: []closure.ScheduleID{}, From: at, To: at, Zone: time.UTC, Weekdays: []time.Weekday{},
		NotBefore: &closure.ClockTime{}, NotAfter: &closure.ClockTime{}, MinDuration: 30, InsuranceID: "",
		Window: time.Hour, Concurrency: 1,
	}
	_ = closure.Appointment{
		ID: "", ScheduleID: "", PatientID: "", Status: closure.AppointmentStatus(text), StartAt: at, Duration: 30, CreatedAt: at, UpdatedAt: at,
	}
	_ = closure.AppointmentCreateParams{ScheduleID: "", PatientID: "", StartAt: at, Duration: 30}
	_ = closure.AppointmentListParams{PatientID: "", ScheduleID: "", Status: ""}
	_ = closure.AppointmentRescheduleParams{StartAt: at, Duration: 30}
	_ = closure.Specialty{
		ID: closure.SpecialtyID(text), TaxonomyCode: text, Classification: text, Specialization: text,
		NonStandardClassification: text, NonStandardSpecialization: text, CreatedAt: at, UpdatedAt: at,
	}
	_ = closure.Insurance{ID: closure.InsuranceID(text), DisplayName: text, CreatedAt: at, UpdatedAt: at}
	_ = closure.Location{ID: closure.LocationID(text), CreatedAt: at, UpdatedAt: at}
	_ = closure.AppointmentType{ID: closure.AppointmentTypeID(text), CreatedAt: at, UpdatedAt: at}
	_ = closure.IndexVersion{ID: closure.IndexVersionID(text), Name: text}
	_ = closure.IndexVersionCreateParams{Name: text}
	_ = closure.BookSlotParams{ScheduleID: "", PatientID: "", StartAt: at, Duration: 30, InsuranceID: "", InsuranceCheck: closure.RequireAccepted}
	_ = closure.BookFirstParams{PatientID: "", Search: closure.SlotSearch{}, InsuranceID: "", InsuranceCheck: closure.AllowUnknown}
	_ = closure.Booking{Appointment: closure.Appointment{}, Schedule: &closure.Schedule{}, Patient: &closure.Patient{}, Recovered: true}
	_ = closure.BookingAttempt{ScheduleID: "", PatientID: "", StartAt: at, Duration: 30, AttemptedAt: at}

	_ = []closure.AppointmentStatus{closure.AppointmentScheduled, closure.AppointmentRescheduled, closure.AppointmentCancelled}
	_ = []closure.SchedulingMethod{closure.SchedulingDirectAPI, closure.SchedulingOpenSlotsOnly}
	_ = []closure.AdministrativeGender{closure.AdministrativeMale, closure.AdministrativeFemale}
	_ = []closure.GenderIdentity{
		closure.GenderMale, closure.GenderFemale, closure.GenderNonBinary, closure.GenderOther,
		closure.GenderTransgenderMale, closure.GenderTransgenderFemale, closure.GenderUndisclosed,
	}
	_ = []closure.InsuranceStatus{closure.InsuranceUnknown, closure.InsuranceAccepted, closure.InsuranceNotAccepted}
	_ = []closure.InsuranceCheck{closure.RequireAccepted, closure.AllowUnknown, closure.SkipInsuranceCheck}
)

// The errors.
var (
	_ = &closure.APIError{
		Op: "", Method: "", Route: "", StatusCode: 1, Type: closure.ErrorTypeServer, Code: closure.ErrorCode(text), Message: "",
		Detail: []string{}, RequestID: "", RetryAfter: time.Second, Attempts: 1,
	}
	_ = closure.ErrorTypeInvalidRequest
	_ = &closure.TransportError{Op: "", Method: "", Route: "", Outcome: closure.OutcomeUnknown, Attempts: 1, Err: error(nil)}
	_ = &closure.InputError{Op: "", Field: "", Reason: "", Err: error(nil)}
	_ = &closure.InsuranceError{InsuranceID: "", Accepted: []closure.InsuranceID{}, Status: closure.InsuranceNotAccepted}
	_ = &closure.OutcomeUnknownError{Attempt: closure.BookingAttempt{}, SlotOpen: new(bool), Err: error(nil)}

	_ = []error{
		(*closure.APIError)(nil), (*closure.TransportError)(nil), (*closure.InputError)(nil),
		(*closure.InsuranceError)(nil), (*closure.OutcomeUnknownError)(nil),
		closure.ErrInvalidInput, closure.ErrInvalidRequest, closure.ErrUnauthorized, closure.ErrForbidden, closure.ErrNotFound,
		closure.ErrConflict, closure.ErrRateLimited, closure.ErrServer, closure.ErrAmbiguous, closure.ErrNotBookable,
		closure.ErrInsuranceNotAccepted, closure.ErrInsuranceUnknown, closure.ErrSlotUnavailable, closure.ErrNoSlot,
		closure.ErrNotBooked, closure.ErrOutcomeUnknown, closure.ErrResponseTooLarge, closure.ErrRedirect, closure.ErrMalformedResponse,
	}
	_ interface {
		Unwrap() error
		Timeout() bool
	} = (*closure.TransportError)(nil)
	_ = []closure.Outcome{closure.OutcomeApplied, closure.OutcomeNotSent, closure.OutcomeRejected, closure.OutcomeUnknown}

	_ func(error) closure.Outcome = closure.OutcomeOf
)

// What prints redacted.
type redacted interface {
	fmt.Formatter
	slog.LogValuer
}

var (
	_ = []redacted{
		closure.Client{}, closure.Patient{}, closure.Address{}, closure.PatientInsurance{}, closure.PatientCreateParams{},
		closure.PatientListParams{}, closure.Appointment{}, closure.AppointmentCreateParams{}, closure.AppointmentListParams{},
		closure.AppointmentRescheduleParams{}, closure.Booking{}, closure.BookingAttempt{}, closure.BookSlotParams{},
		closure.BookFirstParams{}, closure.Response{}, closure.APIError{}, closure.TransportError{}, closure.InsuranceError{},
		closure.OutcomeUnknownError{},
	}
)

// The test double.
var (
	_ func(...closuretest.Option) *closuretest.Server                = closuretest.New
	_ func(*closuretest.Server, ...option) *closure.Client           = (*closuretest.Server).Client
	_ func(*closuretest.Server) http.RoundTripper                    = (*closuretest.Server).Transport
	_ func(*closuretest.Server) http.Handler                         = (*closuretest.Server).Handler
	_ func(*closuretest.Server) string                               = (*closuretest.Server).Start
	_ func(*closuretest.Server)                                      = (*closuretest.Server).Close
	_ func(*closuretest.Server, closure.ScheduleID, ...closure.Slot) = (*closuretest.Server).AddSlots
	_ func(*closuretest.Server) []closure.Appointment                = (*closuretest.Server).Appointments
	_ func(*closuretest.Server) []closuretest.Request                = (*closuretest.Server).Requests
	_ func(*closuretest.Server, ...closuretest.Fault)                = (*closuretest.Server).Inject

	_ func(*closuretest.Server, closure.Patient) closure.Patient                 = (*closuretest.Server).AddPatient
	_ func(*closuretest.Server, closure.Practitioner) closure.Practitioner       = (*closuretest.Server).AddPractitioner
	_ func(*closuretest.Server, closure.Schedule) closure.Schedule               = (*closuretest.Server).AddSchedule
	_ func(*closuretest.Server, closure.Appointment) closure.Appointment         = (*closuretest.Server).AddAppointment
	_ func(*closuretest.Server, closure.Specialty) closure.Specialty             = (*closuretest.Server).AddSpecialty
	_ func(*closuretest.Server, closure.Insurance) closure.Insurance             = (*closuretest.Server).AddInsurance
	_ func(*closuretest.Server, closure.Location) closure.Location               = (*closuretest.Server).AddLocation
	_ func(*closuretest.Server, closure.AppointmentType) closure.AppointmentType = (*closuretest.Server).AddAppointmentType

	_ func(func() time.Time) closuretest.Option = closuretest.WithClock
	_ func(uint64, int, int) closuretest.Option = closuretest.WithGenerated
	_ func() closuretest.Option                 = closuretest.AllowDuplicates
	_ func(time.Duration) closuretest.Option    = closuretest.StaleReads

	_ func(string) closuretest.Fault                     = closuretest.DropBefore
	_ func(string) closuretest.Fault                     = closuretest.DropAfter
	_ func(string, time.Duration) closuretest.Fault      = closuretest.CommitLate
	_ func(string, int, ...string) closuretest.Fault     = closuretest.Status
	_ func(string, int, ...string) closuretest.Fault     = closuretest.StatusAfter
	_ func(string, time.Duration) closuretest.Fault      = closuretest.Delay
	_ func(string, time.Duration) closuretest.Fault      = closuretest.Stale
	_ func(string) closuretest.Fault                     = closuretest.Truncate
	_ func(string) closuretest.Fault                     = closuretest.Malformed
	_ func(string, int64) closuretest.Fault              = closuretest.Huge
	_ func(closuretest.Fault, int) closuretest.Fault     = closuretest.Fault.Times
	_ func(closuretest.Fault, float64) closuretest.Fault = closuretest.Fault.Probability

	_ = closuretest.Request{Op: "", Method: "", Path: "", Query: map[string][]string{}, Header: http.Header{}, Body: []byte{}}
)
