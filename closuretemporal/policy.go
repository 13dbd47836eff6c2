package closuretemporal

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/closurehealth/closure-go"
)

// A Policy says how long a booking sends, looks and waits. Zero fields take the default. No
// field may be negative or longer than ten years. A booking keeps the policy that it was
// started with. In JSON, the durations are nanoseconds.
type Policy struct {
	// SendTimeout bounds one attempt to send, with the reads before it and the looks right
	// after it; the default is 1 minute, the least 2 s. After it, nothing is sent, even by
	// a worker that was frozen and wakes up. The README says how far that goes.
	SendTimeout time.Duration `json:"send_timeout"`

	// GiveUpSending bounds, from the start of the booking, how long a booking that
	// wasn't sent is tried again, or waits for a worker; the default is 10 minutes.
	GiveUpSending time.Duration `json:"give_up_sending"`

	// FirstLook is when an attempt whose outcome is unknown is looked for first; the
	// waits double up to MaxWait. The defaults are 5 s and 15 minutes, the least 1 s.
	FirstLook time.Duration `json:"first_look"`
	MaxWait   time.Duration `json:"max_wait"`

	// AssumeLostAfter ends an attempt in [closure.ErrNotBooked] that a clean look
	// doesn't show for so long after it was sent. Zero: never, and a person settles it.
	// Choose it by what you know of the API: a booking that appears after it is a
	// second one if the caller books again. An API without a list of appointments is
	// never looked at cleanly, nor is one that shows an appointment that may be the
	// attempt's and was moved ([closure.Client.ResolveBooking]).
	AssumeLostAfter time.Duration `json:"assume_lost_after"`

	// EscalateAfter is for how long a booking may be unknown before it is reported as
	// [StateEscalated]; the default is 1 hour. The looks go on after that. A change
	// ends after as long from its start.
	EscalateAfter time.Duration `json:"escalate_after"`
}

func (p Policy) withDefaults() Policy {
	p.SendTimeout = cmp.Or(p.SendTimeout, time.Minute)
	p.GiveUpSending = cmp.Or(p.GiveUpSending, 10*time.Minute)
	p.FirstLook = cmp.Or(p.FirstLook, 5*time.Second)
	p.MaxWait = cmp.Or(p.MaxWait, 15*time.Minute)
	p.EscalateAfter = cmp.Or(p.EscalateAfter, time.Hour)
	return p
}

func (p Policy) check() error {
	for _, d := range []struct {
		field string
		value time.Duration
		least time.Duration
	}{
		{"SendTimeout", p.SendTimeout, minSendTimeout},
		{"GiveUpSending", p.GiveUpSending, 0},
		{"FirstLook", p.FirstLook, minWait},
		{"MaxWait", p.MaxWait, minWait},
		{"AssumeLostAfter", p.AssumeLostAfter, 0},
		{"EscalateAfter", p.EscalateAfter, 0},
	} {
		switch {
		case d.value < 0:
			return refuse("New", "Policy."+d.field, "is negative")
		case d.value < d.least:
			return refuse("New", "Policy."+d.field, "is shorter than "+d.least.String())
		case d.value > maxDuration:
			return refuse("New", "Policy."+d.field, "is longer than ten years")
		}
	}
	return nil
}

const (
	minSendTimeout = 2 * time.Second
	minWait        = time.Second               // a shorter one is a storm of requests
	maxDuration    = 10 * 365 * 24 * time.Hour // what is doubled or added stays a time
)

// heartbeat is how soon a worker that died is noticed.
func (p Policy) heartbeat() time.Duration { return min(10*time.Second, p.SendTimeout/2) }

// A State is where a booking is. The zero State is that of one that hasn't begun.
type State int

// The states. The last three are final.
const (
	StateSending   State = iota // about to be sent, or sent a moment ago
	StateWaiting                // not sent, and will be tried again
	StateSettling               // it may have been sent: looked for, from time to time
	StateEscalated              // the same for longer than EscalateAfter: [Pending.Settle] it
	StateConfirmed              // booked
	StateRejected               // not booked: refused, or given up with nothing sent
	StateNotBooked              // assumed not to be booked, by AssumeLostAfter or a person
)

var stateNames = [...]string{"sending", "waiting", "settling", "escalated", "confirmed", "rejected", "not booked"}

// String returns the state's name, such as "settling".
func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return "unknown"
	}
	return stateNames[s]
}

// Settled reports whether the state is final.
func (s State) Settled() bool { return s >= StateConfirmed }

// A Status is where a booking is and since when. It holds nothing of the patient.
type Status struct {
	State    State     `json:"state"`
	Since    time.Time `json:"since"`               // of the state
	Sends    int       `json:"sends"`               // attempts to send
	Looks    int       `json:"looks"`               // times that it was looked for since
	LastLook time.Time `json:"last_look"`           // zero: never
	SlotOpen *bool     `json:"slot_open,omitempty"` // whether the slot showed as open then; nil: not known
}

// A Verdict is what a person found out about a booking, by a call to the practice
// or a look at its calendar.
type Verdict struct {
	appointment closure.AppointmentID
	notBooked   bool
}

// Booked is the verdict that there is this appointment.
func Booked(id closure.AppointmentID) Verdict { return Verdict{appointment: id} }

// NotBooked is the verdict that there is no appointment, and that none will come.
func NotBooked() Verdict { return Verdict{notBooked: true} }

// Format prints no more than the type, under every verb.
func (v Verdict) Format(f fmt.State, _ rune) { printRedacted(f, "Verdict") }

// LogValue shows no more than the type.
func (v Verdict) LogValue() slog.Value { return redactedValue("Verdict") }

type verdictJSON struct {
	Appointment closure.AppointmentID `json:"appointment,omitempty"`
	NotBooked   bool                  `json:"not_booked,omitempty"`
}

// MarshalJSON writes the verdict for the history.
func (v Verdict) MarshalJSON() ([]byte, error) {
	return json.Marshal(verdictJSON{v.appointment, v.notBooked})
}

// UnmarshalJSON reads the verdict from the history.
func (v *Verdict) UnmarshalJSON(data []byte) error {
	var read verdictJSON
	if json.Unmarshal(data, &read) != nil {
		return refuse("Settle", "Verdict", "is not one")
	}
	*v = Verdict{read.Appointment, read.NotBooked}
	return nil
}

func (v Verdict) check() error {
	if (v.appointment != "") == v.notBooked {
		return refuse("Settle", "Verdict", "is neither Booked nor NotBooked")
	}
	return nil
}
