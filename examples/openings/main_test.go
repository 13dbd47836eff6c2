package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
	"github.com/closurehealth/closure-go/internal/commandline"
)

var update = flag.Bool("update", false, "write testdata")

// server has the guide's practitioner with a busy day, one whose calendar can't
// be found any more, and one with slots in the night in which Berlin's clocks change.
func server() *closuretest.Server {
	s := closuretest.New()
	busy := closuretest.GuideSlot().StartAt
	for i := range 12 {
		s.AddSlots(closuretest.GuideScheduleID, closure.Slot{
			StartAt: busy.Add(time.Duration(i) * 20 * time.Minute), Duration: 20,
		})
	}
	other := s.AddSchedule(closure.Schedule{
		Practitioner: closure.PractitionerRef{
			ID: s.AddPractitioner(closure.Practitioner{FirstName: "Björn", LastName: "Ångström-Featherstonehaugh"}).ID,
		},
		Location:         closure.LocationRef{ID: "loc_without_a_name"},
		SchedulingMethod: closure.SchedulingOpenSlotsOnly,
	})
	for i := range 5 {
		change := time.Date(2022, time.October, 30, 1, 0, 0, 0, time.UTC)
		s.AddSlots(other.ID, closure.Slot{StartAt: change.Add(time.Duration(i-2) * 30 * time.Minute), Duration: 30})
	}
	return s
}

func TestOutput(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]settings{
		"week":    {from: closure.NewDate(2022, time.May, 16), days: 7},
		"kolkata": {from: closure.NewDate(2022, time.May, 16), days: 8, zone: zone(t, "Asia/Kolkata")},
		"after":   {from: closure.NewDate(2022, time.May, 20), days: 3, after: &closure.ClockTime{Hour: 15}},
		"clocks":  {from: closure.NewDate(2022, time.October, 29), days: 3, zone: zone(t, "Europe/Berlin")},
		"empty":   {from: closure.NewDate(2022, time.May, 9), days: 7},
		"never":   {from: closure.NewDate(2024, time.May, 9), days: 7},
	} {
		s.practitioners = 8
		var out bytes.Buffer
		if err := run(t.Context(), server().Client(), s, &progress{}, &out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		golden := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%s (%v):\n%s\nwant\n%s", golden, err, out.Bytes(), want)
		}
	}
}

// A calendar that can't be read is named, and the others are shown.
func TestFailure(t *testing.T) {
	t.Parallel()
	double := server()
	double.Inject(closuretest.Status("availabilities.list", 404))
	var out bytes.Buffer
	err := run(t.Context(), double.Client(),
		settings{from: closure.NewDate(2022, time.May, 16), days: 7, practitioners: 8}, &progress{}, &out)
	if err == nil || !bytes.Contains(out.Bytes(), []byte("(could not be read)")) {
		t.Errorf("%v\n%s", err, out.Bytes())
	}
}

func TestNobodyAcceptsTheInsurance(t *testing.T) {
	t.Parallel()
	s, err := parseFlags([]string{"-insurance", "ins_nope"})
	if err != nil {
		t.Fatal(err)
	}
	err = run(t.Context(), server().Client(), s, &progress{}, io.Discard)
	if err == nil || err.Error() != "no practitioner here accepts the insurance given with -insurance" {
		t.Errorf("%v", err)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	var line bytes.Buffer
	p := &progress{out: &line}
	client := server().Client(closure.WithObserver(p.observe))
	if err := run(t.Context(), client, settings{from: closure.NewDate(2022, time.May, 16), days: 7, practitioners: 8}, p,
		&bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	const erase = "\r\x1b[K"
	want := erase + "Searching: 0 of 2 calls" + erase + "Searching: 1 of 2 calls" +
		erase + "Searching: 2 of 2 calls" + erase
	if line.String() != want {
		t.Errorf("%q, want %q", line.String(), want)
	}
}

func TestBadFlags(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"-days 0", "-days -3", "-days 100000", "-days x", "-practitioners 0", "-zone Nowhere/X", "-from x", "-from 9999-12-31", "-insurance x", "-insurance ins_", "-after 25:00",
		"-zone=", "-from=", "-insurance=", "-after=", "-before=", "-days=", "-practitioners=", "stray",
	} {
		if _, err := parseFlags(strings.Fields(args)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", args, err)
		}
	}
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	in, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// No line is wider than the terminal, which has room for a day at least.
func TestWidth(t *testing.T) {
	t.Parallel()
	for _, width := range []int{38, 50, 60, 80, 100, 117} {
		var out bytes.Buffer
		s := settings{from: closure.NewDate(2022, time.May, 16), days: 7, practitioners: 8, width: width}
		err := run(t.Context(), server().Client(), s, &progress{}, commandline.Fit(&out, width, 0))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("a line of %d columns on a terminal of %d: %s", n, width, line)
			}
		}
		for _, day := range []string{"Mon 16 May", "Fri 20 May", "Sun 22 May"} {
			if !strings.Contains(out.String(), day) {
				t.Errorf("%d columns: %s is missing\n%s", width, day, out.String())
			}
		}
	}
}
