package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A list below a record takes the record's id, and its records are another resource's.
func TestListBelowARecord(t *testing.T) {
	t.Parallel()
	const schedules = `[{"id":"sch_1","practitioner":"prac_1","location":"loc_1","appointment_type":"aptp_1"}]`
	below := operation{
		name: "insurances.schedules", method: http.MethodGet, route: "/insurances/{id}/schedules", source: "inferred",
		records: "schedules",
	}
	for name, test := range map[string]struct {
		id, answer string
		asked      int
		fits       bool
	}{
		"the other resource's records": {"ins_1", schedules, 1, true},
		"its own resource's records":   {"ins_1", `[{"id":"ins_1","display_name":"Plan"}]`, 1, false},
		"one record":                   {"ins_1", `{"id":"sch_1"}`, 1, false},
		"no id is known":               {"", schedules, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan string, 10)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked <- r.URL.Path
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(test.answer))
			}))
			defer server.Close()
			d, err := newDoctor(settings{base: server.URL, key: "ch_sk_test_x", slow: time.Minute, timeout: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			d.ids["insurances"] = test.id
			delete(d.ids, "schedules")
			d.list(t.Context(), below, nil, nil)
			if len(asked) != test.asked || len(d.results) != 1 {
				t.Fatalf("%d requests and %d results", len(asked), len(d.results))
			}
			res := d.results[0]
			if fits := len(res.Differences) == 0; fits != test.fits || (res.NotAsked == "") != (test.asked == 1) {
				t.Errorf("%+v", res)
			}
			if test.asked == 1 {
				if path := <-asked; path != "/insurances/ins_1/schedules" {
					t.Errorf("asked for %s", path)
				}
			}
			if learned := d.ids["schedules"] == "sch_1"; learned != (test.fits && test.asked == 1) {
				t.Errorf("schedules: the id %q is known", d.ids["schedules"])
			}
		})
	}
}

// The doctor can tell what is wrong with a record only if it knows the shape.
func TestEveryReadHasAShape(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		if !op.changes() && recordOf[op.recordsOf()] == nil {
			t.Errorf("%s: add the record of %q to recordOf in shape.go, or correct Records in internal/operation",
				op.name, op.recordsOf())
		}
	}
}
