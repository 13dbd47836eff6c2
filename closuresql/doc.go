// Package closuresql keeps the journal of closure-go in your own database, PostgreSQL or
// SQLite, by database/sql and the driver that you use.
//
//	journal, err := closuresql.Open(ctx, closuresql.PostgreSQL, db) // a *sql.DB of yours; creates no table
//	client, err := closure.NewClientFromEnv(closure.WithJournal(journal))
//
// [Migrate] makes the tables, or your own tool does, from [Schema].
//
// [Journal.Find] with a [closure.BookingAttempt] that has only the IdempotencyKey tells the
// state of an order without booking: no entry, a pending one, or a booked one with its appointment.
//
// # What is in the tables
//
// A journal says who sees which doctor when. With [WithKeyset] that is sealed. The tables
// still show how many attempts there are, and of each its random ID, whether it is pending or
// booked, when it was written, whether it moves an appointment, how many keys it has and about
// how long its texts are; and when an appointment was cancelled. Without a keyset everybody who
// can read the tables, their backups or their replicas can read the attempts.
//
// SQLite creates its file with the process's umask, so that other users can usually read it
// (0644). Create it yourself first: os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600).
//
// # How it keeps its promises
//
// A slot, an idempotency key and an appointment each have a unique index. Each call is one
// statement or one short transaction, for which READ COMMITTED is enough, and keeps nothing
// in the session: PgBouncer can pool by transaction. No lock outlives its transaction, so a
// process that dies holds none.
//
// # Its errors
//
// The texts of errors are this package's own, because a driver's can name the database's user,
// host and file. The driver's error is wrapped, also in a [closure.JournalError].
package closuresql
