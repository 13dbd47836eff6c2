// Package closuretemporal runs bookings as workflows of Temporal
// (https://docs.temporal.io), which settle them over hours and across machines. If a
// process dies, an answer gets lost, or an appointment shows hours late, the workflow goes
// on until the booking is confirmed, refused or settled by a person. Meanwhile nothing is
// sent twice.
//
// A worker holds the [closure.Client] and does the work ([Register]); a program
// that books needs a Temporal client and no API key ([New], [Bookings.Start],
// [Pending.Wait]). Both make their Temporal client with [ClientOptions]: without them the
// history would hold patients' data in clear.
//
// The README has the states, how to run it, and when the journal of a database
// (closure.WithJournal) is enough.
package closuretemporal
