package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// Two hundred people book at once, four for each of 50 openings. Who is too late
// takes the nearest other one, until there are none.
func TestLoad(t *testing.T) { // alone, so that its times say something
	people, openings := 200, 50
	if testing.Short() {
		people, openings = 40, 10
	}
	s := newSite(t)
	var slots []closure.Slot
	for i := range openings {
		slots = append(slots, closure.Slot{StartAt: tuesday.Add(time.Duration(24+i) * time.Hour), Duration: 60})
	}
	s.takeAway(sunday1, sunday2, monday, monday2, tuesday)
	s.double.AddSlots(closuretest.GuideScheduleID, slots...)
	before := len(s.double.Appointments())
	for i := range people {
		s.double.AddPatient(closure.Patient{FirstName: "Person", LastName: fmt.Sprintf("N%d", i),
			DOB:      closure.NewDate(1990, 1, 2),
			Timezone: "America/Chicago", Insurance: closure.PatientInsurance{ID: closuretest.GuideInsuranceID}})
	}
	var booked, left, pages atomic.Int64
	var slowest atomic.Int64
	begin := time.Now()
	var all sync.WaitGroup
	for i := range people {
		all.Go(func() {
			p := s.newPerson(t)
			look := func(v view) view {
				pages.Add(1)
				if v.status != http.StatusOK {
					t.Errorf("%s: %d", v.path, v.status)
				}
				return v
			}
			look(p.post("/who", "name", fmt.Sprintf("Person N%d", i), "born", "1990-01-02"))
			look(p.get(schedule + "?week=0"))
			for opening := openingValue(slots[i%openings]); ; {
				clicked := time.Now()
				path := p.chooseOn(string(closuretest.GuideScheduleID), opening)
				look(p.post(path + "/book"))
				v := look(p.until(path, 40*time.Second))
				slowest.Store(max(slowest.Load(), int64(time.Since(clicked))))
				switch others := v.openings(); {
				case v.title() == isBooked:
					booked.Add(1)
					return
				case v.title() != isNotBooked || !strings.Contains(v.body, "Somebody else has"):
					t.Errorf("the page is %q", v.title())
					return
				case len(others) == 0:
					left.Add(1)
					return
				default:
					opening = others[0]
				}
			}
		})
	}
	all.Wait()
	taken := map[time.Time]closure.PatientID{}
	who := map[closure.PatientID]bool{}
	for _, a := range s.double.Appointments()[before:] {
		if taken[a.StartAt] != "" || who[a.PatientID] {
			t.Errorf("a start or a person has two appointments")
		}
		taken[a.StartAt], who[a.PatientID] = a.PatientID, true
	}
	visits, err := s.store.query(t.Context(), `SELECT data FROM visits WHERE state = 'booked'`)
	for _, v := range visits {
		if taken[v.Start] != v.Patient {
			t.Errorf("a visit is booked that the ledger does not have")
		}
	}
	if err != nil || len(taken) != openings || booked.Load() != int64(openings) || left.Load() != int64(people-openings) ||
		len(visits) != openings {
		t.Errorf("%d appointments, %d booked, %d left, %d visits, %v",
			len(taken), booked.Load(), left.Load(), len(visits), err)
	}
	t.Logf("%d pages in %v; from the choice to the ending at most %v",
		pages.Load(), time.Since(begin).Round(time.Millisecond),
		time.Duration(slowest.Load()).Round(time.Millisecond))
}
