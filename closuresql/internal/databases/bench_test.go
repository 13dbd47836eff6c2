package databases

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuresql"
	"github.com/closurehealth/closure-go/closuretest"
)

// benchVariable is how many booked entries each table holds before it is measured.
const benchVariable = "CLOSURE_BENCH_ENTRIES"

const benchEntries = 1_000_000

// BenchmarkBookings books with no journal, with one in memory, with SQLite and with
// PostgreSQL in turn, 64 at once and one after the other, by an API on the loopback
// interface that answers at once. One iteration is one booking.
func BenchmarkBookings(b *testing.B) {
	journals := []struct {
		name    string
		journal closure.Journal
	}{
		{"no journal", nil},
		{"in memory", closuretest.NewJournal()},
		{"SQLite", benchJournal(b, sqliteDatabase(b), 2)},
		{"PostgreSQL", benchJournal(b, postgresDatabase(b), 32)},
	}
	panels := []panel{{title: "64 bookings at once", atOnce: 64}, {title: "one booking at a time", atOnce: 1}}
	for i := range panels {
		for _, j := range journals {
			row := latencies{name: j.name}
			b.Run(fmt.Sprintf("%s/%d at once", j.name, panels[i].atOnce), func(b *testing.B) {
				row.took = benchBookings(b, panels[i].atOnce, j.journal)
			})
			panels[i].rows = append(panels[i].rows, row)
		}
	}
	drawLatencies(b, panels)
}

// benchJournal is a sealed one that holds many entries already.
func benchJournal(b *testing.B, d database, connections int) *closuresql.Journal {
	b.Helper()
	opts := []closuresql.Option{newKeyset(b, key(), key())}
	d.open(b, opts...)
	fill(b, d)
	db := d.connect(b)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	journal, err := closuresql.Open(context.Background(), d.dialect, db, slices.Concat(d.options, opts)...)
	noError(b, err)
	return journal
}

// fill puts booked entries in, as large as those that Begin and Finish make. Their
// content is of no matter: nothing looks at them.
func fill(b *testing.B, d database) {
	b.Helper()
	entries := benchEntries
	if text := os.Getenv(benchVariable); text != "" {
		var err error
		entries, err = strconv.Atoi(text)
		noError(b, err)
	}
	random := func(size int) string { return fmt.Sprintf("randomblob(%d)", size) }
	if d.dialect == closuresql.PostgreSQL {
		random = func(size int) string {
			return fmt.Sprintf("decode(substr(repeat(md5(random()::text) || md5(random()::text), %d), 1, %d), 'hex')",
				size/32+1, 2*size)
		}
	}
	db := d.connect(b)
	const each = 50_000
	for done := 0; done < entries; done += each {
		rows := fmt.Sprintf("WITH RECURSIVE series(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM series WHERE i < %d) ",
			min(each, entries-done))
		execute(b, db, "INSERT INTO "+d.table+" (id, slot, state, begun, attempt, appointment) "+rows+
			fmt.Sprintf("SELECT 'filled' || (i + %d), %s, 1, %d, %s, %s FROM series",
				done, random(32), time.Now().UnixMicro(), random(360), random(64)))
	}
	for _, beside := range []string{"_keys", "_appointments"} {
		execute(b, db, "INSERT INTO "+d.table+beside+" (hash, entry) SELECT "+random(32)+", id FROM "+d.table)
	}
	after := "PRAGMA wal_checkpoint(TRUNCATE)"
	if d.dialect == closuresql.PostgreSQL {
		after = "VACUUM ANALYZE " + d.table
	}
	execute(b, db, after)
	b.Logf("%s holds %d entries", d.dialect, count(b, db, d.table))
}

// benchBookings returns how long each booking took, the shortest first.
func benchBookings(b *testing.B, atOnce int, journal closure.Journal) []time.Duration {
	b.Helper()
	api := closuretest.New(closuretest.WithClock(time.Now), closuretest.KeepRequests(0))
	defer api.Close()
	run := rand.Text() // of other patients than the runs before: the journal knows those
	n := 0
	next := func() closure.BookSlotParams { // on a schedule of its own: the API's own lists stay short
		i := n
		n++
		schedule := closure.ScheduleID(fmt.Sprint("sch_bench", i/slotsEach))
		if i%slotsEach == 0 {
			api.AddSchedule(closure.Schedule{ID: schedule, SchedulingMethod: closure.SchedulingDirectAPI})
			for s := range slotsEach {
				api.AddSlots(schedule, closure.Slot{StartAt: slot(orderDay, s), Duration: 30})
			}
		}
		params := closure.BookSlotParams{
			PatientID: closure.PatientID(fmt.Sprint("pt_", run, i)), ScheduleID: schedule,
			StartAt: slot(orderDay, i%slotsEach), Duration: 30, InsuranceCheck: closure.SkipInsuranceCheck,
		}
		api.AddPatient(closure.Patient{ID: params.PatientID, FirstName: "Test", LastName: "Patient"})
		if journal != nil {
			params.IdempotencyKey = fmt.Sprint(run, i)
		}
		return params
	}
	opts := []closure.Option{closure.WithBaseURL(api.Start())}
	if journal != nil {
		opts = append(opts, closure.WithJournal(journal))
	}
	client, err := closure.NewClient(closure.QuickstartKey, opts...)
	noError(b, err)
	orders := make([]closure.BookSlotParams, b.N)
	for i := range orders {
		orders[i] = next()
	}
	took := make([]time.Duration, b.N)
	var group sync.WaitGroup
	numbers := make(chan int)
	b.ResetTimer()
	for range atOnce {
		group.Go(func() {
			for i := range numbers {
				start := time.Now()
				booking, err := client.BookSlot(context.Background(), orders[i])
				if err != nil || booking.Recovered {
					b.Errorf("BookSlot made no appointment: %v", err)
				}
				took[i] = time.Since(start)
			}
		})
	}
	for i := range b.N {
		numbers <- i
	}
	close(numbers)
	group.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "bookings/s")
	b.ReportMetric(milliseconds(took, 50), "ms/median")
	b.ReportMetric(milliseconds(took, 99), "ms/p99")
	return took
}
