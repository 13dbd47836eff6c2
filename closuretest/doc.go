// Package closuretest is a test double of the Railway (Closure Health) booking
// API: a stateful server that behaves like the API and fails when a test wants
// it to. It needs no network and no key.
//
//	func TestBookingSurvivesALostAnswer(t *testing.T) {
//		server := closuretest.New(closuretest.ReportTo(t))
//		server.Inject(closuretest.DropAfter("appointments.create")) // booked, then the connection is lost
//
//		_, err := book(t.Context(), server.Client()) // the code under test, which calls BookSlot
//
//		if err != nil || len(server.Appointments()) != 1 {
//			t.Errorf("%v, %d appointments, want one", err, len(server.Appointments()))
//		}
//	}
//
// # Three ways in
//
// [Server.Client] and [Server.Transport] serve within the process, without a
// socket or a goroutine: they work inside a testing/synctest bubble, where
// delays cost no time. [Server.Start] listens on the loopback interface, for
// code that makes its own connections. The program closure-sandbox
// (cmd/closure-sandbox) serves the same to other languages and to curl. All
// take the same path through the same handler.
//
// # Data
//
// A server holds the data of the vendor's booking guide: [GuidePatientID],
// [GuideScheduleID], [GuideSlot] and so on. AddPatient and its kin add to it,
// and [WithGenerated] adds a whole clinic. It knows the rules: a slot is taken
// once, and closes those that overlap it; cancelling and rescheduling free it; a
// schedule that is open_slots_only refuses bookings; what can't be read is
// answered 400 with the reasons, an unknown record 404, a taken slot 409, a key
// that is none 401, and a live key 403. A live key, and what came with it, is
// not kept anywhere.
//
// # Faults
//
// A [Fault] strikes before a request is carried out ([DropBefore], [Status]),
// after it ([DropAfter], [StatusAfter]), so that it is carried out late
// ([CommitLate]), on the reply ([Delay], [Truncate], [Malformed], [Huge]), or on
// what a read sees ([Stale]). [Fault.Times] and [Fault.Probability] say how
// often. [AllowDuplicates] and [StaleReads] make a server whose rules are weaker.
// [Server.Appointments] is the ledger of what was really committed, and
// [Server.Requests] what arrived.
//
// # Time and chance
//
// The clock stands at 2022-05-01T00:00:00Z unless [WithClock] says otherwise,
// and ids, generated data and draws come from one seed: the same seed and the
// same requests give the same bytes. Ids are made from what is booked and draws
// from what is asked, so that this holds for concurrent requests too; only
// X-Request-Id and the order of lists go by the order of arrival. A test that
// wants another seed in each run takes [RandomSeed]; with [ReportTo], a failing
// run logs the seed that repeats it.
//
// # What it does not simulate
//
//	the API                               the double
//	live mode                             refused, 403
//	permissions of keys                   any key that starts with ch_sk_test may do all; 403 is a Status fault
//	rate limits                           none; 429 is a Status fault
//	error_code                            never sent: the published list is not at hand
//	error_type                            server_error and invalid_request, none of the others
//	fields that are null                  left out
//	other API versions                    Closure-API-Version is checked for its form, and may be absent
//	insurance checks at booking           none, as none is published
//	insurances that are out of date       add a schedule that lists what you want
//	updates of the directory              by Index and the Add methods; the API publishes none
//	index versions of a copy              a new version is a copy of the standard one
//	paging                                none, as none is published
//	matching of names                     first (or preferred, or first and middle) and last name, case ignored
//	what a new patient needs              first_name, last_name and dob
//	an appointment's end, no-shows        nothing happens when its time comes
//	changes by staff                      AddAppointment, AddSlots
//	HTTP/2, TLS, compression              plain HTTP/1.1; gzip only by Huge
//
// Where the contract is inferred, so is the double: it can't prove that the API
// does the same. The SDK's README lists what is published.
//
// A fault that can never strike, such as one of an operation that does not exist,
// an option that the client refuses, or a server that can't be started fails the
// test given to [ReportTo], and is the answer to every call: status 400,
// error_code closuretest_misuse, and the reason as error_message. What a test adds
// is taken as it is.
package closuretest
