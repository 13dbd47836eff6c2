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

func TestTextsOfNames(t *testing.T) {
	t.Parallel()
	const form = " is not of 1 to 40 lower-case letters, digits and underscores, or begins with a digit"
	for want, opt := range map[string]closuresql.Option{
		"closuresql: WithTable: the table's name" + form:                                             closuresql.WithTable("1st"),
		"closuresql: WithSchema: the schema's name" + form:                                           closuresql.WithSchema("1st"),
		"closuresql: WithTable: the table's name begins with sqlite_, which SQLite keeps for itself": closuresql.WithTable("sqlite_x"),
	} {
		if _, err := closuresql.Schema(closuresql.SQLite, opt); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := closuresql.Schema(closuresql.PostgreSQL, closuresql.WithTable("sqlite_x")); err != nil {
		t.Errorf("PostgreSQL: %v", err)
	}
}
