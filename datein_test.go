package closure_test

import (
	"archive/zip"
	"cmp"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
)

// longVariable set to 1 has tests do all they can do: every zone and every change of its
// clocks, answers of 10 MiB, every failure of every call. .ci/run sets it.
const longVariable = "CLOSURE_LONG"

func long() bool { return os.Getenv(longVariable) == "1" }

func TestDateInIsTheFirstInstantOfTheDay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		zone string
		date closure.Date
		want string
	}{
		{"America/Santiago", closure.NewDate(2026, time.September, 6), "2026-09-06T01:00:00-03:00"}, // no midnight
		{"America/Havana", closure.NewDate(2026, time.March, 8), "2026-03-08T01:00:00-04:00"},
		{"Asia/Amman", closure.NewDate(2021, time.October, 29), "2021-10-29T00:00:00+03:00"}, // two midnights
		{"America/Havana", closure.NewDate(2026, time.November, 1), "2026-11-01T00:00:00-04:00"},
		{"Pacific/Apia", closure.NewDate(2011, time.December, 30), "2011-12-31T00:00:00+14:00"}, // no such day
		{"America/New_York", closure.NewDate(2026, time.March, 8), "2026-03-08T00:00:00-05:00"},
		{"Asia/Kolkata", closure.NewDate(2026, time.March, 8), "2026-03-08T00:00:00+05:30"},
		{"UTC", closure.NewDate(2026, time.February, 30), "2026-03-02T00:00:00Z"}, // as time.Date has it
		{"Asia/Kolkata", closure.NewDate(1, time.January, 1), "0001-01-01T00:00:00+05:53"},
	} {
		zone, err := time.LoadLocation(tt.zone)
		noError(t, err)
		if got := tt.date.In(zone).Format(time.RFC3339); got != tt.want {
			t.Errorf("%v in %s starts at %s, want %s", tt.date, tt.zone, got, tt.want)
		}
	}
}

func TestNoDateIsNoTime(t *testing.T) {
	t.Parallel()
	if got := (closure.Date{}).In(time.FixedZone("", 3600)); !got.IsZero() {
		t.Errorf("%v", got)
	}
}

// By brute force: minute by minute, on the days around each change of a zone's
// clocks. The short form takes a sample of the zones.
func TestDateInOfEveryChange(t *testing.T) {
	t.Parallel()
	skipWithRaceDetector(t)
	zones := zoneNames(t)
	if !long() {
		rand.Shuffle(len(zones), func(i, j int) { zones[i], zones[j] = zones[j], zones[i] })
		zones = append(zones[:3:3], "Asia/Amman", "America/Santiago")
	}
	days := 0
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			continue // a file that is no zone
		}
		at := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).In(zone)
		for until := time.Date(2038, 1, 1, 0, 0, 0, 0, time.UTC); ; {
			_, end := at.ZoneBounds()
			if end.IsZero() || end.After(until) {
				break
			}
			for offset := -1; offset <= 1; offset++ {
				date := closure.NewDate(end.In(time.UTC).AddDate(0, 0, offset).Date())
				days++
				if got, want := date.In(zone), firstInstant(date, zone); !got.Equal(want) {
					t.Errorf("%v in %s starts at %v, want %v", date, name, got, want)
				}
			}
			at = end
		}
	}
	t.Logf("%d days in %d zones", days, len(zones))
	if days < 100 {
		t.Errorf("only %d days were looked at", days)
	}
}

// Go's own zone files list few changes. Past them, Go ends a leap year a day early.
func TestDateInAtTheEndOfAYear(t *testing.T) {
	t.Parallel()
	skipWithRaceDetector(t)
	for name, data := range zoneFiles(t, "America/New_York", "America/Phoenix", "Europe/Berlin", "Australia/Sydney") {
		zone, err := time.LoadLocationFromTZData(name, data)
		noError(t, err)
		for year := 2023; year <= 2041; year++ {
			for day := 30; day <= 33; day++ {
				date := closure.NewDate(time.Date(year, time.December, day, 0, 0, 0, 0, time.UTC).Date())
				if got, want := date.In(zone), firstInstant(date, zone); !got.Equal(want) {
					t.Errorf("%v in %s starts at %v, want %v", date, name, got, want)
				}
			}
		}
	}
}

// firstInstant looks for the first instant whose date isn't before the given one
// any more, by the second.
func firstInstant(date closure.Date, zone *time.Location) time.Time {
	reached := func(t time.Time) bool {
		year, month, day := t.In(zone).Date()
		return cmp.Or(cmp.Compare(year, date.Year), cmp.Compare(month, date.Month), cmp.Compare(day, date.Day)) >= 0
	}
	t := time.Date(date.Year, date.Month, date.Day, 0, 0, 0, 0, time.UTC).Add(-26 * time.Hour)
	for _, step := range []time.Duration{time.Minute, time.Second} {
		for !reached(t.Add(step)) {
			t = t.Add(step)
		}
	}
	return t.Add(time.Second).In(zone)
}

// zoneNames are the zones that Go comes with.
func zoneNames(t *testing.T) (names []string) {
	for _, file := range zoneArchive(t).File {
		if !strings.HasSuffix(file.Name, "/") {
			names = append(names, file.Name)
		}
	}
	return names
}

// zoneFiles are the files of some of them.
func zoneFiles(t *testing.T, names ...string) map[string][]byte {
	files := map[string][]byte{}
	for _, name := range names {
		file, err := zoneArchive(t).Open(name)
		noError(t, err)
		files[name], err = io.ReadAll(file)
		noError(t, err)
	}
	return files
}

func zoneArchive(t *testing.T) *zip.ReadCloser {
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	noError(t, err)
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	noError(t, err)
	t.Cleanup(func() { noError(t, archive.Close()) })
	return archive
}
