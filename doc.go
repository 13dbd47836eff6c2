// Package closure is a client for the Railway (Closure Health) API: patients,
// practitioners, schedules, open slots and appointments. It is not affiliated
// with the vendor.
//
// # Booking ends in one of three ways
//
// The network can fail after a request left: is there an appointment or not?
// [Client.BookSlot] always returns one of three endings, and never books twice to find
// out:
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
// with one IdempotencyKey ask for one appointment, so that you can call
// [Client.BookFirstAvailable] again. Without a journal, what the SDK knows dies with the
// process. Read docs/production.md before you book for real patients.
//
// # Map
//
//   - Make a client: [NewClient], [NewClientFromEnv].
//   - Book: [Client.BookSlot], [Client.BookFirstAvailable],
//     [Client.RescheduleBooking], [Client.CancelBooking].
//   - Settle: [Client.ResolveBooking], [Client.ResolvePending], [AssumeLostAfter],
//     [Journal], [BookingAttempt].
//   - Find open slots: [AvailabilitiesService.Search], [AvailabilitiesService.First],
//     [AvailabilitiesService.List].
//   - Patients and the directory: [PatientsService], [PractitionersService],
//     [SchedulesService], [SpecialtiesService], [InsurancesService],
//     [LocationsService], [AppointmentTypesService], [IndexVersionsService].
//   - Appointments, one request each: [AppointmentsService].
//   - Errors: [OutcomeOf], [APIError], [TransportError], [InputError],
//     [InsuranceError], [OutcomeUnknownError], [JournalError], and the sentinels such
//     as [ErrSlotUnavailable].
//   - Options of a client: [WithAPIVersion], [WithBaseURL], [WithHTTPClient],
//     [WithJournal], [WithLogger], [WithMode], [WithRateLimit],
//     [WithRetryPolicy], [WithTimeout]. Many are options of one call, too.
//   - Watch: [WithObserver] for calls, [WithBookingObserver] for how bookings ended.
//   - If a guess of this package is wrong: [Client.Call], [WithRoute],
//     [CaptureResponse].
//
// # Privacy
//
// No error text, log record, event or trace of this package holds a name, a
// birth date, an id, a time of care or a URL. Values that hold a person's data
// print redacted under every verb of fmt and in slog; their fields don't.
// docs/privacy.md lists the ways to print for which Go offers no hook.
//
// # Retries
//
// A read is tried again after any failure that may pass. A write is tried again only if
// nothing left this machine, and never after a failure that leaves open whether it was
// carried out. After a 429 the booking calls look first whether it was.
// [RetryPolicy] has the figures.
//
// # Testing
//
// Package closuretest is a stateful test double of the API. It runs in process, and fails
// on demand.
//
// # What is published
//
// The comment of each method names the call of the API and its source: the vendor's
// guide, its reference pages, or "inferred", which means that it is published nowhere
// and was chosen to fit the rest.
package closure
