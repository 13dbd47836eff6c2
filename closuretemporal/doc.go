// Package closuretemporal books appointments that settle themselves, over hours
// and across machines, as workflows of Temporal (https://docs.temporal.io). A
// booking whose process dies, whose answer gets lost, or whose appointment shows
// hours late is looked after until it is confirmed, refused or settled by a person;
// meanwhile nothing is sent twice.
//
// A worker holds the [closure.Client] and does the work ([Register]); a program
// that books needs a Temporal client and no API key ([New], [Bookings.Start],
// [Pending.Wait]). Both make their Temporal client with [ClientOptions], or the
// history holds patients' data in clear.
//
// The README has the states, how to run it, and when the journal of a database
// (closure.WithJournal) is enough.
package closuretemporal
