package closuretest

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/closurehealth/closure-go"
)

const (
	// always is the time of records that were there before the first request: a read
	// shows what a test added, however old the state is that it shows.
	always = time.Duration(math.MinInt64)

	// latest is the time of a read that shows the current state.
	latest = time.Duration(math.MaxInt64)
)

// A table holds records by id, in the order in which they were added. A record in it is
// never changed: a change puts a new one in its place.
type table[ID comparable, T any] struct {
	records []T
	index   map[ID]int
}

func (t *table[ID, T]) put(id ID, record T) {
	if i, found := t.index[id]; found {
		t.records[i] = record
		return
	}
	if t.index == nil {
		t.index = map[ID]int{}
	}
	t.index[id] = len(t.records)
	t.records = append(t.records, record)
}

func (t *table[ID, T]) get(id ID) (record T, found bool) {
	i, found := t.index[id]
	if found {
		record = t.records[i]
	}
	return record, found
}

func (t *table[ID, T]) has(id ID) bool {
	_, found := t.index[id]
	return found
}

func (t *table[ID, T]) clone() table[ID, T] {
	return table[ID, T]{records: slices.Clone(t.records), index: maps.Clone(t.index)}
}

// A directory is the data of which an index version is a copy.
type directory struct {
	practitioners    table[closure.PractitionerID, closure.Practitioner]
	schedules        table[closure.ScheduleID, closure.Schedule]
	specialties      table[closure.SpecialtyID, closure.Specialty]
	insurances       table[closure.InsuranceID, closure.Insurance]
	locations        table[closure.LocationID, closure.Location]
	appointmentTypes table[closure.AppointmentTypeID, closure.AppointmentType]
}

func (d *directory) clone() *directory {
	return &directory{
		practitioners:    d.practitioners.clone(),
		schedules:        d.schedules.clone(),
		specialties:      d.specialties.clone(),
		insurances:       d.insurances.clone(),
		locations:        d.locations.clone(),
		appointmentTypes: d.appointmentTypes.clone(),
	}
}

// A version is one copy of the directory. It shares its data with the version
// that it was copied from until either is written to.
type version struct {
	info   closure.IndexVersion
	since  time.Duration
	data   *directory
	shared bool
}

func (v *version) copy(info closure.IndexVersion, at time.Duration) *version {
	v.shared = true
	return &version{info: info, since: at, data: v.data, shared: true}
}

// forWriting returns the version's own directory. It copies it first if it is shared.
func (v *version) forWriting() *directory {
	if v.shared {
		v.data, v.shared = v.data.clone(), false
	}
	return v.data
}

// A patientRecord is a patient, and the time since which reads show it.
type patientRecord struct {
	patient closure.Patient
	since   time.Duration
}

// The store is the server's state. Whoever uses it holds the server's lock.
type store struct {
	versions     table[closure.IndexVersionID, *version] // the standard one first
	patients     table[closure.PatientID, patientRecord]
	offers       map[closure.ScheduleID]*offers
	appointments ledger
}

func newStore() *store {
	st := &store{offers: map[closure.ScheduleID]*offers{}, appointments: newLedger()}
	st.versions.put(closure.IndexStandard, &version{
		info:  closure.IndexVersion{ID: closure.IndexStandard, Name: "standard"},
		since: always,
		data:  &directory{},
	})
	return st
}

func (st *store) standard() *version { return st.versions.records[0] }

// schedule finds a schedule for a booking. Bookings don't name an index
// version: a schedule that only a copy holds can be booked too.
func (st *store) schedule(id closure.ScheduleID) (closure.Schedule, bool) {
	for _, v := range st.versions.records {
		if schedule, found := v.data.schedules.get(id); found {
			return schedule, true
		}
	}
	return closure.Schedule{}, false
}

// offersOf returns what a schedule offers. The caller may change it.
func (st *store) offersOf(id closure.ScheduleID) *offers {
	o := st.offers[id]
	if o == nil {
		o = &offers{}
		st.offers[id] = o
	}
	return o
}
