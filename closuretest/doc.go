// Package closuretest is a test double of the Railway (Closure Health) booking API: a
// stateful server that behaves like the API, and that fails when a test tells it to. It
// needs no network and no key.
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
// [Server.Client] and [Server.Transport] serve within the process, without a socket or a
// goroutine: they work inside a testing/synctest bubble, where delays cost no time.
// [Server.Start] listens on the loopback interface, for code that makes its own
// connections. The program closure-sandbox (cmd/closure-sandbox) serves the same double to
// other languages and to curl. All of them use the same handler.
//
// # Data
//
// A server holds the data of the vendor's booking guide: [GuidePatientID],
// [GuideScheduleID], [GuideSlot] and so on. AddPatient and the other Add methods add to it,
// and [WithGenerated] adds a whole clinic. The server applies the rules. A slot can be
// booked once, and that closes the slots that overlap it; cancelling and rescheduling free
// it. A schedule that is open_slots_only refuses bookings. A malformed request gets 400
// with the reasons, an unknown record 404, a taken slot 409, an invalid key 401, and a
// live key 403. The server keeps no more of a request with a live key than its operation.
//
// # Faults
//
// A [Fault] strikes before the request is carried out ([DropBefore], [Status]) or after it
// ([DropAfter], [StatusAfter]). It can carry the request out late ([CommitLate]), spoil
// the reply ([Delay], [Truncate], [Malformed], [Huge]), or show a read an old state
// ([Stale]). [Fault.Times] and [Fault.Probability] say how often it strikes.
// [AllowDuplicates] and [StaleReads] make a server with weaker rules.
// [Server.Appointments] is the ledger of what was really committed, and [Server.Requests]
// returns what arrived.
//
// # Time and chance
//
// The clock stands at 2022-05-01T00:00:00Z unless [WithClock] says otherwise. Ids,
// generated data and random draws come from one seed: the same seed and the same requests
// give the same bytes. An id is made from what is booked, and a draw from the request, so
// that this holds for concurrent requests too; only X-Request-Id and the order of lists
// depend on the order of arrival. Use [RandomSeed] for another seed in each run; with
// [ReportTo], a failing run logs the seed that repeats it.
//
// # What it does not simulate
//
//	the API                               the double
//	live mode                             refused, 403
//	permissions of keys                   a key that starts with ch_sk_test may do everything; 403 is a Status fault
//	rate limits                           none; 429 is a Status fault
//	error_code                            never sent: we don't have the published list
//	error_type                            server_error and invalid_request, and no others
//	fields that are null                  left out
//	other API versions                    Closure-API-Version is checked for its form, and may be absent
//	insurance checks at booking           none, because none is published
//	insurances that are out of date       add a schedule with the insurances you want
//	updates of the directory              by Index and the Add methods; the API publishes none
//	index versions of a copy              a new version is a copy of the standard one
//	paging                                none, because none is published
//	matching of names                     first (or preferred, or first and middle) and last name, case ignored
//	what a new patient needs              first_name, last_name and dob
//	an appointment's end, no-shows        nothing happens when its time comes
//	changes by staff                      AddAppointment, AddSlots
//	HTTP/2, TLS, compression              plain HTTP/1.1; gzip only by Huge
//
// What is inferred in the contract is inferred in the double: it can't prove that the API
// does the same. The SDK's README lists what is published.
//
// Some mistakes of a test fail the test given to [ReportTo]: a fault that can never strike,
// such as one of an operation that does not exist, an option that the client refuses, or a
// server that can't be started. Every call is then answered with status 400, error_code
// closuretest_misuse, and the reason as error_message. Records that a test adds are not
// checked.
package closuretest
