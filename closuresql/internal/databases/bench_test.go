package databases

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
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

const (
	benchAtOnce  = 64
	benchEntries = 1_000_000
)

// BenchmarkBookings books with no journal, with SQLite and with PostgreSQL in turn,
// 64 at a time, by an API on the loopback interface that answers at once. One
// iteration is one booking.
func BenchmarkBookings(b *testing.B) {
	b.Run("no journal", func(b *testing.B) { benchBookings(b, nil) })
	b.Run("SQLite", func(b *testing.B) { benchBookings(b, benchJournal(b, sqliteDatabase(b), 8)) })
	b.Run("PostgreSQL", func(b *testing.B) { benchBookings(b, benchJournal(b, postgresDatabase(b), 32)) })
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
	db := d.connect(b)
	const each = 500
	for done := 0; done < entries; done += each {
		tx, err := db.BeginTx(context.Background(), nil)
		noError(b, err)
		fillSome(b, tx, d, min(each, entries-done))
		noError(b, tx.Commit())
	}
	if d.dialect == closuresql.PostgreSQL {
		execute(b, db, "VACUUM ANALYZE "+d.table)
	}
}

func fillSome(b *testing.B, tx *sql.Tx, d database, n int) {
	b.Helper()
	random := func(size int) []byte {
		value := make([]byte, size)
		_, _ = rand.Read(value)
		return value
	}
	insert := func(into string, columns int, row func() []any) {
		var text bytes.Buffer
		var args []any
		text.WriteString("INSERT INTO " + d.table + into + " VALUES ")
		for i := range n {
			text.WriteString([]string{"(", ", ("}[min(i, 1)])
			for c := range columns {
				fmt.Fprintf(&text, "%s$%d", []string{"", ", "}[min(c, 1)], len(args)+c+1)
			}
			text.WriteString(")")
			args = append(args, row()...)
		}
		_, err := tx.ExecContext(context.Background(), text.String(), args...)
		noError(b, err)
	}
	var ids []string
	insert("(id, slot, state, begun, attempt, appointment)", 6, func() []any {
		ids = append(ids, fmt.Sprintf("%x", random(13)))
		return []any{ids[len(ids)-1], random(32), 1, time.Now().UnixMicro(), random(360), random(64)}
	})
	entry := func() []any { id := ids[0]; ids = ids[1:]; return []any{random(32), id} }
	all := ids
	insert("_keys(hash, entry)", 2, entry)
	ids = all
	insert("_appointments(hash, entry)", 2, entry)
}

func benchBookings(b *testing.B, journal *closuresql.Journal) {
	b.Helper()
	api := closuretest.New(closuretest.WithClock(time.Now), closuretest.KeepRequests(0))
	defer api.Close()
	run := rand.Text()
	n := 0
	next := func() closure.BookSlotParams { // on a schedule of its own: the API's own lists stay short
		i := n
		n++
		schedule := closure.ScheduleID(fmt.Sprint("sch_bench", i/slotsEach))
		if i%slotsEach == 0 {
			api.AddSchedule(closure.Schedule{ID: schedule, SchedulingMethod: closure.SchedulingDirectAPI})
			for s := range slotsEach {
				api.AddSlots(schedule, closure.Slot{StartAt: slot(wishDay, s), Duration: 30})
			}
		}
		params := closure.BookSlotParams{
			PatientID: closure.PatientID(fmt.Sprint("pt_bench", i)), ScheduleID: schedule,
			StartAt: slot(wishDay, i%slotsEach), Duration: 30, InsuranceCheck: closure.SkipInsuranceCheck,
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
	wishes := make([]closure.BookSlotParams, b.N)
	for i := range wishes {
		wishes[i] = next()
	}
	took := make([]time.Duration, b.N)
	var group sync.WaitGroup
	order := make(chan int)
	b.ResetTimer()
	for range benchAtOnce {
		group.Go(func() {
			for i := range order {
				start := time.Now()
				if _, err := client.BookSlot(context.Background(), wishes[i]); err != nil {
					b.Errorf("BookSlot: %v", err)
				}
				took[i] = time.Since(start)
			}
		})
	}
	for i := range b.N {
		order <- i
	}
	close(order)
	group.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "bookings/s")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/median")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms/p99")
}
