// Package closuresql keeps the journal of closure-go in a database that you have:
// PostgreSQL or SQLite, by database/sql and whatever driver you use.
//
//	journal, err := closuresql.Open(ctx, closuresql.PostgreSQL, db) // a *sql.DB of yours; creates nothing
//	client, err := closure.NewClientFromEnv(closure.WithJournal(journal))
//
// The tables are made by [Migrate], or by your own tool from [Schema].
//
// [Journal.Find] with a [closure.BookingAttempt] that has only the IdempotencyKey tells the
// state of an order without booking: no entry, a pending one, or a booked one with its appointment.
//
// # What is in the tables
//
// What a journal holds says who sees which doctor when. With [WithKeyset] the
// tables show in clear how many attempts there are, whether each is pending or
// booked, when it was written, and its random ID; the rest is sealed, or a keyed
// hash. Without it the attempts can be read by all who can read the tables, their
// backups or their replication.
//
// SQLite creates its file with the process's umask, so that others can usually read it
// (0644): create it before, by os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600).
//
// # How it keeps its promises
//
// What must be there once has a unique index: a slot, an idempotency key, an
// appointment. Each call is one statement or one short transaction, right under
// READ COMMITTED, and keeps nothing in the session: PgBouncer can pool by
// transaction. No lock outlives its transaction, so a process that dies holds none.
//
// # Its errors
//
// Their texts are this package's own: a driver's can name the database's user, host and file.
// [errors.Unwrap] returns the driver's error, also of one that is shown as a [closure.JournalError].
package closuresql
