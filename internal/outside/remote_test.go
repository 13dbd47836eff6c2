package outside

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"strings"

	closure "github.com/closurehealth/closure-go"
)

// remote is a journal over HTTP, so that processes share it.
type remote struct{ url string }

type message struct {
	Attempt *closure.BookingAttempt `json:",omitempty"`
	Entry   *closure.JournalEntry   `json:",omitempty"`
	ID      closure.AppointmentID   `json:",omitempty"`
}

func (r remote) call(ctx context.Context, method string, in message, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New("the journal's status")
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

func (r remote) Begin(ctx context.Context, a closure.BookingAttempt) (e *closure.JournalEntry, err error) {
	err = r.call(ctx, "begin", message{Attempt: &a}, &e)
	return e, err
}

func (r remote) Find(ctx context.Context, a closure.BookingAttempt) (e *closure.JournalEntry, err error) {
	err = r.call(ctx, "find", message{Attempt: &a}, &e)
	return e, err
}

func (r remote) FindAppointment(ctx context.Context, id closure.AppointmentID) (e *closure.JournalEntry, err error) {
	err = r.call(ctx, "findappt", message{ID: id}, &e)
	return e, err
}

func (r remote) Finish(ctx context.Context, e closure.JournalEntry) error {
	var nothing any
	return r.call(ctx, "finish", message{Entry: &e}, &nothing)
}

func (r remote) Release(ctx context.Context, id closure.AppointmentID) error {
	var nothing any
	return r.call(ctx, "release", message{ID: id}, &nothing)
}

func (r remote) Pending(ctx context.Context) iter.Seq2[closure.JournalEntry, error] {
	return func(yield func(closure.JournalEntry, error) bool) {
		var entries []closure.JournalEntry
		if err := r.call(ctx, "pending", message{}, &entries); err != nil {
			yield(closure.JournalEntry{}, err)
			return
		}
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// serve serves j to remote. It calls done after each method.
func serve(j *memory, done func(method string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := strings.Trim(r.URL.Path, "/")
		var in message
		err := json.NewDecoder(r.Body).Decode(&in)
		var out any
		if err == nil {
			out, err = perform(r.Context(), j, method, in)
		}
		done(method)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(out)
	})
}

func perform(ctx context.Context, j *memory, method string, in message) (any, error) {
	switch method {
	case "begin":
		return j.Begin(ctx, *in.Attempt)
	case "find":
		return j.Find(ctx, *in.Attempt)
	case "findappt":
		return j.FindAppointment(ctx, in.ID)
	case "finish":
		return nil, j.Finish(ctx, *in.Entry)
	case "release":
		return nil, j.Release(ctx, in.ID)
	}
	entries := []closure.JournalEntry{}
	for e, err := range j.Pending(ctx) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}
