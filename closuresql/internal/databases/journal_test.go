package databases

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/closurehealth/closure-go"
	"github.com/closurehealth/closure-go/closuresql"
	"github.com/closurehealth/closure-go/closuretest"
)

// everyDatabase runs a test on each kind of database.
func everyDatabase(t *testing.T, test func(*testing.T, database)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, sqliteDatabase(t))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, postgresDatabase(t))
	})
	t.Run("PgBouncer", func(t *testing.T) {
		t.Parallel()
		d := bouncedDatabase(t)
		d.connect = connectPostgres(&d)
		test(t, d)
	})
}

// A server whose default isolation is another one.
func TestConformanceWhereSerializableIsTheDefault(t *testing.T) {
	t.Parallel()
	d := postgresDatabase(t)
	d.dsn = withParameter(d.dsn, "default_transaction_isolation=serializable")
	d.connect = connectPostgres(&d)
	closuretest.TestJournal(t, func() closure.Journal { return d.open(t) })
}

// Several instances begin with new tables there.
func TestOpenAtOnceWhereSerializableIsTheDefault(t *testing.T) {
	t.Parallel()
	d := postgresDatabase(t)
	d.dsn = withParameter(d.dsn, "default_transaction_isolation=serializable")
	d.connect = connectPostgres(&d)
	db := d.connect(t)
	for n := range 20 {
		table := closuresql.WithTable(fmt.Sprintf("journal_%d", n))
		noError(t, closuresql.Migrate(t.Context(), d.dialect, db, table))
		var instances sync.WaitGroup
		for range 10 {
			instances.Go(func() {
				if _, err := closuresql.Open(t.Context(), d.dialect, db, table); err != nil {
					t.Error(err, errors.Unwrap(err))
				}
			})
		}
		instances.Wait()
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]closuresql.Option{
		"in clear": nil,
		"sealed":   {closuresql.WithKeyset(keyset(t))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyDatabase(t, func(t *testing.T, d database) {
				closuretest.TestJournal(t, func() closure.Journal { return d.open(t, opts...) })
			})
		})
	}
}

// keyset is one of random keys.
func keyset(t testing.TB) closuresql.Keyset {
	t.Helper()
	k, err := closuresql.NewKeyset(key(), key())
	noError(t, err)
	return k
}

func key() []byte {
	k := make([]byte, closuresql.KeySize)
	_, _ = rand.Read(k)
	return k
}
