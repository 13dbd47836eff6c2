package databases

import (
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
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]closuresql.Option{
		"in clear": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyDatabase(t, func(t *testing.T, d database) {
				closuretest.TestJournal(t, func() closure.Journal { return d.open(t, opts...) })
			})
		})
	}
}
