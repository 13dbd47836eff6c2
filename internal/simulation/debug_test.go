package simulation

import (
	"fmt"
	"os"
	"strconv"
	"testing"
)

func TestDebug(t *testing.T) {
	if os.Getenv("DBG_CELL") == "" {
		t.Skip()
	}
	seed, _ := strconv.ParseUint(os.Getenv("DBG_SEED"), 0, 64)
	n, _ := strconv.Atoi(os.Getenv("DBG_PATIENT"))
	for _, c := range append(cells(), journalCells()...) {
		if c.String() != os.Getenv("DBG_CELL") {
			continue
		}
		debugPatient = n
		r := run(t, c, seed)
		for _, z := range zeros {
			if r.tally.counts[z] > 0 {
				fmt.Println(z, r.tally.counts[z], r.tally.firsts[z])
			}
		}
		p := r.patients[n]
		for _, l := range p.log {
			fmt.Println(l)
		}
		for _, w := range p.wishes {
			fmt.Printf("wish %p %+v\n", w, *w)
		}
		for _, w := range r.writes {
			if w.patient == p.id {
				fmt.Println("write", w.id, w.create, w.slot.schedule, clock(w.slot.start), "sent", clock(w.sent), "committed", clock(w.committed), w.call.number)
			}
		}
		for _, a := range r.server.Appointments() {
			if a.PatientID == p.id {
				fmt.Println("ledger", a.ID, a.ScheduleID, clock(a.StartAt), a.Status)
			}
		}
		if r.journal != nil {
			for _, e := range r.journal.Entries() {
				if e.Attempt.PatientID == p.id {
					fmt.Println("entry", e.State, e.Appointment, e.Attempt.ScheduleID, clock(e.Attempt.StartAt), e.Attempt.IdempotencyKey, e.Attempt.AppointmentID, e.Attempt.ID)
				}
			}
		}
	}
}
