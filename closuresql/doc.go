// Package closuresql keeps the journal of closure-go in a database that you have:
// PostgreSQL or SQLite, by database/sql and whatever driver you use.
//
//	journal, err := closuresql.Open(ctx, closuresql.PostgreSQL, db) // a *sql.DB of yours; creates nothing
//	client, err := closure.NewClientFromEnv(closure.WithJournal(journal))
//
// The tables are made by [Migrate], or by your own tool from [Schema].
//
// # What is in the tables
//
// What a journal holds says who sees which doctor when. With [WithKeyset] the
// tables show in clear how many attempts there are, whether each is pending or
// booked, when it was written, and its random ID; the rest is sealed, or a keyed
// hash. Without it the attempts can be read by all who can read the tables, their
// backups or their replication.
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
