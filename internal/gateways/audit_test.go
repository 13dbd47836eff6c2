package gateways

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// The audit finds each kind of violation, when it is made on purpose.
func TestAuditSees(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, u *upstream, made []*closure.Booking, errs []error)
		want result
	}{
		{"nothing", func(*testing.T, *upstream, []*closure.Booking, []error) {}, result{Booked: 3, Held: 3}},
		{"two appointments", func(_ *testing.T, u *upstream, made []*closure.Booking, _ []error) {
			double := made[1].Appointment
			double.ID = ""
			u.api.AddAppointment(double)
		}, result{Booked: 3, Held: 4, Lies: 1}},
		{"told not booked", func(_ *testing.T, _ *upstream, _ []*closure.Booking, errs []error) {
			errs[0] = closure.ErrNotBooked
		}, result{Booked: 2, NotBooked: 1, Held: 3, Lies: 1}},
		{"told booked", func(_ *testing.T, u *upstream, made []*closure.Booking, _ []error) {
			u.orders[2].StartAt = u.orders[2].StartAt.Add(-1000 * time.Hour) // nobody has an appointment then
			made[2].Recovered = true
		}, result{Booked: 3, Recovered: 1, Held: 3, Lies: 1}},
		{"a write that arrives twice", func(t *testing.T, u *upstream, _ []*closure.Booking, _ []error) {
			for body := range u.writes {
				u.post(t, body)
				return
			}
		}, result{Booked: 3, Held: 3, SentTwice: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, 3)
			client, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL("http://"+u.address))
			if err != nil {
				t.Fatal(err)
			}
			made, errs := make([]*closure.Booking, 3), make([]error, 3)
			for i, order := range u.orders {
				made[i], errs[i] = client.BookSlot(t.Context(), order)
			}
			tt.do(t, u, made, errs)
			if got := u.audit(t, made, errs); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// post sends the request again, as a gateway would.
func (u *upstream) post(t *testing.T, body string) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("http://%s/appointments", u.address), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(closure.QuickstartKey, "")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode < 400 {
		t.Errorf("status %d: the double took the slot twice", resp.StatusCode)
	}
}
