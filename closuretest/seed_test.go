package closuretest_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuretest"
)

// dump is all that a server shows, as bytes.
func dump(t testing.TB, s *closuretest.Server, backwards bool) []byte {
	t.Helper()
	paths := []string{
		"/patients", "/practitioners", "/schedules", "/specialties", "/insurances", "/locations", "/appointment_types",
		"/appointments",
	}
	var schedules []struct{ ID string }
	get(t, s, "/schedules").decode(t, &schedules)
	for _, schedule := range schedules {
		paths = append(paths, "/schedules/"+schedule.ID+"/slots")
	}
	bodies := make([][]byte, len(paths))
	for i := range paths {
		if backwards {
			i = len(paths) - 1 - i
		}
		bodies[i] = get(t, s, paths[i]).body
	}
	return bytes.Join(bodies, []byte("\n"))
}

func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	clinic := func(seed uint64) *closuretest.Server {
		return closuretest.New(closuretest.WithGenerated(seed, 60, 20))
	}
	first := dump(t, clinic(42), false)
	if !bytes.Equal(first, dump(t, clinic(42), true)) {
		t.Error("the same seed, asked in another order, gives other bytes")
	}
	if bytes.Equal(first, dump(t, clinic(43), false)) {
		t.Error("another seed gives the same bytes")
	}
}

// Ids are of what is booked, not of when: concurrent runs give the same ones.
func TestIDsDoNotDependOnOrder(t *testing.T) {
	t.Parallel()
	run := func(order []int) []string {
		s := closuretest.New()
		var wg sync.WaitGroup
		for _, n := range order {
			wg.Go(func() {
				slot := closuretest.GuideSlot()
				slot.StartAt = slot.StartAt.Add(time.Duration(n) * time.Hour)
				s.AddSlots(closuretest.GuideScheduleID, slot)
				must(s.Client().Appointments.Create(t.Context(), booking(slot.StartAt)))
				must(s.Client().Patients.Create(t.Context(), closure.PatientCreateParams{
					FirstName: fmt.Sprint("N", n), LastName: "X", DOB: closure.NewDate(2000, 1, 1),
				}))
			})
		}
		wg.Wait()
		var ids []string
		for _, a := range s.Appointments() {
			ids = append(ids, string(a.ID)+" "+a.StartAt.String())
		}
		for _, p := range must(s.Client().Patients.List(t.Context(), closure.PatientListParams{})) {
			ids = append(ids, string(p.ID)+" "+p.FirstName)
		}
		slices.Sort(ids)
		return ids
	}
	one, other := run([]int{1, 2, 3, 4, 5, 6}), run([]int{6, 3, 1, 5, 2, 4})
	if !slices.Equal(one, other) || len(one) != 13 {
		t.Errorf("%v\n%v", one, other)
	}
}

func TestRandomSeed(t *testing.T) {
	if first, second := closuretest.RandomSeed(), closuretest.RandomSeed(); first == second {
		t.Error("twice the same")
	}
	t.Setenv("CLOSURETEST_SEED", "123")
	if closuretest.RandomSeed() != 123 {
		t.Error("the environment does not count")
	}
	t.Setenv("CLOSURETEST_SEED", "a word")
	if first, second := closuretest.RandomSeed(), closuretest.RandomSeed(); first != second {
		t.Error("a word is no seed")
	}
}

// A failing is a test that fails.
type failing struct {
	failed  bool
	text    strings.Builder
	cleanup []func()
}

func (f *failing) Helper()                         {}
func (f *failing) Name() string                    { return "TestX/case" }
func (f *failing) Failed() bool                    { return f.failed }
func (f *failing) Logf(format string, args ...any) { fmt.Fprintf(&f.text, format+"\n", args...) }
func (f *failing) Cleanup(fn func())               { f.cleanup = append(f.cleanup, fn) }

func (f *failing) Errorf(format string, args ...any) {
	f.failed = true
	f.Logf(format, args...)
}

func (f *failing) end() {
	for _, fn := range f.cleanup {
		fn()
	}
}

func TestReportTo(t *testing.T) {
	t.Parallel()
	for _, failed := range []bool{false, true} {
		f := &failing{failed: failed}
		s := closuretest.New(closuretest.WithSeed(99), closuretest.ReportTo(f))
		s.Inject(closuretest.DropAfter(create).Probability(0.5))
		f.end()
		text := f.text.String()
		for _, want := range []string{
			"seed: 99", "done, then connection lost", "CLOSURETEST_SEED=99 go test -run '^TestX$/^case$'",
		} {
			if strings.Contains(text, want) != failed {
				t.Errorf("failed %t: %q, want %q", failed, text, want)
			}
		}
		if s.Start() != "" {
			t.Error("not closed with the test")
		}
	}
	f := &failing{}
	closuretest.New(closuretest.ReportTo(f)).Inject(closuretest.DropAfter("nothing"))
	if !f.failed || !strings.Contains(f.text.String(), `no operation "nothing"`) {
		t.Errorf("misuse fails the test at once: failed %t, %q", f.failed, f.text.String())
	}
}

func TestGeneratedClinicIsBelievable(t *testing.T) {
	t.Parallel()
	const schedules, slotsEach = 120, 80
	s := closuretest.New(closuretest.WithGenerated(5, schedules, slotsEach), closuretest.ReportTo(t))
	c, ctx := s.Client(), t.Context()
	practitioners := map[closure.PractitionerID]closure.Practitioner{}
	npis, languages, specialties := map[string]bool{}, map[string]bool{}, map[closure.SpecialtyID]bool{}
	for _, p := range must(c.Practitioners.List(ctx, closure.PractitionerListParams{})) {
		practitioners[p.ID] = p
		npis[p.NPI] = true
		for _, language := range p.Languages {
			languages[language] = true
		}
		specialties[p.PrimarySpecialty] = true
		if len(p.NPI) != 10 || p.FirstName == "" || p.LastName == "" || p.Type == "" ||
			!slices.Contains(p.Specialties, p.PrimarySpecialty) || !slices.Contains(p.Languages, "English") {
			t.Errorf("practitioner %+v", p)
		}
		if _, err := c.Specialties.Get(ctx, p.PrimarySpecialty); err != nil {
			t.Errorf("specialty of %s: %v", p.ID, err)
		}
	}
	if len(npis) != len(practitioners) || len(languages) < 8 || len(specialties) < 8 {
		t.Errorf("%d NPIs of %d practitioners, %d languages, %d specialties", len(npis), len(practitioners), len(languages),
			len(specialties))
	}

	methods := map[closure.SchedulingMethod]int{}
	insured, locations := map[int]int{}, map[closure.LocationID]bool{}
	overlapping, gaps, acrossDST := 0, 0, 0
	newYork := must(time.LoadLocation("America/New_York"))
	all := must(c.Schedules.List(ctx, closure.ScheduleListParams{},
		closure.Expand(closure.ExpandPractitioner, closure.ExpandLocation, closure.ExpandInsurances,
			closure.ExpandAppointmentType)))
	triples := map[string]bool{}
	for _, schedule := range all[1:] { // the first is the guide's
		triples[fmt.Sprint(schedule.Practitioner.ID, schedule.Location.ID, schedule.AppointmentType.ID)] = true
		if schedule.Practitioner.Object == nil || schedule.Location.Object == nil || schedule.AppointmentType.Object == nil {
			t.Errorf("schedule %s refers to something that is not there", schedule.ID)
		}
		methods[schedule.SchedulingMethod]++
		insured[len(schedule.Insurances)]++
		locations[schedule.Location.ID] = true
		slots := must(c.Availabilities.List(ctx, schedule.ID, closure.AvailabilityListParams{}))
		want := slotsEach
		if schedule.SchedulingMethod == "" {
			want = 0
		}
		if len(slots) != want || schedule.EstimatedEarliestSlot.IsZero() != (want == 0) {
			t.Errorf("schedule %s: %d slots, want %d; earliest %s", schedule.ID, len(slots), want,
				schedule.EstimatedEarliestSlot)
		}
		for i, slot := range slots {
			if slot.Duration < 15 || !slot.StartAt.After(time.Date(2022, 5, 1, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("slot %+v", slot)
			}
			if i == 0 {
				continue
			}
			if before := slots[i-1]; !slot.StartAt.After(before.StartAt) {
				t.Errorf("slots %+v, %+v are out of order", before, slot)
			} else if slot.StartAt.Before(before.EndAt()) {
				overlapping++
			} else if slot.StartAt.Sub(before.StartAt) > 30*time.Hour {
				gaps++
			}
			if strings.Contains(schedule.Location.Object.Name, "New York") &&
				isDST(slot.StartAt, newYork) != isDST(slot.EndAt(), newYork) {
				acrossDST++
			}
		}
	}
	if len(triples) != schedules || len(locations) < 6 {
		t.Errorf("%d different schedules of %d, %d locations", len(triples), schedules, len(locations))
	}
	if methods[closure.SchedulingDirectAPI] < schedules/2 || methods[closure.SchedulingOpenSlotsOnly] == 0 ||
		methods[""] == 0 || len(methods) != 3 {
		t.Errorf("scheduling methods: %v", methods)
	}
	if insured[0] == 0 || insured[0] > schedules/4 || len(insured) < 4 {
		t.Errorf("insurances accepted: %v", insured)
	}
	if overlapping == 0 || gaps == 0 {
		t.Errorf("%d overlapping slots, %d full days and weekends", overlapping, gaps)
	}
	if locals := localStarts(t, c, all[1:]); acrossDST+locals == 0 {
		t.Error("no slot in a night in which the clocks change")
	}
}

func isDST(at time.Time, zone *time.Location) bool { return at.In(zone).IsDST() }

// localStarts counts slots that start within an hour and a half of New York's
// next change of the clocks.
func localStarts(t *testing.T, c *closure.Client, schedules []closure.Schedule) (n int) {
	t.Helper()
	change := time.Date(2022, 11, 6, 6, 0, 0, 0, time.UTC)
	for _, schedule := range schedules {
		n += len(must(c.Availabilities.List(t.Context(), schedule.ID, closure.AvailabilityListParams{
			From: change.Add(-90 * time.Minute), To: change.Add(90 * time.Minute),
		})))
	}
	return n
}

func TestGeneratedPatients(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.WithGenerated(5, 200, 1), closuretest.ReportTo(t))
	patients := must(s.Client().Patients.List(t.Context(), closure.PatientListParams{}))
	if len(patients) != 41 {
		t.Errorf("%d patients, want 41", len(patients))
	}
	for _, p := range patients {
		if _, err := p.Zone(); err != nil || p.FirstName == "" || p.DOB.IsZero() ||
			!strings.HasPrefix(p.MobilePhoneNumber, "+1") || !strings.HasSuffix(p.Email, "@example.com") ||
			len(p.Address.State) != 2 {
			t.Errorf("patient %s: %v", p.ID, err)
		}
	}
}

// Sizes at the edge, and another clock: slots lie after its start.
func TestGeneratedSizes(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{0, 0}, {1, 0}, {0, 1}, {1, 1}, {3, 1}, {-1, -1}} {
		s := closuretest.New(closuretest.WithGenerated(1, size[0], size[1]))
		if got := len(must(s.Client().Schedules.List(t.Context(), closure.ScheduleListParams{}))); got != max(size[0], 0)+1 {
			t.Errorf("%v: %d schedules", size, got)
		}
	}
	for _, at := range []time.Time{
		time.Date(2031, 12, 30, 23, 0, 0, 0, time.UTC),
		time.Date(2040, 5, 1, 0, 0, 0, 0, time.UTC), // a leap year past the changes that zone files list
	} {
		s := closuretest.New(closuretest.WithFixedClock(at), closuretest.WithGenerated(1, 8, 10))
		for _, schedule := range must(s.Client().Schedules.List(t.Context(), closure.ScheduleListParams{}))[1:] {
			slots := must(s.Client().Availabilities.List(t.Context(), schedule.ID, closure.AvailabilityListParams{}))
			if len(slots) != 10 && schedule.SchedulingMethod != "" {
				t.Errorf("%v: %s: %d slots", at, schedule.ID, len(slots))
			}
		}
	}
}

// Under load, and with faults: no slot is taken twice, and what clients were
// told agrees with the ledger. Run with -race.
func TestLoad(t *testing.T) {
	t.Parallel()
	s := closuretest.New(closuretest.WithGenerated(11, 24, 12), closuretest.ReportTo(t))
	s.Inject(
		closuretest.DropAfter(create).Probability(0.1),
		closuretest.DropBefore(create).Probability(0.1),
		closuretest.CommitLate(create, 0).Probability(0.1),
		closuretest.Delay(closuretest.AnyOperation, time.Microsecond).Probability(0.1),
		closuretest.Truncate("appointments.cancel").Probability(0.2),
	)
	pool := &http.Transport{}
	t.Cleanup(pool.CloseIdleConnections)
	clients := []*closure.Client{
		s.Client(noRetries()),
		must(closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(s.Start()), noRetries(),
			closure.WithHTTPClient(&http.Client{Transport: pool}))),
	}
	schedules := must(clients[0].Schedules.List(t.Context(), closure.ScheduleListParams{}))
	var mu sync.Mutex
	confirmed := map[closure.AppointmentID]bool{}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			work(t, clients[w%2], schedules, w, func(id closure.AppointmentID) {
				mu.Lock()
				defer mu.Unlock()
				confirmed[id] = true
			})
			s.AddPatient(closure.Patient{FirstName: fmt.Sprint(w)})
			_ = s.Requests()
			_ = s.String()
		})
	}
	wg.Wait()
	ledger := s.Appointments()
	for i, a := range ledger {
		delete(confirmed, a.ID)
		for _, b := range ledger[:i] {
			if a.ScheduleID == b.ScheduleID && a.Status != closure.AppointmentCancelled &&
				b.Status != closure.AppointmentCancelled &&
				a.StartAt.Before(b.StartAt.Add(b.Duration.Duration())) && b.StartAt.Before(a.StartAt.Add(a.Duration.Duration())) {
				t.Errorf("%s and %s take the same time", a.ID, b.ID)
			}
		}
	}
	if len(confirmed) > 0 || len(ledger) < 50 {
		t.Errorf("%d confirmed bookings are not among the %d of the ledger", len(confirmed), len(ledger))
	}
}

// work books every slot it sees, and now and then cancels one.
func work(t *testing.T, c *closure.Client, schedules []closure.Schedule, worker int,
	confirm func(closure.AppointmentID)) {
	for i := range schedules {
		schedule := schedules[(i+worker*3)%len(schedules)]
		slots, err := c.Availabilities.List(t.Context(), schedule.ID, closure.AvailabilityListParams{})
		if err != nil {
			t.Errorf("slots: %v", err)
			return
		}
		for j, slot := range slots {
			a, err := c.Appointments.Create(t.Context(), closure.AppointmentCreateParams{
				ScheduleID: schedule.ID, PatientID: closuretest.GuidePatientID, StartAt: slot.StartAt, Duration: slot.Duration,
			})
			if err != nil {
				continue
			}
			confirm(a.ID)
			if j%3 == 0 {
				_, _ = c.Appointments.Cancel(t.Context(), a.ID)
			}
		}
	}
}

// After Close nothing of the server runs. (That nothing is left in process, the
// bubbles of time_test.go see.)
func TestNoGoroutineIsLeft(t *testing.T) { // not parallel: other servers would show
	s := closuretest.New()
	s.Inject(closuretest.DropAfter(create), closuretest.Truncate("patients.list"),
		closuretest.Huge("insurances.list", 50<<20), closuretest.CommitLate(create, time.Hour))
	pool := &http.Transport{}
	defer pool.CloseIdleConnections()
	c := must(closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(s.Start()), noRetries(),
		closure.WithHTTPClient(&http.Client{Transport: pool})))
	for _, call := range sdkCalls(s) {
		_ = call.call(context.Background(), c)
	}
	s.Close()
	buf := make([]byte, 1<<20)
	if stacks := string(buf[:runtime.Stack(buf, true)]); strings.Contains(stacks, "closuretest.(*") {
		t.Errorf("goroutines are left:\n%s", stacks)
	}
}

// The whole works inside a bubble, load and all.
func TestLoadInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := closuretest.New(closuretest.WithGenerated(2, 8, 6), closuretest.WithClock(time.Now), closuretest.ReportTo(t))
		s.Inject(closuretest.Delay(closuretest.AnyOperation, 2*time.Second).Probability(0.5),
			closuretest.CommitLate(create, time.Minute).Probability(0.3))
		schedules := must(s.Client().Schedules.List(t.Context(), closure.ScheduleListParams{}))
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() { work(t, s.Client(noRetries()), schedules, w, func(closure.AppointmentID) {}) })
		}
		wg.Wait()
		before := len(s.Appointments())
		time.Sleep(2 * time.Minute)
		if after := len(s.Appointments()); after < before || after == 0 {
			t.Errorf("%d appointments, then %d", before, after)
		}
	})
}
