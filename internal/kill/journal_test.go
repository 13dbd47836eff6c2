package kill

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A journalRequest is a journal call on its way from one process to another.
type journalRequest struct {
	Attempt     closure.BookingAttempt
	Entry       closure.JournalEntry
	Appointment closure.AppointmentID
}

type journalReply struct{ Entries []closure.JournalEntry }

// A remoteJournal is a process's connection to the journal, which is in the test's process.
type remoteJournal struct{ url string }

var _ closure.Journal = (*remoteJournal)(nil)

func (j *remoteJournal) ask(ctx context.Context, method string, q journalRequest) ([]closure.JournalEntry, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, j.url+"/"+method, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the journal answered %d", resp.StatusCode)
	}
	var r journalReply
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		return nil, err
	}
	return r.Entries, nil
}

func (j *remoteJournal) one(ctx context.Context, method string, q journalRequest) (*closure.JournalEntry, error) {
	entries, err := j.ask(ctx, method, q)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	return &entries[0], nil
}

func (j *remoteJournal) Begin(ctx context.Context, attempt closure.BookingAttempt) (*closure.JournalEntry, error) {
	return j.one(ctx, "begin", journalRequest{Attempt: attempt})
}

func (j *remoteJournal) Find(ctx context.Context, attempt closure.BookingAttempt) (*closure.JournalEntry, error) {
	return j.one(ctx, "find", journalRequest{Attempt: attempt})
}

func (j *remoteJournal) FindAppointment(ctx context.Context, id closure.AppointmentID) (*closure.JournalEntry, error) {
	return j.one(ctx, "find-appointment", journalRequest{Appointment: id})
}

func (j *remoteJournal) Finish(ctx context.Context, entry closure.JournalEntry) error {
	_, err := j.ask(ctx, "finish", journalRequest{Entry: entry})
	return err
}

func (j *remoteJournal) Release(ctx context.Context, id closure.AppointmentID) error {
	_, err := j.ask(ctx, "release", journalRequest{Appointment: id})
	return err
}

func (j *remoteJournal) Pending(ctx context.Context) iter.Seq2[closure.JournalEntry, error] {
	return func(yield func(closure.JournalEntry, error) bool) {
		entries, err := j.ask(ctx, "pending", journalRequest{})
		for _, entry := range entries {
			if !yield(entry, nil) {
				return
			}
		}
		if err != nil {
			yield(closure.JournalEntry{}, err)
		}
	}
}

// serveJournal serves one call, in the test's process.
func serveJournal(journal *closuretest.Journal, w http.ResponseWriter, r *http.Request) {
	var q journalRequest
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &q) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	// A call that has arrived is carried out even if nobody waits anymore.
	entries, err := serveCall(context.WithoutCancel(r.Context()), journal, r.URL.Path, q)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(journalReply{entries}) // the process may be dead
}

func serveCall(ctx context.Context, journal *closuretest.Journal, method string, q journalRequest) (entries []closure.JournalEntry, err error) {
	var entry *closure.JournalEntry
	switch method {
	case "/begin":
		entry, err = journal.Begin(ctx, q.Attempt)
	case "/find":
		entry, err = journal.Find(ctx, q.Attempt)
	case "/find-appointment":
		entry, err = journal.FindAppointment(ctx, q.Appointment)
	case "/finish":
		err = journal.Finish(ctx, q.Entry)
	case "/release":
		err = journal.Release(ctx, q.Appointment)
	case "/pending":
		for pending, failed := range journal.Pending(ctx) {
			if failed != nil {
				return nil, failed
			}
			entries = append(entries, pending)
		}
	default:
		err = fmt.Errorf("no such method")
	}
	if entry != nil {
		entries = append(entries, *entry)
	}
	return entries, err
}
