// Package closure is a client for the Railway (Closure Health) API: patients,
// practitioners, schedules, open slots and appointments. It is not affiliated
// with the vendor.
//
// # A booking ends in one of three ways
//
// If the network fails after a request left, is there an appointment or not?
// [Client.BookSlot] always ends in one of three ways, and never sends again to find out:
//
//	booking, err := client.BookSlot(ctx, closure.BookSlotParams{
//		ScheduleID: scheduleID,
//		PatientID:  patientID,
//		StartAt:    startAt,
//	})
//	var unknown *closure.OutcomeUnknownError
//	switch {
//	case err == nil: // confirmed: booking.Appointment is on the books
//	case errors.As(err, &unknown): // unknown: store the token, settle it later
//		store(unknown.Attempt) // plain JSON; client.ResolveBooking(ctx, attempt)
//	case errors.Is(err, closure.ErrSlotUnavailable): // rejected: offer another slot
//	case errors.Is(err, closure.ErrInsuranceNotAccepted): // rejected: offer another schedule
//	default: // rejected or never sent: closure.OutcomeOf(err) tells which
//	}
//
// # When a program crashes
//
// A process can die between the request and its answer, and a second machine can try the
// same booking. With a [Journal] that all of them share ([WithJournal]), the client
// records what it is about to send. It sends nothing while another attempt for the same
// slot and patient is open, and [Client.ResolvePending] settles what a crash left. Calls
// with the same IdempotencyKey get the same appointment, so that you can call
// [Client.BookFirstAvailable] again. Without a journal, what the SDK knows is lost with the
// process. Read docs/production.md before you book for real patients.
//
// # Map
//
//   - Make a client: [NewClient], [NewClientFromEnv].
//   - Book: [Client.BookSlot], [Client.BookFirstAvailable],
//     [Client.RescheduleBooking], [Client.CancelBooking].
//   - Settle what is unknown: [Client.ResolveBooking], [Client.ResolvePending],
//     [AssumeLostAfter], [BookingAttempt], [Journal], [NewBookingAttempt].
//   - Find open slots: [AvailabilitiesService.Search], [AvailabilitiesService.First],
//     [AvailabilitiesService.List].
//   - Patients and the directory: [PatientsService], [PractitionersService],
//     [SchedulesService], [SpecialtiesService], [InsurancesService],
//     [LocationsService], [AppointmentTypesService], [IndexVersionsService].
//   - Appointments, one request each: [AppointmentsService].
//   - Errors: [OutcomeOf], [APIError], [TransportError], [InputError],
//     [InsuranceError], [OutcomeUnknownError], [JournalError], and the sentinels such
//     as [ErrSlotUnavailable].
//   - Values: [Date], [Minutes], [ClockTime], [Ref], and a type for each kind of id, such
//     as [PatientID].
//   - Options of a client: [WithJournal], [WithMode], [WithRateLimit],
//     [WithRetryPolicy], [WithBaseURL], [WithPlainHTTP], [WithHTTPClient] with
//     [OwnRequest], [WithHTTP2], [WithAPIVersion], [WithUserAgent], [Options].
//   - Options of a client or of one call: [WithTimeout], [WithMaxAttempts],
//     [WithIndexVersion], [Expand], [AssumeLostAfter], [KnownCancelled].
//   - Watch: [WithLogger], [WithObserver] for calls, [WithBookingObserver] for how
//     bookings ended.
//   - If the API differs from what this package expects: [Client.Call], [WithRoute],
//     [CaptureResponse], [UnknownMembers].
//
// # Privacy
//
// No error text, log record or event of this package holds a name, a birth date, the id of
// a record, a time of care or a URL. Values that hold a person's data print redacted under
// every verb of fmt and in slog; their fields don't. Their methods Format and LogValue, and
// MarshalText of the errors, do that: a program needn't call them. docs/privacy.md lists the
// ways to print for which Go offers no hook.
//
// # Retries
//
// A read is tried again after any failure that may be temporary. A write is tried again
// only if nothing of it left this machine, or if the server says by HTTP/2's own means
// (REFUSED_STREAM, GOAWAY) that it did not process it. After a 429, [Client.BookSlot] and the other
// booking calls first look whether the write was carried out all the same. [RetryPolicy]
// has the figures.
//
// # Testing
//
// Package closuretest is a stateful test double of the API. It runs in process, and fails
// on demand.
//
// # What is published
//
// The comment of each method names the call of the API and its source: the vendor's
// guide, its reference pages, or "inferred". An inferred call is published nowhere, and was
// chosen to fit the others.
package closure
