package closuresql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/closurehealth/closure-go"
)

// pageSize is how many rows are read at once: between pages nothing is held.
const pageSize = 500

// A pager reads a table from its oldest row on.
type pager struct {
	j     *Journal
	query string
	args  []any // those before the place to go on from
	begun int64 // of the last row that was read
	id    string
}

func (j *Journal) pager(query string, args ...any) *pager {
	return &pager{j: j, query: query, args: args, begun: math.MinInt64}
}

// next reads a page; an empty one is the end.
func (p *pager) next(ctx context.Context) (page []storedRow, err error) {
	args := append(append([]any(nil), p.args...), p.begun, p.id, pageSize)
	rows, err := p.j.db.QueryContext(ctx, p.query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var row storedRow
		if err := rows.Scan(append(row.columns(), &p.begun)...); err != nil {
			return nil, err
		}
		p.id = row.id
		page = append(page, row)
	}
	return page, rows.Err()
}

// Pending yields the entries whose outcome isn't known, oldest first. It reads page
// by page, and holds nothing while it yields: what begins or ends meanwhile may be
// among them or not. Rows that can't be read are in its last error, an
// [*EntryError] each, so that they don't keep the others from being settled.
func (j *Journal) Pending(ctx context.Context) iter.Seq2[closure.JournalEntry, error] {
	return func(yield func(closure.JournalEntry, error) bool) {
		if err := j.check(ctx, "Pending"); err != nil {
			yield(closure.JournalEntry{}, err)
			return
		}
		var unread []error
		for pager := j.pager(j.statements.pending); ; {
			page, err := pager.next(ctx)
			if err != nil {
				unread = append(unread, j.because("closuresql: pending", err))
			}
			if len(page) == 0 || err != nil {
				break
			}
			for _, row := range page {
				entry, err := j.read(row)
				if err != nil {
					unread = append(unread, err)
				} else if !yield(*entry, nil) {
					return
				}
			}
		}
		if err := someOf(unread); err != nil {
			yield(closure.JournalEntry{}, err)
		}
	}
}

// remembered is for how long at least a released appointment is remembered.
const remembered = 24 * time.Hour

// Purge removes the booked entries of visits that began before the given time, with
// their keys, and what it remembers of appointments that were released before then,
// and at least a day ago. Pending entries stay: ResolvePending settles them.
//
// The key of a purged entry is free: a booking with it is a new one. What a visit's
// start is can't be told from a row without opening it, so Purge reads all that was
// written before that time: run it once a day, not once a minute. It is safe to call
// again and by several processes at once. It returns how many entries it removed,
// and goes on after one that can't be read, an [*EntryError].
func (j *Journal) Purge(ctx context.Context, before time.Time) (removed int, err error) {
	if err := j.check(ctx, "Purge"); err != nil {
		return 0, err
	}
	var unread []error
	for pager := j.pager(j.statements.booked, before.UnixMicro()); ; {
		page, err := pager.next(ctx)
		if err != nil {
			return removed, j.because("closuresql: purge", err)
		}
		if len(page) == 0 {
			break
		}
		past, errs := j.past(page, before)
		unread = append(unread, errs...)
		n, err := j.removeAll(ctx, past)
		removed += n
		if err != nil {
			return removed, j.because("closuresql: purge", err)
		}
	}
	if day := time.Now().Add(-remembered); before.After(day) {
		before = day
	}
	err = j.inTx(ctx, j.db, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, j.statements.deleteReleased, before.UnixMicro())
		return err
	})
	if err != nil {
		return removed, j.because("closuresql: purge", err)
	}
	return removed, someOf(unread)
}

// someOf is at most ten of the errors, and how many more there are: with a key that is
// missing, all rows can't be read.
func someOf(errs []error) error {
	const some = 10
	if len(errs) > some {
		errs = append(slices.Clip(errs[:some]), fmt.Errorf("closuresql: %d more entries can't be read", len(errs)-some))
	}
	return errors.Join(errs...)
}

// past are the entries of visits that began before the given time.
func (j *Journal) past(page []storedRow, before time.Time) (past []closure.JournalEntry, unread []error) {
	for _, row := range page {
		entry, err := j.read(row)
		switch {
		case err != nil:
			unread = append(unread, err)
		case entry.Attempt.StartAt.Before(before):
			past = append(past, *entry)
		}
	}
	return past, unread
}

// removeAll removes booked entries in one transaction, but for those that changed.
func (j *Journal) removeAll(ctx context.Context, entries []closure.JournalEntry) (removed int, err error) {
	if len(entries) == 0 {
		return 0, nil
	}
	err = j.inTx(ctx, j.db, func(ctx context.Context, tx *sql.Tx) error {
		removed = 0
		for _, entry := range entries {
			err := (&ending{j, entry}).removeBooked(ctx, tx)
			if errors.Is(err, errNothing) {
				continue
			}
			if err != nil {
				return err
			}
			removed++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}
