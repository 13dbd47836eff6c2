package simulation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// A clinic is one run: a server, some patients, and a seed.
type clinic struct {
	cell       cell
	seed       uint64
	server     *closuretest.Server
	unfiltered bool // the API's list ignores all filters but the patient's
	flakyList  bool // most requests for the list fail
	slots      []slot
	patients   []*patient
	journal    *closuretest.Journal // nil: none
	frozen     sync.WaitGroup       // processes that are frozen

	mu        sync.Mutex
	tally     tally
	writes    []write // that were carried out
	told      []claim
	open      map[closure.AppointmentID]bool      // whose cancellation has an unknown outcome
	cancelled map[closure.AppointmentID]time.Time // up to when a call cancelled it
}

// A slot is what patients want.
type slot struct {
	schedule closure.ScheduleID
	start    time.Time
}

func (s slot) same(a closure.Appointment) bool {
	return a.ScheduleID == s.schedule && a.StartAt.Equal(s.start)
}

// A write is a request that the API carried out.
type write struct {
	call      *call
	practice  bool // the practice did it
	create    bool
	cancelled bool // the appointment is, after the write
	slot      slot // where the appointment is after the write
	patient   closure.PatientID
	id        closure.AppointmentID
	sent      time.Time
	committed time.Time
}

func (w write) moves() bool { return !w.create && !w.cancelled }

// shown is when the last read that lags can still show the appointment as it was before. What the
// SDK itself changes, it knows.
func (w write) shown(stale time.Duration) time.Time {
	if w.practice {
		return w.committed.Add(stale)
	}
	return w.committed
}

// shows reports whether the appointment is there after the write, and not because of something that
// the practice did and that a read that began then need not show.
func (w write) shows(there slot, then time.Time) bool {
	return !w.cancelled && w.slot == there && !(w.practice && w.sent.After(then))
}

// Adjacent slots overlap, as in the API's booking guide.
const (
	slotMinutes = 30
	slotStep    = 20 * time.Minute
)

func scheduleID(n int) closure.ScheduleID {
	return closure.ScheduleID(fmt.Sprintf("sch_simulated%d", n))
}

func patientID(n int) closure.PatientID {
	return closure.PatientID(fmt.Sprintf("pt_simulated%d", n))
}

// slotStart is when slot number n of a schedule starts. Time in a bubble begins in the year
// 2000.
func slotStart(n int) time.Time {
	return time.Date(2000, time.February, 1, 8, 0, 0, 0, time.UTC).Add(time.Duration(n) * slotStep)
}

const schedules = 2

func newClinic(c cell, seed uint64) *clinic {
	clinic := &clinic{cell: c, seed: seed, open: map[closure.AppointmentID]bool{}, cancelled: map[closure.AppointmentID]time.Time{}}
	clinic.unfiltered = newDice(seed, hash("unfiltered")).chance(0.25)
	clinic.flakyList = newDice(seed, hash("flaky list")).chance(0.2)
	clinic.server = closuretest.New(clinic.serverOptions()...)
	if c.journal {
		clinic.journal = closuretest.NewJournal()
	}
	if c.jumps { // a third of the reads lag that far; a third of the others lag less
		clinic.server.Inject(
			closuretest.Stale(closuretest.AnyOperation, c.stale).Probability(1.0/3),
			closuretest.Stale(closuretest.AnyOperation, c.stale/3).Probability(1.0/3),
		)
	}
	patients, slotsEach := 8, 30
	if c.crowd {
		patients, slotsEach = 24, 4
	}
	for n := range schedules {
		clinic.addSchedule(scheduleID(n), slotsEach)
	}
	for n := range patients {
		clinic.server.AddPatient(closure.Patient{
			ID: patientID(n), Insurance: closure.PatientInsurance{ID: closuretest.GuideInsuranceID},
		})
		clinic.patients = append(clinic.patients, newPatient(clinic, n))
	}
	return clinic
}

func (c *clinic) serverOptions() []closuretest.Option {
	options := []closuretest.Option{
		closuretest.WithSeed(c.seed),
		closuretest.WithClock(time.Now),
		closuretest.KeepRequests(0),
	}
	if !c.cell.jumps {
		options = append(options, closuretest.StaleReads(c.cell.stale))
	}
	if c.cell.duplicates {
		options = append(options, closuretest.AllowDuplicates())
	}
	return options
}

func (c *clinic) addSchedule(id closure.ScheduleID, slots int) {
	c.server.AddSchedule(closure.Schedule{
		ID:               id,
		SchedulingMethod: closure.SchedulingDirectAPI,
		Insurances:       []closure.Ref[closure.InsuranceID, closure.Insurance]{{ID: closuretest.GuideInsuranceID}},
	})
	offered := make([]closure.Slot, slots)
	for n := range offered {
		offered[n] = closure.Slot{StartAt: slotStart(n), Duration: slotMinutes}
		if c.cell.noLengths {
			offered[n].Duration = 0
		}
		c.slots = append(c.slots, slot{id, slotStart(n)})
	}
	c.server.AddSlots(id, offered...)
}

// run runs one clinic in a bubble.
func run(t *testing.T, c cell, seed uint64) (result *clinic) {
	synctest.Test(t, func(*testing.T) {
		result = newClinic(c, seed)
		var group sync.WaitGroup
		for _, p := range result.patients {
			group.Go(p.live)
		}
		group.Wait()
		time.Sleep(10 * time.Minute) // until everything in progress has ended
		result.frozen.Wait()
		if c.journal {
			result.resolveJournal()
		}
		result.judge()
		if c.journal {
			result.judgeKeys()
		}
	})
	return result
}

// note records what a write did.
func (c *clinic) note(f *sentRequest, resp *http.Response) {
	body, _ := io.ReadAll(resp.Body) // can't fail, because the body is in memory
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if resp.StatusCode != http.StatusOK {
		return
	}
	var a closure.Appointment
	if err := json.Unmarshal(body, &a); err != nil {
		panic(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = append(c.writes, write{
		call:      f.call,
		create:    f.req.Method == http.MethodPost && f.req.URL.Path == "/appointments",
		cancelled: a.Status == closure.AppointmentCancelled,
		slot:      slot{a.ScheduleID, a.StartAt},
		patient:   a.PatientID,
		id:        a.ID,
		sent:      f.sent,
		committed: time.Now(),
	})
}

// owns reports whether the ledger says that the patient has the slot.
func (c *clinic) owns(patient closure.PatientID, s slot) bool {
	return slices.ContainsFunc(c.server.Appointments(), func(a closure.Appointment) bool {
		return a.PatientID == patient && s.same(a) && a.Status != closure.AppointmentCancelled
	})
}

// entry is one appointment in the ledger.
func entry(s *closuretest.Server, id closure.AppointmentID) (a closure.Appointment, found bool) {
	all := s.Appointments()
	i := slices.IndexFunc(all, func(a closure.Appointment) bool { return a.ID == id })
	if i < 0 {
		return a, false
	}
	return all[i], true
}
