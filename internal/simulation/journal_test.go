package simulation

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A journalConn is one process's connection to the journal that all processes of the clinic
// share. It is sometimes slow, and fails. What happens to a call depends on (seed, patient,
// call, what it is about, how often it came).
type journalConn struct {
	journal   *closuretest.Journal
	transport *processTransport
	freeze    time.Duration // how long the process is frozen after the next Begin
}

var _ closure.Journal = (*journalConn)(nil)

// A journalFault is what goes wrong with one call of the journal.
type journalFault int

const (
	journalWorks       journalFault = iota
	journalFailsBefore              // nothing is recorded
	journalFailsAfter               // it is recorded, but the call returns an error
	journalSlow                     // it is recorded, and the call takes seconds
	journalHangs                    // it is recorded, and the call takes longer than a request may
)

const journalFaultRate = 0.12

var errJournalFailed = errors.New("simulation: the journal failed")

// A journalFate is everything that is drawn for one call.
type journalFate struct {
	fault     journalFault
	out, back time.Duration
}

func drawJournalFate(d *dice) journalFate {
	f := journalFate{
		out: d.between(time.Millisecond, 8*time.Millisecond), back: d.between(time.Millisecond, 8*time.Millisecond),
	}
	if !d.chance(journalFaultRate) {
		return f
	}
	switch at := d.below(100); {
	case at < 35:
		f.fault = journalFailsBefore
	case at < 70:
		f.fault = journalFailsAfter
	case at < 92:
		f.fault = journalSlow
		f.back = d.between(100*time.Millisecond, 4*time.Second)
	default:
		f.fault = journalHangs
		f.back = d.between(25*time.Second, 75*time.Second)
	}
	return f
}

func (j *journalConn) fate(ctx context.Context, about ...string) journalFate {
	w := j.transport.network
	id := hash(append(about, "journal")...)
	if by, ok := ctx.Value(callKey{}).(*call); ok {
		id = mix(id + by.number)
	}
	return drawJournalFate(newDice(w.clinic.seed, uint64(w.patient), id, w.count(id)))
}

// do makes a call of the journal. Once it was sent, it is carried out even if the process
// crashes.
func (j *journalConn) do(ctx context.Context, f journalFate, act func(context.Context) error) error {
	if j.transport.dead.Load() {
		return errCrash
	}
	arrived := make(chan error, 1)
	go func() {
		time.Sleep(f.out)
		if f.fault == journalFailsBefore {
			arrived <- errJournalFailed
			return
		}
		arrived <- act(context.WithoutCancel(ctx))
	}()
	var err error
	select {
	case err = <-arrived:
	case <-ctx.Done():
		return ctx.Err()
	}
	if cause := sleep(ctx, f.back); cause != nil {
		return cause
	}
	if f.fault == journalFailsAfter {
		return errJournalFailed
	}
	return err
}

// consulted notes when the call was told what the journal holds for its order.
func (j *journalConn) consulted(ctx context.Context) {
	by, ok := ctx.Value(callKey{}).(*call)
	if !ok || by.pending {
		return
	}
	clinic := j.transport.network.clinic
	clinic.mu.Lock()
	defer clinic.mu.Unlock()
	by.consulted = time.Now()
}

// of names what a call is about. It leaves out the attempt's ID, which is random, so that runs
// repeat.
func of(attempt closure.BookingAttempt) []string {
	return []string{string(attempt.PatientID), string(attempt.ScheduleID), clock(attempt.StartAt), attempt.IdempotencyKey,
		string(attempt.AppointmentID)}
}

func (j *journalConn) Begin(
	ctx context.Context, attempt closure.BookingAttempt,
) (there *closure.JournalEntry, err error) {
	var found *closure.JournalEntry
	err = j.do(ctx, j.fate(ctx, append(of(attempt), "begin")...), func(ctx context.Context) (err error) {
		j.consulted(ctx)
		found, err = j.journal.Begin(ctx, attempt)
		return err
	})
	if j.freeze > 0 {
		time.Sleep(j.freeze) // the whole process is frozen, so the context doesn't matter
		j.freeze = 0
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (j *journalConn) Find(
	ctx context.Context, attempt closure.BookingAttempt,
) (there *closure.JournalEntry, err error) {
	var found *closure.JournalEntry
	err = j.do(ctx, j.fate(ctx, append(of(attempt), "find")...), func(ctx context.Context) (err error) {
		j.consulted(ctx)
		found, err = j.journal.Find(ctx, attempt)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (j *journalConn) FindAppointment(
	ctx context.Context, id closure.AppointmentID,
) (there *closure.JournalEntry, err error) {
	var found *closure.JournalEntry
	err = j.do(ctx, j.fate(ctx, string(id), "find"), func(ctx context.Context) (err error) {
		found, err = j.journal.FindAppointment(ctx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (j *journalConn) Finish(ctx context.Context, entry closure.JournalEntry) error {
	return j.do(ctx, j.fate(ctx, append(of(entry.Attempt), "finish")...), func(ctx context.Context) error {
		return j.journal.Finish(ctx, entry)
	})
}

func (j *journalConn) Release(ctx context.Context, id closure.AppointmentID) error {
	f := j.fate(ctx, string(id), "release")
	if f.fault == journalFailsBefore && j.transport.network.clinic.cell.behaviour == rebooking {
		// If it weren't recorded, only reads that lag would show the cancellation, which is a limit.
		f.fault = journalFailsAfter
	}
	return j.do(ctx, f, func(ctx context.Context) error { return j.journal.Release(ctx, id) })
}

func (j *journalConn) Pending(ctx context.Context) iter.Seq2[closure.JournalEntry, error] {
	return func(yield func(closure.JournalEntry, error) bool) {
		var pending []closure.JournalEntry
		err := j.do(ctx, j.fate(ctx, "pending"), func(ctx context.Context) error {
			var read []closure.JournalEntry
			for entry, err := range j.journal.Pending(ctx) {
				if err != nil {
					return err
				}
				read = append(read, entry)
			}
			pending = read
			return nil
		})
		if err != nil {
			yield(closure.JournalEntry{}, err)
			return
		}
		for _, entry := range pending {
			if !yield(entry, nil) {
				return
			}
		}
	}
}
