package closuresql_test

import (
	"strings"
	"testing"

	"github.com/closurehealth/closure-go/closuresql"
)

func TestNamesOfTables(t *testing.T) {
	t.Parallel()
	named := []closuresql.Option{closuresql.WithSchema("clinic"), closuresql.WithTable("bookings")}
	text, err := closuresql.Schema(closuresql.PostgreSQL, named...)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"clinic"."bookings"`, `"clinic"."bookings_keys"`, `"bookings_state"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the schema lacks %s", want)
		}
	}
	if strings.ContainsAny(text, "{}") || strings.Contains(text, "closure_journal") {
		t.Errorf("a name was not filled in:\n%s", text)
	}
}

func TestOptionsAreRefused(t *testing.T) {
	t.Parallel()
	type options = []closuresql.Option
	for name, of := range map[string]struct {
		dialect closuresql.Dialect
		opts    options
	}{
		"no dialect":         {0, nil},
		"an empty table":     {closuresql.SQLite, options{closuresql.WithTable("")}},
		"a quoted table":     {closuresql.SQLite, options{closuresql.WithTable(`a" (x); DROP TABLE b; --`)}},
		"a long table":       {closuresql.SQLite, options{closuresql.WithTable(strings.Repeat("a", 41))}},
		"upper case":         {closuresql.SQLite, options{closuresql.WithTable("Journal")}},
		"a newline":          {closuresql.SQLite, options{closuresql.WithTable("journal\n")}},
		"a quoted schema":    {closuresql.PostgreSQL, options{closuresql.WithSchema(`a".b`)}},
		"a schema in SQLite": {closuresql.SQLite, options{closuresql.WithSchema("main")}},
		"the zero keyset":    {closuresql.SQLite, options{closuresql.WithKeyset(closuresql.Keyset{})}},
	} {
		if _, err := closuresql.Schema(of.dialect, of.opts...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
