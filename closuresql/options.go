package closuresql

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// A Dialect is a kind of database.
type Dialect int

// The dialects.
const (
	PostgreSQL Dialect = iota + 1 // 12 or newer
	SQLite                        // 3.35 or newer
)

// String returns the database's name.
func (d Dialect) String() string {
	switch d {
	case PostgreSQL:
		return "PostgreSQL"
	case SQLite:
		return "SQLite"
	default:
		return fmt.Sprintf("Dialect(%d)", int(d))
	}
}

// An Option says where the tables are, or how they are sealed.
type Option func(*config) error

type config struct {
	dialect Dialect
	schema  string
	table   string
	keyset  Keyset
}

func newConfig(dialect Dialect, opts []Option) (*config, error) {
	c := &config{dialect: dialect, table: "closure_journal"}
	if dialect != PostgreSQL && dialect != SQLite {
		return nil, errors.New("closuresql: the dialect is neither PostgreSQL nor SQLite")
	}
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt(c); err != nil {
			return nil, err
		}
	}
	if c.schema != "" && dialect == SQLite {
		return nil, errors.New("closuresql: WithSchema: SQLite has no schemas")
	}
	return c, nil
}

// The database cuts names off at 63 bytes, and the tables' have an ending.
var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

const notAName = " is not of 1 to 40 lower-case letters, digits and underscores, or begins with a digit"

// WithTable names the tables: the first has this name, and those beside it begin
// with it. The default is "closure_journal". A name is of at most 40 lower-case
// letters, digits and underscores, and doesn't begin with a digit, or in SQLite with
// sqlite_. Journals with different names share nothing.
func WithTable(name string) Option {
	return func(c *config) error {
		if !identifier.MatchString(name) {
			return errors.New("closuresql: WithTable: the table's name" + notAName)
		}
		if c.dialect == SQLite && strings.HasPrefix(name, "sqlite_") {
			return errors.New("closuresql: WithTable: the table's name begins with sqlite_, which SQLite keeps for itself")
		}
		c.table = name
		return nil
	}
}

// WithSchema names the schema that the tables are in, which must exist. The
// default is the first of the connection's search path. PostgreSQL only.
func WithSchema(name string) Option {
	return func(c *config) error {
		if !identifier.MatchString(name) {
			return errors.New("closuresql: WithSchema: the schema's name" + notAName)
		}
		c.schema = name
		return nil
	}
}

// WithKeyset seals what says anything of a patient. A table is sealed from its
// first entry on, or never: [Open] refuses another keyset's table, and one in clear.
func WithKeyset(keyset Keyset) Option {
	return func(c *config) error {
		if !keyset.sealed() {
			return errors.New("closuresql: WithKeyset: the keyset is empty: make it with NewKeyset")
		}
		c.keyset = keyset
		return nil
	}
}

// name is a table's name in a statement, of the one with that ending.
func (c *config) name(ending string) string {
	name := `"` + c.table + ending + `"`
	if c.schema != "" {
		name = `"` + c.schema + `".` + name
	}
	return name
}
