package peers

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/closurehealth/closure-go/internal/commandline"
)

var blips = []situation{
	{name: "64", callers: 64, takes: 100 * time.Millisecond, blip: true},
	{name: "1,000", callers: 1000, takes: 100 * time.Millisecond, blip: true},
}

var outages = []situation{
	{name: "a call a second", callers: 1, takes: 10 * time.Millisecond, pause: 990 * time.Millisecond},
	{name: "1 in flight", callers: 1, takes: 100 * time.Millisecond},
	{name: "64 in flight", callers: 64, takes: 100 * time.Millisecond},
	{name: "1,000 in flight", callers: 1000, takes: time.Second},
}

// The clients in the same situations. What is promised of closure-go is tested, the others are shown.
func TestClients(t *testing.T) {
	progress := commandline.NewProgress(os.Stderr, "situations", len(clients)*(len(blips)+2*len(outages)))
	defer progress.Clear()
	table := [][]string{{"", "blip of 64: failed", "requests", "blip of 1,000: failed", "requests"}}
	for _, c := range clients {
		row := []string{c.name}
		for _, s := range blips {
			o := suffer(t, s, c.new)
			progress.Step()
			row = append(row, fmt.Sprint(o.failed), fmt.Sprint(o.requests))
			if c.name == "closure-go" && o.failed != 0 {
				t.Errorf("blip of %s: %+v", s.name, o)
			}
		}
		table = append(table, row)
	}
	progress.Clear()
	print(t, "A blip", table)
	for _, status := range []int{0, http.StatusServiceUnavailable} {
		table := [][]string{{"requests a call, and all served again after"}}
		for _, s := range outages {
			table[0] = append(table[0], s.name)
		}
		for _, c := range clients {
			row := []string{c.name}
			for _, s := range outages {
				s.status = status
				o := suffer(t, s, c.new)
				progress.Step()
				progress.Step()
				row = append(row, fmt.Sprintf("%.3f, %.1f s", o.perCall(), o.served.Seconds()))
				if c.name == "closure-go" && (o.requests*10 > o.calls*11 || o.served > 2*time.Second+s.takes+s.pause) {
					t.Errorf("%s: %+v", s.name, o)
				}
			}
			table = append(table, row)
		}
		progress.Clear()
		print(t, fmt.Sprintf("An outage of 30 s, status %d", status), table)
	}
}

// print shows a table in Markdown.
func print(t *testing.T, title string, table [][]string) {
	var b strings.Builder
	for i, row := range table {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&b, "|%s\n", strings.Repeat(" --- |", len(row)))
		}
	}
	t.Logf("%s\n\n%s", title, b.String())
}
