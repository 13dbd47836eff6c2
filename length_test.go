package closure_test

import (
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// Which duration is sent if the caller gives none.
func TestBookSlotWithoutADuration(t *testing.T) {
	t.Parallel()
	const at = `{"start_at":"2022-05-20T17:00:00Z"`
	for name, test := range map[string]struct {
		slots  string
		want   string // the field in the request; empty: none
		choice string // why nothing was sent
	}{
		"stated":            {"[" + at + `,"duration":30}]`, `"duration":30`, ""},
		"not stated":        {"[" + at + "}]", "", ""},
		"null":              {"[" + at + `,"duration":null}]`, "", ""},
		"the same twice":    {"[" + at + `,"duration":30},` + at + `,"duration":30}]`, `"duration":30`, ""},
		"stated goes first": {"[" + at + "}," + at + `,"duration":30}]`, `"duration":30`, ""},
		"two":               {"[" + at + `,"duration":30},` + at + `,"duration":15}]`, "", "for 15 and for 30 minutes"},
		"two and one without": {
			"[" + at + `,"duration":30},` + at + "}," + at + `,"duration":15}]`, "", "for 15 and for 30 minutes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c := openPractice(t, nil)
			p.slots = test.slots
			booking, err := c.BookSlot(t.Context(), bookingParams())
			if test.choice != "" {
				refused(t, name, err, "BookSlot", "Duration")
				if !strings.Contains(err.Error(), test.choice) {
					t.Errorf("the choice isn't named: %v", err)
				}
				p.sent(t, 0, 0)
				return
			}
			ends(t, booking, err, "booked")
			if body := p.bodies[0]; !strings.Contains(body, test.want) ||
				(test.want == "") == strings.Contains(body, "duration") {
				t.Errorf("sent %s, want %q", body, test.want)
			}
		})
	}
	t.Run("given", func(t *testing.T) {
		t.Parallel()
		p, c := openPractice(t, nil)
		p.slots = "[" + at + `,"duration":30},` + at + `,"duration":15}]`
		params := bookingParams()
		params.Duration = 30
		booking, err := c.BookSlot(t.Context(), params)
		ends(t, booking, err, "booked")
	})
}

// BookFirstAvailable leaves out a slot that can't be named to the millisecond, takes the
// shortest of several at one start, and asks for no duration where none is stated.
func TestBookFirstAvailableOddSlots(t *testing.T) {
	t.Parallel()
	params := closure.BookFirstParams{PatientID: guide.patient, Search: closure.SlotSearch{
		Schedules: []closure.ScheduleID{guide.schedule}, From: guide.start, To: guide.start.Add(2 * time.Hour),
	}}
	for name, test := range map[string]struct{ slots, want string }{
		"no whole millisecond": {
			`[{"start_at":"2022-05-20T17:00:00.0001Z","duration":15},{"start_at":"2022-05-20T17:30:00Z","duration":30}]`,
			`"start_at":"2022-05-20T17:30:00.000Z","duration":30`,
		},
		"two durations": {
			`[{"start_at":"2022-05-20T17:00:00Z","duration":30},{"start_at":"2022-05-20T17:00:00Z","duration":15}]`,
			`"duration":15`,
		},
		"no duration": {`[{"start_at":"2022-05-20T17:00:00Z"}]`, `"start_at":"2022-05-20T17:00:00.000Z"}`},
	} {
		p, c := openPractice(t, nil)
		p.slots = test.slots
		booking, err := c.BookFirstAvailable(t.Context(), params)
		ends(t, booking, err, "booked")
		if len(p.bodies) != 1 || !strings.Contains(p.bodies[0], test.want) {
			t.Errorf("%s: sent %q, want %s", name, p.bodies, test.want)
		}
	}
	p, c := openPractice(t, nil)
	p.slots = `[{"start_at":"2022-05-20T17:00:00.0001Z","duration":15}]`
	_, err := c.BookFirstAvailable(t.Context(), params)
	isErrors(t, err, closure.ErrNoSlot)
	slot, err := c.Availabilities.First(t.Context(), params.Search)
	noError(t, err) // a search shows what the API shows
	if slot.StartAt.Nanosecond() != 100_000 {
		t.Errorf("%v", slot.StartAt)
	}
}
